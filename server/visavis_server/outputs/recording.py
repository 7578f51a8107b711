"""Records a session: gathers a second of what the program encodes, and has it written on a thread of its own.

Knows nothing of the file's format.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from visavis_models.errors import StorageError, VisavisError
from visavis_server.outputs.access_units import TIMESCALE_HZ, AccessUnit
from visavis_server.outputs.output import Kind, OutputReport, State
from visavis_server.outputs.program import Program
from visavis_server.outputs.recording_file import RecordingFile
from visavis_server.outputs.unit_queue import UnitQueue

_log = logging.getLogger(__name__)

FRAGMENT_S = 1.0
LONGEST_FRAGMENT_S = 2.0
"""Where pictures lack, voice is written after so long."""
QUEUE_S = 15.0
QUEUE_BYTES = 32 * 1024 * 1024
"""A disk that hangs for longer costs the recording a gap, and the session nothing."""
CLOSE_S = 2.5
"""A disk has this long to take the end; then it is left alone with it."""


class Recording:
    """A recording; an `Output`.

    Args:
        program: what is recorded.
        path: a file that does not exist yet; its name is shown.
        min_free_bytes: see `RecordingFile`.
        on_over: called once, when it fails.
        after: called with the finished file's path, on a thread; may take long.
    """

    kind: Kind = "recording"

    def __init__(
        self,
        program: Program,
        path: Path,
        min_free_bytes: int,
        on_over: Callable[[], None],
        after: Callable[[Path], object] | None = None,
    ) -> None:
        self.shown = path.name
        self._program = program
        self._path = path
        self._min_free_bytes = min_free_bytes
        self._on_over = on_over
        self._after = after
        self._finishing: Future[None] | None = None
        self._left_out_before = program.pictures_left_out
        self._queue = UnitQueue(QUEUE_S, QUEUE_BYTES, program.ask_keyframe)
        self._executor = ThreadPoolExecutor(1, "visavis-record")
        self._state: State = "connecting"
        self._error: VisavisError | None = None
        self._seconds = 0.0
        self._bytes = 0
        self._closing: asyncio.Task[None] | None = None
        self._task = asyncio.create_task(self._run(), name="recording")

    def report(self) -> OutputReport:
        """How it does."""
        queue = self._queue
        dropped = queue.pictures_dropped + self._program.pictures_left_out - self._left_out_before
        return OutputReport(self._state, self._seconds, self._bytes, dropped, queue.voice_dropped_s, 0, self._error)

    async def settle(self, limit_s: float) -> None:
        """Wait until nothing is done to the closed file any more, but not for ever."""
        if self._finishing is not None:
            await asyncio.wait([asyncio.wrap_future(self._finishing)], timeout=limit_s)

    async def close(self) -> None:
        """Write what has come, and let go of the file. Idempotent."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="close recording")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        if self._state != "failed":
            await self._program.drain()
        self._program.remove(self._queue)
        self._queue.close()
        _, late = await asyncio.wait([self._task], timeout=CLOSE_S)
        if late:
            self._task.cancel()
            _log.warning("the disk is too slow for the end of a recording", extra={"recording": self.shown})
            await asyncio.gather(self._task, return_exceptions=True)
        self._executor.shutdown(wait=False)  # a file that is still to be closed is closed
        if self._state != "failed":
            self._state = "ended"

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        file: RecordingFile | None = None
        try:
            form = self._program.format
            file = await loop.run_in_executor(
                self._executor, lambda: RecordingFile(self._path, form, self._min_free_bytes)
            )
            self._state = "live"
            self._queue.restart()
            self._program.add(self._queue)
            await self._write_all(file)
        except StorageError as error:
            self._fail(error)
        except Exception:  # the session must go on
            _log.exception("a recording failed", extra={"recording": self.shown})
            remedy = "Start a new one; the server's log says more."
            self._fail(StorageError("recording_failed", "The recording has failed.", remedy))
        finally:
            self._program.remove(self._queue)
            if file is not None:
                self._finishing = self._executor.submit(_let_go, file, self._after)

    async def _write_all(self, file: RecordingFile) -> None:
        gathered: list[AccessUnit] = []
        begun = 0
        while (unit := await self._queue.get()) is not None:
            longest_s = FRAGMENT_S if unit.is_picture else LONGEST_FRAGMENT_S
            if gathered and unit.pts - begun >= longest_s * TIMESCALE_HZ:
                await self._write(file, gathered, unit.pts if unit.is_picture else None)
                gathered = []
            begun = begun if gathered else unit.pts
            gathered.append(unit)
        if gathered:
            await self._write(file, gathered, None)

    async def _write(self, file: RecordingFile, units: list[AccessUnit], next_picture_pts: int | None) -> None:
        loop = asyncio.get_running_loop()
        self._seconds = await loop.run_in_executor(self._executor, file.write, units, next_picture_pts)
        self._bytes = file.size_bytes

    def _fail(self, error: StorageError) -> None:
        self._state, self._error = "failed", error
        _log.error("recording failed", extra={"recording": self.shown, "code": error.code, "reason": error.message})
        self._on_over()


def _let_go(file: RecordingFile, after: Callable[[Path], object] | None) -> None:
    try:
        file.close()
    except StorageError as error:
        _log.error("recording was not closed well", extra={"recording": file.path.name, "reason": error.message})
        return
    if after is not None and file.path.exists():
        after(file.path)
