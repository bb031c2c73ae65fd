"""How numbers, scores and foreign texts stand on a page: with as many digits as they deserve, and harmless."""

from __future__ import annotations

import math
from collections.abc import Sequence

# As in the registry of scores, which would bring JAX into commands that only read files; a test compares them.
SCORE_NAMES = {
    "balanced_accuracy": "balanced accuracy",
    "log_loss": "log loss",
    "brier": "Brier score",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "f1": "F1",
    "f1_macro": "macro F1",
    "mcc": "MCC",
    "rmse": "RMSE",
    "mae": "MAE",
    "median_absolute_error": "median absolute error",
    "max_error": "greatest error",
    "mape": "MAPE",
    "rmsle": "RMSLE",
    "pinball": "pinball loss",
    "r2": "R²",
    "explained_variance": "explained variance",
}

# Of two classes these are about one: the second in sorted order.
OF_ONE_CLASS = ("f1", "precision", "recall", "average_precision")

IN_THE_TARGETS_UNIT = ("rmse", "mae", "median_absolute_error", "max_error", "pinball")

LONGEST_CLASS = 40  # characters of a class's name in the title of a score


def visible(text: str, *, lines: bool = False) -> str:
    r"""A text that may come from a file, with what has no shape of its own or turns the direction of writing shown.

    Args:
        text: The text.
        lines: Whether the ends of lines stay.

    >>> print(visible("a\u202eb\u2028c"))
    a\u202eb\u2028c
    """
    if text.isprintable():
        return text
    kept = "\n" if lines else ""
    return "".join(
        sign if sign.isprintable() or sign == kept else sign.encode("unicode_escape").decode() for sign in text
    )


def squeezed(text: str, most: int) -> str:
    """A text of at most so many characters: names that were made alike often differ at their end, so the middle goes.

    >>> squeezed("activation=relu, learning_rate=0.003", 24)
    'activation=r…_rate=0.003'
    """
    text = visible(text)
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return text[: most - 1 - end] + "…" + text[len(text) - end :]


def labels(names: Sequence[str], most: int) -> list[str]:
    """Names of at most so many characters, still different from each other.

    >>> labels(["a long name (1) here", "a long name (2) here"], 9)
    ['1: a l…re', '2: a l…re']
    """
    short = [squeezed(name, most) for name in names]
    if len(set(short)) == len(set(names)):
        return short
    width = len(str(len(names))) + 2
    return [f"{k}: {squeezed(name, most - width)}" for k, name in enumerate(names, 1)]


def number(value: float | None) -> str:
    """A number with about four digits that count.

    >>> [number(value) for value in (0.974930, 12345.678, 0.000012345, None)]
    ['0.9749', '12,346', '1.234e-05', '–']
    """
    if value is None or math.isnan(value):
        return "–"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"


def score(name: str, value: float | None) -> str:
    """A score: shares to four decimals, errors in the target's units to four digits that count."""
    if value is None or math.isnan(value):
        return "–"
    of_unit = name.partition("(")[0] in IN_THE_TARGETS_UNIT
    return number(value) if of_unit or abs(value) >= 1000 else f"{value:.4f}"


def score_title(name: str, classes: Sequence[object] | None = None) -> str:
    """A score as people call it, with its settings and the class that it is about.

    >>> score_title("f1", ["no", "yes"]), score_title("balanced_accuracy"), score_title("pinball(alpha=0.9)")
    ('F1 of yes', 'balanced accuracy', 'pinball loss(alpha=0.9)')
    """
    bare, bracket, settings = name.partition("(")
    title = SCORE_NAMES.get(bare, bare) + bracket + settings
    if bare in OF_ONE_CLASS and classes is not None and len(classes) == 2:
        return f"{title} of {squeezed(str(classes[1]), LONGEST_CLASS)}"
    return title


def p_value(value: float) -> str:
    """A probability to three decimals.

    >>> p_value(0.04567), p_value(0.0002)
    ('0.046', '< 0.001')
    """
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def span(name: str, low: float | None, high: float | None) -> str:
    """An interval of a score; nothing where there is none.

    >>> span("accuracy", 0.91, 0.97), span("accuracy", None, None)
    ('0.9100 … 0.9700', '')
    """
    return "" if low is None or high is None else f"{score(name, low)} … {score(name, high)}"


def count(n: int, thing: str) -> str:
    """A number of things.

    >>> count(1, "row"), count(1797, "row"), count(3, "class")
    ('1 row', '1,797 rows', '3 classes')
    """
    return f"{n:,} {thing}" + ("" if n == 1 else "es" if thing.endswith("s") else "s")


def size(n_bytes: int) -> str:
    """A size of memory.

    >>> size(3 * 2**30), size(180 * 2**20), size(5000)
    ('3.0 GiB', '180 MiB', '4.9 KiB')
    """
    for power, unit in ((30, "GiB"), (20, "MiB")):
        if n_bytes >= 2**power:
            value = n_bytes / 2**power
            return f"{value:.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"
    return f"{n_bytes / 2**10:.1f} KiB"


def duration(seconds: float | None) -> str:
    """A time span as people say it.

    >>> [duration(value) for value in (0.0123, 0.214, 12.3, 125, 7300, 200_000, None)]
    ['12 ms', '0.21 s', '12.3 s', '2 min 5 s', '2 h 1 min', '2 d 7 h', '–']
    """
    if seconds is None or math.isnan(seconds):
        return "–"
    if seconds < 0.0995:
        return f"{1000 * seconds:.2g} ms"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"
