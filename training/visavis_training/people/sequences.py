"""Motion in time for people who do not exist: speech, expressions, eyes, head and body of scenes of half a minute.

    python -m visavis_training.people.sequences --corpus CORPUS --out MOTION.safetensors [--seed 1] [--takes 1]

makes scenes from a corpus of `visavis_training.speech`, shard by shard, from where a killed run stopped. The mouth is
what the shipped listener says of the voices, presence is the product's own, so that timing is what the product will
ask of a renderer; livelier heads and expressions come on top. Knows nothing of meshes or pictures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from visavis_models.arkit import ARKIT
from visavis_models.behaviour import Presence, Situation
from visavis_models.behaviour.easing import FRAME_S
from visavis_models.errors import StorageError
from visavis_models.motion import MotionWindow
from visavis_models.voice.mouth import face_of_mouth
from visavis_models.weights import manifest as weights_manifest
from visavis_training.people.expressions import act, envelope
from visavis_training.people.heard_speech import Heard, listen, small_set
from visavis_training.people.plausibility import over_speech
from visavis_training.speech import shards

SCENE_S = 28.0
SMALL_TAKES = 16
_EYE_OF_HEAD = 1.3
"""Shares of the eye's range that one radian of the head's turn is answered with, as presence does."""
_HEAD_LIMITS_RAD = np.radians((22.0, 38.0, 22.0))


@dataclass(frozen=True, slots=True)
class Tracks:
    """Motion of S scenes, one after another, T frames in all, 25 a second."""

    face: Tensor
    """float16 (T, 52), ARKit."""
    head: Tensor
    """float16 (T, 6), see `visavis_models.motion.HEAD_NAMES`."""
    body: Tensor
    """float16 (T, 5), see `visavis_models.motion.BODY_NAMES`."""
    speaking: Tensor
    """uint8 (T,)."""
    starts: Tensor
    """int64 (S + 1,): where each scene begins, and T."""

    def __len__(self) -> int:
        return len(self.face)

    @classmethod
    def of(cls, windows: Sequence[MotionWindow]) -> Tracks:
        """Of one motion window a scene."""
        arrays = {
            name: torch.from_numpy(np.concatenate([getattr(w, name) for w in windows]))
            for name in ("face", "head", "body", "speaking")
        }
        starts = torch.tensor([0, *np.cumsum([len(w) for w in windows]).tolist()])
        return cls(
            arrays["face"].half(), arrays["head"].half(), arrays["body"].half(), arrays["speaking"].byte(), starts
        )

    @classmethod
    def join(cls, parts: Sequence[Tracks]) -> Tracks:
        """All scenes of all parts in order.

        Raises:
            ValueError: there is no part.
        """
        if not parts:
            raise ValueError("no tracks to join")
        ends = np.cumsum([0, *(len(p) for p in parts)])
        starts = torch.cat([p.starts[:-1] + int(end) for p, end in zip(parts, ends[:-1], strict=True)])
        whole = {n: torch.cat([getattr(p, n) for p in parts]) for n in ("face", "head", "body", "speaking")}
        return cls(**whole, starts=torch.cat([starts, torch.tensor([int(ends[-1])])]))

    def to(self, device: torch.device | str) -> Tracks:
        """On another device."""
        return Tracks(*(getattr(self, name).to(device) for name in self.__slots__))

    def save(self, path: Path, note: dict[str, object]) -> None:
        """Write one safetensors file that is there wholly or not at all, with a `note` of how it was made."""
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        tensors = {name: getattr(self, name).contiguous().cpu() for name in self.__slots__}
        save_file(tensors, partial, {"note": json.dumps(note, sort_keys=True)})
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> tuple[Tracks, dict[str, object]]:
        """What `save` wrote, and its note.

        Raises:
            StorageError: the file is not such a one.
        """
        try:
            with safe_open(path, "pt") as stored:
                note: dict[str, object] = json.loads((stored.metadata() or {})["note"])
                return cls(*(stored.get_tensor(name) for name in cls.__slots__)), note
        except Exception as error:
            raise StorageError(
                "tracks_broken", f"{path} does not hold motion tracks: {error}.", "Make it again with people.sequences."
            ) from error

    def windows(self, place: Tensor, frames: int, every: int = 1) -> Tensor:
        """Rows int64 (P, frames) of windows that lie within one scene each.

        Args:
            place: float32 (P,), 0..1: where, evenly over all windows that there are.
            frames: of each window.
            every: rows from one of its frames to the next.

        Raises:
            ValueError: no scene is that long.
        """
        length = (frames - 1) * every + 1
        counts = (self.starts.diff() - length + 1).clamp(min=0)
        ends = counts.cumsum(0)
        if int(counts.max()) == 0:
            raise ValueError(f"no scene has {length} frames")
        chosen = (place.double() * ends[-1]).long().clamp(max=ends[-1] - 1)
        scene = torch.searchsorted(ends, chosen, right=True)
        first = self.starts[scene] + chosen - (ends[scene] - counts[scene])
        return first[:, None] + torch.arange(frames, device=place.device) * every


def _seeded(*numbers: int) -> np.random.Generator:
    return np.random.default_rng([number & 0xFFFFFFFF for number in numbers])


def _situations(heard: Sequence[Heard], rng: np.random.Generator) -> tuple[NDArray[np.float32], list[Situation]]:
    """Mouth (T, 15) and what goes on in each frame: utterances with pauses, in some of which the other side speaks."""
    mouth: list[NDArray[np.float32]] = []
    now: list[Situation] = []

    def wait(pause_s: float, listening: bool) -> None:
        count = max(1, int(pause_s / FRAME_S))
        mouth.append(np.zeros((count, heard[0].mouth.shape[1]), np.float32))
        now.extend([Situation(False, listening, 0.0)] * count)

    wait(float(rng.uniform(0.1, 1.2)), False)
    for utterance in heard:
        mouth.append(utterance.mouth)
        now += [Situation(bool(s), False, float(e)) for s, e in zip(utterance.speaking, utterance.energy, strict=True)]
        if rng.random() < 0.25:
            wait(float(rng.uniform(1.0, 4.0)), True)
        wait(float(rng.uniform(0.1, 0.9)), False)
    return np.concatenate(mouth), now


def _head_turns(
    frames: int, rng: np.random.Generator, liveliness: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turns aside, tilts and leans that a lively talker makes: head (T, 6), and gaze that goes with it (T, 2)."""
    head, gaze = np.zeros((frames, 6)), np.zeros((frames, 2))
    start = int(rng.exponential(4.0 / liveliness) / FRAME_S)
    while start < frames:
        times = (float(rng.uniform(0.35, 0.9)), float(rng.uniform(0.3, 2.5)), float(rng.uniform(0.4, 1.0)))
        length = min(frames - start, int(sum(times) / FRAME_S) + 1)
        curve = envelope(length, *times)[:, None]
        size = np.radians(rng.normal(0.0, 1.0, 3) * (4.0, 9.0, 4.5))
        part = slice(start, start + length)
        head[part, :3] += curve * size
        head[part, 3:] += curve * rng.normal(0.0, 1.0, 3) * (0.02, 0.01, 0.035)
        if rng.random() < 0.3:  # they look where they turn; else the eyes stay with the viewer
            gaze[part] += curve * (size[1] * 2.2, -size[0] * 1.6)
        start += length + int(rng.exponential(5.0 / liveliness) / FRAME_S)
    return head, gaze


