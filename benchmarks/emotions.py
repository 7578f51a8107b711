"""Whether eight emotions can be told apart in what is drawn: measured action units, a confusion matrix; a line of JSON.

    python benchmarks/emotions.py [--avatars maya samuel jun elena] [--size 512] [--strength 1] [--keep]

Each avatar feels each emotion, silent and speaking, as a session would show it (seeds differ); `warp` draws frames
without blinks, our own detector finds landmarks in the pictures, and `expression_of_landmarks` reads what of ARKit's
units they show against the same person's neutral silence. A clip (`_FRAMES` frames) is told by the nearest of eight
prototypes that were measured on the OTHER avatars only. Lips' closure is measured by `emotion_closures.py`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import report

from visavis_models.arkit import ARKIT, ARKIT_NAMES
from visavis_models.behaviour.emotional_face import EmotionalFace, coloured_face
from visavis_models.chunk import silent_chunk
from visavis_models.face.expression_of_landmarks import expression_reader
from visavis_models.face.motion_of_pictures import FaceFollower
from visavis_models.mood import EMOTIONS, Emotion, Feeling, Mood
from visavis_models.motion import MotionWindow, join_windows
from visavis_models.performer import Performer
from visavis_models.portrait.storage import load_avatar
from visavis_models.warp import WarpRenderer
from visavis_models.weights import weights_folder
from visavis_server.voice_file import VoiceFile

Floats = NDArray[np.float32]

SPEECH = Path(__file__).resolve().parents[1] / "tests" / "data" / "speech_en.flac"
_LEAD_FRAMES = 75
_FRAMES = 8
_CLIPS = 2
_BLINKING = 0.35
_UNITS = tuple(
    name for name in ARKIT_NAMES if name.startswith(("brow", "cheek", "nose", "eyeSquint", "eyeWide", "eyeBlink"))
    or name.startswith(("mouthSmile", "mouthFrown", "mouthStretch", "mouthPress", "mouthDimple", "mouthShrug"))
)  # fmt: skip
"""What emotions are told by: neither gaze nor what speech opens."""
_READ = np.array([ARKIT[name] for name in _UNITS])
_LEAST_SPREAD = 0.05


def performed(mood: Mood, seed: int, speaking: bool) -> MotionWindow:
    """What a session shows once the mood has come about."""
    performer, chunks = Performer(seed, mood=mood), [silent_chunk(i) for i in range(_LEAD_FRAMES)]
    count = 6 * _CLIPS * _FRAMES
    if speaking:
        voice = list(VoiceFile(SPEECH).chunks())
        chunks += [replace(voice[i % len(voice)], index=_LEAD_FRAMES + i) for i in range(count)]
    else:
        chunks += [silent_chunk(_LEAD_FRAMES + i) for i in range(count)]
    windows = [performer.push(chunk) for chunk in chunks]
    motion = join_windows([window for window in windows if window is not None])
    return motion.rows(_LEAD_FRAMES, len(motion))


def picked(motion: MotionWindow, speaking: bool) -> list[int]:
    """Frames evenly from all of it, without blinks; of speech those that speak."""
    good = motion.face[:, ARKIT["eyeBlinkLeft"]] < _BLINKING
    if speaking:
        good &= motion.speaking
    rows = np.flatnonzero(good)
    return [int(row) for row in rows[np.linspace(0, len(rows) - 1, _CLIPS * _FRAMES).astype(int)]]


class Measured:
    """One avatar: draws motion and measures the pictures."""

    def __init__(self, avatar: str, size_px: int) -> None:
        self._renderer = WarpRenderer()
        self._state = self._renderer.open(load_avatar(weights_folder() / "gallery" / avatar), size_px)
        self._follower = FaceFollower()
        self._rest: Floats | None = None

    def landmarks(self, motion: MotionWindow, rows: Sequence[int]) -> Floats:
        """float32 (n, 478, 3) px, as our detector finds them."""
        found = []
        for row in rows:
            picture = self._renderer.render([self._state], [motion.rows(row, row + 1)])[0][0]
            points = self._follower.push(picture)
            assert points is not None, "no face was found in a drawn picture"
            found.append(points)
        return np.stack(found)

    def rest(self, seed: int) -> None:
        """Learn what this person looks like while they feel nothing."""
        motion = performed(Mood(), seed, False)
        self._rest = np.asarray(np.median(self.landmarks(motion, picked(motion, False)), axis=0), np.float32)

    def units(self, emotion: Emotion, strength: float, seed: int, speaking: bool) -> Floats:
        """float32 (clips, units): the means of each clip's frames."""
        motion = performed(Mood(Feeling(emotion, strength)), seed, speaking)
        read = expression_reader().read(self.landmarks(motion, picked(motion, speaking)), self._rest)
        return np.asarray(read.face[:, _READ].reshape(_FRAMES, _CLIPS, -1).mean(0), np.float32)


