"""The figures, and the one theme that they share.

A figure is made from plain values, as they stand in the JSON of a command, so that a page, a notebook and the studio
draw the same. Names come from files: what Plotly would read as markup is escaped.

Colours: Okabe & Ito, Color Universal Design (2008), darkened where they would be lost on white; black and yellow, which
are lost on one of two grounds, are grey and brown here. Critical differences: Demšar, JMLR 7 (2006).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from entrena.reporting.curves import OverSplits, kept_points, over_splits
from entrena.reporting.wording import count, labels, number, score, score_title, span

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#C46F9C", "#B97E00", "#3A93CA", "#8C564B", "#7F7F7F")
"""Told apart by the colour-blind, and at least 3:1 against white and against the dark ground of a page."""

TEXT = "#737880"  # between the grounds; a page sets its own
FAINT = "rgba(128, 128, 128, 0.25)"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"

MOST_CURVES = 8  # as there are colours
MOST_ROWS = 40
LOG_FROM = 5.0  # times that the greatest loss is the least, from where on a logarithmic axis shows more

ROW = 44  # pixels: a name, and under it a dot
LINE = 17  # pixels
BESIDE = 0.22  # of a row: the dots of single splits, which the interval would hide
NAME = 44  # characters of a line that a narrow screen holds
LONGEST_NAME = 84  # characters


def new_figure(x_title: str, y_title: str, *, height: int = 360) -> Figure:
    """An empty figure in the theme of the house: no ground of its own, a thin grid, and nothing that is not data.

    Args:
        x_title: What the horizontal axis shows, with its unit.
        y_title: The vertical one; empty where rows have names.
        height: In pixels; the width is that of the place where it stands.
    """
    from plotly.graph_objects import Figure

    axis = {"gridcolor": FAINT, "linecolor": FAINT, "zeroline": False, "automargin": True, "fixedrange": True}
    return Figure(
        layout={
            "template": "none",
            "height": height,
            "paper_bgcolor": "rgba(0, 0, 0, 0)",
            "plot_bgcolor": "rgba(0, 0, 0, 0)",
            "colorway": list(COLOURS),
            "font": {"family": FONT, "size": 13, "color": TEXT},
            "margin": {"l": 8, "r": 16, "t": 12, "b": 8},
            "xaxis": {**axis, "title": {"text": escaped(x_title), "standoff": 10}},
            "yaxis": {**axis, "title": {"text": escaped(y_title), "standoff": 10}},
            "hoverlabel": {"namelength": -1, "align": "left"},
            "legend": {"orientation": "h", "x": 0, "xref": "container", "y": 0, "yref": "container"}
            | {"yanchor": "bottom", "bgcolor": "rgba(0, 0, 0, 0)", "itemclick": False, "itemdoubleclick": False},
            "dragmode": False,  # so that a finger scrolls the page
        }
    )


def escaped(text: str) -> str:
    """A text that Plotly shows as it is: it would take tags for markup, and what stands between $ for formulas.

    >>> escaped("<b>P&L, $</b>")
    '&lt;b&gt;P&amp;L, &#36;&lt;/b&gt;'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")


def best_first(result: Mapping[str, Any]) -> list[int]:
    """The numbers of the variants, that with the best mean score first; those without a score last.

    Args:
        result: An element of `data` in the JSON of a comparison.
    """
    means = [math.nan if each["mean"] is None else each["mean"] for each in result["means"]]
    known = [mean for mean in means if not math.isnan(mean)]
    # The best one shows in which direction the score is good.
    sign = -1 if known and means[result["best"]] == max(known) else 1
    none = [math.isnan(mean) for mean in means]
    return sorted(range(len(means)), key=lambda k: (none[k], k != result["best"], 0.0 if none[k] else sign * means[k]))


