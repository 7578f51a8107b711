"""Engines and cards that fail while sessions are drawn: who is not concerned notices nothing."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import weakref
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from diffusion_fakes import GALLERY, FakeNetworks
from rtc_loopback import until
from stage_fakes import LoudnessListener, PaintingRenderer, PaintingState, painted_index, plain_avatar
from visavis_models.avatar import Avatar
from visavis_models.diffusion.memory import RegionMemory
from visavis_models.diffusion.renderer import DiffusionRenderer, DiffusionState
from visavis_models.diffusion.sizes import BASE, COMPACT, LATENT_CHANNELS
from visavis_models.errors import Busy, EngineError, VisavisError
from visavis_models.motion import MotionWindow
from visavis_models.portrait.storage import load_avatar
from visavis_server.drawing_trial import busy_motion
from visavis_server.load import StepCost
from visavis_server.media import Published
from visavis_server.session import Session
from visavis_server.studio import Studio, StudioSettings

pytestmark = pytest.mark.weights
NO_MEMORY = EngineError("gpu_memory", "The card has no memory left.", "Let fewer sessions draw at once.")
GONE = EngineError("gpu_lost", "The card does not answer any more.", "Restart the server.")


@cache
def elena() -> Avatar:
    return load_avatar(GALLERY / "elena")


async def shown(session: Session, ticks: int) -> list[Published]:
    items: list[Published] = []
    async for item in session.stream():
        items.append(item)
        if len(items) == ticks:
            break
    return items


class CrowdedRenderer(PaintingRenderer):
    """Has memory for so many sessions."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most, self._held = most, weakref.WeakSet[Any]()

    def open(self, avatar: Avatar, long_side_px: int | None = None) -> PaintingState:
        if len(self._held) >= self._most:
            raise NO_MEMORY
        state = HeldState(avatar)
        self._held.add(state)
        return state


class HeldState(PaintingState):
    """Can be told when it is gone."""

    __hash__ = object.__hash__


async def test_no_memory_for_the_nth_session_leaves_the_others_alone_and_passes() -> None:
    renderer = CrowdedRenderer(6)
    stage = Studio(renderer, LoudnessListener, StudioSettings(frames_per_step=1))
    try:
        sessions = [await stage.open_session(plain_avatar()) for _ in range(3)]
        watching = asyncio.create_task(shown(sessions[0], 40))
        with pytest.raises(EngineError, match="no memory left"):
            for _ in range(3):
                await stage.open_session(plain_avatar())
        items = await watching
        assert sum(item.repeated for item in items[10:]) <= 5
        assert all(painted_index(item.picture) == item.index for item in items if not item.repeated)
        await sessions.pop().aclose()
        await stage._errand(lambda: None)
        gc.collect()
        sessions.append(await stage.open_session(plain_avatar()))
        assert len(stage._states) == len(stage.sessions) >= 3, "who was refused holds nothing"
    finally:
        await stage.aclose()


async def test_a_card_that_is_lost_in_mid_call_leaves_the_pictures_to_warp() -> None:
    networks = FakeNetworks()
    renderer = DiffusionRenderer(networks)
    stage = Studio(renderer, LoudnessListener, StudioSettings(long_side_px=128))
    failures: list[VisavisError] = []
    try:
        await stage.warm_up(elena())
        assert stage._steering is not None
        stage._steering.tell_costs(dict.fromkeys(renderer.ways, StepCost(0, 0.1)))  # whatever this machine can do
        sessions = [await stage.open_session(elena()) for _ in range(2)]
        for session in sessions:
            session.on_failed = failures.append
        await shown(sessions[0], 10)
        networks.raises = GONE
        before = renderer.counts.windows
        for session in sessions:
            talk(session)
        items = await shown(sessions[1], 50)
        assert not failures and sum(renderer.counts.fallback.values()) > 0
        assert renderer.counts.fallback["engine"] > 0 and renderer.counts.windows > before
        assert sum(not item.repeated for item in items[25:]) >= 5 and items[-1].picture.std() > 10
        networks.raises = None  # it has come back
        for session in sessions:
            talk(session)
        lost = renderer.counts.fallback["engine"]
        await shown(sessions[1], 75)
        tried = renderer.counts.windows
        assert renderer.counts.fallback["engine"] - lost <= 12 and tried > before
    finally:
        await stage.aclose()


def talk(session: Session) -> None:
    """So loudly that lips move."""
    session.hear((12000 * np.sin(np.arange(16000) * 0.3)).astype(np.int16), 16000, 0.0)


class BrokenRenderer(PaintingRenderer):
    """Draws nobody from some time on."""

    broken: Exception | None = None

    def render(self, states: Sequence[PaintingState], windows: Sequence[MotionWindow]) -> list[NDArray[np.uint8]]:
        if self.broken is not None and any(window.first_frame > 5 for window in windows):
            raise self.broken
        return super().render(states, windows)


