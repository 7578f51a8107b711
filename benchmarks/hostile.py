"""Ten thousand hostile requests of fifty kinds against a public server, beside somebody's call.

    python benchmarks/hostile.py [--requests 10000] [--side-by-side 8] [--limits] [--keep]

The server asks for keys and speaks HTTP on the loopback interface; each request comes from another address of 127/8.
Without --limits the rates per address are lifted, so that what stands behind them is tried. JSON keys: requests, kinds,
answered_5xx, wrongly_allowed (an answer that is not among those right for the kind, or anything of the server that is
not as it was), too_many (429), legit_fps and legit_gap_s (pictures a second that the caller got meanwhile, and the
longest time without one), quiet_fps and quiet_gap_s (the same caller before), per_s (hostile requests a second).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import random
import secrets
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer
from call import free_port, start_server
from hostile_requests import KINDS, Attack, Target, bearer
from record import report
from render import speech
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

_QUIET_S = 15.0
_ANSWER_S = 20.0
_RAW_S = 1.5
"""So long a plain connection waits for an answer to what is no request."""
_ADDRESSES = 250


def caller(told: Connection, port: int, token: str, voice: Path) -> None:
    """A process of its own: one call; tells its session's id, then when each picture came, until it is told to stop."""
    asyncio.run(_call(told, port, token, voice))


async def _call(told: Connection, port: int, token: str, voice: Path) -> None:
    base = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=base, headers=bearer(token), timeout=_ANSWER_S) as http:
        session = (await http.post("/v1/sessions", json={"avatar_id": "astronaut"})).raise_for_status().json()
    times_s: list[float] = []
    async with connect(f"ws://127.0.0.1:{port}{session['signal_url']}", additional_headers=bearer(token)) as socket:
        peer, player = RTCPeerConnection(), MediaPlayer(str(voice), loop=True)
        tasks: set[asyncio.Task[None]] = set()

        @peer.on("track")
        def show(track: Any) -> None:
            async def watch() -> None:
                while True:
                    await track.recv()
                    if track.kind == "video":
                        times_s.append(time.monotonic())

            tasks.add(asyncio.create_task(watch()))

        assert player.audio is not None
        peer.addTrack(player.audio)
        peer.addTransceiver("video", direction="recvonly")
        await peer.setLocalDescription(await peer.createOffer())
        await socket.send(json.dumps({"type": "offer", "sdp": peer.localDescription.sdp}))
        while (message := json.loads(await socket.recv()))["type"] != "answer":
            pass
        await peer.setRemoteDescription(RTCSessionDescription(message["sdp"], "answer"))
        told.send(session["id"])
        reading = asyncio.create_task(_drain(socket))
        while not await asyncio.to_thread(told.poll, 0.2):
            pass
        told.send((times_s, reading.done()))
        for task in (reading, *tasks):
            task.cancel()
        await asyncio.gather(reading, *tasks, return_exceptions=True)
        await peer.close()


async def _drain(socket: Any) -> None:
    """Ends when the server has hung up."""
    try:
        async for _ in socket:
            pass
    except ConnectionClosed:
        return


async def send(attack: Attack, port: int, address: str) -> int:
    """The status of the answer, a WebSocket's close code, or 0 for none at all."""
    if attack.raw is not None:
        return await _send_raw(attack.raw, port, address, _RAW_S)
    if attack.method == "WEBSOCKET":
        return await _send_socket(attack, port, address)
    headers = {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(attack.body)), **attack.headers}
    head = f"{attack.method} {attack.path} HTTP/1.1\r\n" + "".join(f"{name}: {headers[name]}\r\n" for name in headers)
    return await _send_raw(f"{head}Connection: close\r\n\r\n".encode("latin-1") + attack.body, port, address, _ANSWER_S)


async def _send_socket(attack: Attack, port: int, address: str) -> int:
    url = f"ws://127.0.0.1:{port}{attack.path}"
    try:
        async with connect(
            url, additional_headers=attack.headers, local_addr=(address, 0), open_timeout=_ANSWER_S
        ) as ws:
            try:
                for message in attack.sent:
                    await ws.send(message)
                async with asyncio.timeout(_ANSWER_S):
                    await _drain(ws)
            except ConnectionClosed:
                pass
            return ws.close_code or 0
    except InvalidStatus as error:
        return error.response.status_code
    except InvalidHandshake:
        return 0


async def _send_raw(content: bytes, port: int, address: str, patience_s: float) -> int:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    except OSError:
        return 0
    try:
        writer.write(content)
        await writer.drain()
        async with asyncio.timeout(patience_s):
            line = (await reader.readline()).split()
        return int(line[1]) if len(line) > 1 and line[0].startswith(b"HTTP/") and line[1].isdigit() else 0
    except (OSError, TimeoutError, ValueError):
        return 0
    finally:
        writer.close()


async def state(port: int, manager: str, data: Path, session: str) -> dict[str, Any]:
    """Everything that a hostile request could have changed."""
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers=bearer(manager), timeout=_ANSWER_S
    ) as http:
        sessions = (await http.get("/v1/sessions")).json()["sessions"]
        return {
            "avatars": (await http.get("/v1/avatars")).text,
            "sessions": sorted(found["id"] for found in sessions),
            "epoch": [found["epoch"] for found in sessions],
            "mood": (await http.get(f"/v1/sessions/{session}/mood")).text,
            "outputs": (await http.get(f"/v1/sessions/{session}/outputs")).text,
            "files": await asyncio.to_thread(contents, data),
        }


