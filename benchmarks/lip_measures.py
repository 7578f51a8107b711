"""What can be said of a mouth beside the truth: closures, visemes, lag, correlation; pure functions of arrays.

Times are of frames' middles, `(k + 0.5) * 40 ms`. Knows nothing of listeners or of where truth comes from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis_models.voice.mouth import lip_gap, mouth_of_face
from visavis_models.voice.phones import VISEMES
from visavis_training.speech.coarticulation import held, mouth_curves
from visavis_training.speech.labels import labels_of, loudness_of
from visavis_training.speech.phones import BILABIALS, OPEN_VOWELS, SILENCE, VOWELS, Phone

KEYS = ("closure_recall", "false_closures", "viseme_f1", "lag_ms", "moving_in_silence", "aperture_corr")
Figures = dict[str, float | None]
SHUT_SHARE = 0.1
"""Lips are together below this share of the speaker's open vowel."""
_TOLERANCE_S = 0.02
"""Half a frame: a closure between two frames is nobody's to show."""
_LONG_VOWEL_S = 0.08
"""In a shorter one between two closures, the lips may not part at all."""
_LEAST_FRAMES = 25
_FARTHEST_FRAMES = 5


@dataclass(frozen=True, slots=True)
class Spoken:
    """One recording: float32 16 kHz samples, its phones, who speaks; another aligner's times of the same phones."""

    samples: NDArray[np.float32]
    phones: list[Phone]
    speaker: str
    other: list[Phone] | None = None

    @property
    def frames(self) -> int:
        """Whole chunks."""
        return len(self.samples) // 640


@dataclass(frozen=True, slots=True)
class Shown:
    """One mouth over F frames: how far the lips part, float32 (F,), and its visemes, int64 (F,), if it has any."""

    gap: NDArray[np.float32]
    visemes: NDArray[np.int64] | None = None


def shown_of(face: NDArray[np.float32], visemes: NDArray[np.float32]) -> Shown:
    """What a listener's answers, (F, 52) and (F, 15), show."""
    return Shown(lip_gap(mouth_of_face(face)), np.asarray(visemes.argmax(axis=1), np.int64))


def target_of(item: Spoken, phones: list[Phone] | None = None) -> Shown:
    """The mouth that fits the phones best: of the truth, or of another aligner's times."""
    told = item.phones if phones is None else phones
    curves = mouth_curves(told, len(item.samples) / 16_000, loudness_of(item.samples))
    return Shown(lip_gap(curves)[: item.frames], labels_of(told, item.frames)[0])


def energy_mouth(item: Spoken) -> Shown:
    """The baseline: the lips part as far as the voice is loud."""
    level = np.sqrt(np.mean(item.samples[: item.frames * 640].reshape(-1, 640) ** 2, axis=1))
    return Shown(np.asarray(0.5 * np.clip(level / (np.percentile(level, 95) + 1e-9), 0, 1), np.float32))


def _middles(frames: int) -> NDArray[np.float64]:
    return np.asarray((np.arange(frames) + 0.5) / 25)


def _open_gaps(spoken: Sequence[Spoken], shown: Sequence[Shown]) -> dict[str, float]:
    """Each speaker's usual gap at the widest of an open vowel."""
    widest: dict[str, list[float]] = defaultdict(list)
    for item, mouth in zip(spoken, shown, strict=True):
        middles = _middles(item.frames)
        for phone in item.phones:
            inside = (middles >= phone.start_s) & (middles < phone.end_s)
            if phone.symbol in OPEN_VOWELS and inside.any():
                widest[item.speaker].append(float(mouth.gap[inside].max()))
    return {speaker: float(np.median(values)) for speaker, values in widest.items()}


def closures(spoken: Sequence[Spoken], shown: Sequence[Shown]) -> tuple[list[bool], list[bool]]:
    """Whether each p, b, m is shut at some frame of its closure, and each open vowel at any of its middle third's."""
    usual = _open_gaps(spoken, shown)
    everyone = float(np.median(list(usual.values()))) if usual else 0.0
    shut, falsely = [], []
    for item, mouth in zip(spoken, shown, strict=True):
        limit = SHUT_SHARE * usual.get(item.speaker, everyone)
        middles = _middles(item.frames)
        for phone in item.phones:
            if phone.symbol in BILABIALS:
                start, end = held(phone)
                near = (middles >= start - _TOLERANCE_S) & (middles <= end + _TOLERANCE_S)
                if near.any():
                    shut.append(bool(mouth.gap[near].min() < limit))
            elif phone.symbol in OPEN_VOWELS and phone.end_s - phone.start_s > _LONG_VOWEL_S:
                third = (phone.end_s - phone.start_s) / 3
                near = (middles >= phone.start_s + third) & (middles < phone.end_s - third)
                if near.any():
                    falsely.append(bool(mouth.gap[near].min() < limit))
    return shut, falsely