@pytest.mark.parametrize("error", [GONE, RuntimeError("a defect")])
async def test_a_device_that_draws_nobody_any_more_ends_every_session_with_a_message(error: Exception) -> None:
    renderer = BrokenRenderer()
    stage = Studio(renderer, LoudnessListener, StudioSettings(frames_per_step=1))
    failures: list[VisavisError] = []
    try:
        for _ in range(2):
            session = await stage.open_session(plain_avatar())
            session.on_failed = failures.append
        renderer.broken = error
        await until(lambda: len(failures) >= 2)
        assert {f.code for f in failures} == {"gpu_lost" if error is GONE else "drawing_failed"}
        assert all(f.message and f.remedy for f in failures)
        assert sum(stage.figures.failures.values()) >= 2
        renderer.broken = None
        for session in stage.sessions:
            await session.aclose()
        again = await stage.open_session(plain_avatar())
        assert any(not item.repeated for item in await shown(again, 20)), "the thread has lived on"
    finally:
        await stage.aclose()


async def test_who_would_make_all_late_is_refused_and_holds_nothing() -> None:
    stage = Studio(PaintingRenderer(), LoudnessListener)
    try:
        await stage.warm_up(plain_avatar())
        assert stage._steering is not None
        stage._steering.tell_costs({"": StepCost(0, 300)})
        first = await stage.open_session(plain_avatar())
        with pytest.raises(Busy) as refused:
            await stage.open_session(plain_avatar())
        assert refused.value.code == "device_full"
        assert stage.sessions == (first,) and len(stage._states) == 1 and stage.figures.steered.refused == 1
    finally:
        await stage.aclose()


@pytest.mark.parametrize(("drawn_by", "count"), [("painting", 1000), ("diffusion", 40)])
async def test_a_thousand_sessions_come_and_go_and_leave_none_behind(drawn_by: str, count: int) -> None:
    networks = FakeNetworks()
    renderer: Any = DiffusionRenderer(networks) if drawn_by == "diffusion" else PaintingRenderer()
    stage = Studio(renderer, LoudnessListener, StudioSettings(long_side_px=128))
    states: list[weakref.ref[Any]] = []

    async def one() -> None:
        session = await stage.open_session(elena() if drawn_by == "diffusion" else plain_avatar())
        states.append(weakref.ref(session))
        talk(session)
        await session.aclose()

    try:
        await stage.warm_up(elena() if drawn_by == "diffusion" else plain_avatar())
        assert stage._steering is not None
        stage._steering.tell_costs(dict.fromkeys(stage._steering.costs, StepCost(0, 0.1)))
        tracemalloc.start()
        kept_bytes = []
        for _ in range(2):
            for _ in range(count // 20):
                await asyncio.gather(*(one() for _ in range(10)))
            await stage._errand(lambda: None)
            networks.maps.clear()
            networks.told.clear()
            getattr(renderer, "batches", []).clear()
            gc.collect()
            kept_bytes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        alive = sum(ref() is not None for ref in states)
        assert len(states) == count and alive <= 1, "the last one may still be in a frame of this test"
        assert kept_bytes[1] - kept_bytes[0] < 500 * count, "what a session leaves must not add up"
        assert stage.sessions == () and stage._states == {} and stage._waiting.held == {}
        assert not stage._waiting.chunks and not stage._waiting.first_steps and not stage._owner.errands
        assert len(asyncio.all_tasks()) <= 2
    finally:
        await stage.aclose()


def bytes_of(memory: RegionMemory) -> int:
    """What one region remembers."""
    arrays = [part for entry in memory.latents for part in entry[1:]]
    if memory.newest is not None:
        arrays += [memory.newest.made, memory.newest.drafted, memory.newest.maps, memory.newest.motion]
    if memory.fading is not None:
        arrays.append(memory.fading)
    return sum(array.nbytes for array in arrays)


@pytest.mark.parametrize("size", [COMPACT, BASE])
def test_what_a_session_remembers_is_bounded_and_as_large_as_stated(size: Any) -> None:
    renderer = DiffusionRenderer(FakeNetworks(size=size))
    state: DiffusionState = renderer.open(elena(), 512)
    held = []
    for first in range(0, 96, 4):
        renderer.render([state], [busy_motion(4, first)])
        held.append(sum(bytes_of(memory) for memory in state.regions.values()))
    assert held[-1] == max(held) == held[8], "it grows no more"
    stated = sum(session_bytes(size.mouth_px, share, size.stem[2]) for share in (1, 2, 2))
    assert held[-1] == pytest.approx(stated, rel=0.1)
    assert stated < {"compact": 4.1e6, "base": 16e6}[size.name]


def session_bytes(mouth_px: tuple[int, int], share: int, features: int) -> int:
    """As docs/nvidia_cards.md tells: sixteen latents with their features, and the newest crop three times over."""
    from visavis_models.diffusion.maps import MAP_CHANNELS

    height, width = mouth_px[0] // share, mouth_px[1] // share
    return 4 * (16 * (LATENT_CHANNELS + features) * height * width // 64 + (4 + 4 + MAP_CHANNELS) * height * width)
