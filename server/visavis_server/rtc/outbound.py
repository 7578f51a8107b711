"""Sends one track, pictures or voice: says when each sample was meant, and reads what the receiver reports.

Stands in for four methods of an aiortc sender; packets and encryption stay aiortc's. Knows nothing of sessions.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from aiortc import RTCRtpSender
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpsender import RTCEncodedFrame
from aiortc.rtp import AnyRtcpPacket, RtcpPsfbPacket, RtcpReceiverInfo, RtcpRrPacket, RtcpSrPacket

from visavis_server.rtc.media_clock import MediaClock
from visavis_server.rtc.stats import RateMeter

REPORTS_KEPT = 32


class Outbound(ABC):
    """What pictures and voice have in common: sender reports from the media clock, loss and round-trip time."""

    def __init__(self, sender: RTCRtpSender, clock: MediaClock, rate_hz: int) -> None:
        self._sender: Any = sender  # private names are used; aiortc_patches checks that they exist
        self._clock = clock
        self._rate_hz = rate_hz
        self._last_timestamp: int | None = None
        self._origin: int | None = None
        self._reports: OrderedDict[int, float] = OrderedDict()
        self._answered = 0
        self._send_plain: Callable[[list[AnyRtcpPacket]], Awaitable[None]] = sender._send_rtcp
        self._handle_plain: Callable[[AnyRtcpPacket], Awaitable[None]] = sender._handle_rtcp_packet
        self.meter = RateMeter()
        self.loss: float | None = None
        self.rtt_s: float | None = None

    async def next_encoded_frame(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        """What aiortc sends next; called when everything before has been sent."""
        if self._last_timestamp is not None and self._origin is None:
            sent_timestamp: int = self._sender._RTCRtpSender__rtp_timestamp
            self._origin = (sent_timestamp - self._last_timestamp) & 0xFFFFFFFF
        encoded = await self._encoded(codec)
        if encoded is not None:
            encoded.timestamp &= 0xFFFFFFFF
            self._last_timestamp = encoded.timestamp
            self.meter.add(sum(map(len, encoded.payloads)), time.monotonic())
        return encoded

    @abstractmethod
    def release(self) -> None:
        """Drop the encoder now: aiortc's objects point at each other and wait for the garbage collector."""
        ...

    @abstractmethod
    async def _encoded(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None: ...

    async def send_rtcp(self, packets: list[AnyRtcpPacket]) -> None:
        """Send reports whose NTP and RTP times belong together by the media clock; none before the first sample."""
        now_s = time.monotonic()
        for packet in packets:
            if isinstance(packet, RtcpSrPacket):
                media_s = self._clock.media_s(now_s)
                if media_s is None or self._origin is None:
                    return
                ntp = self._clock.ntp(now_s)
                packet.sender_info.ntp_timestamp = ntp
                packet.sender_info.rtp_timestamp = (self._origin + round(media_s * self._rate_hz)) & 0xFFFFFFFF
                self._reports[(ntp >> 16) & 0xFFFFFFFF] = now_s
                while len(self._reports) > REPORTS_KEPT:
                    self._reports.popitem(last=False)
        await self._send_plain(packets)

    async def handle_rtcp(self, packet: AnyRtcpPacket) -> None:
        """Take a report or request of the receiver, then let aiortc do what is left (retransmissions)."""
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            for report in packet.reports:
                if report.ssrc == self._sender._ssrc:
                    self._on_report(report)
        elif isinstance(packet, RtcpPsfbPacket):
            self._on_feedback(packet)
        await self._handle_plain(packet)

    def _on_report(self, report: RtcpReceiverInfo) -> None:
        self.loss = report.fraction_lost / 256
        sent_s = self._reports.get(report.lsr)
        if sent_s is not None and report.lsr != self._answered:  # whoever reports often answers the same one again
            self._answered = report.lsr
            now_s = time.monotonic()
            rtt_s = max(0.0, now_s - sent_s - report.dlsr / 65536)
            self.rtt_s = rtt_s if self.rtt_s is None else 0.8 * self.rtt_s + 0.2 * rtt_s
            self._on_round_trip(rtt_s, now_s)

    def _on_round_trip(self, rtt_s: float, now_s: float) -> None:  # noqa: B027 - only pictures make queues
        """Voice takes no notice."""

    def _on_feedback(self, packet: RtcpPsfbPacket) -> None:  # noqa: B027 - only pictures have feedback to act on
        """Voice has nothing to answer."""
