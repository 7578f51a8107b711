from __future__ import annotations

import re
from pathlib import Path

import pytest

from running_server import client_of, house
from visavis_server import __version__
from visavis_server.page import page_folder

pytestmark = pytest.mark.unit


async def test_health_tells_version_and_load() -> None:
    async with client_of(house()) as client:
        await client.post("/v1/sessions", json={"avatar_id": "zoe"})
        answer = await client.get("/healthz")
        assert (await client.head("/healthz")).status_code == 200
    assert answer.json() == {"status": "ok", "version": __version__, "sessions": 1, "capacity": 2}


async def test_readiness_ends_when_it_drains_and_health_does_not() -> None:
    home = house()
    async with client_of(home) as client:
        opened = (await client.post("/v1/sessions", json={"avatar_id": "zoe"})).json()
        assert (await client.get("/readyz")).json() == {"status": "ready", "sessions": 1}
        home.app.state.registry.drain()
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, {"status": "draining", "sessions": 1})
        assert (await client.head("/readyz")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200
        refused = await client.post("/v1/sessions", json={"avatar_id": "zoe"})
        assert refused.status_code == 503 and int(refused.headers["retry-after"]) > 0
        assert (await client.get(f"/v1/sessions/{opened['id']}")).status_code == 200


async def test_config_tells_what_a_client_must_know() -> None:
    ice = [{"urls": ["turn:turn.example.com"], "username": "u", "credential": "c"}, {"urls": "stun:stun.example.com"}]
    async with client_of(house(rtc__ice_servers=ice, page__badge=False)) as client:
        answer = await client.get("/v1/config")
    assert answer.json() == {
        "version": __version__,
        "capacity": 2,
        "max_photo_bytes": 20 * 1024 * 1024,
        "ice_servers": [
            {"urls": ["turn:turn.example.com"], "username": "u", "credential": "c"},
            {"urls": ["stun:stun.example.com"]},
        ],
        "ice_transport_policy": "all",
        "badge": False,
        "ai_generated": True,
        "consent_name": False,
    }


async def test_metrics_are_prometheus_text() -> None:
    async with client_of(house()) as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "visavis_sessions_capacity 2.0" in answer.text


async def test_every_answer_carries_the_security_headers() -> None:
    async with client_of(house()) as client:
        for path in ("/", "/healthz", "/v1/nothing", "/v1/avatars/astronaut/image"):
            headers = (await client.get(path)).headers
            assert headers["X-Content-Type-Options"] == "nosniff", path
            assert "default-src 'self'" in headers["Content-Security-Policy"]
            assert "microphone=(self)" in headers["Permissions-Policy"]
            assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("POST", "/nothing", 405, "method_not_allowed"),
        ("GET", "/nothing", 404, "not_found"),
        ("PUT", "/v1/sessions", 405, "method_not_allowed"),
        ("GET", "/v1/sessions/x/interrupt", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("GET", "/../../etc/passwd", 404, "not_found"),
        ("GET", "/%2e%2e/%2e%2e/pyproject.toml", 404, "not_found"),
    ],
)
async def test_wrong_addresses_answer_in_the_one_shape(method: str, path: str, status: int, code: str) -> None:
    async with client_of(house()) as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["code"] == code and error["message"] and error["remedy"]


async def test_the_page_is_served_and_always_asked_for_again() -> None:
    folder = page_folder()
    assert folder is not None
    async with client_of(house()) as client:
        page = await client.get("/")
        assert page.status_code == 200 and page.text == (folder / "index.html").read_text("utf-8")
        assert page.headers["Cache-Control"] == "no-cache"
        again = await client.get("/", headers={"If-None-Match": page.headers["ETag"]})
        assert again.status_code == 304


async def test_files_with_their_hash_in_the_name_are_kept_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "app-3FZK2Q7A.js").write_text("1")
    monkeypatch.setattr("visavis_server.app.page_folder", lambda: tmp_path)
    async with client_of(house()) as client:
        assert "immutable" in (await client.get("/app-3FZK2Q7A.js")).headers["Cache-Control"]


async def test_without_the_page_the_api_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visavis_server.app.page_folder", lambda: None)
    async with client_of(house()) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/")).status_code == 404


async def test_a_page_of_another_site_may_read_nothing_and_do_nothing() -> None:
    evil = {"Origin": "https://evil.example"}
    home = house()
    async with client_of(home) as client:
        answer = await client.post("/v1/sessions", json={"avatar_id": "zoe"}, headers=evil)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_refused")
        assert home.studio.made == 0
        assert "access-control-allow-origin" not in (await client.get("/v1/avatars", headers=evil)).headers
        own = await client.post("/v1/sessions", json={"avatar_id": "zoe"}, headers={"Origin": "http://localhost:8765"})
        assert own.status_code == 201


async def test_an_allowed_site_may_use_the_api() -> None:
    friend = {"Origin": "https://app.example.com"}
    async with client_of(house(server__allowed_origins=("https://app.example.com",))) as client:
        preflight = await client.options("/v1/sessions", headers={**friend, "Access-Control-Request-Method": "POST"})
        assert preflight.headers["access-control-allow-origin"] == "https://app.example.com"
        answer = await client.post("/v1/sessions", json={"avatar_id": "zoe"}, headers=friend)
        assert answer.status_code == 201
        assert answer.headers["access-control-allow-origin"] == "https://app.example.com"


async def test_a_local_server_answers_to_no_strange_name() -> None:
    """Otherwise a web page could reach it by pointing its own name at 127.0.0.1."""
    async with client_of(house()) as client:
        answer = await client.get("/v1/avatars", headers={"Host": "rebound.evil.example:8765"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (421, "host_refused")
        for host in ("127.0.0.1:8765", "[::1]:8765", "LOCALHOST"):
            assert (await client.get("/v1/avatars", headers={"Host": host})).status_code == 200, host
    async with client_of(house(server__host="0.0.0.0", access__mode="open")) as client:
        assert (await client.get("/v1/avatars", headers={"Host": "avatar.example.com"})).status_code == 200
    async with client_of(house(server__allowed_hosts=("avatar.example.com",), access__mode="open")) as client:
        assert (await client.get("/v1/avatars", headers={"Host": "avatar.example.com"})).status_code == 200


async def test_the_reference_lists_every_route_and_loads_nothing_from_elsewhere() -> None:
    async with client_of(house()) as client:
        described = (await client.get("/openapi.json")).json()
        page = await client.get("/docs")
    assert page.status_code == 200
    for path in described["paths"]:
        assert f"<code>{path}</code>" in page.text
    assert "/v1/sessions/{id}/signal" in page.text and "HTTPValidationError" not in page.text
    assert not re.search(r"(src|href)=.(https?:)?//", page.text) and "<script" not in page.text
    assert "'unsafe-inline'" not in page.headers["Content-Security-Policy"]
