"""People come, speak and leave, again and again, and the server should give everything back.

    python benchmarks/cycles.py [--cycles 200] [--keep]

Each cycle opens a session, connects over WebRTC, sends speech, waits for frames and closes. JSON keys: the server's
tasks, threads, file descriptors and memory (MiB) after warming up and at the end, and their growth.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer
from call import free_port, start_server
from record import report
from render import speech
from websockets.asyncio.client import connect

_WARM_UP = 20
_FRAMES = 12


async def cycle(port: int, voice: Path, avatar: str) -> None:
    """One visit."""
    base = f"http://127.0.0.1:{port}"
    session = await asyncio.to_thread(post, f"{base}/v1/sessions", {"avatar_id": avatar})
    async with connect(f"ws://127.0.0.1:{port}{session['signal_url']}") as socket:
        peer = RTCPeerConnection()
        player = MediaPlayer(str(voice))
        seen = asyncio.Event()
        watching: set[asyncio.Task[None]] = set()

        @peer.on("track")
        def show(track: Any) -> None:
            async def watch() -> None:
                count = 0
                while True:
                    await track.recv()
                    count += 1
                    if count == _FRAMES and track.kind == "video":
                        seen.set()

            watching.add(asyncio.create_task(watch()))

        try:
            assert player.audio is not None
            peer.addTrack(player.audio)
            peer.addTransceiver("video", direction="recvonly")
            await peer.setLocalDescription(await peer.createOffer())
            await socket.send(json.dumps({"type": "offer", "sdp": peer.localDescription.sdp}))
            while True:
                message = json.loads(await asyncio.wait_for(socket.recv(), 20))
                if message["type"] == "error":
                    raise SystemExit(f"the server refused: {message['error']}")
                if message["type"] == "answer":
                    break
            await peer.setRemoteDescription(RTCSessionDescription(message["sdp"], "answer"))
            await asyncio.wait_for(seen.wait(), 20)
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
            await peer.close()
            if player.audio is not None:
                player.audio.stop()


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """POST JSON; a full server is asked again, as a browser would."""
    for _ in range(50):
        request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            time.sleep(0.2)
    raise SystemExit("the server stayed full")


def holdings(server: psutil.Process, port: int) -> dict[str, float]:
    """What the server holds right now."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    figures = {line.split()[0]: float(line.split()[1]) for line in lines if line and not line.startswith("#")}
    return {
        "sessions": figures["visavis_sessions_active"],
        "tasks": figures["visavis_tasks"],
        "threads": server.num_threads(),
        "fds": server.num_fds(),
        "memory_mib": round(server.memory_info().rss / 2**20, 1),
    }


async def settled(server: psutil.Process, port: int) -> dict[str, float]:
    """Holdings once the last session has gone; everything must be free 5 s after the last visitor left."""
    await asyncio.sleep(5.0)
    return holdings(server, port)


async def visits(cycles: int, port: int, voice: Path, avatar: str, server: psutil.Process) -> dict[str, Any]:
    """All cycles, one after the other."""
    for _ in range(min(_WARM_UP, cycles)):
        await cycle(port, voice, avatar)
    before = await settled(server, port)
    begun_s = time.monotonic()
    for _ in range(cycles):
        await cycle(port, voice, avatar)
    took_s = time.monotonic() - begun_s
    after = await settled(server, port)
    figures: dict[str, Any] = {"cycles": cycles, "seconds_per_cycle": round(took_s / cycles, 2)}
    for key, value in before.items():
        figures[f"{key}_before"], figures[f"{key}_after"] = value, after[key]
    figures["memory_growth_percent"] = round(100 * (after["memory_mib"] / before["memory_mib"] - 1), 1)
    return figures


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--cycles", type=int, default=200)
    ask.add_argument("--avatar", default="astronaut")
    ask.add_argument("--keep", action="store_true", help="write the record under benchmarks/results/")
    args = ask.parse_args()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        voice = speech(7.0, Path(folder))
        process = start_server(port, Path(folder), Path(folder) / "server.log")
        try:
            server = psutil.Process(process.pid)
            figures = asyncio.run(visits(args.cycles, port, voice, args.avatar, server))
        finally:
            process.terminate()
            process.wait(15)
    report("cycles", figures, keep=args.keep)


if __name__ == "__main__":
    main()
