"""The two spoken sentences of the test data, and what a listener makes of a voice."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import CHUNK_SAMPLES, PLAYBACK_SAMPLES, Chunk
from visavis_models.voice.listener import MouthListener, MouthMotion
from visavis_models.voice.mouth import lip_gap, mouth_of_face

DATA = Path(__file__).parent / "data"
Voice = NDArray[np.float32]
DELAY = MouthListener.lookahead_ms // 40


@cache
def sentence(language: str) -> tuple[Voice, list[list[Any]]]:
    entry = tomllib.loads((DATA / "speech.toml").read_text("utf-8"))[f"speech_{language}"]
    with av.open(str(DATA / entry["file"])) as container:
        resampler = av.AudioResampler("fltp", "mono", 16_000)
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32), entry["phones"]


def chunk(index: int, samples: Voice) -> Chunk:
    return Chunk(index, samples, np.zeros(PLAYBACK_SAMPLES, np.int16))


def listened(voice: Voice, listener: MouthListener | None = None, first: int = 0) -> list[MouthMotion]:
    """The motions of a voice and of two silent chunks after it."""
    listener = listener or MouthListener()
    padded = np.concatenate([voice, np.zeros(DELAY * CHUNK_SAMPLES + -len(voice) % CHUNK_SAMPLES, np.float32)])
    heard = [listener.push(chunk(first + i, part)) for i, part in enumerate(padded.reshape(-1, CHUNK_SAMPLES))]
    return [motion for motion in heard if motion is not None]


def faces(motions: list[MouthMotion]) -> NDArray[np.float32]:
    return np.stack([motion.face for motion in motions])


def gaps(motions: list[MouthMotion]) -> NDArray[np.float32]:
    return lip_gap(mouth_of_face(faces(motions)))
