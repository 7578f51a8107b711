"""Where sounds really change: steps in the loudness of a band of the wave itself, against the borders of phones.

No aligner is asked: a stop's closure is where the middle of the spectrum falls silent, a hiss begins where the treble
jumps. So a bias that every trained aligner inherits from its teacher shows here. Knows nothing of networks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visavis_training.speech.phones import SILENCE, VOWELS, Phone, gapless

_HOP, _WIDTH = 32, 160  # 2 ms, 10 ms
_RATE_HZ = 16_000
_BANDS_HZ = {"middle": (500.0, 4000.0), "treble": (4000.0, 7600.0)}
_REACH_S = 0.07
_HALF_LOUD_S = 0.003
"""In dB, a window is loud while little of it is: quiet seems to begin late and to end early by this."""
_LEAST_DB = 9.0
"""A smaller step is no landmark."""
_LEAST_S = 0.01
_NEAR_S = 0.025
"""A border this near to its landmark's usual place is put halfway to the landmark, if its kind gains by that."""
_GAINING = frozenset(
    f"{sound} {edge}"
    for edge, sounds in {
        "begins": ("p", "b", "m", "n", "stop", "hiss", "breath"),
        "ends": ("b", "m", "n", "hiss", "breath"),
        "begins after a sonorant": ("hiss",),
        "begins after a hiss": ("stop",),
    }.items()
    for sound in sounds
)
"""Kinds whose borders lie nearer to those of aligners that know of no landmark once they are halfway to theirs.

Of 246 sentences of voices never trained on, median distance in ms after each kind's bias, aligner A left alone,
halfway, fully on its landmark, to aligner B (other seed, other speech) and to pocketsphinx:
p begins 6.5 5.0 4.6, 8.0 5.6 4.0; hiss begins 7.5 5.2 4.7, 10.7 7.4 6.0; hiss ends 7.7 5.2 6.1, 8.3 6.0 4.0;
stop begins 7.5 6.3 6.3, 7.4 5.8 5.0; n begins 12.0 9.5 8.6, 6.2 5.3 6.7; m begins 7.9 6.7 9.4, 9.3 8.2 7.0;
m ends 6.7 5.8 6.5, 7.1 6.3 7.0; b ends 7.8 4.9 4.3, 8.4 4.7 4.0; breath (f v and th) begins 6.2 4.5 5.4, 8.3 4.4 4.0.
Others do not gain: stop ends 8.0 8.2 10.4, 8.9 9.1 11.0 and p ends (to pocketsphinx 7.5 9.8 12.0) show their bursts.
"""
_RELEASES = frozenset(("p ends", "b ends", "stop ends"))
"""A stop's time goes on until the voice does: its burst is no border."""
_HISSES, _BREATHS, _STOPS, _NASALS = frozenset("sʃʂɕz"), frozenset("fvθð"), frozenset("pbtdkɡ"), frozenset("mn")
_SONORANTS = frozenset("mnŋl")


def band_levels(samples: NDArray[np.int16]) -> dict[str, NDArray[np.float64]]:
    """Level in dB of each band, every 2 ms: entry i is centred on sample `32 i + 80`."""
    if len(samples) < _WIDTH:
        return {name: np.zeros(0) for name in _BANDS_HZ}
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float32), _WIDTH)[::_HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WIDTH).astype(np.float32), axis=1)) ** 2
    hz = np.fft.rfftfreq(_WIDTH, 1 / _RATE_HZ)
    return {
        name: 10 * np.log10(power[:, (hz >= low) & (hz < high)].sum(axis=1) + 1e3)
        for name, (low, high) in _BANDS_HZ.items()
    }


def step_at(level_db: NDArray[np.float64], start_s: float, end_s: float) -> tuple[float, float] | None:
    """When a level steps, and by how many dB: the best split of that stretch into two constants; None if too short."""
    first = max(0, int(np.ceil((start_s * _RATE_HZ - _WIDTH / 2) / _HOP)))
    last = min(len(level_db), int((end_s * _RATE_HZ - _WIDTH / 2) / _HOP) + 1)
    part = level_db[first:last]
    if len(part) < 10:
        return None
    count = np.arange(3, len(part) - 2)
    before = np.cumsum(part)[count - 1]
    means = before / count, (part.sum() - before) / (len(part) - count)
    best = int(np.argmax(means[0] ** 2 * count + means[1] ** 2 * (len(part) - count)))  # least squares left over
    moment_s = ((first + count[best] - 0.5) * _HOP + _WIDTH / 2) / _RATE_HZ
    change_db = float(means[1][best] - means[0][best])
    return float(moment_s + np.sign(change_db) * _HALF_LOUD_S), change_db


