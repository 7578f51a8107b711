"""The signalling WebSocket of a call: one conversation of messages, bounded in size, rate and patience.

When the WebSocket closes, the call ends, unless somebody else opened it for themselves; when the call ends, the client
is told why and the WebSocket closes. Knows nothing of SDP, media or how a session works.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from fastapi import APIRouter, WebSocket

from visavis_models.errors import BadInput, BadRequest, NotFound, VisavisError
from visavis_models.mood import Mood
from visavis_server.api import messages
from visavis_server.api.errors import internal_error
from visavis_server.api.messages import Attend, Bye, Candidate, Interrupt, Offer, Ping, SetMood, SetSpeaker
from visavis_server.api.moods import changed_mood, mood_message
from visavis_server.api.outbox import Outbox, refuse
from visavis_server.api.speakers import speaker_message
from visavis_server.call import Call, CallStats, EndReason
from visavis_server.metrics import Metrics
from visavis_server.rate_limit import RateLimit
from visavis_server.registry import SessionRegistry

_log = logging.getLogger(__name__)

MESSAGES_PER_S = 30.0
MESSAGE_BURST = 200
"""A browser with many networks sends dozens of candidates at once."""
NEGOTIATION_LIMIT_S = 15.0
_OUTBOX_MESSAGES = 64
_CLOSE_NO_SESSION = 4404
_CLOSE_JOINED = 4409
_CLOSE_TOO_MANY = 4429


class Conversation:
    """One client's conversation about one call; the call's `Audience`."""

    def __init__(self, socket: WebSocket, call: Call, registry: SessionRegistry, metrics: Metrics) -> None:
        self._socket = socket
        self._call = call
        self._registry = registry
        self._metrics = metrics
        self._outbox = Outbox(socket, _OUTBOX_MESSAGES)
        self._negotiation: asyncio.Queue[Offer | Candidate] = asyncio.Queue(MESSAGE_BURST)
        self._rate = RateLimit(MESSAGES_PER_S, MESSAGE_BURST, time.monotonic())
        self._over = False

    def on_state(self, state: str, epoch: int) -> None:
        """Tell the client; see `Audience`."""
        self._say(messages.state_message(state, epoch))

    def on_mood(self, mood: Mood) -> None:
        """Tell the client; see `Audience`."""
        self._say(mood_message(mood))

    def on_speaker(self, person: int) -> None:
        """Tell the client; see `Audience`."""
        self._say(speaker_message(person))

    def on_stats(self, stats: CallStats) -> None:
        """Tell the client; see `Audience`."""
        self._say(messages.stats_message(stats))

    def on_end(self, reason: EndReason, error: VisavisError | None) -> None:
        """Say why, and good-bye; see `Audience`."""
        if error is not None:
            self._say(messages.error_message(error))
        self._say(messages.bye_message(reason))
        self._say(None)
        self._over = True

    async def run(self) -> None:
        """Talk until either side has gone; everything the page held is free then, and its own call has ended."""
        work = {"read": self._read(), "negotiate": self._negotiate()}
        try:
            await self._outbox.send_beside(self._call.id, work, self._leave)
        finally:
            self._leave()
            if self._call.page_owns:
                await self._registry.end(self._call.id, "client")
            else:
                await self._call.parted()

    async def _read(self) -> None:
        while True:
            try:
                received = await self._socket.receive()
                if received["type"] != "websocket.receive":
                    return
                if not self._rate.allows(time.monotonic()):
                    self._outbox.close_code = _CLOSE_TOO_MANY
                    self._fail(BadRequest("too_many_messages", "Messages come too fast.", "Send fewer of them."))
                    return
                text = received.get("text")
                if text is None:
                    raise BadRequest("bad_message", "Messages must be text, not binary.", "Send JSON as text.")
                if not self._heed(messages.read_message(text)):
                    return
            except VisavisError as error:
                self._complain(error)
            except Exception:  # a defect of ours ends this call, and only this one
                _log.exception("message not handled", extra={"session": self._call.id})
                self._fail(internal_error())
                return

    def _heed(self, message: messages.ClientMessage) -> bool:
        """Do what a message asks for; False after the last one."""
        match message:
            case Offer() | Candidate():
                try:
                    self._negotiation.put_nowait(message)
                except asyncio.QueueFull:
                    raise BadRequest("too_many_messages", "Too many candidates at once.", "Send fewer.") from None
            case Interrupt():
                self._call.interrupt()
            case Attend():
                self._call.attend(message.on)
            case SetMood():
                self._call.set_mood(changed_mood(self._call.session.mood, message))
            case SetSpeaker():
                self._call.set_speaker(message.person)
            case Ping():
                self._say(messages.pong_message(message.id))
            case Bye():
                self._leave()
                return False
        return True

    def _hear_channel(self, came: str | bytes) -> str | None:
        """Heed what came over the data channel, which takes what concerns the avatar; the answer, if there is one."""
        try:
            if self._over:
                return None
            if not self._rate.allows(time.monotonic()):
                self._outbox.close_code = _CLOSE_TOO_MANY
                self._fail(BadRequest("too_many_messages", "Messages come too fast.", "Send fewer of them."))
                return None
            if not isinstance(came, str):
                raise BadRequest("bad_message", "Messages must be text, not binary.", "Send JSON as text.")
            message = messages.read_message(came)
            if isinstance(message, Ping):
                return messages.as_text(messages.pong_message(message.id))
            if not isinstance(message, SetMood | SetSpeaker | Interrupt | Attend):
                kind = f"A message of type {message.type} is not for the data channel."
                raise BadRequest("unknown_message", kind, "Send mood, speaker, interrupt, attend or ping.")
            self._heed(message)
        except VisavisError as error:
            self._metrics.error(error.code)
            return messages.as_text(messages.error_message(error))
        except Exception:  # a defect of ours ends this call, and only this one
            _log.exception("message not handled", extra={"session": self._call.id})
            self._fail(internal_error())
        return None

    async def _negotiate(self) -> None:
        """Offers and candidates in the order in which they came, beside everything else: an answer may take seconds."""
        while True:
            message = await self._negotiation.get()
            try:
                async with asyncio.timeout(NEGOTIATION_LIMIT_S):
                    if isinstance(message, Offer):
                        answer = await self._call.answer(message.sdp, message.alpha is not None, self._hear_channel)
                        self._say(messages.answer_message(answer))
                        self._call.show_state(again=True)
                    else:
                        candidate = message.candidate
                        await self._call.add_candidate(None if candidate is None else candidate.model_dump())
            except VisavisError as error:
                self._complain(error)
            except TimeoutError:
                self._complain(
                    BadInput(
                        "negotiation_timeout",
                        "The connection could not be prepared in time.",
                        "Try again; if it persists, check the STUN and TURN servers (rtc.ice_servers).",
                    )
                )
            except Exception:  # a defect of ours ends this call, and only this one
                _log.exception("negotiation failed", extra={"session": self._call.id})
                self._fail(internal_error())
                return

    def _say(self, message: dict[str, Any] | None) -> None:
        if self._over:
            return
        try:
            self._outbox.put(message)
        except asyncio.QueueFull:  # the client never reads: room for the last words, the writer's limit does the rest
            while self._outbox.free < _OUTBOX_MESSAGES // 2:
                self._outbox.forget_oldest()
            self._outbox.put(message)

    def _complain(self, error: VisavisError) -> None:
        self._metrics.error(error.code)
        self._say(messages.error_message(error))

    def _leave(self) -> None:
        self._registry.page_left(self._call, self, "client")

    def _fail(self, error: VisavisError) -> None:
        self._registry.page_left(self._call, self, "failed", error)


def signalling_routes(registry: SessionRegistry, metrics: Metrics) -> APIRouter:
    """The WebSocket /v1/sessions/{id}/signal."""
    routes = APIRouter()

    @routes.websocket("/v1/sessions/{id}/signal")
    async def signal(socket: WebSocket, id: str) -> None:
        await socket.accept()  # refused only afterwards: a page cannot see why a handshake failed
        try:
            call = registry.get(id)
            conversation = Conversation(socket, call, registry, metrics)
            call.join(conversation)
        except VisavisError as error:
            metrics.error(error.code)
            code = _CLOSE_NO_SESSION if isinstance(error, NotFound) else _CLOSE_JOINED
            await refuse(socket, messages.error_message(error), code)
            return
        await conversation.run()

    return routes
