"""PATCH of WHIP and WHEP, as RFC 9725 says: candidates that come later, and ICE restarts while media flows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiortc.rtcicetransport import RTCIceGatherer

from rtc_loopback import until
from whip_clients import FRAGMENT, LOUD, SDP, Client, venue

pytestmark = pytest.mark.e2e


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
