"""WHIP and WHEP over real HTTP and real aiortc: a microphone comes in by itself, viewers see one encoding."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import numpy as np
import psutil
import pytest
from aiortc.rtcicetransport import RTCIceGatherer

from rtc_loopback import read_index, until
from visavis_server.transmissions import watch_id
from whip_clients import FRAGMENT, SDP, Client, Venue, bare_offer, venue

pytestmark = pytest.mark.e2e

LOUD = np.tile(np.repeat(np.array([12_000, -12_000], np.int16), 24), 20_000)  # 20 s at 1 kHz


def loudest(client: Client) -> int:
    """The largest sample that a viewer heard."""
    return max((int(np.abs(part.data).max()) for part in client.browser.audio), default=0)


async def nothing_left(it: Venue) -> None:
    """Within 5 s no session, transmission or broadcast is held."""
    await until(lambda: it.registry.active == 0 and it.studio.sessions == (), 5)
    assert it.transmissions._by_key == {} and it.transmissions._broadcasts == {} and it.transmissions._shows == {}
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
        assert session.state == "speaking"
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


async def test_one_microphone_a_session_and_so_many_viewers() -> None:
    async with venue(rtc__max_viewers=1) as it:
        session = await it.session()
        clients = [
            Client.microphone(it.http),
            Client.microphone(it.http),
            Client.viewer(it.http),
            Client.viewer(it.http),
        ]
        answers = [
            await client.start(session[url])
            for client, url in zip(clients, ["whip_url"] * 2 + ["whep_url"] * 2, strict=True)
        ]
        assert [answer.status_code for answer in answers] == [201, 409, 201, 503]
        assert answers[1].json()["error"]["code"] == "already_speaking"
        assert answers[3].json()["error"]["code"] == "viewers_full" and int(answers[3].headers["Retry-After"]) > 0
        await clients[0].leave()
        assert (await clients[1].start(session["whip_url"])).status_code == 201
        for client in clients:
            await client.close()


async def _patched(client: Client, fragment: str, etag: str | None) -> int:
    return (await client.patch(fragment, etag)).status_code


async def test_patch_says_what_rfc_9725_says() -> None:
    async with venue() as it:
        microphone = Client.microphone(it.http, LOUD)
        taken = await microphone.start("/whip/astronaut")
        ufrag = next(line for line in microphone.pc.localDescription.sdp.splitlines() if "ice-ufrag" in line)
        trickle = (
            f"{ufrag}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.9 9 typ host\r\n"
        )
        assert await _patched(microphone, trickle, taken.headers["ETag"]) == 204
        assert await _patched(microphone, trickle, taken.headers["ETag"]) == 204  # replayed: nothing new
        assert await _patched(microphone, trickle, None) == 428
        assert await _patched(microphone, trickle, '"another"') == 412
        for bad in (
            "",
            "hello",
            "a=mid:77\r\na=candidate:1 1 udp 1 192.0.2.9 9 typ host",
            "a=ice-ufrag:new1\r\n",
            "\xff",
        ):
            assert await _patched(microphone, bad, taken.headers["ETag"]) == 400, bad
        assert (
            await _patched(microphone, trickle + "a=candidate:1 1 tcp 1 192.0.2.9 9 typ host", taken.headers["ETag"])
            == 204
        )
        wrong = await it.http.patch(microphone.address, content=trickle, headers={**SDP, "If-Match": "*"})
        assert wrong.status_code == 415
        for method in ("GET", "PUT", "POST"):
            assert (await it.http.request(method, microphone.address)).status_code == 405
        assert (await it.http.get("/whip/astronaut")).status_code == 405
        assert microphone.pc.connectionState == "connected"
        await microphone.close()


async def test_ice_restarts_while_the_voice_goes_on_and_a_replay_changes_nothing() -> None:
    async with venue() as it:
        session = await it.session()
        viewer = Client.viewer(it.http)
        await viewer.start(session["whep_url"])
        await until(lambda: len(viewer.browser.video) >= 5, 15)
        gatherer = RTCIceGatherer(iceServers=[])
        await gatherer.gather()
        ours, fresh = gatherer.getLocalParameters(), gatherer._connection
        lines = [f"a=ice-ufrag:{ours.usernameFragment}", f"a=ice-pwd:{ours.password}", "m=audio 9 X 0", "a=mid:0"]
        lines += [f"a=candidate:{candidate.to_sdp()}" for candidate in fresh.local_candidates]
        restarted = await viewer.patch("\r\n".join(lines), "*")
        assert restarted.status_code == 200 and restarted.headers["Content-Type"] == FRAGMENT["Content-Type"]
        assert restarted.headers["ETag"] != viewer.etag
        again = await viewer.patch("\r\n".join(lines), "*")
        assert (again.status_code, again.text, again.headers["ETag"]) == (
            200,
            restarted.text,
            restarted.headers["ETag"],
        )
        await _move(viewer, fresh, restarted.text)
        before = len(viewer.browser.video)
        await until(lambda: len(viewer.browser.video) >= before + 25, 15)
        assert viewer.pc.connectionState == "connected" and len(it.transmissions._by_key) == 1
        assert (await viewer.patch("a=candidate:1 1 udp 1 192.0.2.9 9 typ host", viewer.etag)).status_code == 412
        stale = next(line for line in viewer.pc.localDescription.sdp.splitlines() if "ice-ufrag" in line)
        assert (await viewer.patch(f"{stale}\r\na=ice-pwd:{'x' * 22}", "*")).status_code == 409
        await viewer.leave()
        await viewer.close()


async def _move(viewer: Client, fresh: Any, fragment: str) -> None:
    """The client's half of a restart, for aiortc has none: its old path is dead from now on."""
    from aioice import Candidate

    values = dict(line[2:].split(":", 1) for line in fragment.splitlines() if line.startswith("a=ice-"))
    fresh.remote_username, fresh.remote_password = values["ice-ufrag"], values["ice-pwd"]
    for line in fragment.splitlines():
        if line.startswith("a=candidate:"):
            await fresh.add_remote_candidate(Candidate.from_sdp(line.removeprefix("a=candidate:")))
    await fresh.add_remote_candidate(None)
    fresh.ice_controlling = True
    transport = viewer.browser.dtls.transport
    old = transport._connection
    for protocol in old._protocols:
        protocol.datagram_received = lambda *_: None
    await fresh.connect()
    fresh._queue, old._queue = old._queue, asyncio.Queue()
    fresh._event_waiter, old._event_waiter = old._event_waiter, None
    transport._connection, transport._recv, transport._send = fresh, fresh.recv, fresh.send
    await old.close()


