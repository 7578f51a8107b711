"""Lets a listener hear many recordings at once. As a program it lets the listener of another checkout hear them.

    PYTHONPATH=CHECKOUT/models python benchmarks/lip_listening.py waves.npz motions.npz

Knows nothing of what was said, and uses only what every version of the listener has.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_TOGETHER = 24


@dataclass(frozen=True, slots=True)
class Heard:
    """What a listener made of one recording of F whole chunks."""

    face: NDArray[np.float32]
    """(F, 52), ARKit coefficients."""
    visemes: NDArray[np.float32]
    """(F, 15), probabilities."""


def listened(waves: Sequence[NDArray[np.float32]]) -> list[Heard]:
    """The motion of every whole chunk of each recording (float32, 16 kHz), this process's listener."""
    from visavis_models.chunk import CHUNK_SAMPLES, PLAYBACK_SAMPLES, Chunk
    from visavis_models.voice.listener import MouthListener, push_all

    delay = -(-MouthListener.lookahead_ms // 40)
    silent = np.zeros(PLAYBACK_SAMPLES, np.int16)
    found: list[Heard | None] = [None] * len(waves)
    order = sorted(range(len(waves)), key=lambda i: len(waves[i]))
    for begin in range(0, len(order), _TOGETHER):
        now = order[begin : begin + _TOGETHER]
        counts = [len(waves[i]) // CHUNK_SAMPLES for i in now]
        voices = np.zeros((len(now), max(counts) + delay, CHUNK_SAMPLES), np.float32)
        for row, (i, count) in enumerate(zip(now, counts, strict=True)):
            voices[row, :count] = waves[i][: count * CHUNK_SAMPLES].reshape(count, CHUNK_SAMPLES)
        listeners = [MouthListener() for _ in now]
        faces = np.zeros((len(now), max(counts), 52), np.float32)
        visemes = np.zeros((len(now), max(counts), 15), np.float32)
        for k in range(voices.shape[1]):
            for row, motion in enumerate(push_all(listeners, [Chunk(k, voice[k], silent) for voice in voices])):
                if motion is not None and motion.index < max(counts):
                    faces[row, motion.index], visemes[row, motion.index] = motion.face, motion.visemes
        for row, (i, count) in enumerate(zip(now, counts, strict=True)):
            found[i] = Heard(faces[row, :count], visemes[row, :count])
    return [heard for heard in found if heard is not None]


def listened_by(checkout: Path, waves: Sequence[NDArray[np.float32]]) -> list[Heard]:
    """The same by the listener of another checkout, in a process of its own.

    Raises:
        RuntimeError: it failed; the message is the end of what it printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "waves.npz", Path(folder) / "motions.npz"
        np.savez(given, *waves)
        environment = os.environ | {"PYTHONPATH": str((checkout / "models").resolve())}
        command = [sys.executable, str(Path(__file__).resolve()), str(given), str(made)]
        ended = subprocess.run(command, env=environment, cwd=checkout, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise RuntimeError(f"the listener of {checkout} failed: {ended.stderr[-600:]}")
        with np.load(made) as motions:
            if not Path(str(motions["source"])).is_relative_to(checkout.resolve()):
                raise RuntimeError(f"{checkout} was not used, but {motions['source']}")
            return [Heard(motions[f"face{i}"], motions[f"visemes{i}"]) for i in range(len(waves))]


def main() -> None:
    """Read waves, write motions."""
    import visavis_models

    given, made = map(Path, sys.argv[1:3])
    with np.load(given) as waves:
        heard = listened([waves[f"arr_{i}"] for i in range(len(waves.files))])
    faces = {f"face{i}": each.face for i, each in enumerate(heard)}
    visemes = {f"visemes{i}": each.visemes for i, each in enumerate(heard)}
    np.savez(made, source=str(Path(str(visavis_models.__file__)).resolve()), **faces, **visemes)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
