"""Where all sessions of this process come together: one clock, one owner thread for the networks, one batch per tick.

The event loop only hands chunks over and takes frames back. Knows nothing of HTTP, WebRTC or avatars on disk.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar
from visavis_models.chunk import CHUNK_MS, Chunk
from visavis_models.errors import EngineError, VisavisError
from visavis_models.listening import Listener
from visavis_models.motion import rest_motion
from visavis_models.rendering import AdjustableRenderer, GuardCounts, GuardedRenderer, MattingRenderer, Renderer
from visavis_server.clock import MediaClock
from visavis_server.drawing_trial import quicker, take_affordable_way, take_cheaper_way, way_costs
from visavis_server.load import DrawingCost, Overload, StepCost, affordable, frames_per_step
from visavis_server.pipeline import Performance, Work, advance
from visavis_server.session import Session

_log = logging.getLogger(__name__)

_MAX_PENDING_CHUNKS = 250
"""10 s of voice not yet listened to: the device has stopped answering, and the session is ended."""


@dataclass(frozen=True, slots=True)
class StudioSettings:
    """How a studio works."""

    long_side_px: int | None = None
    """Size of live pictures; None keeps each avatar's canvas."""
    slack_ticks: int = 1
    """Ticks between a frame being due from the renderer and its being shown: room for a late batch."""
    frames_per_step: int | None = None
    """New frames in one step; None: chosen from what steps are measured to cost."""


@dataclass(slots=True)
class _Desk:
    """What the owner thread has before it; guarded by the studio's condition."""

    chunks: dict[Session, list[Chunk]] = field(default_factory=dict)
    errands: list[tuple[Callable[[], Any], Future[Any]]] = field(default_factory=list)
    closed: bool = False


