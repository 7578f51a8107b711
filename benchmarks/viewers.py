"""What viewers cost: one session is broadcast to N viewers (WHEP's relay), in this process; the viewers are another's.

Prints the CPU that the serving process takes for each N, the encodings and what arrived, and one last line of JSON.
The picture is a moving gradient with grain, 512x512 unless told otherwise; pictures are published 25 times a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import time
from importlib.metadata import version
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from visavis_server.media import Published
from visavis_server.rtc import BitrateLimits, Broadcast, Viewer, read_media_offer


def pictures(size_px: int) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    """Two seconds of something that costs bits."""
    rng = np.random.default_rng(1)
    across = np.arange(size_px)
    shown = []
    for k in range(50):
        wave = 110 + 60 * np.sin(2 * np.pi * (across[None] + 4 * k) / size_px) * np.cos(
            2 * np.pi * across[:, None] / 90
        )
        grain = rng.integers(-6, 7, (size_px, size_px))
        shown.append(np.repeat(np.clip(wave + grain, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2))
    return shown


def watch(count: int, pipe: Connection) -> None:
    """The viewers' process: connects so many, and tells on demand how many packets each one got."""
    asyncio.run(_watch(count, pipe))


async def _watch(count: int, pipe: Connection) -> None:
    got = [[0, 0] for _ in range(count)]
    pcs = []
    for k in range(count):
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        for kind in ("audio", "video"):
            transceiver = pc.addTransceiver(kind, direction="recvonly")
            receiver: Any = transceiver.receiver

            async def take(packet: Any, arrival_time_ms: int, k: int = k, video: int = kind == "video") -> None:
                got[k][video] += packet.marker if video else 1  # counted, not decoded: decoding is not measured here

            receiver._handle_rtp_packet = take
        await pc.setLocalDescription(await pc.createOffer())
        pipe.send(pc.localDescription.sdp)
        answer = await asyncio.to_thread(pipe.recv)
        await pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        pcs.append(pc)
    while await asyncio.to_thread(pipe.recv) != "end":
        pipe.send([list(one) for one in got])
    for pc in pcs:
        await pc.close()


async def measure(count: int, size_px: int, seconds: float) -> dict[str, Any]:
    """One row."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    broadcast = Broadcast(BitrateLimits())
    process = multiprocessing.get_context("spawn").Process(target=watch, args=(count, there), daemon=True)
    process.start()
    shown, silence = pictures(size_px), np.random.default_rng(2).integers(-3000, 3000, 1920).astype(np.int16)

    async def play() -> None:
        begun_s, index = time.monotonic(), 0
        while True:
            broadcast.publish(Published(index, shown[index % len(shown)], silence, False, 0))
            index += 1
            await asyncio.sleep(max(0.0, begun_s + 0.040 * index - time.monotonic()))

    playing = asyncio.create_task(play())
    viewers = []
    for _ in range(count):
        offer = read_media_offer(await asyncio.to_thread(here.recv), "watch")
        viewers.append(Viewer(broadcast, on_closed=lambda _: None))
        here.send(await viewers[-1].answer(offer))
    while not all(v.pictures is not None and v.pictures.frames_sent > 10 for v in viewers):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await asyncio.sleep(2.0)
    here.send("count")
    before = await asyncio.to_thread(here.recv)
    encoded, cpu_s, begun_s = broadcast.counts.encoded, time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    took_s, used_s = time.monotonic() - begun_s, time.process_time() - cpu_s
    here.send("count")
    after = await asyncio.to_thread(here.recv)
    row = {
        "viewers": count,
        "cores": round(used_s / took_s, 3),
        "encoded_per_s": round((broadcast.counts.encoded - encoded) / took_s, 1),
        "fewest_fps": round(min((b[1] - a[1]) / took_s for a, b in zip(before, after, strict=True)), 1)
        if count
        else None,
        "fewest_voice_per_s": round(min((b[0] - a[0]) / took_s for a, b in zip(before, after, strict=True)), 1)
        if count
        else None,
        "kbps_each": round(
            sum(v.pictures.meter.bps(time.monotonic()) or 0 for v in viewers if v.pictures) / 1000 / count
        )
        if count
        else None,
    }
    here.send("end")
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    await asyncio.gather(*(viewer.close() for viewer in viewers))
    await broadcast.close()
    process.join(5)
    return row


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", default="1,5,10,20")
    parser.add_argument("--size-px", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=10.0)
    wanted = parser.parse_args()
    rows = []
    print(f"{'viewers':>8}{'cores':>8}{'encoded/s':>11}{'fewest fps':>12}{'voice/s':>9}{'kbps each':>11}")
    for count in map(int, wanted.viewers.split(",")):
        row = asyncio.run(measure(count, wanted.size_px, wanted.seconds))
        rows.append(row)
        print(
            "".join(f"{row[key]!s:>{width}}" for key, width in zip(row, (8, 8, 11, 12, 9, 11), strict=True)), flush=True
        )
    load = os.getloadavg()[0]
    facts = {"aiortc": version("aiortc"), "av": version("av"), "cores": os.cpu_count(), "load": round(load, 1)}
    print(json.dumps({"benchmark": "viewers", "size_px": wanted.size_px, **facts, "rows": rows}))


if __name__ == "__main__":
    main()
