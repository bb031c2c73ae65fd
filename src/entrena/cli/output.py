"""What the commands share in speaking: JSON or text, messages, numbers as people write them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any


def print_json(value: Mapping[str, Any]) -> None:
    """One object on standard output; numbers that are not finite become null."""
    from entrena.storage.json_text import to_json

    print(to_json(value, indent=2))


def print_message(text: str) -> None:
    """A message for people, on standard error."""
    print(text, file=sys.stderr)


def console() -> Any:
    """A Rich console on standard output, as wide as the terminal and 100 columns where there is none."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 100, highlight=False, soft_wrap=not sys.stdout.isatty())


def table(*columns: str, right: tuple[str, ...] = ()) -> Any:
    """An empty Rich table without frames; the columns in `right` are set to the right."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def cell(text: object) -> Any:
    """Text that is shown as it is: brackets in a name are no markup."""
    from rich.text import Text

    return Text(str(text))


def number(value: float | None) -> str:
    """A number with about four digits that count.

    >>> [number(value) for value in (0.974930, 12345.678, 0.000012345, None)]
    ['0.9749', '12,346', '1.234e-05', '–']
    """
    if value is None or value != value:
        return "–"
    if value and not 1e-4 <= abs(value) < 1e15:
        return f"{value:.4g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """A time span as people say it.

    >>> [duration(value) for value in (0.214, 12.3, 125, 7300, None)]
    ['0.21 s', '12.3 s', '2 min 5 s', '2 h 1 min', '–']
    """
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


SCORE_NAMES = {
    "accuracy": "accuracy",
    "log_loss": "log loss",
    "roc_auc": "ROC AUC",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
}


def scores_table(parts: Mapping[str, Mapping[str, float] | None], rows: Mapping[str, int]) -> Any:
    """Scores side by side: a line for each score, a column for each part of the data that has scores."""
    shown = {name: scores for name, scores in parts.items() if scores}
    heads = [f"{name} ({rows[name]:,} rows)" for name in shown]
    made = table("", *heads, right=tuple(heads))
    for score in next(iter(shown.values()), {}):
        made.add_row(SCORE_NAMES.get(score, score), *(number(scores[score]) for scores in shown.values()))
    return made
