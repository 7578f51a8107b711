"""The server's own sending (encoder, pacing, rate, repetition) over a bad link to a modelled player, in virtual time.

What this machine does meanwhile changes nothing: time goes on only when nothing is left to be done, so a figure is the
same on any machine. The player asks for lost packets and reports as browsers do (aiortc's port of their estimator), and
shows a picture once it and all before it are whole. Knows nothing of sessions.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np
from aiortc import RTCRtpSender, clock, rtcrtpsender
from aiortc.rtcrtpparameters import (
    RTCRtcpParameters,
    RTCRtpCodecParameters,
    RTCRtpSendParameters,
)
from network_figures import NTP_TO_UNIX_MS
from network_link import Link
from network_player import (
    EXTENSIONS,
    FREEZE_S,
    Player,
)
from numpy.typing import NDArray

from visavis_server.media import Published
from visavis_server.rtc.bitrate import BitrateLimits
from visavis_server.rtc.media_clock import MediaClock
from visavis_server.rtc.picture_outbound import PictureOutbound
from visavis_server.rtc.tracks import PictureTrack, VoiceTrack
from visavis_server.rtc.voice_outbound import VoiceOutbound

HEADERS_BYTES = 38
"""UDP, IP and the SRTP tag."""


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
    """Everybody's clocks are the loop's, and aiortc's dice the same each time."""
    dice = random.Random(3)
    with ExitStack() as patches:
        for owner, name, instead in (
            (time, "monotonic", loop.time),
            (time, "time", loop.time),
            (clock, "current_ntp_time", lambda: int(loop.time() * 2**32)),
            (rtcrtpsender, "random", dice),
            (rtcrtpsender, "random16", lambda: dice.getrandbits(16)),
            (rtcrtpsender, "random32", lambda: dice.getrandbits(32)),
        ):
            patches.enter_context(mock.patch.object(owner, name, instead))
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