def contents(folder: Path) -> dict[str, str]:
    """The hashes of all files in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


async def attack_all(target: Target, port: int, requests: int, at_once: int, seed: int) -> dict[str, Any]:
    """Send them all; what came back."""
    chance = random.Random(seed)
    names = [list(KINDS)[n % len(KINDS)] for n in range(requests)]
    chance.shuffle(names)
    todo = iter(names)
    statuses: Counter[int] = Counter()
    wrong: Counter[str] = Counter()

    async def work() -> None:
        for name in todo:
            made = KINDS[name](target, chance)
            status = await send(made, port, f"127.0.0.{chance.randrange(2, 2 + _ADDRESSES)}")
            statuses[status] += 1
            if status not in (*made.may, 429, 4429) and not (status == 0 and made.raw is not None):
                wrong[f"{name}: {status}"] += 1

    begun_s = time.monotonic()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return {"statuses": statuses, "wrong": wrong, "took_s": time.monotonic() - begun_s}


def fps(times_s: list[float], begin_s: float, end_s: float) -> tuple[float, float]:
    """Pictures a second between two moments, and the longest time without one."""
    inside = [begin_s, *(at_s for at_s in times_s if begin_s <= at_s < end_s), end_s]
    gap_s = max(later - earlier for earlier, later in zip(inside, inside[1:], strict=False))
    return round((len(inside) - 2) / (end_s - begin_s), 2), round(gap_s, 3)


async def made_token(http: httpx.AsyncClient, **wanted: Any) -> str:
    """A token of the key that this client sends."""
    return str((await http.post("/v1/tokens", json={"lasts_s": 86400, **wanted})).raise_for_status().json()["token"])


async def measure(args: argparse.Namespace, port: int, data: Path, manager: str, voice: Path) -> dict[str, Any]:
    """The call, a quiet while, the attack."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=bearer(manager)) as http:
        call = await made_token(http, scopes=["call"])
        tied = await made_token(http, scopes=["call", "publish"], avatar="maya")
        viewer = await made_token(http, scopes=["view"])
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=caller, args=(theirs, port, call, voice))
    process.start()
    try:
        session = await asyncio.to_thread(ours.recv)
        target = Target(f"127.0.0.1:{port}", session, manager, tied, viewer, "settings")
        await asyncio.sleep(5.0)
        before, quiet_s = await state(port, manager, data, session), time.monotonic()
        await asyncio.sleep(_QUIET_S)
        begin_s = time.monotonic()
        came = await attack_all(target, port, args.requests, args.side_by_side, args.seed)
        end_s = time.monotonic()
        await asyncio.sleep(1.0)
        after = await state(port, manager, data, session)
        ours.send("stop")
        times_s, hung_up = await asyncio.to_thread(ours.recv)
    finally:
        process.join(10)
        process.kill()
    changed = [name for name in before if before[name] != after[name]] + ["the call ended"] * hung_up
    quiet_fps, quiet_gap_s = fps(times_s, quiet_s, begin_s)
    legit_fps, legit_gap_s = fps(times_s, begin_s, end_s)
    for name, count in came["wrong"].most_common():
        print(f"not right: {name} ({count} times)")
    for name in changed:
        print(f"changed: {name}: {before.get(name)} -> {after.get(name)}")
    statuses = came["statuses"]
    return {
        "requests": args.requests,
        "kinds": len(KINDS),
        "answered_5xx": sum(count for status, count in statuses.items() if 500 <= status < 600),
        "wrongly_allowed": sum(came["wrong"].values()) + len(changed),
        "too_many": statuses[429] + statuses[4429],
        "legit_fps": legit_fps,
        "legit_gap_s": legit_gap_s,
        "quiet_fps": quiet_fps,
        "quiet_gap_s": quiet_gap_s,
        "per_s": round(args.requests / came["took_s"], 1),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
    }


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--requests", type=int, default=10_000)
    ask.add_argument("--side-by-side", type=int, default=8, help="hostile requests at the same time")
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--limits", action="store_true", help="keep the limits of every address as they are by default")
    ask.add_argument("--show-log", action="store_true", help="print what the server said")
    ask.add_argument("--keep", action="store_true", help="write the record under benchmarks/results/")
    args = ask.parse_args()
    port, manager = free_port(), secrets.token_urlsafe(32)
    environ = {"VISAVIS_ACCESS_KEY": manager, "VISAVIS_ACCESS_MODE": "required", "VISAVIS_ACCESS_MAX_TOKEN_S": "86400"}
    environ["VISAVIS_LIMITS_KEY_REQUESTS_PER_S"] = "1000000"  # one key sends what two hundred would
    if not args.limits:
        environ |= {f"VISAVIS_LIMITS_{name}": "1000000" for name in ("REQUESTS_PER_S", "ATTEMPTS_PER_MINUTE")}
        environ["VISAVIS_LIMITS_PHOTOS_PER_HOUR"] = "100000"
        environ["VISAVIS_PHOTOS_MAX_WAITING"] = "100"
    with tempfile.TemporaryDirectory() as folder:
        data, log = Path(folder) / "data", Path(folder) / "server.log"
        voice = speech(30.0, Path(folder))
        process = start_server(port, data, log, ["--renderer", "warp", "--capacity", "4"], environ)
        try:
            figures = asyncio.run(measure(args, port, data, manager, voice))
            leaked = manager in log.read_text()
        finally:
            process.terminate()
            process.wait(15)
            if args.show_log:
                print(log.read_text())
        figures["log_lines"] = len(log.read_text().splitlines())
        figures["log_holds_key"] = leaked
    report("hostile", figures, keep=args.keep)


if __name__ == "__main__":
    main()
