from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import numpy as np
import psutil
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from rtc_loopback import until
from stage_fakes import LoudnessListener, PaintingRenderer, PaintingState, painted_index, plain_avatar
from visavis_models.avatar import Avatar
from visavis_models.errors import VisavisError
from visavis_models.motion import MotionWindow
from visavis_server.media import Published
from visavis_server.pipeline import Frame
from visavis_server.session import Session
from visavis_server.studio import Studio, StudioSettings

pytestmark = pytest.mark.unit


def studio(renderer: PaintingRenderer | None = None) -> Studio:
    return Studio(renderer or PaintingRenderer(), LoudnessListener, StudioSettings(frames_per_step=1))


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Studio]:
    running = studio()
    yield running
    await running.aclose()


async def collect(session: Session, ticks: int) -> list[Published]:
    items = []
    async for item in session.stream():
        items.append(item)
        if len(items) == ticks:
            break
    return items


def coded_voice(chunk: int) -> NDArray[np.int16]:
    """40 ms whose loudness tells which chunk it is."""
    return np.full(1920, 1000 + 200 * (chunk % 100), np.int16)


async def talk(session: Session, chunks: int) -> None:
    start_s = time.monotonic()
    for i in range(chunks):
        session.hear(coded_voice(i), 48000, time.monotonic())
        await asyncio.sleep(max(0.0, start_s + (i + 1) * 0.04 - time.monotonic()))


async def test_every_frame_leaves_with_its_own_voice(stage: Studio) -> None:
    session = await stage.open_session(plain_avatar())
    talking = asyncio.create_task(talk(session, 60))
    items = await collect(session, 55)
    await talking
    assert [item.index for item in items] == list(range(items[0].index, items[0].index + 55))
    for item in items:
        if item.repeated:
            continue
        assert painted_index(item.picture) == item.index
        # The resampler smears the borders of a chunk; its middle shows which voice the lips were drawn for.
        middle = int(item.voice[960])
        if middle and int(item.voice[100]) == middle == int(item.voice[-100]):
            jaw = item.picture[0, 0, 2] / 255
            assert jaw == pytest.approx(middle / 32768, abs=0.02)
    assert sum(item.repeated for item in items) <= 5
    assert any(item.voice.any() for item in items)


async def test_an_interruption_silences_and_no_old_frame_is_shown(stage: Studio) -> None:
    session = await stage.open_session(plain_avatar())
    talking = asyncio.create_task(talk(session, 25))
    await collect(session, 15)
    talking.cancel()
    epoch = session.interrupt()
    after = await collect(session, 10)
    assert epoch == 1
    assert all(item.epoch == 1 for item in after)
    assert not any(item.voice[480:].any() for item in after)
    assert any(not item.repeated for item in after)
    assert all(item.picture[0, 0, 2] == 0 for item in after if not item.repeated)
    assert session.state == "idle"


class InterruptedListener(LoudnessListener):
    """Remembers what it was told was shown last."""

    told: list[int | None]

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.told = []

    def interrupt(self, last_shown: int | None = None, next_shown: int | None = None) -> None:
        super().interrupt(last_shown, next_shown)
        assert last_shown is not None and next_shown is not None and next_shown > last_shown
        self.told.append(last_shown)


class Screen:
    """A sink that keeps what is published, in the very moment."""

    def __init__(self) -> None:
        self.items: list[Published] = []

    def publish(self, item: Published) -> None:
        self.items.append(item)

    def fresh(self, since: int = 0) -> list[Published]:
        return [item for item in self.items[since:] if not item.repeated]

    async def see(self, count: int, since: int, *, loud: bool = False) -> None:
        """Wait for so many new pictures, or for one with an open mouth among them."""
        await until(
            lambda: (
                len(self.fresh(since)) >= count
                and (not loud or any(item.picture[0, 0, 2] for item in self.fresh(since)))
            ),
            20,
        )


async def test_an_interrupted_listener_knows_which_frame_was_shown_last() -> None:
    listener, screen = InterruptedListener(), Screen()
    stage = Studio(PaintingRenderer(), lambda _: listener, StudioSettings(frames_per_step=4))
    session = await stage.open_session(plain_avatar())
    session.add_sink(screen)
    talking = asyncio.create_task(talk(session, 200))
    try:
        for cut in range(3):
            before = len(screen.items)
            await screen.see(6, before)
            last, at = screen.fresh()[-1].index, len(screen.items)
            session.interrupt()
            await screen.see(1, at)
            assert listener.told[cut] == last, "the picture that stays until the mouth closes"
            assert screen.fresh(at)[0].index > last + 1, "frames that were heard are not shown"
    finally:
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
        await stage.aclose()


