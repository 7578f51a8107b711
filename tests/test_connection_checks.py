"""A browser finds out whether a call could reach it: a real data channel over real sockets, and no more than that."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription

from rtc_loopback import until
from running_server import client_of, house, running
from visavis_server.connection_checks import MAX_CHECKS
from visavis_server.rtc import Echo

pytestmark = pytest.mark.e2e


async def data_offer() -> tuple[RTCPeerConnection, RTCDataChannel]:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    channel = pc.createDataChannel("check")
    await pc.setLocalDescription(await pc.createOffer())
    return pc, channel


async def check(http: httpx.AsyncClient, sdp: Any) -> httpx.Response:
    return await http.post("/v1/connection-checks", json={"sdp": sdp})


async def test_what_is_sent_comes_back_without_a_session() -> None:
    async with running(house(sessions__capacity=1)) as it:
        pc, channel = await data_offer()
        heard: list[object] = []
        channel.on("message", heard.append)
        channel.on("open", lambda: channel.send("ping 1"))
        answer = await check(it.http, pc.localDescription.sdp)
        assert answer.status_code == 200 and it.house.calls.active == 0
        await pc.setRemoteDescription(RTCSessionDescription(sdp=answer.json()["sdp"], type="answer"))
        await until(lambda: heard == ["ping 1"], 10)
        await pc.close()


async def test_only_so_many_at_once_and_places_come_back() -> None:
    async with running(house()) as it:
        offers = [await data_offer() for _ in range(MAX_CHECKS)]
        for pc, _ in offers:
            assert (await check(it.http, pc.localDescription.sdp)).status_code == 200
        refused = await check(it.http, offers[0][0].localDescription.sdp)
        assert refused.status_code == 503 and refused.json()["error"]["code"] == "checks_busy"
        assert int(refused.headers["Retry-After"]) > 0
        for pc, _ in offers:
            await pc.close()


async def test_a_check_ends_by_itself_and_when_it_is_abused() -> None:
    over = asyncio.Event()
    echo = Echo(on_closed=over.set, life_s=0.2)
    pc, channel = await data_offer()
    await echo.answer(pc.localDescription.sdp)
    await asyncio.wait_for(over.wait(), 5)
    await echo.close()
    await pc.close()
    over.clear()
    echo = Echo(on_closed=over.set)
    pc, channel = await data_offer()
    channel.on("open", lambda: channel.send("x" * 300))
    answer = await echo.answer(pc.localDescription.sdp)
    await pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    await asyncio.wait_for(over.wait(), 10)
    await echo.close()
    await pc.close()


async def test_what_is_no_data_channel_is_refused() -> None:
    pc, _ = await data_offer()
    good = pc.localDescription.sdp
    await pc.close()
    media = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    media.addTransceiver("audio")
    await media.setLocalDescription(await media.createOffer())
    audio = media.localDescription.sdp
    await media.close()
    bad = [
        "hello",
        "v=0\r\n",
        audio,
        re.sub(r"a=ice-pwd:.*\r\n", "", good),
        re.sub(r"a=fingerprint:.*\r\n", "", good),
        good + good[good.index("m=") :],
        good.replace("m=application", "m=application x"),
    ]
    async with client_of(house()) as client:
        for sdp in bad:
            answer = await check(client, sdp)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_sdp"), sdp
        assert (await check(client, 7)).status_code == 422
        assert (await client.post("/v1/connection-checks", content=b"{")).status_code == 422
