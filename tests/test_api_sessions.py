from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from running_server import client_of, house
from visavis_models.errors import EngineError

pytestmark = pytest.mark.unit


async def open_session(client: httpx.AsyncClient, avatar_id: str = "astronaut") -> httpx.Response:
    return await client.post("/v1/sessions", json={"avatar_id": avatar_id})


async def test_a_session_is_opened_seen_interrupted_and_ended() -> None:
    home = house()
    async with client_of(home) as client:
        made = await open_session(client)
        assert made.status_code == 201
        session = made.json()
        url = f"/v1/sessions/{session['id']}"
        assert session["signal_url"] == f"{url}/signal"
        assert (session["avatar_id"], session["state"], session["epoch"]) == ("astronaut", "idle", 0)
        assert (session["width"], session["height"]) == (16, 24) and session["age_s"] >= 0
        assert set(session) == {
            "id",
            "avatar_id",
            "state",
            "epoch",
            "age_s",
            "signal_url",
            "whip_url",
            "whep_url",
            "width",
            "height",
            "ai_generated",
            "speaker",
            "faces",
        }
        assert [s["id"] for s in (await client.get("/v1/sessions")).json()["sessions"]] == [session["id"]]
        answer = await client.post(f"{url}/interrupt")
        assert (answer.status_code, answer.json()) == (202, {"epoch": 1})
        assert (await client.get(url)).json()["epoch"] == 1
        assert (await client.delete(url)).status_code == 204
        assert home.studio.sessions == []
        for gone in (client.get(url), client.delete(url), client.post(f"{url}/interrupt")):
            answer = await gone
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_such_session")


async def test_a_full_server_says_when_to_come_back_and_has_room_again_later() -> None:
    async with client_of(house()) as client:
        first = (await open_session(client)).json()["id"]
        await open_session(client)
        refused = await open_session(client)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "server_full")
        assert int(refused.headers["Retry-After"]) > 0
        await client.delete(f"/v1/sessions/{first}")
        assert (await open_session(client)).status_code == 201


@pytest.mark.parametrize(
    "body",
    ["", "{}", "[]", "null", "{", '{"avatar_id": 7}', '{"avatar_id": ""}', '{"avatar_id": "a", "x": 1}'],
)
async def test_a_request_that_cannot_be_understood_is_refused(body: str) -> None:
    async with client_of(house()) as client:
        answer = await client.post("/v1/sessions", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_request"


async def test_json_nested_without_end_is_refused() -> None:
    async with client_of(house()) as client:
        answer = await client.post("/v1/sessions", content="[" * 60_000, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
        assert (await open_session(client)).status_code == 201


async def test_an_unknown_avatar_is_not_found() -> None:
    home = house()
    async with client_of(home) as client:
        for id in ("nobody", "../../etc/passwd", "x" * 100):
            answer = await open_session(client, id)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_such_avatar")
        assert home.calls.active == 0


async def test_a_session_that_does_not_open_takes_no_place() -> None:
    home = house()
    async with client_of(home) as client:
        for error, code in (
            (EngineError("engine_none", "No engine works.", "Run visavis doctor."), "engine_none"),
            (RuntimeError("secret"), "session_failed"),
        ):
            home.studio.open_raises = error
            answer = await open_session(client)
            assert (answer.status_code, answer.json()["error"]["code"]) == (500, code)
            assert "secret" not in answer.text
        home.studio.open_raises = None
        assert [(await open_session(client)).status_code for _ in range(3)] == [201, 201, 503]


async def test_only_this_machine_may_list_all_sessions() -> None:
    home = house(access__mode="open")
    async with client_of(home):
        far = httpx.ASGITransport(home.app, client=("203.0.113.9", 4000))
        async with httpx.AsyncClient(transport=far, base_url="http://localhost:8765") as client:
            answer = await client.get("/v1/sessions")
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "local_only")
            made = await open_session(client)
            assert (await client.get(f"/v1/sessions/{made.json()['id']}")).status_code == 200


async def test_a_body_over_64_kb_is_refused() -> None:
    async with client_of(house()) as client:
        answer = await client.post("/v1/sessions", content=b" " * 70_000)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")

        async def parts() -> Any:
            for _ in range(10):
                yield b" " * 10_000

        answer = await client.post("/v1/sessions", content=parts())
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


async def test_opening_and_deleting_at_once_keeps_the_books() -> None:
    home = house(sessions__capacity=5)
    home.studio.open_takes_s = 0.01
    async with client_of(home) as client:

        async def visit() -> int:
            made = await open_session(client)
            if made.status_code == 201:
                await client.delete(f"/v1/sessions/{made.json()['id']}")
            return made.status_code

        statuses = await asyncio.gather(*(visit() for _ in range(30)))
        assert set(statuses) <= {201, 503} and statuses.count(201) >= 5
        assert (home.calls.active, home.studio.sessions) == (0, [])
        assert home.figures()["visavis_sessions_active"] == 0
