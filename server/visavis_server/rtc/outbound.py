"""Sends one track: encodes what is published, answers the receiver's reports, and says when each sample was meant.

Stands in for four methods of an aiortc sender; packets, retransmissions and encryption stay aiortc's. Knows nothing
of sessions.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any

import av
from aiortc import RTCRtpSender
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcrtpsender import RTCEncodedFrame
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    unpack_remb_fci,
)

from visavis_server.media import Published
from visavis_server.rtc.bitrate import BitrateController, BitrateLimits
from visavis_server.rtc.encoders import H264Encoder, PictureEncoder, Vp8Encoder
from visavis_server.rtc.fitting import FittedFrames
from visavis_server.rtc.layouts import Layout, frame_size_px, frames_of
from visavis_server.rtc.media_clock import MediaClock
from visavis_server.rtc.pacing import PacedTransport
from visavis_server.rtc.picture_steps import PictureSteps
from visavis_server.rtc.reception import QueueWatch, ReceptionReader
from visavis_server.rtc.repairs import LEAST_EACH_BPS, copies_worth_sending, keyframe_spacing_s
from visavis_server.rtc.stats import RateMeter
from visavis_server.rtc.tracks import PictureTrack

logger = logging.getLogger(__name__)

SOME_MISSING = 0.15
MISSING_KNOWN_S = 1.5
RECEPTIONS_KNOWN = 5
"""Before so many reports nobody knows what this link always loses."""
MUCH_MISSING = 0.6
"""Of the packets of half a second: the link has become narrower all at once, or was gone."""
DOUBT_S = 20.0
"""Where packets overtake one another, they are asked for although they come; then only reports are believed."""
REPORT_SPACING_S = 0.25
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
        if sent_s is not None:
            now_s = time.monotonic()
            rtt_s = max(0.0, now_s - sent_s - report.dlsr / 65536)
            self.rtt_s = rtt_s if self.rtt_s is None else 0.8 * self.rtt_s + 0.2 * rtt_s
            self._on_round_trip(rtt_s, now_s)

    def _on_round_trip(self, rtt_s: float, now_s: float) -> None:  # noqa: B027 - only pictures make queues
        """Voice takes no notice."""

    def _on_feedback(self, packet: RtcpPsfbPacket) -> None:  # noqa: B027 - only pictures have feedback to act on
        """Voice has nothing to answer."""


class PicturesOut(Outbound):
    """What sending pictures needs, whoever encodes them: what the link carries, pacing, lost packets, keyframes."""

    def __init__(self, sender: RTCRtpSender, clock: MediaClock, limits: BitrateLimits) -> None:
        super().__init__(sender, clock, 90_000)
        self._limits = limits
        self._canvas_px = (0, 0)
        self._steps = PictureSteps((0, 0))
        self._controller: BitrateController | None = None
        self._reception = ReceptionReader()
        self._queue_watch = QueueWatch()
        self._paced: PacedTransport | None = None
        self._reported_at_s = 0.0
        self._doubted_until_s = 0.0
        self._most_missing = self._most_missing_at_s = 0.0
        self._deep_cut_at_s = -MISSING_KNOWN_S
        self._receptions = 0

    def _controlled(self, canvas_px: tuple[int, int]) -> BitrateController:
        """The rate's controller, made anew when pictures of another canvas come."""
        if self._controller is None or canvas_px != self._canvas_px:
            self._canvas_px, self._steps = canvas_px, PictureSteps(canvas_px)
            self._controller = BitrateController(self._limits.scaled(*canvas_px))
        return self._controller

    @property
    def target_bps(self) -> int | None:
        """What the pictures may take now; None before the first one."""
        return None if self._controller is None else self._controller.at(time.monotonic())

    @property
    def rate_bps(self) -> int | None:
        """What an encoding may take that many share: without short dips and second copies."""
        return None if self._controller is None else round(self.share * self._controller.rate_bps)

    @abstractmethod
    def want_keyframe(self) -> None:
        """The receiver cannot go on without a whole picture."""
        ...

    async def next_encoded_frame(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        """See `Outbound`."""
        if self._paced is None:  # the transport is settled once sending has begun
            plain = self._sender._RTCRtpSender__transport
            self._paced = PacedTransport(self._sender, plain, lambda: self.target_bps, self._on_sent)
            self._sender._RTCRtpSender__transport = self._paced
        await self._report_often(time.monotonic())
        return await super().next_encoded_frame(codec)

    async def handle_rtcp(self, packet: AnyRtcpPacket) -> None:
        """See `Outbound`; lost packets are sent again here, not by aiortc."""
        if isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK and self._paced is not None:
            if not await self._paced.send_again(packet.lost, self.rtt_s):
                self.want_keyframe()
            now_s = time.monotonic()
            missing = self._paced.missing_share(now_s)
            if missing >= self._most_missing:
                self._most_missing, self._most_missing_at_s = missing, now_s
            if self._controller is not None:
                cuts = self._controller.deep_cuts
                if missing > MUCH_MISSING and self._believed(now_s):
                    self._controller.on_missing(missing, self._queue_watch.queued_s, now_s)
                self._begin_anew(cuts, now_s)
            return
        await super().handle_rtcp(packet)

    def _on_feedback(self, packet: RtcpPsfbPacket) -> None:
        if packet.fmt in (RTCP_PSFB_PLI, RTCP_PSFB_FIR):
            self.want_keyframe()
        elif packet.fmt == RTCP_PSFB_APP and self._controller is not None:
            try:
                estimate_bps, ssrcs = unpack_remb_fci(packet.fci)
            except ValueError:
                return
            if self._sender._ssrc in ssrcs:
                now_s = time.monotonic()
                cuts = self._controller.deep_cuts
                self._controller.on_estimate(estimate_bps, self.meter.bps(now_s) or 0, now_s)
                self._begin_anew(cuts, now_s)

    def _on_report(self, report: RtcpReceiverInfo) -> None:
        super()._on_report(report)
        now_s = time.monotonic()
        reception = self._reception.reported(report.highest_sequence, report.packets_lost, now_s)
        if reception is not None:
            self._receptions += 1
            self.loss = reception.loss
            if self._controller is not None:
                sent_bps = self.meter.bps(now_s) or 0
                cuts = self._controller.deep_cuts
                self._controller.on_report(reception, self._queue_watch.queued_s, sent_bps, now_s)
                self._begin_anew(cuts, now_s)
                if self._paced is not None:
                    wanted = copies_worth_sending(self._paced.copies, self._controller.inherent_loss, self.rtt_s or 0.0)
                    self._paced.copies = min(wanted, max(1, self._controller.rate_bps // LEAST_EACH_BPS - 1))
                    if reception.loss < 0.02 and self._most_missing > 0.1:
                        self._doubted_until_s = now_s + DOUBT_S
                    if now_s - self._most_missing_at_s > MISSING_KNOWN_S:
                        self._most_missing = 0.0

    @property
    def copies(self) -> int:
        """How many more times every packet is sent."""
        return 0 if self._paced is None else self._paced.copies

    @property
    def share(self) -> float:
        """How much of the rate pictures themselves may take: the rest is for copies of their packets."""
        return 1.0 / (1 + self.copies)

    def _believed(self, now_s: float) -> bool:
        """Whether what is asked for is lost, and lost because the link is full."""
        inherent_loss = 0.0 if self._controller is None else self._controller.inherent_loss
        known = self._receptions >= RECEPTIONS_KNOWN
        return known and now_s > self._doubted_until_s and inherent_loss < SOME_MISSING / 3

    def _begin_anew(self, cuts: int, now_s: float) -> None:
        """After a deep cut with losses, a small whole picture comes sooner than all that was lost of large ones."""
        if self._controller is None or self._paced is None:
            return
        if self._controller.deep_cuts != cuts:
            self._deep_cut_at_s = now_s
        if now_s - self._deep_cut_at_s > MISSING_KNOWN_S:
            return
        if max(self._most_missing, self.loss or 0.0) > SOME_MISSING and self._believed(now_s):
            self._most_missing, self._deep_cut_at_s = 0.0, -MISSING_KNOWN_S
            self._paced.forget_lost()
            self.want_keyframe()

    def _on_sent(self, sequence: int | None, size_bytes: int) -> None:
        self._reception.sent(sequence, size_bytes)
        if sequence is None:
            self.meter.add(size_bytes, time.monotonic())

    def _on_round_trip(self, rtt_s: float, now_s: float) -> None:
        self._queue_watch.measured(rtt_s, now_s)

    async def _report_often(self, now_s: float) -> None:
        """Sender reports four times a second: receivers answer with them how long packets queue on the way."""
        if self._origin is None or now_s - self._reported_at_s < REPORT_SPACING_S:
            return
        self._reported_at_s = now_s
        sender = self._sender
        counts = sender._RTCRtpSender__packet_count, sender._RTCRtpSender__octet_count
        info = RtcpSenderInfo(0, 0, *(count & 0xFFFFFFFF for count in counts))
        await self.send_rtcp([RtcpSrPacket(ssrc=sender._ssrc, sender_info=info)])


class PictureOutbound(PicturesOut):
    """The avatar's pictures: one thread converts and encodes, the newest picture wins, the rate follows the link."""

    def __init__(
        self,
        sender: RTCRtpSender,
        track: PictureTrack,
        clock: MediaClock,
        executor: Executor,
        limits: BitrateLimits,
        layout: Layout = "plain",
    ) -> None:
        super().__init__(sender, clock, limits)
        self._executor = executor
        self._track = track
        self._layout: Layout = layout
        self._frames = FittedFrames(frames_of(layout))
        self._keyframe_wanted = False
        self._keyframe_due_s = 0.0
        self._encoder: PictureEncoder | None = None
        self.size_px: tuple[int, int] | None = None
        """Of the pictures as they are sent: smaller than the canvas on a narrow link."""
        self.frames_sent = 0

    @property
    def codec(self) -> str | None:
        """H264 or VP8; None before the first picture."""
        return None if self._encoder is None else self._encoder.name

    @property
    def keyframes(self) -> int:
        """Keyframes made so far."""
        return 0 if self._encoder is None else self._encoder.keyframes

    def want_keyframe(self) -> None:
        """Make the next picture a whole one, unless one was made a moment ago."""
        self._keyframe_wanted = True

    async def _encoded(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        item = await self._track.next_item()
        canvas_px = frame_size_px(item, self._layout)
        now_s = time.monotonic()
        controller = self._controlled(canvas_px)
        target_bps, rate_bps = round(self.share * controller.at(now_s)), round(self.share * controller.rate_bps)
        step = self._steps.at(rate_bps, now_s)
        keyframe = self._keyframe_wanted and now_s >= self._keyframe_due_s
        if item.index % step.every and not keyframe:
            return None
        before, encode_bps = self.keyframes, target_bps if codec.name.upper() == "H264" else rate_bps
        payloads, timestamp, size_px = await asyncio.get_running_loop().run_in_executor(
            self._executor, self._encode, codec.name, item, step.scale, encode_bps, keyframe
        )
        if not payloads:
            return None
        self.size_px = size_px
        if self.keyframes > before:
            self._keyframe_wanted = False
            self._keyframe_due_s = now_s + keyframe_spacing_s(sum(map(len, payloads)), target_bps, self.rtt_s)
        self.frames_sent += 1
        return RTCEncodedFrame(payloads, timestamp, None)  # type: ignore[arg-type]  # aiortc's own pictures pass None

    def release(self) -> None:
        """Drop the encoder and the picture that it was at."""
        self._encoder = None
        self._frames = FittedFrames(frames_of(self._layout))

    def _encode(
        self, codec: str, item: Published, scale: float, target_bps: int, keyframe: bool
    ) -> tuple[list[bytes], int, tuple[int, int]]:
        """On the encoding thread: even to look for hardware may take long."""
        frame = self._frames.frame(item, scale)
        if frame is None:  # the first ticks after somebody asked for a matte have none yet
            return [], 0, (0, 0)
        if self._encoder is None:
            self._encoder = H264Encoder() if codec.upper() == "H264" else Vp8Encoder()
        assert frame.pts is not None
        self._encoder.ceiling_bps = self._limits.scaled(*frame_size_px(item, self._layout)).max_bps
        try:
            payloads = self._encoder.encode(frame, target_bps, keyframe=keyframe)
        except (av.FFmpegError, ValueError) as error:  # a graphics card may be lost at any time
            logger.warning("The %s encoder failed (%s); a new one is made on the CPU.", codec, error)
            self._encoder.restart()
            payloads = self._encoder.encode(frame, target_bps, keyframe=True)
        return payloads, frame.pts, (frame.width, frame.height)
