"""Plays recorded motion in place of a listener, and gives a rendering as much sound as it needs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from visavis_models.chunk import Chunk, silent_chunk
from visavis_models.motion import MotionWindow
from visavis_models.voice.lips import eased
from visavis_server.voice_file import VoiceFile

EASING_FRAMES = 10
"""Motion that begins late or ends early comes from, or goes to, rest within this many frames: 400 ms."""


class MotionPlayer:
    """Shows recorded motion, whatever the voice. Implements `Listener`.

    Args:
        motion: frame `k` is shown with chunk `k`; frames before chunk 0 are never shown. Around it the avatar rests.
    """

    lookahead_ms = 0
    hears_other = False

    def __init__(self, motion: MotionWindow) -> None:
        self._motion = motion

    def push(self, chunk: Chunk) -> MotionWindow:
        """The motion of the chunk's frame."""
        row = chunk.index - self._motion.first_frame
        nearest = min(max(row, 0), len(self._motion) - 1)
        shown = self._motion.rows(nearest, nearest + 1)
        if nearest == row:
            return shown
        share = np.float32(eased(1.0 - abs(row - nearest) / EASING_FRAMES))
        silent = np.zeros(1, np.bool_)
        return MotionWindow(chunk.index, shown.face * share, shown.head * share, shown.body * share, silent)

    def interrupt(self, last_shown: int | None = None, next_shown: int | None = None) -> None:
        """Recorded motion cannot be interrupted."""

    def set_listening(self, on: bool) -> None:
        """Recorded motion attends to nobody."""


class Soundtrack:
    """The voice of a file, or none, and silence up to a given length.

    Args:
        voice: None is silent.
        least_chunks: it lasts at least that long.
    """

    def __init__(self, voice: VoiceFile | None, least_chunks: int) -> None:
        self._voice = voice
        self._least_chunks = least_chunks

    @property
    def chunks_expected(self) -> int:
        """How many chunks there will be, as far as the file's header tells."""
        return max(self._least_chunks, self._voice.chunks_expected if self._voice is not None else 1)

    def chunks(self) -> Iterator[Chunk]:
        """All of the sound, in order; see `VoiceFile.chunks`."""
        count = 0
        if self._voice is not None:
            for chunk in self._voice.chunks():
                count += 1
                yield chunk
        for index in range(count, self._least_chunks):
            yield silent_chunk(index)
