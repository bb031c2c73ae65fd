"""Error surfaces as figures and pages: the bowls of linear units side by side, and the surface around a network.

Both are drawn from the plain values of `entrena surface --json`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.diagnosis.directions import RANDOM_WALK
from entrena.diagnosis.linear_unit import LinearUnit
from entrena.reporting.figures import COLOURS, LOG_FROM, TEXT, escaped, linear_ticks, log_ticks, new_figure
from entrena.reporting.page import Section, write_page
from entrena.reporting.wording import count, duration, number

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ROOM = 1.25  # times the distance of a path's start from the minimum: how much of a bowl is shown
WALLS = (0.06, 0.15, 0.27, 0.42, 0.6, 0.8, 1.02, 1.26)  # of that, where contours cross the steep axis
GAP = 0.1  # of the width, between two bowls
LEVELS = 22  # steps of the colours of a network's surface
SCALE = (0.9, 0.925)  # of the width: where it is said which colour is which loss


def bowls(surfaces: Sequence[Mapping[str, Any]], targets: Sequence[float]) -> Figure:
    """The surfaces of linear units over their two weights, side by side, with the paths of gradient descent.

    Contours are exact ellipses: (w − w*)ᵀH(w − w*)/2 = a constant. Both axes of a bowl have one scale, so that a circle
    is one, and the gradient is at right angles to the contours.

    Args:
        surfaces: Each with `name`, `inputs`, `condition` and `path`, as in the JSON of `entrena surface --slides`.
        targets: [examples] of all.
    """
    figure = new_figure("first weight", "second weight", height=430)
    n = len(surfaces)
    width = (1 - GAP * (n - 1)) / n
    for k, surface in enumerate(surfaces):
        x, y = (f"{axis}{k + 1 if k else ''}" for axis in "xy")
        left = k * (width + GAP)
        unit = LinearUnit(np.array(surface["inputs"]), np.array(targets))
        path = np.array(surface["path"])
        reach = ROOM * float(np.linalg.norm(path[0] - unit.minimum))
        for each in _ellipses(unit, reach):
            figure.add_scatter(x=each[:, 0], y=each[:, 1], mode="lines", xaxis=x, yaxis=y)
            figure.data[-1].update(line={"color": TEXT, "width": 0.8}, opacity=0.6, showlegend=False, hoverinfo="skip")
        losses = [f"update {u}: loss {number(float(loss))}" for u, loss in enumerate(unit.loss(path))]
        figure.add_scatter(x=_digits(path[:, 0]), y=_digits(path[:, 1]), mode="lines+markers", xaxis=x, yaxis=y)
        figure.data[-1].update(text=losses, hovertemplate="%{text}", name="gradient descent", showlegend=k == 0)
        figure.data[-1].update(line={"color": COLOURS[0], "width": 1.8}, marker={"size": 6, "color": COLOURS[0]})
        figure.add_scatter(x=[unit.minimum[0]], y=[unit.minimum[1]], mode="markers", xaxis=x, yaxis=y)
        figure.data[-1].update(marker={"symbol": "x", "size": 10, "color": COLOURS[1]}, name="minimum")
        figure.data[-1].update(showlegend=k == 0, hovertemplate=f"minimum ({number(unit.minimum[0])}, %{{y:.4g}})")
        middle = unit.minimum
        own = {"nticks": 5, "showgrid": False, "zeroline": False, "constrain": "domain"}
        across = {**own, "range": [middle[0] - reach, middle[0] + reach], "domain": [left, left + width]}
        upward = {**own, "range": [middle[1] - reach, middle[1] + reach], "domain": [0, 0.9]}
        upward |= {"scaleanchor": x, "anchor": x, "constraintoward": "top"}
        if k:
            base = figure.layout.xaxis.to_plotly_json()
            across = {**base, **across, "anchor": y}
            upward = {**base, **upward, "title": {"text": ""}}
        axes = {f"xaxis{k + 1 if k else ''}": across, f"yaxis{k + 1 if k else ''}": upward}
        figure.update_layout(axes)
        said = f"{escaped(str(surface['name']))}: κ = {surface['condition']:,.0f}"
        figure.add_annotation(text=said, x=left + width / 2, xref="paper", y=1.0, yref="paper", showarrow=False)
        figure.layout.annotations[-1].update(xanchor="center", yanchor="top")
    return figure


def _ellipses(unit: LinearUnit, reach: float) -> list[np.ndarray]:
    """[points, 2] each contour, by where it crosses the steep axis; of long bowls one that is seen to be an ellipse."""
    (low, high), directions = unit.axes
    turn = np.linspace(0, 2 * math.pi, 241)
    found = []
    for wall in (*([0.5 * math.sqrt(low / high)] if high > 20 * low else []), *WALLS):
        across = wall * reach
        along = across * math.sqrt(high / low)
        round_it = np.column_stack([along * np.cos(turn), across * np.sin(turn)])
        found.append(unit.minimum + round_it @ directions.T)
    return found


def contours(found: Mapping[str, Any]) -> Figure:
    """The loss over two directions through a network's weights, and on it the path of training where it is known.

    Args:
        found: As `entrena.surface.error_surface` returns it.
    """
    of_path = found["path"] is not None
    figure = new_figure("first direction", "second direction", height=620)
    losses = np.array([[math.nan if value is None else value for value in line] for line in found["losses"]])
    known = losses[np.isfinite(losses)]
    positive = known[known > 0]
    logarithmic = positive.size > 0 and positive.max() > LOG_FROM * positive.min()
    z = np.log10(np.maximum(losses, positive.min())) if logarithmic else losses
    texts = [["" if not math.isfinite(value) else number(value) for value in line] for line in losses]
    bounds = (float(np.nanmin(z)), float(np.nanmax(z))) if known.size else (0.0, 1.0)
    colours: dict[str, Any] = {
        "colorscale": "Cividis",
        "zmin": bounds[0],
        "zmax": bounds[1],
        "contours": {"start": bounds[0], "end": bounds[1], "size": (bounds[1] - bounds[0]) / LEVELS or 1.0},
        "line": {"width": 0.6, "color": "rgba(255, 255, 255, 0.7)"},
        "showscale": False,
    }
    figure.add_contour(
        x=_digits(found["x"]),
        y=_digits(found["y"]),
        z=[[None if not math.isfinite(value) else float(f"{value:.5g}") for value in line] for line in z],
        text=texts,
        hovertemplate="loss %{text}<extra></extra>",
        name="loss",
        **colours,
    )
    if of_path:
        _draw_path(figure, found["path"])
    figure.add_scatter(x=[0], y=[0], mode="markers", name="the model", hoverinfo="skip")
    figure.data[-1].marker = {"symbol": "x", "size": 11, "color": COLOURS[1], "line": {"color": "white", "width": 1.5}}
    own = {"showgrid": False, "constrain": "domain", "nticks": 7}
    figure.update_xaxes(
        own, range=[found["x"][0], found["x"][-1]], domain=[0, SCALE[0] - 0.03], constraintoward="right"
    )
    figure.update_yaxes(own, range=[found["y"][0], found["y"][-1]], scaleanchor="x", constraintoward="top")
    _draw_scale(figure, bounds, colours, logarithmic=logarithmic)
    return figure


def _draw_scale(figure: Figure, bounds: tuple[float, float], colours: Mapping[str, Any], *, logarithmic: bool) -> None:
    """Which colour is which loss, on axes of its own: the policy of a page refuses the styles of Plotly's own bar."""
    low, high = bounds
    levels = np.linspace(low, high, LEVELS + 1)
    figure.add_contour(x=[0, 1], y=levels, z=[[level, level] for level in levels], xaxis="x2", yaxis="y2", **colours)
    figure.data[-1].update(hoverinfo="skip", name="scale")
    base = figure.layout.yaxis.to_plotly_json()
    if logarithmic:
        marks = log_ticks(10**low, 10**high)
        ticks: dict[str, Any] = {
            "tickvals": [math.log10(mark) for mark in marks],
            "ticktext": [number(mark) for mark in marks],
        }
    else:
        ticks = linear_ticks(low, high)
    kept = {name: base[name] for name in ("gridcolor", "linecolor", "zeroline", "automargin", "fixedrange")}
    title = {"text": "mean loss" + (" (logarithmic)" if logarithmic else ""), "standoff": 8}
    figure.update_layout(
        xaxis2={**kept, "domain": list(SCALE), "anchor": "y2", "showticklabels": False, "ticks": "", "range": [0, 1]},
        yaxis2={**kept, **ticks, "anchor": "x2", "side": "right", "title": title, "range": [low, high]},
    )
    figure.update_layout(yaxis2={"showgrid": False})


