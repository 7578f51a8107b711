"""Writes down what everybody in a session's picture does, frame by frame, while it goes on. Safe from any thread.

Knows nothing of files, voices or pictures.
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT_COUNT
from visavis_models.chunk import FRAME_RATE_HZ
from visavis_models.motion import HEAD_NAMES, MotionWindow, join_people

MOST_FRAMES = 3600 * FRAME_RATE_HZ
"""An hour, 23 MB for each person; what comes after it is not written down."""
_HEAD = slice(ARKIT_COUNT, ARKIT_COUNT + len(HEAD_NAMES))


class MotionLog:
    """The motion of a session from the frame on that it heard first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: list[list[NDArray[np.float32]]] = []
        self._first = 0
        self.open = True
        """More is written down."""

    @property
    def frames(self) -> int:
        """How many there are; the newest may not have been shown yet."""
        return len(self._rows[0]) if self._rows else 0

    @property
    def people(self) -> int:
        """How many move; 0 before the first frame."""
        return len(self._rows)

    def note(self, window: MotionWindow) -> None:
        """Write down what is to be shown; frames that are there already were changed before anybody saw them."""
        with self._lock:
            if not self.open:
                return
            people = window.people
            if not self._rows:
                self._rows, self._first = [[] for _ in people], window.first_frame
            for rows, one in zip(self._rows, people, strict=True):
                values = np.concatenate([one.face, one.head, one.body, one.speaking[:, None]], 1, dtype=np.float32)
                for i, row in enumerate(values):
                    place = window.first_frame + i - self._first
                    if 0 <= place < len(rows):
                        rows[place] = row
                    elif place == len(rows) < MOST_FRAMES:
                        rows.append(row)
            if self.frames >= MOST_FRAMES:
                self.open = False

    def stop(self, before_frame: int) -> None:
        """Write down no more, and forget what was not shown: frames from this one on."""
        with self._lock:
            if self.open:
                self.open = False
                for rows in self._rows:
                    del rows[max(before_frame - self._first, 0) :]

    def window(self) -> MotionWindow | None:
        """Everybody's motion so far, its first frame 0; None: nothing was shown yet."""
        with self._lock:
            if not self.frames:
                return None
            return join_people([_window(np.stack(rows)) for rows in self._rows])


def _window(rows: NDArray[np.float32]) -> MotionWindow:
    face, head, body = rows[:, :ARKIT_COUNT], rows[:, _HEAD], rows[:, _HEAD.stop : -1]
    return MotionWindow(0, face.copy(), head.copy(), body.copy(), rows[:, -1] > 0.5)
