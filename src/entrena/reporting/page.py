"""A page that stands in one file: it opens offline, asks for nothing from anywhere, and shows foreign names as text.

plotly.js is in it, once, where there is a figure. The page's content security policy names each of its scripts and
styles by its hash and allows nothing else, so a name that should ever slip through unescaped still does nothing.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from entrena.reporting.page_script import SCRIPT
from entrena.reporting.page_style import STYLE
from entrena.reporting.wording import visible
from entrena.storage import write_text
from entrena.storage.json_text import to_json

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Rows = Sequence[Sequence[str]]

_NUMBER = re.compile(r"[<≤>≥]?\s*[−-]?[\d.,]+(e[+-]?\d+)?( ?[a-zµ%]+)?( … .*| \(.*\))?|–|")

_STYLE_OF_MAPS = re.compile(r'getElementById\("([0-9a-f]{64})"\)')


@dataclass(frozen=True, eq=False)
class Section:
    """A part of a page, from top to bottom: heading, paragraphs, lines to copy, table, figure, caption.

    Attributes:
        title: Its heading; empty: it goes on with the section before.
        text: Paragraphs.
        table: The header and the rows, all of plain texts.
        figure: A figure of `entrena.reporting.figures`.
        caption: What is to be known of the figure, or of the table where there is no figure.
        large: Whether the paragraphs are what the reader came for.
        lines: What is to be copied as it stands, such as a command.
    """

    title: str
    text: Sequence[str] = ()
    table: tuple[Sequence[str], Rows] | None = None
    figure: Figure | None = None
    caption: str = ""
    large: bool = False
    lines: Sequence[str] = ()


def write_page(
    path: str | os.PathLike[str], title: str, sections: Sequence[Section], *, facts: Sequence[tuple[str, str]] = ()
) -> None:
    """Writes a page, whole or not at all.

    Args:
        path: The file, which ends in `.html`.
        title: Its heading.
        sections: Its parts.
        facts: Names and what is to be said of each, under the heading.

    Raises:
        StorageError: It could not be written.
    """
    write_text(path, page(title, sections, facts=facts))


def page(title: str, sections: Sequence[Section], *, facts: Sequence[tuple[str, str]] = ()) -> str:
    """The text of a page; equal arguments give equal texts. Arguments as in `write_page`."""
    figures = [section.figure for section in sections if section.figure is not None]
    numbers = iter(range(1, len(figures) + 1))
    body = [_header(title, facts), "<main>"]
    body += [_section(section, next(numbers) if section.figure is not None else 0) for section in sections]
    body.append("</main>")
    scripts = [_plotly(), SCRIPT] if figures else []
    # plotly.js brings a style for maps, which the policy would refuse, unless an element of its name is there.
    maps = _STYLE_OF_MAPS.search(scripts[0]) if figures else None
    name = f' id="{maps[1]}"' if maps else ""
    if figures:
        body.append(f'<script type="application/json" id="figures">{_data(figures)}</script>')
        body += [f"<script>{script}</script>" for script in scripts]
    has_pictures = any(figure.layout.images for figure in figures)
    head = [
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts, pictures=has_pictures)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{_shown(title)}</title>",
        f"<style{name}>{STYLE}</style>",
    ]
    lines = ["<!DOCTYPE html>", '<html lang="en">', "<head>", *head, "</head>", "<body>", *body, "</body>", "</html>"]
    return "\n".join(lines) + "\n"


def _header(title: str, facts: Sequence[tuple[str, str]]) -> str:
    listed = "".join(f"<div><dt>{_shown(name)}</dt><dd>{_shown(said)}</dd></div>" for name, said in facts)
    return f"<header><h1>{_shown(title)}</h1>" + (f"<dl>{listed}</dl>" if listed else "") + "</header>"


def _section(section: Section, number: int) -> str:
    parts = [f"<h2>{_shown(section.title)}</h2>"] if section.title else []
    large = ' class="large"' if section.large else ""
    parts += [f"<p{large}>{_shown(paragraph)}</p>" for paragraph in section.text]
    if section.lines:
        parts.append("<pre>" + "\n".join(map(_shown, section.lines)) + "</pre>")
    if section.table is not None:
        parts.append(_table(*section.table))
    caption = _shown(section.caption)
    if section.figure is not None:
        plot = f'<div class="plot" id="figure-{number}" role="img" aria-label="{caption or _shown(section.title)}"'
        parts.append(f"<figure>{plot}></div>")
        parts.append("<noscript>This figure needs JavaScript.</noscript>")
        parts.append((f"<figcaption>{caption}</figcaption>" if caption else "") + "</figure>")
    elif caption:
        parts.append(f'<p class="caption">{caption}</p>')
    return "<section>\n" + "\n".join(parts) + "\n</section>"


def _table(header: Sequence[str], rows: Rows) -> str:
    """A table in a box of its own, which scrolls where the table is wider; columns of numbers are set flush right."""
    right = [all(_NUMBER.fullmatch(row[column]) for row in rows) for column in range(len(header))]
    marks = [' class="number"' if flush else "" for flush in right]
    head = "".join(f'<th scope="col"{mark}>{_shown(cell)}</th>' for cell, mark in zip(header, marks, strict=True))
    lines = [f"<tr>{head}</tr></thead><tbody>"]
    for row in rows:
        cells = "".join(f"<td{mark}>{_shown(cell)}</td>" for cell, mark in zip(row, marks, strict=True))
        lines.append(f"<tr>{cells}</tr>")
    # A box that scrolls can be reached by the keyboard.
    return '<div class="wide" tabindex="0"><table><thead>' + "\n".join(lines) + "</tbody></table></div>"


def _shown(text: str) -> str:
    return escape(visible(text))


def _data(figures: Sequence[Figure]) -> str:
    """The figures as JSON that no HTML parser takes for a tag. It is all ASCII, so U+2028 and its like are escaped."""
    text = to_json([figure.to_plotly_json() for figure in figures])
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs().replace("\r\n", "\n").strip()


def _policy(scripts: Sequence[str], *, pictures: bool) -> str:
    """What the page may do: run these scripts, use this style, and show pictures that are in it.

    plotly.js adds rules to an empty style of its own, which has a hash as well.
    """
    allowed = " ".join(map(_hash, scripts)) or "'none'"
    styles = " ".join(map(_hash, [STYLE, ""] if scripts else [STYLE]))
    shown = "img-src data:; " if pictures else ""
    return f"default-src 'none'; script-src {allowed}; style-src {styles}; {shown}base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
