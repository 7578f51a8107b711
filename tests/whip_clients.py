"""Clients of WHIP and WHEP for tests: real aiortc, plain HTTP, and a server whose pictures spell their frame index."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from fastapi import FastAPI
from numpy.typing import NDArray

from fakes import FakeLibrary
from rtc_loopback import Browser, MicrophoneTrack
from running_server import served
from stage_fakes import LoudnessListener
from test_webrtc_call import NumberRenderer
from visavis_models.rendering import Renderer
from visavis_server.app import create_app
from visavis_server.registry import SessionRegistry
from visavis_server.settings_sources import load_settings
from visavis_server.studio import Studio, StudioSettings
from visavis_server.transmissions import Transmissions

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
LOUD = np.tile(np.repeat(np.array([12_000, -12_000], np.int16), 24), 20_000)  # 20 s at 1 kHz


@dataclass
class Venue:
    """A server that listens."""

    http: httpx.AsyncClient
    port: int
    studio: Studio
    registry: SessionRegistry
    transmissions: Transmissions
    app: FastAPI

    async def session(self) -> dict[str, Any]:
        """A new session as the API shows it."""
        made = await self.http.post("/v1/sessions", json={"avatar_id": "astronaut"})
        assert made.status_code == 201, made.text
        found: dict[str, Any] = made.json()
        return found

    async def metric(self, name: str) -> float:
        """One value of /metrics."""
        lines = (await self.http.get("/metrics")).text.splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " "))


@contextlib.asynccontextmanager
async def venue(renderer: Renderer[Any] | None = None, **flags: Any) -> AsyncIterator[Venue]:
    """A server with numbered pictures, or another renderer's; flags are settings with `__` for the dot."""
    given = {"sessions__capacity": 3, **flags}
    settings = load_settings(flags={name.replace("__", "."): value for name, value in given.items()})
    studio = Studio(renderer or NumberRenderer(), LoudnessListener, StudioSettings(frames_per_step=1))
    app = create_app(settings, studio, FakeLibrary(), grace_s=0.0)
    async with served(app, settings, 30) as it:
        yield Venue(it.http, it.port, studio, app.state.registry, app.state.transmissions, app)


async def bare_offer(http: httpx.AsyncClient) -> str:
    """A microphone's offer behind which nobody stands."""
    client = Client.microphone(http)
    offer = await client.offer()
    await client.close()
    return offer


@dataclass
class Client:
    """One side of a transmission: a connection, its address and its ETag."""

    http: httpx.AsyncClient
    pc: RTCPeerConnection
    browser: Browser
    headers: dict[str, str] = field(default_factory=dict)
    address: str = ""
    etag: str = ""
    answer: str = ""

    @classmethod
    def microphone(
        cls, http: httpx.AsyncClient, samples: NDArray[np.int16] | None = None, *, video: bool = False
    ) -> Client:
        """A WHIP client; with video it offers that too, as OBS always does."""
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        pc.addTransceiver(MicrophoneTrack(samples), direction="sendonly")
        if video:
            pc.addTransceiver("video", direction="sendonly")
        return cls(http, pc, Browser(pc))

    @classmethod
    def viewer(cls, http: httpx.AsyncClient, *, codec: str | None = None, kinds: str = "audio video") -> Client:
        """A WHEP client."""
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        browser = Browser(pc)
        for kind in kinds.split():
            transceiver = pc.addTransceiver(kind, direction="recvonly")
            if kind == "video" and codec is not None:
                codecs = type(transceiver.receiver).getCapabilities("video")
                assert codecs is not None
                wanted = [c for c in codecs.codecs if c.name.lower() in (codec.lower(), "rtx")]
                transceiver.setCodecPreferences(wanted)
        pc.on("track", lambda track: browser._tasks.append(asyncio.ensure_future(browser._receive(track))))
        return cls(http, pc, browser)

    async def offer(self) -> str:
        """The SDP of our side."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    async def start(self, path: str) -> httpx.Response:
        """Offer, and connect if that is taken."""
        response = await self.http.post(path, content=await self.offer(), headers={**SDP, **self.headers})
        if response.status_code == 201:
            self.address, self.etag = response.headers["Location"], response.headers["ETag"]
            self.answer = response.text
            await self.pc.setRemoteDescription(RTCSessionDescription(sdp=response.text, type="answer"))
            self.browser._listen()
            await self.browser.connected()
        return response

    async def patch(self, fragment: str, etag: str | None) -> httpx.Response:
        """Trickle or restart."""
        tag = {} if etag is None else {"If-Match": etag}
        return await self.http.patch(self.address, content=fragment, headers={**FRAGMENT, **tag, **self.headers})

    async def leave(self) -> httpx.Response:
        """Say good-bye."""
        return await self.http.delete(self.address, headers=self.headers)

    async def close(self) -> None:
        await self.browser.close()
