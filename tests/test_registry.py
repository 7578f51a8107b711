from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fakes import FakePeers, FakeStudio, fake_avatar
from visavis_models.errors import BadRequest, Busy, NotFound, VisavisError
from visavis_models.mood import Mood
from visavis_server.call import CallStats, EndReason
from visavis_server.call_times import CallTimes, expires_at_s
from visavis_server.metrics import Metrics
from visavis_server.registry import SessionRegistry
from visavis_server.settings import SessionSettings
from visavis_server.settings_sources import load_settings

pytestmark = pytest.mark.unit

AVATAR = fake_avatar()


class Listener:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def on_mood(self, mood: Mood) -> None: ...

    def on_speaker(self, person: int) -> None: ...

    def on_state(self, state: str, epoch: int) -> None:
        self.said.append((state, epoch))

    def on_stats(self, stats: CallStats) -> None:
        self.said.append(stats)

    def on_end(self, reason: EndReason, error: VisavisError | None) -> None:
        self.said.append((reason, error.code if error else None))


class Place:
    """A registry with what it was given."""

    def __init__(self, capacity: int, grace_s: float, **limits: float) -> None:
        flags = {f"sessions.{key}": value for key, value in limits.items()}
        settings = load_settings(flags={"sessions.capacity": capacity, **flags})
        self.studio = FakeStudio()
        self.peers = FakePeers()
        self.metrics = Metrics(capacity)
        self.registry = SessionRegistry(settings, self.studio, self.metrics, self.peers, grace_s)

    def figure(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


@asynccontextmanager
async def place(capacity: int = 2, grace_s: float = 0.0, **limits: float) -> AsyncIterator[Place]:
    made = Place(capacity, grace_s, **limits)
    yield made
    await made.registry.aclose()


async def until(condition: Any) -> None:
    for _ in range(300):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize(
    ("times", "limits", "at_s"),
    [
        (CallTimes(100, 100), SessionSettings(), 115),
        (CallTimes(100, 130, joined=True), SessionSettings(), 1930),
        (CallTimes(100, 43000, joined=True), SessionSettings(), 43300),
        (CallTimes(100, 100, joined=True), SessionSettings(idle_timeout_s=0, max_age_s=0), None),
        (CallTimes(100, 100), SessionSettings(idle_timeout_s=0, max_age_s=0), 115),
    ],
)
def test_a_call_expires_at_the_first_limit_it_meets(
    times: CallTimes, limits: SessionSettings, at_s: float | None
) -> None:
    assert expires_at_s(times, limits) == at_s


async def test_a_session_nobody_joins_ends_by_itself() -> None:
    async with place(join_timeout_s=1.0) as it:
        call = await it.registry.open(AVATAR)
        await until(lambda: not it.studio.sessions)
        with pytest.raises(NotFound):
            it.registry.get(call.id)
        assert it.figure("visavis_sessions_ended_total", reason="expired") == 1


async def test_a_joined_call_lives_until_nobody_has_spoken_for_long_enough() -> None:
    async with place(idle_timeout_s=0.3) as it:
        call = await it.registry.open(AVATAR)
        listener = Listener()
        call.join(listener)
        session = it.studio.sessions[0]
        session.show("speaking")
        await asyncio.sleep(0.6)
        assert it.registry.get(call.id) is call
        session.show("idle")
        await until(lambda: not it.studio.sessions)
        assert listener.said == [("speaking", 0), ("idle", 0), ("expired", None)]


async def test_only_one_may_join() -> None:
    async with place() as it:
        call = await it.registry.open(AVATAR)
        call.join(Listener())
        with pytest.raises(BadRequest, match="joined"):
            call.join(Listener())


async def test_a_full_server_refuses_at_once_without_grace() -> None:
    async with place(capacity=1) as it:
        await it.registry.open(AVATAR)
        with pytest.raises(Busy) as refused:
            await it.registry.open(AVATAR)
        assert refused.value.code == "server_full"


async def test_a_page_that_reloads_finds_its_place_free_again() -> None:
    """The new page asks before its old WebSocket is known to be closed, and while the old session is being closed."""
    async with place(capacity=1, grace_s=2.0) as it:
        old = await it.registry.open(AVATAR)
        it.studio.sessions[0].close_takes_s = 0.1
        opening = asyncio.create_task(it.registry.open(AVATAR))
        await asyncio.sleep(0.05)
        it.registry.end_soon(old.id, "client")
        new = await asyncio.wait_for(opening, 2)
        assert [call.id for call in it.registry.calls()] == [new.id]


async def test_a_place_is_held_while_opening_and_while_closing() -> None:
    async with place(capacity=1) as it:
        it.studio.open_takes_s = 0.05
        opening = asyncio.create_task(it.registry.open(AVATAR))
        await asyncio.sleep(0.01)
        with pytest.raises(Busy):
            await it.registry.open(AVATAR)
        call = await opening
        it.studio.sessions[0].close_takes_s = 0.05
        it.registry.end_soon(call.id, "deleted")
        assert it.registry.active == 1
        await it.registry.end(call.id, "deleted")
        assert it.registry.active == 0


async def test_an_opening_that_is_cancelled_gives_its_place_back() -> None:
    async with place(capacity=1) as it:
        it.studio.open_takes_s = 10
        opening = asyncio.create_task(it.registry.open(AVATAR))
        await asyncio.sleep(0.01)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        assert it.registry.active == 0


async def test_ending_twice_ends_once() -> None:
    async with place() as it:
        call = await it.registry.open(AVATAR)
        await asyncio.gather(*(it.registry.end(call.id, "deleted") for _ in range(3)))
        await it.registry.end("nobody", "deleted")
        assert it.figure("visavis_sessions_ended_total", reason="deleted") == 1
        assert it.registry.active == 0


async def test_a_session_that_does_not_close_is_left_behind_and_its_place_freed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("visavis_server.call.CLOSE_LIMIT_S", 0.1)
    async with place(capacity=1) as it:
        call = await it.registry.open(AVATAR)
        await call.answer("v=0")
        it.studio.sessions[0].close_takes_s = 60
        await asyncio.wait_for(it.registry.end(call.id, "deleted"), 2)
        assert it.peers.made[0].closed
        await it.registry.open(AVATAR)
    assert "session was slow to close" in caplog.text


async def test_a_session_that_fails_to_close_frees_its_peer_and_its_place(caplog: pytest.LogCaptureFixture) -> None:
    async with place(capacity=1) as it:
        call = await it.registry.open(AVATAR)
        await call.answer("v=0")
        it.studio.sessions[0].close_raises = RuntimeError("a defect")
        await it.registry.end(call.id, "deleted")
        assert it.peers.made[0].closed and it.registry.active == 0
    assert [vars(r)["session"] for r in caplog.records if r.exc_info] == [call.id]


async def test_one_call_without_stats_ends_and_the_others_go_on() -> None:
    async with place() as it:
        ill, well = await it.registry.open(AVATAR), await it.registry.open(AVATAR)
        listener = Listener()
        well.join(listener)
        it.studio.sessions[0].stats_raise = RuntimeError("a defect")
        it.registry.sample()
        await until(lambda: it.registry.active == 1)
        with pytest.raises(NotFound):
            it.registry.get(ill.id)
        assert isinstance(listener.said[0], CallStats)
        assert it.figure("visavis_sessions_ended_total", reason="failed") == 1


async def test_counters_outlive_their_session_and_count_nothing_twice() -> None:
    async with place() as it:
        call = await it.registry.open(AVATAR)
        session = it.studio.sessions[0]
        for _ in range(3):
            session.tick()
        it.registry.sample()
        it.registry.sample()
        session.tick()
        on_latency = session.on_latency
        assert on_latency is not None
        on_latency(180.0)
        await it.registry.end(call.id, "client")
        assert it.figure("visavis_frames_sent_total") == 4
        assert it.figure("visavis_frames_repeated_total") == 1
        assert it.figure("visavis_speech_to_lips_ms_bucket", le="200.0") == 1
        assert it.figure("visavis_speech_to_lips_ms_bucket", le="160.0") == 0


async def test_an_offer_that_comes_while_the_call_ends_leaves_no_peer() -> None:
    async with place() as it:
        call = await it.registry.open(AVATAR)
        answering = asyncio.create_task(call.answer("slow"))
        await asyncio.sleep(0.01)
        await it.registry.end(call.id, "client")
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        assert it.peers.made[0].closed
        with pytest.raises(BadRequest):
            await call.answer("v=0")
        assert len(it.peers.made) == 1


async def test_while_it_drains_present_calls_go_on_and_new_ones_are_refused() -> None:
    async with place(capacity=1, grace_s=30.0) as it:
        call = await it.registry.open(AVATAR)
        waiting = asyncio.create_task(it.registry.open(AVATAR))  # for the one place there is
        await asyncio.sleep(0.02)
        it.registry.drain()
        with pytest.raises(Busy, match="shutting down"):
            await asyncio.wait_for(waiting, 5)
        await it.registry.end(call.id, "client")
        with pytest.raises(Busy, match="shutting down"):
            await it.registry.open(AVATAR)
        assert it.registry.draining and it.registry.active == 0
        assert it.figure("visavis_sessions_ended_total", reason="client") == 1


async def test_shutdown_ends_every_call_and_admits_no_more(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with place() as it:
        listener = Listener()
        (await it.registry.open(AVATAR)).join(listener)
        it.studio.open_takes_s = 0.05
        late = asyncio.create_task(it.registry.open(AVATAR))
        await asyncio.sleep(0.01)
        await it.registry.aclose()
        assert listener.said == [("shutdown", None)]
        with pytest.raises(Busy, match="shutting down"):
            await late
        with pytest.raises(Busy, match="shutting down"):
            await it.registry.open(AVATAR)
        await until(lambda: not it.studio.sessions)
    assert it.registry.active == 0
