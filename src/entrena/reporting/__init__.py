"""What people look at while a network trains and afterwards.

This room shows what the rooms below measured; it computes no result of its own. So far it holds the progress bar.
"""
