"""The messages of the signalling WebSocket, in both directions, as docs/protocol.md lists them.

Reads what clients send, strict in types but blind to fields it does not know; writes what the server sends. Knows
nothing of sockets.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from visavis_models.errors import BadRequest, VisavisError
from visavis_server.call import CallStats, EndReason

MAX_MESSAGE_BYTES = 64 * 1024
_MAX_SAFE_INTEGER = 2**53 - 1


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Offer(_Message):
    """The browser's offer."""

    type: Literal["offer"]
    sdp: Annotated[str, Field(min_length=1)]


class IceCandidate(_Message):
    """One address of the browser, as `RTCIceCandidate.toJSON()` gives it."""

    candidate: Annotated[str, Field(max_length=1024)]
    sdpMid: Annotated[str, Field(max_length=64)] | None = None
    sdpMLineIndex: Annotated[int, Field(ge=0, le=255)] | None = None


class Candidate(_Message):
    """A candidate, or null after the last."""

    type: Literal["candidate"]
    candidate: IceCandidate | None


class Interrupt(_Message):
    """The avatar stops speaking."""

    type: Literal["interrupt"]


class Attend(_Message):
    """Somebody else speaks to the avatar, or has stopped."""

    type: Literal["attend"]
    on: bool


class Ping(_Message):
    """Answered with `pong`."""

    type: Literal["ping"]
    id: Annotated[int, Field(ge=0, le=_MAX_SAFE_INTEGER)]


class Bye(_Message):
    """End the session."""

    type: Literal["bye"]


ClientMessage = Offer | Candidate | Interrupt | Attend | Ping | Bye
_READER: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])


def read_message(text: str) -> ClientMessage:
    """A client's message.

    Raises:
        BadRequest: it is too large, no JSON, of no known type, or lacks a field.
    """
    if len(text) > MAX_MESSAGE_BYTES or len(text.encode()) > MAX_MESSAGE_BYTES:
        raise BadRequest("message_too_large", "This message is larger than 64 KB.", "Send less.")
    try:
        return _READER.validate_json(text)
    except ValidationError as error:
        raise _complaint(error) from None
    except UnicodeEncodeError:
        raise BadRequest("bad_message", "This message is no valid text.", "Send UTF-8.") from None


def _complaint(error: ValidationError) -> BadRequest:
    first = error.errors(include_url=False, include_context=False)[0]
    if first["type"] == "union_tag_invalid":
        return BadRequest(
            "unknown_message",
            "There is no message of this type.",
            "Send offer, candidate, interrupt, attend, ping or bye.",
        )
    place = ".".join(str(part) for part in first["loc"])
    what = f"{place}: {first['msg']}" if place else first["msg"]
    return BadRequest("bad_message", f"This message cannot be understood ({what}).", "Send one JSON object; see /docs.")


def answer_message(sdp: str) -> dict[str, Any]:
    """The answer to an offer."""
    return {"type": "answer", "sdp": sdp}


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
