from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from running_server import client_of, house, running
from test_access import FAR, Keys, bearer, client_from, code
from visavis_models.errors import Busy
from visavis_server.access.gate import Entry
from visavis_server.access.grants import Grant
from visavis_server.access.usage import Usage
from visavis_server.access.visitors import Visitor, visitor_of
from visavis_server.rate_limit import RateLimits

pytestmark = pytest.mark.unit

JPEG = {"photo": ("a.jpg", b"\xff\xd8\xff", "image/jpeg")}
CONSENT = {"consent": "true"}


def test_a_bucket_fills_again_and_those_long_unheard_of_are_forgotten() -> None:
    limits = RateLimits(2.0, 3, most=100)
    assert [limits.refused_for_s("a", 0.0) for _ in range(4)] == [None, None, None, 0.5]
    assert limits.refused_for_s("b", 0.0) is None and limits.refused_for_s("a", 0.5) is None
    for number in range(1000):
        limits.refused_for_s(f"n{number}", 1.0)
        limits.refused_for_s("a", 1.0)
    assert len(limits) == 100 and limits.refused_for_s("a", 1.0) is not None


async def test_an_address_that_asks_too_fast_is_told_when_to_come_back(tmp_path: Path) -> None:
    home = house(data_dir=tmp_path, access__mode="required", limits__requests_per_s=0.5)
    async with client_from(home, FAR) as client:
        statuses = [(await client.get("/healthz")).status_code for _ in range(8)]
        assert statuses == [200] * 5 + [429] * 3
        refused = await client.get("/healthz")
        assert code(refused) == (429, "too_many_requests") and int(refused.headers["Retry-After"]) > 0
        other = httpx.ASGITransport(home.app, client=("203.0.113.10", 1))
        async with httpx.AsyncClient(transport=other, base_url="http://localhost:8765") as another:
            assert (await another.get("/healthz")).status_code == 200


async def test_this_machine_is_not_limited_where_it_needs_no_key(tmp_path: Path) -> None:
    home = house(data_dir=tmp_path, limits__requests_per_s=0.5, limits__sessions=1, limits__photos_per_hour=1)
    async with client_of(home) as client:
        assert {(await client.get("/healthz")).status_code for _ in range(20)} == {200}
        for _ in range(2):
            assert (await client.post("/v1/sessions", json={"avatar_id": "zoe"})).status_code == 201
            assert (await client.post("/v1/avatars", data=CONSENT, files=JPEG)).status_code == 201


