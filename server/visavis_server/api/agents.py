"""The WebSocket for voice agents: an app pushes its agent's speech, the avatar speaks it and tells what was heard.

Bounded in size, rate and patience. When the WebSocket closes, the avatar falls silent. Knows nothing of how speech is
resampled or pictures are drawn.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket

from visavis_models.errors import BadRequest, Busy, NotFound, VisavisError
from visavis_models.framing import check_person
from visavis_models.mood import Mood
from visavis_server.agent_voice import AgentVoice, VoiceEvent
from visavis_server.api import agent_messages as said
from visavis_server.api.errors import internal_error
from visavis_server.api.messages import bye_message, error_message, state_message
from visavis_server.api.moods import changed_mood, mood_message
from visavis_server.api.outbox import Outbox, refuse
from visavis_server.api.speakers import MOST_PEOPLE, speaker_message
from visavis_server.avatar_desk import AvatarDesk
from visavis_server.call import Call, CallStats, EndReason
from visavis_server.metrics import Metrics
from visavis_server.rate_limit import RateLimit
from visavis_server.registry import SessionRegistry
from visavis_server.settings import AgentSettings
from visavis_server.show_names import ShowNames

_log = logging.getLogger(__name__)

MESSAGES_PER_S = 100.0
MESSAGE_BURST = 1000
"""Of everything but speech that is taken."""
PIECES_PER_S = 1000.0
PIECE_BURST = 15_000
"""Of speech that is taken: the whole buffer in packets of 10 ms at once, and then twenty times as fast as spoken."""
_OUTBOX_MESSAGES = 2000
_LAST_WORDS = 4
_WATCH_EVERY_S = 0.5
_CLOSE_NO_SESSION = 4404
_CLOSE_IDLE = 4408
_CLOSE_TAKEN = 4409
_CLOSE_TOO_MANY = 4429
_CLOSE_FULL = 4503
_CLOSE_REFUSED = 4400


class AgentConversation:
    """One agent that speaks for one call; the call's `Audience` and its `Guest`.

    Args:
        socket: accepted.
        call: whose avatar speaks.
        settings: limits.
        metrics: counts errors.
    """

    def __init__(self, socket: WebSocket, call: Call, settings: AgentSettings, metrics: Metrics) -> None:
        self._socket = socket
        self._call = call
        self._settings = settings
        self._metrics = metrics
        self._voice = AgentVoice(settings.buffer_s, self._on_voice)
        self._outbox = Outbox(socket, _OUTBOX_MESSAGES)
        self._rate = RateLimit(MESSAGES_PER_S, MESSAGE_BURST, time.monotonic())
        self._pieces = RateLimit(PIECES_PER_S, PIECE_BURST, time.monotonic())
        self._heard_s = self._fed_s = time.monotonic()
        self._strayed = False
        self._over = False

    def bind(self) -> None:
        """Take the voice of the call.

        Raises:
            BadRequest: somebody else speaks for it.
            NotFound: it has ended.
        """
        self._call.take_voice(self)
        try:
            self._call.host(self)
        except VisavisError:
            self._call.leave_voice(self)
            raise
        self._call.watchers.append(self)
        self._call.session.speak_from(self._voice)
        self._call.session.add_sink(self._voice)
        self._say(said.ready_message(self._call.session, self._settings.buffer_s))

    def on_state(self, state: str, epoch: int) -> None:
        """Tell the agent; see `Audience`."""
        self._say(state_message(state, epoch))

    def on_mood(self, mood: Mood) -> None:
        """Tell the agent; see `Audience`."""
        self._say(mood_message(mood))

    def on_speaker(self, person: int) -> None:
        """Tell the agent; see `Audience`."""
        self._say(speaker_message(person))

    def on_stats(self, stats: CallStats) -> None:
        """Agents are not told; see `Audience`."""

    def on_end(self, reason: EndReason, error: VisavisError | None) -> None:
        """Say why, and good-bye; see `Audience`."""
        if error is not None:
            self._say({**error_message(error), "segment": None})
        self._say(bye_message(reason))
        self._say(None)
        self._over = True

    async def close(self) -> None:
        """Speak no more; see `Guest`."""
        if self not in self._call.watchers:
            return
        self._call.watchers.remove(self)
        self._over = True
        if self._voice.busy:
            self._call.interrupt()
        self._call.session.remove_sink(self._voice)
        self._call.session.speak_from(None)
        self._voice.close()
        self._call.leave_voice(self)
        self._call.dismiss(self)

    async def run(self) -> None:
        """Speak until either side has gone; nothing is held then."""
        work = {"read": self._read(), "watch": self._watch()}
        try:
            await self._outbox.send_beside(f"agent {self._call.id}", work, lambda: self._leave("client", None))
        finally:
            await self.close()

    async def _read(self) -> None:
        while True:
            try:
                received = await self._socket.receive()
                if received["type"] != "websocket.receive":
                    return
                self._heard_s = time.monotonic()
                self._call.touch()
                pcm, text = received.get("bytes"), received.get("text")
                if pcm is not None:
                    counts, goes_on = not self._feed(pcm), True
                else:
                    counts, goes_on = self._heed(said.read_agent_message(text or ""))
                self._count(self._rate if counts else self._pieces)
                if not goes_on:
                    return
            except VisavisError as error:
                self._complain(error, self._voice.open_segment)
                self._count(self._rate)
            except Exception:  # a defect of ours ends this conversation, and only this one
                _log.exception("message not handled", extra={"session": self._call.id})
                self._leave("failed", internal_error())
            if self._over:
                return

    def _count(self, rate: RateLimit) -> None:
        if not self._over and not rate.allows(time.monotonic()):
            self._outbox.close_code = _CLOSE_TOO_MANY
            self._leave("failed", BadRequest("too_many_messages", "Messages come too fast.", "Send fewer of them."))

    def _feed(self, pcm: bytes) -> bool:
        """Take speech; whether it is wanted."""
        if len(pcm) > said.MAX_AUDIO_BYTES:
            raise said.too_large()
        self._fed_s = time.monotonic()
        try:
            return self._voice.push(pcm, self._fed_s)
        except BadRequest as error:
            if error.code != "no_segment":
                raise
            if self._strayed:
                return False  # told once; the rest of the stream would only say it again
            self._strayed = True
            raise

    def _heed(self, message: said.AgentMessage) -> tuple[bool, bool]:
        """Do what a message asks for; whether it was anything but wanted speech, and whether more may come."""
        match message:
            case said.Audio():
                return not self._feed(message.pcm()), True
            case said.SegmentStart():
                self._begin(message)
            case said.SegmentEnd():
                self._end()
            case said.Interrupt():
                self._call.interrupt()
            case said.Clear():
                self._voice.clear()
            case said.Attend():
                self._call.attend(message.on)
            case said.SetMood():
                self._call.set_mood(changed_mood(self._call.session.mood, message))
            case said.SetSpeaker():
                self._call.set_speaker(message.person)
            case said.KeepAlive():
                pass
            case said.Bye():
                return False, False
        return True, True

    def _begin(self, message: said.SegmentStart) -> None:
        self._fed_s = time.monotonic()
        self._strayed = True  # what follows a segment that is refused is not complained of again
        try:
            if message.speaker is not None:
                check_person(message.speaker, self._call.session.people)
            self._voice.begin(message.id, message.rate_hz, message.feeling, message.speaker)
        except VisavisError as error:
            self._complain(error, message.id)
        else:
            self._strayed = False

    def _end(self) -> None:
        if not (self._strayed and self._voice.open_segment is None):
            segment = self._voice.open_segment
            try:
                self._voice.end()
            except BadRequest as error:
                self._complain(error, segment)

    async def _watch(self) -> None:
        """End a segment whose agent has forgotten it, and leave an agent that has forgotten us."""
        starved_s = None
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            now_s = time.monotonic()
            if not self._voice.starved:
                starved_s = None
            else:
                starved_s = max(starved_s or now_s, self._fed_s)
                if now_s - starved_s >= self._settings.segment_timeout_s:
                    self._end_forgotten()
            if self._voice.busy:
                self._heard_s = now_s
            elif 0 < self._settings.idle_timeout_s <= now_s - self._heard_s:
                self._outbox.close_code = _CLOSE_IDLE
                waited = f"Nothing came for {self._settings.idle_timeout_s:g} s."
                self._leave("expired", BadRequest("agent_idle", waited, "Send keep_alive now and then."))
                return

    def _end_forgotten(self) -> None:
        waited = f"A segment stayed open for {self._settings.segment_timeout_s:g} s without speech."
        problem = BadRequest("segment_timeout", waited, "Send segment.end after the last speech.")
        self._complain(problem, self._voice.open_segment)
        self._end()
        self._strayed = True

    def _on_voice(self, event: VoiceEvent) -> None:
        self._say(said.event_message(event, self._call.session.epoch))

    def _say(self, message: dict[str, Any] | None) -> None:
        if self._over:
            return
        if self._outbox.free <= _LAST_WORDS:  # it never reads: no event may be lost unnoticed, so it goes
            self._over = True
            self._outbox.close_code = _CLOSE_TOO_MANY
            self._outbox.put(None)
            return
        self._outbox.put(message)

    def _complain(self, error: VisavisError, segment: str | None) -> None:
        self._metrics.error(error.code)
        self._say({**error_message(error), "segment": segment})

    def _leave(self, reason: EndReason, error: VisavisError | None) -> None:
        if error is not None:
            self._metrics.error(error.code)
        if not self._over:
            self.on_end(reason, error)


def agent_routes(
    registry: SessionRegistry,
    desk: AvatarDesk,
    settings: AgentSettings,
    metrics: Metrics,
    names: ShowNames,
) -> APIRouter:
    """The WebSockets /v1/agents, which opens a session of its own, and /v1/sessions/{id}/agent."""
    routes = APIRouter()

    @routes.websocket("/v1/agents")
    async def speak(
        socket: WebSocket,
        avatar_id: Annotated[str, Query(max_length=100)] = "",
        show: Annotated[str, Query(max_length=63)] = "",
        speaker: Annotated[int, Query(ge=0, lt=MOST_PEOPLE)] = 0,
        format: Annotated[str | None, Query(max_length=10)] = None,
    ) -> None:
        await socket.accept()  # refused only afterwards: a browser cannot see why a handshake failed
        try:
            waiting = names.awaiting(show, avatar_id)
            call = waiting or await _open(avatar_id, show, speaker, format)
        except VisavisError as error:
            await _refuse(socket, error)
            return
        try:
            await _talk(socket, call)
        finally:
            if waiting is None:
                names.withdraw(show, call)
                await registry.end(call.id, "client")

    @routes.websocket("/v1/sessions/{id}/agent")
    async def speak_for(socket: WebSocket, id: str) -> None:
        await socket.accept()
        try:
            call = registry.get(id)
        except VisavisError as error:
            await _refuse(socket, error)
            return
        await _talk(socket, call)

    async def _open(avatar_id: str, show: str, speaker: int, format: str | None) -> Call:
        if not avatar_id:
            raise BadRequest("avatar_missing", "No avatar was named.", "Add ?avatar_id=… to the address.")
        names.check(show)
        avatar, person = await desk.on_stage(avatar_id, format, speaker)
        call = await registry.open(avatar, page_owns=False)
        try:
            call.set_speaker(person)
            names.announce(show, call)
        except VisavisError:  # somebody else was quicker
            await registry.end(call.id, "client")
            raise
        return call

    async def _talk(socket: WebSocket, call: Call) -> None:
        conversation = AgentConversation(socket, call, settings, metrics)
        try:
            conversation.bind()
        except VisavisError as error:
            await _refuse(socket, error)
            return
        await conversation.run()

    async def _refuse(socket: WebSocket, error: VisavisError) -> None:
        metrics.error(error.code)
        code = _CLOSE_REFUSED
        if isinstance(error, NotFound):
            code = _CLOSE_NO_SESSION
        elif isinstance(error, Busy):
            code = _CLOSE_FULL
        elif error.code == "already_speaking":
            code = _CLOSE_TAKEN
        await refuse(socket, {**error_message(error), "segment": None}, code)

    return routes
