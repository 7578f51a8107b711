"""Signs of life and floods, on a connection that is only counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aioice import stun

from visavis_server.rtc import liveness
from visavis_server.rtc.liveness import Liveness

pytestmark = pytest.mark.unit


class FakePair:
    """A far side that answers checks, or does not."""

    remote_addr = ("192.0.2.1", 5000)

    def __init__(self, answers: Callable[[], bool], takes_s: float = 0.0) -> None:
        self.protocol = self
        self.answers = answers
        self.takes_s = takes_s
        self.waiting = self.most_waiting = 0
        self.patience: list[object] = []

    async def request(self, *_: object, **options: object) -> None:
        self.patience.append(options["retransmissions"])
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        try:
            await asyncio.sleep(self.takes_s)
        finally:
            self.waiting -= 1
        if not self.answers():
            raise stun.TransactionTimeout


class FakeConnection:
    """What `Liveness` uses of aioice's connection."""

    remote_password = "secret"

    def __init__(self, answers: Callable[[], bool], takes_s: float = 0.0) -> None:
        self._nominated = {1: FakePair(answers, takes_s)}
        self._query_consent_task: object = self
        self.received = 0
        self.closed = False

    def data_received(self, data: bytes, component: int) -> None:
        self.received += 1

    def build_request(self, pair: FakePair, nominate: bool) -> None:
        assert not nominate

    async def close(self) -> None:
        assert self._query_consent_task is None
        self.closed = True


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "CHECK_INTERVAL_S", 0.01)
    monkeypatch.setattr(liveness, "SILENCE_S", 0.1)
    monkeypatch.setattr(liveness, "CONSENT_S", 0.5)


async def _watch(
    answers: Callable[[], bool], *, media: bool, takes_s: float = 0.0
) -> tuple[list[str], FakeConnection, float]:
    fake, gone = FakeConnection(answers, takes_s), list[str]()
    connection: Any = fake
    watch = Liveness(connection, lambda: gone.append("gone"))
    task = asyncio.create_task(watch.query_consent())
    started_s = asyncio.get_running_loop().time()
    while not task.done() and asyncio.get_running_loop().time() - started_s < 0.9:
        if media:
            watch.data_received(b"\x80", 1)
        await asyncio.sleep(0.01)
    lasted_s = asyncio.get_running_loop().time() - started_s
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return gone, fake, lasted_s


async def test_silence_ends_the_connection_once() -> None:
    gone, connection, lasted_s = await _watch(lambda: False, media=False)
    assert gone == ["gone"]
    assert connection.closed
    assert lasted_s < 0.5


async def test_answers_to_checks_are_a_sign_of_life() -> None:
    gone, connection, _ = await _watch(lambda: True, media=False)
    assert gone == []
    assert not connection.closed


async def test_a_long_way_is_not_taken_for_silence_and_leaves_no_check_behind() -> None:
    gone, connection, _ = await _watch(lambda: True, media=False, takes_s=0.06)
    pair = connection._nominated[1]
    assert gone == []
    assert pair.most_waiting > 2  # asked again while answers are on their way
    assert set(pair.patience) == {1}  # aioice waits 0.5 s + 1.0 s for one: more than any way takes
    assert pair.waiting == 0


async def test_media_alone_is_a_sign_of_life_until_consent_expires() -> None:
    gone, _, lasted_s = await _watch(lambda: False, media=True)
    assert gone == ["gone"]
    assert lasted_s >= 0.5


def test_packets_beyond_the_rate_are_refused_before_anything_is_done_with_them() -> None:
    fake = FakeConnection(lambda: True)
    connection: Any = fake
    watch = Liveness(connection, lambda: None)
    for _ in range(10_000):
        watch.data_received(b"\x80", 1)
    assert fake.received + watch.refused == 10_000
    assert fake.received < 1_500
