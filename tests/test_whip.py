"""WHIP: a microphone comes in by itself, over real HTTP and real aiortc."""

from __future__ import annotations

import numpy as np
import pytest

from rtc_loopback import until
from whip_clients import Client, venue

pytestmark = pytest.mark.e2e

LOUD = np.tile(np.repeat(np.array([12_000, -12_000], np.int16), 24), 10_000)  # 10 s at 1 kHz


async def test_a_microphone_makes_an_avatar_speak_and_viewers_see_and_hear_it_with_one_encode() -> None:
    async with venue() as it:
        microphone = Client.microphone(it.http, LOUD, video=True)
        taken = await microphone.start("/whip/astronaut?show=stage")
        assert taken.status_code == 201, taken.text
        assert taken.headers["Content-Type"] == "application/sdp"
        viewers = [Client.viewer(it.http) for _ in range(3)]
        for viewer in viewers:
            assert (await viewer.start("/whep/stage")).status_code == 201
        await until(lambda: all(len(viewer.browser.video) >= 40 for viewer in viewers), 20)
        await until(
            lambda: all(max(int(np.abs(part.data).max()) for part in v.browser.audio) > 4000 for v in viewers), 5
        )
        session = it.studio.sessions[0]
        assert session.state == "speaking"
        print(await it.metric("visavis_broadcast_frames_encoded_total"), await it.metric("visavis_broadcast_frames_relayed_total"), [len(v.browser.video) for v in viewers])
        for client in (*viewers, microphone):
            assert (await client.leave()).status_code == 200
            assert (await client.leave()).status_code == 404
        await until(lambda: it.registry.active == 0 and it.studio.sessions == (), 5)
        for client in (*viewers, microphone):
            await client.close()
