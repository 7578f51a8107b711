"""The processes that listen, and listeners of theirs that look as if they were here.

One that ends takes its sessions' listeners with it; the next session starts it again. Knows nothing of sessions.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from visavis_models.chunk import Chunk
from visavis_models.errors import EngineError, VisavisError
from visavis_models.mood import Mood
from visavis_models.motion import MotionWindow
from visavis_server.listening.process import SILENT
from visavis_server.own_program import LISTENER, run_as

_log = logging.getLogger(__name__)

_START_S = 120.0
_ANSWER_S = 10.0
_NOTHING = np.zeros(0, np.int16)


@dataclass(slots=True)
class Ear:
    """One process."""

    process: subprocess.Popen[bytes]
    pipe: Connection
    lookahead_ms: int = 0
    lost: bool = False
    listeners: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, what: str, id: int, given: Any) -> tuple[Any, bool]:
        """Its answer, and whether somebody speaks to the avatar; nothing is waited for where there is no answer.

        Raises:
            EngineError: `listener_lost`, or what it says itself.
        """
        try:
            with self._lock:
                self.pipe.send((what, id, given))
                if what in SILENT:
                    return None, False
                if not self.pipe.poll(_ANSWER_S):
                    raise EOFError("no answer")
                how, answer, hears_other = self.pipe.recv()
        except (EOFError, OSError) as error:
            self._lose(str(error))
            raise EngineError(
                "listener_lost", "What listens to this voice has ended.", "Open the session again."
            ) from error
        if how == "error":
            raise EngineError(*answer)
        return answer, hears_other

    def close(self) -> None:
        """End it. Idempotent."""
        self.lost = True
        self.pipe.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _lose(self, why: str) -> None:
        if not self.lost:
            self.lost = True
            _log.error("a process that listens has ended", extra={"why": why or "no answer"})
            self.process.kill()


class ListeningCrew:
    """All processes that listen. `listener` may be called from any thread.

    Args:
        processes: how many.
        command: that runs one, but for the number of its pipe; None: this program's own.
    """

    def __init__(self, processes: int, command: Sequence[str] | None = None) -> None:
        self._command = list(command or run_as(LISTENER))
        self._count = processes
        self._ids = count(1)
        self._lock = threading.Lock()
        starting = [self._start() for _ in range(processes)]
        self._ears = [self._ready(ear) for ear in starting]

    @property
    def size(self) -> int:
        """How many processes."""
        return self._count

    def listener(self, seed: int) -> RemoteListener:
        """A listener in the process that has fewest; it ends when nobody has it any more.

        Raises:
            EngineError: no process can be started.
        """
        with self._lock:
            self._ears = [self._ready(self._start()) if ear.lost else ear for ear in self._ears]
            ear = min(self._ears, key=lambda ear: ear.listeners)
            ear.listeners += 1
        return RemoteListener(ear, next(self._ids), seed)

    def close(self) -> None:
        """End all. Idempotent."""
        for ear in self._ears:
            ear.close()

    def _start(self) -> Ear:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [*self._command, str(theirs.fileno())], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )
        return Ear(process, Connection(ours.detach()))

    def _ready(self, ear: Ear) -> Ear:
        try:
            if not ear.pipe.poll(_START_S):
                raise EOFError
            ear.lookahead_ms = ear.pipe.recv()
        except (EOFError, OSError) as error:
            ear.close()
            message = "A process that listens did not start."
            raise EngineError("listener_failed", message, "See what it has said in the log.") from error
        return ear


class RemoteListener:
    """See `MoodyListener`. Used by one thread at a time.

    Args:
        ear: the process in which it is.
        id: its number there.
        seed: see `Performer`.
    """

    def __init__(self, ear: Ear, id: int, seed: int) -> None:
        self._ear, self._id = ear, id
        self._attends = False
        self._hears_other = False
        ear.ask("open", id, seed)
        weakref.finalize(self, _leave, ear, id).atexit = False

    @property
    def lookahead_ms(self) -> int:
        """See `Listener`."""
        return self._ear.lookahead_ms

    @property
    def hears_other(self) -> bool:
        """See `Listener`."""
        return self._hears_other

    def push(self, chunk: Chunk) -> MotionWindow | None:
        """See `Listener`."""
        heard, self._hears_other = self._ear.ask("hear", self._id, replace(chunk, playback=_NOTHING))
        window: MotionWindow | None = heard
        return window

    def interrupt(self, last_shown: int | None = None, next_shown: int | None = None) -> MotionWindow | None:
        """See `Listener`."""
        window: MotionWindow | None = self._ear.ask("interrupt", self._id, (last_shown, next_shown))[0]
        return window

    def set_listening(self, on: bool) -> None:
        """See `Listener`."""
        if on != self._attends:
            self._attends = on
            self._ear.ask("attend", self._id, on)

    def set_mood(self, mood: Mood) -> None:
        """See `MoodyListener`."""
        self._ear.ask("mood", self._id, mood)


def _leave(ear: Ear, id: int) -> None:
    ear.listeners -= 1
    if not ear.lost:
        try:
            ear.ask("close", id, None)
        except VisavisError:
            _log.debug("its process has ended before")
