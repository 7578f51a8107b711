"""Calls through a real coturn and nothing else: over UDP and TCP, with minted passwords, and with wrong ones."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamTrack
from websockets.asyncio.client import connect

from coturn import SECRET, Coturn, coturn
from network_place import network_place
from rtc_loopback import Browser, MicrophoneTrack, until
from running_server import hear, say
from visavis_models.errors import EngineError
from visavis_server.rtc import Peer, Reach

pytestmark = pytest.mark.e2e
RELAY = RTCIceTransportPolicy.RELAY


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with coturn(tmp_path_factory.mktemp("coturn")) as running:
        yield running


def caller(servers: list[dict[str, Any]]) -> Browser:
    """A browser's side that uses the relay only."""
    ice = [RTCIceServer(**server) for server in servers]
    pc = RTCPeerConnection(RTCConfiguration(ice, iceTransportPolicy=RELAY, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
    browser = Browser(pc)
    pc.addTransceiver(MicrophoneTrack(np.full(96_000, 9_000, np.int16)), direction="sendrecv")
    pc.addTransceiver("video", direction="recvonly")

    def on_track(track: MediaStreamTrack) -> None:
        browser._tasks.append(asyncio.ensure_future(browser._receive(track)))

    pc.on("track", on_track)
    return browser


def settings_of(relay: Coturn, *transports: str, secret: str = SECRET) -> dict[str, Any]:
    urls = [relay.url(transport) for transport in transports]
    return {"rtc__ice_servers": ({"urls": urls},), "rtc__turn_secret": secret, "rtc__relay_only": True}


def candidate_types(sdp: str) -> set[str]:
    return {line.split(" typ ")[1].split()[0] for line in sdp.splitlines() if line.startswith("a=candidate:")}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_through_the_relay_only(relay: Coturn, transport: str) -> None:
    async with network_place(**settings_of(relay, transport)) as it, httpx.AsyncClient(base_url=it.url) as http:
        config = (await http.get("/v1/config")).json()
        assert config["ice_transport_policy"] == "relay"
        session = (await http.post("/v1/sessions", json={"avatar_id": "astronaut"})).json()
        browser = caller(config["ice_servers"])
        async with connect(it.url.replace("http", "ws") + session["signal_url"]) as signal:
            offer = await browser.offer()
            await say(signal, type="offer", sdp=offer)
            answer = (await hear(signal, "answer"))["sdp"]
            assert candidate_types(offer) == candidate_types(answer) == {"relay"}
            await browser.accept(answer)
            await browser.connected()
            await until(lambda: len(browser.video) >= 20 and len(browser.audio) >= 20, 15)
            peer = it.registry.get(session["id"])._peer
            assert isinstance(peer, Peer) and peer._pc is not None
            server = peer._pc.getTransceivers()[0].receiver.transport.transport._connection
            for ice in (browser.ice, server):
                pair = ice._nominated[1]
                assert pair.local_candidate.type == "relay" and ice.turn_transport == transport
            states = {"idle"}
            while "speaking" not in states:  # the voice came through as well
                message = json.loads(await asyncio.wait_for(signal.recv(), 10))
                states |= {message["state"]} if message["type"] == "state" else set()
        await browser.close()
    assert relay.said("ALLOCATE processed, success")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_viewer_with_the_servers_of_the_link_header(relay: Coturn, transport: str) -> None:
    """WHEP: what the `Link` header of the first answer gave is enough for a second one through the relay."""
    async with network_place(**settings_of(relay, transport)) as it, httpx.AsyncClient(base_url=it.url) as http:
        session = (await http.post("/v1/sessions", json={"avatar_id": "astronaut"})).json()
        told = (await http.options(session["whep_url"])).headers["Link"]
        parts = dict(part.strip().split("=", 1) for part in told.split(";")[1:])
        server = {
            "urls": [told.split(">")[0][1:]],
            "username": parts["username"].strip('"'),
            "credential": parts["credential"].strip('"'),
        }
        browser = caller([server])
        for transceiver in browser.pc.getTransceivers():
            transceiver.direction = "recvonly"
        headers = {"Content-Type": "application/sdp"}
        answer = await http.post(session["whep_url"], content=await browser.offer(), headers=headers)
        assert answer.status_code == 201 and candidate_types(answer.text) == {"relay"}
        await browser.accept(answer.text)
        await browser.connected()
        await until(lambda: len(browser.video) >= 10, 15)
        await http.delete(answer.headers["Location"])
        await browser.close()


async def test_a_restart_gets_a_new_password_when_the_first_one_has_expired(
    relay: Coturn, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = {**settings_of(relay, "udp"), "rtc__turn_ttl_s": 120}
    async with network_place(**flags) as it, httpx.AsyncClient(base_url=it.url, timeout=20) as http:
        good = relay.server("udp")
        browser = caller([{"urls": list(good.urls), "username": good.username, "credential": good.credential}])
        for transceiver in browser.pc.getTransceivers():
            transceiver.direction = "recvonly"
        session = (await http.post("/v1/sessions", json={"avatar_id": "astronaut"})).json()
        with monkeypatch.context() as changed:  # what is minted now is good for two seconds
            changed.setattr("visavis_server.ice_servers.time", SimpleNamespace(time=lambda: time.time() - 118))
            headers = {"Content-Type": "application/sdp"}
            answer = await http.post(session["whep_url"], content=await browser.offer(), headers=headers)
        await browser.accept(answer.text)
        await browser.connected()
        await until(lambda: len(browser.video) >= 5, 15)
        await asyncio.sleep(3)
        seen = len(browser.video)
        await until(lambda: len(browser.video) >= seen + 5, 5)  # coturn lets a call go on
        fragment = f"a=ice-ufrag:fresh{seen}\r\na=ice-pwd:{'p' * 24}\r\n"
        headers = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*"}
        restarted = await http.patch(answer.headers["Location"], content=fragment, headers=headers)
        assert restarted.status_code == 200 and candidate_types(restarted.text) == {"relay"}
        assert 'rel="ice-server"' in restarted.headers["Link"]
        await browser.close()


@pytest.mark.parametrize(("secret", "life_s"), [("another-secret", 600.0), (SECRET, -5.0)])
async def test_a_relay_that_refuses_us_is_an_error_that_says_so(relay: Coturn, secret: str, life_s: float) -> None:
    good = relay.server("udp")
    browser = caller([{"urls": list(good.urls), "username": good.username, "credential": good.credential}])
    peer = Peer(
        on_voice=lambda *_: None,
        on_closed=lambda _: None,
        ice_servers=[relay.server("udp", secret=secret, life_s=life_s)],
        reach=Reach(relay_only=True),
    )
    with pytest.raises(EngineError) as refused:
        await peer.answer(await browser.offer())
    assert refused.value.code == "turn_unavailable" and "rtc.turn_secret" in refused.value.remedy
    await browser.close()
    await peer.close()


async def test_whip_says_so_too_and_holds_no_place(relay: Coturn) -> None:
    settings = settings_of(relay, "udp", secret="another-secret")
    async with network_place(**settings) as it, httpx.AsyncClient(base_url=it.url, timeout=20) as http:
        good = relay.server("udp")
        browser = caller([{"urls": list(good.urls), "username": good.username, "credential": good.credential}])
        browser.pc.getTransceivers()[0].direction = "sendonly"
        headers = {"Content-Type": "application/sdp"}
        answer = await http.post("/whip/astronaut", content=await browser.offer(), headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "turn_unavailable")
        await until(lambda: it.registry.active == 0)
        await browser.close()


async def test_a_direct_call_does_not_need_the_relay_that_is_there(relay: Coturn) -> None:
    settings = {**settings_of(relay, "udp"), "rtc__relay_only": False}
    async with network_place(**settings) as it, httpx.AsyncClient(base_url=it.url) as http:
        session = (await http.post("/v1/sessions", json={"avatar_id": "astronaut"})).json()
        browser = Browser.open()
        async with connect(it.url.replace("http", "ws") + session["signal_url"]) as signal:
            await say(signal, type="offer", sdp=await browser.offer())
            answer = (await hear(signal, "answer"))["sdp"]
            assert candidate_types(answer) == {"host", "relay"}
            await browser.pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
            await browser.connected()
            assert browser.ice._nominated[1].local_candidate.type == "host"
        await browser.close()


@pytest.mark.parametrize("how", ["cancelled", "closed"])
@pytest.mark.parametrize("wait_s", [0.0, 0.002, 0.01])
async def test_who_leaves_while_we_ask_for_a_relay_leaves_no_allocation_behind(
    relay: Coturn, how: str, wait_s: float
) -> None:
    """The fixture that looks for leaked tasks would find the one that keeps an allocation alive."""
    peer = Peer(
        on_voice=lambda *_: None,
        on_closed=lambda _: None,
        ice_servers=[relay.server("tcp")],
        reach=Reach(relay_only=True),
    )
    browser = Browser.open()
    answering = asyncio.create_task(peer.answer(await browser.offer()))
    await asyncio.sleep(wait_s)
    if how == "cancelled":
        answering.cancel()
    await peer.close()
    await asyncio.gather(answering, return_exceptions=True)
    await browser.close()
