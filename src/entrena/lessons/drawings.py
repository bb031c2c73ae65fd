"""Kinds of figures that several lessons draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.reporting.figures import COLOURS, TEXT, escaped, log_ticks, new_figure
from entrena.reporting.wording import number

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


@dataclass(frozen=True)
class Line:
    """One line of a figure.

    Attributes:
        name: In the legend; empty: not there.
        x: Where its points are.
        y: Their heights.
        dots: Whether points are shown instead of a line.
        place: Which colour; lines of one colour belong together.
        dash: `solid`, `dot`, `dash` or `dashdot`.
        low: Lower ends of the points' intervals; empty: none are drawn.
        high: Upper ends.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    place: int
    dots: bool = False
    dash: str = "solid"
    low: Sequence[float] = ()
    high: Sequence[float] = ()


def lines(
    x_title: str,
    y_title: str,
    drawn: Sequence[Line],
    *,
    logarithmic: str = "",
    mark: tuple[str, float] | None = None,
    height: int = 380,
) -> Figure:
    """Lines and dots over one pair of axes.

    Args:
        x_title: What the horizontal axis shows.
        y_title: The vertical one.
        drawn: The lines.
        logarithmic: Which axes are: `x`, `y`, `xy`; the titles do not say so by themselves.
        mark: A dashed line: `x` or `y`, and where.
        height: In pixels, the legend left out.
    """
    named = sum(bool(line.name) for line in drawn)
    figure = new_figure(x_title, y_title, height=height + 20 * ((named + 1) // 2))
    for line in drawn:
        colour = COLOURS[line.place]
        figure.add_scatter(
            x=[_rounded(value) for value in line.x],
            y=[_rounded(value) for value in line.y],
            name=escaped(line.name),
            showlegend=bool(line.name),
            mode="markers" if line.dots else "lines+markers" if line.low else "lines",
            marker={"color": colour, "size": 6},
            line={"color": colour, "width": 2, "dash": line.dash},
        )
        if line.low:
            figure.data[-1].error_y = {
                "type": "data",
                "symmetric": False,
                "array": [high - y for high, y in zip(line.high, line.y, strict=True)],
                "arrayminus": [y - low for low, y in zip(line.low, line.y, strict=True)],
                "color": colour,
                "thickness": 1.2,
                "width": 4,
            }
    for axis, update in (("x", figure.update_xaxes), ("y", figure.update_yaxes)):
        values = [value for line in drawn for value in getattr(line, axis)]
        values += [end for line in drawn for end in (*line.low, *line.high) if axis == "y"]
        if axis in logarithmic and values:
            ticks = log_ticks(min(values), max(values))
            update(type="log", tickvals=ticks, ticktext=[number(tick) for tick in ticks])
    if mark is not None:
        dashed = {"dash": "dash", "width": 1, "color": COLOURS[7]}
        figure.add_vline(x=mark[1], line=dashed) if mark[0] == "x" else figure.add_hline(y=mark[1], line=dashed)
    return figure


def ravine_with_ways(
    eigenvalues: tuple[float, float], start: tuple[float, float], ways: Mapping[str, np.ndarray]
) -> Figure:
    """A quadratic of two weights from above, and ways down to its minimum, which is at 0.

    Args:
        eigenvalues: Of the Hessian, along the axis and across; the first is the smaller one.
        start: Where the ways begin.
        ways: By name [updates + 1, 2] the points.
    """
    figure = new_figure("along the ravine", "across the ravine", height=340)
    height = sum(value * at * at for value, at in zip(eigenvalues, start, strict=True))
    turn = np.linspace(0, 2 * np.pi, 181)
    for level in height * np.geomspace(0.004, 1, 9):
        along, across = (np.sqrt(level / value) for value in eigenvalues)
        figure.add_scatter(x=(along * np.cos(turn)).round(4), y=(across * np.sin(turn)).round(4), mode="lines")
        figure.data[-1].update(line={"color": TEXT, "width": 0.8}, opacity=0.7, showlegend=False, hoverinfo="skip")
    figure.add_scatter(x=[start[0], 0], y=[start[1], 0], mode="lines", showlegend=False, hoverinfo="skip")
    figure.data[-1].update(line={"color": TEXT, "width": 1.5, "dash": "dot"})
    for place, (name, way) in enumerate(ways.items()):
        figure.add_scatter(x=way[:, 0].round(4), y=way[:, 1].round(4), name=escaped(name), mode="lines+markers")
        figure.data[-1].update(line={"color": COLOURS[place], "width": 1.8}, marker={"size": 5})
    figure.add_scatter(x=[0], y=[0], mode="markers", showlegend=False, hoverinfo="skip")
    figure.data[-1].update(marker={"symbol": "x", "size": 9, "color": TEXT})
    figure.update_xaxes(range=[1.1 * start[0], -0.3 * start[0]])
    reach = 1.15 * max(float(np.abs(way[:, 1]).max()) for way in ways.values())
    # Equal scales, so that the first step of the gradient is seen to be at right angles to its ellipse.
    figure.update_yaxes(range=[-reach, reach], scaleanchor="x", constrain="domain")
    return figure


def dots(
    title: str,
    groups: Mapping[str, Mapping[str, Mapping[str, Any]]],
    *,
    mark: float | None = None,
    logarithmic: bool = False,
) -> Figure:
    """Means with their intervals: a row for each case, in it a dot for each kind that is known there.

    Args:
        title: What is shown.
        groups: By kind, by case `mean`, `low` and `high`.
        mark: Where a dashed line stands.
        logarithmic: Whether the axis is; the title does not say so by itself.
    """
    cases = list(dict.fromkeys(case for by_case in groups.values() for case in by_case))
    figure = new_figure(title, "", height=FRAME + (20 + 16 * len(groups)) * len(cases) + 20 * ((len(groups) + 1) // 2))
    ends = [] if mark is None else [mark]
    for k, (kind, by_case) in enumerate(groups.items()):
        known = [(case, own) for case, own in by_case.items() if np.isfinite(own["mean"])]
        means, low, high = ([own[end] for _, own in known] for end in ("mean", "low", "high"))
        ends += [end for end in (*means, *low, *high) if np.isfinite(end)]
        offset = (k - (len(groups) - 1) / 2) * 0.7 / len(groups)
        figure.add_scatter(
            x=[_rounded(mean) for mean in means],
            y=[cases.index(case) + offset for case, _ in known],
            name=escaped(kind),
            mode="markers",
            marker={"color": COLOURS[k], "size": 9, "symbol": k},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [_gap(mean, end) for end, mean in zip(high, means, strict=True)],
                "arrayminus": [_gap(end, mean) for end, mean in zip(low, means, strict=True)],
                "thickness": 1.6,
                "width": 4,
            },
            text=[
                f"{escaped(case)}: {number(m)} ({number(a)}–{number(b)})"
                for (case, _), m, a, b in zip(known, means, low, high, strict=True)
            ],
            hovertemplate="%{text}",
        )
    figure.update_yaxes(range=[len(cases) - 0.5, -0.5], tickvals=list(range(len(cases))))
    figure.update_yaxes(ticktext=[escaped(case) for case in cases], showgrid=False)
    if logarithmic and ends:
        ticks = log_ticks(min(ends), max(ends))
        figure.update_xaxes(type="log", tickvals=ticks, ticktext=[number(tick) for tick in ticks])
    if ends:  # so that the mark is in it, which Plotly does not count
        first, last = (float(np.log10(end) if logarithmic else end) for end in (min(ends), max(ends)))
        room = 0.05 * (last - first) or 0.1
        figure.update_xaxes(range=[first - room, last + room])
    if mark is not None:
        figure.add_vline(x=mark, line={"dash": "dash", "width": 1, "color": COLOURS[7]})
    return figure


def _gap(low: float, high: float) -> float:
    """From a mean to the end of its interval; 0 where that is not known."""
    return _rounded(high - low) if np.isfinite(high - low) else 0.0


def _rounded(value: float) -> float:
    """To five digits: no screen shows more."""
    return float(f"{value:.5g}")


def _in_rows(figure: Figure, mark: float | None) -> Figure:
    """The first case on top, and in it the first kind."""
    figure.update_yaxes(autorange="reversed")
    if mark is not None:
        figure.add_vline(x=mark, line={"dash": "dash", "width": 1, "color": COLOURS[7]})
    return figure
