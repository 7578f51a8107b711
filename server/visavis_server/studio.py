"""Where all sessions of this process come together: one clock, one owner thread for the networks, one batch per tick.

The event loop only hands chunks over and takes frames back. Knows nothing of HTTP, WebRTC or avatars on disk.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar
from visavis_models.chunk import CHUNK_MS, Chunk
from visavis_models.errors import EngineError, VisavisError
from visavis_models.framing import shares_of_faces
from visavis_models.listening import Listener
from visavis_models.motion import rest_motion
from visavis_models.rendering import (
    AdjustableRenderer,
    ForgetfulRenderer,
    GuardCounts,
    GuardedRenderer,
    MattingRenderer,
    PipelinedRenderer,
    Renderer,
)
from visavis_server.clock import MediaClock
from visavis_server.drawing_trial import quicker, way_costs
from visavis_server.live_motion import live_listener
from visavis_server.load import DrawingCost
from visavis_server.owner_thread import OwnerThread
from visavis_server.pipeline import Frame, Performance, Work, advance, begin
from visavis_server.quality import STEP_LENGTHS, Quality
from visavis_server.session import Session
from visavis_server.steering import Steering, SteeringPolicy
from visavis_server.studio_figures import StudioFigures
from visavis_server.tracing.step_times import StepTimes
from visavis_server.waiting_voice import WaitingVoice

_log = logging.getLogger(__name__)
Batch = dict[Session, list[Chunk]]

_SLOWNESS = 0.5, 4.0
"""Batches may prove to be so much quicker or slower than was tried."""


@dataclass(frozen=True, slots=True)
class StudioSettings:
    """How a studio works."""

    long_side_px: int | None = None
    """Size of live pictures; None keeps each avatar's canvas."""
    slack_ticks: int = 1
    """Ticks between a frame being due from the renderer and its being shown: room for a late batch."""
    frames_per_step: int | None = None
    """New frames in one step; None: chosen from what steps are measured to cost."""
    finish: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None
    """See `Performance`."""
    policy: SteeringPolicy = field(default_factory=SteeringPolicy)
    """What happens when there are too many sessions."""
    hearing_threads: int = 0
    """Listeners that wait for processes of their own are asked by so many threads; 0: by the owner thread."""
    id_prefix: str = ""
    """What sessions' ids begin with: several workers tell whose they are by it."""


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
        self._waiting = WaitingVoice()
        self._owner: OwnerThread[dict[Session, list[Chunk]]] = OwnerThread(
            "visavis device", lambda: bool(self._waiting.due()), self._next_batch, self._step
        )
        self._clock_task: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._steering: Steering[str] | None = None
        threads = self._settings.hearing_threads
        self._hearing = ThreadPoolExecutor(threads, "visavis hearing") if threads else None
        self._states: dict[str, Any] = {}
        """What the renderer holds for each session, by its id."""
        self._preview: Any = None
        """A state of the renderer that no session has: for trying what drawing costs."""
        self._stepped_s = 0.0
        """When the newest step was done."""
        self._slowness = 1.0
        """How much longer batches take than was measured, smoothed."""
        self._batches = 0
        """Batches with windows that may be traced."""
        self.cost = DrawingCost()
        self.figures = StudioFigures()
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
            Busy: all sessions would be late.
        """
        id = self._settings.id_prefix + secrets.token_urlsafe(12)
        performance, picture, quality = await self._prepared(avatar, secrets.randbits(32), id)
        step = quality.frames_per_step
        delay_ticks = performance.listener.lookahead_ms // CHUNK_MS + step + self._settings.slack_ticks
        session = Session(
            id, avatar.id, performance, picture, step, delay_ticks, self._leave,
            can_matte=isinstance(self._renderer, MattingRenderer),
        )  # fmt: skip
        session.faces = shares_of_faces(avatar)[: session.people]
        assert self._steering is not None
        with self._owner.condition:
            self._waiting.welcome(session, quality, self._sessions, self._steering.costs)
        self._sessions.append(session)
        if self._clock_task is None:
            self._clock_task = asyncio.create_task(self._run_clock(), name="media clock")
        return session

    async def warm_up(self, avatar: Avatar) -> None:
        """Do once, before the first user comes, what the first session of an avatar would wait for."""
        await self._prepared(avatar, 0)

    async def forget(self, avatar_id: str) -> None:
        """Drop what is kept of an avatar that was removed; sessions that show it must have ended."""
        async with self._opening:
            if isinstance(self._renderer, ForgetfulRenderer):
                await asyncio.to_thread(self._renderer.forget, avatar_id)

        def drop() -> None:
            self._preview = None

        if self._owner.running:
            await self._errand(drop)

    async def aclose(self) -> None:
        """End every session, the clock and the owner thread. Idempotent."""
        for session in tuple(self._sessions):
            await session.aclose()
        await self._stop_clock()
        await self._owner.aclose()
        if self._hearing is not None:
            self._hearing.shutdown(wait=False)

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner.start()

    async def _leave(self, session: Session) -> None:
        if session in self._sessions:
            self._sessions.remove(session)
        with self._owner.condition:
            self._waiting.leave(session)
        if not self._sessions:
            await self._stop_clock()
        self._owner.post(partial(self._forget, session.id))

    async def _stop_clock(self) -> None:
        task, self._clock_task = self._clock_task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _errand(self, call: Callable[[], Any]) -> Any:
        """Run something on the owner thread between two steps, and wait for it."""
        return await asyncio.wrap_future(self._owner.post(call))

    async def _prepared(
        self, avatar: Avatar, seed: int, id: str = ""
    ) -> tuple[Performance, NDArray[np.uint8], Quality]:
        """An avatar ready to perform, its first picture, and what it is given; nothing is taken if `id` is empty."""
        self._start()
        async with self._opening:
            # Beside the owner thread, so that those who are in a call do not wait for somebody else's photo.
            open_state = partial(self._renderer.open, avatar, self._settings.long_side_px)
            preview, state = await asyncio.to_thread(lambda: (open_state(), open_state()))

        def prepare() -> tuple[Performance, NDArray[np.uint8], Quality]:
            people = len(avatar.people) if isinstance(self._renderer, MattingRenderer) else 1
            performance = Performance(live_listener(self._make_listener, seed, people), state)
            performance.finish = finish = self._settings.finish
            [shown] = self._renderer.render([preview], [rest_motion(1)])
            picture = shown[0] if finish is None else finish(shown)[0]
            self._preview = preview
            steering = self._steering = self._steering or self._tried(preview)
            if not id:
                return performance, picture, steering.best(1)
            steering.check_room(people)
            quality = steering.admit(id, people)
            self._states[id] = state
            self._tell_qualities()
            return performance, picture, quality

        found: tuple[Performance, NDArray[np.uint8], Quality] = await self._errand(prepare)
        return found

    def _tried(self, preview: Any) -> Steering[str]:
        """What drawing costs here, and so what sessions can be given."""
        least = self._renderer.fewest_frames if isinstance(self._renderer, AdjustableRenderer) else 1
        fixed = self._settings.frames_per_step
        lengths = [fixed] if fixed else sorted({max(length, least) for length in STEP_LENGTHS})
        return Steering(way_costs(self._renderer, preview), lengths, self._settings.policy)

    def _tell_qualities(self) -> None:
        """What sessions are given has changed: the renderer and they themselves learn of it."""
        assert self._steering is not None
        qualities, held = self._steering.qualities(), self._waiting.held
        for id, quality in qualities.items():
            if held.get(id) != quality and isinstance(self._renderer, AdjustableRenderer):
                self._renderer.take(quality.way, self._states[id])
        self._waiting.held = qualities
        self._call_soon(self._take_qualities, qualities)
        self._note_figures()

    def _take_qualities(self, qualities: dict[str, Quality]) -> None:
        for session in self._sessions:
            if session.id in qualities:
                session.plan_steps(qualities[session.id].frames_per_step)

    def _note_figures(self) -> None:
        if self._steering is not None:
            self.figures.load, self.figures.planned_load = self._steering.load, self._steering.planned_load
            self.figures.qualities = tuple(self._steering.qualities().values())
            self.figures.steered = self._steering.steered

    def _forget(self, id: str) -> None:
        """A session has left: the others may have more, and who comes next too, if the machine was busy when tried."""
        self._states.pop(id, None)
        steering = self._steering
        if steering is None:
            return
        steering.leave(id)
        if not steering.sessions and self._preview is not None and steering.best(1) != steering.rungs[0]:
            steering.tell_costs(quicker(steering.costs, way_costs(self._renderer, self._preview)))
        self._tell_qualities()

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
        with self._owner.condition:
            for session in tuple(self._sessions):
                if not self._waiting.put(session, session.tick(now_s)):
                    stuck.append(session)
            self._owner.condition.notify()
        for session in stuck:
            remedy = "Restart the server and run `visavis doctor`."
            session.fail(EngineError("device_stuck", "The device has stopped drawing.", remedy))

    def _next_batch(self) -> dict[Session, list[Chunk]]:
        assert self._steering is not None
        return self._waiting.take_batch(self._steering.costs, self._slowness)

    def _step(self, batch: dict[Session, list[Chunk]]) -> None:
        assert self._steering is not None
        begun_s = time.perf_counter()
        works, held = [], self._waiting.held
        demand = sum(quality.fps for quality in held.values()) * CHUNK_MS / 1000
        for session, chunks in batch.items():
            quality = held.get(session.id)
            in_time = self.cost.first_in_time(session.next_frame, len(batch))
            most = self.cost.most_frames(len(chunks), demand)
            draws = None if quality is None or quality.share == (1, 1) else quality.draws
            works.append(
                Work(
                    session.performance,
                    chunks,
                    in_time,
                    most,
                    session.matte_wanted,
                    session.last_shown,
                    draws,
                    session.mood,
                    session.attending,
                )
            )
        times = None
        if any(session.trace is not None for session in batch):
            self._batches += 1
            times = StepTimes(self._batches, len(batch), time.monotonic())
        if not isinstance(self._renderer, PipelinedRenderer):
            results = advance(self._renderer, works, self._hearing, times)
            self._deliver(batch, times, results)
            self._note_step(batch, begun_s, results)
            return
        with self._owner.condition:
            self._waiting.under_way.append(frozenset(batch))
        begin(self._renderer, works, partial(self._shipped, batch, begun_s, times), self._hearing, times)

    def _shipped(
        self, batch: Batch, begun_s: float, times: StepTimes | None, results: list[list[Frame] | Exception]
    ) -> None:
        """A batch that the renderer went on with by itself; called by a thread of its own."""
        self._deliver(batch, times, results)
        self._owner.post(partial(self._note_step, batch, begun_s, results))
        with self._owner.condition:
            self._waiting.under_way.remove(frozenset(batch))
            self._owner.condition.notify()

    def _note_step(self, batch: Batch, begun_s: float, results: list[list[Frame] | Exception]) -> None:
        """What a step cost, whoever drew meanwhile."""
        assert self._steering is not None
        begun_s = max(begun_s, self._stepped_s)
        self._stepped_s = time.perf_counter()
        drawn = sum(len(result) for result in results if not isinstance(result, Exception))
        took_s = self._stepped_s - begun_s
        self.cost.note(took_s * 1000, drawn)
        self._steering.note_work(took_s)
        self._note_slowness(batch, took_s * 1000)
        self.figures.count_batch(len(batch))
        if self._steering.steer(time.monotonic()):
            self._tell_qualities()

    def _deliver(self, batch: Batch, times: StepTimes | None, results: list[list[Frame] | Exception]) -> None:
        for session, result in zip(batch, results, strict=True):
            if isinstance(result, VisavisError):
                self.figures.count_failure(result.code)
                self._call_soon(session.fail, result)
            elif isinstance(result, Exception):
                _log.error("drawing failed", exc_info=result, extra={"session": session.id})
                self.figures.count_failure("drawing_failed")
                remedy = "Start again; if it persists, report it with the log."
                self._call_soon(session.fail, EngineError("drawing_failed", f"Drawing failed: {result}.", remedy))
            elif result:
                self._call_soon(session.deliver, result, times)

    def _note_slowness(self, batch: dict[Session, list[Chunk]], took_ms: float) -> None:
        assert self._steering is not None
        costs, held = self._steering.costs, self._waiting.held
        of = [(costs[held[s.id].way], len(chunks)) for s, chunks in batch.items() if s.id in held]
        expected_ms = max((cost.call_ms for cost, _ in of), default=0.0) + sum(cost.frame_ms * n for cost, n in of)
        if expected_ms > 0:
            slowness = min(max(took_ms / expected_ms, _SLOWNESS[0]), _SLOWNESS[1])
            self._slowness += (slowness - self._slowness) * 0.05

    def _call_soon(self, call: Callable[..., None], *values: Any) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(call, *values)
        except RuntimeError:  # the loop was closed while a step ran
            _log.debug("event loop is gone")
