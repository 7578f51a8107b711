"""Ports and addresses: sockets keep to the range, give their ports back, and the answer names the address outside."""

from __future__ import annotations

import contextlib
import random
import re
import socket
from collections.abc import Iterator

import httpx
import pytest

from network_place import network_place
from rtc_loopback import Browser, connect, play, until
from visavis_models.errors import Busy
from visavis_server.port_range import PortRange
from visavis_server.rtc import Peer, PortPool, Reach
from whip_clients import Client

pytestmark = pytest.mark.e2e


def free_range(size: int) -> PortRange:
    """Ports that nobody uses now, nor another test beside this one: anywhere below those that the system hands out."""
    for first in random.sample(range(10_000, 20_000, size), 200):
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in range(first, first + size):
                held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind(("0.0.0.0", port))
            return PortRange(first, first + size - 1)
    raise AssertionError("no free ports")


@contextlib.contextmanager
def taken(ports: PortRange) -> Iterator[None]:
    """All of these ports are in use, at every address."""
    with contextlib.ExitStack() as held:
        for port in range(ports.first, ports.last + 1):
            for family, everywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                taker = held.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                if family == socket.AF_INET6:
                    taker.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                taker.bind((everywhere, port))
        yield


def candidates(sdp: str) -> list[tuple[str, int, str]]:
    """Address, port and type of each candidate in an SDP."""
    found = re.findall(r"^a=candidate:\S+ \d udp \d+ (\S+) (\d+) typ (\w+)", sdp, re.MULTILINE)
    return [(address, int(port), kind) for address, port, kind in found]


def peer_at(reach: Reach) -> Peer:
    return Peer(on_voice=lambda *_: None, on_closed=lambda _: None, reach=reach)


async def test_a_call_runs_on_a_port_of_the_range() -> None:
    ports = free_range(4)
    peer, browser = peer_at(Reach(ports=PortPool(ports))), Browser.open()
    try:
        await connect(peer, browser)
        await play(peer, range(20))
        await until(lambda: len(browser.video) >= 5)
        offered = candidates(peer._pc.localDescription.sdp if peer._pc else "")
        assert offered and {kind for *_, kind in offered} == {"host"}
        assert all(ports.first <= port <= ports.last for _, port, _ in offered)
    finally:
        await browser.close()
        await peer.close()


async def test_an_exhausted_range_refuses_and_a_port_given_back_serves_again() -> None:
    pool = PortPool(free_range(1))
    first, second, browsers = peer_at(Reach(ports=pool)), peer_at(Reach(ports=pool)), [Browser.open(), Browser.open()]
    try:
        await connect(first, browsers[0])
        offer = await browsers[1].offer()
        for _ in range(2):
            with pytest.raises(Busy, match="in use") as refused:
                await second.answer(offer)
            assert refused.value.code == "ports_exhausted" and "rtc.ports" in refused.value.remedy
        await first.close()
        await browsers[1].accept(await second.answer(offer))
        await browsers[1].connected()
    finally:
        for browser in browsers:
            await browser.close()
        for peer in (first, second):
            await peer.close()


async def test_ports_that_other_programs_hold_are_passed_over() -> None:
    ports = free_range(3)
    pool = PortPool(ports)
    with taken(PortRange(ports.first, ports.first + 1)):
        bound = [pool.bind("127.0.0.1") for _ in range(2)]
        assert [held and held.getsockname()[1] for held in bound] == [ports.last, None]
        for held in bound:
            if held is not None:
                held.close()
        with pytest.raises(OSError):
            pool.bind("203.0.113.77")


async def test_ports_are_used_in_turn() -> None:
    pool = PortPool(free_range(3))
    used = []
    for _ in range(4):
        bound = pool.bind("127.0.0.1")
        assert bound is not None
        used.append(bound.getsockname()[1] - pool.ports.first)
        bound.close()
    assert used == [0, 1, 2, 0]


@pytest.mark.parametrize("public", ["203.0.113.7", "2001:db8::7"])
async def test_the_answer_names_the_address_that_nat_gives_us_outside(public: str) -> None:
    peer, plain, browser = peer_at(Reach(public_address=public)), peer_at(Reach()), Browser.open()
    try:
        offer = await browser.offer()
        usual = candidates(await plain.answer(offer))
        answer = await peer.answer(offer)
        offered = candidates(answer)
        if not any((":" in address) == (":" in public) for address, *_ in usual):
            pytest.skip("this machine has no address of that kind")
        outside = [found for found in set(offered) if found[0] == public]
        assert len(outside) == 1 and outside[0][2] == "host"
        inside = [found for found in set(offered) if found[1] == outside[0][1] and found[0] != public]
        assert [(":" in address) == (":" in public) for address, *_ in inside] == [True]
        assert {address for address, *_ in offered} == {public, *(address for address, *_ in usual)}
    finally:
        await browser.close()
        await peer.close()
        await plain.close()


async def test_a_call_runs_all_the_same_where_nat_is_only_claimed() -> None:
    peer, browser = peer_at(Reach(ports=PortPool(free_range(8)), public_address="203.0.113.7")), Browser.open()
    try:
        await connect(peer, browser)
    finally:
        await browser.close()
        await peer.close()


async def test_without_a_port_http_says_so_and_a_place_is_not_lost() -> None:
    ports = free_range(1)
    async with network_place(rtc__ports=str(ports)) as it, httpx.AsyncClient(base_url=it.url) as http:
        session = (await http.post("/v1/sessions", json={"avatar_id": "astronaut"})).json()
        headers = {"Content-Type": "application/sdp"}
        speaker, viewer = Client.microphone(http), Client.viewer(http)
        with taken(ports):
            for path, client in (("/whip/zoe", speaker), (session["whep_url"], viewer)):
                refused = await http.post(path, content=await client.offer(), headers=headers)
                assert (refused.status_code, refused.json()["error"]["code"]) == (503, "ports_exhausted")
                assert int(refused.headers["Retry-After"]) > 0
        await until(lambda: it.registry.active == 1)
        answer = await http.post(session["whep_url"], content=viewer.pc.localDescription.sdp, headers=headers)
        assert answer.status_code == 201
        assert {port for _, port, _ in candidates(answer.text)} == {ports.first}
        await http.delete(answer.headers["Location"])
        await speaker.close()
        await viewer.close()
