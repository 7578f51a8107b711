"""A recording on disk that plays up to its last fragment whatever happens to this program or to the disk.

Blocks: to be used on a thread. Knows nothing of sessions.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path

from visavis_models.errors import StorageError
from visavis_server.outputs.access_units import TIMESCALE_HZ, AccessUnit, StreamFormat
from visavis_server.outputs.fragmented_mp4 import fragment, header

SYNC_EVERY = 5
"""Fragments that a power cut may cost: the disk is waited for so often."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class RecordingFile:
    """An MP4 that grows by whole fragments; one that cannot be written is taken back.

    Args:
        path: a file that does not exist.
        form: both streams.
        min_free_bytes: the recording stops before the disk has less left, so that the rest of the machine goes on.

    Raises:
        StorageError: `disk_full` or `recording_failed`, here or from any method; the file plays up to where it was.
    """

    def __init__(self, path: Path, form: StreamFormat, min_free_bytes: int) -> None:
        self.path = path
        self._min_free_bytes = min_free_bytes
        self._begin: int | None = None
        self._number = 0
        self._size = 0
        beginning = header(form)
        self._duration_at = beginning.duration_at
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o640)
        except OSError as error:
            raise _said(error) from error
        try:
            self._append(beginning.data)
        except BaseException:
            self.close()
            raise

    @property
    def size_bytes(self) -> int:
        """What is on disk."""
        return self._size

    def write(self, units: Sequence[AccessUnit], next_picture_pts: int | None) -> float:
        """Append one fragment.

        Returns:
            Seconds from the beginning of the recording to the end of this fragment.
        """
        if self._begin is None:
            self._begin = min(unit.pts for unit in units)
        moved = [AccessUnit(u.is_picture, u.data, u.pts - self._begin, u.is_keyframe) for u in units]
        after = None if next_picture_pts is None else next_picture_pts - self._begin
        self._append(fragment(self._number + 1, moved, after))
        self._number += 1
        end = after if after is not None else max(unit.pts for unit in moved)
        self._seek_and_write(self._duration_at, struct.pack("!Q", end))
        if self._number % SYNC_EVERY == 0:
            self._sync()
        return end / TIMESCALE_HZ

    def close(self) -> None:
        """Let go of the file; what was written stays. Idempotent."""
        if self._file >= 0:
            file, self._file = self._file, -1
            try:
                os.close(file)
            except OSError as error:  # some file systems tell only now that they are full
                raise _said(error) from error
            if self._number == 0:
                self.path.unlink(missing_ok=True)  # there is nothing to see in it

    def _append(self, data: bytes) -> None:
        try:
            if shutil.disk_usage(self.path.parent).free < self._min_free_bytes + len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._seek_and_write(self._size, data)
        except OSError as error:
            self._take_back()
            raise _said(error) from error
        self._size += len(data)

    def _seek_and_write(self, at: int, data: bytes) -> None:
        os.lseek(self._file, at, os.SEEK_SET)
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]

    def _take_back(self) -> None:
        """Half a fragment helps nobody, and its space is free again."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError:  # players stop at the half fragment
            return

    def _sync(self) -> None:
        try:
            os.fsync(self._file)
        except OSError as error:
            raise _said(error) from error


def _said(error: OSError) -> StorageError:
    if error.errno in _FULL:
        return StorageError(
            "disk_full",
            "There is no room for more of the recording; what was written plays.",
            "Make room, or choose another folder with outputs.record_dir, and start a new recording.",
        )
    return StorageError(
        "recording_failed",
        f"The recording cannot be written: {error.strerror or 'unknown error'}.",
        "Check that outputs.record_dir is a folder that visavis may write to, and start a new recording.",
    )
