from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrena.errors import RunError, StorageError
from entrena.storage import RunDirectory, slug
from entrena.storage.process import start_of_process

NOON = datetime(2026, 3, 4, 12, 0, 5)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "runs", "digits", now=NOON)


def test_the_directory_of_a_new_run(tmp_path: Path, run: RunDirectory) -> None:
    assert run.path == tmp_path / "runs" / "20260304-120005-digits"
    assert run.name == "20260304-120005-digits"
    assert os.listdir(run.path.parent) == [run.name]
    assert os.listdir(run.path) == ["status.json"]
    status = run.status()
    assert status["state"] == "running"
    assert status["pid"] == os.getpid()
    assert status["created"] == NOON.timestamp()
    assert abs(status["heartbeat"] - time.time()) < 60
    assert run.state() == "running"


def test_the_time_is_now_by_default(tmp_path: Path) -> None:
    before = time.time()
    run = RunDirectory.create(tmp_path, "x")
    assert before - 1 <= run.status()["created"] <= time.time()
    assert abs(datetime.strptime(run.name[:15], "%Y%m%d-%H%M%S").timestamp() - before) < 60


def test_a_number_is_appended_when_the_name_is_taken(tmp_path: Path) -> None:
    (tmp_path / "20260304-120005-a-2").write_text("a file in the way")
    (tmp_path / "20260304-120005-a-3").mkdir()
    found = [RunDirectory.create(tmp_path, "a", now=NOON).name for _ in range(3)]
    assert found == ["20260304-120005-a", "20260304-120005-a-4", "20260304-120005-a-5"]


def test_many_at_once_get_names_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: RunDirectory.create(tmp_path, "a", now=NOON), range(24)))
    assert len({run.path for run in runs}) == 24
    assert all(run.status()["state"] == "running" for run in runs)
    assert len(os.listdir(tmp_path)) == 24


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    for call in ("fsync", "write", "rename", "mkdir"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(StorageError) as caught:
                RunDirectory.create(tmp_path, "a", now=NOON)
        assert str(caught.value) == (
            f"cannot write {tmp_path / '20260304-120005-a'}: "
            f"no space left on the device that holds {tmp_path}: free some or give another folder"
        )
        assert os.listdir(tmp_path) == []


def test_a_kill_at_any_step_shows_a_whole_run_or_none(tmp_path: Path, mortal_system: type, died: type) -> None:
    for n_calls in range(100):
        root = tmp_path / str(n_calls)
        with pytest.MonkeyPatch.context() as patch:
            system = mortal_system(patch, n_calls)
            with suppress(died):
                RunDirectory.create(root, "a")
        shown = [name for name in os.listdir(root) if not name.startswith(".")] if root.exists() else []
        assert all(RunDirectory.open(root / name).status()["state"] == "running" for name in shown)
        if not system.died:
            break
    assert len(shown) == 1
    assert n_calls >= 6


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(StorageError, match="runs: a file of that name is there: give another name"):
        RunDirectory.create(tmp_path / "runs", "a")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("digits", "digits"),
        ("../x", "x"),
        ("/etc/passwd", "etc-passwd"),
        ("..", "run"),
        ("", "run"),
        ("\0", "run"),
        ("Données 2024.csv", "donnees-2024-csv"),
        ("C:\\data\\houses.csv", "c-data-houses-csv"),
        ("\u202egpj.exe", "gpj-exe"),  # Right-to-left override.
        ("\u05e9\u05dc\u05d5\u05dd", "run"),  # Hebrew.
        ("-rf --", "rf"),
        ("a" * 10_000, "a" * 40),
        ("\U0001f600" * 10_000, "run"),
        ("x" * 39 + " y", "x" * 39),
        ("\udcff", "run"),  # A byte of a file name that is no UTF-8.
    ],
)
def test_a_slug_of_any_name(tmp_path: Path, name: str, expected: str) -> None:
    assert slug(name) == expected
    run = RunDirectory.create(tmp_path, name, now=NOON)
    assert run.path == tmp_path / f"20260304-120005-{expected}"