async def test_a_step_that_an_interruption_cuts_in_two_shows_nothing_of_before() -> None:
    stage, screen = Studio(PaintingRenderer(), LoudnessListener, StudioSettings(frames_per_step=4)), Screen()
    session = await stage.open_session(plain_avatar())
    session.add_sink(screen)
    try:
        for _ in range(4):  # whichever chunk of a step it is
            before = len(screen.items)
            talking = asyncio.create_task(talk(session, 100))
            await screen.see(1, before, loud=True)
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
            at = len(screen.items)
            session.interrupt()
            await screen.see(9, at)
            assert all(item.picture[0, 0, 2] == 0 for item in screen.fresh(at))
    finally:
        await stage.aclose()


async def test_state_follows_the_frames_that_are_shown(stage: Studio) -> None:
    session = await stage.open_session(plain_avatar())
    seen: list[tuple[str, int]] = []
    session.on_state = lambda state, epoch: seen.append((state, epoch))
    session.attend(True)
    session.attend(False)
    session.hear(np.full(1920 * 9, 16000, np.int16), 48000, time.monotonic())
    await asyncio.sleep(0.9)
    assert [state for state, _ in seen] == ["listening", "idle", "speaking", "idle"]


async def test_who_speaks_to_the_avatar_is_attended_to_and_never_published(stage: Studio) -> None:
    session = await stage.open_session(plain_avatar())
    screen = Screen()
    session.add_sink(screen)
    seen: list[str] = []
    session.on_state = lambda state, epoch: seen.append(state)
    session.hear_other(np.full(1920 * 9, 16000, np.int16), 48000, time.monotonic())
    await asyncio.sleep(0.9)
    assert seen == ["listening", "idle"]
    assert not any(item.voice.any() or item.picture[..., 2].any() for item in screen.items)


async def test_sessions_are_drawn_in_one_batch() -> None:
    renderer = PaintingRenderer()
    stage = studio(renderer)
    sessions = [await stage.open_session(plain_avatar(f"a{i}")) for i in range(4)]
    await collect(sessions[-1], 20)
    assert max(len(batch) for batch in renderer.batches) == 4
    await stage.aclose()


async def test_one_failing_session_leaves_the_others_alone() -> None:
    stage = studio(PaintingRenderer(failing_avatar="bad"))
    good = await stage.open_session(plain_avatar("good"))
    bad = await stage.open_session(plain_avatar("bad"))
    failures: list[VisavisError] = []
    bad.on_failed = failures.append
    items = await collect(good, 45)
    assert failures and failures[0].code == "drawing_failed"
    assert "cannot be drawn" in failures[0].message
    assert sum(item.repeated for item in items[5:]) <= 5
    assert all(painted_index(item.picture) == item.index for item in items if not item.repeated)
    await stage.aclose()


async def test_two_hundred_sessions_come_and_go_and_nothing_stays(stage: Studio) -> None:
    for _ in range(200):
        session = await stage.open_session(plain_avatar())
        session.hear(coded_voice(1), 48000, time.monotonic())
        await session.aclose()
        await session.aclose()
    assert stage.sessions == ()
    assert len(asyncio.all_tasks()) <= 2


async def test_a_closed_session_gives_its_native_threads_back(stage: Studio) -> None:
    gc.disable()
    try:
        await stage.warm_up(plain_avatar())
        before, kept = psutil.Process().num_threads(), []
        for _ in range(5):
            session = await stage.open_session(plain_avatar())
            session.hear(coded_voice(1), 48000, time.monotonic())
            await session.aclose()
            kept.append(session)
        assert psutil.Process().num_threads() <= before
    finally:
        gc.enable()


async def test_latency_is_measured_from_arrival_to_publication(stage: Studio) -> None:
    session = await stage.open_session(plain_avatar())
    heard: list[float] = []
    session.on_latency = heard.append
    await talk(session, 40)
    stats = session.stats()
    assert stats.latency_ms_p50 is not None and 100 <= stats.latency_ms_p50 <= 260
    assert len(heard) >= 20
    assert stats.fps is not None and stats.fps >= 20


