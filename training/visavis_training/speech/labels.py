"""What is true of an aligned utterance, frame by frame, for those who learn from it and those who measure by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visavis_training.speech.coarticulation import LONG_SILENCE_S
from visavis_training.speech.phones import SILENCE, VISEMES, Phone
from visavis_training.speech.shards import read

EVERY = 50
"""One training utterance in so many is left out of training, by its id, to choose between networks."""


def left_out(row: dict[str, Any]) -> bool:
    """Whether an utterance of the training part is kept for validation."""
    return int(row["id"]) % EVERY == 7


def loudness_of(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """How loud clean speech is against its own usual peak: float32 (N / 160,), 0..1."""
    frames = wave[: len(wave) // 160 * 160].reshape(-1, 160)
    level = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-10)
    top = np.percentile(level, 95) if len(level) else 0.0
    return np.asarray(np.clip((level - top + 25) / 30, 0, 1), np.float32)


def labels_of(phones: list[Phone], frames: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Viseme index and whether speech goes on, at the middle of each 40 ms frame."""
    middles = (np.arange(frames) + 0.5) / 25
    ends = np.array([phone.end_s for phone in phones])
    which = np.clip(np.searchsorted(ends, middles, "right"), 0, len(phones) - 1)
    speech = [not (p.symbol == SILENCE and p.end_s - p.start_s > LONG_SILENCE_S) for p in phones]
    visemes = np.array([VISEMES.index(p.viseme) for p in phones], np.int64)
    return visemes[which], np.array(speech, np.float32)[which]


def aligned(
    folder: Path, part: str | None = None, listing: Path | None = None
) -> list[tuple[dict[str, Any], NDArray[np.int16], list[Phone]]]:
    """Utterances of a corpus whose aligners agree: row, int16 samples at 16 kHz, fitted phones.

    Args:
        folder: the corpus.
        part: "train", "test", or None for both.
        listing: what `visavis_training.speech.alignment` wrote; FOLDER/aligned.jsonl.
    """
    fitted = {}
    for line in (listing or folder / "aligned.jsonl").read_text("utf-8").splitlines():
        entry = json.loads(line)
        if entry.get("kept", True):
            fitted[entry["id"]] = [Phone(*phone) for phone in entry["phones"]]
    return [(row, samples, fitted[row["id"]]) for row, samples in read(folder, part) if row["id"] in fitted]
