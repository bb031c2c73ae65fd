"""Kinds of figures that several lessons draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from entrena.reporting.figures import COLOURS, escaped, new_figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ROW = 34  # pixels of a box or a bar
FRAME = 110


def boxes(title: str, groups: Mapping[str, Mapping[str, Sequence[float]]], *, mark: float | None = None) -> Figure:
    """Distributions side by side: a row for each case, in it a box for each kind.

    Args:
        title: What is distributed.
        groups: By kind, by case the values.
        mark: Where a dashed line stands.
    """
    cases = list(next(iter(groups.values())))
    figure = new_figure(title, "", height=FRAME + ROW * len(cases) * len(groups))
    for k, (kind, by_case) in enumerate(groups.items()):
        figure.add_box(
            x=[value for case in cases for value in by_case[case]],
            y=[escaped(case) for case in cases for _ in by_case[case]],
            name=escaped(kind),
            orientation="h",
            marker={"color": COLOURS[k], "size": 3},
            line={"width": 1.5},
        )
    figure.update_layout(boxmode="group", boxgap=0.3)
    return _in_rows(figure, mark)


def shares(title: str, groups: Mapping[str, Mapping[str, Mapping[str, Any]]], *, mark: float | None = None) -> Figure:
    """Shares with their intervals: a row for each case, in it a bar for each kind.

    Args:
        title: What the shares are of.
        groups: By kind, by case a share as `intervals.share` gives it.
        mark: Where a dashed line stands.
    """
    cases = list(next(iter(groups.values())))
    figure = new_figure(title, "", height=FRAME + ROW * len(cases) * len(groups))
    for k, (kind, by_case) in enumerate(groups.items()):
        found = [by_case[case] for case in cases]
        figure.add_bar(
            x=[each["share"] for each in found],
            y=[escaped(case) for case in cases],
            name=escaped(kind),
            orientation="h",
            marker={"color": COLOURS[k]},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [each["high"] - each["share"] for each in found],
                "arrayminus": [each["share"] - each["low"] for each in found],
                "thickness": 1.2,
            },
        )
    figure.update_layout(barmode="group", bargap=0.3)
    figure.update_xaxes(range=[0, 1])
    return _in_rows(figure, mark)


def _in_rows(figure: Figure, mark: float | None) -> Figure:
    """The first case on top, and in it the first kind."""
    figure.update_yaxes(autorange="reversed")
    if mark is not None:
        figure.add_vline(x=mark, line={"dash": "dash", "width": 1, "color": COLOURS[7]})
    return figure
