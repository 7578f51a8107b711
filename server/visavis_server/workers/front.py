"""What answers at the one address: hands every request to the worker that it is for, and says so where one is lost.

An ASGI app. Knows nothing of sessions, avatars or media, and refuses nobody: that is the workers' business.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from visavis_server.api.errors import error_response
from visavis_server.workers.crew import Crew, Worker
from visavis_server.workers.destinations import MOST_ROUTED_BYTES, Destination, destination, ranked
from visavis_server.workers.local_http import Answer, WorkerGone, ask
from visavis_server.workers.merged import merged_answer
from visavis_server.workers.passage import pass_websocket, worker_lost
from visavis_server.workers.worker import CLIENT_HEADER, asked_again

_log = logging.getLogger(__name__)

_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect")
)
"""Headers that are about one connection, not about the request."""
Body = bytes | AsyncIterator[bytes]


class Front:
    """See above.

    Args:
        crew: the workers.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            where = destination("WEBSOCKET", scope["path"], scope["query_string"].decode("latin-1"))
            workers = self._candidates(where)
            if where.kind == "name" and not where.opens and len(workers) > 1:
                workers = await self._crew.who_knows(where.name, workers)
            await pass_websocket(workers, where, scope, receive, send, passed_headers(scope))
        elif scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})

    def _candidates(self, where: Destination) -> list[Worker]:
        """Who may answer, the best first."""
        if where.kind == "one":
            worker = self._crew.worker(where.worker)
            return [] if worker is None else [worker]
        ready = self._crew.roomiest()
        if where.kind == "name":
            order = ranked(where.name, [worker.number for worker in self._crew.workers])
            ready.sort(key=lambda worker: order.index(worker.number))
        return ready

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        target = scope.get("raw_path", scope["path"].encode()) + (
            b"?" + scope["query_string"] if scope["query_string"] else b""
        )
        try:
            body = await _body_of(request)
        except ClientDisconnect:
            return
        query, whole = scope["query_string"].decode("latin-1"), body if isinstance(body, bytes) else b""
        where = destination(scope["method"], scope["path"], query, whole)
        headers = passed_headers(scope)
        if "transfer-encoding" in request.headers:
            chunked = (b"transfer-encoding", b"chunked")
            headers.append((b"content-length", str(len(body)).encode()) if isinstance(body, bytes) else chunked)
        if where.kind == "all":
            together = await merged_answer(scope["path"], self._crew, target, headers)
            await together(scope, receive, send)
            return
        answer = await self._first_answer(where, scope["method"], target, headers, body, query)
        if answer is None:
            await error_response(worker_lost())(scope, receive, send)
            return
        await _pass_answer(answer, receive, send)

    async def _first_answer(
        self,
        where: Destination,
        method: str,
        target: bytes,
        headers: list[tuple[bytes, bytes]],
        body: Body,
        query: str,
    ) -> Answer | None:
        """Of the best one who can give any; those who have no room, or do not know a name, are not the last."""
        refusal: Answer | None = None
        for worker in self._candidates(where):
            try:
                answer = await ask(worker.plan.address, method, target, headers, body)
                headers = asked_again(headers)
            except WorkerGone as error:
                _log.warning("worker gave no answer", extra={"worker": worker.number, "why": str(error)})
                if not isinstance(body, bytes):  # some of it is gone
                    return None
                continue
            if where.opens and answer.status == 201:
                worker.note_opened()
            if where.removes and answer.status == 204:
                await self._crew.tell_removed(where.removes, query, worker)
            unknown = answer.status == 404 and where.kind == "name" and not where.opens
            if not isinstance(body, bytes) or not (unknown or (where.opens and answer.status == 503)):
                if refusal is not None:
                    await refusal.close()
                return answer
            if refusal is not None:
                await refusal.close()
            refusal = answer
        return refusal


def passed_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """What a worker is told of a request: its headers, and who really asks."""
    kept = [(name, value) for name, value in scope["headers"] if name not in _HOP and name != CLIENT_HEADER]
    host, port = scope.get("client") or ("0.0.0.0", 0)
    scheme = "https" if scope["scheme"] in ("https", "wss") else "http"
    return [*kept, (CLIENT_HEADER, f"{host} {port} {scheme}".encode())]


async def _body_of(request: Request) -> Body:
    """The body, whole if it is small: large ones are passed on as they come."""
    length = request.headers.get("content-length")
    if length is not None and (not length.isdecimal() or int(length) > MOST_ROUTED_BYTES):
        return request.stream()
    if length is None and "transfer-encoding" not in request.headers:
        return b""
    stream, parts = request.stream(), []
    async for part in stream:
        parts.append(part)
        if sum(map(len, parts)) > MOST_ROUTED_BYTES:
            return _joined(parts, stream)
    return b"".join(parts)


async def _joined(parts: list[bytes], stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    async for part in stream:
        yield part


async def _pass_answer(answer: Answer, receive: Receive, send: Send) -> None:
    """Hand an answer on as it comes; it ends at once if the client leaves."""

    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def passing() -> None:
        headers = [(name, value) for name, value in answer.headers if name not in _HOP]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        async for part in answer.body():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    tasks = [asyncio.create_task(passing()), asyncio.create_task(left())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            error = task.exception()
            if isinstance(error, WorkerGone):
                _log.warning("answer broke off", extra={"why": str(error)})
            if error is not None:
                raise error
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await answer.close()
