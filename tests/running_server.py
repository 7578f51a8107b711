"""A real server on a real port, in the test's own event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect

from fakes import FakeLibrary, FakePeers, FakeStudio
from visavis_server.app import create_app
from visavis_server.call_server import CallServer, call_server
from visavis_server.serving import open_socket
from visavis_server.settings import Settings
from visavis_server.settings_sources import load_settings


@dataclass
class House:
    """An app made of fakes."""

    app: FastAPI
    settings: Settings
    studio: FakeStudio
    library: FakeLibrary
    peers: FakePeers

    @property
    def calls(self) -> Any:
        return self.app.state.registry

    def figures(self) -> dict[str, float]:
        """What /metrics shows, by name with labels."""
        lines = self.app.state.metrics.text().decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def house(grace_s: float = 0.0, **flags: Any) -> House:
    """An app of fakes; flags are settings with `__` for the dot: `sessions__capacity=2`."""
    flags = {"sessions__capacity": 2, **flags}
    settings = load_settings(flags={name.replace("__", "."): value for name, value in flags.items()})
    studio, library, peers = FakeStudio(), FakeLibrary(), FakePeers()
    return House(create_app(settings, studio, library, peers, grace_s=grace_s), settings, studio, library, peers)


@asynccontextmanager
async def client_of(home: House, raise_defects: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client straight into the app, without sockets; its lifespan runs."""
    transport = httpx.ASGITransport(home.app, raise_app_exceptions=raise_defects)
    async with (
        home.app.router.lifespan_context(home.app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client,
    ):
        yield client


@dataclass
class Running:
    """A server that listens."""

    house: House
    port: int
    server: CallServer
    serving: asyncio.Task[None]
    http: httpx.AsyncClient

    async def open(self, avatar_id: str = "astronaut") -> str:
        """A new session's id."""
        answer = await self.http.post("/v1/sessions", json={"avatar_id": avatar_id})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def signal(self, id: str, **options: Any) -> connect:
        """Connects to a session's signalling."""
        return connect(f"ws://127.0.0.1:{self.port}/v1/sessions/{id}/signal", **options)


@dataclass
class Served:
    """A server that listens, whatever it serves."""

    port: int
    server: CallServer
    serving: asyncio.Task[None]
    http: httpx.AsyncClient


@asynccontextmanager
async def served(app: FastAPI, settings: Settings, answer_s: float = 5.0) -> AsyncIterator[Served]:
    """Serve an app on a free port until the block ends; its client waits so long for answers."""
    sock = open_socket("127.0.0.1", 0)
    port = sock.getsockname()[1]
    ready = asyncio.Event()
    server = call_server(app, settings, ready.set)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    await asyncio.wait_for(ready.wait(), 10)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=answer_s) as http:
        try:
            yield Served(port, server, serving, http)
        finally:
            server.should_exit = True
            await asyncio.wait_for(serving, 15)


@asynccontextmanager
async def running(home: House) -> AsyncIterator[Running]:
    """Serve an app until the block ends."""
    async with served(home.app, home.settings) as it:
        yield Running(home, it.port, it.server, it.serving, it.http)


async def say(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def hear(
    socket: ClientConnection, kind: str, skipped: Collection[str] = ("stats", "state"), wait_s: float = 5.0
) -> dict[str, Any]:
    """The next message of this type; only some others may come before it."""
    while True:
        message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), wait_s))
        if message["type"] == kind:
            return message
        assert message["type"] in skipped, f"waited for {kind}, got {message}"
