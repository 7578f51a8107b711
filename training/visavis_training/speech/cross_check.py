"""A second opinion on phone times: pocketsphinx's own, paired with ours sound by sound, English only.

The two aligners share neither model nor training data, so where they agree both are likely right. Knows nothing of
how the times under test were found.

    python -m visavis_training.speech.cross_check --corpus FOLDER [--count 300]
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visavis_training.speech.phones import SILENCE, VISEME_OF, VOWELS, Phone, gapless
from visavis_training.speech.sphinx import CMU_PHONES, forced, words_of

_GAP = 0.7
_APART_S = 0.15
_CLASSES = {"PP": "lips", "FF": "lip and teeth", "SS": "hiss", "CH": "hiss", "nn": "n l", "RR": "r", "TH": "th"}


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one utterance's borders lie from pocketsphinx's."""

    number: int
    pairs: tuple[tuple[str, float, float], ...]
    """Class of the sound, then how much later ours starts and ends, in seconds."""
    unpaired: float
    """Share of our sounds with no counterpart."""

    @property
    def median_ms(self) -> float:
        """Median distance of the borders, after 1000 of them none."""
        moved = [abs(x) for _, start, end in self.pairs for x in (start, end)]
        return 1000 * float(np.median(moved)) if moved else 1000.0


def paired(ours: Sequence[Phone], theirs: Sequence[Phone]) -> list[tuple[int, int]]:
    """Numbers of sounds that are the same in both, in order: the cheapest way to line both up, by shape and by time."""
    a, b = len(ours), len(theirs)
    cost = np.zeros((a + 1, b + 1))
    cost[:, 0], cost[0] = _GAP * np.arange(a + 1), _GAP * np.arange(b + 1)
    middles = [np.array([(p.start_s + p.end_s) / 2 for p in phones]) for phones in (ours, theirs)]
    shapes = [np.array([VISEME_OF[p.symbol] for p in phones]) for phones in (ours, theirs)]
    vowel = [np.array([p.symbol in VOWELS for p in phones]) for phones in (ours, theirs)]
    other = (shapes[0][:, None] != shapes[1][None]) * np.where(vowel[0][:, None] & vowel[1][None], 0.3, 1.2)
    step = other + np.minimum(np.abs(middles[0][:, None] - middles[1][None]) / _APART_S, 2.0) * 0.5
    for i in range(a):
        for j in range(b):
            cost[i + 1, j + 1] = min(cost[i, j] + step[i, j], cost[i, j + 1] + _GAP, cost[i + 1, j] + _GAP)
    pairs = []
    i, j = a, b
    while i and j:
        if cost[i, j] == cost[i - 1, j - 1] + step[i - 1, j - 1]:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif cost[i, j] == cost[i - 1, j] + _GAP:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def retimed(ours: Sequence[Phone], theirs: Sequence[Phone], end_s: float) -> list[Phone]:
    """Our sounds at the times at which the other aligner heard its counterparts; the others keep ours."""
    spoken = [phone for phone in ours if phone.symbol != SILENCE]
    others = [phone for phone in theirs if phone.symbol != SILENCE]
    times = {i: (others[j].start_s, others[j].end_s) for i, j in paired(spoken, others)}
    moved: list[Phone] = []
    clock = 0.0
    for i, phone in enumerate(spoken):
        start, end = times.get(i, (phone.start_s, phone.end_s))
        if i and i not in times:
            start = moved[-1].end_s if spoken[i - 1].end_s == phone.start_s else start
        start = max(start, clock)
        clock = max(end, start + 0.01)
        if i + 1 in times and i not in times:
            clock = max(start + 0.01, min(clock, times[i + 1][0]))
        moved.append(Phone(phone.symbol, start, clock))
    return gapless(moved, end_s)


def _class(phone: Phone) -> str:
    if phone.symbol in VOWELS:
        return "vowel"
    return _CLASSES.get(phone.viseme, "stop and others")


def difference(number: int, ours: Sequence[Phone], samples: NDArray[np.int16], words: str) -> Difference | None:
    """One utterance's, or None where pocketsphinx does not know a word or finds no way."""
    heard = forced(samples, words)
    if heard is None:
        return None
    theirs = [Phone(CMU_PHONES[p.name], p.start_s, p.end_s) for word in heard for p in word.phones]
    spoken = [phone for phone in ours if phone.symbol != SILENCE]
    pairs = paired(spoken, theirs)
    found = []
    for i, j in pairs:
        one, other = spoken[i], theirs[j]
        if one.viseme == other.viseme or (one.symbol in VOWELS and other.symbol in VOWELS):
            found.append((_class(one), one.start_s - other.start_s, one.end_s - other.end_s))
    return Difference(number, tuple(found), 1 - len(pairs) / max(len(spoken), 1))


def _difference(work: tuple[int, Sequence[Phone], NDArray[np.int16], str]) -> Difference | None:
    return difference(*work)


def differences(
    pool: ProcessPoolExecutor,
    corpus: Sequence[tuple[dict[str, Any], NDArray[np.int16]]],
    phones: Sequence[Sequence[Phone]],
    count: int,
    seed: int,
) -> list[Difference]:
    """Those of up to `count` English utterances drawn at random; none where pocketsphinx is not installed."""
    if count <= 0 or find_spec("pocketsphinx") is None:
        return []
    sayable = [
        (i, words) for i, (row, _) in enumerate(corpus) if row["language"] == "en" and (words := words_of(row["text"]))
    ]
    chosen = random.Random(seed).sample(sayable, min(count, len(sayable)))
    work = [(i, phones[i], corpus[i][1], words) for i, words in chosen]
    return [found for found in pool.map(_difference, work, chunksize=4) if found is not None]


def summary(found: Sequence[Difference]) -> dict[str, Any] | None:
    """Border differences by class of sound, in ms: mean, standard deviation, median distance; None without any."""
    if not found:
        return None
    by_class: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for one in found:
        for name, start, end in one.pairs:
            by_class[name].append((start, end))
            by_class["all"].append((start, end))
    classes = {}
    for name, values in sorted(by_class.items()):
        table = 1000 * np.array(values)
        classes[name] = {"count": len(table)} | {
            f"{edge}_{what}": round(float(value), 1)
            for edge, column in zip(("start", "end"), table.T, strict=True)
            for what, value in (
                ("mean_ms", column.mean()), ("sd_ms", column.std()), ("median_ms", np.median(column)),
                ("median_distance_ms", np.median(np.abs(column))),
            )
        }  # fmt: skip
    return {"utterances": len(found), "unpaired": round(float(np.mean([d.unpaired for d in found])), 4), **classes}


def main() -> None:
    """Command line, see the head of this file."""
    from visavis_training.speech.labels import aligned

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 2)))
    args = parser.parse_args()
    rows = aligned(args.corpus)
    with ProcessPoolExecutor(args.processes) as pool:
        corpus = [(row, samples) for row, samples, _ in rows]
        found = differences(pool, corpus, [phones for _, _, phones in rows], args.count, 0)
    print(json.dumps(summary(found), indent=2))


if __name__ == "__main__":
    main()
