"""How fast an avatar falls silent and shuts its mouth when an agent is interrupted, as a viewer receives it.

    python benchmarks/barge_in.py [--trials 12] [--avatar astronaut] [--renderer auto] [--keep]

An agent pushes real speech to a running server, a viewer watches over WHEP, and the agent interrupts while the mouth is
open. Times are from the call of `interrupt()` to the arrival of a packet: the first one whose voice is silent for good,
and the last one of the first picture whose lips have met for good, read off what was decoded by the landmark network.
Agent, viewer and server share this machine; a player's own buffer comes on top. JSON keys: silent_ms_p50/_max,
shut_ms_p50/_max, answered_ms_p50/_max (the event `interrupted`), trials, renderer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import struct
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from call import free_port, start_server
from numpy.typing import NDArray
from record import report
from render import SPEECH

from visavis_models.chunk import PLAYBACK_RATE_HZ
from visavis_models.face.motion_of_pictures import FaceFollower
from visavis_server.agent_client import AgentSession
from visavis_server.voice_file import VoiceFile

LOUD = 300
AFTER_S = 0.9
UPPER_LIP, LOWER_LIP, LEFT_CORNER, RIGHT_CORNER = 13, 14, 61, 291


@dataclass
class Viewer:
    """A WHEP client that keeps what arrives, and when."""

    pc: RTCPeerConnection
    voice: list[tuple[float, bytes]] = field(default_factory=list)
    arrived_s: dict[int, float] = field(default_factory=dict)
    """RTP time of a picture → when its last packet came."""
    pictures: list[tuple[int, NDArray[np.uint8]]] = field(default_factory=list)
    first: int | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    async def watch(cls, http: httpx.AsyncClient, path: str) -> Viewer:
        """Connected."""
        viewer = cls(RTCPeerConnection(RTCConfiguration(iceServers=[])))
        pc = viewer.pc
        pc.addTransceiver("audio", direction="recvonly")
        pc.addTransceiver("video", direction="recvonly")
        pc.on("track", lambda track: viewer.tasks.append(asyncio.create_task(viewer.receive(track))))
        await pc.setLocalDescription(await pc.createOffer())
        answer = await http.post(path, content=pc.localDescription.sdp, headers={"Content-Type": "application/sdp"})
        answer.raise_for_status()
        await pc.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        viewer.listen()
        return viewer

    def listen(self) -> None:
        """Note every packet as it comes."""
        dtls: Any = self.pc.getTransceivers()[0].receiver.transport
        plain = dtls._handle_rtp_data
        audio = {c.payloadType for c in self.pc.getTransceivers()[0]._codecs}

        async def on_rtp(data: bytes, arrival_time_ms: int) -> None:
            (timestamp,) = struct.unpack("!I", data[4:8])
            if data[1] & 127 in audio:
                start = 12 + 4 * (data[0] & 15)
                if data[0] & 16:
                    start += 4 + 4 * struct.unpack("!H", data[start + 2 : start + 4])[0]
                self.voice.append((time.monotonic(), data[start:]))
            else:
                self.first = timestamp if self.first is None else self.first
                self.arrived_s[timestamp] = time.monotonic()
            await plain(data, arrival_time_ms=arrival_time_ms)

        dtls._handle_rtp_data = on_rtp

    async def receive(self, track: Any) -> None:
        """Keep the newest pictures."""
        try:
            while True:
                frame = await track.recv()
                if track.kind == "video":
                    self.pictures = [*self.pictures[-80:], (frame.pts, frame.to_ndarray(format="rgb24"))]
        except MediaStreamError:
            return

    async def close(self) -> None:
        """Hang up."""
        await self.pc.close()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def silent_s(self, asked_s: float) -> float:
        """When the voice had gone for good, in seconds after `asked_s`."""
        decoder: Any = av.CodecContext.create("libopus", "r")
        last_s = asked_s
        for arrived_s, payload in self.voice:
            loud = any(np.abs(part.to_ndarray()).max() > LOUD for part in decoder.decode(av.Packet(payload)))
            if arrived_s > asked_s and loud:
                last_s = arrived_s
        following = [arrived_s for arrived_s, _ in self.voice if arrived_s > last_s]
        return min(following, default=last_s) - asked_s

    def lips(self, since_s: float) -> list[tuple[float, float]]:
        """When each picture came, and how far its lips were apart, as a share of the mouth's width."""
        found, follower = [], FaceFollower()
        for pts, picture in self.pictures:
            arrived_s = self.arrived_s.get((pts + (self.first or 0)) & 0xFFFFFFFF)
            if arrived_s is None or arrived_s < since_s:
                continue
            points = follower.push(picture)
            if points is not None:
                apart = np.linalg.norm(points[UPPER_LIP, :2] - points[LOWER_LIP, :2])
                wide = np.linalg.norm(points[LEFT_CORNER, :2] - points[RIGHT_CORNER, :2])
                found.append((arrived_s, float(apart / wide)))
        return found


