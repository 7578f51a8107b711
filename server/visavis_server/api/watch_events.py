"""The WebSocket /v1/watch/{name}/events: tells those who watch a session what it does, and at once when it ends.

It takes no part in the session: that neither waits for it nor ends with it. Knows nothing of media.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter, WebSocket

from visavis_models.errors import BadRequest, VisavisError
from visavis_models.mood import Mood
from visavis_server.api import messages
from visavis_server.api.messages import Ping
from visavis_server.api.outbox import Outbox, refuse
from visavis_server.call import Call, CallStats, EndReason
from visavis_server.metrics import Metrics
from visavis_server.rate_limit import RateLimit
from visavis_server.transmissions import Transmissions

_OUTBOX_MESSAGES = 32
_MESSAGES_PER_S = 2.0
_MESSAGE_BURST = 20
_CLOSE_NO_SESSION = 4404
_CLOSE_TOO_MANY = 4429
_CLOSE_TOO_SLOW = 1013


class Onlooker:
    """One who hears of a call; an `Audience` that may do nothing but `ping`."""

    def __init__(self, socket: WebSocket, call: Call) -> None:
        self._socket = socket
        self._call = call
        self._outbox = Outbox(socket, _OUTBOX_MESSAGES)
        self._rate = RateLimit(_MESSAGES_PER_S, _MESSAGE_BURST, time.monotonic())
        self._over = False

    def on_state(self, state: str, epoch: int) -> None:
        """Tell it; see `Audience`."""
        self._say(messages.state_message(state, epoch))

    def on_mood(self, mood: Mood) -> None:
        """Not for those who only watch."""

    def on_speaker(self, person: int) -> None:
        """Not for those who only watch."""

    def on_stats(self, stats: CallStats) -> None:
        """Not for those who only watch."""

    def on_end(self, reason: EndReason, error: VisavisError | None) -> None:
        """Say why, and good-bye; see `Audience`."""
        if error is not None:
            self._say(messages.error_message(error))
        self._say(messages.bye_message(reason))
        self._say(None)
        self._over = True

    async def run(self) -> None:
        """Tell until either side has gone."""
        self._call.watchers.append(self)
        self.on_state(self._call.session.state, self._call.session.epoch)
        try:
            await self._outbox.send_beside(f"onlooker of {self._call.id}", {"read": self._read()}, self._leave)
        finally:
            self._call.watchers.remove(self)

    async def _read(self) -> None:
        while True:
            received = await self._socket.receive()
            if received["type"] != "websocket.receive":
                return
            if not self._rate.allows(time.monotonic()):
                self._outbox.close_code = _CLOSE_TOO_MANY
                self._say(
                    messages.error_message(BadRequest("too_many_messages", "Messages come too fast.", "Send fewer."))
                )
                return
            try:
                message = messages.read_message(received.get("text") or "")
                if not isinstance(message, Ping):
                    raise BadRequest("unknown_message", "Who watches may only ping.", "Send ping, or nothing.")
                self._say(messages.pong_message(message.id))
            except VisavisError as error:
                self._say(messages.error_message(error))

    def _leave(self) -> None:
        self._say(None)
        self._over = True

    def _say(self, message: dict[str, Any] | None) -> None:
        if self._over:
            return
        try:
            self._outbox.put(message)
        except asyncio.QueueFull:  # it never reads: the pictures will show it what it misses
            self._over = True
            self._outbox.close_code = _CLOSE_TOO_SLOW
            self._outbox.forget_oldest()
            self._outbox.put(None)


def event_routes(transmissions: Transmissions, metrics: Metrics) -> APIRouter:
    """The WebSocket /v1/watch/{name}/events."""
    routes = APIRouter()

    @routes.websocket("/v1/watch/{name}/events")
    async def events(socket: WebSocket, name: str) -> None:
        await socket.accept()  # refused only afterwards: a page cannot see why a handshake failed
        try:
            call = transmissions.watched(name)
        except VisavisError as error:
            metrics.error(error.code)
            await refuse(socket, messages.error_message(error), _CLOSE_NO_SESSION)
            return
        await Onlooker(socket, call).run()

    return routes