def confusion(spoken: Sequence[Spoken], shown: Sequence[Shown]) -> NDArray[np.int64]:
    """Frames by true (rows) and shown viseme (columns): int64 (15, 15)."""
    table = np.zeros((len(VISEMES), len(VISEMES)), np.int64)
    for item, mouth in zip(spoken, shown, strict=True):
        if mouth.visemes is not None:
            np.add.at(table, (labels_of(item.phones, item.frames)[0], mouth.visemes), 1)
    return table


def f1_of(table: NDArray[np.int64]) -> dict[str, float]:
    """F1 of every viseme that truth has for a second or more, silence among them; a rarer one's would be chance."""
    said, true, hits = table.sum(axis=0), table.sum(axis=1), table.diagonal()
    return {v: float(2 * hits[i] / (said[i] + true[i])) for i, v in enumerate(VISEMES) if true[i] >= _LEAST_FRAMES}


def correlations(spoken: Sequence[Spoken], shown: Sequence[Shown]) -> tuple[float, float]:
    """Mean correlation of the gap with the target's, as it is, and the lag in ms at which it is highest.

    The lag is that of the whole set: each utterance's correlation at shifts of 10 ms within 200, averaged, and a
    parabola through its best three. Positive: the mouth is late.
    """
    shifts = np.arange(-4 * _FARTHEST_FRAMES, 4 * _FARTHEST_FRAMES + 1)
    scores, aligned = [], []
    for item, mouth in zip(spoken, shown, strict=True):
        target = target_of(item).gap
        if len(target) <= 4 * _FARTHEST_FRAMES or target.std() < 1e-6:
            continue
        if mouth.gap.std() < 1e-6:
            aligned.append(0.0)
            continue
        aligned.append(float(np.corrcoef(mouth.gap, target)[0, 1]))
        grid = np.arange(0, len(target) - 0.99, 0.25)
        a, b = (np.interp(grid, np.arange(len(x)), x) for x in (mouth.gap, target))
        edge = int(shifts[-1])
        inner = b[edge : len(b) - edge]
        scores.append([np.corrcoef(a[edge + s : len(a) - edge + s], inner)[0, 1] for s in shifts])
    if not scores:
        return 0.0, 0.0
    mean = np.nanmean(scores, axis=0)
    best = int(np.argmax(mean))
    off = 0.0
    if 0 < best < len(mean) - 1:
        before, here, after = mean[best - 1 : best + 2]
        off = 0.5 * (before - after) / (before - 2 * here + after)
    return float(np.mean(aligned)), float(10.0 * (shifts[best] + off))


def figures(spoken: Sequence[Spoken], shown: Sequence[Shown]) -> Figures:
    """All of `KEYS` but `moving_in_silence`, which is None: it is not of these recordings."""
    shut, falsely = closures(spoken, shown)
    f1 = [value for viseme, value in f1_of(confusion(spoken, shown)).items() if viseme != SILENCE]
    corr, lag = correlations(spoken, shown)
    return {
        "closure_recall": float(np.mean(shut)) if shut else None,
        "false_closures": float(np.mean(falsely)) if falsely else None,
        "viseme_f1": float(np.mean(f1)) if f1 and shown[0].visemes is not None else None,
        "lag_ms": lag,
        "moving_in_silence": None,
        "aperture_corr": corr,
    }


def first_vowel_share(spoken: Sequence[Spoken], shown: Sequence[Shown]) -> list[float]:
    """How far the lips part within each recording's first vowel, of how far they should: 1 is all the way."""
    shares = []
    for item, mouth in zip(spoken, shown, strict=True):
        first = next((p for p in item.phones if p.symbol in VOWELS), None)
        if first is None:
            continue
        middles = _middles(item.frames)
        inside = (middles >= first.start_s - _TOLERANCE_S) & (middles < first.end_s + _TOLERANCE_S)
        wanted = float(target_of(item).gap[inside].max(initial=0.0))
        if wanted > 0.03:
            shares.append(float(mouth.gap[inside].max()) / wanted)
    return shares
