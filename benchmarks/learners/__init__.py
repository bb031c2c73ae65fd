"""One file for each learner: trains the network of a workload and says how long an update took.

Each has `measure(workload, **form) -> Measurement`. A learner is measured in a process of its own:
`python -m benchmarks.learners jax_loop small loop=fori`.
"""
