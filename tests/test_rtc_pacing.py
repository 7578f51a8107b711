"""Packets spread over time, lost ones sent again within bounds, second copies on long lossy ways."""

from __future__ import annotations

import asyncio
import struct
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiortc.rtp import HeaderExtensionsMap, RtpPacket

from visavis_server.rtc.pacing import AGAIN_BURST_BYTES, PacedTransport, Pacer
from visavis_server.rtc.repairs import copies_worth_sending, keyframe_spacing_s

pytestmark = pytest.mark.unit


def packet(sequence: int, size_bytes: int = 1000) -> bytes:
    return RtpPacket(
        payload_type=97, sequence_number=sequence, timestamp=9, ssrc=5, payload=bytes(size_bytes)
    ).serialize(HeaderExtensionsMap())


class Wire:
    """The real transport's place: notes what is sent, and when."""

    state = "connected"

    def __init__(self) -> None:
        self.sent: list[tuple[float, bytes]] = []

    async def _send_rtp(self, data: bytes) -> None:
        self.sent.append((time.monotonic(), data))


def stand(rate_bps: int | None, rtx: int | None = 98) -> tuple[PacedTransport, Wire, list[tuple[int | None, int]]]:
    wire, counted = Wire(), []
    sender = SimpleNamespace(
        _RTCRtpSender__rtp_header_extensions_map=HeaderExtensionsMap(),
        _RTCRtpSender__rtx_payload_type=rtx,
        _RTCRtpSender__rtx_sequence_number=0xFFFF,
        _rtx_ssrc=6,
    )
    paced = PacedTransport(sender, wire, lambda: rate_bps, lambda *facts: counted.append(facts))
    return paced, wire, counted


def test_the_line_moves_at_its_rate_and_small_bursts_pass() -> None:
    pacer = Pacer()
    assert pacer.wait_s(100, 1_000_000, 10.0) == 0.0
    assert pacer.wait_s(1200, 1_000_000, 10.0) == pytest.approx(0.0104)
    assert pacer.wait_s(1200, 1_000_000, 10.0) == pytest.approx(0.02)
    assert pacer.wait_s(1200, 1_000_000, 11.0) == pytest.approx(0.0096)


async def test_a_keyframe_is_not_one_burst() -> None:
    paced, wire, _ = stand(400_000)
    for n in range(15):  # 15 kB at 2.5 times 400 kbit/s: 120 ms
        await paced._send_rtp(packet(n))
    assert [struct.unpack_from("!H", data, 2)[0] for _, data in wire.sent] == list(range(15))
    assert wire.sent[-1][0] - wire.sent[0][0] > 0.09
    assert paced.state == "connected"  # all else is the real transport's


async def test_a_lost_packet_comes_again_once_a_round_trip_in_its_own_stream() -> None:
    paced, wire, counted = stand(4_000_000)
    await paced._send_rtp(packet(700))
    assert await paced.send_again([700], 0.1)
    assert await paced.send_again([700, 700], 0.1)
    assert len(wire.sent) == 2
    again = RtpPacket.parse(wire.sent[1][1], HeaderExtensionsMap())
    assert (again.ssrc, again.payload_type, again.sequence_number, again.timestamp) == (6, 98, 0xFFFF, 9)
    assert again.payload == struct.pack("!H", 700) + bytes(1000)
    assert counted == [(700, 1012), (None, 1012)]
    await asyncio.sleep(0.13)
    await paced.send_again([700], 0.1)
    assert RtpPacket.parse(wire.sent[2][1], HeaderExtensionsMap()).sequence_number == 0


async def test_without_a_second_stream_the_packet_itself_is_repeated() -> None:
    paced, wire, _ = stand(None, rtx=None)
    await paced._send_rtp(packet(3))
    await paced.send_again([3], None)
    assert wire.sent[0][1] == wire.sent[1][1]


async def test_repeating_cannot_flood_a_narrow_link() -> None:
    paced, wire, _ = stand(100_000)
    paced._rate_bps = lambda: None  # first sent at once
    for n in range(100):
        await paced._send_rtp(packet(n))
    paced._rate_bps = lambda: 100_000
    await paced.send_again(range(100), 0.0)
    repeated = sum(len(data) for _, data in wire.sent[100:])
    assert 0 < repeated <= max(AGAIN_BURST_BYTES, 0.5 * 0.5 * 100_000 / 8)
    await asyncio.sleep(0.4)
    before = len(wire.sent)
    await paced._send_rtp(packet(100))
    assert before + 1 + 1 <= len(wire.sent) <= before + 1 + 5  # 50 kbit/s allow two or so by now, unasked


async def test_what_is_no_longer_kept_asks_for_a_whole_picture() -> None:
    paced, _, _ = stand(None)
    await paced._send_rtp(packet(1))
    assert await paced.send_again([1], None)
    assert not await paced.send_again([2], None)
    assert paced.too_late == 1


async def test_what_was_sent_before_a_new_beginning_is_never_sent_again() -> None:
    paced, wire, _ = stand(None)
    paced.copies = 1
    for n in (0xFFFE, 0xFFFF):
        await paced._send_rtp(packet(n))
    await asyncio.sleep(0.04)
    paced.begin_anew()
    await paced._send_rtp(packet(0))
    assert await paced.send_again([0xFFFE, 0xFFFF, 0], None)  # no whole picture is asked for: one comes
    numbers = [struct.unpack_from("!H", data, 2)[0] for _, data in wire.sent[:3]]
    assert numbers == [0xFFFE, 0xFFFF, 0]
    assert [data[-1002:-1000] for _, data in wire.sent[3:]] == [struct.pack("!H", 0)]


async def test_second_copies_go_out_with_the_next_picture() -> None:
    paced, wire, _ = stand(None)
    paced.copies = 1
    for n in (1, 2):
        await paced._send_rtp(packet(n))
    assert len(wire.sent) == 2
    await asyncio.sleep(0.04)
    await paced._send_rtp(packet(3))
    parsed: list[Any] = [RtpPacket.parse(data, HeaderExtensionsMap()) for _, data in wire.sent]
    assert [p.ssrc for p in parsed] == [5, 5, 6, 6, 5]
    assert [p.payload[:2] for p in parsed[2:4]] == [b"\0\1", b"\0\2"]


def test_packets_go_twice_only_where_asking_again_takes_long() -> None:
    assert copies_worth_sending(0, 0.05, 0.24) == 1
    assert copies_worth_sending(0, 0.10, 0.24) == 2
    assert copies_worth_sending(2, 0.05, 0.24) == 2  # once begun it goes on a little longer
    assert copies_worth_sending(0, 0.05, 0.04) == 0
    assert copies_worth_sending(0, 0.001, 0.6) == 0
    assert copies_worth_sending(1, 0.006, 0.1) == 1
    assert copies_worth_sending(0, 0.006, 0.1) == 0


def test_keyframes_follow_only_when_the_last_one_can_have_come() -> None:
    assert keyframe_spacing_s(2_000, 2_000_000, None) == pytest.approx(0.4)
    assert keyframe_spacing_s(5_000, 100_000, 0.3) == pytest.approx(1.1)
    assert keyframe_spacing_s(90_000, 60_000, 0.3) == pytest.approx(1.5)  # nobody waits for ever
