"""The wall's clock is set while somebody calls: pictures, voice and reports go on, and the session closes.

Only the clock on the wall jumps, as when NTP or an operator sets it; the one that counts from boot does not.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import aiortc
import numpy as np
import pytest
from aiortc import clock
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket, RtpPacket

from rtc_loopback import read_index, until
from test_webrtc_call import place
from visavis_server.rtc.aiortc_patches import ReceiverReports

pytestmark = pytest.mark.e2e

HOUR_S = 3600.0


@pytest.fixture
def set_wall(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the wall's clock by so many seconds, for everybody in this process.

    All but one use: aiortc's estimate of what comes in, which only our browser's side makes, counts milliseconds one by
    one up to the clock. A browser is another machine, whose clock is not set.
    """
    off = [0.0]
    true_s, true_datetime = time.time, clock.current_datetime
    monkeypatch.setattr(clock, "current_ms", lambda: int((true_datetime() - clock.NTP_EPOCH).total_seconds() * 1000))
    monkeypatch.setattr(time, "time", lambda: true_s() + off[0])
    monkeypatch.setattr(clock, "current_datetime", lambda: true_datetime() + dt.timedelta(seconds=off[0]))

    def set_by(seconds: float) -> None:
        off[0] += seconds

    return set_by


@pytest.mark.parametrize("jumps", [(3 * HOUR_S,), (-3 * HOUR_S,), (40 * 24 * HOUR_S, -40 * 24 * HOUR_S), (0.02,) * 40])
async def test_a_call_does_not_notice_that_the_clock_is_set(
    set_wall: Callable[[float], None], jumps: tuple[float, ...]
) -> None:
    """By hours forwards and backwards, by weeks and back, and, as NTP slews, by a little again and again."""
    loud = np.tile(np.repeat(np.array([12_000, -12_000], np.int16), 24), 20_000)
    async with place() as it:
        signal, browser = await it.call(loud)
        for receiver in browser.pc.getReceivers():  # aiortc's own closing would wait for ever, as ours would
            receiver._send_rtcp = ReceiverReports(receiver._send_rtcp).send_rtcp  # type: ignore[method-assign]
        await until(lambda: len(browser.video) >= 25, 30)
        shown, begun = len(browser.video), time.monotonic()
        for jump_s in jumps:
            set_wall(jump_s)
            await asyncio.sleep(1.6 if len(jumps) < 3 else 0.04)
        await until(lambda: len(browser.video) >= shown + 50, 40)
        numbers = [read_index(arrival.data) for arrival in browser.video]
        assert numbers == sorted(numbers)
        elapsed_s = time.monotonic() - begun
        advanced_s = (numbers[-1] - numbers[shown - 1]) * 0.04
        assert advanced_s < elapsed_s + 1.0, "nothing is shown faster than it is spoken"
        (call,) = it.registry.calls()
        rtt_ms = call.stats().rtt_ms
        assert rtt_ms is None or 0 <= rtt_ms < 30_000
        await signal.close()
        await until(lambda: it.registry.active == 0 and it.studio.sessions == (), 30)
        await asyncio.wait_for(browser.close(), 30)


def _packet(sequence: int, timestamp: int) -> RtpPacket:
    return RtpPacket(sequence_number=sequence, timestamp=timestamp)


@pytest.mark.parametrize("why", ["the wall clock is set by weeks", "packets' times leap"])
async def test_reports_have_room_for_the_jitter_whatever_it_becomes(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    statistics = StreamStatistics(48_000)
    off_s, true_s = 0.0, time.time()
    monkeypatch.setattr(time, "time", lambda: true_s + off_s)
    for sequence in range(2001):
        leaps = why.startswith("packets")
        statistics.add(_packet(sequence, (sequence % 2) * 0xFFFFFFFF if leaps else sequence * 960))
        off_s += 10.0 if leaps else 40 * 24 * HOUR_S
    sent: list[bytes] = []

    async def send(packet: Any) -> None:
        sent.append(bytes(packet))

    info = RtcpReceiverInfo(
        ssrc=1, fraction_lost=0, packets_lost=0, highest_sequence=1, jitter=statistics.jitter, lsr=0, dlsr=0
    )
    assert statistics.jitter > 0xFFFFFFFF
    await ReceiverReports(send).send_rtcp(RtcpRrPacket(ssrc=1, reports=[info]))
    assert len(sent) == 1


async def test_every_receiver_of_a_call_reports_through_it() -> None:
    async with place() as it:
        signal, browser = await it.call()
        (call,) = it.registry.calls()
        pc: aiortc.RTCPeerConnection = call._peer._pc  # type: ignore[union-attr]
        reports = [each.receiver._send_rtcp for each in pc.getTransceivers() if each.kind == "audio"]
        assert reports and all(isinstance(getattr(send, "__self__", None), ReceiverReports) for send in reports)
        await signal.close()
        await browser.close()
