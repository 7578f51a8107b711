"""The motion of a live session where others can get at it: it can be written down, and recorded motion shown instead.

Stands between a session's listener and its renderer. Knows nothing of files, HTTP or pictures.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from visavis_models.chunk import FRAME_RATE_HZ, Chunk
from visavis_models.ensemble import listener_of_people
from visavis_models.listening import Listener, MoodyListener
from visavis_models.mood import Mood
from visavis_models.motion import MotionWindow, join_people
from visavis_models.voice.lips import eased
from visavis_models.voice.mouth import MOUTH_COEFFICIENTS
from visavis_server.motion_log import MotionLog
from visavis_server.motion_player import EASING_FRAMES

_LIPS = np.array(MOUTH_COEFFICIENTS)


class Replay:
    """Recorded motion on a session's clock.

    Args:
        motion: one person's; shown from its first row on.
        own_lips: the lips too are the recording's; else they go on following the voice.
        with_voice: it begins with the next voice that is heard; else at once.
    """

    def __init__(self, motion: MotionWindow, own_lips: bool = True, with_voice: bool = False) -> None:
        self._motion = motion
        self._own_lips = own_lips
        self._waits_for_voice = with_voice
        self._begin: int | None = None
        self._rows = len(motion)

    @property
    def waits(self) -> bool:
        """It waits for a voice."""
        return self._waits_for_voice and self._begin is None

    def hear(self, chunk: Chunk) -> None:
        """See whether it begins now."""
        if self._begin is None and (not self._waits_for_voice or bool(chunk.samples.any())):
            self._begin = chunk.index

    def end(self, frame: int) -> None:
        """Go over to what is live, within `EASING_FRAMES` from this frame on."""
        self._rows = 0 if self._begin is None else min(self._rows, max(frame - self._begin, 0) + EASING_FRAMES)

    def over(self, frame: int) -> bool:
        """Whether nothing of it is shown from this frame on."""
        return self._rows == 0 or (self._begin is not None and frame >= self._begin + self._rows)

    def left_s(self, frame: int) -> float:
        """How much of it is still to be shown from this frame on."""
        return (
            self._rows / FRAME_RATE_HZ
            if self._begin is None
            else max(self._begin + self._rows - frame, 0) / FRAME_RATE_HZ
        )

    def shown(self, live: MotionWindow) -> MotionWindow:
        """What one person does in these frames."""
        if self._begin is None:
            return live
        face, head, body, speaking = live.face.copy(), live.head.copy(), live.body.copy(), live.speaking.copy()
        for i in range(len(live)):
            row = live.first_frame + i - self._begin
            if not 0 <= row < self._rows:
                continue
            steps = min(row + 1, self._rows - row, EASING_FRAMES)
            share = np.float32(eased(steps / EASING_FRAMES))
            lips = face[i, _LIPS]
            face[i] += share * (self._motion.face[row] - face[i])
            head[i] += share * (self._motion.head[row] - head[i])
            body[i] += share * (self._motion.body[row] - body[i])
            if self._own_lips:
                speaking[i] = self._motion.speaking[row] if share > 0.5 else speaking[i]
            else:
                face[i, _LIPS] = lips
        return MotionWindow(live.first_frame, face, head, body, speaking)


class LiveMotion:
    """Where the event loop asks for recordings and replays, and the device's thread heeds it.

    Args:
        people: how many are in the picture.
    """

    def __init__(self, people: int) -> None:
        self.people = people
        self._lock = threading.Lock()
        self._replays: dict[int, Replay] = {}
        self._newest = -1
        self.log: MotionLog | None = None
        """What is, or was, written down."""

    @property
    def recording(self) -> bool:
        """Motion is being written down."""
        return self.log is not None and self.log.open

    def record(self) -> MotionLog:
        """Begin to write down, with the next frame that is heard; what was written down before is forgotten."""
        self.log = MotionLog()
        return self.log

    def play(self, replay: Replay, person: int) -> None:
        """Show recorded motion of this person, in place of what was shown until now."""
        with self._lock:
            self._replays[person] = replay

    def stop(self, person: int) -> None:
        """Show live motion again; harmless if nothing is replayed."""
        with self._lock:
            replay = self._replays.get(person)
            if replay is not None:
                replay.end(self._newest + 1)

    def replays(self) -> dict[int, tuple[bool, float]]:
        """Whose motion is replayed: whether it still waits for a voice, and how many seconds are left."""
        with self._lock:
            now = self._newest + 1
            return {n: (r.waits, r.left_s(now)) for n, r in self._replays.items() if not r.over(now)}

    def hear(self, chunk: Chunk) -> None:
        """A chunk goes to the listener."""
        with self._lock:
            for replay in self._replays.values():
                replay.hear(chunk)

    def shown(self, window: MotionWindow) -> MotionWindow:
        """What is shown of what the listener gave; written down, if that is wanted."""
        with self._lock:
            end = window.first_frame + len(window)
            self._newest = max(self._newest, end - 1)
            if self._replays:
                people = list(window.people)
                for person, replay in self._replays.items():
                    people[person] = replay.shown(people[person])
                window = join_people(people)
                # Kept a while after its end: an interruption may draw frames again.
                self._replays = {n: r for n, r in self._replays.items() if not r.over(end - 2 * FRAME_RATE_HZ)}
            log = self.log
        if log is not None and log.open:
            log.note(window)
        return window


def live_listener(make_listener: Callable[[int], Listener], seed: int, people: int) -> LiveListener:
    """What hears for a session; see `listener_of_people`."""
    return LiveListener(listener_of_people(make_listener, seed, people), people)


class LiveListener:
    """A session's listener with its motion in reach of others. Implements `MoodyListener`.

    Args:
        listener: hears and performs, for everybody in the picture.
        people: how many they are.
    """

    def __init__(self, listener: Listener, people: int = 1) -> None:
        self._listener = listener
        self.motion = LiveMotion(people)

    @property
    def lookahead_ms(self) -> int:
        """See `Listener`."""
        return self._listener.lookahead_ms

    @property
    def hears_other(self) -> bool:
        """See `Listener`."""
        return self._listener.hears_other

    def push(self, chunk: Chunk) -> MotionWindow | None:
        """See `Listener`."""
        self.motion.hear(chunk)
        window = self._listener.push(chunk)
        return None if window is None else self.motion.shown(window)

    def interrupt(self, last_shown: int | None = None, next_shown: int | None = None) -> MotionWindow | None:
        """See `Listener`."""
        window = self._listener.interrupt(last_shown, next_shown)
        return None if window is None else self.motion.shown(window)

    def set_listening(self, on: bool) -> None:
        """See `Listener`."""
        self._listener.set_listening(on)

    def set_mood(self, mood: Mood) -> None:
        """See `MoodyListener`."""
        if isinstance(self._listener, MoodyListener):
            self._listener.set_mood(mood)