def learning_curves(result: Mapping[str, Any], names: Sequence[str]) -> Figure:
    """The loss after each epoch: for each variant the mean over splits, in a band from the lowest to the highest split.

    A network that has ended counts with its last loss for the rest, until the last network of its variant ends. The
    mean over those that still run would jump whenever one ends, and would show only those that had reason to go on.

    The vertical axis is logarithmic where that shows more. At most eight variants are drawn, those with the best
    scores. The dashed line is the level: the loss that the slowest variant ends with.

    Args:
        result: An element of `data` in the JSON of a comparison.
        names: The variants' names.
    """
    drawn = best_first(result)[:MOST_CURVES]
    shown = _names([names[k] for k in drawn])
    figure = new_figure("epochs", "mean loss", height=320 + LINE * (1 + sum(map(_n_lines, shown))))
    bands, lines = [], []
    for place, (k, name) in enumerate(zip(drawn, shown, strict=True)):
        curves = over_splits(result["curves"][k])
        kept = kept_points([curves.mean, curves.low, curves.high])
        if curves.n_splits > 1:
            bands.append(_band(name, place, kept, curves, 0.45 / max(len(drawn), 3)))
        if curves.n_splits > 0:
            lines.append(_line(name, place, kept, curves))
    figure.add_traces(bands + lines)
    longest = max((line["x"][-1] for line in lines), default=1)
    level = result.get("level")
    if _known(level) and len(result["curves"]) > 1:
        dashed = {"color": TEXT, "width": 1.5, "dash": "dash"}
        figure.add_scatter(x=[1, longest], y=[level, level], mode="lines", line=dashed, name=f"level {number(level)}")
        figure.data[-1].hoverinfo = "skip"
    losses = np.array([loss for trace in bands + lines for loss in trace["y"]], float)
    if losses.size and losses.min() > 0 and losses.max() > LOG_FROM * losses.min():
        ticks = log_ticks(float(losses.min()), float(losses.max()))
        figure.update_yaxes(type="log", tickvals=ticks, ticktext=[number(tick) for tick in ticks])
        figure.update_yaxes(title_text="mean loss (logarithmic)")
    elif losses.size:
        figure.update_yaxes(linear_ticks(losses.min(), losses.max()))
    # Whole epochs only, also where there are two or three of them.
    figure.update_xaxes(showgrid=False, tickformat=",d", dtick=1 if longest < 6 else None)
    return figure


def _line(name: str, place: int, kept: Sequence[int], curves: OverSplits) -> dict[str, Any]:
    """The mean; the second four variants are dotted, so that no two need to be told apart by colour alone."""
    colour = COLOURS[place]
    return {
        "type": "scatter",
        "x": [k + 1 for k in kept],
        "y": [_rounded(curves.mean[k]) for k in kept],
        "mode": "lines" if len(kept) > 1 else "markers",
        "line": {"color": colour, "width": 2, "dash": "solid" if place < 4 else "dot"},
        "marker": {"color": colour, "size": 8},
        "name": name,
        "hovertemplate": "epoch %{x}: %{y:.4g}",
    }


def _band(name: str, place: int, kept: Sequence[int], curves: OverSplits, opacity: float) -> dict[str, Any]:
    """The area from the lowest to the highest split: along the highest, and back along the lowest."""
    red, green, blue = (int(COLOURS[place][at : at + 2], 16) for at in (1, 3, 5))
    return {
        "type": "scatter",
        "x": [k + 1 for k in (*kept, *reversed(kept))],
        "y": [*(_rounded(curves.high[k]) for k in kept), *(_rounded(curves.low[k]) for k in reversed(kept))],
        "mode": "lines",
        "line": {"width": 0},
        "fill": "toself",
        "fillcolor": f"rgba({red}, {green}, {blue}, {opacity:.3f})",
        "hoverinfo": "skip",
        "showlegend": False,
        "name": name,
    }


def score_intervals(result: Mapping[str, Any], names: Sequence[str]) -> Figure:
    """A row for each variant, the best on top: its mean score with the 95 % interval, and faintly the splits' scores.

    At most forty variants are drawn, the best ones.

    Args:
        result: An element of `data` in the JSON of a comparison.
        names: The variants' names.
    """
    title = score_title(result["score"], result.get("classes"))
    drawn = best_first(result)[:MOST_ROWS]
    figure = _rows(title, [names[k] for k in drawn], len(drawn))
    table = result["scores"][result["score"]]
    dots = [(split[k], row + BESIDE) for row, k in enumerate(drawn) for split in table if _known(split[k])]
    if len(table) > 1:
        figure.add_scatter(x=[x for x, _ in dots], y=[y for _, y in dots], mode="markers", showlegend=False)
        figure.data[-1].marker = {"color": TEXT, "size": 6, "opacity": 0.5}
        texts = [score(result["score"], x) for x, _ in dots]
        figure.data[-1].update(text=texts, hovertemplate="%{text}", name="one split")
    others = [row for row, k in enumerate(drawn) if k != result["best"]]
    for name, rows, colour in (("mean", others, TEXT), ("mean of the best", [0], COLOURS[0])):
        means = [(row, result["means"][drawn[row]]) for row in rows]
        figure.add_trace(_means(name, [each for each in means if _known(each[1]["mean"])], colour, result["score"]))
    ends = [result["means"][k][end] for k in drawn for end in ("mean", "low", "high")]
    ends = [value for value in (*ends, *(value for value, _ in dots)) if _known(value)]
    if ends:
        figure.update_xaxes(linear_ticks(min(ends), max(ends)))
    return figure


