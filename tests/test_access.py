from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from running_server import House, client_of, hear, house, running
from visavis_server.access.keys import KeyStore, keys_file
from visavis_server.access.rules import GUARDED, rule_of
from visavis_server.access.tokens import sign

pytestmark = pytest.mark.unit

FAR = "203.0.113.9"
OPEN = ("/healthz", "/readyz")
"""What answers to everybody: whether the server is up."""


class Keys:
    """Keys of a server under test, by what they may do."""

    def __init__(self, folder: Path) -> None:
        self.store = KeyStore(keys_file(folder))

    def make(self, *scopes: Any, **limits: Any) -> dict[str, str]:
        return bearer(self.store.create("key", frozenset(scopes), **limits)[0])

    def token(self, *scopes: Any, lasts_s: float = 60, **bound: Any) -> dict[str, str]:
        _, key = self.store.create("signer", frozenset({"manage"}))
        return bearer(sign(key, frozenset(scopes), lasts_s, time.time(), **bound))


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> House:
    return house(data_dir=tmp_path, access__mode="required", limits__requests_per_s=1e6)


@asynccontextmanager
async def client_from(home: House, address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(home) as near:
        far = httpx.ASGITransport(home.app, client=(address, 4000))
        async with httpx.AsyncClient(transport=far, base_url="http://localhost:8765") as client:
            yield client
        del near


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def every_operation(home: House) -> list[tuple[str, str]]:
    """Method and address of everything that the API offers, with names filled in."""
    found = []
    for path, verbs in home.app.openapi()["paths"].items():
        found += [(verb.upper(), re.sub(r"\{\w+\}", "x", path)) for verb in verbs]
    return found


def test_every_address_of_the_api_has_a_rule_of_its_own(home: House) -> None:
    operations = every_operation(home)
    assert len(operations) > 30
    for method, path in operations:
        matched = rule_of(method, path)
        guarded = path.startswith(GUARDED)
        assert guarded or path in OPEN, path
        assert (matched.rule.scopes is not None) == (guarded and path != "/v1/access"), (method, path)
    unknown = {(method, path) for method, path in operations if rule_of(method, path).rule.name == "everything else"}
    # These are for those who manage the server; who adds an address says here that it is, or gives it a line.
    assert unknown <= {("POST", "/v1/avatars"), ("DELETE", "/v1/avatars/x"), ("GET", "/v1/avatars/x/consent")}, unknown


async def test_without_a_key_nothing_of_the_api_answers(home: House) -> None:
    async with client_from(home, FAR) as client:
        for method, path in every_operation(home):
            answer = await client.request(method, path, content=b"{}")
            if path in (*OPEN, "/v1/access"):
                assert answer.status_code != 401, (method, path)
                continue
            assert code(answer) == (401, "unauthorized"), (method, path)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        for path in ("/", "/obs", "/docs", "/openapi.json", "/healthz"):
            assert (await client.get(path)).status_code == 200, path
        assert not home.studio.sessions and not home.library.added


async def test_odd_ways_to_write_an_address_open_nothing(home: House) -> None:
    odd = [
        "/v1/sessions%0A", "/metrics%0A", "/v1/config%0A", "/v1/avatars%00", "//v1/avatars", "/V1/avatars",
        "/v1/avatars/", "/v1/./avatars", "/v1/x/../avatars", "/v1%2Favatars", "/%76%31/avatars",
        "/v1/avatars;x", "/v1/avatars%20",
        "/metrics/", "/v1/sessions/x%0A", "/v1", "/v1/", "/whip", "/whep/", "/v1/avatars/..%2F..%2Fmetrics",
        "/metrics%09",
        "/v1/sessions/%E2%80%A8", "/healthz/../metrics", "/v1/config%E2%80%A9", "/v1\\avatars",
    ]  # fmt: skip
    async with client_from(home, FAR) as client:
        for path in odd:
            for method in ("GET", "POST", "get", "Get", "PROPFIND", "HEAD"):
                answer = await client.request(method, path)
                assert answer.status_code in (401, 404, 405, 307, 421), (method, path, answer.status_code)
                assert b"visavis_" not in answer.content and b'"avatars"' not in answer.content, (method, path)


async def test_each_scope_opens_its_addresses_and_no_others(home: House, keys: Keys) -> None:
    may = {
        ("GET", "/v1/config"): "call publish view",
        ("GET", "/v1/avatars"): "call publish view",
        ("GET", "/v1/avatars/zoe/image"): "call publish view",
        ("POST", "/v1/avatars"): "",
        ("DELETE", "/v1/avatars/mine"): "",
        ("GET", "/v1/sessions"): "",
        ("POST", "/v1/sessions"): "call publish",
        ("GET", "/v1/sessions/session-1"): "call publish",
        ("GET", "/v1/sessions/session-1/outputs"): "",
        ("GET", "/v1/watch/session-1"): "view publish",
        ("POST", "/whep/session-1"): "view publish",
        ("POST", "/whip/session-1"): "publish",
        ("POST", "/v1/shows"): "publish",
        ("GET", "/metrics"): "metrics",
        ("GET", "/v1/moods"): "call publish view",
        ("GET", "/v1/nothing"): "",
    }
    async with client_from(home, FAR) as client:
        for scope in ("call", "publish", "view", "metrics", "manage"):
            sent = keys.make(scope)
            for (method, path), opens in may.items():
                answer = await client.request(method, path, headers=sent)
                allowed = scope == "manage" or scope in opens.split()
                assert (answer.status_code not in (401, 403)) == allowed, (scope, method, path, answer.status_code)
                if not allowed:
                    assert code(answer) == (403, "forbidden")


async def test_whoever_is_bound_to_an_avatar_gets_no_other(home: House, keys: Keys) -> None:
    async with client_from(home, FAR) as client:
        mine, other = [(await open_as(client, keys.make("call"), id))["id"] for id in ("zoe", "astronaut")]
        for sent in (
            keys.make("call", "publish", "view", avatar="zoe"),
            keys.token("call", "publish", "view", avatar="zoe"),
        ):
            listed = (await client.get("/v1/avatars", headers=sent)).json()["avatars"]
            assert [avatar["id"] for avatar in listed] == ["zoe"]
            requests: list[tuple[str, str, Any, bool]] = [
                ("GET", "/v1/avatars/zoe", None, True), ("GET", "/v1/avatars/mine", None, False),
                ("GET", "/v1/avatars/mine/image", None, False), ("POST", "/v1/sessions", {"avatar_id": "mine"}, False),
                ("GET", f"/v1/sessions/{mine}", None, True), ("GET", f"/v1/sessions/{other}", None, False),
                ("PATCH", f"/v1/sessions/{other}/mood", {}, False), ("DELETE", f"/v1/sessions/{other}", None, False),
                ("GET", f"/v1/watch/{other}", None, False), ("GET", f"/v1/watch/{mine}", None, True),
                ("POST", f"/whip/{other}", None, False), ("POST", "/whip/astronaut", None, False),
                ("POST", "/v1/shows", {"avatar_id": "mine", "files": ["x"]}, False),
                ("POST", "/v1/sessions", {"avatar_id": "zoe"}, True),
            ]  # fmt: skip
            for method, path, body, allowed in requests:
                answer = await client.request(method, path, json=body, headers=sent)
                assert (answer.status_code != 403) == allowed, (method, path, answer.text)
            for session in home.calls.calls():
                if session.id not in (mine, other):
                    await home.calls.end(session.id, "client")
        assert home.calls.get(other).session.epoch == 0


async def open_as(client: httpx.AsyncClient, sent: dict[str, str], avatar_id: str = "zoe", show: str = "") -> Any:
    answer = await client.post("/v1/sessions", json={"avatar_id": avatar_id, "show": show}, headers=sent)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_whoever_is_bound_to_a_session_gets_no_other(home: House, keys: Keys) -> None:
    async with client_from(home, FAR) as client:
        stage = await open_as(client, keys.make("publish"), show="stage")
        other = (await open_as(client, keys.make("call")))["id"]
        for name in ("stage", stage["id"], stage["whep_url"].rpartition("/")[2]):
            viewer = keys.token("view", session=name)
            assert (await client.get("/v1/watch/stage", headers=viewer)).status_code == 200
            assert (await client.get(f"/v1/watch/{stage['id']}", headers=viewer)).status_code == 200
            assert code(await client.get(f"/v1/watch/{other}", headers=viewer)) == (403, "forbidden")
            caller = keys.token("call", session=name)
            assert (await client.get(f"/v1/sessions/{stage['id']}", headers=caller)).status_code == 200
            for refused in (
                client.get(f"/v1/sessions/{other}", headers=caller),
                client.delete(f"/v1/sessions/{other}", headers=caller),
                client.post("/v1/sessions", json={"avatar_id": "zoe"}, headers=caller),
                client.post("/whip/zoe?show=other", headers=keys.token("publish", session=name)),
                client.post("/whip/zoe", headers=keys.token("publish", session=name)),
            ):
                assert code(await refused) == (403, "forbidden")
        # The name may be known before the session is there.
        early = keys.token("view", session="later")
        assert code(await client.get("/v1/watch/stage", headers=early)) == (403, "forbidden")
        assert (await client.get("/v1/watch/later", headers=early)).status_code == 404


async def test_a_key_works_in_a_header_and_a_token_everywhere_a_browser_can_put_it(home: House, keys: Keys) -> None:
    token = keys.token("call")["Authorization"].partition(" ")[2]
    key = keys.make("call")["Authorization"].partition(" ")[2]
    async with client_from(home, FAR) as client:
        assert (await client.get("/v1/avatars", headers=bearer(key))).status_code == 200
        assert (await client.get("/v1/avatars", headers=bearer(token))).status_code == 200
        assert (await client.get(f"/v1/avatars/zoe/image?token={token}")).status_code == 200
        refused = await client.get(f"/v1/avatars?token={key}")
        assert code(refused) == (401, "unauthorized") and key not in refused.text
        assert code(await client.post(f"/v1/sessions?token={token}", json={"avatar_id": "zoe"})) == (
            401,
            "unauthorized",
        )
        assert (await client.get("/v1/avatars", headers={"Cookie": f"a=b; visavis={token}; c=d"})).status_code == 200
        assert code(await client.get("/v1/avatars", headers={"Cookie": f"visavis={key}"})) == (401, "unauthorized")
        # What is in the header counts, whatever else is there.
        both = {**bearer("wrong"), "Cookie": f"visavis={token}"}
        assert code(await client.get(f"/v1/avatars?token={token}", headers=both)) == (401, "unauthorized")


async def test_a_browser_logs_in_and_out(home: House, keys: Keys) -> None:
    key = keys.make("call")["Authorization"].partition(" ")[2]
    async with client_from(home, FAR) as client:
        assert code(await client.get("/v1/avatars")) == (401, "unauthorized")
        looked = await client.get("/v1/access")
        assert looked.json() == {
            "required": True, "scopes": [], "avatar": None, "session": None, "expires_ms": None
        }  # fmt: skip
        wrong = await client.post("/v1/access", json={"key": key[:-1]})
        assert code(wrong) == (401, "unauthorized") and "set-cookie" not in wrong.headers
        assert code(await client.post("/v1/access", json={"key": key, "x": 1})) == (422, "invalid_request")
        entered = await client.post("/v1/access", json={"key": f" {key}\n"})
        assert entered.json()["scopes"] == ["call"] and key not in entered.text
        kept = entered.headers["set-cookie"]
        assert all(part in kept for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"))
        assert "Secure" not in kept and key not in kept
        assert (await client.get("/v1/avatars")).status_code == 200
        assert (await client.get("/v1/access")).json()["scopes"] == ["call"]
        strange = {"Origin": "https://evil.example"}
        answer = await client.post("/v1/sessions", json={"avatar_id": "zoe"}, headers=strange)
        assert code(answer) == (403, "origin_refused")
        assert (await client.delete("/v1/access")).status_code == 204
        assert code(await client.get("/v1/avatars")) == (401, "unauthorized")
        secure = await client.post(
            "/v1/access", json={"key": key}, headers={"X-Forwarded-For": FAR, "X-Forwarded-Proto": "https"}
        )
        assert "Secure" not in secure.headers["set-cookie"]  # nobody but a trusted proxy says so
    async with client_from(home, "127.0.0.1") as client:
        proxied = {"X-Forwarded-For": FAR, "X-Forwarded-Proto": "https"}
        assert "Secure" in (await client.post("/v1/access", json={"key": key}, headers=proxied)).headers["set-cookie"]


async def test_only_keys_make_tokens_and_none_with_more_than_they_have(home: House, keys: Keys) -> None:
    sent = keys.make("call", "view", avatar="zoe")
    async with client_from(home, FAR) as client:
        made = await client.post("/v1/tokens", json={"scopes": ["call"], "lasts_s": 30}, headers=sent)
        assert made.status_code == 201 and made.headers["cache-control"] == "no-store"
        assert 25_000 < made.json()["expires_ms"] - time.time() * 1000 < 31_000
        token = bearer(made.json()["token"])
        assert (await client.get("/v1/access", headers=token)).json()["avatar"] == "zoe"
        for body, status in (
            ({"scopes": ["manage"]}, 403), ({"scopes": ["call"], "avatar": "mine"}, 403), ({"scopes": []}, 422),
            ({"scopes": ["call"], "lasts_s": 90_000}, 400), ({"scopes": ["call"], "lasts_s": 10**9}, 422),
            ({"scopes": ["root"]}, 422), ({"scopes": ["call"], "session": "x" * 101}, 422),
        ):  # fmt: skip
            assert (await client.post("/v1/tokens", json=body, headers=sent)).status_code == status, body
        assert code(await client.post("/v1/tokens", json={"scopes": ["call"]}, headers=token)) == (401, "unauthorized")


async def test_this_machine_needs_nothing_until_others_come(tmp_path: Path) -> None:
    async with client_from(house(data_dir=tmp_path), "127.0.0.1") as client:
        assert (await client.get("/v1/access")).json()["required"] is False
        assert (await client.get("/v1/avatars", headers=bearer("whatever"))).status_code == 200
        for headers in (
            {"X-Forwarded-For": FAR}, {"X-Forwarded-For": f"127.0.0.1, {FAR}"}, {"X-Forwarded-For": "nonsense"},
            {"Forwarded": "for=1.2.3.4"}, {"X-Real-IP": FAR}, {"Via": "1.1 proxy"}, {"X-Forwarded-For": ""},
        ):  # fmt: skip
            assert code(await client.get("/v1/avatars", headers=headers)) == (401, "unauthorized"), headers
        assert (await client.get("/v1/avatars", headers={"X-Forwarded-For": "127.0.0.1"})).status_code == 200
    async with client_from(house(data_dir=tmp_path), FAR) as client:
        for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}):
            assert code(await client.get("/v1/avatars", headers=headers)) == (401, "unauthorized")


