"""What is told of a message that cannot be read, in both protocols over WebSockets."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from visavis_models.errors import BadRequest
from visavis_server.api.agent_messages import MAX_TEXT_BYTES, read_agent_message
from visavis_server.api.messages import MAX_MESSAGE_BYTES, read_message

pytestmark = pytest.mark.unit


def refusal(read: Callable[[str], object], text: str) -> BadRequest:
    with pytest.raises(BadRequest) as refused:
        read(text)
    return refused.value


@pytest.mark.parametrize(
    ("read", "kinds"),
    [
        (read_message, "offer, candidate, interrupt, attend, mood, speaker, ping or bye"),
        (
            read_agent_message,
            "segment.start, audio, segment.end, interrupt, clear, attend, mood, speaker, keep_alive or bye",
        ),
    ],
)
def test_a_message_of_no_known_type_is_told_all_types(read: Callable[[str], object], kinds: str) -> None:
    error = refusal(read, '{"type": "sing"}')
    assert (error.code, error.remedy) == ("unknown_message", f"Send {kinds}.")


@pytest.mark.parametrize(("read", "limit"), [(read_message, MAX_MESSAGE_BYTES), (read_agent_message, MAX_TEXT_BYTES)])
def test_size_counts_in_bytes_and_what_is_no_text_is_told(read: Callable[[str], object], limit: int) -> None:
    head, tail = '{"type": "bye", "note": "', '"}'
    room = limit - len(head) - len(tail)
    read(head + "x" * room + tail)
    assert refusal(read, head + "x" * (room + 1) + tail).code == "message_too_large"
    assert refusal(read, head + "é" * (room // 2 + 1) + tail).code == "message_too_large"
    assert refusal(read, head + "\ud800" + tail).code == "bad_message"


def test_a_field_that_is_wrong_is_named_without_its_value() -> None:
    error = refusal(read_message, '{"type": "ping", "id": "secret"}')
    assert error.code == "bad_message" and "ping.id" in error.message and "secret" not in error.message