async def test_nobody_ends_what_is_not_theirs() -> None:
    async with venue() as it:
        mine, yours = await it.session(), await it.session()
        first, second = Client.viewer(it.http), Client.viewer(it.http)
        await first.start(mine["whep_url"])
        await second.start(yours["whep_url"])
        name, key = first.address.split("/")[2:]
        other = second.address.split("/")[3]
        for address in (f"/whep/{name}/{other}", f"/whip/{name}/{key}", f"/whep/{mine['id']}/{key}", f"/whep/{name}/x"):
            assert (await it.http.delete(address)).status_code == 404
        assert mine["id"] not in first.address and mine["id"] not in mine["whep_url"]
        assert (await it.http.delete(f"/v1/sessions/{watch_id(mine['id'])}")).status_code == 404
        assert (
            await it.http.post(f"/whip/{watch_id(mine['id'])}", content=await bare_offer(it.http), headers=SDP)
        ).status_code == 404
        assert len(it.transmissions._by_key) == 2
        await first.close()
        await second.close()


@pytest.mark.parametrize(
    ("sdp", "status"),
    [("", 400), ("hello", 400), ("v=0\r\n", 400), ("v=0\r\nm=audio\r\n", 400), ("v=0\r\n" + "a=x\r\n" * 14_000, 413)],
)
async def test_what_is_no_offer_is_refused_and_opens_no_session(sdp: str, status: int) -> None:
    async with venue() as it:
        for path in ("/whip/astronaut", "/whep/astronaut"):
            answer = await it.http.post(path, content=sdp, headers=SDP)
            assert answer.status_code == status and set(answer.json()["error"]) == {"code", "message", "remedy"}
        assert it.registry.active == 0 and it.transmissions._by_key == {}


async def test_an_offer_of_what_cannot_be_served_is_refused_whole() -> None:
    async with venue() as it:
        offer = await bare_offer(it.http)
        session = await it.session()
        for broken in (
            offer.replace("opus/48000", "speex/16000"),
            offer.replace("a=sendonly", "a=recvonly"),
            offer.replace("a=rtcp-mux\r\n", ""),
            "\r\n".join(line for line in offer.splitlines() if "fingerprint" not in line),
            "\r\n".join(line for line in offer.splitlines() if "ice-pwd" not in line),
        ):
            answer = await it.http.post("/whip/astronaut", content=broken, headers=SDP)
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "sdp_refused")
        assert (await it.http.post(session["whep_url"], content=offer, headers=SDP)).status_code == 422
        assert (await it.http.post("/whip/nobody", content=offer, headers=SDP)).status_code == 404
        assert (await it.http.post("/whip/astronaut?show=No+Name", content=offer, headers=SDP)).status_code == 422
        assert (await it.http.post("/whip/astronaut", content=offer)).status_code == 415
        assert it.registry.active == 1


async def test_tokens_are_asked_for_and_options_tell_what_to_send() -> None:
    servers = ({"urls": ["turn:turn.example:3478?transport=udp"], "username": 'u"1', "credential": "c"},)
    async with venue(rtc__publish_token="speak", rtc__watch_token="look", rtc__ice_servers=servers) as it:
        told = await it.http.options("/whip/astronaut")
        assert told.status_code == 204 and told.headers["Accept-Post"] == "application/sdp"
        assert told.headers["Link"] == (
            '<turn:turn.example:3478?transport=udp>; rel="ice-server"; username="u\\"1"; credential="c"; '
            'credential-type="password"'
        )
        for headers in ({}, {"Authorization": "Bearer look"}, {"Authorization": "Basic speak"}):
            refused = await it.http.post("/whip/astronaut", content="v=0", headers={**SDP, **headers})
            assert refused.status_code == 401 and refused.headers["WWW-Authenticate"] == "Bearer"
        refused = await it.http.post("/whep/astronaut", content="v=0", headers={**SDP, "Authorization": "Bearer speak"})
        assert refused.status_code == 401
        assert (await it.http.delete("/whep/a/b")).status_code == 401


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


async def test_a_page_of_an_allowed_site_may_watch_and_others_may_not() -> None:
    async with venue(server__allowed_origins=("https://show.example",)) as it:
        session = await it.session()
        asks = {"Origin": "https://show.example", "Access-Control-Request-Method": "PATCH"}
        asks["Access-Control-Request-Headers"] = "authorization,content-type,if-match"
        told = await it.http.options(session["whep_url"] + "/key", headers=asks)
        assert told.status_code == 200 and "PATCH" in told.headers["Access-Control-Allow-Methods"]
        for origin, status in (("https://show.example", 400), ("https://evil.example", 403)):
            answer = await it.http.post(session["whep_url"], content="x", headers={**SDP, "Origin": origin})
            assert answer.status_code == status
        answer = await it.http.post(session["whep_url"], content="x", headers={**SDP, "Origin": "https://show.example"})
        assert {"ETag", "Link", "Location"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
