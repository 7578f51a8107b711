"""WHIP-out against a server made of aiortc: sync, reconnects, refusals, and where it may not be led."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from fastapi import Request, Response

from output_measures import Ticker, ticking, until_true
from rtc_loopback import read_index
from visavis_models.errors import EngineError
from visavis_server.outputs import http_exchange
from visavis_server.outputs.address_policy import AddressPolicy
from visavis_server.outputs.target import read_target
from visavis_server.outputs.whip_stream import WhipStream
from visavis_server.port_range import PortRange
from visavis_server.rtc import (
    ANYWHERE,
    BitrateLimits,
    Broadcast,
    IceServer,
    NoAddressAllowed,
    PortPool,
    Publisher,
    Reach,
)
from whip_measures import offsets_ms, ssrcs
from whip_server import whip_server

pytestmark = pytest.mark.e2e

TOKEN = "hush-hush-token"
EVERYWHERE = AddressPolicy(everywhere=True)
ONLY_HERE = AddressPolicy(networks=(ipaddress.ip_network("127.0.0.1/32"),))


class Lender:
    """One broadcast of one ticker."""

    def __init__(self, ticker: Ticker) -> None:
        self.ticker = ticker
        self.broadcast: Broadcast | None = None
        self.closing: list[asyncio.Task[None]] = []

    def borrow(self) -> Broadcast:
        assert self.broadcast is None, "given back before it is borrowed again"
        self.broadcast = Broadcast(BitrateLimits())
        self.ticker.sinks.append(self.broadcast)
        return self.broadcast

    def give_back(self) -> None:
        assert self.broadcast is not None
        self.ticker.sinks.remove(self.broadcast)
        self.closing.append(asyncio.create_task(self.broadcast.close()))
        self.broadcast = None

    def ice_servers(self) -> Sequence[IceServer]:
        return ()

    def reach(self) -> Reach:
        return ANYWHERE


@asynccontextmanager
async def streaming(url: str, policy: AddressPolicy = EVERYWHERE, token: str = TOKEN) -> AsyncIterator[WhipStream]:
    async with ticking() as ticker:
        lender = Lender(ticker)
        stream = WhipStream(lender, read_target(url, "", token, policy), 60.0, lambda: None)
        try:
            yield stream
        finally:
            await stream.close()
            await asyncio.gather(*lender.closing)
            assert lender.broadcast is None


async def test_pictures_and_voice_come_in_sync_and_the_end_is_told() -> None:
    offers: list[str] = []

    async def note(request: Request) -> None:
        offers.append((await request.body()).decode())

    async with whip_server() as server:
        server.before = note
        async with streaming(server.url()) as stream:
            await until_true(lambda: stream.report().state == "live", "live")
            await until_true(lambda: stream.report().seconds >= 6, "6 s", 30)
            (browser,) = server.publishers
            await until_true(lambda: len({report.ssrc for report in browser.reports}) == 2, "reports")
            measured = offsets_ms(browser, *ssrcs(offers[0]))
            shown = [read_index(arrival.data) for arrival in browser.video]
        assert shown == sorted(shown) and shown[-1] - shown[0] >= 100
        assert len(measured) >= 3 and all(abs(offset) < 20 for offset in measured), measured
        assert server.deleted == ["/resource/1"]
        (post,) = server.posts
        assert post["authorization"] == f"Bearer {TOKEN}" and post["content-type"] == "application/sdp"
        assert browser.keyframes >= 3, "one every two seconds"
        report = stream.report()
        assert report.state == "ended" and report.error is None and report.sent_bytes > 10_000


async def test_a_server_that_ends_the_connection_gets_a_new_one_in_sync() -> None:
    offers: list[str] = []

    async def note(request: Request) -> None:
        offers.append((await request.body()).decode())

    async with whip_server() as server:
        server.before = note
        async with streaming(server.url()) as stream:
            await until_true(lambda: stream.report().seconds >= 2, "2 s")
            await server.publishers[0].close()
            await until_true(lambda: stream.report().state == "reconnecting", "reconnecting")
            await until_true(lambda: stream.report().state == "live", "live again")
            before_s = stream.report().seconds
            await until_true(lambda: stream.report().seconds >= before_s + 5, "5 s more")
            browser = server.publishers[1]
            await until_true(lambda: len({report.ssrc for report in browser.reports}) == 2, "reports")
            measured = offsets_ms(browser, *ssrcs(offers[1]))
        assert len(measured) >= 3 and all(abs(offset) < 20 for offset in measured), measured
        assert stream.report().reconnects == 1 and len(server.publishers) == 2


async def test_a_server_that_vanishes_is_noticed() -> None:
    async with whip_server() as server, streaming(server.url()) as stream:
        await until_true(lambda: stream.report().seconds >= 1, "a second")
        server.publishers[0].vanish()
        await until_true(lambda: stream.report().state == "reconnecting", "noticed", 8)
        await until_true(lambda: stream.report().state == "live", "live again")


async def test_redirects_are_followed_with_the_token() -> None:
    async with whip_server() as last, whip_server() as first:

        async def on(_: Request) -> Response:
            return Response(status_code=307, headers={"Location": last.url("/whip/moved")})

        first.before = on
        async with streaming(first.url()) as stream:
            await until_true(lambda: stream.report().seconds > 0.5, "live")
        assert last.posts[0]["authorization"] == f"Bearer {TOKEN}" and last.posts[0]["path"] == "/whip/moved"
        assert last.deleted == ["/resource/1"] and first.deleted == []


async def test_a_redirect_to_a_private_address_is_refused() -> None:
    """The first server is where strangers may stream to; the second one is not."""
    async with whip_server("127.0.0.2") as inside, whip_server() as outside:

        async def on(_: Request) -> Response:
            return Response(status_code=307, headers={"Location": inside.url(host="127.0.0.2")})

        outside.before = on
        async with streaming(outside.url(), ONLY_HERE) as stream:
            await until_true(lambda: stream.report().state == "failed", "failed")
            error = stream.report().error
        assert error is not None and error.code == "address_refused" and "127.0.0.2" not in str(error)
        assert inside.posts == [] and len(outside.posts) == 1


@pytest.mark.parametrize(
    "location", ["", "ftp://127.0.0.1/x", "http://[", "//", "http://u:p@127.0.0.1/x", "/whip/live"]
)
async def test_redirects_to_nowhere_and_without_end(location: str) -> None:
    async with whip_server() as server:

        async def on(_: Request) -> Response:
            return Response(status_code=308, headers={"Location": location})

        server.before = on
        async with streaming(server.url()) as stream:
            await until_true(lambda: stream.report().state == "failed", "failed")
        error = stream.report().error
        assert error is not None and error.code == "bad_redirect" and len(server.posts) <= 4


async def test_a_wrong_token_fails_soon_and_is_told_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async with whip_server() as server:

        async def refuse(request: Request) -> Response:
            return Response(f"no: {request.headers['authorization']} for {request.url.path}", 401)

        server.before = refuse
        async with streaming(server.url("/whip/hush-hush-path")) as stream:
            await until_true(lambda: stream.report().state == "failed", "failed")
        report = stream.report()
        assert report.error is not None and report.error.code == "stream_rejected" and "401" in report.error.message
        told = f"{report} {report.error} {stream.shown} {stream._target} {caplog.text}"
        assert "hush" not in told + " ".join(str(vars(record)) for record in caplog.records)
        assert len(server.posts) == 3


async def test_a_busy_server_is_tried_again_when_it_says() -> None:
    async with whip_server() as server:

        async def busy(_: Request) -> Response | None:
            return Response(status_code=503, headers={"Retry-After": "2"}) if len(server.posts) == 1 else None

        server.before = busy
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        async with streaming(server.url()) as stream:
            await until_true(lambda: stream.report().state == "live", "live")
        assert loop.time() - begun_s >= 2 and len(server.posts) == 2


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lambda _: "hello", "bad_answer"),
        (lambda _: "v=0\r\n", "bad_answer"),
        (lambda sdp: sdp.replace("m=video", "m=text"), "bad_answer"),
        (lambda sdp: sdp + "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n" * 500, "bad_answer"),
    ],
)
async def test_answers_that_are_none(edit: Callable[[str], str], code: str) -> None:
    async with whip_server() as server:
        server.edit = edit
        async with streaming(server.url()) as stream:
            await until_true(lambda: stream.report().error is not None, "an error")
            error = stream.report().error
        assert error is not None and error.code == code, error


async def test_a_server_that_never_answers_blocks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_exchange, "LIMIT_S", 0.5)
    async with whip_server() as server:

        async def never(_: Request) -> None:
            await asyncio.sleep(1.5)

        server.before = never
        async with streaming(server.url()) as stream:
            await until_true(lambda: len(server.posts) >= 2, "another attempt")
            report = stream.report()
        assert report.error is not None and report.error.code == "no_answer"


@pytest.mark.parametrize("reply", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 201 Created\r\nContent-Length: 900000\r\n\r\n"])
async def test_what_is_no_http_server(reply: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(reply + bytes(300_000) * reply.startswith(b"HTTP"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with streaming(f"http://127.0.0.1:{port}/whip") as stream:
        await until_true(lambda: stream.report().error is not None, "an error")
        error = stream.report().error
    server.close()
    assert error is not None and error.code in ("hung_up", "not_http", "answer_too_large"), error


async def test_no_packet_goes_to_an_address_that_is_not_allowed() -> None:
    broadcast = Broadcast(BitrateLimits())
    publisher = Publisher(broadcast, allows=ONLY_HERE.allows_text)
    answer = "v=0\r\na=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\na=candidate:2 1 UDP 1 127.0.0.1 9 typ host\r\n"
    answer += "a=candidate:3 1 udp 1 x.local 9 typ host\r\na=candidate:4 1 tcp 1 127.0.0.1 9 typ host\r\n"
    with pytest.raises(NoAddressAllowed):
        publisher._allowed("v=0\r\na=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n")
    kept = [line for line in publisher._allowed(answer).splitlines() if "candidate" in line]
    assert kept == ["a=candidate:2 1 UDP 1 127.0.0.1 9 typ host"]
    await publisher.close()
    await broadcast.close()


async def test_its_sockets_are_where_the_operator_wants_them() -> None:
    broadcast = Broadcast(BitrateLimits())
    publisher = Publisher(broadcast, reach=Reach(ports=PortPool(PortRange(47_300, 47_339))))
    ports = [int(line.split(" ")[5]) for line in (await publisher.offer()).splitlines() if "candidate:" in line]
    assert ports and all(47_300 <= port <= 47_339 for port in ports)
    await publisher.close()
    lonely = Publisher(broadcast, reach=Reach(relay_only=True))
    with pytest.raises(EngineError) as refused:
        await lonely.offer()
    assert refused.value.code == "turn_unavailable"
    await lonely.close()
    await broadcast.close()
