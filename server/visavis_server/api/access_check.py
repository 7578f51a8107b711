"""ASGI middleware that asks the gate about every request, and answers for those that it refuses.

A WebSocket is refused only after it was accepted: a page cannot see why a handshake failed. Knows no rule.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from visavis_models.errors import Busy, NotFound, VisavisError
from visavis_server.access.gate import Entry, Gate, current_entry
from visavis_server.access.rules import rule_of
from visavis_server.access.visitors import SUBPROTOCOL, Visitor, shown_address, visitor_of
from visavis_server.api.errors import error_response, error_status
from visavis_server.api.messages import error_message
from visavis_server.api.outbox import refuse
from visavis_server.metrics import Metrics

_log = logging.getLogger(__name__)

COUNTED = "visavis.counted"
"""In a request's scope, where another worker has counted it already."""
_LOG_EVERY_S = 1.0
_CLOSE_UNAUTHORIZED = 4401
_CLOSE_FORBIDDEN = 4403
_CLOSE_TOO_MANY = 4429


class AccessCheck:
    """Lets requests in that the gate lets in.

    Args:
        app: what is inside.
        gate: decides.
        metrics: counts what was refused.
    """

    def __init__(self, app: ASGIApp, gate: Gate, metrics: Metrics) -> None:
        self._app = app
        self._gate = gate
        self._metrics = metrics
        self._logged_s = float("-inf")
        self._unlogged = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it in."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        visitor = visitor_of(scope, self._gate.trusted)
        method = "WEBSOCKET" if scope["type"] == "websocket" else scope["method"]
        with ExitStack() as stay:
            try:
                if not scope["path"].isprintable():  # routes overlook a line's end, which the rules do not
                    raise NotFound("not_found", "There is nothing at this address.", "See /docs.")
                again, query = bool(scope.get(COUNTED)), QueryParams(scope["query_string"])
                stay.enter_context(self._gate.present(visitor, again))
                entry = self._gate.enter(visitor, method, scope["path"], query, again)
            except VisavisError as error:
                await self._refuse(scope, receive, send, error, visitor)
                return
            scope.setdefault("state", {})["entry"] = entry
            token = current_entry.set(entry)
            try:
                await self._app(scope, receive, _with_protocol(scope, send))
            finally:
                current_entry.reset(token)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, error: VisavisError, visitor: Visitor) -> None:
        self._metrics.error(error.code)
        self._note(scope, error, visitor)
        if scope["type"] == "http":
            await error_response(error)(scope, receive, send)
            return
        socket = WebSocket(scope, receive, _with_protocol(scope, send))
        await socket.accept()
        message = error_message(error)
        if scope["path"].endswith(("/agent", "/agents")):
            message["segment"] = None
        await refuse(socket, message, _close_code(error))

    def _note(self, scope: Scope, error: VisavisError, visitor: Visitor) -> None:
        """Log it, but never more than a line a second: floods must not fill the disk."""
        now_s = time.monotonic()
        if now_s - self._logged_s < _LOG_EVERY_S:
            self._unlogged += 1
            return
        method = scope.get("method", "WEBSOCKET")
        fields = {
            "code": error.code, "rule": rule_of(method, scope["path"]).rule.name,
            "visitor": shown_address(visitor.network), "others": self._unlogged,
        }  # fmt: skip
        self._logged_s, self._unlogged = now_s, 0
        _log.warning("request refused", extra=fields)


def entry_of(scope: Scope) -> Entry | None:
    """What a request was let in with."""
    found = scope.get("state", {}).get("entry")
    return found if isinstance(found, Entry) else None


def check_opening(request: Request, avatar_id: str, show: str = "") -> None:
    """Make sure that whoever asks may open a session of this avatar, under this name.

    Raises:
        BadRequest: `forbidden`.
    """
    entry = entry_of(request.scope)
    if entry is not None:
        entry.grant.check_opening(avatar_id, show)


def check_publishing(request: Request) -> None:
    """Make sure that whoever asks may be heard under a name, as over WHIP.

    Raises:
        BadRequest: `unauthorized`, `forbidden`.
    """
    gate, entry = request.app.state.gate, entry_of(request.scope)
    if entry is not None:
        gate.check_publishing(entry)


def would_enter(gate: Gate, request: Request, method: str) -> bool:
    """Whether a request to the same address with another method would be let in."""
    visitor = visitor_of(request.scope, gate.trusted)
    return gate.may(visitor, method, request.scope["path"], request.query_params)


def _with_protocol(scope: Scope, send: Send) -> Send:
    """Accepts the subprotocol that carries a token, where one was offered: else browsers hang up."""
    if scope["type"] != "websocket" or SUBPROTOCOL not in scope.get("subprotocols", ()):
        return send

    async def chosen(message: Message) -> None:
        if message["type"] == "websocket.accept" and not message.get("subprotocol"):
            message = {**message, "subprotocol": SUBPROTOCOL}
        await send(message)

    return chosen


def _close_code(error: VisavisError) -> int:
    if isinstance(error, Busy):
        return _CLOSE_TOO_MANY
    return _CLOSE_UNAUTHORIZED if error_status(error) == 401 else _CLOSE_FORBIDDEN
