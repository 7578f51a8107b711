"""The doctor in the page: each thing that keeps a call from starting, provoked in a real Chromium, is named rightly."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from chromium import chromium_path, open_page, page_stats
from coturn import SECRET, coturn, own_address
from network_place import NetworkPlace, dead_port, network_place, no_udp
from test_rtc_reach import free_range, taken

__all__ = ["no_udp"]  # a fixture

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
NOTICE_MS = 40_000
CONNECT_TIMEOUT_MS = 15_000
"""The page's own; one test waits for all of it, the others put the page's clock forward."""

ONLY_VP9 = """
const plain = RTCPeerConnection.prototype.addTransceiver;
RTCPeerConnection.prototype.addTransceiver = function (kind, init) {
  const made = plain.call(this, kind, init);
  if (kind === "video") {
    made.setCodecPreferences(RTCRtpReceiver.getCapabilities("video").codecs.filter((c) => c.mimeType === "video/VP9"));
  }
  return made;
};
"""
PRIVACY_EXTENSION = """
const Plain = RTCPeerConnection;
window.RTCPeerConnection = class extends Plain {
  constructor(configuration) { super({ ...configuration, iceTransportPolicy: "relay" }); }
};
"""
LOOKED_EVERYWHERE = """() => {
  const peer = window.visavis.client.connection?.peer;
  return peer?.remoteDescription && peer.iceGatheringState === "complete";
}"""
BUSY_MICROPHONE = """
navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("in use", "NotReadableError"); };
"""


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    """A microphone in which nobody speaks."""
    chromium_path()
    path = tmp_path / "quiet.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(48000)
        out.writeframes(bytes(96_000 * 4))
    return path


@asynccontextmanager
async def lobby(
    it: NetworkPlace,
    microphone: Path | None,
    *,
    grant: bool = True,
    script: str | None = None,
    hurried: bool = False,
) -> AsyncIterator[Page]:
    """The page with an avatar chosen; hurried: its clock can be put forward."""
    async with open_page(microphone, grant) as (page, _):
        if hurried:
            await page.clock.install()
        if script is not None:
            await page.add_init_script(script)
        await page.goto(it.url)
        await page.wait_for_selector('[data-avatar="astronaut"]', timeout=60_000)
        yield page


async def call(page: Page) -> None:
    await page.click('[data-avatar="astronaut"]', timeout=60_000)
    await page.click("#start")


async def notice(page: Page, code: str) -> str:
    await page.wait_for_selector("#notice:not([hidden])", timeout=NOTICE_MS)
    assert await page.get_attribute("#notice", "data-code") == code, await page.inner_text("#notice")
    return await page.inner_text("#notice")


async def hurried_call(page: Page) -> None:
    """A call whose media cannot come; the page's patience ends when it has looked everywhere, and not seconds later."""
    await call(page)
    await page.wait_for_function(LOOKED_EVERYWHERE)
    await page.clock.fast_forward(CONNECT_TIMEOUT_MS)


async def hurried_check(page: Page) -> dict[str, tuple[str, str | None]]:
    """The connection check; what waits for the direct way does not wait by the wall's clock."""
    async with page.expect_response("**/v1/connection-checks"):
        await page.click("#check-open")
    while await page.query_selector('#check-list [data-check="direct"][data-outcome="running"]') is not None:
        await page.clock.fast_forward(1000)
        await asyncio.sleep(0.05)
    return await results(page)


async def checked(page: Page) -> dict[str, tuple[str, str | None]]:
    """Run the connection check; each row's outcome and code."""
    await page.click("#check-open")
    return await results(page)


async def results(page: Page) -> dict[str, tuple[str, str | None]]:
    await page.wait_for_selector('#check-verdict:not([data-outcome="running"]) strong', timeout=60_000)
    rows = await page.query_selector_all("#check-list li")
    found: dict[str, tuple[str, str | None]] = {}
    for row in rows:
        name = await row.get_attribute("data-check")
        found[str(name)] = (str(await row.get_attribute("data-outcome")), await row.get_attribute("data-code"))
    return found


async def until(page: Page, true: Callable[[dict[str, Any]], bool]) -> None:
    for _ in range(300):
        if true(await page_stats(page)):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{await page_stats(page)} {await page.inner_text('#notice')}")


def turn(url: str, secret: str = SECRET) -> dict[str, Any]:
    """Settings of a server with this TURN server."""
    return {"rtc__ice_servers": ({"urls": [url]},), "rtc__turn_secret": secret}


