"""What the front asks of a worker for itself: how it is, which avatars to keep ready, who was removed.

So that sessions of a worker that ends find their avatar ready at the others. Knows nothing of processes or sockets.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import parse_qs

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from visavis_models.avatar import Avatar
from visavis_models.errors import VisavisError
from visavis_server.avatar_desk import AvatarDesk, Staged
from visavis_server.registry import SessionRegistry
from visavis_server.workers.destinations import ORDER_PATH

_log = logging.getLogger(__name__)

MOST_READY = 4
"""Avatars of other workers that are kept ready: as many as a library keeps in memory."""
_MOST_BYTES = 64 * 1024

Wishes: TypeAlias = list[Staged]


def read_wishes(value: object) -> Wishes:
    """Avatars as JSON lists them; what is none is left out."""
    found = []
    for one in value if isinstance(value, list) else []:
        match one:
            case [str(id), str() | None as format, int(person)]:
                found.append(Staged(id, format, person))
    return found


class Orders:
    """Heeds the front.

    Args:
        registry: the sessions.
        desk: the avatars.
        warm_up: gets an avatar ready.
        knows: whether a session is watched here under a name.
        removed: ends what shows an avatar that another worker has removed, and its recordings if that is wished.
    """

    def __init__(
        self,
        registry: SessionRegistry,
        desk: AvatarDesk,
        warm_up: Callable[[Avatar], Awaitable[None]],
        knows: Callable[[str], bool],
        removed: Callable[[str, bool], Awaitable[None]],
    ) -> None:
        self._registry = registry
        self._desk = desk
        self._warm_up = warm_up
        self._knows = knows
        self._removed = removed
        self._ready: set[Staged] = set()
        self._wanted: Wishes = []
        self._work: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Heed one of them; ASGI."""
        match scope["method"], scope["path"].removeprefix(ORDER_PATH).split("/"):
            case "POST", ["look"]:
                answer: Response = JSONResponse(self.look(read_wishes(await _json(receive))))
            case "GET", ["names", name]:
                answer = Response(status_code=204 if self._knows(name) else 404)
            case "DELETE", ["avatars", id]:
                recordings = parse_qs(scope["query_string"].decode("latin-1")).get("recordings", [""])[-1]
                answer = await self._forget(id, recordings.lower() in ("true", "1", "on", "yes"))
            case _:
                answer = Response(status_code=404)
        await answer(scope, receive, send)

    def look(self, others: Wishes) -> dict[str, object]:
        """How this worker is.

        Args:
            others: what is on stage at other workers, the newest first.

        Returns:
            `sessions`, `capacity`, and what is on stage here.
        """
        self._wanted = others[:MOST_READY]
        self._ready &= set(self._wanted)
        if self._work is None and not self._registry.draining and set(self._wanted) - self._ready:
            self._work = asyncio.create_task(self._make_ready(), name="get avatars ready")
        shown = {call.session.avatar_id for call in self._registry.calls()}
        stage = [staged for staged in self._desk.staged if staged.avatar_id in shown]
        return {"sessions": self._registry.active, "capacity": self._registry.capacity, "stage": stage}

    async def aclose(self) -> None:
        """Get nothing ready any more. Idempotent."""
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _make_ready(self) -> None:
        try:
            while wish := next((wish for wish in self._wanted if wish not in self._ready), None):
                self._ready.add(wish)  # whatever becomes of it: who opens it will be told what is wrong
                try:
                    avatar, _ = await self._desk.framed(wish)
                    await self._warm_up(avatar)
                    _log.info("avatar is ready", extra={"avatar": wish.avatar_id})
                except VisavisError as error:
                    _log.info("avatar was not got ready", extra={"avatar": wish.avatar_id, "code": error.code})
        except Exception:  # a defect of ours: sessions open all the same, only later
            _log.exception("avatars could not be got ready")
        finally:
            self._work = None

    async def _forget(self, id: str, recordings: bool) -> Response:
        try:
            await self._removed(id, recordings)
        except VisavisError as error:
            _log.warning("avatar is not wholly removed", extra={"avatar": id, "code": error.code})
        return Response(status_code=204)


async def _json(receive: Receive) -> object:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body") or len(body) > _MOST_BYTES:
            break
    try:
        return json.loads(body or b"null")
    except ValueError:
        return None