def perform(heard: Sequence[Heard], seed: int) -> MotionWindow:
    """One scene: a person of their own liveliness says these utterances.

    Args:
        heard: at least one utterance.
        seed: the same gives the same motion.
    """
    rng = _seeded(seed, 29)
    mouth, now = _situations(heard, rng)
    frames = len(now)
    presence = Presence(seed)
    steps = [presence.step(situation) for situation in now]
    face, head, body = (np.stack([step[k] for step in steps]).astype(np.float64) for k in range(3))
    liveliness = float(np.clip(rng.lognormal(-0.25, 0.55), 0.2, 2.2))
    acting = act(frames, rng, liveliness)
    turns, looks = _head_turns(frames, rng, liveliness)
    size = float(np.clip(rng.lognormal(0.15, 0.4), 0.6, 2.4))
    added = head * (size - 1.0) + turns
    added[:, :3] += acting.head_rad
    head = head + added
    head[:, :3] = _HEAD_LIMITS_RAD * np.tanh(head[:, :3] / _HEAD_LIMITS_RAD)
    # the eyes answer what was added to the head, or go with it
    right = _gaze(face, "right") - _EYE_OF_HEAD * added[:, 1] + acting.gaze[:, 0] + looks[:, 0]
    up = _gaze(face, "up") + _EYE_OF_HEAD * added[:, 0] + acting.gaze[:, 1] + looks[:, 1]
    speaking = np.array([situation.speaking for situation in now])
    eased = np.convolve(np.pad(speaking.astype(np.float64), 4, "edge"), np.hanning(11)[1:-1] / 5.0, "valid")
    articulation = float(rng.uniform(0.75, 1.25))
    said = torch.from_numpy(face_of_mouth(np.clip(mouth * np.float32(articulation), 0.0, 1.0)))
    still = 1.0 - (1.0 - torch.from_numpy(face).float()) * (1.0 - acting.face)
    done = over_speech(said, still, torch.from_numpy(np.clip(eased, 0.0, 1.0)).float()).numpy()
    _look(done, right, up)
    body = body * float(rng.uniform(0.6, 1.8))
    body[:, 0] = np.clip(body[:, 0], 0.0, 1.0)
    return MotionWindow(
        0, np.ascontiguousarray(done), head.astype(np.float32), np.clip(body, -1, 1).astype(np.float32), speaking
    )


