"""The pages of error surfaces in Chromium."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrena.diagnosis.slides import slides_surfaces
from entrena.reporting.surface import slides_page, surface_page
from tests.reporting.test_surface import OF_PATH, PATH, made_up

Open = Callable[..., Any]

# The surfaces of both pages, with what is drawn in each.
DRAWN = """() => [...document.querySelectorAll(".plot")].map((box) => ({
    lines: box.querySelectorAll(".scatterlayer path.js-line").length,
    filled: box.querySelectorAll(".contourlayer .contourfill path").length,
    panels: box.querySelectorAll(".cartesianlayer > .subplot").length,
    width: box.querySelector("svg.main-svg").getBoundingClientRect().width,
    room: box.getBoundingClientRect().width,
}))"""

TABLES_FIT = "() => [...document.querySelectorAll('.wide')].every((box) => box.scrollWidth <= box.clientWidth)"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    files = {name: folder / f"{name}.html" for name in ("slides", "network")}
    slides_page(files["slides"], slides_surfaces())
    surface_page(files["network"], made_up(path=PATH, directions=OF_PATH))
    return files


@pytest.mark.parametrize("width", [360, 1000, 1200])
def test_both_pages_open_from_the_disk_in_silence(open_page: Open, pages: dict[str, Path], width: int) -> None:
    for name, file in pages.items():
        opened = open_page(file, width=width)
        figures = opened.asked(DRAWN)
        assert len(figures) == {"slides": 2, "network": 1}[name]
        for figure in figures:
            assert figure["panels"] == 2  # two bowls; or the surface and its scale
            assert 0 < figure["width"] <= figure["room"] + 1
            if name == "slides":
                assert figure["lines"] >= 2 * (8 + 1)  # contours and a path of each
            else:
                assert figure["filled"] > 5 and figure["lines"] == 2
        assert opened.asked("() => document.documentElement.scrollWidth <= window.innerWidth")
        if width >= 1000:  # no column of a table is out of sight
            assert opened.asked(TABLES_FIT)
        opened.page.locator(".plot").nth(0).hover()
        assert (opened.messages, opened.errors) == ([], [])
        assert opened.requests == [file.as_uri()]