async def trial(
    agent: AgentSession, viewer: Viewer, pcm: bytes, rate_hz: int, wait_s: float
) -> tuple[float, ...] | None:
    """Silent, shut and answered, in ms after the interruption; None if the mouth was not open."""
    utterance = await agent.send(pcm, rate_hz)
    await utterance.started()
    await asyncio.sleep(wait_s)
    viewer.voice.clear()
    asked_s = time.monotonic()
    await agent.interrupt()
    answered_s = time.monotonic() - asked_s
    await asyncio.sleep(AFTER_S)
    silent_s = viewer.silent_s(asked_s)
    lips = await asyncio.to_thread(viewer.lips, asked_s - 0.2)
    rest = float(np.median([gap for _, gap in lips[-8:]]))
    opened = [gap for at_s, gap in lips if at_s <= asked_s]
    if not opened or opened[-1] < rest + 0.08:
        return None
    limit = rest + 0.25 * (opened[-1] - rest)
    last = max(i for i, (_, gap) in enumerate(lips) if gap > limit)
    if last + 1 >= len(lips):
        return None
    return 1000 * silent_s, 1000 * (lips[last + 1][0] - asked_s), 1000 * answered_s


async def measure(given: argparse.Namespace, port: int) -> dict[str, Any]:
    """All trials."""
    samples, rate_hz = spoken()
    random = np.random.default_rng(7)
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http,
        AgentSession(f"ws://127.0.0.1:{port}", avatar=given.avatar, ahead_s=60) as agent,
    ):
        viewer = await Viewer.watch(http, agent.ready["whep_url"])
        await asyncio.sleep(3.0)
        rows: list[tuple[float, ...]] = []
        for _ in range(5 * given.trials):
            row = await trial(agent, viewer, samples, rate_hz, float(random.uniform(0.6, 4.0)))
            if row is not None:
                rows.append(row)
                print(f"  silent {row[0]:4.0f} ms   shut {row[1]:4.0f} ms   answered {row[2]:4.0f} ms", flush=True)
            if len(rows) == given.trials:
                break
        await viewer.close()
    if not rows:
        raise SystemExit("the mouth was never seen open")
    figures: dict[str, Any] = {"trials": len(rows), "renderer": given.renderer}
    for name, column in zip(("silent", "shut", "answered"), np.array(rows).T, strict=True):
        figures[f"{name}_ms_p50"], figures[f"{name}_ms_max"] = float(np.median(column)), float(column.max())
    return figures


def spoken() -> tuple[bytes, int]:
    """The test sentence twice: s16le and its rate."""
    voice = np.concatenate([chunk.playback for chunk in VoiceFile(SPEECH).chunks()])
    return np.tile(voice, 2).astype("<i2").tobytes(), PLAYBACK_RATE_HZ


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--avatar", default="astronaut")
    parser.add_argument("--renderer", default="auto")
    parser.add_argument("--keep", action="store_true", help="write the record to benchmarks/results")
    given = parser.parse_args()
    os.environ["VISAVIS_DRAWING_RENDERER"] = given.renderer
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        server = start_server(port, Path(folder), Path(folder) / "server.log")
        try:
            figures = asyncio.run(measure(given, port))
        finally:
            server.terminate()
            server.wait(20)
    report("barge-in", figures, keep=given.keep)


if __name__ == "__main__":
    main()
