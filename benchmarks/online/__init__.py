"""Learners that learn rows as they come: a file for each, and the work that they share.

Each has `sequences()`, µs per update of a long sequence in one call by `cell`, and `rows()`, µs per row in calls with
one row by network. A learner is measured in a process of its own: `python -m benchmarks.online torch_online`.
"""
