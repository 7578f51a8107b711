"""A player as browsers are, modelled: reports, asks for what is lost, shows pictures once all before them are whole.

Knows nothing of the sender it listens to, or of time that is not real.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiortc.rate import RemoteBitrateEstimator
from aiortc.rtcrtpparameters import (
    RTCRtpHeaderExtensionParameters,
    RTCRtpSendParameters,
)
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    HeaderExtensionsMap,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
    RtpPacket,
    is_rtcp,
    pack_remb_fci,
)
from network_link import Link

NACK_EVERY_S = 0.1
NACK_TRIES = 10
STUCK_S = 3.0
PLI_SPACING_S = 0.5
REPORT_S = 1.0
FREEZE_S = 0.04 + 0.15
"""As Chromium counts: longer than a picture and 150 ms."""
EXTENSIONS = [RTCRtpHeaderExtensionParameters(2, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time")]


@dataclass(slots=True)
class Shown:
    """A picture on screen."""

    at_s: float
    pts_s: float


@dataclass
class Player:
    """The far side. `up` carries what it sends; `tell` hands that to the sender of pictures."""

    up: Link
    tell: Callable[[Any], Any]
    ssrc: int = 0
    rtx_ssrc: int = 0
    origin: int | None = None
    shown: list[Shown] = field(default_factory=list)
    voice_lags_s: list[tuple[float, float]] = field(default_factory=list)
    received: list[tuple[float, int]] = field(default_factory=list)
    plis: int = 0

    def __post_init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._map = HeaderExtensionsMap()
        self._map.configure(RTCRtpSendParameters(headerExtensions=EXTENSIONS))
        self._estimator, self._stats = RemoteBitrateEstimator(), StreamStatistics(90_000)
        self._packets: dict[int, RtpPacket] = {}
        self._next: int | None = None
        self._highest: int | None = None
        self._missing: dict[int, list[float]] = {}
        self._last_report: tuple[int, float] | None = None
        self._shown_s = self._asked_s = self._loop.time()
        self._reporting = [asyncio.create_task(self._report()), asyncio.create_task(self._chase())]
        self._tasks: set[asyncio.Task[Any]] = set()

    def close(self) -> None:
        """Stop."""
        for task in self._reporting:
            task.cancel()

    def take_video(self, data: bytes) -> None:
        """One packet of pictures, or a report on them."""
        now_s = self._loop.time()
        if is_rtcp(data):
            for report in RtcpPacket.parse(data):
                if isinstance(report, RtcpSrPacket):
                    self._last_report = report.sender_info.ntp_timestamp >> 16 & 0xFFFFFFFF, now_s
            return
        packet = RtpPacket.parse(data, self._map)
        self.received.append((now_s, len(data)))
        estimate = self._estimator.add(
            int(1000 * now_s), packet.extensions.abs_send_time or 0, len(packet.payload), self.ssrc
        )
        if estimate is not None:
            fci = pack_remb_fci(estimate[0], [self.ssrc])
            self._send(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=fci))
        if packet.ssrc == self.rtx_ssrc:
            packet.sequence_number = int.from_bytes(packet.payload[:2], "big")
            packet.payload = packet.payload[2:]
        else:
            self._stats.add(packet)
        self._note(packet, now_s)

    def take_voice(self, data: bytes) -> None:
        """One packet of voice."""
        if not is_rtcp(data):
            packet = RtpPacket.parse(data, self._map)
            if self.voice_origin is not None:
                pts_s = ((packet.timestamp - self.voice_origin) & 0xFFFFFFFF) / 48_000
                self.voice_lags_s.append((self._loop.time(), self._loop.time() - self.begun_s - pts_s))

    voice_origin: int | None = None
    begun_s: float = 0.0

    def _note(self, packet: RtpPacket, now_s: float) -> None:
        sequence = packet.sequence_number
        if self._highest is None:
            self._highest = (sequence - 1) & 0xFFFF
            self._next = sequence
        ahead = (sequence - self._highest) & 0xFFFF
        if 0 < ahead < 0x8000:
            for n in range(1, ahead):
                self._missing[(self._highest + n) & 0xFFFF] = [0.0, 0.0]
            self._highest = sequence
            if ahead > 1:
                self._ask(now_s)
        self._missing.pop(sequence, None)
        assert self._next is not None
        if (sequence - self._next) & 0xFFFF < 0x8000:
            self._packets[sequence] = packet
            self._show(now_s)

    def _show(self, now_s: float) -> None:
        """Every picture that is whole, in order; a whole keyframe may be jumped to."""
        assert self._next is not None
        while (end := self._whole(self._next)) is not None:
            self._emit(end, now_s)
        for start in sorted(self._packets, key=lambda s: (s - (self._next or 0)) & 0xFFFF):
            if _begins_keyframe(self._packets[start]) and (end := self._whole(start)) is not None:
                for sequence in list(self._packets):
                    if (start - sequence) & 0xFFFF < 0x8000 and sequence != start:
                        del self._packets[sequence]
                self._missing = {s: tries for s, tries in self._missing.items() if (s - start) & 0xFFFF < 0x8000}
                self._next = start
                self._emit(end, now_s)
                self._show(now_s)
                return

    def _whole(self, start: int) -> int | None:
        """The last packet of the picture that begins here, if all of it is here (and it is a keyframe, at first)."""
        packet = self._packets.get(start)
        if packet is None or (not self.shown and not _begins_keyframe(packet)):
            return None
        sequence = start
        while (packet := self._packets.get(sequence)) is not None:
            if packet.marker:
                return sequence
            sequence = (sequence + 1) & 0xFFFF
        return None

    def _emit(self, end: int, now_s: float) -> None:
        assert self._next is not None
        packet = self._packets[end]
        while self._next != (end + 1) & 0xFFFF:
            self._packets.pop(self._next, None)
            self._next = (self._next + 1) & 0xFFFF
        if self.origin is not None:
            self.shown.append(Shown(now_s, ((packet.timestamp - self.origin) & 0xFFFFFFFF) / 90_000))
        self._shown_s = now_s

    def _ask(self, now_s: float) -> None:
        due = [s for s, (asked_s, tries) in self._missing.items() if now_s - asked_s >= NACK_EVERY_S]
        for sequence in due:
            self._missing[sequence] = [now_s, self._missing[sequence][1] + 1]
            if self._missing[sequence][1] > NACK_TRIES:
                del self._missing[sequence]
                self._ask_keyframe(now_s)
        if due:
            self._send(RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=self.ssrc, lost=due))

    def _ask_keyframe(self, now_s: float) -> None:
        if now_s - self._asked_s >= PLI_SPACING_S:
            self._asked_s = now_s
            self.plis += 1
            self._send(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=self.ssrc))

    async def _chase(self) -> None:
        while True:
            await asyncio.sleep(0.02)
            now_s = self._loop.time()
            self._ask(now_s)
            if now_s - self._shown_s > (STUCK_S if self.shown else 0.3):
                self._ask_keyframe(now_s)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            self._send()

    def _send(self, *packets: Any) -> None:
        """Whatever is sent begins with a report: browsers do so unless reports of reduced size are agreed on."""
        lsr, heard_s = self._last_report or (0, self._loop.time())
        held = int(65536 * (self._loop.time() - heard_s))
        stats, highest = self._stats, self._stats.max_seq
        if highest is not None:
            info = RtcpReceiverInfo(self.ssrc, stats.fraction_lost, stats.packets_lost, highest, 0, lsr, held)
            packets = (RtcpRrPacket(ssrc=1, reports=[info]), *packets)
        at_s = self.up.carry(40 + 40 * len(packets), self._loop.time())
        if at_s is not None and packets:
            self._loop.call_at(at_s, self._arrive, packets)

    def _arrive(self, packets: tuple[Any, ...]) -> None:
        task = asyncio.ensure_future(self._tell_all(packets))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell_all(self, packets: tuple[Any, ...]) -> None:
        for packet in packets:
            await self.tell(packet)


def _begins_keyframe(packet: RtpPacket) -> bool:
    kind = packet.payload[0] & 0x1F if packet.payload else 0
    return kind == 7 or (kind == 24 and len(packet.payload) > 3 and packet.payload[3] & 0x1F == 7)