def _means(name: str, rows: Sequence[tuple[int, Mapping[str, Any]]], colour: str, score_name: str) -> dict[str, Any]:
    """Dots with intervals, at (row, mean with its low and high)."""
    texts = []
    for _, mean in rows:
        interval = span(score_name, mean["low"], mean["high"])
        texts.append(score(score_name, mean["mean"]) + (f" ({interval})" if interval else ""))
    return {
        "type": "scatter",
        "x": [mean["mean"] for _, mean in rows],
        "y": [row for row, _ in rows],
        "mode": "markers",
        "marker": {"color": colour, "size": 10},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [_gap(mean["mean"], mean["high"]) for _, mean in rows],
            "arrayminus": [_gap(mean["low"], mean["mean"]) for _, mean in rows],
            "color": colour,
            "thickness": 2,
            "width": 5,
        },
        "text": texts,
        "hovertemplate": "%{text}",
        "name": name,
        "showlegend": False,
    }


def mean_ranks(ranking: Mapping[str, Any], names: Sequence[str]) -> Figure:
    """A critical-difference diagram: the mean ranks over several data sets, and which of them are no different.

    The ruler on top is as long as Nemenyi's critical difference. A bar at the bottom joins variants of which the first
    and the last are less far apart than that; where one contains another only the longer one is drawn.

    Args:
        ranking: `ranking` in the JSON of a comparison.
        names: The variants' names.
    """
    ranks, difference = list(ranking["mean_ranks"]), ranking["critical_difference"]
    order = sorted(range(len(ranks)), key=lambda k: (ranks[k], k))[:MOST_ROWS]
    groups = alike([ranks[k] for k in order], difference)
    bottom = len(order) - 0.35
    figure = _rows("mean rank (1 is best)", [names[k] for k in order], len(order) + 0.35 * len(groups), top=1.0)
    for row, k in enumerate(order):
        line = {"color": FAINT, "width": 1}
        figure.add_shape(type="line", x0=ranks[k], x1=ranks[k], y0=row, y1=len(order) + 0.35 * len(groups) - 0.5)
        figure.layout.shapes[-1].update(line=line, layer="below")
    for place, (first, last) in enumerate(groups):
        ends = [ranks[order[first]], ranks[order[last]]]
        figure.add_scatter(x=ends, y=[bottom + 0.35 * place] * 2, mode="lines", name="no difference", showlegend=False)
        figure.data[-1].update(line={"color": TEXT, "width": 5}, hoverinfo="skip")
    figure.add_scatter(x=[ranks[k] for k in order], y=list(range(len(order))), mode="markers", showlegend=False)
    figure.data[-1].marker = {"size": 11, "color": [COLOURS[0] if ranks[k] == min(ranks) else TEXT for k in order]}
    figure.data[-1].update(name="mean rank", hovertemplate="%{x:.2f}")
    start, ruler = ranks[order[0]], figure.layout.yaxis.range[1] + 0.75
    figure.add_scatter(x=[start, start + difference], y=[ruler, ruler], mode="lines+markers", showlegend=False)
    figure.data[-1].update(name="critical difference", line={"color": TEXT, "width": 2}, hoverinfo="skip")
    figure.data[-1].marker = {"symbol": "line-ns-open", "size": 10, "color": TEXT}
    figure.add_annotation(x=start, y=ruler, text=f"critical difference {difference:.2f}", xanchor="left")
    figure.layout.annotations[-1].update(yanchor="bottom", yshift=4, showarrow=False)
    figure.update_xaxes(linear_ticks(start, max(ranks[order[-1]], start + difference)), showgrid=False)
    return figure