@given(st.text())
def test_a_slug_is_always_safe(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", slug(name))


def test_open_finds_what_create_made(run: RunDirectory) -> None:
    assert RunDirectory.open(run.path).status() == run.status()
    assert RunDirectory.open(str(run.path) + os.sep).path == run.path


def test_open_finds_a_bare_name_in_the_root(run: RunDirectory, tmp_path: Path) -> None:
    root = run.path.parent
    assert RunDirectory.open(run.name, root=root).path == run.path
    with pytest.raises(RunError) as caught:
        RunDirectory.open("20260304-120005-digts", root=root)
    assert "did you mean '20260304-120005-digits'?" in str(caught.value)
    with pytest.raises(RunError):  # A path is never looked for elsewhere.
        RunDirectory.open(f"sub/../{run.name}", root=root)


def test_no_such_run_names_the_nearest(run: RunDirectory) -> None:
    typed = run.path.with_name("20260304-120005-digts")
    with pytest.raises(RunError) as caught:
        RunDirectory.open(typed)
    assert str(caught.value) == (
        f"there is no run {typed}: did you mean '20260304-120005-digits'? `entrena runs` lists them"
    )
    typed = run.path.with_name("zzz")
    with pytest.raises(RunError) as caught:
        RunDirectory.open(typed)
    assert str(caught.value) == f"there is no run {typed}: `entrena runs` lists them"


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        RunDirectory.open(tmp_path / "no" / "x")
    assert (
        str(caught.value) == f"there is no run {tmp_path / 'no' / 'x'}: {tmp_path / 'no'} is no folder that can be read"
    )


def test_a_folder_and_a_file_that_are_no_runs(run: RunDirectory) -> None:
    root = run.path.parent
    with pytest.raises(RunError) as caught:
        RunDirectory.open(root)
    assert str(caught.value) == (
        f"{root} is not a run directory: it holds no status.json and no recipe.toml; `entrena runs` lists the runs"
    )
    with pytest.raises(RunError) as caught:
        RunDirectory.open(run.status_path)
    assert str(caught.value) == f"{run.status_path} is a file, not a run directory"


def test_the_paths_of_its_files(run: RunDirectory) -> None:
    found = [
        *(run.recipe_path, run.status_path, run.history_path, run.history_parquet_path),
        *(run.findings_path, run.model_path, run.checkpoint_path),
    ]
    names = "recipe.toml status.json history.jsonl history.parquet findings.json model.safetensors checkpoint"
    assert found == [run.path / name for name in names.split()]


def test_the_recipe(run: RunDirectory) -> None:
    run.write_recipe('name = "ü"\n')
    assert run.read_recipe() == 'name = "ü"\n'
    run.recipe_path.write_bytes(b"\xff")
    with pytest.raises(RunError, match=r"is damaged: recipe\.toml is not a text in UTF-8"):
        run.read_recipe()
    run.recipe_path.unlink()
    with pytest.raises(RunError) as caught:
        run.read_recipe()
    assert str(caught.value) == f"the run {run.path} is damaged: it has no recipe.toml"


def test_the_status_is_merged(run: RunDirectory) -> None:
    run.write_status({"command": "train", "score": float("nan"), "nested": {"a": 1}})
    run.write_status({"nested": {"b": 2}, "data": "\udcff.csv"})
    status = run.status()
    assert status["command"] == "train"
    assert status["score"] is None
    assert status["nested"] == {"b": 2}
    assert status["data"] == "\udcff.csv"
    assert status["created"] == NOON.timestamp()
    assert sorted(os.listdir(run.path)) == ["status.json"]


def test_the_heartbeat_moves(run: RunDirectory) -> None:
    run.write_status({"heartbeat": 1.0})
    assert run.status()["heartbeat"] == 1.0
    run.heartbeat()
    assert abs(run.status()["heartbeat"] - time.time()) < 60


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"\x00" * 100])
def test_a_damaged_status(run: RunDirectory, content: bytes) -> None:
    run.status_path.write_bytes(content)
    with pytest.raises(RunError, match=r"^the run .* is damaged: status\.json is not a"):
        run.status()
    run.write_status({"state": "done"})  # What is known now counts.
    assert run.state() == "done"


def test_a_state_that_is_none(run: RunDirectory) -> None:
    for state in (None, "fine", 3, ["done"]):
        run.status_path.write_text(json.dumps({"state": state}))
        with pytest.raises(RunError) as caught:
            run.state()
        assert str(caught.value) == (
            f"the run {run.path} is damaged: status.json has the state {state!r}, "
            "which is none of running, done, interrupted, failed"
        )


@pytest.mark.parametrize("state", ["done", "interrupted", "failed"])
def test_a_state_that_is_told(run: RunDirectory, state: str) -> None:
    run.write_status({"state": state, "pid": 2**22 + 1, "pid_started": None})
    assert run.state() == state


def test_running_with_the_process_gone_is_interrupted(run: RunDirectory) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    run.write_status({"pid": child.pid, "pid_started": start_of_process(child.pid)})
    assert run.state() == "running"
    child.kill()
    deadline = time.monotonic() + 30
    while run.state() == "running" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert run.state() == "interrupted"  # Not yet waited for: a zombie has ended.
    child.communicate()
    assert run.state() == "interrupted"


def test_a_reused_process_number_is_not_taken_for_alive(run: RunDirectory) -> None:
    run.write_status({"pid_started": "another start"})
    assert run.status()["pid"] == os.getpid()
    assert run.state() == "interrupted"


def test_to_write_running_is_to_write_this_process(run: RunDirectory) -> None:
    run.write_status({"state": "interrupted", "pid": 1, "pid_started": "long ago"})
    run.write_status({"state": "running"})
    assert run.state() == "running"
    assert run.status()["pid"] == os.getpid()


HOLD = """
import sys
from entrena.storage import RunDirectory
with RunDirectory.open(sys.argv[1]):
    print("held", flush=True)
    input()
"""


def test_a_second_process_is_refused_until_the_first_is_killed(run: RunDirectory) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(RunError) as caught:
        run.lock()
    assert str(caught.value) == f"run {run.name} is being trained by process {child.pid}: wait for it or stop it"
    child.kill()
    child.communicate()
    with run:
        pass


def test_a_second_lock_in_the_same_process(run: RunDirectory) -> None:
    other = RunDirectory.open(run.path)
    with run:
        run.lock()  # Held already.
        with pytest.raises(RunError, match=f"is being trained by process {os.getpid()}"):
            other.lock()
    with other, pytest.raises(RunError):
        run.lock()
    other.unlock()
    run.lock()
    run.unlock()


def test_the_lock_is_released_by_an_exception(run: RunDirectory) -> None:
    with pytest.raises(ZeroDivisionError), run:
        raise ZeroDivisionError
    with RunDirectory.open(run.path):
        pass


def test_a_lock_on_a_file_system_without_locks(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def unknown(*args: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with run:  # Trains, unguarded.
        pass


def test_a_lock_that_fails_otherwise(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def fail(*args: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(StorageError, match="lock: input/output error"):
        run.lock()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_nothing_is_writable_by_others(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        run = RunDirectory.create(tmp_path / "runs", "a")
        run.write_recipe("")
        with run:
            found = [run.path.parent, run.path, *run.path.iterdir()]
    finally:
        os.umask(before)
    assert len(found) == 5
    assert [path for path in found if path.stat().st_mode & 0o022] == []
