"""The documentation is true: what README, tutorial and how-to pages show is run, page by page, in an empty folder.

Within a page the blocks run in their order and share the folder and the Python names. A block with a title
(```toml title="recipe.toml") is written to that file; in `bash` blocks the lines that begin with `entrena` run. A block
runs unless the comment `<!-- not run: REASON -->` stands right above it.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from docs import hooks
from entrena.recipe import OTHER_NAMES, REGISTRIES, keys
from entrena.registry import Entry, Registry, Setting

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "index.md",
    ROOT / "docs" / "tutorial.md",
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
]

FENCE = re.compile(
    r"(?P<skip><!-- not run: [^>]+ -->\n+)?^```(?P<language>\w+)(?P<attributes>[^\n]*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `line` is where its first line of code stands, from 1."""

    language: str
    title: str | None
    code: str
    line: int
    skipped: bool


def blocks_of(text: str) -> Iterator[Block]:
    for match in FENCE.finditer(text):
        title = TITLE.search(match["attributes"])
        yield Block(
            language=match["language"],
            title=title[1] if title else None,
            code=match["code"],
            line=text.count("\n", 0, match.start("code")) + 1,
            skipped=match["skip"] is not None,
        )


def commands_of(code: str) -> list[str]:
    """The lines of a bash block that begin with `entrena`, continued lines joined."""
    return [line for line in code.replace("\\\n", " ").splitlines() if line.startswith("entrena ")]


def run_command(command: str, folder: Path) -> None:
    scripts = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\nended with {done.returncode}\n{done.stdout}{done.stderr}"
    assert done.stdout + done.stderr, f"{command}\nprinted nothing"
    written = re.search(r" -o (\S+)", command)
    assert written is None or (folder / written[1]).stat().st_size > 0, f"{command}\nwrote nothing"


def write_houses(folder: Path) -> None:
    """The table that stands for the reader's own in the README: a price for the area and the age of a house."""
    lines = [
        "area,age,price",
        *(f"{50 + 3 * i},{7 * i % 40},{1000 * (50 + 3 * i) - 500 * (7 * i % 40)}.5" for i in range(60)),
    ]
    (folder / "houses.csv").write_text("\n".join(lines), encoding="utf-8")
    (folder / "new-houses.csv").write_text("\n".join(lines[:1] + lines[10:15]), encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_houses(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks_of(page.read_text(encoding="utf-8")):
        if block.skipped:
            continue
        if block.title is not None:
            (tmp_path / block.title).write_text(block.code, encoding="utf-8")
        if block.language == "python":
            # The empty lines in front make a traceback show the line of the page.
            exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), names)
        elif block.language == "bash":
            for command in commands_of(block.code):
                run_command(command, tmp_path)


def test_each_page_that_teaches_has_code_that_runs() -> None:
    for page in PAGES:
        runnable = [
            block
            for block in blocks_of(page.read_text(encoding="utf-8"))
            if not block.skipped
            and (block.language == "python" or (block.language == "bash" and commands_of(block.code)))
        ]
        assert runnable, f"{page.relative_to(ROOT)} shows nothing that runs"


def test_blocks_are_found_with_title_line_and_mark() -> None:
    text = "\n".join(
        [
            "# Page",  # line 1
            "```python",
            "a = 1",  # line 3
            "```",
            "<!-- not run: needs a GPU -->",
            "```bash",
            "entrena train digits \\",
            "  --quiet",
            "ls",
            "```",
            '```toml title="recipe.toml"',
            "random_state = 1",
            "```",
        ]
    )
    python, bash, toml = blocks_of(text)
    assert (python.language, python.code, python.line, python.skipped) == ("python", "a = 1\n", 3, False)
    assert bash.skipped
    assert [shlex.split(command) for command in commands_of(bash.code)] == [["entrena", "train", "digits", "--quiet"]]
    assert (toml.title, tomllib.loads(toml.code)) == ("recipe.toml", {"random_state": 1})


def test_a_command_that_fails_fails_the_page(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ended with 2"):
        run_command("entrena no-such-command", tmp_path)


def test_the_changelog_names_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert re.search(
        rf"^## \[({re.escape(version)}|Unreleased)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )


def test_a_chapter_has_each_technique_and_each_setting() -> None:
    entry = Entry("bent", "|z|^a", "Bends.", settings=(Setting("a", 2.0, "the power", low=0, low_open=True),))
    text = hooks.chapter_text(
        "Shapes", [Registry("network.shape", "Shapes", (entry, Entry("flat", "0", "Is flat.", source="Euclid")))]
    )
    assert text.splitlines() == [
        "---",
        "hide: [toc]",
        "---",
        "",
        "# Shapes",
        "",
        "## `network.shape` { #shape }",
        "",
        "| id | formula | meaning and source |",  # no other names: no such column
        "| --- | --- | --- |",
        r"| `shape=bent` | `\|z\|^a` | Bends. |",
        "| `shape=flat` | `0` | Is flat. *Euclid* |",
        "",
        "| setting | of | default | allowed | meaning |",
        "| --- | --- | --- | --- | --- |",
        "| `shape.a` | `bent` | `2.0` | a number above 0 | the power |",
    ]


def test_each_technique_is_on_its_page_and_in_the_index() -> None:
    index = hooks.techniques_index(REGISTRIES)
    for chapter, registries in hooks.chapters(REGISTRIES).items():
        text = hooks.chapter_text(chapter, registries)
        for registry in registries:
            page = hooks.technique_page(chapter).removeprefix("techniques/")
            assert f"({page}#{registry.name})" in index
            for name in registry:
                assert f"`{registry.name}={name}`" in text


def test_each_key_of_the_recipe_is_on_its_page() -> None:
    text = hooks.recipe_text()
    for key in keys().values():
        assert f"| `{key}` |" in text
    assert "| `random_state` | `0` |" in text


def test_each_public_module_has_its_place_in_the_reference() -> None:
    rooms = hooks.rooms(ROOT / "src" / "entrena")
    assert rooms["registry"] == ["entrena.registry"]
    assert "entrena.network.activations" in rooms["network"]
    assert "cli" not in rooms
    assert "::: entrena.network.activations" in hooks.room_text("network", rooms["network"])


def test_scikit_learns_names_are_the_ones_that_recipes_explain() -> None:
    text = (ROOT / "docs" / "how-to" / "scikit-learn.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)`.* \| `(\w+)` \|$", text, re.MULTILINE)
    assert len(rows) >= 6
    for theirs, ours in rows:
        assert ours in keys()
        if theirs not in keys():
            assert OTHER_NAMES[theirs] == ours
