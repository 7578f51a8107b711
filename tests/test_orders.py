"""What the front asks workers for itself: avatars of others are got ready, those that were removed are gone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from running_server import house
from visavis_models.avatar import Avatar
from visavis_models.errors import NotFound
from visavis_server.avatar_desk import Staged
from visavis_server.workers.orders import MOST_READY, Orders, read_wishes
from visavis_server.workers.worker import FromFront, asked_again

pytestmark = pytest.mark.unit


class Told:
    """Notes what it is asked for."""

    def __init__(self) -> None:
        self.ready: list[str] = []
        self.gone: list[tuple[str, bool]] = []

    async def warm_up(self, avatar: Avatar) -> None:
        self.ready.append(avatar.id)

    async def removed(self, id: str, recordings: bool) -> None:
        self.gone.append((id, recordings))
        if id == "unknown":
            raise NotFound("no_such_avatar", "", "")


def orders_of(folder: Path) -> tuple[Orders, Told, Any]:
    home, told = house(data_dir=folder), Told()
    state = home.app.state
    return Orders(state.registry, state.desk, told.warm_up, lambda name: name == "stage", told.removed), told, home


async def settled(orders: Orders) -> None:
    async with asyncio.timeout(20):
        while orders._work is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_others_show_is_got_ready_once(tmp_path: Path) -> None:
    orders, told, home = orders_of(tmp_path)
    try:
        zoe = Staged("zoe")
        for _ in range(3):
            orders.look([zoe, Staged("nobody")])
            await settled(orders)
        assert told.ready == ["zoe"], "and one that is not there disturbs nobody"
        orders.look([])
        orders.look([zoe])
        await settled(orders)
        assert told.ready == ["zoe", "zoe"]
        orders.look([Staged("zoe", "1:1", k) for k in range(10)])
        assert len(orders._wanted) == MOST_READY
    finally:
        await orders.aclose()
        await home.app.state.desk.aclose()


async def test_a_worker_tells_what_is_on_stage_with_it(tmp_path: Path) -> None:
    orders, _, home = orders_of(tmp_path)
    app = FromFront(home.app, orders)
    transport = httpx.ASGITransport(app)
    async with (
        home.app.router.lifespan_context(home.app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as front,
    ):
        client = {"x-visavis-client": "127.0.0.1 4000 http"}
        made = await front.post("/v1/sessions", json={"avatar_id": "zoe"}, headers=client)
        assert made.status_code == 201
        found = (await front.post("/front/look", json=[])).json()
        assert (found["sessions"], found["stage"]) == (1, [["zoe", None, 0]])
        assert read_wishes(found["stage"]) == [Staged("zoe")]
        await front.delete(f"/v1/sessions/{made.json()['id']}", headers=client)
        assert (await front.post("/front/look", content=b"{")).json()["stage"] == []
        assert (await front.get("/front/names/stage")).status_code == 204
        assert (await front.get("/front/names/other")).status_code == 404
        for path in ("/front/look", "/front/names/stage"):
            assert (await front.get(path, headers=client)).status_code == 404, "only the front itself is answered"


async def test_an_avatar_that_another_worker_has_removed_is_gone(tmp_path: Path) -> None:
    orders, told, home = orders_of(tmp_path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(FromFront(home.app, orders)), base_url="http://x") as it:
        assert (await it.delete("/front/avatars/mine?recordings=true")).status_code == 204
        assert (await it.delete("/front/avatars/unknown?")).status_code == 204
        assert (await it.delete("/front/other")).status_code == 404
    assert told.gone == [("mine", True), ("unknown", False)]
    await home.app.state.desk.aclose()


def test_what_is_no_wish_is_left_out() -> None:
    assert read_wishes([["a", None, 0], ["b", "1:1", 2], ["c"], [1, None, 0], None]) == [
        Staged("a"), Staged("b", "1:1", 2),
    ]  # fmt: skip
    assert read_wishes({"a": 1}) == read_wishes(None) == []


def test_a_request_that_is_asked_again_says_so() -> None:
    headers = [(b"host", b"x"), (b"x-visavis-client", b"1.2.3.4 5 http")]
    assert asked_again(headers) == [(b"host", b"x"), (b"x-visavis-client", b"1.2.3.4 5 http again")]