def _draw_path(figure: Figure, path: Mapping[str, Any]) -> None:
    places = np.array(path["places"])
    texts = [f"epoch {epoch}: loss {number(loss)}" for epoch, loss in zip(path["epochs"], path["losses"], strict=True)]
    x, y = _digits(places[:, 0]), _digits(places[:, 1])
    figure.add_scatter(x=x, y=y, mode="lines", showlegend=False, hoverinfo="skip")
    figure.data[-1].line = {"color": "white", "width": 5}
    figure.add_scatter(x=x, y=y, mode="lines+markers", name="the path of training", text=texts)
    figure.data[-1].update(line={"color": COLOURS[3], "width": 2}, marker={"size": 5, "color": COLOURS[3]})
    figure.data[-1].update(hovertemplate="%{text}<extra></extra>")
    figure.add_scatter(x=x[:1], y=y[:1], mode="markers", name="first weights", hoverinfo="skip")
    figure.data[-1].marker = {"size": 11, "color": COLOURS[3], "line": {"color": "white", "width": 1.5}}


def slides_page(file: str | os.PathLike[str], found: Mapping[str, Any]) -> None:
    """Writes the page of the slides' surfaces.

    Args:
        file: Its name, which ends in `.html`.
        found: As `entrena.diagnosis.slides.slides_surfaces` returns it.

    Raises:
        StorageError: It could not be written.
    """
    write_page(file, "The error surface of a linear unit, before and after preprocessing", slides_sections(found))