async def test_the_operators_tokens_still_open_their_doors_and_no_others(tmp_path: Path) -> None:
    home = house(
        data_dir=tmp_path, access__mode="required", rtc__publish_token="speak", rtc__watch_token="look",
        outputs__token="tape", shows__token="play", agents__token="talk",
    )  # fmt: skip
    opens = {
        "speak": {"config", "avatars", "session", "watch", "whip"},
        "look": {"config", "avatars", "watch"},
        "tape": {"outputs"},
        "play": {"shows"},
        "talk": set(),
    }
    async with client_from(home, FAR) as client:
        id = (await open_as(client, bearer("speak")))["id"]
        addresses = {
            "config": ("GET", "/v1/config"), "avatars": ("GET", "/v1/avatars"),
            "session": ("GET", f"/v1/sessions/{id}"), "watch": ("GET", f"/v1/watch/{id}"),
            "whip": ("POST", f"/whip/{id}"), "shows": ("GET", "/v1/shows/x"),
            "outputs": ("GET", f"/v1/sessions/{id}/outputs"), "metrics": ("GET", "/metrics"),
            "delete": ("DELETE", "/v1/avatars/mine"), "upload": ("POST", "/v1/avatars"),
            "list": ("GET", "/v1/sessions"),
        }  # fmt: skip
        for token, names in opens.items():
            for name, (method, path) in addresses.items():
                answer = await client.request(method, path, headers=bearer(token))
                # shows_off is what stands behind the door of shows here
                inside = answer.status_code not in (401, 403) or answer.json()["error"]["code"] == "shows_off"
                assert inside == (name in names), (token, name, answer.text)