async def test_guessing_is_slowed_down_but_a_key_that_works_always_does(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    home = house(data_dir=tmp_path, access__mode="required", limits__attempts_per_minute=5)
    good, weak = keys.make("call"), keys.make("view")
    async with client_from(home, FAR) as client:
        for _ in range(20):
            assert code(await client.post("/v1/sessions", json={}, headers=weak)) == (403, "forbidden")
            assert code(await client.get("/v1/avatars")) == (401, "unauthorized")
        codes = [code(await client.get("/v1/avatars", headers=bearer(f"guess-{n}"))) for n in range(8)]
        assert codes == [(401, "unauthorized")] * 5 + [(429, "too_many_attempts")] * 3
        assert code(await client.post("/v1/access", json={"key": "guess"})) == (429, "too_many_attempts")
        assert code(await client.get("/v1/access", headers=bearer("guess"))) == (429, "too_many_attempts")
        assert (await client.get("/v1/avatars", headers=good)).status_code == 200
        assert (await client.post("/v1/access", json={"key": good["Authorization"][7:]})).status_code == 200


async def test_one_key_asks_no_faster_from_many_addresses(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    home = house(data_dir=tmp_path, access__mode="required", limits__key_requests_per_s=0.5)
    sent, statuses = keys.make("call"), []
    async with client_of(home):
        for number in range(8):
            far = httpx.ASGITransport(home.app, client=(f"203.0.113.{number}", 1))
            async with httpx.AsyncClient(transport=far, base_url="http://localhost:8765") as client:
                statuses.append((await client.get("/v1/avatars", headers=sent)).status_code)
    assert statuses == [200] * 5 + [429] * 3


async def test_one_address_gets_so_many_sessions_and_a_key_its_own_number(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    home = house(data_dir=tmp_path, access__mode="required", limits__sessions=2, sessions__capacity=9)
    sent, few = keys.make("call"), keys.make("call", max_sessions=1)
    async with client_from(home, FAR) as client:

        async def open_with(headers: dict[str, str]) -> Any:
            answer = await client.post("/v1/sessions", json={"avatar_id": "zoe"}, headers=headers)
            return answer.json().get("id") or code(answer)

        first = await open_with(few)
        assert await open_with(few) == (429, "too_many_sessions")
        second = await open_with(sent)
        assert await open_with(sent) == (429, "too_many_sessions")
        await client.delete(f"/v1/sessions/{first}", headers=few)
        third = await open_with(few)
        assert isinstance(third, str)
        for id in (second, third):
            await client.delete(f"/v1/sessions/{id}", headers=sent)
        # What does not come about takes no place.
        home.studio.open_raises = RuntimeError("no")
        for _ in range(5):
            assert await open_with(sent) == (500, "session_failed")
        for _ in range(5):
            answer = await client.post("/v1/sessions", json={"avatar_id": "nobody"}, headers=sent)
            assert answer.status_code == 404
        home.studio.open_raises = None
        assert [isinstance(await open_with(sent), str) for _ in range(3)] == [True, True, False]


def entry(owner: str = "k", minutes: int = 0, network: str = FAR, most: int = 0) -> Entry:
    grant = Grant(frozenset({"call"}), owner, max_sessions=most, minutes_per_day=minutes)
    return Entry(Visitor(network), grant, True)


def test_the_minutes_of_a_key_are_those_of_all_its_sessions_and_come_back_every_day() -> None:
    now = [1_795_000_000.0 // 86400 * 86400 + 3600]
    usage = Usage(0, lambda: now[0], lambda: now[0])
    first, second = usage.admit(entry(minutes=10)), usage.admit(entry(minutes=10, network="198.51.100.1"))
    now[0] += 240
    first.give_back()
    first.give_back()
    assert usage.used_s("k") == 480 and not second.used_up()
    now[0] += 120
    assert second.used_up() and usage.used_s("k") == 600
    with pytest.raises(Busy) as refused:
        usage.admit(entry(minutes=10))
    assert refused.value.code == "quota_used"
    assert not usage.admit(entry("other", minutes=10)).used_up()
    now[0] += 86400 - 3600 - 360 + 60  # a minute into the next day, and the second one still runs
    assert usage.used_s("k") == 60 and not second.used_up()
    second.give_back()
    assert usage.used_s("k") == 60


@pytest.mark.parametrize("jump_s", [-30 * 86400, -10_000, 10_000, 30 * 86400])
def test_a_wall_clock_that_is_set_costs_nobody_their_minutes(jump_s: float) -> None:
    wall, clock = [86400.0 * 20_000 + 43_200], [500.0]
    usage = Usage(0, lambda: wall[0], lambda: clock[0])
    permit = usage.admit(entry(minutes=10))
    for moved in (wall, clock):
        moved[0] += 120
    wall[0] += jump_s
    assert usage.used_s("k") == 120 and not permit.used_up()
    clock[0] += 60
    permit.give_back()
    assert usage.used_s("k") == 180


def test_the_server_itself_and_this_machine_open_what_they_like() -> None:
    usage = Usage(1)
    local = Entry(Visitor("127.0.0.1"), Grant(frozenset()), False)
    for _ in range(5):
        usage.admit(None)
        usage.admit(local)
    usage.admit(entry(""))
    with pytest.raises(Busy):
        usage.admit(entry(""))


async def test_a_session_ends_when_its_keys_minutes_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(tmp_path)
    home = house(data_dir=tmp_path, access__mode="required", sessions__join_timeout_s=1.0)
    sent = keys.make("call", minutes_per_day=1)
    async with client_from(home, FAR) as client:
        made = (await client.post("/v1/sessions", json={"avatar_id": "zoe"}, headers=sent)).json()
        call = home.calls.get(made["id"])
        call.times.joined = True
        monkeypatch.setattr(Usage, "used_s", lambda *_: 60.0)
        async with asyncio.timeout(10):
            while home.studio.sessions:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert code(await client.post("/v1/sessions", json={"avatar_id": "zoe"}, headers=sent)) == (429, "quota_used")
    assert home.figures()['visavis_sessions_ended_total{reason="expired"}'] == 1


async def test_photos_are_counted_and_avatars_are_not_kept_without_end(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    home = house(data_dir=tmp_path, access__mode="required", limits__photos_per_hour=3, photos__max_avatars=3)
    sent = keys.make("manage")
    async with client_from(home, FAR) as client:

        async def add(headers: dict[str, str]) -> Any:
            answer = await client.post("/v1/avatars", data=CONSENT, files=JPEG, headers=headers)
            return answer.status_code if answer.status_code < 300 else code(answer)

        assert [await add(sent) for _ in range(2)] == [201, 201]  # beside the one that was there
        assert await add(sent) == (507, "too_many_avatars")
        assert await add(sent) == (429, "too_many_photos")
        assert await add(keys.make("manage")) == (507, "too_many_avatars")
        assert len(home.library.added) == 2


@pytest.mark.e2e
async def test_one_address_cannot_hold_every_connection(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    home = house(data_dir=tmp_path, access__mode="required", limits__connections=3, sessions__capacity=9)
    sent = keys.make("call")
    async with running(home) as server:
        url = f"ws://127.0.0.1:{server.port}"
        sockets = []
        for _ in range(3):
            made = await server.http.post("/v1/sessions", json={"avatar_id": "zoe"}, headers=sent)
            sockets.append(await connect(f"{url}{made.json()['signal_url']}", additional_headers=sent))
        refused = await server.http.get("/healthz")
        assert code(refused) == (429, "too_many_connections")
        async with connect(f"{url}/v1/sessions/x/signal", additional_headers=sent) as socket:
            assert json.loads(await socket.recv())["error"]["code"] == "too_many_connections"
            await socket.wait_closed()
            assert socket.close_code == 4429
        await sockets.pop().close()
        async with asyncio.timeout(10):
            while (await server.http.get("/healthz")).status_code != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        for socket in sockets:
            await socket.close()


@pytest.mark.parametrize(
    ("peer", "forwarded", "address", "https"),
    [
        ("203.0.113.9", None, "203.0.113.9", False),
        ("203.0.113.9", "127.0.0.1", "203.0.113.9", False),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7", True),
        ("10.0.0.1", "127.0.0.1, 198.51.100.7", "198.51.100.7", True),
        ("10.0.0.1", "198.51.100.7, 10.0.0.2", "198.51.100.7", True),
        ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7", True),
        ("10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7", True),
        ("10.0.0.1", "2001:db8::7", "2001:db8::7", True),
        ("10.0.0.1", "rubbish", "unknown", True),
        ("10.0.0.1", "", "unknown", True),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7", True),
        ("nonsense", "198.51.100.7", "nonsense", False),
    ],
)
def test_only_trusted_proxies_say_where_a_request_comes_from(
    peer: str, forwarded: str | None, address: str, https: bool
) -> None:
    import ipaddress

    headers = [(b"x-forwarded-proto", b"https")]
    if forwarded is not None:
        headers.append((b"x-forwarded-for", forwarded.encode()))
    scope = {"type": "http", "method": "GET", "headers": headers, "client": (peer, 1), "scheme": "http"}
    found = visitor_of(scope, [ipaddress.ip_network("10.0.0.0/8")])
    assert (found.address, found.https) == (address, https)


def test_limits_go_by_what_one_household_has() -> None:
    assert Visitor("2001:db8:1:2:3::4").network == Visitor("2001:db8:1:2:ffff::1").network == "2001:db8:1:2::/64"
    assert Visitor("::ffff:203.0.113.9").network == "203.0.113.9" == Visitor("203.0.113.9").network
    assert Visitor("::ffff:127.0.0.1").is_local and Visitor("127.8.8.8").is_local
    assert not Visitor("unknown").is_local and not Visitor("10.0.0.1").is_local
