"""WHIP and WHEP over real HTTP and real aiortc: a microphone comes in by itself, viewers see one encoding."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import psutil
import pytest

from rtc_loopback import read_index, until
from whip_clients import LOUD, Client, Venue, venue

pytestmark = pytest.mark.e2e


def loudest(client: Client) -> int:
    """The largest sample that a viewer heard."""
    return max((int(np.abs(part.data).max()) for part in client.browser.audio), default=0)


async def nothing_left(it: Venue) -> None:
    """Within 5 s no session, transmission or broadcast is held."""
    await until(lambda: it.registry.active == 0 and it.studio.sessions == (), 5)
    assert it.transmissions._by_key == {} and it.transmissions._broadcasts == {} and it.transmissions.names._calls == {}
    assert await it.metric('visavis_transmissions{protocol="whep"}') == 0
    await it.transmissions.aclose()
    names = [task.get_name() for task in asyncio.all_tasks()]
    assert not [name for name in names if name.startswith(("broadcast", "close "))]


async def test_a_microphone_speaks_and_three_viewers_share_one_encoding() -> None:
    async with venue() as it:
        microphone = Client.microphone(it.http, LOUD, video=True)  # as OBS: video is offered always
        taken = await microphone.start("/whip/astronaut?show=stage")
        assert taken.status_code == 201 and taken.headers["Content-Type"] == "application/sdp", taken.text
        video = taken.text.partition("m=video")[2]
        assert video.startswith(" 9 ") and "a=inactive" in video and "a=mid:1" in video
        viewers = [Client.viewer(it.http) for _ in range(3)]
        for viewer in viewers:
            assert (await viewer.start("/whep/stage")).status_code == 201
        await until(lambda: all(len(viewer.browser.video) >= 40 for viewer in viewers), 30)
        await until(lambda: all(loudest(viewer) > 4000 for viewer in viewers), 10)
        session, (broadcast,) = it.studio.sessions[0], it.transmissions._broadcasts.values()
        await until(lambda: session.state == "speaking", 10)  # not between two phrases
        for viewer in viewers:
            shown = [read_index(arrival.data) for arrival in viewer.browser.video]
            assert shown == sorted(shown) and shown[-1] - shown[0] >= 30
        ticks = session.next_frame
        assert broadcast.counts.encoded <= ticks, "three viewers cost one encoding each picture, not three"
        assert broadcast.counts.relayed >= 100 and broadcast.counts.encoded_voice <= 2 * ticks
        assert broadcast.counts.relayed > 2 * broadcast.counts.encoded
        assert 0 < await it.metric("visavis_broadcast_frames_encoded_total") <= broadcast.counts.encoded
        for client in (*viewers, microphone):
            assert (await client.leave()).status_code == 200
            assert (await client.leave()).status_code == 404
        await nothing_left(it)
        for client in (*viewers, microphone):
            await client.close()


async def test_lips_and_voice_of_a_viewer_are_of_one_tick() -> None:
    """Voice counts 48 kHz and pictures 90 kHz from the same index: the reports bind both to one moment."""
    async with venue() as it:
        session = await it.session()
        viewer = Client.viewer(it.http)
        await viewer.start(session["whep_url"])
        await until(lambda: len({report.ssrc for report in viewer.browser.reports}) == 2, 15)
        by_ssrc = {report.ssrc: report for report in viewer.browser.reports}
        await until(lambda: len(viewer.browser.video) >= 5 and len(viewer.browser.audio) >= 5, 10)
        moments: dict[int, float] = {}
        for ssrc, report in by_ssrc.items():
            rate_hz = 90_000 if ssrc == _video_ssrc(viewer) else 48_000
            behind = (viewer.browser.first_rtp[ssrc] - report.rtp + 2**31) % 2**32 - 2**31
            moments[ssrc] = report.ntp_s + behind / rate_hz
        first, second = moments.values()
        assert abs((first - second) / 0.040 - round((first - second) / 0.040)) < 0.35  # whole ticks, less Opus's 6.5 ms
        await viewer.close()


def _video_ssrc(viewer: Client) -> int:
    section = viewer.answer.partition("m=video")[2]
    return int(section.partition("a=ssrc:")[2].split(" ")[0])


async def test_a_viewer_of_vp8_and_one_without_sound_are_served_beside_others() -> None:
    async with venue() as it:
        session = await it.session()
        viewers = [
            Client.viewer(it.http, codec="VP8"),
            Client.viewer(it.http, codec="H264"),
            Client.viewer(it.http, kinds="video"),
        ]
        for viewer in viewers:
            assert (await viewer.start(session["whep_url"])).status_code == 201
        await until(lambda: all(len(viewer.browser.video) >= 10 for viewer in viewers), 30)
        assert "m=audio" not in viewers[2].answer
        for viewer in viewers:
            await viewer.close()


async def test_a_late_viewer_gets_a_keyframe_and_floods_of_requests_share_few() -> None:
    async with venue() as it:
        session = await it.session()
        early, late = Client.viewer(it.http), Client.viewer(it.http)
        await early.start(session["whep_url"])
        await until(lambda: len(early.browser.video) >= 25, 15)
        await late.start(session["whep_url"])
        await until(lambda: len(late.browser.video) >= 5, 10)
        (broadcast,) = it.transmissions._broadcasts.values()
        before, begun_s = broadcast.counts.keyframes, time.monotonic()
        receiver = next(r for r in late.pc.getTransceivers() if r.kind == "video").receiver
        while time.monotonic() - begun_s < 2.5:
            ssrc = _video_ssrc(late)
            await receiver._send_rtcp_pli(ssrc)
            await asyncio.sleep(0.02)
        made = broadcast.counts.keyframes - before
        assert 2 <= made <= 4  # one a second for one viewer, however often it asks
        for viewer in (early, late):
            await viewer.close()


async def test_a_viewer_that_vanishes_is_noticed_within_five_seconds_and_leaves_nothing() -> None:
    async with venue(sessions__join_timeout_s=1.0) as it:
        session = await it.session()
        viewer, other = Client.viewer(it.http), Client.viewer(it.http)
        await viewer.start(session["whep_url"])
        await other.start(session["whep_url"])
        await until(lambda: min(len(viewer.browser.video), len(other.browser.video)) >= 3, 15)
        begun_s = time.monotonic()
        viewer.browser.vanish()
        await until(lambda: len(it.transmissions._by_key) == 1, 6)
        assert time.monotonic() - begun_s < 5.5
        seen = len(other.browser.video)
        await until(lambda: len(other.browser.video) >= seen + 10, 10)
        await other.leave()
        await nothing_left(it)  # nobody takes part in the session any more: it ends by itself
        await viewer.close()
        await other.close()


async def test_a_microphone_that_vanishes_ends_the_session_opened_for_it() -> None:
    async with venue() as it:
        microphone = Client.microphone(it.http, LOUD)
        await microphone.start("/whip/astronaut")
        await until(lambda: it.studio.sessions[0].state == "speaking", 10)
        microphone.browser.vanish()
        await until(lambda: it.registry.active == 0, 7)
        await nothing_left(it)
        await microphone.close()


async def test_a_session_that_ends_takes_its_microphone_and_viewers_along() -> None:
    async with venue() as it:
        session = await it.session()
        microphone, viewer = Client.microphone(it.http, LOUD), Client.viewer(it.http)
        await microphone.start(session["whip_url"])
        await viewer.start(session["whep_url"])
        assert (await it.http.delete(f"/v1/sessions/{session['id']}")).status_code == 204
        await nothing_left(it)
        await until(lambda: viewer.pc.connectionState == "closed" and microphone.pc.connectionState == "closed", 5)
        await viewer.close()
        await microphone.close()


async def test_twelve_microphones_and_viewers_leave_nothing_behind() -> None:
    async def cycle(it: Venue, politely: bool) -> None:
        microphone, viewer = Client.microphone(it.http), Client.viewer(it.http)
        await microphone.start("/whip/astronaut?show=again")
        await viewer.start("/whep/again")
        await until(lambda: len(viewer.browser.video) >= 1, 15)
        if politely:
            await viewer.leave()
            await microphone.leave()
        await viewer.close()
        await microphone.close()
        await until(lambda: it.registry.active == 0 and not it.transmissions._by_key, 6)
        await it.transmissions.aclose()

    def held() -> tuple[int, int, int]:
        threads = [thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")]
        return psutil.Process().num_fds(), len(threads), len(asyncio.all_tasks())

    async with venue() as it:
        for k in range(3):
            await cycle(it, bool(k % 2))
        await asyncio.sleep(0.2)
        before = held()
        for k in range(9):
            await cycle(it, bool(k % 2))
        for _ in range(20):
            await asyncio.sleep(0.1)
            if all(now <= then for now, then in zip(held(), before, strict=True)):
                break
        assert all(now <= then for now, then in zip(held(), before, strict=True)), (before, held())
        await nothing_left(it)


async def test_a_viewer_with_a_bad_link_goes_on_and_does_not_disturb_the_other() -> None:
    async with venue() as it:
        session = await it.session()
        bad, good = Client.viewer(it.http), Client.viewer(it.http)
        await bad.start(session["whep_url"])
        await good.start(session["whep_url"])
        await until(lambda: min(len(bad.browser.video), len(good.browser.video)) >= 5, 15)
        bad.browser.lose(0.1)
        before = len(bad.browser.video), len(good.browser.video)
        await asyncio.sleep(4.0)
        seen = len(bad.browser.video) - before[0], len(good.browser.video) - before[1]
        assert seen[1] >= 60 and seen[0] >= 0.5 * seen[1]
        shown = [read_index(arrival.data) for arrival in good.browser.video]
        assert shown == sorted(shown)
        await bad.close()
        await good.close()