def kind_of(before: str, after: str) -> tuple[str, str, int] | None:
    """Name of a border whose moment can be seen, the band that shows it, and whether the level rises or falls."""
    if after in _HISSES and before in _SONORANTS:
        return "hiss begins after a sonorant", "treble", 1
    if before in _HISSES and after in _STOPS:
        return "stop begins after a hiss", "treble", -1
    for one, other, sign, word in ((before, after, 1, "{} ends"), (after, before, -1, "{} begins")):
        if other in VOWELS:
            if one in _HISSES:
                return word.format("hiss"), "treble", -sign
            if one in _BREATHS:
                return word.format("breath"), "middle", sign
            if one in "pb":
                return word.format(one), "middle", sign
            if one in _STOPS:
                return word.format("stop"), "middle", sign
            if one in _NASALS:
                return word.format(one), "middle", sign
            if one == SILENCE:
                return word.format("pause"), "middle", sign
    return None


def deviations(phones: Sequence[Phone], samples: NDArray[np.int16]) -> list[tuple[str, int, float]]:
    """(kind, number of the phone after the border, seconds that the border lies after its landmark)."""
    levels = band_levels(samples)
    found = []
    for number, (before, after) in enumerate(zip(phones, phones[1:], strict=False), 1):
        kind = kind_of(before.symbol, after.symbol)
        if kind is None:
            continue
        name, band, sign = kind
        border_s = after.start_s
        seen = step_at(
            levels[band],
            max((before.start_s + before.end_s) / 2, border_s - _REACH_S),
            min((after.start_s + after.end_s) / 2, border_s + _REACH_S),
        )
        if seen is not None and sign * seen[1] > _LEAST_DB:
            found.append((name, number, border_s - seen[0]))
    return found


def unbiased(
    phones: Sequence[Phone], found: Sequence[tuple[str, int, float]], late_s: Mapping[str, float], end_s: float
) -> list[Phone]:
    """The same phones, borders moved by the known lateness of their kind, then halfway to their landmarks.

    Halfway, because landmark and border are two measurements of one moment with errors of their own; see `_GAINING`.

    Args:
        phones: gapless.
        found: `deviations` of them.
        late_s: how late borders of a kind usually are; a border of no such kind moves by the median of all kinds.
        end_s: length of the utterance.
    """
    usual_s = {kind: value for kind, value in late_s.items() if kind not in _RELEASES}
    any_s = float(np.median(list(usual_s.values()))) if usual_s else 0.0
    seen = {number: (kind, late) for kind, number, late in found}
    borders = [phone.start_s for phone in phones] + [end_s]
    for number, (before, after) in enumerate(zip(phones, phones[1:], strict=False), 1):
        known = kind_of(before.symbol, after.symbol)
        usual = any_s if known is None or known[0] in _RELEASES else usual_s.get(known[0], any_s)
        kind, late = seen.get(number, ("", 0.0))
        near = kind in _GAINING and abs(late - usual) < _NEAR_S
        borders[number] -= (late + usual) / 2 if near else usual
    borders = [0.0, *np.clip(np.maximum.accumulate(borders[1:-1]), 0.0, end_s), end_s]
    moved = [Phone(p.symbol, float(borders[i]), float(borders[i + 1])) for i, p in enumerate(phones)]
    if any(after.end_s - after.start_s < 0.5 * _LEAST_S for after in moved):
        moved = _apart(moved, end_s)
    return gapless(moved, end_s)


def _apart(phones: Sequence[Phone], end_s: float) -> list[Phone]:
    """No phone shorter than 10 ms: its end is put off, and those after it if need be."""
    borders = [0.0]
    for phone in phones:
        borders.append(max(phone.end_s, borders[-1] + _LEAST_S))
    borders[-1] = end_s
    for i in range(len(borders) - 2, 0, -1):
        borders[i] = min(borders[i], borders[i + 1] - _LEAST_S)
    return [Phone(p.symbol, borders[i], borders[i + 1]) for i, p in enumerate(phones) if borders[i] >= 0.0]


def bias(utterances: Iterable[tuple[Sequence[Phone], NDArray[np.int16]]]) -> dict[str, dict[str, Any]]:
    """By kind of border: how many landmarks were seen, and how long after them borders lie (median, spread), in ms."""
    by_kind: dict[str, list[float]] = defaultdict(list)
    for phones, samples in utterances:
        for name, _, late_s in deviations(phones, samples):
            by_kind[name].append(1000 * late_s)
    return {
        name: {
            "count": len(values),
            "median_ms": round(float(np.median(values)), 1),
            "median_absolute_deviation_ms": round(float(np.median(np.abs(np.array(values) - np.median(values)))), 1),
        }
        for name, values in sorted(by_kind.items())
    }
