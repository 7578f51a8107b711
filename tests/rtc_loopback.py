"""A browser's side of a call for tests: real aiortc, real codecs, real sockets on this machine.

Pictures carry their tick as 12 big blocks, voice carries a tone in chosen ticks, so that what arrives can be read back.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc import RTCCertificate, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtp import RtcpPacket, RtcpSrPacket
from numpy.typing import NDArray

from visavis_server.media import Published
from visavis_server.rtc import Peer

BITS = 12
TONE_HZ = 1000.0
TICK_S = 0.040


def painted(index: int, size_px: int = 320) -> NDArray[np.uint8]:
    """A picture (size, size, 3) whose upper blocks spell `index` in binary, over a moving gradient."""
    across = np.arange(size_px, dtype=np.int32)
    wave = (96 + 40 * np.sin(2 * np.pi * (across + 5 * index) / size_px)).astype(np.uint8)
    picture = np.repeat(np.broadcast_to(wave, (size_px, size_px))[:, :, None], 3, axis=2).copy()
    block = size_px // 4
    for bit in range(BITS):
        row, column = divmod(bit, 4)
        lit = 255 if index >> bit & 1 else 0
        picture[row * block : (row + 1) * block, column * block : (column + 1) * block] = lit
    return picture


def read_index(picture: NDArray[np.uint8]) -> int:
    """The number that `painted` wrote, from a decoded picture of any size."""
    block = picture.shape[0] // 4
    index = 0
    for bit in range(BITS):
        row, column = divmod(bit, 4)
        y, x = row * block + block // 4, column * block + block // 4
        index |= int(picture[y : y + block // 2, x : x + block // 2].mean() > 128) << bit
    return index


def voice_of(index: int, *, tone: bool) -> NDArray[np.int16]:
    """40 ms at 48 kHz: a tone that begins with the tick, or silence."""
    t = np.arange(1920) / 48_000
    return (12_000 * np.sin(2 * np.pi * TONE_HZ * t) * tone).astype(np.int16)


def tick(index: int, *, tone: bool = False, size_px: int = 320) -> Published:
    """One published tick with its number painted."""
    return Published(index, painted(index, size_px), voice_of(index, tone=tone), False, 0)


class MicrophoneTrack(MediaStreamTrack):
    """Plays int16 mono samples at 48 kHz in 20 ms frames, in real time; then silence."""

    kind = "audio"

    def __init__(self, samples: NDArray[np.int16] | None = None) -> None:
        super().__init__()
        self._samples = np.zeros(0, np.int16) if samples is None else samples
        self._at = 0
        self._start_s = 0.0

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        if self._at == 0:
            self._start_s = time.monotonic()
        await asyncio.sleep(max(0.0, self._start_s + self._at / 48_000 - time.monotonic()))
        piece = self._samples[self._at : self._at + 960]
        piece = np.pad(piece, (0, 960 - len(piece)))
        frame = av.AudioFrame.from_ndarray(piece.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, self._at, Fraction(1, 48_000)
        self._at += 960
        return frame


@dataclass
class Arrival:
    """One decoded frame: RTP time (unwrapped from the receiver's first), and when it came."""

    pts: int
    data: Any
    at_s: float


@dataclass
class Report:
    """A sender report with the RTP and NTP times that it binds together."""

    ssrc: int
    ntp_s: float
    rtp: int


@dataclass
class Browser:
    """The far side of a call. `video` holds decoded luma planes, `audio` decoded int16 mono."""

    pc: RTCPeerConnection
    video: list[Arrival] = field(default_factory=list)
    audio: list[Arrival] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    first_rtp: dict[int, int] = field(default_factory=dict)
    """Payload type → RTP timestamp of the first packet, which the receiver's pts count from."""
    keyframes: int = 0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    def open(
        cls,
        *,
        samples: NDArray[np.int16] | None = None,
        codec: str | None = None,
        certificate: RTCCertificate | None = None,
    ) -> Browser:
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        if certificate is not None:
            pc._RTCPeerConnection__certificates = [certificate]  # type: ignore[attr-defined]
        browser = cls(pc)
        pc.addTransceiver(MicrophoneTrack(samples), direction="sendrecv")
        video = pc.addTransceiver("video", direction="recvonly")
        if codec is not None:
            codecs = type(video.receiver).getCapabilities("video")
            assert codecs is not None
            video.setCodecPreferences([c for c in codecs.codecs if c.name.lower() in (codec.lower(), "rtx")])

        def on_track(track: MediaStreamTrack) -> None:
            browser._tasks.append(asyncio.ensure_future(browser._receive(track)))

        pc.on("track", on_track)
        return browser

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    async def accept(self, answer_sdp: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=answer_sdp, type="answer"))
        self._listen()

    async def connected(self, timeout_s: float = 10.0) -> None:
        await until(lambda: self.pc.connectionState == "connected", timeout_s)

    @property
    def dtls(self) -> Any:
        return self.pc.getTransceivers()[0].receiver.transport

    @property
    def ice(self) -> Any:
        return self.dtls.transport._connection

    def _listen(self) -> None:
        """Note reports, first timestamps and keyframes on their way in."""
        dtls = self.dtls
        plain_rtcp, plain_rtp = dtls._handle_rtcp_data, dtls._handle_rtp_data

        async def on_rtcp(data: bytes) -> None:
            for packet in RtcpPacket.parse(data):
                if isinstance(packet, RtcpSrPacket):
                    info = packet.sender_info
                    self.reports.append(Report(packet.ssrc, info.ntp_timestamp / 2**32, info.rtp_timestamp))
            await plain_rtcp(data)

        async def on_rtp(data: bytes, arrival_time_ms: int) -> None:
            (timestamp, ssrc) = struct.unpack("!II", data[4:12])
            self.first_rtp.setdefault(ssrc, timestamp)
            await plain_rtp(data, arrival_time_ms=arrival_time_ms)

        dtls._handle_rtcp_data, dtls._handle_rtp_data = on_rtcp, on_rtp

    async def _receive(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame: Any = await track.recv()
                now_s = time.monotonic()
                if track.kind == "video":
                    self.keyframes += bool(frame.key_frame)
                    luma = frame.to_ndarray(format="yuv420p")[: frame.height, : frame.width]
                    self.video.append(Arrival(frame.pts, luma, now_s))
                else:
                    samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0]
                    self.audio.append(Arrival(frame.pts, samples, now_s))

    def lose(self, share: float, *, seed: int = 7, outgoing: bool = False) -> None:
        """From now on, drop this share of the media packets that come in (or go out)."""
        dice = random.Random(seed)
        name = "send" if outgoing else "data_received"
        if outgoing:
            plain_send = self.dtls.transport._send

            async def send(data: bytes) -> None:
                if dice.random() >= share:
                    await plain_send(data)

            self.dtls.transport._send = send
        else:
            plain: Callable[[bytes, int], None] = getattr(self.ice, name)

            def received(data: bytes, component: int) -> None:
                if not 127 < data[0] < 192 or dice.random() >= share:
                    plain(data, component)

            self.ice.data_received = received

    def vanish(self) -> None:
        """Answer nothing any more, as a laptop whose lid is closed."""

        def nothing(*_: object) -> None:
            return None

        async def send_nothing(*_: object) -> None:
            return None

        self.dtls.transport._send = send_nothing
        for protocol in self.ice._protocols:
            protocol.datagram_received = nothing

    async def close(self) -> None:
        await self.pc.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Wait for a condition; TimeoutError if it never holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  (what is waited for has no event)
            await asyncio.sleep(0.005)


