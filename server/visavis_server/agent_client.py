"""A client for voice agents: pushes speech to a visavis server and learns what of it was heard.

    async with AgentSession("ws://localhost:8765", avatar="astronaut") as session:
        spoken = await session.speak(pcm, 24000)

Needs `websockets` and nothing else of the server. Knows nothing of text or of who synthesises speech.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from visavis_models.errors import VisavisError
from visavis_models.mood import Feeling, Mood

Speech: TypeAlias = "bytes | bytearray | memoryview | Iterable[bytes] | AsyncIterable[bytes]"
"""s16le samples, mono: all at once, or in pieces as a synthesiser makes them."""

_PIECE_S = 0.2
_ANSWER_S = 5.0


class AgentError(VisavisError):
    """The server refused something, or has gone."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What became of one utterance."""

    segment: str
    seconds: float
    """How much of it was heard."""
    interrupted: bool


class Utterance:
    """One segment on its way; made by `AgentSession.start`."""

    def __init__(self, session: AgentSession, segment: str, rate_hz: int) -> None:
        self.segment = segment
        self.sent_s = 0.0
        self.heard_s = 0.0
        self._session = session
        self._rate_hz = rate_hz
        self._started = asyncio.Event()
        self._done: asyncio.Future[Spoken] = asyncio.get_running_loop().create_future()
        self._done.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._complete = False

    @property
    def over(self) -> bool:
        """It was spoken, interrupted or refused."""
        return self._done.done()

    async def write(self, pcm: bytes | bytearray | memoryview) -> None:
        """Send speech; waits while enough of it is ahead. After an interruption it does nothing."""
        size = max(2, round(self._rate_hz * _PIECE_S) * 2)
        for at in range(0, len(pcm), size):
            piece = bytes(pcm[at : at + size])
            seconds = len(piece) / 2 / self._rate_hz
            await self._session._room(seconds)
            if self.over:
                return
            self.sent_s += seconds
            await self._session._send(piece)

    async def end(self) -> None:
        """All of it was sent. More than once does no harm."""
        if not self._complete:
            self._complete = True
            await self._session._finish(self)

    async def started(self) -> None:
        """Wait until its first frame is shown, or until it is over."""
        starting = asyncio.ensure_future(self._started.wait())
        try:
            await asyncio.wait((starting, self._done), return_when=asyncio.FIRST_COMPLETED)
        finally:
            starting.cancel()

    async def done(self) -> Spoken:
        """Wait until it was spoken or interrupted.

        Raises:
            AgentError: the server refused it, or has gone.
        """
        return await asyncio.shield(self._done)


