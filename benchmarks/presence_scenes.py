"""Ten minutes of conversation for `presence.py`: who speaks when, as two voices in chunks.

Phrases are cut out of recordings at their pauses and come again in random order, each time a little faster or slower,
louder or softer, after another pause: nothing in the voices repeats. Knows nothing of faces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from visavis_models.chunk import CHUNK_SAMPLES, FRAME_RATE_HZ, LISTENING_RATE_HZ
from visavis_server.voice_file import VoiceFile

Voice = NDArray[np.float32]
_STEP = LISTENING_RATE_HZ // 100
_PAUSE_STEPS = 15
"""150 ms: a pause between phrases, and not the closure of a plosive."""
_QUIET = 0.03
"""Of the loudest 10 ms."""
_SPEEDS = ((1, 1), (19, 20), (21, 20), (14, 15), (16, 15))


@dataclass(frozen=True, slots=True)
class Scene:
    """Two voices on one clock."""

    own: Voice
    """float32 (T, 640): what the avatar says."""
    other: Voice
    """float32 (T, 640): what is said to it meanwhile."""
    turns: tuple[tuple[int, str], ...]
    """Frames at which a turn begins, and whose: `speaking`, `listening` or `idle`."""


def phrases_of(files: Sequence[Path]) -> list[Voice]:
    """What is said between pauses in these recordings, float32 (n,) at 16 kHz each.

    Raises:
        BadVoice: one of them cannot be read.
    """
    found = []
    for file in files:
        voice = np.concatenate([chunk.samples for chunk in VoiceFile(file).chunks()])
        steps = len(voice) // _STEP
        level = np.sqrt((voice[: steps * _STEP].reshape(steps, _STEP) ** 2).mean(1))
        loud = np.flatnonzero(level > _QUIET * level.max())
        for part in np.split(loud, np.flatnonzero(np.diff(loud) > _PAUSE_STEPS) + 1):
            if part.size and part[-1] - part[0] >= 30:
                found.append(voice[max(0, part[0] - 4) * _STEP : (part[-1] + 5) * _STEP])
    return found


class Talker:
    """Says phrases in ever new order.

    Args:
        phrases: at least one.
        rng: source of chance.
    """

    def __init__(self, phrases: Sequence[Voice], rng: np.random.Generator) -> None:
        self._phrases = phrases
        self._rng = rng

    def say(self, frames: int) -> Voice:
        """Whole phrases with pauses, float32 (frames, 640); at most the last one is cut off if none would fit."""
        parts: list[Voice] = []
        left = frames * CHUNK_SAMPLES
        while left > 0:
            phrase = self._phrases[int(self._rng.integers(len(self._phrases)))]
            up, down = _SPEEDS[int(self._rng.integers(len(_SPEEDS)))]
            said = resample_poly(phrase, up, down) * 10 ** (self._rng.normal(0.0, 2.0) / 20)
            long_pause = self._rng.random() < 0.3
            pause_s = self._rng.uniform(0.9, 1.8) if long_pause else self._rng.uniform(0.2, 0.7)
            if len(said) > left and parts:
                break
            parts += [said.astype(np.float32), np.zeros(int(pause_s * LISTENING_RATE_HZ), np.float32)]
            left -= len(said) + len(parts[-1])
        voice = np.concatenate(parts)[: frames * CHUNK_SAMPLES]
        filled = np.pad(np.clip(voice, -1.0, 1.0), (0, frames * CHUNK_SAMPLES - len(voice)))
        return filled.astype(np.float32).reshape(frames, CHUNK_SAMPLES)


def scene(kind: str, seconds: float, own: Sequence[Voice], other: Sequence[Voice], seed: int) -> Scene:
    """One run.

    Args:
        kind: `idle`, `speaking`, `listening`, or `talk`: turns of all three.
        seconds: its length.
        own: phrases of the avatar's voice.
        other: phrases of the other side's.
        seed: the same gives the same run.
    """
    rng = np.random.default_rng([seed, 8])
    frames = math.ceil(seconds * FRAME_RATE_HZ)
    mine, theirs = np.zeros((frames, CHUNK_SAMPLES), np.float32), np.zeros((frames, CHUNK_SAMPLES), np.float32)
    speaker, partner = Talker(own, rng), Talker(other, rng)
    if kind == "speaking":
        mine = speaker.say(frames)
    if kind == "listening":
        theirs = partner.say(frames)
    if kind != "talk":
        return Scene(mine, theirs, ((0, kind),))
    turns, start, turn = [(0, "idle")], 50, "speaking"
    while start < frames:
        length = min(frames - start, int(rng.uniform(4.0, 14.0) * FRAME_RATE_HZ))
        turns.append((start, turn))
        if turn == "speaking":
            mine[start : start + length] = speaker.say(length)
        elif turn == "listening":
            theirs[start : start + length] = partner.say(length)
        # Gaps between turns are 0 to 500 ms long (Stivers et al. 2009); now and then nobody speaks for a while.
        start += length + (0 if turn == "idle" else int(rng.uniform(0.0, 0.5) * FRAME_RATE_HZ))
        follows = {
            "speaking": ("listening", "idle"),
            "listening": ("speaking", "idle"),
            "idle": ("speaking", "listening"),
        }
        turn = follows[turn][int(rng.random() < (0.25 if turn != "idle" else 0.4))]
    return Scene(mine, theirs, tuple(turns))
