"""A lock between processes that the system gives back when its holder dies, however it dies."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path


class FileLock:
    """Held by at most one of all processes and threads that name the same file.

    Args:
        path: of a file that is there while the lock is held; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def take(self) -> bool:
        """Try to take the lock; False if another one has it.

        Raises:
            OSError: the file cannot be made.
        """
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        if not _lock(file) or not self._is_there(file):  # or its holder has just deleted the file
            os.close(file)
            return False
        with suppress(OSError):  # the number is for people; a full disk has no room for it
            os.truncate(file, 0)
            os.write(file, str(os.getpid()).encode())
        self._file = file
        return True

    def give_back(self) -> None:
        """Let another one have it. Idempotent."""
        file, self._file = self._file, None
        if file is None:
            return
        with suppress(OSError):  # Windows deletes no open file; there it stays, unlocked
            self._path.unlink(missing_ok=True)
        os.close(file)

    def holder(self) -> str:
        """The number of the process that has it, for people."""
        try:
            return self._path.read_text("ascii") or "unknown"
        except (OSError, ValueError):
            return "unknown"

    def _is_there(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            return False


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> bool:
        try:
            os.lseek(file, 1 << 20, os.SEEK_SET)  # beyond what is written: others may read who has it
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            os.lseek(file, 0, os.SEEK_SET)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
