"""WHIP and WHEP with clients of others: GStreamer's webrtcbin, FFmpeg's whip muxer, Chromium."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from chromium import open_page
from foreign_client import told_by
from rtc_loopback import until
from whip_clients import Client, Venue, venue

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

HERE = Path(__file__).parent
LOUD = np.tile(np.repeat(np.array([12_000, -12_000], np.int16), 24), 10_000)


async def gstreamer(protocol: str, it: Venue, path: str, seconds: float) -> dict[str, Any]:
    """What the GStreamer client tells."""
    python = "/usr/bin/python3"
    probe = (
        "import gi; gi.require_version('GstWebRTC', '1.0'); from gi.repository import Gst; Gst.init(None); "
        "assert all(map(Gst.ElementFactory.find, ['webrtcbin', 'nicesrc', 'opusenc', 'vp8dec']))"
    )
    found = shutil.which(python) and (
        await (
            await asyncio.create_subprocess_exec(
                python, "-c", probe, stderr=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
            )
        ).wait()
    )
    if found != 0:
        assert not os.environ.get("REQUIRE_GSTREAMER"), "GStreamer is required here and is not installed"
        pytest.skip("no GStreamer webrtcbin (Debian: gstreamer1.0-plugins-bad gstreamer1.0-nice python3-gst-1.0)")
    script, address = str(HERE / "gstreamer_client.py"), f"http://127.0.0.1:{it.port}{path}"
    return await told_by(python, script, protocol, address, str(seconds))


async def test_gstreamer_speaks_over_whip() -> None:
    async with venue() as it:
        session = await it.session()
        running = asyncio.create_task(gstreamer("whip", it, session["whip_url"], 4.0))
        try:
            await until(lambda: running.done() or it.studio.sessions[0].state == "speaking", 30)
        finally:
            told = await running
        assert (told["status"], told["connection"], told["deleted"]) == (201, "connected", 200)


async def test_gstreamer_watches_over_whep() -> None:
    async with venue() as it:
        microphone = Client.microphone(it.http, LOUD)
        assert (await microphone.start("/whip/astronaut?show=gst")).status_code == 201
        told = await gstreamer("whep", it, "/whep/gst", 6.0)
        assert (told["status"], told["connection"], told["deleted"]) == (201, "connected", 200)
        assert told["packets"]["video"] >= 40 and told["packets"]["audio"] >= 80
        await microphone.close()


async def test_ffmpeg_speaks_over_whip_in_stereo_with_a_token(tmp_path: Path) -> None:
    if "whip" not in av.formats_available:
        pytest.skip("this FFmpeg has no whip muxer")
    async with venue(rtc__publish_token="stage-door") as it:
        session = await it.session()
        url = f"http://127.0.0.1:{it.port}{session['whip_url']}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(HERE / "ffmpeg_whip_client.py"), url, str(tmp_path), "4.0", "stage-door"
        )
        try:
            await until(lambda: process.returncode is not None or it.studio.sessions[0].state == "speaking", 30)
            assert it.studio.sessions[0].state == "speaking"
            assert await asyncio.wait_for(process.wait(), 30) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert await it.metric('visavis_transmissions{protocol="whip"}') == 0  # it says DELETE at the end


WATCH = """async (url) => {
    const pc = new RTCPeerConnection();
    pc.addTransceiver("audio", { direction: "recvonly" });
    pc.addTransceiver("video", { direction: "recvonly" });
    const video = document.createElement("video");
    video.autoplay = true;
    video.srcObject = new MediaStream();
    pc.ontrack = (event) => video.srcObject.addTrack(event.track);
    document.body.append(video);
    await pc.setLocalDescription();
    const headers = { "Content-Type": "application/sdp" };
    const made = await fetch(url, { method: "POST", body: pc.localDescription.sdp, headers });
    if (made.status !== 201) throw new Error(await made.text());
    const address = made.headers.get("Location");
    const etag = made.headers.get("ETag");
    await pc.setRemoteDescription({ type: "answer", sdp: await made.text() });
    const fragment = (candidate) => `a=mid:${candidate.sdpMid}\\r\\na=${candidate.candidate}\\r\\n`;
    const trickled = [];
    pc.onicecandidate = async ({ candidate }) => {
        if (!candidate || !candidate.candidate) return;
        const patch = { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": etag };
        trickled.push((await fetch(address, { method: "PATCH", body: fragment(candidate), headers: patch })).status);
    };
    await new Promise((done, fail) => {
        const poll = () => (video.getVideoPlaybackQuality().totalVideoFrames >= 50 ? done() : setTimeout(poll, 50));
        setTimeout(() => fail(new Error("no pictures")), 25000);
        poll();
    });
    const stats = [...(await pc.getStats()).values()].filter((entry) => entry.type === "inbound-rtp");
    const inbound = Object.fromEntries(stats.map((entry) => [entry.kind, entry]));
    const gone = (await fetch(address, { method: "DELETE" })).status;
    const { videoWidth, videoHeight } = video;
    pc.close();
    return { gone, trickled, videoWidth, videoHeight, frames: inbound.video.framesDecoded,
             lost: inbound.video.packetsLost, heard: inbound.audio.totalAudioEnergy };
}"""


@pytest.mark.browser
async def test_chromium_watches_over_whep_and_trickles() -> None:
    async with venue() as it:
        microphone = Client.microphone(it.http, LOUD)
        assert (await microphone.start("/whip/astronaut?show=chromium")).status_code == 201
        async with open_page(None) as (page, errors):
            await page.goto(f"http://127.0.0.1:{it.port}/healthz")
            told = await page.evaluate(WATCH, "/whep/chromium")
        assert [error for error in errors if "404" not in error] == []  # this address has no icon
        assert (told["videoWidth"], told["videoHeight"], told["gone"]) == (320, 320, 200)
        assert told["frames"] >= 50 and told["heard"] > 0.01 and set(told["trickled"]) <= {204}
        await microphone.close()
