"""A tiny WHIP server for tests: aiortc behind four HTTP answers, which can also be unwilling in several ways."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import uvicorn
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from fastapi import FastAPI, Request, Response

from rtc_loopback import Browser

Answer = Callable[[Request], Awaitable[Response | None]]


@dataclass
class WhipServer:
    """What was asked, and the connections that came of it."""

    port: int
    publishers: list[Browser] = field(default_factory=list)
    posts: list[dict[str, str]] = field(default_factory=list)
    """Headers of every POST, with its path as `path`."""
    deleted: list[str] = field(default_factory=list)
    before: Answer | None = None
    """Answers instead, if it gives an answer."""
    edit: Callable[[str], str] = lambda sdp: sdp
    """Changes the answer's SDP."""

    def url(self, path: str = "/whip/live", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def take(self, request: Request) -> Response:
        self.posts.append({**request.headers, "path": request.url.path})
        if self.before is not None:
            answer = await self.before(request)
            if answer is not None:
                return answer
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        browser = Browser(pc)
        pc.on("track", lambda track: browser._tasks.append(asyncio.ensure_future(browser._receive(track))))
        await pc.setRemoteDescription(RTCSessionDescription(sdp=(await request.body()).decode(), type="offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        browser._listen()
        self.publishers.append(browser)
        headers = {"Location": f"/resource/{len(self.publishers)}", "ETag": '"1"'}
        return Response(self.edit(pc.localDescription.sdp), 201, headers, "application/sdp")

    async def delete(self, request: Request) -> Response:
        self.deleted.append(request.url.path)
        number = int(request.url.path.rpartition("/")[2])
        await self.publishers[number - 1].close()
        return Response(status_code=200)


@contextlib.asynccontextmanager
async def whip_server(host: str = "127.0.0.1") -> AsyncIterator[WhipServer]:
    """A server on a free port."""
    sock = socket.socket()
    sock.bind((host, 0))
    it = WhipServer(sock.getsockname()[1])
    app = FastAPI()
    app.add_route("/whip/{rest:path}", it.take, methods=["POST"])
    app.add_route("/resource/{number}", it.delete, methods=["DELETE"])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    try:
        yield it
    finally:
        for browser in it.publishers:
            await browser.close()
        server.should_exit = True
        await asyncio.wait_for(serving, 10)
        sock.close()