class Studio:
    """Runs every session of this process.

    Args:
        renderer: draws for all of them.
        make_listener: makes the listener of a session from a seed.
        settings: see there.
    """

    def __init__(
        self,
        renderer: Renderer[Any],
        make_listener: Callable[[int], Listener],
        settings: StudioSettings | None = None,
    ) -> None:
        self._renderer = renderer
        self._make_listener = make_listener
        self._settings = settings or StudioSettings()
        self._sessions: list[Session] = []
        self._desk = _Desk()
        self._work_came = threading.Condition()
        self._thread: threading.Thread | None = None
        self._clock_task: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._way_costs: dict[str, StepCost] | None = None
        self._preview: Any = None
        """A state of the renderer that no session has: for trying what drawing costs."""
        self._overload = Overload()
        self.cost = DrawingCost()
        self.skipped_ticks = 0
        """Ticks lost because the event loop was blocked or the machine slept."""

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions that are open."""
        return tuple(self._sessions)

    @property
    def guard_counts(self) -> GuardCounts | None:
        """What the renderer thought of its own pictures; None if it does not judge them."""
        return self._renderer.counts if isinstance(self._renderer, GuardedRenderer) else None

    async def open_session(self, avatar: Avatar) -> Session:
        """Put an avatar to work.

        Raises:
            EngineError: the networks cannot run here.
        """
        performance, picture, step_frames = await self._prepared(avatar, secrets.randbits(32))
        delay_ticks = performance.listener.lookahead_ms // CHUNK_MS + step_frames + self._settings.slack_ticks
        session = Session(
            secrets.token_urlsafe(12), avatar.id, performance, picture, step_frames, delay_ticks, self._leave,
            can_matte=isinstance(self._renderer, MattingRenderer),
        )  # fmt: skip
        self._sessions.append(session)
        if self._clock_task is None:
            self._clock_task = asyncio.create_task(self._run_clock(), name="media clock")
        return session

    async def warm_up(self, avatar: Avatar) -> None:
        """Do once, before the first user comes, what the first session of an avatar would wait for."""
        await self._prepared(avatar, 0)

    async def aclose(self) -> None:
        """End every session, the clock and the owner thread. Idempotent."""
        for session in tuple(self._sessions):
            await session.aclose()
        await self._stop_clock()
        with self._work_came:
            self._desk.closed = True
            self._work_came.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def _start(self) -> None:
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._desk.closed = False
            self._thread = threading.Thread(target=self._run_device, name="visavis device", daemon=True)
            self._thread.start()

    async def _leave(self, session: Session) -> None:
        if session in self._sessions:
            self._sessions.remove(session)
        with self._work_came:
            self._desk.chunks.pop(session, None)
        if not self._sessions:
            await self._stop_clock()
        self._post(self._reconsider)

    async def _stop_clock(self) -> None:
        task, self._clock_task = self._clock_task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _post(self, call: Callable[[], Any]) -> Future[Any]:
        """Have something run on the owner thread between two steps."""
        done: Future[Any] = Future()
        with self._work_came:
            self._desk.errands.append((call, done))
            self._work_came.notify()
        return done

    async def _errand(self, call: Callable[[], Any]) -> Any:
        """Run something on the owner thread between two steps, and wait for it."""
        return await asyncio.wrap_future(self._post(call))

    async def _prepared(self, avatar: Avatar, seed: int) -> tuple[Performance, NDArray[np.uint8], int]:
        """An avatar ready to perform, its first picture, and how many frames a step should draw."""
        self._start()
        async with self._opening:
            # Beside the owner thread, so that those who are in a call do not wait for somebody else's photo.
            open_state = partial(self._renderer.open, avatar, self._settings.long_side_px)
            preview, state = await asyncio.to_thread(lambda: (open_state(), open_state()))

        def prepare() -> tuple[Performance, NDArray[np.uint8], int]:
            performance = Performance(self._make_listener(seed), state)
            [[picture]] = self._renderer.render([preview], [rest_motion(1)])
            return performance, picture, self._settings.frames_per_step or self._plan(preview)

        found: tuple[Performance, NDArray[np.uint8], int] = await self._errand(prepare)
        return found

    def _plan(self, preview: Any) -> int:
        """Choose how to draw for one session more, and how many frames in a step."""
        sessions = len(self._sessions) + 1
        self._preview = preview
        if self._way_costs is None:
            self._way_costs = way_costs(self._renderer, preview)
        cost = take_affordable_way(self._renderer, self._way_costs, sessions)
        if isinstance(self._renderer, AdjustableRenderer):
            return max(frames_per_step(cost.call_ms, cost.frame_ms, sessions), self._renderer.fewest_frames)
        if self.cost.steps:
            return frames_per_step(0.0, self.cost.frame_ms, sessions)
        return frames_per_step(cost.call_ms, cost.frame_ms, sessions)

    def _reconsider(self) -> None:
        """A session has left: the others may have more, and who comes next too, if the machine was busy when tried."""
        sessions, costs = len(self._sessions), self._way_costs
        if costs is None or self._preview is None:
            return
        if not sessions and affordable(costs, 1) != next(iter(costs)):
            costs = self._way_costs = quicker(costs, way_costs(self._renderer, self._preview))
        take_affordable_way(self._renderer, costs, max(sessions, 1))

    async def _run_clock(self) -> None:
        clock = MediaClock(time.monotonic())
        while True:
            due = clock.due(time.monotonic())
            if clock.skipped:
                self.skipped_ticks += clock.skipped
                for session in self._sessions:
                    session.skip(clock.skipped)
                clock.skipped = 0
            for _ in range(due):
                self._tick(time.monotonic())
            await asyncio.sleep(clock.wait_s(time.monotonic()))

    def _tick(self, now_s: float) -> None:
        stuck = []
        with self._work_came:
            for session in tuple(self._sessions):
                chunks = self._desk.chunks.setdefault(session, [])
                chunks.append(session.tick(now_s))
                if len(chunks) > _MAX_PENDING_CHUNKS:
                    stuck.append(session)
                    chunks.clear()
            self._work_came.notify()
        for session in stuck:
            remedy = "Restart the server and run `visavis doctor`."
            session.fail(EngineError("device_stuck", "The device has stopped drawing.", remedy))

    def _run_device(self) -> None:
        while True:
            with self._work_came:
                self._work_came.wait_for(lambda: self._desk.closed or self._desk.errands or self._due())
                if self._desk.closed:
                    for _, done in self._desk.errands:
                        done.cancel()
                    self._desk.errands.clear()
                    return
                errands, self._desk.errands = self._desk.errands, []
                batch = {session: self._desk.chunks.pop(session) for session in self._due()}
            for call, done in errands:
                _run_errand(call, done)
            if batch:
                self._step(batch)

    def _due(self) -> list[Session]:
        return [s for s, chunks in self._desk.chunks.items() if len(chunks) >= s.frames_per_step]

    def _step(self, batch: dict[Session, list[Chunk]]) -> None:
        begun_s = time.perf_counter()
        works = []
        for session, chunks in batch.items():
            session.performance.listener.set_listening(session.attending)
            session.performance.take_mood(session.mood)
            in_time = self.cost.first_in_time(session.next_frame, len(batch))
            most = self.cost.most_frames(len(chunks), len(batch))
            shown = session.last_shown
            works.append(Work(session.performance, chunks, in_time, most, session.matte_wanted, shown))
        results = advance(self._renderer, works)
        drawn = sum(len(result) for result in results if not isinstance(result, Exception))
        self.cost.note((time.perf_counter() - begun_s) * 1000, drawn)
        if self._overload.note(drawn, self.cost.frame_ms, len(batch)) and take_cheaper_way(self._renderer):
            self.cost.forget()
        for session, result in zip(batch, results, strict=True):
            if isinstance(result, VisavisError):
                self._call_soon(session.fail, result)
            elif isinstance(result, Exception):
                _log.error("drawing failed", exc_info=result, extra={"session": session.id})
                remedy = "Start again; if it persists, report it with the log."
                self._call_soon(session.fail, EngineError("drawing_failed", f"Drawing failed: {result}.", remedy))
            elif result:
                self._call_soon(session.deliver, result)

    def _call_soon(self, call: Callable[..., None], *values: Any) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(call, *values)
        except RuntimeError:  # the loop was closed while a step ran
            _log.debug("event loop is gone")


def _run_errand(call: Callable[[], Any], done: Future[Any]) -> None:
    if not done.set_running_or_notify_cancel():
        return
    try:
        done.set_result(call())
    except BaseException as error:  # handed to whoever waits for it
        done.set_exception(error)
