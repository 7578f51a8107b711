"""What a real viewer gets over WHEP carries the watermark; whatever opens a stream says that its pictures are made."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray
from websockets.asyncio.client import connect

from fakes import FakeLibrary
from rtc_loopback import until
from running_server import Served, served
from stage_fakes import LoudnessListener
from visavis_models.avatar import Avatar
from visavis_models.motion import MotionWindow
from visavis_models.portrait import storage
from visavis_models.weights import weights_folder
from visavis_server.app import create_app
from visavis_server.provenance.finish import finish_of
from visavis_server.provenance.watermark_detection import Evidence
from visavis_server.settings_sources import load_settings
from visavis_server.studio import Studio, StudioSettings
from whip_clients import Client

pytestmark = pytest.mark.e2e

PICTURES = 50
"""2 s."""
Finish = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


class PhotoRenderer:
    """Shows a real photo, still: what drawing adds is not looked for here."""

    name = "photo"

    def __init__(self) -> None:
        photo = storage.load_avatar(weights_folder() / "gallery" / "elena").photo
        self._photo = np.ascontiguousarray(photo[: photo.shape[0] // 2 * 2, : photo.shape[1] // 2 * 2])

    def open(self, avatar: Avatar, long_side_px: int | None = None) -> None:
        return None

    def render(self, states: Sequence[None], windows: Sequence[MotionWindow]) -> list[NDArray[np.uint8]]:
        return [np.repeat(self._photo[None], len(window), axis=0) for window in windows]


@contextlib.asynccontextmanager
async def place(finish: Finish | None) -> AsyncIterator[Served]:
    settings = load_settings(flags={"sessions.capacity": 3})
    how = StudioSettings(frames_per_step=2, finish=finish)
    app: FastAPI = create_app(settings, Studio(PhotoRenderer(), LoudnessListener, how), FakeLibrary(), grace_s=0.0)
    async with served(app, settings, 30) as it:
        yield it


async def watched(http: httpx.AsyncClient) -> list[NDArray[np.uint8]]:
    """The luma of some seconds of pictures, as a viewer decodes them."""
    session = (await http.post("/v1/sessions", json={"avatar_id": "astronaut"})).json()
    viewer = Client.viewer(http)
    answer = await viewer.start(session["whep_url"])
    assert answer.status_code == 201 and answer.headers["AI-Generated"] == "true"
    try:
        await until(lambda: len(viewer.browser.video) >= PICTURES, 60)
        return [arrival.data for arrival in viewer.browser.video[-PICTURES:]]
    finally:
        await viewer.close()


def score(pictures: list[NDArray[np.uint8]]) -> float:
    evidence = Evidence()
    size = pictures[-1].shape
    for picture in pictures:
        if picture.shape == size:  # the server may have changed its size meanwhile
            evidence.add(picture)
    return evidence.finding().score


@pytest.mark.parametrize("marked", [True, False])
async def test_what_a_viewer_receives_carries_the_watermark(marked: bool) -> None:
    async with place(finish_of(True, "") if marked else None) as it:
        found = score(await watched(it.http))
    assert (found >= 7.5) is marked, f"score {found:.1f}"


async def test_microphones_viewers_and_agents_are_told_that_the_avatar_is_made() -> None:
    async with place(None) as it:
        session = (await it.http.post("/v1/sessions", json={"avatar_id": "astronaut"})).json()
        microphone, viewer = Client.microphone(it.http), Client.viewer(it.http)
        for client, path in ((microphone, f"/whip/{session['id']}"), (viewer, session["whep_url"])):
            answer = await client.start(path)
            assert answer.status_code == 201 and answer.headers["AI-Generated"] == "true", path
        await asyncio.gather(microphone.close(), viewer.close())
        async with connect(f"ws://127.0.0.1:{it.port}/v1/agents?avatar_id=astronaut") as agent:
            ready = json.loads(await asyncio.wait_for(agent.recv(), 20))
            assert ready["type"] == "ready" and ready["ai_generated"] is True
