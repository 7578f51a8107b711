"""What sending pictures needs, whoever encodes them: the rate a link carries, pacing, lost packets, new beginnings.

Knows nothing of encoders or sessions.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import TYPE_CHECKING

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
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    unpack_remb_fci,
)

from visavis_server.rtc.bitrate import BitrateController, BitrateLimits
from visavis_server.rtc.collapse import CollapseWatch
from visavis_server.rtc.media_clock import MediaClock
from visavis_server.rtc.outbound import Outbound
from visavis_server.rtc.pacing import PacedTransport
from visavis_server.rtc.picture_steps import PictureSteps
from visavis_server.rtc.reception import QueueWatch, ReceptionReader
from visavis_server.rtc.repairs import LEAST_EACH_BPS, copies_worth_sending

if TYPE_CHECKING:
    from visavis_server.tracing.window_trace import FrameTrace

SOME_MISSING = 0.15
MISSING_KNOWN_S = 1.5
LOSS_KNOWN_S = 4.0
"""So long after the first report nobody knows what this link always loses."""
MUCH_MISSING = 0.6
"""Of the packets of half a second: the link has become narrower all at once, or was gone."""
DOUBT_S = 20.0
"""Where packets overtake one another, they are asked for although they come; then only reports are believed."""
REPORT_SPACING_S = 0.25


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
        self._collapse = CollapseWatch()
        self._ages = QueueWatch()
        self._rate_before_bps = 0
        self._paced: PacedTransport | None = None
        self._reported_at_s = 0.0
        self._doubted_until_s = 0.0
        self._most_missing = self._most_missing_at_s = 0.0
        self._deep_cut_at_s = -MISSING_KNOWN_S
        self._first_reception_s: float | None = None
        self._sending: tuple[FrameTrace, str, float] | None = None
        """Of the picture that is being sent, where its window is traced: its trace, to whom, and since when."""
        self._left_s = 0.0

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

    @abstractmethod
    def start_over(self) -> None:
        """The next picture that may be sent is to be a whole one, however short the last was ago."""
        ...

    async def next_encoded_frame(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        """See `Outbound`."""
        if self._paced is None:  # the transport is settled once sending has begun
            plain = self._sender._RTCRtpSender__transport
            self._paced = PacedTransport(self._sender, plain, lambda: self.target_bps, self._on_sent)
            self._sender._RTCRtpSender__transport = self._paced
        self._note_sent()
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
                if self._goes_on_anew(estimate_bps, now_s):
                    return
                cuts = self._controller.deep_cuts
                self._controller.on_estimate(estimate_bps, self.meter.bps(now_s) or 0, now_s)
                self._begin_anew(cuts, now_s)

    def _on_report(self, report: RtcpReceiverInfo) -> None:
        super()._on_report(report)
        now_s = time.monotonic()
        age_s = self._reception.age_s(report.highest_sequence, now_s)
        if age_s is not None:
            self._ages.measured(age_s, now_s)
        reception = self._reception.reported(report.highest_sequence, report.packets_lost, now_s)
        if self.holding and self._controller is not None:
            through_bps = self._reception.through_bps(self._collapse.found_at_s)
            if through_bps is not None:
                rate_bps = self._collapse.drained(through_bps, self._ages.newest_s, now_s)
                self._controller.narrowed(min(self._rate_before_bps, rate_bps), now_s)
        elif reception is not None:
            if self._first_reception_s is None:
                self._first_reception_s = now_s
            self.loss = reception.loss
            if reception.delivered_bps is not None and self._goes_on_anew(reception.delivered_bps, now_s):
                return
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
        first_s = self._first_reception_s
        known = first_s is not None and now_s - first_s > LOSS_KNOWN_S
        return known and now_s > self._doubted_until_s and inherent_loss < SOME_MISSING / 3

    @property
    def holding(self) -> bool:
        """No pictures may be sent now: the link has become much narrower, and its queue is waited for."""
        return self._collapse.holding(time.monotonic())

    def _goes_on_anew(self, through_bps: int, now_s: float) -> bool:
        """Begin anew, with a small whole picture, where this tells that the link has become much narrower at once."""
        if self._controller is None or self._paced is None or not self._believed(now_s):
            return False
        sent_bps = self.meter.bps(now_s) or 0
        rate_bps = self._collapse.found(through_bps, sent_bps, self._ages.newest_s, now_s)
        if rate_bps is None:
            return False
        self._rate_before_bps = self._controller.rate_bps
        self._controller.narrowed(rate_bps, now_s)
        self._paced.begin_anew()
        self._most_missing = 0.0
        self.start_over()
        return True

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

    def _note_sent(self) -> None:
        """Everything before has been sent by now."""
        if self._sending is not None:
            trace, to, begun_s = self._sending
            self._sending = None
            trace.stage("send", begun_s, max(begun_s, self._left_s), {"to": to})

    def _on_sent(self, sequence: int | None, size_bytes: int) -> None:
        self._left_s = now_s = time.monotonic()
        self._reception.sent(sequence, size_bytes, now_s)
        if sequence is None:
            self.meter.add(size_bytes, now_s)

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
