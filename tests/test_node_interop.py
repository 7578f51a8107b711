"""WHIP and WHEP with WebRTC libraries of Node: werift (plain TypeScript) and @roamhq/wrtc (libwebrtc)."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from agent_speech import speech
from foreign_client import told_by
from rtc_loopback import until
from whip_clients import Client, Venue, venue

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

FOLDER = Path(__file__).parent / "interop"
LOUD = np.tile(np.repeat(np.array([12_000, -12_000], np.int16), 24), 10_000)
LONGEST_S = 30.0  # a busy machine takes longer for what an idle one shows in three
PACKAGES = {"werift": "werift", "wrtc": "@roamhq/wrtc"}


def node(client: str) -> str:
    """The path of Node, where this client can run."""
    found = shutil.which("node")
    if found is None or not (FOLDER / "node_modules" / PACKAGES[client] / "package.json").is_file():
        assert not os.environ.get("REQUIRE_NODE_INTEROP"), "Node and tests/interop/node_modules are required here"
        pytest.skip("no Node with werift and @roamhq/wrtc (npm ci in tests/interop)")
    return found


async def client(name: str, protocol: str, it: Venue, path: str, seconds: float, *more: str) -> dict[str, Any]:
    """What a client tells when it has ended."""
    script, address = str(FOLDER / f"{name}_client.mjs"), f"http://127.0.0.1:{it.port}{path}"
    return await told_by(node(name), script, protocol, address, str(seconds), *more)


def opus_packets(path: Path) -> Path:
    """A spoken sentence as packets of Opus, 20 ms each, base64, one a line."""
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "mono", "s16"
    encoder.open()
    voice = speech(48_000)
    lines = []
    for at in range(0, len(voice) - encoder.frame_size, encoder.frame_size):
        frame = av.AudioFrame.from_ndarray(voice[at : at + encoder.frame_size][None], format="s16", layout="mono")
        frame.sample_rate = 48_000
        lines += [base64.b64encode(bytes(packet)).decode() for packet in encoder.encode(frame)]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("name", PACKAGES)
async def test_a_library_of_node_speaks_over_whip(name: str, tmp_path: Path) -> None:
    node(name)
    more = (str(opus_packets(tmp_path / "speech.opus.txt")),) if name == "werift" else ()
    async with venue() as it:
        session = await it.session()
        speaking = asyncio.create_task(client(name, "whip", it, session["whip_url"], 3.0, *more))
        try:
            await until(lambda: speaking.done() or it.studio.sessions[0].state == "speaking", 30)
            heard = it.studio.sessions[0].state == "speaking"
        finally:
            told = await speaking
        assert (told["status"], told["connection"], told["deleted"]) == (201, "connected", 200)
        assert heard and told["audio"] >= 100
        assert await it.metric('visavis_transmissions{protocol="whip"}') == 0


@pytest.mark.parametrize("name", PACKAGES)
async def test_a_library_of_node_watches_over_whep(name: str) -> None:
    node(name)
    async with venue() as it:
        microphone = Client.microphone(it.http, LOUD)
        assert (await microphone.start("/whip/astronaut?show=node")).status_code == 201
        pictures, sounds = (75, 150) if name == "werift" else (75, 300)  # three seconds of each: 20 or 10 ms a sound
        told = await client(name, "whep", it, "/whep/node", LONGEST_S, str(pictures), str(sounds))
        assert (told["status"], told["connection"], told["deleted"]) == (201, "connected", 200)
        assert told["video"] >= pictures and told["audio"] >= sounds
        assert told["video"] / pictures > 0.4 * told["audio"] / sounds  # a busy machine drops pictures, but never most
        if name == "wrtc":
            assert (told["width"], told["height"]) == (320, 320) and told["loudest"] > 3000
        else:
            assert told["keyframes"] >= 1 and told["lost"] == 0
        assert await it.metric('visavis_transmissions{protocol="whep"}') == 0
        await microphone.close()
