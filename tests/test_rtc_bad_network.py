"""Whole calls over bad networks: nothing dies, nothing lags for ever."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from aiortc.rtp import RtpPacket
from numpy.typing import NDArray

from bad_network import Conditions, spoil
from rtc_loopback import Browser, call, read_index, tick, until
from test_concealment import clicks
from test_rtc_microphone import speech
from visavis_server.rtc import Peer

pytestmark = pytest.mark.e2e


async def costly(peer: Peer, ticks: range) -> None:
    """Publish in real time what costs far more bits than the link carries: grain round the painted number."""
    grain = np.random.default_rng(0).integers(0, 90, (8, 320, 320, 3), dtype=np.uint8)
    start_s = time.monotonic()
    for n, index in enumerate(ticks):
        await asyncio.sleep(max(0.0, start_s + n * 0.04 - time.monotonic()))
        item = tick(index)
        picture = np.where(item.picture > 128, 255 - grain[index % 8], grain[index % 8])
        peer.publish(type(item)(index, picture, item.voice, False, 0))


def newest(browser: Browser) -> int:
    """The number of the newest picture that was seen."""
    return max(read_index(arrival.data) for arrival in browser.video[-5:])


def arrivals_of(browser: Browser) -> set[int]:
    """The numbers of all video packets that come from now on, the first time or again."""
    came, handle = set[int](), browser.dtls._handle_rtp_data
    ssrc = browser.pc.getTransceivers()[1].receiver._RTCRtpReceiver__rtx_ssrc  # type: ignore[attr-defined]

    async def on_rtp(data: bytes, arrival_time_ms: int) -> None:
        packet = RtpPacket.parse(data)
        if packet.ssrc in ssrc:
            came.add(int.from_bytes(packet.payload[:2], "big"))
        elif packet.ssrc in ssrc.values():
            came.add(packet.sequence_number)
        await handle(data, arrival_time_ms=arrival_time_ms)

    browser.dtls._handle_rtp_data = on_rtp
    return came


async def test_a_narrow_link_is_followed_and_its_queue_empties() -> None:
    async with call() as (peer, browser):
        down, _ = spoil(browser, Conditions(rate_bps=150_000, delay_ms=20))
        await costly(peer, range(200))
        target_kbps = peer.stats().target_kbps
        assert target_kbps is not None and target_kbps < 140  # it began at 124 and would rise to 885
        before, queued_s = down.overflowed, []
        for begin in range(200, 300, 10):
            await costly(peer, range(begin, begin + 10))
            queued_s.append(down.queued_s(time.monotonic()))
        assert down.overflowed - before < 10
        # Of 300 ms that there is room for. A keyframe fills it for a second, so the median wanders between .01 and .16.
        assert min(queued_s) < 0.1 and np.median(queued_s) < 0.25
        assert peer._voice.dropped == 0


async def test_a_long_lossy_way_gets_second_copies_and_shows_nearly_every_picture() -> None:
    async with call() as (peer, browser):
        network = Conditions(loss=0.1, delay_ms=100)
        spoil(browser, network, network)
        await costly(peer, range(150))
        assert peer._picture_out is not None and peer._picture_out._paced is not None
        await until(lambda: bool(peer._picture_out and peer._picture_out._paced and peer._picture_out._paced.copies))
        came = arrivals_of(browser)
        await costly(peer, range(150, 300))
        first, last = sorted(came)[20], max(came)  # old ones may still be asked for again at the beginning
        assert last - first > 100
        assert len([sequence for sequence in came if sequence >= first]) > 0.95 * (last - first)  # a tenth is lost


async def test_a_link_that_is_cut_for_a_second_comes_back() -> None:
    async with call() as (peer, browser):
        down, up = spoil(browser, Conditions(delay_ms=20), Conditions(delay_ms=20))
        await costly(peer, range(50))
        down.conditions = up.conditions = Conditions(loss=1.0)
        await costly(peer, range(50, 75))
        down.conditions = up.conditions = Conditions(delay_ms=20)
        await costly(peer, range(75, 200))
        assert newest(browser) > 125
        assert peer.stats().rtt_ms is not None


async def test_a_microphone_on_a_bad_network_is_heard_whole_and_without_clicks() -> None:
    heard: list[NDArray[np.int16]] = []
    async with call(samples=speech(6.0), on_voice=lambda samples, *_: heard.append(samples)) as (peer, browser):
        spoil(browser, Conditions(), Conditions(loss=0.1, delay_ms=20, jitter_ms=60))
        await asyncio.sleep(7.0)
        voice = np.concatenate(heard)
        assert peer.stats().voice_lost > 0
        assert voice.size > 48_000 * 6.0
        assert clicks(voice) <= 3
