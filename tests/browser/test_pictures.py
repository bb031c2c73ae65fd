"""Pictures in a page, seen by Chromium: they are drawn, and nothing is asked for from elsewhere."""

from __future__ import annotations

import numpy as np

from entrena.reporting.page import Section, write_page
from entrena.reporting.pictures import png, side_by_side


def test_pictures_are_drawn(tmp_path, open_page):
    figure = side_by_side(["dark", "light"], [("", [png(np.zeros((8, 8))), png(np.full((8, 8), 255))])], shape=(8, 8))
    write_page(tmp_path / "page.html", "Pictures", [Section("s", figure=figure)])
    opened = open_page(tmp_path / "page.html")
    opened.page.wait_for_selector("image")
    sizes = opened.asked(
        "[...document.querySelectorAll('image')].map(i => i.getBoundingClientRect()).map(r => [r.width, r.height])"
    )
    assert len(sizes) == 2 and all(abs(width - height) < 1 and width > 50 for width, height in sizes)
    # A policy that refuses a picture says so on the console.
    assert opened.messages == [] and opened.errors == []
    assert all(url.startswith(("file:", "data:")) for url in opened.requests)
