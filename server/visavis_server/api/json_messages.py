"""How a message that came over a WebSocket is read: one JSON object, of one of the types that its protocol has.

Strict in types but blind to fields that it does not know. Knows nothing of any protocol's messages, nor of sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from visavis_models.errors import BadRequest

T = TypeVar("T")


class Message(BaseModel):
    """What every message of a client is."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


def read_one_of(reader: TypeAdapter[T], text: str, max_bytes: int, too_large: Callable[[], BadRequest]) -> T:
    """A client's message.

    Args:
        reader: of a union of messages that is told apart by `type`.
        text: as it came.
        max_bytes: as UTF-8.
        too_large: what to tell of a longer one.

    Raises:
        BadRequest: it is too large, no JSON, of no known type, or lacks a field.
    """
    if len(text) > max_bytes or len(text.encode(errors="replace")) > max_bytes:
        raise too_large()
    try:
        return reader.validate_json(text)
    except ValidationError as error:
        raise _complaint(error) from None
    except UnicodeEncodeError:
        raise BadRequest("bad_message", "This message is no valid text.", "Send UTF-8.") from None


def _complaint(error: ValidationError) -> BadRequest:
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "union_tag_invalid":
        others, _, last = first["ctx"]["expected_tags"].replace("'", "").rpartition(", ")
        return BadRequest("unknown_message", "There is no message of this type.", f"Send {others} or {last}.")
    place = ".".join(str(part) for part in first["loc"])
    what = f"{place}: {first['msg']}" if place else first["msg"]
    return BadRequest("bad_message", f"This message cannot be understood ({what}).", "Send one JSON object; see /docs.")
