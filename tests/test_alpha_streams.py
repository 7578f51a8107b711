"""Transparency over real WebRTC: the person beside their matte, encoded once for all who ask, and for nobody else."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.asyncio.client import connect

from cutout_fakes import PLATE, SIZE_PX, CutoutRenderer, disc
from rtc_loopback import Browser, painted, tick, until
from running_server import hear
from visavis_models.matte import Matte
from visavis_server.media import Published
from visavis_server.rtc.layouts import SideBySideMaker, frame_size_px, frames_of
from visavis_server.rtc.tracks import FrameMaker
from whip_clients import Client, Venue, venue

pytestmark = pytest.mark.e2e
Pixels = NDArray[np.uint8]
GREY = np.array([0.299, 0.587, 0.114])


def cover_of(luma: Pixels) -> NDArray[np.float64]:
    """The matte in the right half of a decoded frame, 0..255."""
    return np.asarray(np.clip((luma[:, luma.shape[1] // 2 :].astype(float) - 16) * 255 / 219, 0, 255))


def shown_index(luma: Pixels) -> int:
    """Which frame's disc a decoded frame shows: the one whose middle is nearest, modulo 80."""
    cover = cover_of(luma)
    return round(float((cover.sum(0) * np.arange(SIZE_PX)).sum() / cover.sum())) - 120


def decoded(client: Client) -> list[Pixels]:
    return [arrival.data for arrival in client.browser.video]


async def figures(it: Venue) -> tuple[float, float]:
    """Who takes mattes now, and frames encoded with one so far."""
    return await it.metric("visavis_alpha_takers"), await it.metric("visavis_alpha_frames_encoded_total")


def published(index: int) -> Published:
    share = disc(index)[..., None] / 255
    plate = np.full((SIZE_PX, SIZE_PX, 3), PLATE, np.uint8)
    picture = np.rint(painted(index) * share + (1 - share) * plate).astype(np.uint8)
    return Published(index, picture, np.zeros(1920, np.int16), False, 0, Matte(disc(index), plate))


def test_a_frame_holds_the_person_on_the_left_and_the_matte_in_video_range_on_the_right() -> None:
    item = published(7)
    frame = SideBySideMaker().frame(item)
    assert frame is not None and (frame.width, frame.height) == frame_size_px(item, "side-by-side") == (640, 320)
    planes = np.asarray(frame.to_ndarray(), np.uint8)
    luma = planes[:320]
    assert (luma[:, 320:].min(), luma[:, 320:].max()) == (16, 235)
    assert np.abs(cover_of(luma) - disc(7)).max() <= 1
    left = luma[:, :320].astype(float)
    inside = disc(7) == 255
    expected = 16 + 219 / 255 * (painted(7) @ GREY)
    assert np.abs(left - expected)[inside].max() <= 2
    colours = frame.to_rgb().to_ndarray()[:, :320].astype(int)
    assert (colours[..., 1] - np.maximum(colours[..., 0], colours[..., 2])).max() < 30, "nothing of the green plate"
    chroma = planes[320:].reshape(2, 160, 320)
    assert (chroma[..., 160:] == 128).all(), "the matte has no colour"


def test_a_tick_without_a_matte_has_no_frame_and_one_that_repeats_is_made_once() -> None:
    maker = SideBySideMaker()
    assert maker.frame(tick(3)) is None
    item = published(3)
    first, again = maker.frame(item), maker.frame(Published(4, item.picture, item.voice, True, 0, item.matte))
    assert first is not None and again is not None
    assert (first.pts, again.pts) == (3 * 3600, 4 * 3600)
    assert np.array_equal(first.to_ndarray(), again.to_ndarray())
    assert isinstance(frames_of("plain"), FrameMaker)


async def test_viewers_with_alpha_share_one_encoding_beside_the_plain_one() -> None:
    renderer = CutoutRenderer()
    async with venue(renderer) as it:
        session = await it.session()
        plain = Client.viewer(it.http)
        assert (await plain.start(session["whep_url"])).status_code == 201
        await until(lambda: len(plain.browser.video) >= 10, 20)
        assert renderer.mattes_drawn == 0 and await figures(it) == (0, 0), "nobody asked"
        both = [Client.viewer(it.http), Client.viewer(it.http, codec="VP8")]
        for client in both:
            assert (await client.start(session["whep_url"] + "?alpha=side-by-side")).status_code == 201
        third = Client.viewer(it.http)
        assert (await third.start(session["whep_url"] + "?alpha=side-by-side")).status_code == 201
        await until(lambda: all(len(client.browser.video) >= 40 for client in (*both, third)), 30)
        assert all(frame.shape == (SIZE_PX, 2 * SIZE_PX) for client in both for frame in decoded(client))
        assert all(frame.shape == (SIZE_PX, SIZE_PX) for frame in decoded(plain))
        for client in both:
            frame = decoded(client)[-1]
            error = np.abs(cover_of(frame) - disc(shown_index(frame)))
            assert error.mean() < 2.0, "the codec leaves the matte whole"
            assert cover_of(frame)[:, :8].max() < 32, "hardly anything of the blocks spills over the seam"
        (broadcast,) = it.transmissions._broadcasts.values()
        takers, encoded = await figures(it)
        assert takers == 3 and 40 <= encoded <= broadcast.counts.with_matte
        ticks = it.studio.sessions[0].next_frame
        assert broadcast.counts.with_matte <= 2 * ticks, "one each for H.264 and VP8, not one for each viewer"
        for client in (*both, third):
            await client.leave()
        await until(lambda: not it.studio.sessions[0].matte_wanted, 5)
        drawn = renderer.mattes_drawn
        await asyncio.sleep(0.5)
        assert renderer.mattes_drawn <= drawn + 2 and (await figures(it))[0] == 0
        assert {layout for _, layout in broadcast._encoders} == {"plain"}, "its encoders are let go"
        for client in (*both, third, plain):
            await client.close()


async def test_a_call_that_asks_gets_the_matte_in_step_with_its_picture() -> None:
    async with venue(CutoutRenderer()) as it:
        session = await it.session()
        browser = Browser.open()
        async with connect(f"ws://127.0.0.1:{it.port}{session['signal_url']}") as socket:
            offer = await browser.offer()
            await socket.send(json.dumps({"type": "offer", "sdp": offer, "alpha": "side-by-side"}))
            await browser.accept((await hear(socket, "answer"))["sdp"])
            await until(lambda: len(browser.video) >= 20, 20)
            assert all(arrival.data.shape == (SIZE_PX, 2 * SIZE_PX) for arrival in browser.video)
            assert await it.metric("visavis_alpha_takers") == 1
            steps = np.diff([shown_index(arrival.data) for arrival in browser.video])
            assert (steps % 80 <= 4).all(), "the matte moves with the ticks"
        await until(lambda: it.registry.active == 0, 10)
        assert await it.metric("visavis_alpha_takers") == 0
        await browser.close()


async def test_a_renderer_that_cannot_tell_and_words_that_are_no_layout_are_refused() -> None:
    async with venue() as it:
        session = await it.session()
        client = Client.viewer(it.http)
        refused = await client.start(session["whep_url"] + "?alpha=side-by-side")
        assert refused.status_code == 422 and refused.json()["error"]["code"] == "alpha_unavailable"
        odd = await client.start(session["whep_url"] + "?alpha=yes")
        assert odd.status_code == 422 and "error" in odd.json()
        assert (await it.http.get(f"/v1/watch/{session['id']}")).json()["alpha"] is False
        assert it.transmissions._by_key == {} and await it.metric("visavis_alpha_takers") == 0
        await client.close()
