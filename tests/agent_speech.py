"""Spoken sentences as a voice agent would push them, and a server whose pictures say how far a mouth is open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect

import running_server
from fakes import FakeLibrary, FakePeers
from stage_fakes import LoudnessListener, PaintingRenderer
from visavis_server.app import create_app
from visavis_server.media import Published
from visavis_server.registry import SessionRegistry
from visavis_server.settings_sources import load_settings
from visavis_server.studio import Studio, StudioSettings
from visavis_server.voice_intake import Resampler

DATA = Path(__file__).parent / "data"


@cache
def speech(rate_hz: int, language: str = "en") -> NDArray[np.int16]:
    """A spoken sentence from its first sound on, int16 (n,) mono at this rate."""
    with av.open(str(DATA / f"speech_{language}.flac")) as box:
        resampler = av.AudioResampler("s16", "mono", rate_hz)
        frames = [part for frame in box.decode(audio=0) for part in resampler.resample(frame)]
        frames += resampler.resample(None)
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.int16)
    return samples[np.argmax(np.abs(samples) > 20) :]


def at_48_khz(samples: NDArray[np.int16], rate_hz: int) -> NDArray[np.int16]:
    """The same in one piece at the rate at which it is heard."""
    resampler = Resampler(rate_hz, 48_000)
    return np.concatenate([resampler.push(samples), resampler.flush()])


def about(seconds: float) -> Any:
    """So long, to the millisecond."""
    return pytest.approx(seconds, abs=0.001)


def pcm(samples: NDArray[np.int16]) -> bytes:
    """S16le."""
    return samples.astype("<i2").tobytes()


class Ear:
    """A viewer of a session: keeps what it publishes."""

    def __init__(self) -> None:
        self.items: list[Published] = []

    def publish(self, item: Published) -> None:
        self.items.append(item)

    @property
    def voice(self) -> NDArray[np.int16]:
        """All that was heard, int16 at 48 kHz."""
        return np.concatenate([item.voice for item in self.items])


@dataclass
class Place:
    """A server with a real studio, without networks; peers are fakes."""

    http: httpx.AsyncClient
    port: int
    studio: Studio
    registry: SessionRegistry

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def listen(self) -> Ear:
        """Watch the newest session."""
        ear = Ear()
        self.studio.sessions[-1].add_sink(ear)
        return ear

    async def open(self) -> str:
        """A session that somebody else opened."""
        made = await self.http.post("/v1/sessions", json={"avatar_id": "astronaut"})
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    async def empty(self) -> None:
        """Wait until nothing is left of any session."""
        async with asyncio.timeout(10):
            while self.registry.active or self.studio.sessions:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@asynccontextmanager
async def place(
    peers: FakePeers | None = None,
    renderer: PaintingRenderer | None = None,
    library: FakeLibrary | None = None,
    **flags: Any,
) -> AsyncIterator[Place]:
    """Serve until the block ends; flags are settings with `__` for the dot."""
    flags = {"sessions__capacity": 2, **flags}
    settings = load_settings(flags={name.replace("__", "."): value for name, value in flags.items()})
    studio = Studio(renderer or PaintingRenderer(), LoudnessListener, StudioSettings(frames_per_step=1))
    app = create_app(settings, studio, library or FakeLibrary(), peers or FakePeers(), grace_s=0.0)
    async with running_server.served(app, settings, 20) as it:
        yield Place(it.http, it.port, studio, app.state.registry)


def raw(it: Place, path: str = "/v1/agents?avatar_id=astronaut") -> connect:
    """A WebSocket as a client without our library opens it."""
    return connect(it.url + path)


async def hear(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of this type; states and progress before it are skipped."""
    return await running_server.hear(socket, kind, ("state", "progress"), 10)
