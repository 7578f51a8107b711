"""The server's own sending (encoder, pacing, rate, repetition) over a bad link to a modelled player, in virtual time.

What this machine does meanwhile changes nothing: time goes on only when nothing is left to be done, so a figure is the
same on any machine. The player asks for lost packets and reports as browsers do (aiortc's port of their estimator), and
shows a picture once it and all before it are whole. Knows nothing of sessions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np
from aiortc import RTCRtpSender, clock
from aiortc.rate import RemoteBitrateEstimator
from aiortc.rtcrtpparameters import (
    RTCRtcpParameters,
    RTCRtpCodecParameters,
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
from network_figures import NTP_TO_UNIX_MS
from network_link import Link
from numpy.typing import NDArray

from visavis_server.media import Published
from visavis_server.rtc.bitrate import BitrateLimits
from visavis_server.rtc.media_clock import MediaClock
from visavis_server.rtc.outbound import PictureOutbound, VoiceOutbound
from visavis_server.rtc.tracks import PictureTrack, VoiceTrack

HEADERS_BYTES = 38
"""UDP, IP and the SRTP tag."""
NACK_EVERY_S = 0.1
NACK_TRIES = 10
STUCK_S = 3.0
PLI_SPACING_S = 0.5
REPORT_S = 1.0
FREEZE_S = 0.04 + 0.15
"""As Chromium counts: longer than a picture and 150 ms."""
EXTENSIONS = [RTCRtpHeaderExtensionParameters(2, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time")]


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to what is due next; executors run at once."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 1000.0
        plain: Callable[[float | None], Any] = self._selector.select  # type: ignore[attr-defined]

        def select(timeout: float | None = None) -> Any:
            events = plain(0)
            if not events and timeout:
                self._now_s += timeout
            return events

        self._selector.select = select  # type: ignore[attr-defined]

    def time(self) -> float:
        """Virtual seconds."""
        return self._now_s

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Runs it here and now: in virtual time it takes none."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def virtual_time(loop: VirtualLoop) -> Any:
    """Everybody's clocks are the loop's."""
    with mock.patch.object(time, "monotonic", loop.time), mock.patch.object(time, "time", loop.time):  # noqa: SIM117
        with mock.patch.object(clock, "current_ntp_time", lambda: int(loop.time() * 2**32)):
            yield


class Wire:
    """What a sender takes for its transport: packets reach the player as the link lets them."""

    state = "connected"
    _stats_id = "wire"

    def __init__(self, link: Link, take: Callable[[bytes], None]) -> None:
        self._link = link
        self._take = take

    def _register_rtp_sender(self, *_: Any) -> None: ...

    def _unregister_rtp_sender(self, *_: Any) -> None: ...

    async def _send_rtp(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        at_s = self._link.carry(len(data) + HEADERS_BYTES, loop.time())
        if at_s is not None:
            loop.call_at(at_s, self._take, data)


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
            lsr, heard_s = self._last_report or (0, self._loop.time())
            held = int(65536 * (self._loop.time() - heard_s))
            stats, highest = self._stats, self._stats.max_seq
            if highest is not None:
                info = RtcpReceiverInfo(self.ssrc, stats.fraction_lost, stats.packets_lost, highest, 0, lsr, held)
                self._send(RtcpRrPacket(ssrc=1, reports=[info]))

    def _send(self, packet: Any) -> None:
        at_s = self.up.carry(60, self._loop.time())
        if at_s is not None:
            self._loop.call_at(at_s, self._arrive, packet)

    def _arrive(self, packet: Any) -> None:
        task = asyncio.ensure_future(self.tell(packet))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _begins_keyframe(packet: RtpPacket) -> bool:
    kind = packet.payload[0] & 0x1F if packet.payload else 0
    return kind == 7 or (kind == 24 and len(packet.payload) > 3 and packet.payload[3] & 0x1F == 7)


@dataclass(slots=True)
class VirtualCall:
    """A call that is under way; `played_s` seconds of it."""

    out: PictureOutbound
    player: Player
    down: Link
    up: Link
    targets_bps: list[int] = field(default_factory=list)

    def readings(self) -> list[dict[str, Any]]:
        """What happened as a browser would have told it 10 times a second (network_figures.py)."""
        player, made = self.player, []
        shown, lags, got = player.shown, player.voice_lags_s, player.received
        end_s = max([player.begun_s, *(one.at_s for one in shown[-1:]), *(at_s for at_s, _ in got[-1:])])
        times_s = np.arange(player.begun_s, end_s, 0.1)
        at_s = np.array([one.at_s for one in shown])
        gaps_s = np.diff(at_s) if at_s.size else np.zeros(0)
        frozen = gaps_s > FREEZE_S
        received_s, sizes = np.array([at_s for at_s, _ in got]), np.cumsum([size for _, size in got])
        for now_s in times_s:
            reading: dict[str, Any] = {"at_ms": 1000 * now_s}
            count = int(np.searchsorted(at_s, now_s, "right"))
            if count:
                until = max(0, count - 1)
                heard = [lag_s for voice_s, lag_s in lags if now_s - 1.0 <= voice_s <= now_s]
                lag_s = at_s[count - 1] - player.begun_s - shown[count - 1].pts_s
                lag_s += max(0.0, now_s - at_s[count - 1] - 0.04)  # a picture that stands grows old
                played_ms = 1000 * (now_s - lag_s) + NTP_TO_UNIX_MS
                reading["video"] = {
                    "framesDecoded": count,
                    "bytesReceived": int(sizes[np.searchsorted(received_s, now_s, "right") - 1]),
                    "freezeCount": int(frozen[:until].sum()),
                    "totalFreezesDuration": float(gaps_s[:until][frozen[:until]].sum()),
                    "estimatedPlayoutTimestamp": played_ms,
                    "frameWidth": (self.out.size_px or (0, 0))[0],
                    "keyFramesDecoded": self.out.keyframes,
                }
                if heard:
                    voice_ms = 1000 * (now_s - float(np.percentile(heard, 90))) + NTP_TO_UNIX_MS
                    reading["audio"] = {"estimatedPlayoutTimestamp": voice_ms}
            made.append(reading)
        return made


async def play(
    pictures: list[NDArray[np.uint8]],
    voice: NDArray[np.int16],
    seconds: float,
    down: Link,
    up: Link,
    on_tick: Callable[[float], None] = lambda _: None,
    limits: BitrateLimits | None = None,
) -> VirtualCall:
    """Send these pictures (again and again) and this voice (int16 at 48 kHz) for so long.

    Runs within `virtual_time`; `on_tick` is called with the seconds since the beginning, 25 times a second.
    """
    loop = asyncio.get_running_loop()
    media, executor = MediaClock(), ThreadPoolExecutor(1)
    picture_track, voice_track = PictureTrack(), VoiceTrack()

    async def tell(packet: Any) -> None:
        await out.handle_rtcp(packet)

    player = Player(up, tell)
    picture_sender: Any = RTCRtpSender(picture_track, Wire(down, player.take_video))  # type: ignore[arg-type]
    voice_sender: Any = RTCRtpSender(voice_track, Wire(down, player.take_voice))  # type: ignore[arg-type]
    out = PictureOutbound(picture_sender, picture_track, media, executor, limits or BitrateLimits())
    voice_out = VoiceOutbound(voice_sender, voice_track, media, executor)
    for sender, outbound in ((picture_sender, out), (voice_sender, voice_out)):
        sender._next_encoded_frame, sender._send_rtcp = outbound.next_encoded_frame, outbound.send_rtcp
    player.ssrc, player.rtx_ssrc = picture_sender._ssrc, picture_sender._rtx_ssrc
    h264 = RTCRtpCodecParameters("video/H264", 90_000, payloadType=102)
    rtx = RTCRtpCodecParameters("video/rtx", 90_000, payloadType=103, parameters={"apt": 102})
    opus = RTCRtpCodecParameters("audio/opus", 48_000, 2, 96)
    rtcp = RTCRtcpParameters(cname="virtual")
    await picture_sender.send(RTCRtpSendParameters([h264, rtx], EXTENSIONS, "1", rtcp))
    await voice_sender.send(RTCRtpSendParameters([opus], EXTENSIONS, "0", rtcp))
    call = VirtualCall(out, player, down, up)
    player.begun_s = begun_s = loop.time()
    for index in range(round(25 * seconds)):
        await asyncio.sleep(max(0.0, begun_s + 0.04 * index - loop.time()))
        on_tick(0.04 * index)
        heard = np.take(voice, np.arange(1920 * index, 1920 * (index + 1)), mode="wrap")
        item = Published(index, pictures[index % len(pictures)], heard, False, 0)
        media.tick(index, loop.time(), loop.time())
        picture_track.put(item)
        voice_track.put(item)
        player.origin, player.voice_origin = out._origin, voice_out._origin
        call.targets_bps.append(out.target_bps or 0)
    player.close()
    picture_track.stop()
    voice_track.stop()
    await asyncio.gather(picture_sender.stop(), voice_sender.stop())
    executor.shutdown()
    return call


def run(work: Callable[[], Any]) -> Any:
    """Run a coroutine in virtual time."""
    loop = VirtualLoop()
    try:
        with virtual_time(loop):
            return loop.run_until_complete(work())
    finally:
        loop.close()
