"""Motion in time for people who do not exist: speech, expressions, eyes, head and body of scenes of half a minute.

    python -m visavis_training.people.sequences --corpus CORPUS --out MOTION.safetensors [--processes N]

makes scenes from a corpus of `visavis_training.speech`, shard by shard, from where a killed run stopped. The mouth is
what the shipped listener says of the voices, presence is the product's own, so that timing is what the product will
ask of a renderer; livelier heads and expressions come on top. Knows nothing of meshes or pictures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT
from visavis_models.behaviour import Presence, Situation
from visavis_models.behaviour.easing import FRAME_S
from visavis_models.errors import StorageError, VisavisError
from visavis_models.motion import MotionWindow
from visavis_models.voice.mouth import face_of_mouth
from visavis_models.weights import manifest as weights_manifest
from visavis_training.people.expressions import act, envelope
from visavis_training.people.heard_speech import Heard, listen, small_set
from visavis_training.people.motion_tracks import Tracks
from visavis_training.people.plausibility import over_speech
from visavis_training.speech import shards

SCENE_S = 28.0
SMALL_TAKES = 16
_EYE_OF_HEAD = 1.3
"""Shares of the eye's range that one radian of the head's turn is answered with, as presence does."""
_TURN_RAD_PER_S = math.radians(45.0)
"""Heads of people who talk turn no faster; several movements may add up."""
_STEEPEST = 1.875
"""Of an envelope's rise, in rises."""
_HEAD_LIMITS_RAD = np.radians((22.0, 38.0, 22.0))


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
    start = int(rng.exponential(6.0 / liveliness) / FRAME_S)
    while start < frames:
        size = np.radians(rng.normal(0.0, 1.0, 3) * (4.0, 9.0, 4.5))
        least_s = _STEEPEST * float(np.abs(size).max()) / _TURN_RAD_PER_S
        times = (
            max(rng.uniform(0.35, 0.9), least_s),
            float(rng.uniform(0.3, 2.5)),
            max(rng.uniform(0.4, 1.0), least_s),
        )
        length = min(frames - start, int(sum(times) / FRAME_S) + 1)
        curve = envelope(length, *times)[:, None]
        part = slice(start, start + length)
        head[part, :3] += curve * size
        head[part, 3:] += curve * rng.normal(0.0, 1.0, 3) * (0.02, 0.01, 0.035)
        if rng.random() < 0.3:  # they look where they turn; else the eyes stay with the viewer
            gaze[part] += curve * (size[1] * 2.2, -size[0] * 1.6)
        start += length + int(rng.exponential(6.0 / liveliness) / FRAME_S)
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
    liveliness = float(np.clip(rng.lognormal(0.3, 0.55), 0.35, 3.0))
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


Hear = Callable[[Sequence[NDArray[np.int16]]], list[Heard]]


def make(
    corpus: Path,
    out: Path,
    seed: int = 1,
    takes: int = 1,
    processes: int = 1,
    report: Callable[[str], None] = print,
    hear: Hear = listen,
) -> Tracks:
    """Scenes of all training utterances of a corpus, in one file; parts that a killed run made are kept.

    Args:
        corpus: folder of `visavis_training.speech.make`.
        out: the file to write; parts lie in `out`.parts until it is whole.
        seed: of all chance.
        takes: how often each utterance is used.
        processes: how many shards are worked on at a time; changes nothing in what comes out.
        report: told of every shard in one line.
        hear: turns voices into mouths.

    Raises:
        StorageError: the corpus has no finished shard, or nothing to train with.
    """
    names = shards.names(corpus)
    if not names:
        raise StorageError("corpus_empty", f"{corpus} holds no finished shard.", "Make the corpus first.")
    folder = out.with_name(f"{out.name}.parts")
    folder.mkdir(parents=True, exist_ok=True)
    notes = {name: _note(corpus, name, seed, takes) for name in names}
    paths = {name: folder / f"{name}.safetensors" for name in names}
    waiting = [
        (corpus, name, seed * 100_003 + number, takes, paths[name], notes[name], hear)
        for number, name in enumerate(names)
        if _kept(paths[name], notes[name]) is None
    ]
    report(f"{len(names) - len(waiting)} of {len(names)} shards are there")
    if processes > 1 and len(waiting) > 1:
        with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
            for future in as_completed([pool.submit(_act_shard, *one) for one in waiting]):
                report(future.result())
    else:
        for one in waiting:
            report(_act_shard(*one))
    parts = [part for name in names if (part := _kept(paths[name], notes[name])) is not None]
    if not parts:
        raise StorageError("corpus_empty", f"{corpus} has nothing to train with.", "Make a larger corpus.")
    tracks = Tracks.join(parts)
    tracks.save(out, {"seed": seed, "takes": takes, "listener": _listener(), "shards": names})
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    return tracks


def _act_shard(corpus: Path, name: str, seed: int, takes: int, path: Path, note: dict[str, object], hear: Hear) -> str:
    """Write the scenes of one shard; a line for the report."""
    began = time.monotonic()
    rows = [row for row in shards.rows_of(corpus, name) if row["part"] == "train"]
    samples = shards.samples_of(corpus, name)
    heard = hear([samples[row["offset"] : row["offset"] + row["samples"]] for row in rows])
    made = list(scenes(heard, seed, takes))
    if not made:
        return f"shard {name}: nothing to train with"
    part = Tracks.of(made)
    part.save(path, note)
    spent_s = time.monotonic() - began
    return f"shard {name}: {len(rows)} utterances, {len(part) * FRAME_S:.0f} s of motion in {spent_s:.0f} s"


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
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args()
    try:
        tracks = make(args.corpus, args.out, args.seed, args.takes, args.processes)
    except VisavisError as error:
        sys.exit(f"{error.message}\n{error.remedy}")
    hours = len(tracks) * FRAME_S / 3600
    print(json.dumps({"scenes": len(tracks.starts) - 1, "frames": len(tracks), "hours": round(hours, 3)}))


if __name__ == "__main__":
    main()
