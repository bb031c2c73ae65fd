"""What does not go together with an optimizer that needs all rows in each update, why, and what to take instead."""

from __future__ import annotations

from collections.abc import Mapping

from entrena.errors import Problem
from entrena.registry import Choice
from entrena.training.batch_optimizers import Cost
from entrena.training.optimizers import finds_step, is_batch_only, settings_by_use
from entrena.training.settings import RateSettings, RegularizationSettings, TrainingSettings

INSTEAD = "take optimizer=adamw"  # which has no such wish


def refused_choices(
    training: TrainingSettings,
    rate: RateSettings,
    regularization: RegularizationSettings,
    disturbing: Mapping[str, str],
) -> list[Problem]:
    """The recipe's choices that contradict a batch-only optimizer; none for another.

    Args:
        training: The recipe's section.
        rate: The recipe's section.
        regularization: The recipe's section.
        disturbing: The keys of what makes another function of the loss in each update, and in words what that is.
    """
    optimizer, problems = training.optimizer, []
    if not is_batch_only(optimizer):
        return []
    name = optimizer.name

    def refuse(key: str, why: str, instead: str = INSTEAD) -> None:
        left_out = key.rpartition(".")[2]
        problems.append(Problem(key, f"{why}: leave {left_out} out" + (f", or {instead}" if instead else "")))

    problems += refused_mode(training)
    if training.batch_size != "auto" and training.mode in ("auto", "mini_batch"):
        refuse("training.batch_size", f"{name} needs all rows in each update")
    if training.order != TrainingSettings().order and training.mode == "auto":
        refuse("training.order", f"{name} sees all rows in each update, so '{training.order}' changes nothing", "")
    for key, what in disturbing.items():
        if key == "network.normalization":
            refuse(key, f"{name} is not made for {what}", "take normalization=layer")
            continue
        makes = "make" if what.endswith("s") else "makes"
        refuse(key, f"{name} compares losses, and {what} {makes} another function of the loss in each update")
    if regularization.l1 > 0:
        refuse("regularization.l1", f"{name} needs a slope everywhere, and |w| has none at 0")
    if regularization.max_norm is not None:
        refuse("regularization.max_norm", f"{name} goes on from where its step led, and max_norm moves the weights")
    if training.ema > 0:
        refuse("training.ema", f"{name} converges, so a mean of its last weights is only further behind", "")
    if rate.learning_rate is not None and finds_step(optimizer):
        refuse("rate.learning_rate", f"{name} finds its own step", "")
    if rate.schedule not in (RateSettings().schedule, Choice("constant")):
        each = "" if finds_step(optimizer) else " of each weight"
        refuse("rate.schedule", f"{name} finds the step{each} itself, so it follows no schedule", "")
    if training.precision == "bfloat16" and finds_step(optimizer):
        refuse("training.precision", f"{name} compares losses, and bfloat16 has only two or three digits of them")
    return problems


def refused_mode(training: TrainingSettings) -> list[Problem]:
    """A mode in which an update of a batch-only optimizer would see only some of the rows."""
    if not is_batch_only(training.optimizer) or training.mode in ("auto", "batch"):
        return []
    some = "one of them" if training.mode == "online" else "some of them"
    said = f"{training.optimizer.name} needs the loss over all rows in each update, and mode={training.mode} shows "
    return [Problem("training.mode", f"{said}{some}: leave mode out, or {INSTEAD}")]


def refused_task(optimizer: Choice, loss: str, output: str) -> list[Problem]:
    """A loss or an output, `auto` or a name, that is no sum of squares of residuals that are linear in the output."""
    fits = loss in ("squared_error", "auto") and output in ("linear", "auto")
    if optimizer.name != "levenberg_marquardt" or fits:
        return []
    said = f"levenberg_marquardt needs loss=squared_error with output=linear, and here they are {loss} and {output}"
    return [Problem("training.optimizer", f"{said}: take optimizer=lbfgs")]


def refused_memory(optimizer: Choice, n_weights: int, cost: Cost) -> list[Problem]:
    """More memory for its matrices than `memory_limit` allows."""
    limit = settings_by_use(optimizer)[2].get("memory_limit")
    if not isinstance(limit, float) or cost.bytes <= limit * 2**30:
        return []
    needed, weights = f"{cost.bytes / 2**30:,.1f} GiB", f"{n_weights:,} weights"
    said = f"{optimizer.name} needs {needed} of memory for {weights}, and its limit is {limit:g} GiB: "
    said += "take optimizer=lbfgs or fewer hidden units, or raise optimizer.memory_limit"
    return [Problem("training.optimizer", said)]
