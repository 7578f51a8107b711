"""Every picture that leaves a session is finished first, and everything that answers says that pictures are made."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from running_server import client_of, house
from stage_fakes import LoudnessListener, PaintingRenderer, plain_avatar
from visavis_server.api.messages import answer_message
from visavis_server.studio import Studio, StudioSettings

pytestmark = pytest.mark.e2e


def signed(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A finish that can be told: the last pixel is red."""
    out = pictures.copy()
    out[:, -1, -1] = (255, 0, 0)
    return out


async def test_every_published_picture_is_finished_from_the_first_on() -> None:
    studio = Studio(PaintingRenderer(), lambda _: LoudnessListener(), StudioSettings(finish=signed))
    try:
        session = await studio.open_session(plain_avatar())
        seen = []
        async for item in session.stream():
            seen.append((item.repeated, item.picture[-1, -1].tolist()))
            if len(seen) == 40:
                break
        assert {pixel == [255, 0, 0] for _, pixel in seen} == {True}
        assert any(not repeated for repeated, _ in seen), "drawn ones, not only the picture of the beginning"
    finally:
        await studio.aclose()


async def test_answers_say_that_what_is_seen_is_made() -> None:
    assert answer_message("v=0")["ai_generated"] is True
    async with client_of(house()) as client:
        made = (await client.post("/v1/sessions", json={"avatar_id": "zoe"})).json()
        config = (await client.get("/v1/config")).json()
        watched = (await client.get(f"/v1/watch/{made['id']}")).json()
    assert made["ai_generated"] is config["ai_generated"] is watched["ai_generated"] is True
