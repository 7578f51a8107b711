"""Speaks English text with the voices built into the program `flite` and says when each phone sounds.

Needs `flite`; it gives the same samples every time. Knows nothing of corpora or of faces.
"""

from __future__ import annotations

import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np

from visavis_training.speech.phones import SILENCE, Phone, gapless
from visavis_training.speech.spoken_text import SpokenText

VOICES = ("kal16", "awb", "rms", "slt")
"""Two American men (one of diphones), a Scot and an American woman."""

_PHONES: dict[str, str] = {
    "aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "W", "ax": "ə", "axr": "əɹ", "ay": "I", "b": "b", "ch": "ʧ",
    "d": "d", "dh": "ð", "dx": "ɾ", "eh": "ɛ", "el": "əl", "em": "m", "en": "n", "er": "ɜɹ", "ey": "A", "f": "f",
    "g": "ɡ", "hh": "h", "hv": "h", "ih": "ɪ", "iy": "i", "jh": "ʤ", "k": "k", "l": "l", "m": "m", "n": "n",
    "ng": "ŋ", "nx": "n", "ow": "O", "oy": "Y", "p": "p", "r": "ɹ", "s": "s", "sh": "ʃ", "t": "t", "th": "θ",
    "uh": "ʊ", "uw": "u", "v": "v", "w": "w", "y": "j", "z": "z", "zh": "ʒ",
}  # fmt: skip
"""Every phone of CMU's dictionary and of Festival's radio news set that these voices print.

Its times need no correction: the sound changes most 2 ms after (kal16) to 2 ms before (rms) the borders, 40 sentences
of each voice at speeds 0.8, 1 and 1.25; pocketsphinx's borders, 7 to 9 ms early by that measure, lie 4 to 8 ms before.
"""
_PAUSES = frozenset(("pau", "h#", "brth", "ssil", "sil"))


def speak(text: str, voice: str, speed: float = 1.0, pitch_hz: float | None = None) -> SpokenText:
    """Speak an English text.

    Args:
        text: one or a few sentences.
        voice: of `VOICES`.
        speed: 1.25 takes four fifths of the time.
        pitch_hz: mean pitch instead of the voice's own (heard with kal16 only).

    Raises:
        subprocess.CalledProcessError: flite failed.
        ValueError: it spoke nothing, or a phone that is not in the table.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "said.wav"
        command = ["flite", "-voice", voice, "-psdur", "--setf", f"duration_stretch={1 / speed:.4f}"]
        if pitch_hz is not None:
            command += ["--setf", f"int_f0_target_mean={pitch_hz:.1f}"]
        told = subprocess.run([*command, "-t", text, "-o", str(out)], check=True, capture_output=True, text=True).stdout
        with wave.open(str(out), "rb") as file:
            rate_hz = file.getframerate()
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / np.float32(32768)
    return SpokenText(samples, rate_hz, phones_of(told, len(samples) / rate_hz))


def phones_of(told: str, end_s: float) -> list[Phone]:
    """The phones that `flite -psdur` printed as `name:end name:end ...`, gapless from 0 to the end."""
    phones: list[Phone] = []
    start_s = 0.0
    for entry in told.split():
        name, _, until = entry.rpartition(":")
        stop_s = float(until)
        if name not in _PAUSES and name not in _PHONES:
            raise ValueError(f"flite's phone {name} is not in the table")
        symbols = [SILENCE] if name in _PAUSES else list(_PHONES[name])
        edges = np.linspace(start_s, stop_s, len(symbols) + 1)
        phones += [Phone(s, float(a), float(b)) for s, a, b in zip(symbols, edges[:-1], edges[1:], strict=True)]
        start_s = stop_s
    if not phones:
        raise ValueError("flite spoke nothing")
    return gapless(phones, end_s)
