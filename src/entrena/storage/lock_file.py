"""A lock that one process holds on a run; the operating system releases it when the process ends, however it ends."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from entrena.storage.atomic import FILE_MODE, write_all, writing_to

_NO_LOCKS_HERE = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP)


class LockFile:
    """A file that at most one process holds.

    The file stays when the lock is released: deleting it would let two processes hold two files of the same name.

    Args:
        path: The file; made where it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self) -> bool:
        """Takes the lock and writes this process's number into the file.

        Returns:
            False where another process, or another object of this one, holds it.

        Raises:
            StorageError: The file cannot be made or opened.
        """
        if self.held:
            return True
        with writing_to(self.path):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, FILE_MODE)
            try:
                if _try_lock(descriptor):
                    os.ftruncate(descriptor, 0)
                    write_all(descriptor, b"%d\n" % os.getpid())
                    self._descriptor = descriptor
            finally:
                if not self.held:
                    os.close(descriptor)
        return self.held

    def release(self) -> None:
        """Gives the lock back; does nothing where it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> int | None:
        """The number that the last process to take the lock wrote, or None."""
        try:
            return int(self.path.read_bytes())
        except (OSError, ValueError):
            return None


def _try_lock(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:
        return _try_lock_on_windows(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS_HERE:  # Some network file systems know no locks: training there is worth more.
            raise
    return True


def _try_lock_on_windows(descriptor: int) -> bool:
    """Locks one byte far behind the text, since a locked byte cannot be read there by others."""
    import msvcrt

    os.lseek(descriptor, 2**30, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
    os.lseek(descriptor, 0, os.SEEK_SET)
    return True
