"""Pictures on a page: a PNG file that another program reads, and where each stands."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest

from entrena.reporting.page import Section, page
from entrena.reporting.pictures import png, side_by_side


@pytest.mark.parametrize("shape", [(64, 64), (70, 100), (8, 8), (5, 9)])
def test_a_png_is_the_picture(shape):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install 'entrena[images]'")
    levels = np.random.default_rng(0).uniform(-20, 280, shape)
    with image.open(io.BytesIO(base64.b64decode(png(levels)))) as opened:
        opened.load()
        assert (opened.format, opened.mode) == ("PNG", "L")
        read = np.asarray(opened)
    larger = read.shape[0] // shape[0]
    assert min(read.shape) >= 64 and (larger == 1) == (min(shape) >= 64)
    np.testing.assert_array_equal(read[::larger, ::larger], np.clip(np.rint(levels), 0, 255))
    np.testing.assert_array_equal(read, read[::larger, ::larger].repeat(larger, 0).repeat(larger, 1))


def test_pictures_stand_in_rows_and_columns():
    text = png(np.zeros((64, 128)))
    figure = side_by_side(["<a>", "b"], [("first", [text, text]), ("second", [text])], shape=(64, 128))
    places = [(each.x, each.y) for each in figure.layout.images]
    assert len(places) == 3 and places[0][1] == places[1][1] < places[2][1] and places[0][0] == places[2][0]
    assert all(each.sizex == 2 * each.sizey for each in figure.layout.images)
    assert list(figure.layout.xaxis.ticktext) == ["&lt;a&gt;", "b"]
    assert "img-src data:;" in page("Pictures", [Section("s", figure=figure)])