def alike(ranks: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """The longest stretches of sorted ranks that span no more than a difference, as (first, last).

    >>> alike([1.0, 1.5, 2.5, 4.0], 1.2)
    [(0, 1), (1, 2)]
    """
    found: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = max(k for k in range(first, len(ranks)) if ranks[k] - ranks[first] <= difference)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def log_ticks(low: float, high: float) -> list[float]:
    """Marks of a logarithmic axis that people read: powers of ten, with 2 and 5 where there would be few.

    >>> log_ticks(0.03, 0.6)
    [0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    step = max(1, math.ceil((last - first) / 8))
    parts = (1, 2, 5) if last - first <= 3 else (1,)
    marks = [float(f"{part}e{power}") for power in range(first, last + 1, step) for part in parts]
    inside = [k for k, mark in enumerate(marks) if low <= mark <= high]
    if not inside:
        return marks
    return marks[max(inside[0] - 1, 0) : inside[-1] + 2]


def linear_ticks(low: float, high: float) -> dict[str, list[Any]]:
    """Marks of an axis for Plotly: few, so that they fit a narrow screen, and all with the same number of decimals.

    >>> linear_ticks(0.873, 0.996)["ticktext"]
    ['0.85', '0.90', '0.95', '1.00']
    """
    span = high - low or abs(low) or 1.0
    power = math.floor(math.log10(span / 5))
    factor = next(factor for factor in (1, 2, 5, 10) if factor * 10.0**power >= span / 5 * (1 - 1e-9))
    step = factor * 10.0**power
    decimals = max(-power - (factor == 10), 0)
    marks = [round(k * step, decimals) for k in range(math.floor(low / step), math.ceil(high / step) + 1)]
    return {
        "tickvals": marks,
        "ticktext": [f"{mark:,.{decimals}f}" if decimals < 7 else number(mark) for mark in marks],
    }


def caption_of_curves(result: Mapping[str, Any]) -> str:
    """What is to be known of a figure of learning curves."""
    n = len(result["means"])
    which = f"The best {MOST_CURVES} of {n} recipes. " if n > MOST_CURVES else ""
    several = len(result["splits"]) > 1
    mean = "Lines: the mean over splits; bands: from the lowest to the highest split. " if several else ""
    carried = "A network that has ended counts with its last loss until the last one of its recipe ends. "
    level = "Dashed: the level, the loss that the slowest recipe ends with." if n > 1 else ""
    return (which + mean + (carried if several else "") + level).strip()


def caption_of_scores(result: Mapping[str, Any]) -> str:
    """What is to be known of a figure of scores."""
    n = len(result["means"])
    which = f"The best {MOST_ROWS} of {n} recipes. " if n > MOST_ROWS else ""
    if len(result["splits"]) < 2:
        return which + "One split: no interval can be given."
    return which + "Large dots: means with their 95 % intervals; small dots: single splits."


def caption_of_ranks(ranking: Mapping[str, Any], n_data: int) -> str:
    """What is to be known of a critical-difference diagram."""
    groups = alike(sorted(ranking["mean_ranks"]), ranking["critical_difference"])
    bars = " Bars at the bottom join recipes that do not differ beyond chance." if groups else ""
    return f"Mean ranks over {count(n_data, 'data set')}; the ruler is Nemenyi's critical difference (5 %).{bars}"


def _rows(x_title: str, names: Sequence[str], rows: float, *, top: float = 0.0) -> Figure:
    """A figure with a row for each name, which stands above its row: so a narrow screen has room for both.

    Args:
        x_title: As for `new_figure`.
        names: The rows' names, from top to bottom.
        rows: How many rows there is room for.
        top: Rows that stay free on top.
    """
    shown = _names(names)
    n_lines = max(map(_n_lines, shown))
    row_height = ROW + LINE * (n_lines - 1)
    above = 0.3 + LINE * n_lines / row_height  # of the first row: its name
    figure = new_figure(x_title, "", height=round(row_height * (rows - 0.5 + top + above)) + 70)
    figure.update_yaxes(range=[rows - 0.5, -top - above], showticklabels=False, showgrid=False, automargin=False)
    for row, name in enumerate(shown):
        figure.add_annotation(text=name, x=0, xref="paper", xanchor="left", y=row, yanchor="bottom", yshift=7)
        figure.layout.annotations[-1].update(showarrow=False, align="left")
    return figure


def _names(names: Sequence[str]) -> list[str]:
    """Names as Plotly shows them, in lines that a narrow screen holds."""
    lines = [wrap(name, NAME, break_on_hyphens=False) or [" "] for name in labels(names, LONGEST_NAME)]
    return ["<br>".join(map(escaped, of_name)) for of_name in lines]


def _n_lines(name: str) -> int:
    return name.count("<br>") + 1


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _gap(low: float | None, high: float | None) -> float:
    return high - low if low is not None and high is not None else 0.0


def _rounded(value: float) -> float:
    """To six digits: no screen shows more, and a page of curves is a third of its size."""
    return float(f"{value:.6g}")
