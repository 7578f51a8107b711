"""Two network namespaces with a bad network between them: every UDP packet goes through this process.

    python benchmarks/network_wire.py          (root; talks JSON lines on stdin and stdout)

Stands in for `tc netem` where the kernel has none: packets are read from a TUN device in one namespace and written to
the other's when their time has come. TCP, which only carries the page and signalling, passes untouched.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import heapq
import json
import os
import struct
import subprocess
import sys
import time
from dataclasses import asdict, replace
from typing import Any

from network_link import Conditions, Link

SERVER, CLIENT = "visavis-server", "visavis-client"
SERVER_ADDRESS, CLIENT_ADDRESS = "10.77.0.1", "10.77.0.2"
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_UDP = 17


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=not check)


def _tun(name: str, namespace: str, address: str) -> int:
    """A TUN device at this address in its own namespace; packets are read and written here."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    _ip("netns", "add", namespace)
    _ip("link", "set", name, "netns", namespace)
    for words in (
        ("addr", "add", f"{address}/24", "dev", name),
        ("link", "set", name, "up", "mtu", "1500"),
        ("link", "set", "lo", "up"),
        ("route", "add", "default", "dev", name),
    ):
        _ip("-n", namespace, *words)
    return fd


def drop_namespaces() -> None:
    """Remove both; no error if they are not there."""
    for namespace in (SERVER, CLIENT):
        _ip("netns", "del", namespace, check=False)


class Wire:
    """Carries packets between the two TUN devices. `links` by name: "down" to the client, "up" to the server."""

    def __init__(self) -> None:
        self.links = {"down": Link(Conditions(), 1), "up": Link(Conditions(), 2)}
        self._due: list[tuple[float, int, int, bytes]] = []
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        drop_namespaces()
        self._server = _tun("vv-server", SERVER, SERVER_ADDRESS)
        self._client = _tun("vv-client", CLIENT, CLIENT_ADDRESS)
        self._loop.add_reader(self._server, self._take, self._server, self._client, "down")
        self._loop.add_reader(self._client, self._take, self._client, self._server, "up")

    def reseed(self, seed: int) -> None:
        """Begin anew, with nothing queued."""
        self.links = {name: Link(link.conditions, seed + n) for n, (name, link) in enumerate(self.links.items())}

    def facts(self) -> dict[str, Any]:
        """What has passed in each direction."""
        now_s = time.monotonic()
        return {
            name: {
                "passed": link.passed,
                "lost": link.lost,
                "overflowed": link.overflowed,
                "passed_bytes": link.passed_bytes,
                "queued_ms": round(1000 * link.queued_s(now_s), 1),
            }
            for name, link in self.links.items()
        }

    def close(self) -> None:
        """Remove devices and namespaces."""
        for fd in (self._server, self._client):
            self._loop.remove_reader(fd)
            os.close(fd)
        drop_namespaces()

    def _take(self, source: int, target: int, direction: str) -> None:
        for _ in range(64):
            try:
                packet = os.read(source, 2048)
            except BlockingIOError:
                return
            if len(packet) < 20 or packet[0] >> 4 != 4:
                continue
            now_s = time.monotonic()
            if packet[9] != _UDP:
                self._put(target, packet)
                continue
            at_s = self.links[direction].carry(len(packet), now_s)
            if at_s is None:
                continue
            if at_s <= now_s:
                self._put(target, packet)
            else:
                self._count += 1
                heapq.heappush(self._due, (at_s, self._count, target, packet))
                if self._due[0][1] == self._count:
                    self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(max(0.0, self._due[0][0] - time.monotonic()), self._deliver)

    def _deliver(self) -> None:
        now_s = time.monotonic() + 0.0005
        while self._due and self._due[0][0] <= now_s:
            _, _, target, packet = heapq.heappop(self._due)
            self._put(target, packet)
        self._timer = None
        if self._due:
            self._arm()

    @staticmethod
    def _put(target: int, packet: bytes) -> None:
        with contextlib.suppress(OSError):  # a device that is full or down loses packets, as networks do
            os.write(target, packet)


async def serve() -> None:
    """Take orders until stdin ends: {"down": {...conditions}, "up": {...}, "seed": 7}; each is answered with facts."""
    loop = asyncio.get_running_loop()
    wire = Wire()
    try:
        orders = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        print(json.dumps(wire.facts()), flush=True)
        while line := await orders.readline():
            order = json.loads(line)
            for name in ("down", "up"):
                if name in order:
                    wire.links[name].conditions = replace(Conditions(), **order[name])
            if "seed" in order:
                wire.reseed(order["seed"])
            print(json.dumps({**wire.facts(), "down_now": asdict(wire.links["down"].conditions)}), flush=True)
    finally:
        wire.close()


class WireProcess:
    """The wire in a process of its own, so that nothing else delays packets."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def open(self) -> None:
        """Make both namespaces. Raises SystemExit where that is not allowed."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        if not await self._answer():
            raise SystemExit("network namespaces with TUN devices cannot be made here: run as root, with iproute2")

    async def order(self, **order: Any) -> dict[str, Any]:
        """Set conditions ("down", "up": what `Conditions` takes) or "seed"; gives what has passed so far."""
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()
        answer = await self._answer()
        assert answer, "the wire has broken"
        return answer

    async def close(self) -> None:
        """Remove the namespaces."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()

    async def _answer(self) -> dict[str, Any]:
        assert self._process is not None and self._process.stdout is not None
        line = await self._process.stdout.readline()
        return dict(json.loads(line)) if line else {}


if __name__ == "__main__":
    asyncio.run(serve())
