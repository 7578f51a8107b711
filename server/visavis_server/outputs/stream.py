"""A stream to a server, connected again and again until it is stopped: what RTMP and WHIP have in common.

Knows nothing of either.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from visavis_models.errors import EngineError, VisavisError
from visavis_server.outputs.output import Kind, OutputReport, State
from visavis_server.outputs.retrying import Retrying
from visavis_server.outputs.target import Target

_log = logging.getLogger(__name__)

CLOSE_S = 2.5


@dataclass(slots=True)
class Progress:
    """What was sent, over all connections."""

    seconds: float = 0.0
    sent_bytes: int = 0
    pictures_dropped: int = 0
    voice_dropped_s: float = 0.0


class Stream(ABC):
    """A stream; an `Output`.

    Args:
        target: where to.
        give_up_s: without a connection for so long it has failed; 0: never.
        on_over: called once, when it fails.
    """

    def __init__(self, target: Target, give_up_s: float, on_over: Callable[[], None]) -> None:
        self.kind: Kind = target.kind
        self.shown = target.shown
        self._target = target
        self._retrying = Retrying(give_up_s)
        self._on_over = on_over
        self._state: State = "connecting"
        self._error: VisavisError | None = None
        self._reconnects = 0
        self._closing: asyncio.Task[None] | None = None
        self._task = asyncio.create_task(self._run(), name=f"{target.kind} stream")

    def report(self) -> OutputReport:
        """How it does."""
        sent = self._progress()
        return OutputReport(
            self._state,
            sent.seconds,
            sent.sent_bytes,
            sent.pictures_dropped,
            sent.voice_dropped_s,
            self._reconnects,
            self._error,
        )

    async def close(self) -> None:
        """End the stream and free everything. Idempotent."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="close stream")
        await asyncio.shield(self._closing)

    @abstractmethod
    async def _transmit(self) -> None:
        """Connect, call `_live`, and send until something breaks; free what was made, however it ends.

        Raises:
            Unreachable: it may help to try again.
            Rejected: the server says no.
            VisavisError: it does not help.
        """
        ...

    @abstractmethod
    def _progress(self) -> Progress:
        """What was sent by now."""
        ...

    def _live(self) -> None:
        """The server takes it."""
        if self._retrying.was_live:
            self._reconnects += 1
        self._retrying.live(time.monotonic())
        self._state = "live"
        _log.info("stream is live", extra={"to": self.shown, "reconnects": self._reconnects})

    async def _close(self) -> None:
        self._task.cancel()
        _, late = await asyncio.wait([self._task], timeout=CLOSE_S)
        if late:
            _log.warning("a stream was slow to close", extra={"to": self.shown})
        if self._state != "failed":
            self._state = "ended"

    async def _run(self) -> None:
        while True:
            error = await self._attempt()
            self._error = error
            wait_s = self._retrying.wait_s(error, time.monotonic(), random.random())
            where = {"to": self.shown, "code": error.code, "reason": error.message}
            if wait_s is None:
                self._state = "failed"
                _log.error("stream failed", extra=where)
                self._on_over()
                return
            self._state = "reconnecting" if self._retrying.was_live else "connecting"
            _log.warning("stream broke off", extra={**where, "again_in_s": round(wait_s, 1)})
            await asyncio.sleep(wait_s)

    async def _attempt(self) -> VisavisError:
        try:
            await self._transmit()
        except VisavisError as error:
            return error
        except Exception:  # the session and its other outputs must go on
            _log.exception("a stream failed", extra={"to": self.shown})
        return EngineError("stream_failed", "The stream has failed.", "Start it again; the server's log says more.")
