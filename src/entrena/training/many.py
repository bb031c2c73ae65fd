"""Many networks: grouped by program, each group trained side by side, a share of it on each core.

What changes the shape of a program makes another group: the layers, the optimizer, the size of a batch. Rates, decays,
dropout, seeds, schedules, orders and the examples themselves do not. On a CPU every core has a thread that trains one
share of a group after the other; on a GPU one program trains the whole. How a group is cut is a fixed rule of shapes,
because a network comes out a little different, in the last bits, beside others than alone.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from entrena.training.checkpoint import Checkpoint
from entrena.training.compilation import find_device
from entrena.training.judge import Training
from entrena.training.loop import Member, place_of, program_key, train_side_by_side, what_is_own
from entrena.training.parts import validation_shape
from entrena.training.plan import round_up
from entrena.training.program import CHANCE_FIRST_BYTES, GATHER_FIRST_BYTES
from entrena.training.watching import UNWATCHED

MOST_BYTES = 2 * 2**30  # of all networks that are trained at the same time, data that they share left out
MOST_ON_A_CORE = 16  # in one program of a CPU's core: more fall out of its caches (benchmarks/results/shares.md)
STATES = 10  # weights and two means, before and after an update, the best weights, gradients, what the host copies
AVERAGES = 3  # more with ema: the means, before and after an update, and the best

OnCheckpoints = Callable[[dict[int, Checkpoint]], None]


def train_many(
    members: Sequence[Member],
    on_checkpoints: OnCheckpoints | None = None,
    interrupted: Callable[[], bool] = UNWATCHED.interrupted,
) -> list[Training]:
    """Trains networks, as many at once as this machine does best.

    Args:
        members: The networks, in any mixture of recipes. Callbacks of several are called from several threads.
        on_checkpoints: Called from time to time, by one thread at a time, with the checkpoints of some of the networks
            by their numbers.
        interrupted: Asked between calls of the programs.

    Returns:
        For each network the weights, the history and how it ended.
    """
    cuts = [share for group in groups(members) for share in cut(group, members)]
    shares = [part for share in cuts for part in by_place(share, members)]
    found: dict[int, Training] = {}
    failed = threading.Event()
    saving = threading.Lock()

    def stop() -> bool:
        return failed.is_set() or interrupted()

    def train(share: list[int]) -> None:
        def save(checkpoints: list[Checkpoint]) -> None:
            if on_checkpoints is not None:
                with saving:
                    on_checkpoints(dict(zip(share, checkpoints, strict=True)))

        try:
            trained = train_side_by_side(
                [members[number] for number in share],
                None if on_checkpoints is None else save,
                stop,
                ask_first=len(shares) > 1,  # a share that has not begun when Ctrl-C comes need not begin
            )
        except BaseException:
            failed.set()  # the other threads come to an end too
            raise
        found.update(zip(share, trained, strict=True))

    if len(shares) == 1:
        train(shares[0])
    else:
        with ThreadPoolExecutor(_n_threads(members)) as pool:
            for future in [pool.submit(train, share) for share in shares]:
                future.result()
    return [found[number] for number in range(len(members))]


def groups(members: Sequence[Member]) -> list[list[int]]:
    """The numbers of the networks that share a program, group by group."""
    by_key: dict[object, list[int]] = {}
    for number, member in enumerate(members):
        by_key.setdefault(program_key(member), []).append(number)
    return list(by_key.values())


def cut(group: Sequence[int], members: Sequence[Member]) -> list[list[int]]:
    """The shares of a group that are trained side by side: equally many for each thread, none too large.

    On a CPU a share has at most `MOST_ON_A_CORE` networks, on every device as many as the memory allows.
    """
    own = [members[number] for number in group]
    threads = _n_threads(own)
    most = max(1, MOST_BYTES // threads // bytes_of(own))
    if find_device(own[0].plan.device).platform == "cpu":
        most = min(most, MOST_ON_A_CORE)
    n_shares = min(len(group), threads * math.ceil(len(group) / threads / most))
    return [part.tolist() for part in np.array_split(np.asarray(group), n_shares)]


def by_place(share: Sequence[int], members: Sequence[Member]) -> list[list[int]]:
    """The parts of a share that stand at the same update; one, unless the networks were resumed on another machine.

    Those that are done stay with the others: so a resumed share is of the size that it had, and no bit differs.
    """
    places = {number: place_of(members[number]) for number in share}
    parts: dict[object, list[int]] = {}
    for number in share:
        if places[number] is not None:
            parts.setdefault(places[number], []).append(number)
    if not parts:
        return [list(share)]
    first, *others = parts.values()
    done = [number for number in share if places[number] is None]
    return [sorted(first + done), *others]


def bytes_of(members: Sequence[Member]) -> int:
    """About how much memory each of these networks takes while it is trained beside the others."""
    member = members[0]
    plan, network = member.plan, member.plan.structure.network
    item = np.dtype(plan.dtype).itemsize
    examples = plan.updates_a_call * plan.batch_size
    columns = member.training.inputs.shape[1] + member.training.targets.shape[1]
    states = STATES + (AVERAGES if plan.structure.ema else 0)
    total = states * network.n_weights * item + plan.optimizer_bytes
    total += 3 * examples * 4 + min(examples * columns * item, GATHER_FIRST_BYTES)
    total += 3 * plan.batch_size * sum(network.sizes) * item
    total += min(plan.structure.drawn.n_bytes(examples), CHANCE_FIRST_BYTES)
    blocks, rows = validation_shape(0 if member.validation is None else len(member.validation.inputs))
    total += 2 * blocks * rows * (network.sizes[-1] + 1) * item
    if len(members) > 1 and what_is_own(members).data:
        total += (round_up(member.training.n_rows) + blocks * rows) * columns * item
    return total


def _n_threads(members: Sequence[Member]) -> int:
    """A thread for each core that this process may use; one where another device computes."""
    if find_device(members[0].plan.device).platform != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
