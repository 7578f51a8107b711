"""Presets: ways to be that have a name, each a TOML file beside this one. Knows nothing of faces or voices.

A file has `title`, `about`, `emotion_scale` (what strengths are multiplied by), a table `manner` with any fields of
`Manner`, and a table `feeling`: what is shown while no other emotion is asked for.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from visavis_models.behaviour.emotion import felt_manner
from visavis_models.behaviour.manner import NEUTRAL, Manner
from visavis_models.errors import BadInput
from visavis_models.mood import Feeling, Mood

_FOLDER = Path(__file__).parent
_MOST_MANNER = 3.0


@dataclass(frozen=True, slots=True)
class Preset:
    """One way to be. The defaults are those of no preset."""

    id: str = ""
    title: str = ""
    about: str = ""
    emotion_scale: float = 1.0
    """Strengths of emotions are multiplied by this, 0..1."""
    feeling: Feeling = field(default_factory=Feeling)
    """Shown while no other emotion is asked for."""
    manner: Manner = NEUTRAL


def read_preset(path: Path) -> Preset:
    """A preset's file; its name without suffix is the id.

    Raises:
        BadInput: `bad_preset`, with what is wrong in it; `bad_emotion`, `bad_strength`.
    """
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _bad(path, str(error)) from error
    unknown = set(found) - {"title", "about", "emotion_scale", "feeling", "manner"}
    if unknown:
        raise _bad(path, f"{', '.join(sorted(unknown))} is unknown")
    scale = _number(path, "emotion_scale", found.get("emotion_scale", 1.0), 1.0)
    feeling = _table(path, "feeling", found, {"emotion", "strength"})
    manner = _table(path, "manner", found, {one.name for one in fields(Manner)})
    strength = _number(path, "feeling.strength", feeling.get("strength", 1.0), 1.0)
    numbers = {name: _number(path, f"manner.{name}", value, _MOST_MANNER) for name, value in manner.items()}
    texts = [str(found.get(name, "")) for name in ("title", "about")]
    return Preset(
        path.stem, texts[0] or path.stem, texts[1], scale, Feeling(feeling.get("emotion", "neutral"), strength),
        Manner(**numbers),
    )  # fmt: skip


@cache
def presets() -> Mapping[str, Preset]:
    """The presets that ship, by id."""
    return MappingProxyType({path.stem: read_preset(path) for path in sorted(_FOLDER.glob("*.toml"))})


def preset_of(id: str) -> Preset:
    """A preset by its id; the empty one is none.

    Raises:
        BadInput: `bad_preset`.
    """
    if not id:
        return Preset()
    found = presets().get(id)
    if found is None:
        raise BadInput("bad_preset", f"There is no preset {id[:40]!r}.", f"Give one of {', '.join(presets())}.")
    return found


def conduct(mood: Mood, spoken: Feeling | None = None, heard: Feeling | None = None) -> tuple[Feeling, Manner]:
    """What to feel and how to behave now.

    Args:
        mood: the session's.
        spoken: of the segment that is being spoken; it goes before everything else.
        heard: what the voice sounds like, if that is clear.

    Raises:
        BadInput: `bad_preset`.
    """
    preset = preset_of(mood.preset)
    asked = spoken or (heard if mood.from_voice else None) or mood.feeling
    felt = preset.feeling
    if asked.emotion != "neutral":
        felt = Feeling(asked.emotion, asked.strength * preset.emotion_scale)
    elif spoken is not None:
        felt = spoken
    return felt, felt_manner(preset.manner, felt)


def _table(path: Path, name: str, found: dict[str, Any], known: set[str]) -> dict[str, Any]:
    table = found.get(name, {})
    if not isinstance(table, dict) or set(table) - known:
        raise _bad(path, f"[{name}] may have {', '.join(sorted(known))}")
    return table


def _number(path: Path, name: str, value: object, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= most:
        raise _bad(path, f"{name} is no number from 0 to {most:g}")
    return float(value)


def _bad(path: Path, what: str) -> BadInput:
    return BadInput("bad_preset", f"The preset {path.name} cannot be used: {what}.", "Correct the file.")
