"""A server with painted pictures at any address of this machine, and what in a network keeps it from calls."""

from __future__ import annotations

import asyncio
import socket
from asyncio import selector_events
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from fakes import FakeLibrary
from stage_fakes import LoudnessListener
from test_webrtc_call import NumberRenderer
from visavis_server.app import create_app
from visavis_server.call_server import CallServer, call_server
from visavis_server.registry import SessionRegistry
from visavis_server.serving import open_socket
from visavis_server.settings_sources import load_settings
from visavis_server.studio import Studio, StudioSettings


@dataclass
class NetworkPlace:
    """A server that listens."""

    url: str
    registry: SessionRegistry
    server: CallServer


@asynccontextmanager
async def network_place(host: str = "127.0.0.1", **flags: Any) -> AsyncIterator[NetworkPlace]:
    """Serve until the block ends; flags are settings with `__` for the dot."""
    given = {"sessions__capacity": 2, "server__host": host, **flags}
    settings = load_settings(flags={name.replace("__", "."): value for name, value in given.items()})
    studio = Studio(NumberRenderer(), LoudnessListener, StudioSettings(frames_per_step=1))
    app = create_app(settings, studio, FakeLibrary(), grace_s=0.0)
    sock = open_socket(host, 0)
    port = sock.getsockname()[1]
    ready = asyncio.Event()
    server = call_server(app, settings, ready.set)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    await asyncio.wait_for(ready.wait(), 10)
    try:
        yield NetworkPlace(f"http://{host}:{port}", app.state.registry, server)
    finally:
        server.should_exit = True
        await asyncio.wait_for(serving, 15)


@pytest.fixture
def no_udp(monkeypatch: pytest.MonkeyPatch) -> None:
    """A firewall before this process: TCP passes, but no UDP gets out."""
    transport: Any = selector_events._SelectorDatagramTransport  # type: ignore[attr-defined]
    monkeypatch.setattr(transport, "sendto", lambda *_: None)


def dead_port(address: str) -> int:
    """A port of this address at which nobody listens."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
