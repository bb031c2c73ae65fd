"""A page in one file, read again by a parser that knows nothing of how it was made."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from entrena.errors import EntrenaError
from entrena.reporting.figures import new_figure
from entrena.reporting.page import Section, page, write_page
from tests.reporting.made_up import HOSTILE

MOST_BYTES = 6_000_000


class Read(HTMLParser):
    """Tags, attributes and texts by the tag that holds them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.held: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        name = "json" if ("type", "application/json") in attrs else tag
        if tag != "meta":
            self._open.append(name)
            self.held.setdefault(name, []).append("")

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open:
            self.held[self._open[-1]][-1] += data


def drawing(name: str = "loss") -> Section:
    figure = new_figure("epochs", name)
    figure.add_scatter(x=[1, 2], y=[0.5, 0.25], name=name)
    return Section("Learning", figure=figure, caption="How it went.")


def test_what_is_given_stands_there() -> None:
    sections = [
        Section("Scores", text=["First.", "Second."], table=(["recipe", "score"], [["relu", "0.9"], ["elu", "0.8"]])),
        Section("Again", lines=["entrena compare iris --seeds 3"], caption="It takes a minute."),
    ]
    found = Read(page("A comparison", sections, facts=[("data", "iris"), ("seeds", "3")]))
    assert found.held["h1"] == found.held["title"] == ["A comparison"]
    assert found.held["h2"] == ["Scores", "Again"]
    assert found.held["p"] == ["First.", "Second.", "It takes a minute."]
    assert found.held["th"] == ["recipe", "score"]
    assert found.held["td"] == ["relu", "0.9", "elu", "0.8"]
    assert found.held["dt"] + found.held["dd"] == ["data", "seeds", "iris", "3"]
    assert found.held["pre"] == ["entrena compare iris --seeds 3"]


def test_columns_of_numbers_are_flush_right() -> None:
    header = ["recipe", "score", "95 % interval", "p", "time", "rows", "note"]
    rows = [
        ["relu", "0.9", "0.85 … 0.95", "", "12.3 s", "1,797", "3 rounds"],
        ["elu", "−0.8", "–", "< 0.001", "12 ms", "96", "of folds"],
    ]
    text = page("t", [Section("s", table=(header, rows))])
    flush = re.findall(r'<th scope="col" class="number">([^<]*)</th>', text)
    assert flush == ["score", "95 % interval", "p", "time", "rows"]


def test_a_page_without_figures_has_no_script() -> None:
    text = page("A table", [Section("Scores", table=(["a"], [["1"]]))])
    assert "script" not in Read(text).tags
    assert len(text) < 10_000
    assert "script-src 'none'" in text


def test_plotly_is_there_once_and_the_page_is_not_too_large() -> None:
    text = page("Figures", [drawing("one"), drawing("two"), drawing("three")])
    found = Read(text)
    assert len(found.held["script"]) == 2
    assert text.count("* plotly.js v") == 1
    assert len(text.encode()) < MOST_BYTES
    assert [figure["data"][0]["name"] for figure in json.loads(found.held["json"][0])] == ["one", "two", "three"]
    assert [value for name, value in found.attributes if name == "id" and value.startswith("figure-")] == [
        "figure-1",
        "figure-2",
        "figure-3",
    ]


def test_nothing_is_asked_for_from_anywhere() -> None:
    found = Read(page("Figures", [drawing()]))
    assert not {"link", "img", "iframe", "object", "embed", "base", "form", "a"} & set(found.tags)
    assert not {"src", "href", "srcset", "action", "style"} & {name for name, _ in found.attributes}
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert not re.search(r"@import|url\(", found.held["style"][0])


def test_the_policy_names_each_script_and_style() -> None:
    found = Read(page("Figures", [drawing()]))
    (policy,) = [value for _, value in found.attributes if value is not None and value.startswith("default-src")]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert "unsafe" not in policy
    assert not re.search(r"\*|https?:|data:|blob:", policy)

    def hashed(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert rules["script-src"].split() == [hashed(script) for script in found.held["script"]]
    assert hashed(found.held["style"][0]) in rules["style-src"].split()


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_are_text(name: str) -> None:
    def with_name(name: str) -> str:
        section = Section(name, text=[name], table=([name], [[name]]), figure=drawing(name).figure, caption=name)
        return page(name, [section, Section("", lines=[name])], facts=[(name, name)])

    plain, hostile = Read(with_name("name")), Read(with_name(name))
    assert hostile.tags == plain.tags
    assert [each for each, _ in hostile.attributes] == [each for each, _ in plain.attributes]
    (shown,) = hostile.held["h2"]
    for tag in ("h1", "title", "p", "th", "td", "figcaption", "pre", "dt", "dd"):
        assert hostile.held[tag] == [shown], tag
    # What the parser gives back is the name, with the signs that have no shape written out.
    assert shown == "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in name)
    assert json.loads(hostile.held["json"][0])[0]["data"][0]["name"] == name
    assert not re.search("[<>&\u2028\u2029]", hostile.held["json"][0])
    assert len(hostile.held["script"]) == 2


def test_equal_arguments_give_equal_pages() -> None:
    assert page("Figures", [drawing()], facts=[("a", "b")]) == page("Figures", [drawing()], facts=[("a", "b")])


def test_numbers_that_are_not_finite_are_still_json() -> None:
    figure = new_figure("x", "y")
    figure.add_scatter(x=[1, 2], y=[float("nan"), float("inf")])
    (text,) = Read(page("t", [Section("s", figure=figure)])).held["json"]
    assert json.loads(text)[0]["data"][0]["y"] == [None, None]


def test_a_page_is_written_whole(tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", "Title", [Section("s", text=["ü …"])])
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text == page("Title", [Section("s", text=["ü …"])])
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    with pytest.raises(EntrenaError, match="the folder .*nowhere does not exist: make it"):
        write_page(tmp_path / "nowhere" / "page.html", "Title", [])
