"""The messages of the WebSocket for voice agents, in both directions, as docs/asyncapi.yaml describes them.

Reads what agents send, strict in types but blind to fields it does not know; writes what the server sends. Knows
nothing of sockets or of how segments are spoken.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from visavis_models.errors import BadRequest
from visavis_server.agent_voice import Ended, Interrupted, Progress, Started, VoiceEvent
from visavis_server.segment import RATES_HZ

MAX_AUDIO_BYTES = 512 * 1024
"""Of speech in one message, as binary or before base64."""
MAX_TEXT_BYTES = 700 * 1024


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class SegmentStart(_Message):
    """An utterance begins; speech follows."""

    type: Literal["segment.start"]
    rate_hz: int
    id: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    encoding: Literal["pcm_s16le"] = "pcm_s16le"
    channels: Literal[1] = 1


class Audio(_Message):
    """Speech of the open segment in base64, for clients that cannot send binary messages."""

    type: Literal["audio"]
    data: str

    def pcm(self) -> bytes:
        """The samples, s16le.

        Raises:
            BadRequest: `bad_message`, it is no base64.
        """
        try:
            return base64.b64decode(self.data, validate=True)
        except (binascii.Error, ValueError):
            raise BadRequest("bad_message", "The field data is no base64.", "Encode s16le samples.") from None


class SegmentEnd(_Message):
    """The utterance is complete."""

    type: Literal["segment.end"]


class Interrupt(_Message):
    """The avatar stops speaking; all that waits is forgotten."""

    type: Literal["interrupt"]


class Clear(_Message):
    """What has not begun to be spoken is forgotten."""

    type: Literal["clear"]


class Attend(_Message):
    """Somebody else speaks to the avatar, or has stopped."""

    type: Literal["attend"]
    on: bool


class KeepAlive(_Message):
    """The agent is still there."""

    type: Literal["keep_alive"]


class Bye(_Message):
    """The agent leaves."""

    type: Literal["bye"]


AgentMessage = SegmentStart | Audio | SegmentEnd | Interrupt | Clear | Attend | KeepAlive | Bye
_READER: TypeAdapter[AgentMessage] = TypeAdapter(Annotated[AgentMessage, Field(discriminator="type")])


def read_agent_message(text: str) -> AgentMessage:
    """An agent's message.

    Raises:
        BadRequest: it is too large, no JSON, of no known type, or lacks a field.
    """
    if len(text) > MAX_TEXT_BYTES or len(text.encode(errors="replace")) > MAX_TEXT_BYTES:
        raise too_large()
    try:
        return _READER.validate_json(text)
    except ValidationError as error:
        raise _complaint(error) from None
    except UnicodeEncodeError:
        raise BadRequest("bad_message", "This message is no valid text.", "Send UTF-8.") from None


def too_large() -> BadRequest:
    """What is told of a message that holds too much."""
    return BadRequest(
        "message_too_large",
        f"A message may hold {MAX_AUDIO_BYTES // 1024} KB of speech.",
        "Send speech in pieces of a few seconds.",
    )


def _complaint(error: ValidationError) -> BadRequest:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "union_tag_invalid":
        return BadRequest(
            "unknown_message",
            "There is no message of this type.",
            "Send segment.start, audio, segment.end, interrupt, clear, attend, keep_alive or bye.",
        )
    place = ".".join(str(part) for part in first["loc"])
    what = f"{place}: {first['msg']}" if place else first["msg"]
    return BadRequest("bad_message", f"This message cannot be understood ({what}).", "Send one JSON object; see /docs.")


def ready_message(session: Any, buffer_s: float) -> dict[str, Any]:
    """The agent speaks for this session from now on."""
    return {
        "type": "ready",
        "session": session.id,
        "avatar_id": session.avatar_id,
        "state": session.state,
        "epoch": session.epoch,
        "width": session.width,
        "height": session.height,
        "signal_url": f"/v1/sessions/{session.id}/signal",
        "whep_url": f"/whep/{session.id}",
        "buffer_s": buffer_s,
        "max_message_bytes": MAX_AUDIO_BYTES,
        "rates_hz": list(RATES_HZ),
    }


def event_message(event: VoiceEvent, epoch: int) -> dict[str, Any]:
    """What has become of a segment."""
    match event:
        case Started():
            return {"type": "started", "segment": event.segment, "epoch": epoch}
        case Progress():
            return {
                "type": "progress",
                "segment": event.segment,
                "seconds": round(event.seconds, 3),
                "waiting_s": round(event.waiting_s, 3),
            }
        case Ended():
            return {"type": "ended", "segment": event.segment, "seconds": round(event.seconds, 3)}
        case Interrupted():
            return {
                "type": "interrupted",
                "segment": event.segment,
                "seconds": round(event.seconds, 3),
                "epoch": epoch,
            }
