from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from entrena.errors import StorageError
from entrena.storage import write_bytes, write_text
from entrena.storage.atomic import make_folder


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def failing(number: int) -> object:
    def fail(*args: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_writes_what_is_given_and_nothing_else(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"\x00\xff\r\n")
    write_text(tmp_path / "b", "Größe\n")
    assert (tmp_path / "a").read_bytes() == b"\x00\xff\r\n"
    assert (tmp_path / "b").read_bytes() == b"Gr\xc3\xb6\xc3\x9fe\n"
    assert names(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("durable", [True, False])
def test_replaces_a_file(tmp_path: Path, durable: bool) -> None:
    write_text(tmp_path / "a", "old", durable=durable)
    write_text(tmp_path / "a", "new", durable=durable)
    assert (tmp_path / "a").read_text() == "new"


def test_forces_the_file_before_the_rename_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def logged_fsync(descriptor: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", logged_fsync)
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("rename"), replace(a, b)))
    write_bytes(tmp_path / "a", b"1")
    assert calls == ["file", "rename", "folder"]
    calls.clear()
    write_bytes(tmp_path / "a", b"1", durable=False)
    assert calls == ["rename"]


def test_goes_on_after_a_partial_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    write_bytes(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "no space left on the device that holds {folder}: free some or give another folder"),
        (
            errno.EDQUOT,
            "your quota on the device that holds {folder} is used up: free some space or give another folder",
        ),
        (
            errno.EFBIG,
            "the file is larger than the limit that is set here: raise it (ulimit -f) or give another folder",
        ),
        (errno.EROFS, "{folder} is on a read-only device: give another folder"),
        (errno.EACCES, "no permission to write in {folder}: change its permissions or give another folder"),
        (errno.EIO, "input/output error"),
    ],
)
def test_a_failing_disk_is_one_message_and_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, says: str
) -> None:
    path = tmp_path / "model.safetensors"
    write_text(path, "old")
    monkeypatch.setattr(os, call, failing(number))
    with pytest.raises(StorageError) as caught:
        write_text(path, "new")
    monkeypatch.undo()
    assert str(caught.value) == f"cannot write {path}: {says.format(folder=tmp_path)}"
    assert path.read_text() == "old"
    assert names(tmp_path) == ["model.safetensors"]


def test_an_interrupt_leaves_no_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "a", "x")
    assert names(tmp_path) == []


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        write_text(tmp_path / "no" / "a", "x")
    folder = tmp_path / "no"
    assert str(caught.value) == (
        f"cannot write {folder / 'a'}: the folder {folder} does not exist: make it or give another folder"
    )


def test_a_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    says = f"{tmp_path / 'file'} is a file, not a folder: give another folder"
    with pytest.raises(StorageError) as caught:
        write_text(tmp_path / "file" / "sub" / "a", "x")
    assert str(caught.value).endswith(says)
    with pytest.raises(StorageError) as caught:
        make_folder(tmp_path / "file" / "sub")
    assert str(caught.value).endswith(says)
    with pytest.raises(StorageError, match="a file of that name is there: give another name"):
        make_folder(tmp_path / "file")


def test_a_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(StorageError, match="a folder of that name is there: give another name"):
        write_text(tmp_path / "a", "x")
    assert names(tmp_path) == ["a"]


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the name is too long: give a shorter one"):
        write_text(tmp_path / ("a" * 300), "x")
    assert names(tmp_path) == []
    write_text(tmp_path / ("a" * 255), "x")  # The longest that Linux allows: the temporary's own name is short.


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_others_cannot_write_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_text(tmp_path / "a", "x")
        make_folder(tmp_path / "b")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o755


def test_a_kill_at_any_step_leaves_the_old_or_the_new(tmp_path: Path, mortal_system: type, died: type) -> None:
    path = tmp_path / "a"
    write_text(path, "old")
    seen = set()
    for n_calls in range(100):
        write_text(path, "old")
        with pytest.MonkeyPatch.context() as patch:
            system = mortal_system(patch, n_calls)
            with suppress(died):
                write_text(path, "newer")
        seen.add(path.read_text())
        assert path.read_text() in {"old", "newer"}
        if not system.died:
            break
    else:
        pytest.fail("the write never ended")
    assert seen == {"old", "newer"}
    assert n_calls >= 5  # open, write, fsync, rename, and open and fsync of the folder
