"""The people of one picture: each has a behaviour of their own, and one of them at a time says the voice.

Knows nothing of pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from visavis_models.chunk import CHUNK_SAMPLES, Chunk
from visavis_models.listening import Listener, MoodyListener
from visavis_models.mood import Mood
from visavis_models.motion import MotionWindow, join_people, join_windows

_REMEMBERED_FRAMES = 64
"""Longer than any frame waits between its motion and its being shown: an interruption may change some of them."""
_SEED_STEP = 0x9E3779B9


def listener_of_people(
    make_listener: Callable[[int], Listener], seed: int, people: int, given: Mapping[int, Listener] | None = None
) -> Listener:
    """What hears for a picture.

    Args:
        make_listener: makes one person's from a seed.
        seed: of person 0; everybody else has one of their own that follows from it.
        people: how many there are.
        given: listeners of some that are there already, by number.
    """
    seeds = [seed, *((seed + number * _SEED_STEP) % 2**32 for number in range(1, people))]
    given = given or {}
    listeners = [given.get(number) or make_listener(own_seed) for number, own_seed in enumerate(seeds)]
    return listeners[0] if people == 1 else Ensemble(listeners)


class Ensemble:
    """Hears one voice for several people. Implements `MoodyListener`; its windows hold everybody's motion.

    Args:
        listeners: of each, by number; fresh.
    """

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = list(listeners)
        self._rows: list[dict[int, MotionWindow]] = [{} for _ in listeners]
        self._next: int | None = None
        """The first frame that was not returned yet."""

    @property
    def lookahead_ms(self) -> int:
        """Of whoever waits the longest."""
        return max(listener.lookahead_ms for listener in self._listeners)

    @property
    def hears_other(self) -> bool:
        """See `Listener.hears_other`."""
        return self._listeners[0].hears_other

    def push(self, chunk: Chunk) -> MotionWindow | None:
        """Hear one chunk: who speaks hears the voice, the others only who speaks to them. See `Listener.push`."""
        silent = replace(chunk, samples=np.zeros(CHUNK_SAMPLES, np.float32), feeling=None)
        speaker = chunk.speaker if chunk.speaker < len(self._listeners) else 0
        for number, listener in enumerate(self._listeners):
            self._keep(number, listener.push(chunk if number == speaker else silent))
        if not all(self._rows):
            return None
        if self._next is None:
            self._next = max(min(rows) for rows in self._rows)
        begin, self._next = self._next, min(max(rows) for rows in self._rows) + 1
        return self._window(begin, self._next)

    def interrupt(self, last_shown: int | None = None, next_shown: int | None = None) -> MotionWindow | None:
        """See `Listener.interrupt`."""
        changed = [listener.interrupt(last_shown, next_shown) for listener in self._listeners]
        for number, window in enumerate(changed):
            self._keep(number, window)
        begins = [window.first_frame for window in changed if window is not None]
        return None if not begins or self._next is None else self._window(min(begins), self._next)

    def set_listening(self, on: bool) -> None:
        """Everybody attends to whoever speaks to them."""
        for listener in self._listeners:
            listener.set_listening(on)

    def set_mood(self, mood: Mood) -> None:
        """Everybody is in this mood; see `MoodyListener.set_mood`."""
        for listener in self._listeners:
            if isinstance(listener, MoodyListener):
                listener.set_mood(mood)

    def _keep(self, number: int, window: MotionWindow | None) -> None:
        if window is None:
            return
        rows = self._rows[number]
        rows.update((window.first_frame + i, window.rows(i, i + 1)) for i in range(len(window)))
        for frame in [frame for frame in rows if frame < max(rows) - _REMEMBERED_FRAMES]:
            del rows[frame]

    def _window(self, begin: int, end: int) -> MotionWindow | None:
        frames = [frame for frame in range(begin, end) if all(frame in rows for rows in self._rows)]
        if not frames:
            return None
        return join_windows([join_people([rows[frame] for rows in self._rows]) for frame in frames])