class SlowRenderer(PaintingRenderer):
    """Takes its time for every frame."""

    def __init__(self, frame_ms: float) -> None:
        super().__init__()
        self._frame_s = frame_ms / 1000

    def render(self, states: Sequence[PaintingState], windows: Sequence[MotionWindow]) -> list[NDArray[np.uint8]]:
        time.sleep(self._frame_s * sum(len(w) for w in windows))
        return super().render(states, windows)


async def test_two_sessions_where_one_would_do_share_the_machine_fairly() -> None:
    stage = Studio(SlowRenderer(25.0), LoudnessListener)
    first = await stage.open_session(plain_avatar("first"))
    await collect(first, 25)
    second = await stage.open_session(plain_avatar("second"))
    shown = await asyncio.gather(collect(first, 150), collect(second, 150))
    fresh = [sum(not item.repeated for item in items[50:]) for items in shown]
    assert min(fresh) >= 40 and max(fresh) <= 1.5 * min(fresh)
    await stage.aclose()


class SlowOpeningRenderer(PaintingRenderer):
    """Takes 600 ms to prepare the avatar `new`."""

    def open(self, avatar: Avatar, long_side_px: int | None = None) -> PaintingState:
        time.sleep(0.3 if avatar.id == "new" else 0.0)
        return super().open(avatar, long_side_px)


async def test_somebody_elses_new_avatar_does_not_hold_up_a_call() -> None:
    stage = studio(SlowOpeningRenderer())
    session = await stage.open_session(plain_avatar())
    await collect(session, 20)
    before = session.stats().frames_repeated
    opening = asyncio.create_task(stage.open_session(plain_avatar("new")))
    await collect(session, 25)
    assert session.stats().frames_repeated - before <= 3
    await opening
    await stage.aclose()


async def test_a_machine_that_was_too_slow_for_a_moment_recovers(stage: Studio) -> None:
    stage.cost.note(5000.0, 1)
    session = await stage.open_session(plain_avatar())
    items = await collect(session, 60)
    assert sum(item.repeated for item in items[30:]) <= 3


async def test_a_machine_that_is_too_slow_shows_fewer_frames_but_never_freezes() -> None:
    stage = studio(SlowRenderer(70.0))
    session = await stage.open_session(plain_avatar())
    items = await collect(session, 150)
    fresh = [item.index for item in items[100:] if not item.repeated]
    assert len(fresh) >= 50 * 40 / 70 * 0.5
    assert max(np.diff(fresh)) <= 5
    await stage.aclose()


async def test_live_receivers_time_goes_on_while_the_machine_stands_still(stage: Studio) -> None:
    session = await stage.open_session(plain_avatar())
    items: list[Published] = []

    async def read() -> None:
        async for item in session.stream(size_ms=4000):
            items.append(item)

    reading = asyncio.create_task(read())
    await until(lambda: len(items) >= 5)
    skipped = stage.skipped_ticks
    time.sleep(0.6)  # noqa: ASYNC251 - the event loop stands still
    await until(lambda: stage.skipped_ticks > skipped and items[-1].skipped_ticks > 0)
    await until(lambda: len(items) >= 30)
    reading.cancel()
    await session.aclose()
    assert [item.index for item in items] == list(range(items[0].index, items[0].index + len(items)))
    left_out = [after.moment - before.moment - 1 for before, after in itertools.pairwise(items)]
    assert min(left_out) == 0
    assert max(left_out) >= 13  # 0.6 s are 15 ticks
    assert items[-1].moment - items[-1].index == items[-1].skipped_ticks


async def closed(_: Session) -> None:
    """Nothing to free."""


def test_live_receivers_time_follows_a_delay_that_grows_and_shrinks() -> None:
    picture, screen = np.zeros((8, 8, 3), np.uint8), Screen()
    session = Session("s", "a", cast(Any, None), picture, 1, 3, closed)
    session.add_sink(screen)
    for _ in range(60):
        session.tick(0.0)
    session.deliver([Frame(0, picture, False, 0)] * 8)  # so late that the delay grows
    for _ in range(10):
        session.tick(0.0)
    assert [item.moment - item.index for item in screen.items] == [0] * 57 + [1] * 9
    for _ in range(200):  # early again: in silence the delay shrinks
        session.tick(0.0)
    assert [item.index for item in screen.items] == list(range(267))
    shared = [one.moment for one, other in itertools.pairwise(screen.items) if one.moment == other.moment]
    assert len(shared) == 1
    assert screen.items[-1].moment == screen.items[-1].index
