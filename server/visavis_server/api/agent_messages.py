"""The messages of the WebSocket for voice agents, in both directions, as docs/asyncapi.yaml describes them.

Reads what agents send, strict in types but blind to fields it does not know; writes what the server sends. Knows
nothing of sockets or of how segments are spoken.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from visavis_models.errors import BadRequest
from visavis_models.mood import Emotion, Feeling
from visavis_server.agent_voice import Ended, Interrupted, Progress, Started, VoiceEvent
from visavis_server.api.json_messages import Message, read_one_of
from visavis_server.api.moods import MoodFields, Strength
from visavis_server.api.speakers import Person
from visavis_server.segment import RATES_HZ

MAX_AUDIO_BYTES = 512 * 1024
"""Of speech in one message, as binary or before base64."""
MAX_TEXT_BYTES = 700 * 1024


class SegmentStart(Message):
    """An utterance begins; speech follows."""

    type: Literal["segment.start"]
    rate_hz: int
    id: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    encoding: Literal["pcm_s16le"] = "pcm_s16le"
    channels: Literal[1] = 1
    emotion: Emotion | None = None
    strength: Strength = 1.0
    speaker: Person | None = None

    @property
    def feeling(self) -> Feeling | None:
        """With what feeling it is to be spoken; None: the session's mood holds."""
        return None if self.emotion is None else Feeling(self.emotion, self.strength)


class Audio(Message):
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


class SegmentEnd(Message):
    """The utterance is complete."""

    type: Literal["segment.end"]


class Interrupt(Message):
    """The avatar stops speaking; all that waits is forgotten."""

    type: Literal["interrupt"]


class Clear(Message):
    """What has not begun to be spoken is forgotten."""

    type: Literal["clear"]


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


class KeepAlive(Message):
    """The agent is still there."""

    type: Literal["keep_alive"]


class Bye(Message):
    """The agent leaves."""

    type: Literal["bye"]


AgentMessage = SegmentStart | Audio | SegmentEnd | Interrupt | Clear | Attend | SetMood | SetSpeaker | KeepAlive | Bye
_READER: TypeAdapter[AgentMessage] = TypeAdapter(Annotated[AgentMessage, Field(discriminator="type")])


def read_agent_message(text: str) -> AgentMessage:
    """An agent's message.

    Raises:
        BadRequest: see `read_one_of`.
    """
    return read_one_of(_READER, text, MAX_TEXT_BYTES, too_large)


def too_large() -> BadRequest:
    """What is told of a message that holds too much."""
    return BadRequest(
        "message_too_large",
        f"A message may hold {MAX_AUDIO_BYTES // 1024} KB of speech.",
        "Send speech in pieces of a few seconds.",
    )


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
        "speaker": session.speaker,
        "people": session.people,
        "ai_generated": True,
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
