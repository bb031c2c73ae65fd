"""Writes a benchmark's table to `results/NAME.md` and its raw numbers to `results/NAME.json`."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("entrena", "jax", "jaxlib", "optax", "numpy", "scikit-learn", "torch", "keras", "river")


def environment() -> dict[str, str]:
    """The machine and the versions; no names of hosts, users or folders."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{cpu()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB memory",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{package} {version}" for package, version in versions.items()),
    }


def cpu() -> str:
    """The processor's name and what its vector instructions are."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    fields = dict(tuple(part.strip() for part in line.split(":", 1)) for line in lines if ":" in line)
    vectors = next((v for v in ("avx512f", "avx2", "avx") if v in fields.get("flags", "").split()), "")
    name = f"{fields.get('model name', platform.machine())} (family {fields.get('cpu family', '?')}"
    return f"{name}, model {fields.get('model', '?')}{', ' + vectors if vectors else ''})"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def write(name: str, title: str, sections: Sequence[str], raw: Mapping[str, Any], *, seeds: str) -> None:
    """Writes both files and shows the first on the screen.

    Args:
        name: The benchmark's module; `python -m benchmarks.NAME` is the command.
        title: The heading.
        sections: Paragraphs and tables in Markdown.
        raw: Every single measurement.
        seeds: Which seeds were used, in words.
    """
    where = environment()
    command = f"python -m benchmarks.{name}" + "".join(f" {shlex.quote(argument)}" for argument in sys.argv[1:])
    head = [f"- {key}: {value}" for key, value in where.items()]
    head += [f"- seeds: {seeds}", f"- command: `{command}`"]
    text = "\n\n".join([f"# {title}", "\n".join(head), *sections]) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text)
    plain = {"environment": where, "seeds": seeds, "command": command, **raw}
    (RESULTS / f"{name}.json").write_text(json.dumps(plain, indent=1) + "\n")
    print(text)
