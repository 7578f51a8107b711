"""A real SFU for tests: Janus with its VideoRoom, as Debian ships it, and clients of its HTTP API.

Debian's Janus speaks no WHIP: a front of a few lines turns WHIP into its own API, as Meetecho's WHIP server does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from fastapi import Request, Response

from rtc_loopback import Browser

ROOM = 1234
_GENERAL = """
general: {{
  configs_folder = "{folder}"
  plugins_folder = "/usr/lib/x86_64-linux-gnu/janus/plugins"
  transports_folder = "/usr/lib/x86_64-linux-gnu/janus/transports"
  debug_level = 4
}}
nat: {{ ice_enforce_list = "lo" }}
media: {{ rtp_port_range = "{ports}" }}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
"""
_HTTP = """
general: {{ json = "compact"  base_path = "/janus"  http = true  port = {port}  ip = "127.0.0.1"  https = false }}
admin: {{ admin_http = false }}
"""
_ROOM = """
general: {{ }}
room-{room}: {{
  description = "Test"
  publishers = 2
  bitrate = 2000000
  fir_freq = 0
  audiocodec = "opus"
  videocodec = "{codec}"
  h264_profile = "42e01f"
}}
"""
_PLUGINS = Path("/usr/lib/x86_64-linux-gnu/janus")


class Janus:
    """A Janus of our own on loopback."""

    def __init__(self, folder: Path, codec: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        first = 20_000 + secrets.randbelow(200) * 100
        others = {
            kind: ",".join(sorted(path.name for path in (_PLUGINS / kind).glob("*.so") if keep not in path.name))
            for kind, keep in (("plugins", "videoroom"), ("transports", "http"))
        }
        general = _GENERAL.format(folder=folder, ports=f"{first}-{first + 99}", **others)
        (folder / "janus.jcfg").write_text(general)
        (folder / "janus.transport.http.jcfg").write_text(_HTTP.format(port=self.port))
        (folder / "janus.plugin.videoroom.jcfg").write_text(_ROOM.format(room=ROOM, codec=codec))
        command = ["janus", "-F", str(folder), "-C", str(folder / "janus.jcfg"), "-L", str(folder / "janus.log"), "-N"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/janus"

    async def ready(self) -> None:
        async with httpx.AsyncClient() as http, asyncio.timeout(20):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if (await http.get(f"{self.url}/info")).status_code == 200:
                        return
                await asyncio.sleep(0.1)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(10)


@contextlib.contextmanager
def janus(folder: Path, codec: str) -> Iterator[Janus]:
    """A server; skips where there is none."""
    if shutil.which("janus") is None:
        if os.environ.get("REQUIRE_STREAM_SERVERS"):
            pytest.fail("Janus is not installed")
        pytest.skip("Janus is not installed: apt install janus")
    server = Janus(folder, codec)
    try:
        yield server
    finally:
        server.stop()


@dataclass
class Handle:
    """One attachment to the VideoRoom."""

    http: httpx.AsyncClient
    session: str
    address: str

    @classmethod
    async def attach(cls, http: httpx.AsyncClient, url: str) -> Handle:
        session = await _ask(http, url, {"janus": "create"})
        address = f"{url}/{session['data']['id']}"
        plugin = await _ask(http, address, {"janus": "attach", "plugin": "janus.plugin.videoroom"})
        return cls(http, address, f"{address}/{plugin['data']['id']}")

    async def ask(self, body: dict[str, Any], jsep: dict[str, str] | None = None) -> dict[str, Any]:
        """A request of the plugin and the event that answers it."""
        message: dict[str, Any] = {"janus": "message", "body": body}
        await _ask(self.http, self.address, message | ({"jsep": jsep} if jsep else {}))
        async with asyncio.timeout(20):
            while True:
                event = (await self.http.get(self.session, params={"maxev": 1})).json()
                if event["janus"] == "event" and "plugindata" in event:
                    data = event["plugindata"]["data"]
                    assert "error" not in data, data
                    if "jsep" in event or jsep is None:
                        return dict(event)

    async def leave(self) -> None:
        await _ask(self.http, self.session, {"janus": "destroy"})


async def _ask(http: httpx.AsyncClient, url: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = (await http.post(url, json=body | {"transaction": secrets.token_hex(6)})).json()
    assert answer["janus"] in ("success", "ack"), answer
    return dict(answer)


class WhipFront:
    """WHIP for a Janus: to be set as the `before` of a `WhipServer`."""

    def __init__(self, http: httpx.AsyncClient, server: Janus) -> None:
        self._http = http
        self._server = server
        self.publisher_id = 0
        self.answers: list[str] = []

    async def __call__(self, request: Request) -> Response:
        handle = await Handle.attach(self._http, self._server.url)
        joined = await handle.ask({"request": "join", "ptype": "publisher", "room": ROOM})
        self.publisher_id = joined["plugindata"]["data"]["id"]
        offer = {"type": "offer", "sdp": (await request.body()).decode()}
        answered = await handle.ask({"request": "publish"}, offer)
        self.answers.append(answered["jsep"]["sdp"])
        return Response(answered["jsep"]["sdp"], 201, {"Location": "/nothing"}, "application/sdp")


@contextlib.asynccontextmanager
async def subscribed(http: httpx.AsyncClient, server: Janus, publisher_id: int) -> AsyncIterator[Browser]:
    """Somebody who watches the publisher through Janus."""
    handle = await Handle.attach(http, server.url)
    streams = [{"feed": publisher_id}]
    offered = await handle.ask({"request": "join", "ptype": "subscriber", "room": ROOM, "streams": streams})
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    browser = Browser(pc)
    pc.on("track", lambda track: browser._tasks.append(asyncio.ensure_future(browser._receive(track))))
    await pc.setRemoteDescription(RTCSessionDescription(sdp=offered["jsep"]["sdp"], type="offer"))
    await pc.setLocalDescription(await pc.createAnswer())
    answer = {"type": "answer", "sdp": pc.localDescription.sdp}
    browser._listen()
    await _ask(http, handle.address, {"janus": "message", "body": {"request": "start"}, "jsep": answer})
    try:
        yield browser
    finally:
        await browser.close()
        await handle.leave()
