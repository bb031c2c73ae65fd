"""In which form XLA compiles the loop over the updates on a CPU: a fixed rule on shapes.

`loop` is the ordinary form: each operation is called from a table, about 50 ns a piece, and large products use fast
kernels on all cores. `one_function` compiles the whole loop into one native function: no calls, but one core and no
matrix kernels. It wins by factors for single examples and tiny networks, and loses by factors elsewhere;
`benchmarks/results/forms.md` has the table from which the limits below were read. The forms differ in the last bits of
a result, so the choice never depends on a measurement at run time, and the run's record says which form ran.
"""

from __future__ import annotations

LOOP = "loop"
ONE_FUNCTION = "one_function"

MOST_WEIGHTS_ONLINE = 30_000  # one example an update
MOST_WEIGHTS_SMALL_BATCH = 1_500  # 2 to 32 examples an update
LARGEST_SMALL_BATCH = 32

# No library fusions: XLA:CPU would hand products of small batches to a library that one native function cannot call.
COMPILER_OPTIONS = {ONE_FUNCTION: {"xla_cpu_experimental_ynn_fusion_type": ""}}


def choose_form(n_weights: int, batch_size: int, platform: str, *, embeddings: bool = False) -> str:
    """The form for a network of `n_weights` weights with updates of `batch_size` examples.

    XLA cannot put the gradients of several rows of an embedding into one function.

    >>> choose_form(226, 1, "cpu"), choose_form(226, 64, "cpu"), choose_form(226, 1, "gpu")
    ('one_function', 'loop', 'loop')
    """
    if platform != "cpu" or (embeddings and batch_size > 1):
        return LOOP
    most = MOST_WEIGHTS_ONLINE if batch_size == 1 else MOST_WEIGHTS_SMALL_BATCH
    return ONE_FUNCTION if batch_size <= LARGEST_SMALL_BATCH and n_weights <= most else LOOP
