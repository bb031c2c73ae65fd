"""Which version of a learner was measured, so that what is stale is measured again and nothing else."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.quality.learners import LEARNERS

SOURCES = processes.ROOT / "src" / "entrena"
NOT_OF_ESTIMATORS = ("cli", "reporting")  # rooms that change nothing about what an estimator learns


def version_of(name: str, parameters: Mapping[str, Any]) -> str:
    """`lightgbm 4.7.0`; for entrena a hash of its sources without comments, and of what was chosen."""
    learner = LEARNERS[name]
    if not learner.is_entrena:
        return ", ".join(f"{package} {importlib.metadata.version(package)}" for package in learner.packages)
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True, default=str).encode())
    for path in sorted(SOURCES.rglob("*.py")):
        room = path.relative_to(SOURCES)
        if name == "entrena-cli" or room.parts[0] not in NOT_OF_ESTIMATORS:
            digest.update(str(room).encode() + program_of(path).encode())
    return f"sources {digest.hexdigest()[:12]}"


def program_of(path: Path) -> str:
    """A file's program without comments, docstrings and layout; the text itself where it is being written."""
    text = path.read_text(encoding="utf-8")
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return ast.dump(tree)


def commit() -> str:
    """The commit, with a + where files differ from it; empty outside of a repository."""
    told = [
        subprocess.run(["git", *arguments], cwd=processes.ROOT, capture_output=True, text=True, check=False).stdout
        for arguments in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "--", "src"))
    ]
    return told[0].strip() + ("+" if told[1].strip() else "")
