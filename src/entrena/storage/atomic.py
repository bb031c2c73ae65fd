"""Files that are whole or absent: written beside their place, forced to the disk, then renamed into it.

A kill or a full disk at any moment leaves the file that was there before. What goes wrong while writing becomes one
`StorageError`, whose text says what to do.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from entrena.errors import StorageError

TEMPORARY_PREFIX = ".writing-"
"""How the name of a file or folder begins that is not yet in its place; one that a kill left behind may be deleted."""

FILE_MODE = 0o644
FOLDER_MODE = 0o755
# Nothing that entrena writes can be changed by other users of the machine, whatever the umask.

BINARY = getattr(os, "O_BINARY", 0)  # Windows would otherwise change line ends.

_CANNOT_FORCE_FOLDERS = (errno.EINVAL, errno.ENOTSUP)  # What file systems say that cannot do it.


def write_text(path: str | os.PathLike[str], text: str, *, durable: bool = True) -> None:
    """Writes a text file in UTF-8, whole or not at all. Arguments as in `write_bytes`."""
    write_bytes(path, text.encode("utf-8"), durable=durable)


def write_bytes(path: str | os.PathLike[str], data: bytes | memoryview, *, durable: bool = True) -> None:
    """Writes a file, whole or not at all.

    Args:
        path: The file; one that is there is replaced at once, never seen half-written.
        data: Its content.
        durable: Whether the content also survives a power cut, which costs the time of forcing it to the disk. Without
            it the file still survives a kill of the process.

    Raises:
        StorageError: It could not be written; the file that was there before still is.
    """
    path = Path(path)
    temporary = path.parent / temporary_name()
    with writing_to(path):
        try:
            write_new_file(temporary, data, durable=durable)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        if durable:
            force_folder(path.parent)


def make_folder(path: str | os.PathLike[str]) -> None:
    """Makes a folder, and those above it, where they do not exist.

    Raises:
        StorageError: It could not be made.
    """
    with writing_to(path):
        os.makedirs(path, mode=FOLDER_MODE, exist_ok=True)


def temporary_name() -> str:
    """A fresh name for what will be renamed into its place."""
    return f"{TEMPORARY_PREFIX}{os.urandom(6).hex()}"


def force_folder(folder: Path) -> None:
    """Forces the names in a folder to the disk: without it a power cut can undo a rename."""
    if os.name == "nt":  # Windows cannot open a folder.
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_FORCE_FOLDERS:
            raise
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Writes all the bytes: one system call may write only some of them."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextmanager
def writing_to(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns an `OSError` inside the `with` block into a `StorageError` about `path`."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write {os.fspath(path)}: {_reason(error, Path(path))}") from error


def system_reason(error: OSError) -> str:
    """What the operating system says, for the end of a message: `permission denied`."""
    return (error.strerror or str(error)).lower()


def write_new_file(path: Path, data: bytes | memoryview, *, durable: bool = True) -> None:
    """Writes a file that must not exist yet, in place: for what is renamed later.

    Raises:
        OSError: It could not be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, FILE_MODE)
    try:
        write_all(descriptor, data)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError, path: Path) -> str:
    """What is wrong and what would be right, for the mistakes and shortages that users meet."""
    folder = path.parent
    if error.errno == errno.ENOSPC:
        return f"no space left on the device that holds {folder}: free some or give another folder"
    if error.errno == errno.EDQUOT:
        return f"your quota on the device that holds {folder} is used up: free some space or give another folder"
    if error.errno == errno.EFBIG:
        return "the file is larger than the limit that is set here: raise it (ulimit -f) or give another folder"
    if error.errno == errno.EROFS:
        return f"{folder} is on a read-only device: give another folder"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"no permission to write in {folder}: change its permissions or give another folder"
    if error.errno == errno.ENAMETOOLONG:
        return "the name is too long: give a shorter one"
    if error.errno == errno.EISDIR or path.is_dir():
        return "a folder of that name is there: give another name"
    if error.errno == errno.EEXIST:
        return "a file of that name is there: give another name"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return _missing_folder(folder)
    return system_reason(error)


def _missing_folder(folder: Path) -> str:
    """Which part of the path is no folder."""
    for part in (*reversed(folder.parents), folder):
        if part.exists() and not part.is_dir():
            return f"{part} is a file, not a folder: give another folder"
    return f"the folder {folder} does not exist: make it or give another folder"