@pytest.mark.e2e
async def test_a_websocket_is_told_why_it_is_refused(home: House, keys: Keys) -> None:
    token = keys.token("call")["Authorization"].partition(" ")[2]
    weak = keys.token("view")
    async with running(home) as server:
        made = await server.http.post("/v1/sessions", json={"avatar_id": "zoe"}, headers=bearer(token))
        id = made.json()["id"]
        url = f"ws://127.0.0.1:{server.port}"
        for path, headers, closed in (
            (f"/v1/sessions/{id}/signal", {}, 4401), (f"/v1/sessions/{id}/signal", bearer("x"), 4401),
            (f"/v1/sessions/{id}/signal", weak, 4403), ("/v1/agents?avatar_id=zoe", weak, 4403),
            (f"/v1/sessions/{id}/agent", bearer(token), 4403),
        ):  # fmt: skip
            async with connect(url + path, additional_headers=headers) as socket:
                message = json.loads(await socket.recv())
                assert message["type"] == "error" and message["error"]["remedy"]
                assert ("segment" in message) == ("agent" in path)
                await socket.wait_closed()
                assert socket.close_code == closed, path
        ways: list[dict[str, Any]] = [
            {"additional_headers": bearer(token)}, {"subprotocols": ["visavis.v1", f"bearer.{token}"]},
            {"additional_headers": {"Cookie": f"visavis={token}"}},
        ]  # fmt: skip
        for way in ways:
            session = (await server.http.post("/v1/sessions", json={"avatar_id": "zoe"}, headers=bearer(token))).json()
            async with connect(f"{url}/v1/sessions/{session['id']}/signal", **way) as socket:
                assert socket.subprotocol == (way["subprotocols"][0] if "subprotocols" in way else None)
                await socket.send('{"type": "ping", "id": 3}')
                assert (await hear(socket, "pong"))["id"] == 3
            await server.http.delete(f"/v1/sessions/{session['id']}", headers=bearer(token))


async def test_nothing_that_is_logged_or_answered_holds_a_secret(
    home: House, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    key, token = (sent["Authorization"].partition(" ")[2] for sent in (keys.make("view"), keys.token("view")))
    with caplog.at_level("DEBUG"):
        async with client_from(home, FAR) as client:
            answers = [
                await client.get(f"/v1/sessions/secret-id?token={text}", headers=bearer(text)) for text in (key, token)
            ]
            answers += [await client.post("/v1/access", content=f'{{"key": "{key}", "extra": "{token}"}}')]
            answers += [await client.post("/v1/access", json={"key": key + token})]
        shown = "".join(answer.text + str(answer.headers) for answer in answers)
    ours = " ".join(
        str(vars(record)) for record in caplog.records if record.name.startswith(("visavis", "uvicorn", "websockets"))
    )
    for secret in (key, token, "secret-id", FAR):
        assert secret not in shown and secret not in ours
    assert "request refused" in caplog.text
