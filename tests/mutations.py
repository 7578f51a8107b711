"""Strategies for property tests: what was valid once, with bytes or lines of it changed, lost, doubled or moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

Piece = TypeVar("Piece", bytes, str)

thorough = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
"""The same examples each time: a change must not fail for what it has not touched."""
brief = settings(thorough, max_examples=40)


@st.composite
def damaged(draw: st.DrawFn, samples: Sequence[bytes], most: int = 6) -> bytes:
    """One of the samples with a few places changed."""
    content = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, len(content)))
        end = min(len(content), at + draw(st.integers(0, 12)))
        match draw(st.sampled_from(["change", "cut", "insert", "double", "truncate"])):
            case "change":
                content = content[:at] + draw(st.binary(min_size=end - at, max_size=end - at)) + content[end:]
            case "cut":
                content = content[:at] + content[end:]
            case "insert":
                content = content[:at] + draw(st.binary(max_size=12)) + content[at:]
            case "double":
                content = content[:end] + content[at:]
            case _:
                content = content[:at]
    return content


_ODD = ("", " ", "=", ":", "-1", "0", "65536", "99999999999999999999", "\x00", "\ud7ff", "é", "a=", "%", "../", "1e999")


@st.composite
def disordered(draw: st.DrawFn, samples: Sequence[str], most: int = 5) -> str:
    """One of the samples with a few of its lines lost, doubled, moved or changed in one word."""
    lines = draw(st.sampled_from(samples)).splitlines()
    for _ in range(draw(st.integers(1, most))):
        if not lines:
            break
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["lose", "double", "move", "word", "text", "own"])):
            case "lose":
                del lines[at]
            case "double":
                lines[at:at] = [lines[at]] * draw(st.sampled_from([1, 2, 50]))
            case "move":
                lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
            case "word":
                words = lines[at].split(" ")
                words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(_ODD))
                lines[at] = " ".join(words)
            case "text":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))] + draw(st.text(max_size=8))
            case _:
                lines[at] = draw(st.text(max_size=30))
    return draw(st.sampled_from(["\r\n", "\n"])).join(lines) + "\r\n"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
