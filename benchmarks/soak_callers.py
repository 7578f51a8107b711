"""Who calls during a soak: honest callers that note how far picture and voice are apart, and people who misbehave.

Pictures are counted, not decoded: the soak measures the server. Knows nothing of what is made of the figures.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer
from aiortc.rtp import RtcpPacket, RtcpSrPacket
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

CLOCK_HZ = {"video": 90_000, "audio": 48_000}
PATIENCE_S = 30.0
LONGEST_GAP_S = 0.5
"""A pair of packets further apart says nothing of what plays together."""


@dataclass
class Told:
    """What callers have met so far."""

    calls: int = 0
    failed: int = 0
    refused: int = 0
    interrupted: int = 0
    """Calls that the server ended before their time."""
    misdeeds: int = 0
    answered_5xx: int = 0
    pictures: int = 0
    offsets_ms: list[tuple[float, float]] = field(default_factory=list)
    """Time and offset, picture less voice, as packets arrive."""
    reasons: dict[str, int] = field(default_factory=dict)

    def note(self, reason: str) -> None:
        """Count why something went wrong."""
        self.reasons[reason] = self.reasons.get(reason, 0) + 1


class _NothingDecoded:
    """Stands where a receiver hands frames to its decoder: only the end is handed on."""

    def __init__(self, plain: Any) -> None:
        self._plain = plain

    def put(self, item: Any) -> None:
        if item is None:
            self._plain.put(None)


def decode_nothing(peer: RTCPeerConnection) -> None:
    """Spare this machine the decoding; the peer has been answered."""
    for receiver in peer.getReceivers():
        name = "_RTCRtpReceiver__decoder_queue"
        setattr(receiver, name, _NothingDecoded(getattr(receiver, name)))


class Sync:
    """Offset of picture and voice of one call, from RTP times, sender reports and arrivals.

    Positive: the picture comes earlier than the voice that belongs to it. What a player's buffer evens out counts too.
    """

    def __init__(self, told: Told) -> None:
        self._told = told
        self._kinds: dict[int, str] = {}
        self._reports: dict[str, tuple[float, int]] = {}
        self._late: dict[str, tuple[float, float]] = {}
        self._noted_s = 0.0

    def listen(self, peer: RTCPeerConnection) -> None:
        """Note all packets of a peer."""
        for dtls in {transceiver.receiver.transport for transceiver in peer.getTransceivers()}:
            self._listen_for_reports(dtls)
        for transceiver in peer.getTransceivers():
            kind = transceiver.kind

            receiver: Any = transceiver.receiver
            plain = receiver._handle_rtp_packet

            async def take(packet: Any, arrival_time_ms: int, kind: str = kind, plain: Any = plain) -> None:
                self._kinds[packet.ssrc] = kind
                self._arrived(kind, packet.timestamp, packet.marker)
                await plain(packet, arrival_time_ms)  # reports, estimates and what is asked for again are its own

            receiver._handle_rtp_packet = take

    def _listen_for_reports(self, dtls: Any) -> None:
        plain = dtls._handle_rtcp_data

        async def on_rtcp(data: bytes) -> None:
            with contextlib.suppress(ValueError):
                self._reported(RtcpPacket.parse(data))
            await plain(data)

        dtls._handle_rtcp_data = on_rtcp

    def _reported(self, packets: list[Any]) -> None:
        for packet in packets:
            if isinstance(packet, RtcpSrPacket) and packet.ssrc in self._kinds:
                info = packet.sender_info
                self._reports[self._kinds[packet.ssrc]] = info.ntp_timestamp / 2**32, info.rtp_timestamp

    def _arrived(self, kind: str, timestamp: int, marker: int) -> None:
        now_s = time.time()
        self._told.pictures += kind == "video" and bool(marker)
        report = self._reports.get(kind)
        if report is None or (kind == "video" and not marker):
            return
        ahead = (timestamp - report[1] + 2**31) % 2**32 - 2**31
        self._late[kind] = now_s, now_s - (report[0] + ahead / CLOCK_HZ[kind])
        if len(self._late) == 2 and now_s - self._noted_s >= 0.2:
            (video_s, video_late), (audio_s, audio_late) = self._late["video"], self._late["audio"]
            if abs(video_s - audio_s) < LONGEST_GAP_S:
                self._noted_s = now_s
                self._told.offsets_ms.append((now_s, 1000 * (audio_late - video_late)))


@dataclass(frozen=True)
class Place:
    """Where the server is, what is said to it, and who answers."""

    base: str
    voice: Path
    avatars: tuple[str, ...]
    told: Told


async def open_session(place: Place, http: httpx.AsyncClient, avatar: str) -> dict[str, Any] | None:
    """A new session; a full server is asked again for half a minute. None: it never had a place."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        answer = await http.post("/v1/sessions", json={"avatar_id": avatar})
        if answer.status_code == 201:
            found: dict[str, Any] = answer.json()
            return found
        if answer.status_code != 503:
            place.told.note(f"opening answered {answer.status_code}")
            place.told.answered_5xx += answer.status_code >= 500
            return None
        await asyncio.sleep(0.5)
    place.told.refused += 1
    return None