async def test_all_is_well_and_the_check_takes_no_place(microphone: Path) -> None:
    async with network_place(sessions__capacity=1) as it, lobby(it, microphone) as page:
        await page.context.grant_permissions(["microphone", "clipboard-read", "clipboard-write"])
        found = await checked(page)
        ok = ("ok", None)
        assert found == {
            "secure": ok,
            "browser": ok,
            "microphone": ok,
            "server": ok,
            "signalling": ok,
            "direct": ok,
            "relay": ("skipped", None),
        }
        assert await page.get_attribute("#check-verdict", "data-outcome") == "ok"
        assert "Everything works" in await page.inner_text("#check-verdict")
        assert it.registry.active == 0
        await page.click("#check-copy")
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert "ok      Picture and sound, directly: There and back in" in copied
        assert "host udp" in copied and own_address() not in copied
        await page.click("#check-close")
        await call(page)
        await until(page, lambda stats: stats["first_frame_ms"] is not None)


async def test_a_microphone_that_is_denied_is_told_from_a_question_without_answer(microphone: Path) -> None:
    async with network_place() as it:
        async with lobby(it, microphone, grant=False) as page:
            session = await page.context.new_cdp_session(page)
            denied = {"permission": {"name": "microphone"}, "setting": "denied", "origin": it.url}
            await session.send("Browser.setPermission", denied)
            await call(page)
            assert "address bar" in await notice(page, "permission_denied")
            assert (await checked(page))["microphone"] == ("failed", "permission_denied")
        async with lobby(it, None) as page:
            await page.context.grant_permissions(["microphone"])
            await call(page)
            assert "Connect one" in await notice(page, "no_microphone")
        async with lobby(it, microphone, script=BUSY_MICROPHONE) as page:
            await call(page)
            assert "Another program" in await notice(page, "microphone_busy")


async def test_a_page_without_https_says_so(microphone: Path) -> None:
    plain = {"server__tls": "off", "access__mode": "open"}
    async with network_place(own_address(), **plain) as it, lobby(it, microphone) as page:
        assert "https://" in await notice(page, "insecure_context")
        assert await page.is_disabled("#start")
        await page.click("#notice button")
        found = await results(page)
        assert found["secure"] == ("failed", "insecure_context")
        assert found["microphone"] == ("skipped", None) and found["direct"] == ("ok", None)


@pytest.mark.usefixtures("no_udp")
async def test_blocked_udp_is_named_and_a_relay_suggested(microphone: Path) -> None:
    async with network_place() as it, lobby(it, microphone) as page:
        await call(page)
        assert "TURN relay" in await notice(page, "udp_blocked")
        await page.click("#notice button:has-text('Check my connection')")
        found = await results(page)
        assert found["signalling"] == ("ok", None) and found["direct"] == ("failed", "udp_blocked")
        assert "UDP is blocked" in await page.inner_text("#check-verdict")


@pytest.mark.usefixtures("no_udp")
async def test_a_relay_that_does_not_answer_is_named(microphone: Path) -> None:
    address = own_address()
    url = f"turn:{address}:{dead_port(address)}?transport=tcp"
    async with network_place(**turn(url)) as it, lobby(it, microphone, hurried=True) as page:
        await hurried_call(page)
        assert "may be down" in await notice(page, "turn_unreachable")
        found = await hurried_check(page)
        assert found["relay"] == ("failed", "turn_unreachable")


@pytest.mark.usefixtures("no_udp")
async def test_a_relay_that_refuses_the_password_is_named(microphone: Path, tmp_path: Path) -> None:
    with coturn(tmp_path) as relay:
        async with (
            network_place(**turn(relay.url("udp"), "another-secret")) as it,
            lobby(it, microphone, hurried=True) as page,
        ):
            await hurried_call(page)
            assert "secret" in await notice(page, "turn_refused")
            found = await hurried_check(page)
            assert found["relay"] == ("failed", "turn_refused")


@pytest.mark.usefixtures("no_udp")
async def test_a_relay_that_cannot_reach_the_server_is_named(microphone: Path, tmp_path: Path) -> None:
    with coturn(tmp_path) as relay:
        async with network_place(**turn(relay.url("udp"))) as it, lobby(it, microphone, hurried=True) as page:
            await hurried_call(page)
            assert "cannot reach the server" in await notice(page, "relay_blocked")


async def test_a_browser_that_lets_no_call_out_is_named(microphone: Path) -> None:
    async with network_place() as it, lobby(it, microphone, script=PRIVACY_EXTENSION) as page:
        await call(page)
        assert "privacy extension" in await notice(page, "calls_forbidden")
        assert (await checked(page))["direct"] == ("failed", "calls_forbidden")