def slides_sections(found: Mapping[str, Any]) -> list[Section]:
    """The parts of the page, as another page may hold them. Argument as in `slides_page`."""
    sections = [Section("", text=_WHAT)]
    for pair in found["pairs"]:
        raw, treated = pair["surfaces"]
        said = " and ".join(_example(inputs, t) for inputs, t in zip(raw["inputs"], pair["targets"], strict=True))
        then = " and ".join(_example(inputs, t) for inputs, t in zip(treated["inputs"], pair["targets"], strict=True))
        sections += [
            Section(
                f"Inputs {pair['name']}",
                text=[f"{said}; {pair['name']}: {then}. {pair['said']}"],
                figure=bowls(pair["surfaces"], pair["targets"]),
                caption=_of_bowls(pair["surfaces"]),
            ),
            Section("", table=slides_table(pair, found["share"])),
        ]
    return sections


_WHAT = (
    "A linear unit with two weights and no bias, the mean squared error over two examples. The surface is a bowl; "
    "κ = λmax/λmin of its second derivatives is how many times steeper it is across than along. Gradient descent goes "
    "at right angles to the contours, so that only in a round bowl it goes to the minimum.",
    "The rate is the fastest that is stable for both directions, 2/(λmax + λmin). Then each update leaves "
    "(κ − 1)/(κ + 1) of the distance from the minimum.",
)


def slides_table(pair: Mapping[str, Any], share: float) -> tuple[list[str], list[list[str]]]:
    """The numbers of a pair of surfaces: header and rows."""
    header = ["inputs", "λmax", "λmin", "κ", "greatest rate", "fastest rate", "left by an update", "updates"]
    rows = []
    for each in pair["surfaces"]:
        low, high = each["eigenvalues"]
        numbers = [number(high), number(low), f"{each['condition']:,.0f}", number(each["edge"]), number(each["rate"])]
        rows.append([each["name"], *numbers, f"{each['left']:.5f}", f"{each['updates']:,}"])
    header[-1] = f"updates to {share:g} of the loss"
    return header, rows


def _example(inputs: Sequence[float], target: float) -> str:
    """An example as the slides write it.

    >>> _example([0.1, -10.0], 2.0)
    '(0.1, −10) → 2'
    """
    told = ", ".join(f"{value:g}".replace("-", "−") for value in inputs)
    return f"({told}) → {target:g}"