def _gaze(face: NDArray[np.float64], way: str) -> NDArray[np.float64]:
    if way == "right":
        return face[:, ARKIT["eyeLookOutLeft"]] - face[:, ARKIT["eyeLookInLeft"]]
    return face[:, ARKIT["eyeLookUpLeft"]] - face[:, ARKIT["eyeLookDownLeft"]]


def _look(face: NDArray[np.float32], right: NDArray[np.float64], up: NDArray[np.float64]) -> None:
    """Write a gaze (T,) each into faces (T, 52), in place; far looks fade into the end of the eye's range."""
    right, up = 0.95 * np.tanh(right / 0.95), 0.9 * np.tanh(up / 0.9)
    for side, outwards in (("Left", 1.0), ("Right", -1.0)):
        face[:, ARKIT[f"eyeLookOut{side}"]] = np.maximum(outwards * right, 0.0)
        face[:, ARKIT[f"eyeLookIn{side}"]] = np.maximum(-outwards * right, 0.0)
        face[:, ARKIT[f"eyeLookUp{side}"]] = np.maximum(up, 0.0)
        face[:, ARKIT[f"eyeLookDown{side}"]] = np.maximum(-up, 0.0)


def scenes(heard: Sequence[Heard], seed: int, takes: int = 1) -> Iterator[MotionWindow]:
    """Scenes of about `SCENE_S` that use every utterance `takes` times, each time in another order and manner."""
    for take in range(takes):
        rng = _seeded(seed, take, 31)
        scene: list[Heard] = []
        for number in rng.permutation(len(heard)).tolist():
            scene.append(heard[number])
            if sum(map(len, scene)) * FRAME_S > SCENE_S * 0.75:
                yield perform(scene, int(rng.integers(2**31)))
                scene = []
        if scene:
            yield perform(scene, int(rng.integers(2**31)))


@lru_cache(maxsize=2)
def small_tracks(seed: int = 1, takes: int = SMALL_TAKES) -> Tracks:
    """Scenes of the sentences that the package carries: some minutes, made in a few seconds."""
    return Tracks.of(list(scenes(small_set(), seed, takes)))


def make(
    corpus: Path,
    out: Path,
    seed: int = 1,
    takes: int = 1,
    report: Callable[[str], None] = print,
    hear: Callable[[Sequence[NDArray[np.int16]]], list[Heard]] = listen,
) -> Tracks:
    """Scenes of all training utterances of a corpus, in one file; parts that a killed run made are kept.

    Args:
        corpus: folder of `visavis_training.speech.make`.
        out: the file to write; parts lie in `out`.parts until it is whole.
        seed: of all chance.
        takes: how often each utterance is used.
        report: told of every shard in one line.
        hear: turns voices into mouths.

    Raises:
        StorageError: the corpus has no finished shard.
    """
    names = shards.names(corpus)
    if not names:
        raise StorageError("corpus_empty", f"{corpus} holds no finished shard.", "Make the corpus first.")
    folder = out.with_name(f"{out.name}.parts")
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[Tracks] = []
    for number, name in enumerate(names):
        note = _note(corpus, name, seed, takes)
        path = folder / f"{name}.safetensors"
        part = _kept(path, note)
        if part is None:
            began = time.monotonic()
            rows = [row for row in shards.rows_of(corpus, name) if row["part"] == "train"]
            samples = shards.samples_of(corpus, name)
            heard = hear([samples[row["offset"] : row["offset"] + row["samples"]] for row in rows])
            made = list(scenes(heard, seed * 100_003 + number, takes))
            if not made:
                report(f"shard {name}: nothing to train with")
                continue
            part = Tracks.of(made)
            part.save(path, note)
            spent_s = time.monotonic() - began
            report(f"shard {name}: {len(rows)} utterances, {len(part) * FRAME_S:.0f} s of motion in {spent_s:.0f} s")
        parts.append(part)
    if not parts:
        raise StorageError("corpus_empty", f"{corpus} has nothing to train with.", "Make a larger corpus.")
    tracks = Tracks.join(parts)
    tracks.save(out, {"seed": seed, "takes": takes, "listener": _listener(), "shards": names})
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    return tracks


def _listener() -> str:
    return weights_manifest()["listener"].sha256


def _note(corpus: Path, name: str, seed: int, takes: int) -> dict[str, object]:
    record = json.dumps(shards.record_of(corpus, name), sort_keys=True)
    return {"seed": seed, "takes": takes, "listener": _listener(), "shard": hashlib.sha256(record.encode()).hexdigest()}


def _kept(path: Path, note: dict[str, object]) -> Tracks | None:
    if not path.is_file():
        return None
    part, made = Tracks.load(path)
    return part if made == note else None


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--takes", type=int, default=1, help="how often each utterance is used")
    args = parser.parse_args()
    tracks = make(args.corpus, args.out, args.seed, args.takes)
    hours = len(tracks) * FRAME_S / 3600
    print(json.dumps({"scenes": len(tracks.starts) - 1, "frames": len(tracks), "hours": round(hours, 3)}))


if __name__ == "__main__":
    main()