class AgentSession:
    """One avatar that speaks for an agent.

    Args:
        url: of the server: `ws://host:8765`, or with http, https or wss.
        avatar: opens a session with this avatar, which ends with this object.
        session: speaks for this session instead, which somebody else has opened.
        token: for servers that ask for one.
        show: with an avatar: viewers find it under this name; a show that waits for a voice under it is joined.
        ahead_s: so much speech is sent ahead of what is spoken, at most.
    """

    def __init__(
        self,
        url: str,
        *,
        avatar: str | None = None,
        session: str | None = None,
        token: str | None = None,
        show: str | None = None,
        ahead_s: float = 10.0,
    ) -> None:
        if (avatar is None) == (session is None):
            raise ValueError("give either an avatar or a session")
        path = (
            f"/v1/agents?avatar_id={quote(avatar, '')}" if avatar else f"/v1/sessions/{quote(session or '', '')}/agent"
        )
        if avatar and show:
            path += f"&show={quote(show, '')}"
        self._url = _address(url, path)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._ahead_s = ahead_s
        self.ready: Mapping[str, Any] = {}
        """What the server said at the beginning: `session`, `signal_url`, `width`, `height`, `buffer_s`, ..."""
        self.state = "idle"
        self.epoch = 0
        self.errors: list[AgentError] = []
        """What the server complained of so far, newest last; at most 100."""
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._utterances: dict[str, Utterance] = {}
        self._uploading = asyncio.Lock()
        self._changed = asyncio.Event()
        self._silenced: list[tuple[int, asyncio.Future[None]]] = []
        """Who waits for an interruption, with the epoch before it."""
        self._gone: AgentError | None = None
        self._count = 0

    @property
    def id(self) -> str:
        """The session's id: what viewers need to watch."""
        return str(self.ready["session"])

    async def __aenter__(self) -> AgentSession:
        """Connect, and wait until the avatar is ready.

        Raises:
            AgentError: the server refuses, or is not there.
        """
        try:
            self._socket = await connect(self._url, additional_headers=self._headers, compression=None)
        except (OSError, InvalidHandshake) as error:
            raise AgentError("unreachable", f"The server cannot be reached: {error}.", "Check its address.") from error
        try:
            first = json.loads(await asyncio.wait_for(self._socket.recv(), 60))
        except (ConnectionClosed, TimeoutError) as error:
            await self._socket.close()
            raise _closed() from error
        if first["type"] != "ready":
            await self._socket.close()
            raise _error(first)
        self.ready = first
        self.state, self.epoch = first["state"], first["epoch"]
        self._ahead_s = min(self._ahead_s, 0.9 * first["buffer_s"])
        self._reading = asyncio.create_task(self._read(), name="visavis agent")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave: the avatar falls silent; a session that this object opened ends."""
        if self._socket is not None:
            with suppress(AgentError):
                await self._say(type="bye")
            await self._socket.close()
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)

    async def start(self, rate_hz: int, feeling: Feeling | None = None) -> Utterance:
        """Begin an utterance: `write` speech to it, then `end` it. Another one can begin after its end.

        Args:
            rate_hz: of its samples, 8000 to 48000.
            feeling: with what it is spoken; None: as the session's mood is.
        """
        await self._uploading.acquire()
        self._count += 1
        utterance = Utterance(self, f"u{self._count}", rate_hz)
        self._utterances[utterance.segment] = utterance
        try:
            felt = {} if feeling is None else {"emotion": feeling.emotion, "strength": feeling.strength}
            await self._say(type="segment.start", id=utterance.segment, rate_hz=rate_hz, **felt)
        except BaseException:
            self._utterances.pop(utterance.segment, None)
            self._uploading.release()
            raise
        return utterance

    async def send(self, speech: Speech, rate_hz: int, feeling: Feeling | None = None) -> Utterance:
        """Send one whole utterance, after those that were sent before, without waiting for it to be spoken."""
        utterance = await self.start(rate_hz, feeling)
        try:
            if isinstance(speech, bytes | bytearray | memoryview):
                await utterance.write(speech)
            elif isinstance(speech, AsyncIterable):
                async for piece in speech:
                    await utterance.write(piece)
                    if utterance.over:
                        break
            else:
                for piece in speech:
                    await utterance.write(piece)
                    if utterance.over:
                        break
        finally:
            await utterance.end()
        return utterance

    async def speak(self, speech: Speech, rate_hz: int, feeling: Feeling | None = None) -> Spoken:
        """Send one utterance and wait until it was spoken or interrupted.

        Raises:
            AgentError: the server refused it, or has gone.
        """
        return await (await self.send(speech, rate_hz, feeling)).done()

    async def interrupt(self) -> None:
        """The user barges in: the avatar stops at once; returns when the server has silenced it.

        Raises:
            AgentError: the server has gone, or does not answer.
        """
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._silenced.append((self.epoch, answer))
        await self._say(type="interrupt")
        try:
            await asyncio.wait_for(answer, _ANSWER_S)
        except TimeoutError:
            raise AgentError("no_answer", "The server does not answer.", "Connect again.") from None

    async def clear(self) -> None:
        """Forget utterances that have not begun; the one that is being spoken goes on."""
        await self._say(type="clear")

    async def attend(self, on: bool) -> None:
        """The user speaks (or has stopped): the avatar listens to them."""
        await self._say(type="attend", on=on)

    async def set_mood(self, mood: Mood) -> None:
        """How the avatar is to be from now on; `errors` tells of a preset that is none."""
        felt = mood.feeling
        fields = {"from_voice": mood.from_voice, "preset": mood.preset}
        await self._say(type="mood", emotion=felt.emotion, strength=felt.strength, **fields)

    async def keep_alive(self) -> None:
        """Tell the server that this agent is still there, although it has nothing to say."""
        await self._say(type="keep_alive")

    async def _say(self, **message: Any) -> None:
        await self._send(json.dumps(message))

    async def _send(self, data: str | bytes) -> None:
        if self._gone is not None or self._socket is None:
            raise self._gone or _closed()
        try:
            await self._socket.send(data)
        except ConnectionClosed as error:
            raise self._gone or _closed() from error

    async def _finish(self, utterance: Utterance) -> None:
        try:
            await self._say(type="segment.end")
        finally:
            self._uploading.release()

    async def _room(self, seconds: float) -> None:
        """Wait until so much more may be sent."""
        while self._gone is None:
            ahead_s = sum(utterance.sent_s - utterance.heard_s for utterance in self._utterances.values())
            if ahead_s <= 0 or ahead_s + seconds <= self._ahead_s:
                return
            self._changed.clear()
            await self._changed.wait()

    async def _read(self) -> None:
        assert self._socket is not None
        reason = _closed()
        try:
            async for text in self._socket:
                message = json.loads(text)
                self._heed(message)
                if message["type"] == "error" and message["segment"] is None:
                    reason = _error(message)
        except ConnectionClosed:
            pass
        finally:
            self._gone = reason
            for utterance in tuple(self._utterances.values()):
                self._settle(utterance, reason)
            for _, answer in self._silenced:
                if not answer.done():
                    answer.set_exception(reason)
            self._changed.set()

    def _heed(self, message: Mapping[str, Any]) -> None:
        kind = message["type"]
        utterance = self._utterances.get(message.get("segment") or "")
        if kind == "state":
            self.state, self.epoch = message["state"], message["epoch"]
        elif kind == "error":
            error = _error(message)
            self.errors = [*self.errors[-99:], error]
            if utterance is not None and error.code in ("bad_sample_rate", "segment_exists", "too_many_segments"):
                self._settle(utterance, error)
        elif kind == "interrupted":
            self.epoch = message["epoch"]
            for before, answer in self._silenced:
                if not answer.done() and self.epoch > before:
                    answer.set_result(None)
            self._silenced = [waiter for waiter in self._silenced if not waiter[1].done()]
        if utterance is not None and kind in ("started", "progress", "ended", "interrupted"):
            utterance._started.set()
            utterance.heard_s = message.get("seconds", 0.0)
            if kind in ("ended", "interrupted"):
                self._settle(utterance, Spoken(utterance.segment, utterance.heard_s, kind == "interrupted"))
        self._changed.set()

    def _settle(self, utterance: Utterance, outcome: Spoken | AgentError) -> None:
        self._utterances.pop(utterance.segment, None)
        if utterance._done.done():
            return
        if isinstance(outcome, Spoken):
            utterance._done.set_result(outcome)
        else:
            utterance._done.set_exception(outcome)


def _address(url: str, path: str) -> str:
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    where, _, query = path.partition("?")
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + where, query, ""))


def _error(message: Mapping[str, Any]) -> AgentError:
    error = message.get("error", {})
    return AgentError(
        error.get("code", "closed"), error.get("message", "The server has gone."), error.get("remedy", "Connect again.")
    )


def _closed() -> AgentError:
    return AgentError("closed", "The connection to the server is closed.", "Connect again.")
