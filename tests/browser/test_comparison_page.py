"""The page of a comparison in Chromium: what a person meets who opens it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrena.reporting.comparison_page import comparison_page
from tests.reporting.made_up import HOSTILE, made_up_comparison

Open = Callable[..., Any]

NAMES = [f"activation=relu, learning_rate={10.0**-k:g}, hidden=[128,64]" for k in range(5)]

DRAWN = """() => [...document.querySelectorAll(".plot")].map((box) => ({
    svgs: box.querySelectorAll("svg.main-svg").length,
    points: box.querySelectorAll(".scatterlayer path.point").length,
    lines: box.querySelectorAll(".scatterlayer path.js-line").length,
    width: box.querySelector("svg.main-svg").getBoundingClientRect().width,
    room: box.getBoundingClientRect().width,
}))"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pages") / "comparison.html"
    comparison_page(file, made_up_comparison(NAMES, data=("iris", "wine"), n_splits=4))
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1600])
def test_it_opens_from_the_disk_in_silence(open_page: Open, page_file: Path, width: int, scheme: str) -> None:
    opened = open_page(page_file, width=width, scheme=scheme)
    figures = opened.asked(DRAWN)
    assert len(figures) == 5  # two for each data set, and the ranks
    assert all(figure["svgs"] > 0 for figure in figures)
    # 5 variants: 4 splits and a mean of each; a line of each, its band's edge, and the level.
    assert (figures[0]["points"], figures[1]["lines"]) == (5 * 4 + 5, 5 + 5 + 1)
    assert all(0 < figure["width"] <= figure["room"] + 1 for figure in figures)
    assert opened.asked("() => document.documentElement.scrollWidth <= window.innerWidth")
    opened.page.mouse.move(width / 2, 500)
    opened.page.mouse.wheel(0, 800)
    opened.page.locator(".plot").nth(1).hover()
    assert opened.messages == []
    assert opened.errors == []
    assert opened.requests == [page_file.as_uri()]


def test_a_wide_table_scrolls_in_its_own_box(open_page: Open, page_file: Path) -> None:
    opened = open_page(page_file, width=360)
    boxes = opened.asked("() => [...document.querySelectorAll('.wide')].map((b) => [b.scrollWidth, b.clientWidth])")
    assert any(content > room for content, room in boxes)
    assert opened.asked("() => { window.scrollTo(500, 0); return window.scrollX; }") == 0


def test_a_turned_telephone_gets_wider_figures(open_page: Open, page_file: Path) -> None:
    opened = open_page(page_file, width=360)
    before = opened.asked(DRAWN)[0]["width"]
    opened.page.set_viewport_size({"width": 780, "height": 360})
    opened.page.wait_for_timeout(500)
    after = opened.asked(DRAWN)[0]
    assert after["width"] > before + 300
    assert after["width"] == pytest.approx(after["room"], abs=1)


def test_figures_follow_the_page_from_light_to_dark(open_page: Open, page_file: Path) -> None:
    opened = open_page(page_file, scheme="light")
    ink = "() => getComputedStyle(document.querySelector('.plot .xtitle')).fill"
    text = "() => getComputedStyle(document.documentElement).color"
    light = opened.asked(ink)
    assert light == opened.asked(text)
    opened.page.emulate_media(color_scheme="dark")
    opened.page.wait_for_timeout(300)
    dark = opened.asked(ink)
    assert dark == opened.asked(text) != light


def test_paper_is_light_and_narrow(open_page: Open, page_file: Path) -> None:
    opened = open_page(page_file, width=1600, scheme="dark")
    dark = opened.asked("() => getComputedStyle(document.querySelector('.plot .xtitle')).fill")
    assert len(opened.page.pdf()) > 20_000
    opened.asked("() => window.dispatchEvent(new Event('beforeprint'))")
    assert all(figure["width"] <= 700 for figure in opened.asked(DRAWN))
    assert opened.asked("() => getComputedStyle(document.querySelector('.plot .xtitle')).fill") != dark
    opened.asked("() => window.dispatchEvent(new Event('afterprint'))")
    opened.page.wait_for_timeout(300)
    assert opened.asked(DRAWN)[0]["width"] > 900
    assert opened.asked("() => getComputedStyle(document.querySelector('.plot .xtitle')).fill") == dark
    assert (opened.messages, opened.errors) == ([], [])


def test_hostile_names_do_nothing(open_page: Open, tmp_path: Path) -> None:
    hostile = made_up_comparison(list(HOSTILE), data=(HOSTILE[0], HOSTILE[1]))
    hostile |= {"command": HOSTILE[0], "path": HOSTILE[2], "verdicts": list(HOSTILE)}
    comparison_page(tmp_path / "hostile.html", hostile)
    opened = open_page(tmp_path / "hostile.html", width=360)
    for k in range(5):
        opened.page.locator(".plot").nth(k).hover()
    assert opened.asked("() => window.hacked") is None
    assert opened.asked("() => document.querySelectorAll('img, a, iframe, svg [onload], [onerror]').length") == 0
    assert opened.asked("() => document.querySelectorAll('script').length") == 3
    assert len(opened.asked(DRAWN)) == 5
    shown = opened.asked("() => [...document.querySelectorAll('.plot .annotation-text')].map((t) => t.textContent)")
    assert "<img src=x onerror='window.hacked = 2'>" in shown
    assert opened.asked("() => document.documentElement.scrollWidth <= window.innerWidth")
    assert (opened.messages, opened.errors) == ([], [])
    assert opened.requests == [(tmp_path / "hostile.html").as_uri()]


DEEDS = (
    "const s = document.createElement('script'); s.textContent = 'window.hacked = 1'; document.body.append(s);",
    "document.body.insertAdjacentHTML('beforeend', '<b id=x onclick=\"window.hacked = 2\">x</b>'); x.click();",
    "const i = new Image(); i.src = 'http://127.0.0.1:9/x.png'; document.body.append(i);",
)


def test_the_policy_lets_nothing_else_run(open_page: Open, page_file: Path) -> None:
    opened = open_page(page_file)
    for deed in DEEDS:
        opened.asked(f"() => {{ {deed} }}")
        opened.page.wait_for_timeout(100)
        assert "Content Security Policy" in opened.messages.pop(), deed
        opened.messages.clear()
    # Later, because what the driver itself calls may evaluate.
    evaluate = "try { window.hacked = window.eval('3'); } catch (error) { window.refused = error.name; }"
    opened.asked(f"() => setTimeout(() => {{ {evaluate} }})")
    opened.page.wait_for_timeout(100)
    assert opened.asked("() => window.refused") == "EvalError"
    assert opened.asked("() => window.hacked") is None