def _of_bowls(surfaces: Sequence[Mapping[str, Any]]) -> str:
    n = len(surfaces[0]["path"]) - 1
    return (
        f"Left: {surfaces[0]['name']}; right: {surfaces[1]['name']}. Ellipses: contours of the loss, both axes in one "
        f"scale. The first {n} updates of gradient descent from a start beside the minimum: "
        "in a long bowl they go to and fro between its walls."
    )


def surface_page(file: str | os.PathLike[str], found: Mapping[str, Any]) -> None:
    """Writes the page of the surface around a network.

    Args:
        file: Its name, which ends in `.html`.
        found: As `entrena.surface.error_surface` returns it.

    Raises:
        StorageError: It could not be written.
    """
    section = Section("The surface", text=meaning(found), figure=contours(found), caption=_caption(found))
    write_page(file, "The error surface around a trained network", [section], facts=surface_facts(found))


def surface_facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and what is to be said of each, for the page and the terminal."""
    rows, loss, directions = found["rows"], found["loss"], found["directions"]
    sample = f"{rows['n']:,} of {count(rows['of'], 'row')}, evenly spaced" if rows["n"] < rows["of"] else ""
    kind = {"training": "training", "validation": "validation", "test": "test"}.get(rows["on"])
    taken = sample or count(rows["of"], "row")
    unit = f" {loss['unit']}" if loss["unit"] else ""
    facts = [
        ("model", f"{found['model']}, {count(found['weights'], 'weight')}"),
        ("data", f"{found['data']}, {taken}" + (f" ({kind})" if kind else f" ({rows['on']})")),
        ("loss", f"{loss['name'].replace('_', ' ')}, without dropout and penalties: {number(loss['centre'])}{unit}"),
    ]
    if loss["least"] is not None:
        places = ", ".join(number(place) for place in loss["least_at"])
        facts.append(("least", f"{number(loss['least'])} of {found['grid']} × {found['grid']} points, at ({places})"))
    if found["path"] is None:
        seed, angle = directions["seed"], math.degrees(math.acos(max(-1.0, min(1.0, directions["cosine"]))))
        told = (
            f"random (seed {seed}), each unit's as long as its own weights, biases unmoved; {angle:.0f}° between them"
        )
        facts.append(("directions", told))
    else:
        both = " and ".join(f"{100 * share:.1f} %" for share in directions["shares"])
        facts.append(("directions", f"the path's principal ones, which hold {both} of its variance"))
        facts.append(("path", path_said(found["path"])))
    return [*facts, ("seconds", duration(found["seconds"]))]


def path_said(path: Mapping[str, Any]) -> str:
    """How the path was had, and whether it is the model's."""
    epochs = path["epochs"]
    shown = f"{count(len(epochs), 'point')} from epoch 0 to {epochs[-1]}; the run kept none, so it was trained again"
    if path["same_bits"]:
        return f"{shown}, and ended with the model's very weights (epoch {path['model_epoch']})"
    return f"{shown}; this machine or these versions gave other weights than the model's: the path is a similar one"


def meaning(found: Mapping[str, Any]) -> list[str]:
    """What is to be known to read the surface."""
    if found["path"] is None:
        return [
            "The loss at w + α·first + β·second around the model's weights w. At 1 a unit's weights have moved by as "
            "much as they are long, so that surfaces of different networks can be compared (Li et al., NeurIPS 2018). "
            "Two random directions of very many show how sharp the place is, seldom how training went."
        ]
    held, away = sum(found["directions"]["shares"]), max(found["path"]["off_plane"])
    return [
        "The loss in the plane through the model's weights in which training moved most. The path is projected on it: "
        "where it is off the plane its loss is not that of the colour; point at it to read its own.",
        f"Both directions hold {100 * held:.1f} % of the path's variance. That is less than it seems: of a long random "
        f"walk in very many dimensions two hold {100 * RANDOM_WALK:.0f} % (Antognini & Sohl-Dickstein, 2018). The path "
        f"is up to {number(away)} off the plane.",
    ]


def _caption(found: Mapping[str, Any]) -> str:
    scale = "units of weight" if found["path"] is not None else "lengths of the units' own weights"
    return f"Colours and lines: the mean loss. Both axes in {scale}, one scale. The cross is the model."


def _digits(values: Sequence[float] | np.ndarray) -> list[float]:
    """To six digits: no screen shows more."""
    return [float(f"{value:.6g}") for value in values]
