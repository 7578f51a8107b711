"""Speakers that take text instead of symbols, Piper and flite, each behind the same call.

What a plan does not say (how freely Piper sounds, flite's pitch) is drawn from the row's number, so that the same plan
is spoken the same way again. Knows nothing of shards.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from visavis_models.errors import VisavisError
from visavis_training.speech import flite
from visavis_training.speech.piper import Piper
from visavis_training.speech.spoken_text import SpokenText

UNSPEAKABLE = (ValueError, subprocess.CalledProcessError)
"""What a speaker raises where the row, not the machine, is at fault."""


class TextSpeaker(Protocol):
    """Speaks rows of a plan."""

    def speak(self, row: dict[str, Any]) -> SpokenText:
        """One row: its `text` in its `voice` at its `speed`; raises one of `UNSPEAKABLE` where it cannot be spoken."""
        ...


def require_program(name: str, package: str, needed_for: str) -> None:
    """Make sure that a program is there.

    Raises:
        VisavisError: `program_missing`, with the package that holds it.
    """
    if shutil.which(name) is None:
        raise VisavisError(
            "program_missing",
            f"The program {name} is not there, and {needed_for} needs it.",
            f"Install it (on Debian and Ubuntu: apt-get install {package}), or do this step on a machine that has it "
            "and copy the folder here.",
        )


class _PiperSpeaker:
    def __init__(self, tools: Path) -> None:
        require_program("espeak-ng", "espeak-ng", "speaking with Piper")
        self._voice = Piper(tools / "piper")

    def speak(self, row: dict[str, Any]) -> SpokenText:
        source = np.random.default_rng((1, row["id"]))
        noise, swing = float(source.uniform(0.4, 0.8)), float(source.uniform(0.5, 1.0))
        return self._voice.speak(row["text"], row["speed"], row["id"], noise, swing)


class _FliteSpeaker:
    def __init__(self) -> None:
        require_program("flite", "flite", "speaking with flite")

    def speak(self, row: dict[str, Any]) -> SpokenText:
        source = np.random.default_rng((2, row["id"]))
        pitch_hz = float(source.uniform(80, 160)) if row["voice"] == "kal16" else None
        return flite.speak(row["text"], row["voice"], row["speed"], pitch_hz)


def open_text_speaker(engine: str, tools: Path) -> TextSpeaker:
    """The speaker of an engine.

    Args:
        engine: "piper" or "flite".
        tools: what `fetch` wrote.

    Raises:
        VisavisError: a program is missing, or there is no such engine.
    """
    if engine == "piper":
        return _PiperSpeaker(tools)
    if engine == "flite":
        return _FliteSpeaker()
    raise VisavisError("unknown_engine", f"No engine is called {engine}.", "Use kokoro, piper or flite.")