async def tell_of_another_relay(page: Page, server: str, url: str) -> None:
    """The page, loaded again, is told of a relay at another address than the server's own."""
    mine = await (await page.request.get(f"{server}/v1/config")).json()
    mine["ice_servers"][0]["urls"] = [url]
    await page.route("**/v1/config", lambda route: route.fulfill(json=mine))
    await page.reload()


async def test_a_relay_that_only_the_server_reaches_is_named(microphone: Path, tmp_path: Path) -> None:
    with coturn(tmp_path) as relay:
        dead = f"turn:{relay.address}:{dead_port(relay.address)}?transport=tcp"
        async with network_place(**turn(relay.url("udp")), rtc__relay_only=True) as it, lobby(it, microphone) as page:
            await tell_of_another_relay(page, it.url, dead)
            await call(page)
            await notice(page, "turn_unreachable")


async def test_a_relay_that_only_the_browser_reaches_is_named(microphone: Path, tmp_path: Path) -> None:
    with coturn(tmp_path) as relay:
        dead = f"turn:{relay.address}:{dead_port(relay.address)}?transport=tcp"
        async with network_place(**turn(dead), rtc__relay_only=True) as it, lobby(it, microphone) as page:
            await tell_of_another_relay(page, it.url, relay.url("udp"))
            await call(page)
            assert "rtc.turn_secret" in await notice(page, "turn_unavailable")


async def test_a_browser_without_our_codecs_is_named(microphone: Path) -> None:
    async with network_place() as it, lobby(it, microphone, script=ONLY_VP9) as page:
        await call(page)
        assert "VP8" in await notice(page, "no_codec")
        for _ in range(50):
            if it.registry.active == 0:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("the session was not freed")


async def test_a_proxy_that_lets_no_websocket_through_is_named(microphone: Path) -> None:
    async with network_place() as it, lobby(it, microphone) as page:
        await page.route_web_socket("**/signal", lambda socket: socket.close())
        found = await checked(page)
        assert found["signalling"] == ("failed", "websocket_blocked") and found["direct"] == ("ok", None)


async def test_a_server_without_a_free_port_is_named(microphone: Path) -> None:
    ports = free_range(1)
    async with network_place(rtc__ports=str(ports)) as it, lobby(it, microphone) as page:
        with taken(ports):
            await call(page)
            assert "Trying again in" in await notice(page, "ports_exhausted")
            await page.click("#notice button:has-text('Cancel')")
            assert (await checked(page))["direct"] == ("failed", "ports_exhausted")
        await page.click("#check-close")
        await call(page)
        await until(page, lambda stats: stats["first_frame_ms"] is not None)


async def test_a_full_server_is_named(microphone: Path) -> None:
    async with network_place(sessions__capacity=1) as it, lobby(it, microphone) as first:
        await call(first)
        await until(first, lambda stats: stats["first_frame_ms"] is not None)
        async with lobby(it, microphone) as second:
            await call(second)
            assert "Trying again in" in await notice(second, "server_full")
            await second.click("#notice button:has-text('Cancel')")
            assert (await checked(second))["server"] == ("warning", "server_full")


async def test_a_server_that_is_away_is_named(microphone: Path) -> None:
    async with network_place() as it, lobby(it, microphone) as page:
        it.server.should_exit = True
        await asyncio.sleep(2)
        found = await checked(page)
        assert found["server"] == ("failed", "server_unreachable") and found["direct"][0] == "skipped"
        await page.click("#check-close")
        await call(page)
        await notice(page, "server_unreachable")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_through_the_relay_only(microphone: Path, tmp_path: Path, transport: str) -> None:
    with coturn(tmp_path) as relay:
        settings = turn(relay.url(transport))
        async with network_place(**settings, rtc__relay_only=True) as it, lobby(it, microphone) as page:
            await call(page)
            await until(page, lambda stats: stats["frames_total"] >= 25)
            pair = await page.evaluate(SELECTED_PAIR)
            assert pair == {"local": "relay", "remote": "relay", "protocol": transport}
            await page.click("#stop")
            found = await checked(page)
            assert found["direct"][0] == "skipped" and found["relay"] == ("ok", None)


SELECTED_PAIR = """async () => {
  const entries = new Map();
  (await window.visavis.client.connection.peer.getStats()).forEach((entry) => entries.set(entry.id, entry));
  const pair = [...entries.values()].find((e) => e.type === "candidate-pair" && e.nominated && e.state === "succeeded");
  const local = entries.get(pair.localCandidateId);
  const remote = entries.get(pair.remoteCandidateId);
  return { local: local.candidateType, remote: remote.candidateType, protocol: local.relayProtocol };
}"""
