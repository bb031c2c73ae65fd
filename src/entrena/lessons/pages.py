"""What came of a lesson as a page: Markdown, as it is committed in `docs/lessons/`, or HTML with the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from entrena.errors import UsageError
from entrena.lessons.lesson import Lesson, Table

SUFFIXES = (".md", ".html")


def check_page(file: str) -> None:
    """Raises a UsageError for a page whose name tells no format or that has no folder, before any work is done."""
    path = Path(file)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"-o {file}: name a page that ends in {' or '.join(SUFFIXES)}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"-o {file}: there is no folder {path.absolute().parent}")


def write(file: str, lesson: Lesson, record: Mapping[str, Any]) -> None:
    """Writes the page, whole or not at all.

    Args:
        file: Its name, which ends in `.md` or `.html`.
        lesson: What was run.
        record: What came of it.

    Raises:
        UsageError: The name says no format.
        StorageError: It could not be written.
    """
    check_page(file)
    if Path(file).suffix.lower() == ".md":
        from entrena.storage import write_text

        write_text(file, markdown(lesson, record))
    else:
        _write_html(file, lesson, record)


def markdown(lesson: Lesson, record: Mapping[str, Any]) -> str:
    """The page as Markdown."""
    results, verdict = record["results"], record["verdict"]
    parts = [
        f"# {lesson.title}",
        f"**The claim.** {lesson.claim}",
        f"*{lesson.source}*",
        f"**Verdict: {verdict['words']}.** {verdict['sentence']}",
    ]
    left_out = record["size"]["left_out"]
    if left_out:
        parts.append(f"This is the quick size. {left_out} The whole study: `entrena lesson {lesson.id} --full`.")
    parts += ["## What was done", *lesson.method(record["size"]["choices"]), "## What was found"]
    for table in lesson.tables(results):
        parts += [f"**{table.title}**", markdown_table(table), *([table.note] if table.note else [])]
    parts += ["## What it means", *lesson.meaning(results)]
    parts += ["## How it was run", markdown_table(Table("", ("", ""), _facts(record), n_texts=2))]
    parts.append(f"The figures: `{record['command']} -o {lesson.id}.html`.")
    return "\n\n".join(parts) + "\n"


def _facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and what is to be said of each; the same on both kinds of page."""
    size = record["size"]
    choices = ", ".join(f"{name.replace('_', ' ')} {_said(value)}" for name, value in size["choices"].items())
    return [
        ("command", f"`{record['command']}`"),
        ("size", f"{size['name']}: {choices}"),
        ("seeds", f"from {record['seed']} on"),
        ("networks", f"{record['networks']:,}"),
        ("seconds", f"{record['seconds']:.0f}"),
        ("machine", record["machine"]),
        ("versions", record["versions"]),
    ]


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{name} {_said(own)}" for name, own in value.items()) + ")"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def markdown_table(table: Table) -> str:
    """A table in Markdown."""
    marks = ["---" if column < table.n_texts else "---:" for column in range(len(table.header))]
    lines = [table.header, marks, *table.rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _write_html(file: str, lesson: Lesson, record: Mapping[str, Any]) -> None:
    from entrena.reporting.page import Section, write_page

    results, verdict = record["results"], record["verdict"]
    claim: Sequence[str] = (lesson.claim, lesson.source)
    left_out = [f"This is the quick size. {record['size']['left_out']}"] if record["size"]["left_out"] else []
    sections = [
        Section("The claim", claim),
        Section(f"Verdict: {verdict['words']}", (verdict["sentence"], *left_out), large=True),
        *(Section(each.title, figure=each.figure, caption=each.caption) for each in lesson.figures(results)),
        *(Section(t.title, table=(t.header, t.rows), caption=t.note) for t in lesson.tables(results)),
        Section("What it means", tuple(lesson.meaning(results))),
        Section("What was done", tuple(lesson.method(record["size"]["choices"]))),
    ]
    write_page(file, lesson.title, sections, facts=[(name, said.strip("`")) for name, said in _facts(record)])
