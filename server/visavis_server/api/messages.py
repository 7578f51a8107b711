"""The messages of the signalling WebSocket, in both directions, as docs/protocol.md lists them.

Reads what clients send, strict in types but blind to fields it does not know; writes what the server sends. Knows
nothing of sockets.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from visavis_models.errors import BadRequest, VisavisError
from visavis_server.api.json_messages import Message, read_one_of
from visavis_server.api.moods import MoodFields
from visavis_server.api.speakers import Person
from visavis_server.call import CallStats, EndReason

MAX_MESSAGE_BYTES = 64 * 1024
_MAX_SAFE_INTEGER = 2**53 - 1


class Offer(Message):
    """The browser's offer."""

    type: Literal["offer"]
    sdp: Annotated[str, Field(min_length=1)]
    alpha: Literal["side-by-side"] | None = None


class IceCandidate(Message):
    """One address of the browser, as `RTCIceCandidate.toJSON()` gives it."""

    candidate: Annotated[str, Field(max_length=1024)]
    sdpMid: Annotated[str, Field(max_length=64)] | None = None
    sdpMLineIndex: Annotated[int, Field(ge=0, le=255)] | None = None


class Candidate(Message):
    """A candidate, or null after the last."""

    type: Literal["candidate"]
    candidate: IceCandidate | None


class Interrupt(Message):
    """The avatar stops speaking."""

    type: Literal["interrupt"]


class Attend(Message):
    """Somebody else speaks to the avatar, or has stopped."""

    type: Literal["attend"]
    on: bool


class SetMood(MoodFields, Message):
    """The avatar is to be another way; what is left out stays."""

    model_config = Message.model_config
    type: Literal["mood"]


class SetSpeaker(Message):
    """Somebody else in the picture is to speak."""

    type: Literal["speaker"]
    person: Person


class Ping(Message):
    """Answered with `pong`."""

    type: Literal["ping"]
    id: Annotated[int, Field(ge=0, le=_MAX_SAFE_INTEGER)]


class Bye(Message):
    """End the session."""

    type: Literal["bye"]


ClientMessage = Offer | Candidate | Interrupt | Attend | SetMood | SetSpeaker | Ping | Bye
_READER: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])


def read_message(text: str) -> ClientMessage:
    """A client's message.

    Raises:
        BadRequest: see `read_one_of`.
    """
    return read_one_of(_READER, text, MAX_MESSAGE_BYTES, _too_large)


def _too_large() -> BadRequest:
    return BadRequest("message_too_large", "This message is larger than 64 KB.", "Send less.")


def answer_message(sdp: str) -> dict[str, Any]:
    """The answer to an offer, and that what will be seen is made."""
    return {"type": "answer", "sdp": sdp, "ai_generated": True}


def state_message(state: str, epoch: int) -> dict[str, Any]:
    """What the avatar does now."""
    return {"type": "state", "state": state, "epoch": epoch}


def stats_message(stats: CallStats) -> dict[str, Any]:
    """How the call does."""
    s = stats.session
    return {
        "type": "stats",
        "fps": _rounded(s.fps, 1),
        "latency_ms": {"p50": _rounded(s.latency_ms_p50, 1), "p95": _rounded(s.latency_ms_p95, 1)},
        "frames": {"sent": s.frames_sent, "repeated": s.frames_repeated, "dropped": s.frames_dropped},
        "bitrate_kbps": _rounded(stats.bitrate_kbps, 1),
        "rtt_ms": _rounded(stats.rtt_ms, 1),
        "loss": _rounded(stats.loss, 4),
    }


def pong_message(id: int) -> dict[str, Any]:
    """The answer to a ping."""
    return {"type": "pong", "id": id}


def error_message(error: VisavisError) -> dict[str, Any]:
    """Something went wrong."""
    return {"type": "error", "error": error.as_dict()}


def bye_message(reason: EndReason) -> dict[str, Any]:
    """The session is over."""
    return {"type": "bye", "reason": reason}


def as_text(message: dict[str, Any]) -> str:
    """A message as it goes over the wire."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or value != value else round(value, digits)
