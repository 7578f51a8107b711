"""How far apart aligners put the borders of the same sounds: the noise that is left in the labels, by kind of border.

Aligners that learnt with different seeds share neither their draws nor each other's labels; what bias all of them have
does not show here (see `landmarks` and `cross_check` for that). Knows nothing of how the borders were found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from visavis_training.speech.phones import SILENCE, VOWELS, Phone

_KINDS: dict[str, str] = {
    "lips": "pbm",
    "stop": "tdkɡɾʈɖcɟqʧʤʨʥꭧʦʣ",
    "fricative": "fvθðszʃʒɕʂhxçʝɸβɣχ",
}
_KIND_OF = {symbol: kind for kind, symbols in _KINDS.items() for symbol in symbols}


def kind_of_sound(symbol: str) -> str:
    """Silence, vowel, lips (p b m), stop (affricates too), fricative, or sonorant for all else."""
    if symbol == SILENCE:
        return "silence"
    return "vowel" if symbol in VOWELS else _KIND_OF.get(symbol, "sonorant")


def agreement(pairs: Iterable[tuple[Sequence[Phone], Sequence[Phone]]]) -> dict[str, dict[str, Any]]:
    """By kind of border, as `vowel-stop`, and over `all`: how many, median distance in ms, shares within 10 and 20 ms.

    Args:
        pairs: the same utterance's phones by two aligners; spoken sounds are the same, silences need not be.

    Raises:
        ValueError: the spoken sounds differ.
    """
    apart_ms: dict[str, list[float]] = defaultdict(list)
    for one, other in pairs:
        ours, theirs = ([p for p in phones if p.symbol != SILENCE] for phones in (one, other))
        if [p.symbol for p in ours] != [p.symbol for p in theirs]:
            raise ValueError("these are not the same sounds")
        for n, (mine, yours) in enumerate(zip(ours, theirs, strict=True)):
            joined = n > 0 and abs(ours[n - 1].end_s - mine.start_s) < 1e-6
            before = kind_of_sound(ours[n - 1].symbol) if joined else "silence"
            distance = 1000 * (mine.start_s - yours.start_s)
            apart_ms[f"{before}-{kind_of_sound(mine.symbol)}"].append(distance)
            apart_ms["all"].append(distance)
    return {kind: _row(np.abs(values)) for kind, values in sorted(apart_ms.items())}


def _row(distances_ms: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    return {
        "count": len(distances_ms),
        "median_ms": round(float(np.median(distances_ms)), 1),
        "within_10_ms": round(float(np.mean(distances_ms <= 10)), 3),
        "within_20_ms": round(float(np.mean(distances_ms <= 20)), 3),
    }
