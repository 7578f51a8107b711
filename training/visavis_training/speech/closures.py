"""Where the lips must meet or the lower lip must tuck in, however strong the neighbours pull.

Lips are thrown against each other: they aim past the point of contact and arrive at nearly their highest speed
(A. Löfqvist and V. L. Gracco, JASA 101, 1997), so an opening is let through at no more than a speed of lips. Knows
phones and times; nothing of vowels' shapes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from visavis_training.speech.phones import BILABIALS, SILENCE, VISEME_OF, Phone

Array = NDArray[np.float64]

LIP_SPEED = 5.2
"""How fast a closure shuts or lets go, in units of lip gap a second. A unit is about 3 cm, so this is 16 cm/s."""
_QUICKEST_S = 0.045
"""No movement takes less, however short its way: small movements are slower (Ostry and Munhall, JASA 77, 1985)."""
_SMOOTH_S = 0.008
_HELD_AT_LEAST_S = 0.048
"""Longer than a frame of 40 ms, so that every closure is seen."""
_TOGETHER = {"p": (0.0, 0.88), "b": (0.0, 0.96), "m": (0.04, 0.94)}
"""The share of each sound for which lips are together. The burst of a stop, measured on the fitted corpus, comes at
0.91 of an English p, 1.03 of a b and 1.06 of a Mandarin p (medians)."""
_BEFORE_SPEECH_S, _AFTER_SPEECH_S = 0.12, 0.2
_NARROW_GAP = {"f": 0.08, "v": 0.085, "ʋ": 0.11, "ɸ": 0.055, "β": 0.06}
_TUCK = {"f": 0.5, "v": 0.46, "ʋ": 0.28}
_TUCK_S = 0.09
_PRESS = 0.16
"""As hard for p as for b, which were measured alike (J. F. Lubker and P. J. Parris, JASA 47, 1970)."""


def _together(phone: Phone) -> tuple[float, float]:
    length = phone.end_s - phone.start_s
    start, end = _TOGETHER[phone.symbol]
    return phone.start_s + start * length, phone.start_s + end * length


def _long_enough(start_s: float, end_s: float) -> tuple[float, float]:
    middle, half = (start_s + end_s) / 2, max(end_s - start_s, _HELD_AT_LEAST_S) / 2
    return middle - half, middle + half


def held(phone: Phone) -> tuple[float, float]:
    """When the lips of a bilabial are together: until the release of a stop, throughout a nasal."""
    return _long_enough(*_together(phone))


def closures(phones: Sequence[Phone], long_silence_s: float) -> list[tuple[float, float]]:
    """When lips are together: (start_s, end_s).

    Bilabials in a row are one closure. After a pause the lips, which rest together, part only at the release; before
    one they stay together.
    """
    found: list[tuple[float, float]] = []
    for index, phone in enumerate(phones):
        if phone.symbol not in BILABIALS:
            continue
        start, end = _together(phone)
        before = phones[index - 1] if index else None
        after = phones[index + 1] if index + 1 < len(phones) else None
        if before is not None and before.symbol in BILABIALS:
            start, _ = found.pop()
        elif before is not None and before.symbol == SILENCE and before.end_s - before.start_s > long_silence_s:
            start = max(before.start_s, before.end_s - _BEFORE_SPEECH_S)
        if after is None or (after.symbol == SILENCE and after.end_s - after.start_s > long_silence_s):
            end = phone.end_s + _AFTER_SPEECH_S
        found.append((start, end))
    return [_long_enough(start, end) for start, end in found]


def _rows(start_s: float, end_s: float, grid_hz: int, count: int) -> slice:
    return slice(min(max(round(start_s * grid_hz), 0), count), min(max(round(end_s * grid_hz) + 1, 0), count))


def _let_through(wanted: Array, rate: Array) -> Array:
    """The largest curve below `wanted` that rises and falls by no more than `rate` from one row to the next."""
    way = np.cumsum(rate)
    risen = np.minimum.accumulate(wanted - way) + way
    back = way[-1] - way
    return np.asarray((np.minimum.accumulate((risen - back)[::-1]) + back[::-1])[::-1])


def opening_let_through(
    phones: Sequence[Phone], gap: Array, grid_hz: int, long_silence_s: float
) -> tuple[Array, Array, Array]:
    """What closures and narrowings do to the mouth that neighbours would make.

    Args:
        phones: of the utterance.
        gap: float64 (G,), the lip gap without any closure.
        grid_hz: rows a second.
        long_silence_s: from which on silence shuts the mouth.

    Returns:
        float64 (G,) each: share of the opening that is let through, 0..1; pressure of the lips; tuck of the lower lip.
    """
    count = len(gap)
    wanted, pressure, tuck = np.ones(count), np.zeros(count), np.zeros(count)
    for start, end in closures(phones, long_silence_s):
        rows = _rows(start, end, grid_hz, count)
        wanted[rows] = 0.0
        pressure[rows] = _PRESS
    for phone in phones:
        if VISEME_OF[phone.symbol] != "FF":
            continue
        middle, half = (phone.start_s + phone.end_s) / 2, max(0.3 * (phone.end_s - phone.start_s), 0.022)
        rows = _rows(middle - half, middle + half, grid_hz, count)
        limit = _NARROW_GAP[phone.symbol] / np.maximum(gap[rows], 1e-6)
        wanted[rows] = np.minimum(wanted[rows], np.minimum(limit, 1.0))
        if phone.symbol in _TUCK:
            rows = _rows(middle - half - _TUCK_S, middle + half + _TUCK_S, grid_hz, count)
            times = np.arange(rows.start, rows.stop) / grid_hz
            away = np.clip((np.abs(times - middle) - half) / _TUCK_S, 0.0, 1.0)
            ramp = _TUCK[phone.symbol] * (0.5 + 0.5 * np.cos(np.pi * away))
            tuck[rows] = np.maximum(tuck[rows], ramp)
    rate = np.minimum(LIP_SPEED / np.maximum(gap, 0.05), 1.0 / _QUICKEST_S) / grid_hz
    share = gaussian_filter1d(_let_through(wanted, rate), _SMOOTH_S * grid_hz, mode="nearest")
    pressure = gaussian_filter1d(pressure, 2 * _SMOOTH_S * grid_hz, mode="nearest")
    return share, pressure, tuck
