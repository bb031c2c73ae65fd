"""What people look at while a network trains and afterwards.

This room shows what the rooms below measured; it computes no result of its own: the progress bar, figures in one
theme, and pages that stand in one file. It takes plain values, as the JSON of a command has them.
"""