async def connect(peer: Peer, browser: Browser) -> None:
    """Let both find each other."""
    await browser.accept(await peer.answer(await browser.offer()))
    await browser.connected()
    await until(lambda: peer._connected)


async def play(
    peer: Peer, ticks: range, *, tones: frozenset[int] = frozenset(), size_px: int = 320, on_tick: Any = None
) -> None:
    """Publish these ticks in real time."""
    start_s = time.monotonic()
    for n, index in enumerate(ticks):
        await asyncio.sleep(max(0.0, start_s + n * TICK_S - time.monotonic()))
        peer.publish(tick(index, tone=index in tones, size_px=size_px))
        if on_tick is not None:
            on_tick(index)


@contextlib.asynccontextmanager
async def call(
    *,
    samples: NDArray[np.int16] | None = None,
    codec: str | None = None,
    on_voice: Callable[[NDArray[np.int16], int, float], None] = lambda *_: None,
    on_closed: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[tuple[Peer, Browser]]:
    """A connected call; both ends are closed afterwards."""
    peer = Peer(on_voice=on_voice, on_closed=on_closed)
    browser = Browser.open(samples=samples, codec=codec)
    try:
        await connect(peer, browser)
        yield peer, browser
    finally:
        await browser.close()
        await peer.close()


def quiet_peer(reasons: list[str] | None = None) -> Peer:
    return Peer(on_voice=lambda *_: None, on_closed=(reasons if reasons is not None else []).append)
