"""The figure of means with intervals: a row for each case, a dot for each kind, ends where the intervals end."""

from __future__ import annotations

from math import log10, nan

import pytest

from entrena.lessons.drawings import dots

GROUPS = {
    "first": {"a": {"mean": 2.0, "low": 1.0, "high": 4.0}, "b": {"mean": 3.0, "low": nan, "high": nan}},
    "second": {"b": {"mean": nan, "low": nan, "high": nan}, "c": {"mean": 8.0, "low": 5.0, "high": 10.0}},
}


def test_each_kind_has_its_dots():
    figure = dots("times", GROUPS, mark=1.0)
    first, second = figure.data
    assert list(first.x) == [2, 3] and list(second.x) == [8]  # what is not known is not drawn
    assert list(first.error_x.array) == [2, 0] and list(first.error_x.arrayminus) == [1, 0]
    assert list(second.error_x.array) == [2] and list(second.error_x.arrayminus) == [3]
    assert list(figure.layout.yaxis.ticktext) == ["a", "b", "c"]
    assert [round(y) for y in first.y] == [0, 1] and [round(y) for y in second.y] == [2]
    assert first.y[1] < 1 < second.y[0]
    top, bottom = figure.layout.yaxis.range[1], figure.layout.yaxis.range[0]
    assert top < 0 and bottom > 2  # the first case on top


@pytest.mark.parametrize("mark", [0.5, 20.0])
def test_the_mark_is_in_the_picture(mark):
    low, high = dots("times", GROUPS, mark=mark).layout.xaxis.range
    assert low < min(mark, 1) and max(mark, 10) < high
    low, high = dots("times", GROUPS, mark=mark, logarithmic=True).layout.xaxis.range
    assert low < log10(min(mark, 1)) and log10(max(mark, 10)) < high


def test_names_are_no_markup():
    figure = dots("times", {"<b>": {"<i>": {"mean": 1.0, "low": 1.0, "high": 1.0}}})
    assert figure.data[0].name == "&lt;b&gt;" and figure.layout.yaxis.ticktext[0] == "&lt;i&gt;"
