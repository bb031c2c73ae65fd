"""A loop written by hand in JAX for this one task: no history, no validation, no best weights, order from the host.

It is tried in several forms (`engine.py --forms`) and compared in its fastest. The calls are not waited for one by
one, so that the host permutes the rows for the next epoch while this one is computed.
"""

from __future__ import annotations

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata

from benchmarks.learners.measurement import Measurement
from benchmarks.workloads import MOMENTUM, SEED, Workload, initial_weights, make_data


def loss_of(params, x, targets):
    for weights, bias in params[:-1]:
        x = jax.nn.relu(x @ weights + bias)
    weights, bias = params[-1]
    z = x @ weights + bias
    return jnp.mean(jax.nn.logsumexp(z, axis=-1) - jnp.sum(targets * z, axis=-1))


def update(learning_rate, state, x, targets):
    params, velocity = state
    gradients = jax.grad(loss_of)(params, x, targets)
    velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, gradients)
    return jax.tree.map(lambda w, v: w - learning_rate * v, params, velocity), velocity


def rows_of(array, rows):
    return array.at[rows].get(mode="promise_in_bounds")


def one_row_of(array, rows):
    """For batches of one example: a slice is cheaper than a gather."""
    return lax.dynamic_slice_in_dim(array, rows[0], 1)


def epoch(learning_rate, loop, gather, unroll, state, inputs, targets, order):
    """All the updates of `order`, int32 [updates, batch]."""
    pick = one_row_of if gather == "slice" else rows_of
    if gather == "before":
        examples = (rows_of(inputs, order), rows_of(targets, order))
        return lax.scan(lambda s, e: (update(learning_rate, s, *e), None), state, examples, unroll=unroll)[0]

    def step(s, rows):
        return update(learning_rate, s, pick(inputs, rows), pick(targets, rows))

    if loop == "scan":
        return lax.scan(lambda s, rows: (step(s, rows), None), state, order, unroll=unroll)[0]
    return lax.fori_loop(0, len(order), lambda i, s: step(s, order[i]), state, unroll=unroll)


def as_one_function(program):
    """Compiles the whole loop as one native function (an undocumented option of XLA on CPUs)."""

    def marked(state, *arrays):
        leaves, structure = jax.tree.flatten(jax.jit(program)(state, *arrays))
        first = set_xla_metadata(leaves[0], xla_cpu_small_call="true", inlineable="false")
        return jax.tree.unflatten(structure, [first, *leaves[1:]])

    return marked


def measure(
    workload: Workload, loop: str = "scan", gather: str = "inside", unroll: str = "1", one_function: str = "no"
) -> Measurement:
    data = make_data(workload)
    inputs = jax.device_put(data.inputs)
    targets = jax.device_put(np.eye(workload.sizes[-1], dtype=np.float32)[data.classes])
    params = jax.device_put(initial_weights(workload))
    state = (params, jax.tree.map(jnp.zeros_like, params))
    program = partial(epoch, workload.learning_rate, loop, gather, int(unroll))
    program = jax.jit(as_one_function(program) if one_function == "yes" else program)
    generator = np.random.default_rng(SEED)

    def order():
        rows = generator.permutation(np.arange(workload.n_rows, dtype=np.int32))
        return rows.reshape(workload.n_updates, workload.batch_size)

    state = jax.block_until_ready(program(state, inputs, targets, order()))
    start = time.perf_counter()
    for _ in range(workload.n_epochs):
        state = program(state, inputs, targets, order())
    jax.block_until_ready(state)
    seconds = time.perf_counter() - start
    loss = float(loss_of(state[0], inputs, targets))
    return Measurement(seconds, workload.n_epochs * workload.n_updates, loss)