def told(units: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.int64]:
    """The nearest prototypes of clips (n, units), by measures of others (avatars, emotions, clips, units)."""
    prototypes = others.mean((0, 2))
    spread = np.sqrt(((others - prototypes[None, :, None]) ** 2).mean((0, 1, 2)))
    scale = 1.0 / np.maximum(spread, _LEAST_SPREAD)
    apart = ((units[:, None] - prototypes) * scale) ** 2
    return np.asarray(apart.sum(2).argmin(1), np.int64)


def confusion(measured: NDArray[np.float32]) -> NDArray[np.int64]:
    """(8, 8) clips by what was felt (rows) and told, of measures (avatars, emotions, clips, units)."""
    table = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
    for k in range(len(measured)):
        others = np.delete(measured, k, axis=0)
        for felt in range(len(EMOTIONS)):
            table[felt] += np.bincount(told(measured[k, felt], others), minlength=len(EMOTIONS))
    return table


def show(title: str, table: NDArray[np.int64]) -> None:
    """Print a confusion matrix."""
    print(f"\n{title}: felt (rows), told (columns)", flush=True)
    print(" " * 11 + "".join(f"{name[:9]:>10}" for name in EMOTIONS))
    for name, row in zip(EMOTIONS, table, strict=True):
        print(f"{name:11}" + "".join(f"{count or '.':>10}" for count in row))


def cost_ms() -> float:
    """What emotion adds to a frame: its step and the colouring, median over 500."""
    state, rest = EmotionalFace(0), np.zeros(len(ARKIT_NAMES), np.float32)
    taken = []
    for _ in range(500):
        began_s = time.perf_counter()
        coloured_face(rest, rest, state.step(Feeling("happy")))
        taken.append(time.perf_counter() - began_s)
    return 1000.0 * float(np.median(taken))


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--avatars", nargs="+", default=["maya", "samuel", "jun", "elena"])
    parser.add_argument("--size", type=int, default=512, help="long side of the pictures, px")
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--keep", action="store_true", help="write the figures under results/")
    asked = parser.parse_args()
    people = [Measured(avatar, asked.size) for avatar in asked.avatars]
    for k, person in enumerate(people):
        person.rest(100 + k)
    figures: dict[str, Any] = {"avatars": " ".join(asked.avatars), "strength": asked.strength}
    for kind in ("silent", "speaking"):
        measured = np.stack(
            [
                np.stack([person.units(emotion, asked.strength, k, kind == "speaking") for emotion in EMOTIONS])
                for k, person in enumerate(people)
            ]
        )
        table = confusion(measured)
        show(kind, table)
        figures[f"told_right_{kind}"] = round(float(table.trace() / table.sum()), 4)
        figures[f"confusion_{kind}"] = table.tolist()
        means = measured.mean((0, 2))
        strongest = [np.argsort(-np.abs(row - means[0]))[:4] for row in means]
        for emotion, row, units in zip(EMOTIONS, means, strongest, strict=True):
            print(f"  {emotion:11}" + "  ".join(f"{_UNITS[u]} {row[u]:.2f}" for u in units))
    report("emotions", figures | {"clips_each": _CLIPS, "cost_ms_per_frame": round(cost_ms(), 4)}, keep=asked.keep)


if __name__ == "__main__":
    main()