async def call(place: Place, seconds: float, dice: random.Random, how: str = "polite") -> None:
    """One call; `how` it ends: polite, or the caller vanishes."""
    told = place.told
    async with httpx.AsyncClient(base_url=place.base, timeout=20) as http:
        session = await open_session(place, http, dice.choice(place.avatars))
    if session is None:
        return
    told.calls += 1
    peer, player, sync = (
        RTCPeerConnection(RTCConfiguration(iceServers=[])),
        MediaPlayer(str(place.voice), loop=True),
        Sync(told),
    )
    try:
        async with connect(place.base.replace("http", "ws") + session["signal_url"]) as socket:
            assert player.audio is not None
            peer.addTrack(player.audio)
            peer.addTransceiver("video", direction="recvonly")
            await peer.setLocalDescription(await peer.createOffer())
            await socket.send(json.dumps({"type": "offer", "sdp": peer.localDescription.sdp}))
            answer = await _until(socket, ("answer",), PATIENCE_S)
            sync.listen(peer)
            await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
            decode_nothing(peer)
            end_s = time.monotonic() + seconds
            while time.monotonic() < end_s:
                with contextlib.suppress(TimeoutError):
                    ended = await _until(socket, ("bye", "moved"), min(5.0, end_s - time.monotonic() + 0.01))
                    told.interrupted += 1
                    told.note(f"ended by the server: {ended.get('reason', ended['type'])}")
                    return
            if how == "polite":
                await socket.send('{"type": "bye"}')
            else:
                socket.transport.abort()
    except (OSError, TimeoutError, WebSocketException, RuntimeError) as error:
        told.failed += 1
        told.note(f"call: {type(error).__name__}: {error}"[:120])
    finally:
        await peer.close()
        if player.audio is not None:
            player.audio.stop()


async def _until(socket: Any, kinds: tuple[str, ...], wait_s: float) -> dict[str, Any]:
    end_s = time.monotonic() + wait_s
    while True:
        message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), end_s - time.monotonic()))
        if message["type"] in kinds:
            return message
        if message["type"] == "error":
            raise RuntimeError(message["error"]["code"])


async def misbehave(place: Place, dice: random.Random) -> None:
    """One of several misdeeds; none may be answered by a 5xx but "full", and nothing may be left of it."""
    told = place.told
    host, _, port = place.base.removeprefix("http://").partition(":")
    kind = dice.choice(("flood", "half open", "nonsense", "no join", "bad offer", "garbage", "slow body"))
    told.misdeeds += 1
    try:
        async with httpx.AsyncClient(base_url=place.base, timeout=20) as http:
            if kind == "flood":
                for _ in range(10):
                    answers = await asyncio.gather(
                        *(http.get("/v1/avatars") for _ in range(20)), return_exceptions=True
                    )
                    for answer in answers:
                        if isinstance(answer, httpx.Response):
                            told.answered_5xx += answer.status_code >= 500 and answer.status_code != 503
            elif kind in ("half open", "slow body", "nonsense"):
                _, writer = await asyncio.open_connection(host, int(port))
                head = b"POST /v1/sessions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 900\r\n"
                head += b"content-type: application/json\r\n\r\n"
                writer.write(
                    {"half open": head[:20], "slow body": head + b'{"av', "nonsense": dice.randbytes(400)}[kind]
                )
                with contextlib.suppress(OSError):
                    await writer.drain()
                    await asyncio.sleep(dice.uniform(1, 10))
                writer.close()
            else:
                answer = await http.post("/v1/sessions", json={"avatar_id": dice.choice(place.avatars)})
                told.answered_5xx += answer.status_code >= 500 and answer.status_code != 503
                if answer.status_code == 201 and kind != "no join":
                    await _spoil(place.base.replace("http", "ws") + answer.json()["signal_url"], kind, dice)
    except (OSError, httpx.HTTPError, WebSocketException, TimeoutError, EOFError, struct.error):
        pass  # who misbehaves may be cut off


async def _spoil(url: str, kind: str, dice: random.Random) -> None:
    async with connect(url) as socket:
        if kind == "bad offer":
            sdp = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n" + "a=x:" + "y" * dice.randrange(4000) + "\r\n"
            await socket.send(json.dumps({"type": "offer", "sdp": sdp}))
        else:
            for _ in range(30):
                await socket.send(dice.choice((dice.randbytes(200), "{", '{"type": 7}', '{"type": "offer"}', "[]")))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(socket.recv(), 2)
        if dice.random() < 0.5:
            socket.transport.abort()
