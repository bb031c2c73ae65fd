from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

import pytest

from entrena.errors import RunError
from entrena.storage import RunDirectory, RunSummary, list_runs


def create(root: Path, name: str, minute: int, **values: object) -> RunDirectory:
    run = RunDirectory.create(root, name, now=datetime(2026, 1, 1, 10, minute))
    run.write_status(values)
    return run


def test_what_a_status_tells(tmp_path: Path) -> None:
    run = create(
        tmp_path,
        "iris",
        5,
        state="done",
        seconds=1.5,
        data="iris",
        task="classification",
        score_name="accuracy",
        score=0.97,
    )
    assert list_runs(tmp_path) == [
        RunSummary(
            name="20260101-100500-iris",
            path=run.path,
            state="done",
            created=datetime(2026, 1, 1, 10, 5).timestamp(),
            seconds=1.5,
            data="iris",
            task="classification",
            score_name="accuracy",
            score=0.97,
        )
    ]


def test_newest_first(tmp_path: Path) -> None:
    for name, minute in (("b", 2), ("a", 9), ("c", 0), ("c", 0)):
        create(tmp_path, name, minute, state="done")
    assert [run.name[9:] for run in list_runs(tmp_path)] == ["100900-a", "100200-b", "100000-c-2", "100000-c"]


def test_running_and_interrupted(tmp_path: Path) -> None:
    create(tmp_path, "running", 3)
    create(tmp_path, "killed", 2, pid_started="before the last start of this machine")
    create(tmp_path, "failed", 1, state="failed")
    assert [run.state for run in list_runs(tmp_path)] == ["running", "interrupted", "failed"]


def test_damaged_runs_are_shown(tmp_path: Path) -> None:
    create(tmp_path, "good", 3, state="done")
    create(tmp_path, "torn", 2).status_path.write_bytes(b"{")
    create(tmp_path, "none", 1).status_path.unlink()
    create(tmp_path, "odd", 0).status_path.write_text('{"state": "?"}')
    renamed = create(tmp_path, "renamed", 0)
    renamed.status_path.write_bytes(b"")
    os.rename(renamed.path, tmp_path / "mine")
    assert [(run.name, run.state, run.created is None) for run in list_runs(tmp_path)] == [
        ("20260101-100300-good", "done", False),
        ("20260101-100200-torn", "damaged", False),
        ("20260101-100100-none", "damaged", False),
        ("20260101-100000-odd", "damaged", False),
        ("mine", "damaged", True),
    ]


def test_what_is_no_run_is_left_out(tmp_path: Path) -> None:
    create(tmp_path, "a", 0, state="done")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "x.txt").write_text("")
    (tmp_path / "20260101-100000-file").write_text("")
    (tmp_path / ".writing-0123").mkdir()
    (tmp_path / ".writing-0123" / "status.json").write_text("{}")
    (tmp_path / "20269999-100000-x").mkdir()
    assert [run.name for run in list_runs(tmp_path)] == ["20260101-100000-a"]


def test_fields_of_the_wrong_kind_are_none(tmp_path: Path) -> None:
    create(tmp_path, "a", 0, state="done")
    status = {
        "state": "done",
        "created": "now",
        "seconds": True,
        "score": "0.9",
        "data": 3,
        "task": None,
        "score_name": [],
    }
    (tmp_path / "20260101-100000-a" / "status.json").write_text(json.dumps(status))
    [run] = list_runs(tmp_path)
    assert run == RunSummary(run.name, run.path, "done", created=datetime(2026, 1, 1, 10).timestamp())
    for score in ("NaN", "Infinity", "1" + "0" * 400):
        (run.path / "status.json").write_text(f'{{"state": "done", "score": {score}}}')
        assert list_runs(tmp_path)[0].score is None


def test_no_folder_and_an_empty_one(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "no") == []
    assert list_runs(tmp_path) == []


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(RunError) as caught:
        list_runs(tmp_path / "runs")
    assert str(caught.value) == f"{tmp_path / 'runs'} is a file, not a folder of runs"
