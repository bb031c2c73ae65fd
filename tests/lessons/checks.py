"""What holds for every lesson, asserted of what a tiny study found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from entrena.lessons import pages
from entrena.lessons.lesson import Lesson, Results, Size
from entrena.lessons.running import run


def assert_told(lesson: Lesson, found: Results, n_figures: int, n_tables: int | None = None) -> Results:
    """The results come back from JSON as they were, and tables, figures and meaning are made of them.

    Returns:
        What came back.
    """
    again = json.loads(json.dumps(found))
    assert again == found
    tables = lesson.tables(again)
    assert n_tables is None or len(tables) == n_tables
    assert len(lesson.figures(again)) == n_figures
    assert lesson.tables(found) == tables
    for table in tables:
        assert {len(row) for row in table.rows} == {len(table.header)}
        assert len(set(table.header)) == len(table.header)
        assert set(table.dispensable) <= set(table.header)
    assert all(said.strip().endswith(".") for said in lesson.meaning(again))
    return again


def assert_pages(lesson: Lesson, tiny: Mapping[str, Any], found: Results, folder: Path) -> None:
    """Both pages of results that are there already have the verdict and the figures."""
    sizes = {**lesson.sizes, "quick": Size(tiny, "All else is left out.")}
    lesson = replace(lesson, sizes=sizes, experiment=lambda size, seed, trials: found)
    record = run(lesson, "quick", seed=3)
    pages.write(str(folder / "found.md"), lesson, record)
    text = (folder / "found.md").read_text(encoding="utf-8")
    assert f"**Verdict: {record['verdict']['words']}.** {record['verdict']['sentence']}" in text
    pages.write(str(folder / "found.html"), lesson, record)
    page = (folder / "found.html").read_text(encoding="utf-8")
    assert all(figure.title in page for figure in lesson.figures(record["results"]))


def assert_trained_pages(lesson: Lesson, tiny: Mapping[str, Any], data: str, folder: Path) -> dict[str, Any]:
    """Both pages of a study that is run here say what it left out, its command and its data. Returns its record."""
    lesson = replace(lesson, sizes={**lesson.sizes, "quick": Size(tiny, "All else is left out.")})
    record = run(lesson, "quick", seed=3)
    for suffix in ("md", "html"):
        pages.write(str(folder / f"found.{suffix}"), lesson, record)
        text = (folder / f"found.{suffix}").read_text(encoding="utf-8")
        for said in ("All else is left out.", f"entrena lesson {lesson.id} --seed 3", data):
            assert said in text
    return record
