"""Begins the trace of every session, within that of whoever has opened it, and hands everything on in the end.

Knows nothing of exporters: it is given a provider of OpenTelemetry's SDK.
"""

from __future__ import annotations

import logging
import threading
import time
from contextvars import ContextVar
from random import Random
from typing import Protocol

from opentelemetry.context import Context
from opentelemetry.trace import Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Receive, Scope, Send

from visavis_server import __version__
from visavis_server.session import Session
from visavis_server.tracing.session_trace import SessionTrace

_log = logging.getLogger(__name__)

CLOSE_S = 3.0
"""Whoever takes the traces may be away: the server does not wait longer than this for it when it leaves."""
_MOST_HEADER_BYTES = 128
incoming: ContextVar[str] = ContextVar("incoming_traceparent", default="")
"""The `traceparent` of the request that is being answered; empty: none."""


class Provider(Protocol):
    """What is used of a `TracerProvider` of the SDK."""

    def get_tracer(self, instrumenting_module_name: str, instrumenting_library_version: str | None = None) -> Tracer:
        """Makes spans."""
        ...

    def shutdown(self) -> None:
        """Hand on what waits; may take long."""
        ...


class Traces:
    """All traces of this process.

    Args:
        provider: makes the spans; closed with this.
        ratio: share of the windows that are traced.
        seed: decides which; None: others each time.
    """

    def __init__(self, provider: Provider, ratio: float, seed: int | None = None) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("visavis", __version__)
        self._ratio = ratio
        self._chance = Random(seed)

    def follow(self, session: Session) -> None:
        """Trace a session that was opened just now, unless whoever asked for it wants no traces of it."""
        # Only the header that holds ids: what else callers may say about their traces would be passed on with ours.
        parent = TraceContextTextMapPropagator().extract({"traceparent": incoming.get()}, Context())
        span = self._tracer.start_span("session", parent, start_time=time.time_ns())
        if not span.is_recording():
            return
        session.trace = SessionTrace(self._tracer, span, self._ratio, self._chance)
        # Ids of sessions let whoever has them in: traces go to other machines, so the log alone tells which is whose.
        _log.info("session traced", extra={"session": session.id, "trace": session.trace.trace_id})

    def close(self) -> None:
        """Hand on what waits, for `CLOSE_S` at the longest."""
        closing = threading.Thread(target=self._provider.shutdown, name="visavis traces", daemon=True)
        closing.start()
        closing.join(CLOSE_S)
        if closing.is_alive():
            _log.warning("the last traces could not be handed on in time")


class TakeTraceparent:
    """ASGI middleware that remembers the `traceparent` of a request while it is answered.

    Args:
        app: what is inside.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        told = b""
        if scope["type"] in ("http", "websocket"):
            told = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
        token = incoming.set(told.decode("latin-1") if len(told) <= _MOST_HEADER_BYTES else "")
        try:
            await self._app(scope, receive, send)
        finally:
            incoming.reset(token)
