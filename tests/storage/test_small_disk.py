"""A disk that fills up and one that cannot be written, as file systems of their own: root passes every permission."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from entrena.errors import StorageError
from entrena.storage import (
    HistoryWriter,
    RunDirectory,
    list_runs,
    load_checkpoint,
    load_model,
    read_history,
    save_checkpoint,
    save_model,
)

Mount = Callable[..., Path]
SMALL = {"weights": np.ones(1000, np.float32)}
LARGE = {"weights": np.ones(500_000, np.float32)}  # 2 MB, more than the disk holds.


def says_full(folder: Path) -> str:
    return f"no space left on the device that holds {folder}: free some or give another folder"


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with pytest.raises(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


def test_a_full_disk_keeps_the_model(mount: Mount) -> None:
    disk = mount("size=1m")
    path = disk / "model.safetensors"
    save_model(path, SMALL, {"version": 1})
    before = path.read_bytes()
    with pytest.raises(StorageError) as caught:
        save_model(path, LARGE, {"version": 2})
    assert str(caught.value) == f"cannot write {path}: {says_full(disk)}"
    assert path.read_bytes() == before
    assert load_model(path)[1]["version"] == 1
    assert [child.name for child in disk.iterdir()] == ["model.safetensors"]


def test_a_full_disk_keeps_the_checkpoint(mount: Mount) -> None:
    disk = mount("size=1m")
    save_checkpoint(disk / "checkpoint", SMALL, {"epoch": 1})
    with pytest.raises(StorageError) as caught:
        save_checkpoint(disk / "checkpoint", LARGE, {"epoch": 2})
    assert str(caught.value).endswith(says_full(disk / "checkpoint"))
    found = load_checkpoint(disk / "checkpoint")
    assert found is not None
    assert found[1] == {"epoch": 1}
    save_checkpoint(disk / "checkpoint", SMALL, {"epoch": 3})  # What failed took no space.


def test_what_a_kill_left_does_not_fill_the_disk(mount: Mount) -> None:
    disk = mount("size=1m")
    save_checkpoint(disk, SMALL, {"epoch": 1})
    (disk / ".writing-0123456789ab").write_bytes(bytes(500_000))
    (disk / "state-7.safetensors").write_bytes(bytes(400_000))
    save_checkpoint(disk, {"weights": np.ones(200_000, np.float32)}, {"epoch": 2})
    assert sorted(child.name for child in disk.iterdir()) == ["checkpoint.json", "state-2.safetensors"]


def test_a_full_disk_keeps_the_history_and_what_is_waiting(mount: Mount) -> None:
    disk = mount("size=1m")
    path = disk / "history.jsonl"
    writer = HistoryWriter(path)
    writer.append({"epoch": 0})
    writer.flush()
    filler = fill(disk)
    for epoch in (1, 2):
        writer.append({"epoch": epoch, "text": "x" * 10_000})
    with pytest.raises(StorageError) as caught:
        writer.flush()
    assert str(caught.value) == f"cannot write {path}: {says_full(disk)}"
    assert [record["epoch"] for record in read_history(path)] == [0]
    filler.unlink()
    writer.close()
    assert [record["epoch"] for record in read_history(path)] == [0, 1, 2]


def test_a_full_disk_makes_no_run(mount: Mount) -> None:
    disk = mount("size=1m")
    filler = fill(disk)
    with pytest.raises(StorageError) as caught:
        RunDirectory.create(disk, "digits")
    assert str(caught.value).endswith(says_full(disk))
    assert [child.name for child in disk.iterdir()] == ["filler"]
    filler.unlink()
    RunDirectory.create(disk, "digits")
    assert len(list_runs(disk)) == 1


def test_a_disk_without_room_for_names(mount: Mount) -> None:
    disk = mount("size=1m", "nr_inodes=3")
    save_model(disk / "a", SMALL, {})
    (disk / "b").write_bytes(b"")
    with pytest.raises(StorageError) as caught:
        save_model(disk / "c", SMALL, {})
    assert str(caught.value) == f"cannot write {disk / 'c'}: {says_full(disk)}"


def test_a_read_only_disk(mount: Mount) -> None:
    disk = mount("size=1m")
    run = RunDirectory.create(disk, "digits")
    save_model(run.model_path, SMALL, {})
    save_checkpoint(run.checkpoint_path, SMALL, {"epoch": 1})
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for folder, write in (
        (run.path, lambda: save_model(run.model_path, SMALL, {})),
        (run.path, lambda: run.write_status({"state": "done"})),
        (run.path, lambda: HistoryWriter(run.history_path)),
        (run.path, run.lock),
        (run.checkpoint_path, lambda: save_checkpoint(run.checkpoint_path, SMALL, {})),
        (disk, lambda: RunDirectory.create(disk, "iris")),
    ):
        with pytest.raises(StorageError) as caught:
            write()
        assert str(caught.value).startswith(f"cannot write {folder}")
        assert str(caught.value).endswith(f"{folder} is on a read-only device: give another folder")
    # Reading goes on.
    assert run.state() == "running"
    assert len(list_runs(disk)) == 1
    assert load_model(run.model_path)[0].keys() == SMALL.keys()
    assert load_checkpoint(run.checkpoint_path) is not None


LIMITED = """
import resource, signal, sys
import numpy as np
from entrena.errors import StorageError
from entrena.storage import load_model, save_model
path = sys.argv[1]
save_model(path, {"a": np.ones(10)}, {"version": 1})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save_model(path, {"a": np.ones(100_000)}, {"version": 2})
except StorageError as error:
    print(error)
print(load_model(path)[1]["version"])
"""


def test_a_limit_for_the_size_of_files(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    path = tmp_path / "model.safetensors"
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"cannot write {path}: the file is larger than the limit that is set here: "
        "raise it (ulimit -f) or give another folder",
        "1",
    ]
    assert [child.name for child in tmp_path.iterdir()] == ["model.safetensors"]
