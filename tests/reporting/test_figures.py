"""What the figures hold, against NumPy and by hand; how they look is for the eye."""

from __future__ import annotations

import colorsys
import re
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from entrena.reporting.figures import (
    COLOURS,
    alike,
    best_first,
    caption_of_curves,
    learning_curves,
    linear_ticks,
    log_ticks,
    mean_ranks,
    new_figure,
    score_intervals,
)
from tests.reporting.made_up import HOSTILE, made_up_comparison


def names_of(comparison: dict[str, Any]) -> list[str]:
    return [variant["name"] for variant in comparison["variants"]]


def traces(figure: Any, name: str) -> list[Any]:
    return [trace for trace in figure.data if trace.name == name]


def luminance(colour: str) -> float:
    """By the Web Content Accessibility Guidelines 2.1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("ground", ["#ffffff", "#15171b"])
@pytest.mark.parametrize("colour", COLOURS)
def test_colours_stand_out_on_both_grounds(colour: str, ground: str) -> None:
    light, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_colours_differ_for_people_without_red_or_green_cones() -> None:
    # Viénot, Brettel & Mollon, Color Research & Application 24 (1999): matrices on linear RGB.
    matrices = {
        "protanope": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
        "deuteranope": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    }
    linear = np.array([[(int(c[at : at + 2], 16) / 255) ** 2.2 for at in (1, 3, 5)] for c in COLOURS])
    for matrix in matrices.values():
        seen = np.clip(linear @ np.array(matrix).T, 0, 1) ** (1 / 2.2)
        for first, second in combinations(range(len(COLOURS)), 2):
            same_dash = (first < 4) == (second < 4)
            if same_dash:
                assert np.linalg.norm(seen[first] - seen[second]) > 0.12, (COLOURS[first], COLOURS[second])
    assert len({round(colorsys.rgb_to_hls(*row)[0], 2) for row in linear}) >= 6


def test_curves_are_means_in_bands() -> None:
    comparison = made_up_comparison()
    (result,) = comparison["data"]
    figure = learning_curves(result, names_of(comparison))
    for k, name in enumerate(names_of(comparison)):
        table = np.array(result["curves"][k], float)
        for row in table:  # carried forward, written as a loop
            for epoch in range(1, table.shape[1]):
                if np.isnan(row[epoch]):
                    row[epoch] = row[epoch - 1]
        band, line = traces(figure, name)
        assert line.y == pytest.approx(table.mean(axis=0), rel=1e-5)
        assert line.x == tuple(range(1, 13))
        edge = np.array(band.y).reshape(2, -1)
        assert edge[0] == pytest.approx(table.max(axis=0), rel=1e-5)
        assert edge[1][::-1] == pytest.approx(table.min(axis=0), rel=1e-5)
        assert band.x == tuple(range(1, 13)) + tuple(range(12, 0, -1))
    (level,) = traces(figure, "level 0.5")
    assert (level.y, level.line.dash) == ((0.5, 0.5), "dash")


@pytest.mark.parametrize(
    ("losses", "kind"),
    [([1.0, 0.5, 0.1], "log"), ([1.0, 0.5, 0.3], None), ([1.0, 0.1, 0.0], None), ([1.0, 0.1, -1.0], None)],
)
def test_the_axis_is_logarithmic_where_that_shows_more(losses: list[float], kind: str | None) -> None:
    comparison = made_up_comparison(["one"], n_splits=1)
    (result,) = comparison["data"]
    result["curves"] = [[losses]]
    figure = learning_curves(result, ["one"])
    assert figure.layout.yaxis.type == kind
    assert ("logarithmic" in figure.layout.yaxis.title.text) is (kind == "log")
    assert len(figure.data) == 1  # one split has no band, one variant no level


def test_at_most_eight_curves_are_drawn_and_it_is_said() -> None:
    names = [f"rate={k}" for k in range(12)]
    comparison = made_up_comparison(names)
    (result,) = comparison["data"]
    figure = learning_curves(result, names)
    means = [each["mean"] for each in result["means"]]
    best = [names[k] for k in np.argsort(means)[::-1][:8]]
    assert [trace.name for trace in figure.data if trace.showlegend is None][:-1] == best
    assert caption_of_curves(result).startswith("The best 8 of 12 recipes.")
    looks = {(trace.line.color, trace.line.dash) for trace in figure.data if trace.name in names and trace.fill is None}
    assert len(looks) == 8


def test_long_curves_are_thinned_with_their_extremes(generator: np.random.Generator) -> None:
    comparison = made_up_comparison(["one", "two"])
    (result,) = comparison["data"]
    curves = generator.uniform(1, 2, (2, 4, 5000))
    curves[0, :, 3210] = 7.0
    result["curves"] = curves.tolist()
    _, line = traces(learning_curves(result, ["one", "two"]), "one")
    assert len(line.x) <= 1000
    assert line.y[line.x.index(3211)] == pytest.approx(7.0)


def test_networks_that_never_had_a_loss_are_left_out() -> None:
    comparison = made_up_comparison(["one", "two"], n_splits=2)
    (result,) = comparison["data"]
    result["curves"][0] = [[None] * 12] * 2
    result["level"] = None
    figure = learning_curves(result, ["one", "two"])
    assert {trace.name for trace in figure.data} == {"two"}


@pytest.mark.parametrize(("means", "best", "order"), [([0.2, 0.9, 0.5], 1, [1, 2, 0]), ([3.0, 9.0, 5.0], 0, [0, 2, 1])])
def test_the_best_come_first_in_either_direction(means: list[float], best: int, order: list[int]) -> None:
    assert best_first({"means": [{"mean": mean} for mean in means], "best": best}) == order


def test_variants_without_a_score_come_last() -> None:
    means = [{"mean": mean} for mean in (float("nan"), 0.5, None, 0.7)]
    assert best_first({"means": means, "best": 3}) == [3, 1, 0, 2]


def test_intervals_stand_in_the_order_of_the_scores() -> None:
    comparison = made_up_comparison()
    (result,) = comparison["data"]
    names = names_of(comparison)
    figure = score_intervals(result, names)
    means = np.array([[each["mean"], each["low"], each["high"]] for each in result["means"]])
    order = np.argsort(-means[:, 0])
    assert [note.text for note in figure.layout.annotations] == [names[k] for k in order]
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]  # the first row on top
    (best,), (others,), (splits,) = (traces(figure, name) for name in ("mean of the best", "mean", "one split"))
    assert (best.x[0], best.y) == (pytest.approx(means[order[0], 0]), (0,))
    assert others.y == (1, 2)
    assert others.x == pytest.approx(means[order[1:], 0])
    assert np.array(others.x) + others.error_x.array == pytest.approx(means[order[1:], 2])
    assert np.array(others.x) - others.error_x.arrayminus == pytest.approx(means[order[1:], 1])
    assert best.marker.color != others.marker.color
    table = np.array(result["scores"]["accuracy"])
    for row, k in enumerate(order):
        assert sorted(x for x, y in zip(splits.x, splits.y, strict=True) if round(y) == row) == sorted(table[:, k])


def test_one_split_has_no_interval() -> None:
    comparison = made_up_comparison(n_splits=1)
    (result,) = comparison["data"]
    for each in result["means"]:
        each["low"] = each["high"] = None
    figure = score_intervals(result, names_of(comparison))
    assert traces(figure, "one split") == []
    assert traces(figure, "mean")[0].error_x.array == (0.0, 0.0)


def test_ranks_with_the_critical_difference() -> None:
    ranking = {"mean_ranks": [3.2, 1.1, 2.0, 3.7], "critical_difference": 1.3}
    figure = mean_ranks(ranking, ["c", "a", "b", "d"])
    assert [note.text for note in figure.layout.annotations[:4]] == ["a", "b", "c", "d"]
    assert traces(figure, "mean rank")[0].x == (1.1, 2.0, 3.2, 3.7)
    (ruler,) = traces(figure, "critical difference")
    assert ruler.x[1] - ruler.x[0] == pytest.approx(1.3)
    assert figure.layout.annotations[4].text == "critical difference 1.30"
    # By hand: a–b are 0.9 apart, b–c 1.2, c–d 0.5; a–c 2.1, b–d 1.7.
    assert [bar.x for bar in traces(figure, "no difference")] == [(1.1, 2.0), (2.0, 3.2), (3.2, 3.7)]


def test_groups_are_the_longest_ones(generator: np.random.Generator) -> None:
    ranks = np.sort(generator.uniform(1, 9, 14)).tolist()
    found = alike(ranks, 2.0)
    fits = {(i, j) for i, j in combinations(range(14), 2) if ranks[j] - ranks[i] <= 2.0}
    longest = {(i, j) for i, j in fits if not fits & ({(i - 1, j), (i, j + 1)})}
    assert set(found) == longest


@pytest.mark.parametrize(("low", "high"), [(0.03, 0.6), (1e-8, 1e4), (0.5, 3.1), (0.0101, 0.099)])
def test_logarithmic_marks_are_few_and_enclose(low: float, high: float) -> None:
    marks = log_ticks(low, high)
    assert 2 <= len(marks) <= 14
    assert marks == sorted(marks)
    assert all(re.fullmatch(r"[125]e[+-]\d+", f"{mark:.0e}") for mark in marks)


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.9, 1.0, ["0.90", "0.92", "0.94", "0.96", "0.98", "1.00"]),
        (2043.0, 9120.0, ["2,000", "4,000", "6,000", "8,000", "10,000"]),
        (-0.3, 0.6, ["-0.4", "-0.2", "0.0", "0.2", "0.4", "0.6"]),
        (1.0, 3.6, ["1", "2", "3", "4"]),
        (5.0, 5.0, ["5"]),
    ],
)
def test_marks_have_as_many_decimals_as_they_need(low: float, high: float, texts: list[str]) -> None:
    ticks = linear_ticks(low, high)
    assert ticks["ticktext"] == texts
    assert [f"{mark:g}" for mark in ticks["tickvals"]] == [f"{float(text.replace(',', '')):g}" for text in texts]


def test_hostile_names_are_no_markup() -> None:
    names = list(HOSTILE)
    comparison = made_up_comparison(names, data=("iris", "wine"))
    result = comparison["data"][0]
    figures = [learning_curves(result, names), score_intervals(result, names), mean_ranks(comparison["ranking"], names)]
    for figure in figures:
        shown = [note.text for note in figure.layout.annotations] + [trace.name for trace in figure.data]
        assert len(shown) >= len(names) - 1
        for text in (text.replace("<br>", " ") for text in shown):
            assert not re.search("[<>$\u202e\u2028\u2066\x00\x1b]", text)
            assert re.sub("&(amp|lt|gt|#36);", "", text).count("&") == 0
            assert len(text) < 200
        hovers = [trace.hovertemplate or "" for trace in figure.data]
        assert all("script" not in hover and "HYPERLINK" not in hover for hover in hovers)


def test_the_theme_has_no_ground_of_its_own() -> None:
    figure = new_figure("time (s)", "loss")
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0, 0, 0, 0)"
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("time (s)", "loss")
    assert not figure.layout.xaxis.zeroline
