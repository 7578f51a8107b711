"""The words for how an avatar feels: eight emotions, a strength, and the mood of a session that holds them.

A contract like `MotionWindow`: whoever speaks for an avatar sets it, whoever performs it shows it. Knows nothing of
faces or voices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from visavis_models.errors import BadInput

Emotion: TypeAlias = Literal["neutral", "happy", "sad", "angry", "surprised", "calm", "afraid", "disgusted"]
EMOTIONS: tuple[Emotion, ...] = get_args(Emotion)


@dataclass(frozen=True, slots=True)
class Feeling:
    """One emotion and how strong it is.

    Raises:
        BadInput: `bad_emotion`, `bad_strength`.
    """

    emotion: Emotion = "neutral"
    strength: float = 1.0
    """0..1."""

    def __post_init__(self) -> None:
        if self.emotion not in EMOTIONS:
            raise BadInput(
                "bad_emotion",
                f"{self.emotion!r} is not an emotion that is known.",
                f"Give one of {', '.join(EMOTIONS)}.",
            )
        if not (math.isfinite(self.strength) and 0.0 <= self.strength <= 1.0):
            raise BadInput("bad_strength", f"A strength of {self.strength:g} is out of range.", "Give 0 to 1.")


def read_feeling(emotion: str, strength: float = 1.0) -> Feeling:
    """A feeling of what somebody wrote.

    Raises:
        BadInput: `bad_emotion`, `bad_strength`.
    """
    named = next((known for known in EMOTIONS if known == emotion), None)
    if named is None:
        raise BadInput("bad_emotion", f"There is no emotion {emotion[:40]!r}.", f"Give one of {', '.join(EMOTIONS)}.")
    return Feeling(named, strength)


@dataclass(frozen=True, slots=True)
class Mood:
    """How an avatar is to be until somebody says otherwise."""

    feeling: Feeling = field(default_factory=Feeling)
    """Neutral: as the preset has it."""
    from_voice: bool = False
    """Show what the voice's energy, pitch and rate sound like, wherever that is clear; else `feeling`."""
    preset: str = ""
    """One of `visavis_models.behaviour.presets.presets`; empty: none."""
