"""From phones with times to mouth curves: what the lips and the jaw of a speaker do, and when.

The blend is that of dominance functions (M. M. Cohen and D. W. Massaro, "Modeling coarticulation in synthetic visual
speech", Models and Techniques in Computer Animation, 1993): every phone pulls each channel towards its target with a
strength that fades with distance in time, and the curve is the weighted mean. Dominance alone never quite shuts the
lips, so closures and the tuck of the lower lip are then imposed, as JALI does (P. Edwards et al., SIGGRAPH 2016). Knows
nothing of sound but its level.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from visavis_models.chunk import FRAME_RATE_HZ
from visavis_models.voice.mouth import CHANNEL, MOUTH_CHANNELS, MOUTH_COUNT
from visavis_training.speech.phones import BILABIALS, SILENCE, VISEME_OF, VOWELS, Phone, split_diphthongs

GRID_HZ = 200
LONG_SILENCE_S = 0.14
"""A shorter one does not shut the mouth."""
_SMOOTH_S = 0.016
_CLOSE_S, _PART_S = 0.060, 0.055
"""How long lips take to meet and to part: about 20 cm/s at an open vowel, as measured on speakers."""
_REST_S, _WAKE_S = 0.16, 0.09
_HELD_AT_LEAST_S = 0.046
_ROUND = frozenset(("mouthFunnel", "mouthPucker", "jawForward"))
_JAW = frozenset(("jawOpen", "mouthLowerDown", "mouthUpperUp"))

_SHAPES: dict[str, str] = {
    "p b m": "jawOpen .08 mouthPress .1 mouthRollLower .1 mouthRollUpper .08",
    "f v ʋ ɸ β": "jawOpen .07 mouthRollLower .3 mouthUpperUp .16",
    "θ ð": "jawOpen .11 tongueOut .16 mouthLowerDown .22 mouthUpperUp .1 mouthStretch .08",
    "t d ɾ ʈ ɖ": "jawOpen .09 mouthLowerDown .2 mouthUpperUp .1 mouthStretch .1 mouthSmile .06",
    "n l ɲ ɳ": "jawOpen .13 mouthLowerDown .16 mouthUpperUp .08 mouthStretch .06",
    "k ɡ x ŋ q ɣ χ h": "jawOpen .15 mouthLowerDown .14 mouthUpperUp .07",
    "s z ʦ ʣ": "jawOpen .04 mouthStretch .22 mouthSmile .16 mouthLowerDown .3 mouthUpperUp .15",
    "ʃ ʒ ʧ ʤ ʂ ꭧ": "jawOpen .06 mouthFunnel .42 mouthPucker .2 mouthLowerDown .22 mouthUpperUp .16 jawForward .1",
    "ɕ ʨ ʥ": "jawOpen .05 mouthFunnel .12 mouthStretch .18 mouthSmile .14 mouthLowerDown .26 mouthUpperUp .14",
    "ɹ ɻ ʁ ɽ": "jawOpen .1 mouthFunnel .28 mouthPucker .2 mouthLowerDown .1",
    "ɑ a": "jawOpen .46 mouthLowerDown .24 mouthUpperUp .12 mouthStretch .05",
    "æ": "jawOpen .4 mouthLowerDown .26 mouthUpperUp .14 mouthStretch .2 mouthSmile .1",
    "ʌ ɐ": "jawOpen .32 mouthLowerDown .2 mouthUpperUp .1 mouthStretch .05",
    "ɛ e": "jawOpen .27 mouthLowerDown .22 mouthUpperUp .1 mouthStretch .2 mouthSmile .12",
    "ə ᵊ": "jawOpen .17 mouthLowerDown .14 mouthUpperUp .06 mouthStretch .04",
    "ɜ ɚ": "jawOpen .19 mouthLowerDown .14 mouthUpperUp .08 mouthFunnel .16 mouthPucker .08",
    "ɤ": "jawOpen .22 mouthLowerDown .16 mouthUpperUp .06 mouthStretch .08",
    "i j": "jawOpen .1 mouthSmile .3 mouthStretch .26 mouthLowerDown .18 mouthUpperUp .08",
    "ɪ ᵻ": "jawOpen .15 mouthSmile .18 mouthStretch .18 mouthLowerDown .18 mouthUpperUp .08",
    "ɨ": "jawOpen .07 mouthStretch .16 mouthSmile .1 mouthLowerDown .26 mouthUpperUp .12",
    "ɔ o": "jawOpen .3 mouthFunnel .42 mouthPucker .22 mouthLowerDown .08",
    "ɒ": "jawOpen .4 mouthFunnel .26 mouthPucker .06 mouthLowerDown .12",
    "u ɯ": "jawOpen .1 mouthFunnel .26 mouthPucker .62 jawForward .08",
    "ʊ": "jawOpen .15 mouthFunnel .3 mouthPucker .38 mouthLowerDown .04",
    "w": "jawOpen .07 mouthFunnel .22 mouthPucker .68 jawForward .08",
    "y ɥ": "jawOpen .08 mouthFunnel .2 mouthPucker .52 mouthShrugUpper .08",
}


def _targets() -> dict[str, NDArray[np.float64]]:
    table = {SILENCE: np.zeros(MOUTH_COUNT)}
    for phones, shape in _SHAPES.items():
        target = np.zeros(MOUTH_COUNT)
        words = shape.split()
        for name, value in zip(words[::2], words[1::2], strict=True):
            target[CHANNEL[name]] = float(value)
        table |= {phone: target for phone in phones.split()}
    return table


TARGETS = _targets()
"""What each phone would look like if it were held: float64 (15,)."""


def _dominance(phone: Phone) -> NDArray[np.float64]:
    """How strongly a phone pulls (jaw, rounding, the rest), 0..1."""
    symbol, viseme = phone.symbol, phone.viseme
    if symbol == SILENCE:
        return np.full(3, 1.0 if phone.end_s - phone.start_s > LONG_SILENCE_S else 0.25)
    if symbol in ("ə", "ᵊ", "ᵻ"):
        return np.array([0.6, 0.35, 0.4])
    if symbol in VOWELS or symbol in "wɥjy":
        return np.array([1.0, 1.0, 0.9])
    by_viseme = {"PP": (0.45, 0.12, 0.5), "FF": (0.9, 0.3, 0.9), "SS": (1.3, 0.35, 0.9), "CH": (1.1, 1.1, 0.9)}
    by_viseme |= {"RR": (0.6, 0.7, 0.5), "TH": (0.9, 0.3, 0.8), "DD": (0.8, 0.15, 0.4), "nn": (0.55, 0.15, 0.3)}
    return np.array((0.05, 0.05, 0.05) if symbol == "h" else by_viseme.get(viseme, (0.4, 0.12, 0.2)))


_GROUP = np.array([0 if name in _JAW else 1 if name in _ROUND else 2 for name in MOUTH_CHANNELS])
_FADE_S = np.array([0.034, 0.062, 0.042])
"""How far each group's pull reaches: rounding begins well before the rounded sound."""


def _envelope(times: NDArray[np.float64], start: float, end: float, rise: float, fall: float) -> NDArray[np.float64]:
    """1 within `[start, end]`, cosine ramps of `rise` and `fall` seconds outside."""
    before = np.clip((start - times) / rise, 0.0, 1.0)
    after = np.clip((times - end) / fall, 0.0, 1.0)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * np.maximum(before, after)))


def held(phone: Phone) -> tuple[float, float]:
    """When the lips of a bilabial are together: until the release of a stop, throughout a nasal."""
    length = phone.end_s - phone.start_s
    start, end = (0.0, 0.62 * length) if phone.symbol != "m" else (0.04 * length, 0.94 * length)
    middle, half = phone.start_s + (start + end) / 2, max((end - start) / 2, _HELD_AT_LEAST_S / 2)
    return middle - half, middle + half


def _impose(curves: NDArray[np.float64], times: NDArray[np.float64], phones: Sequence[Phone]) -> NDArray[np.float64]:
    shut, tuck = np.zeros(len(times)), np.zeros(len(times))
    for phone in phones:
        if phone.symbol in BILABIALS:
            shut = np.maximum(shut, _envelope(times, *held(phone), _CLOSE_S, _PART_S))
        elif VISEME_OF[phone.symbol] == "FF":
            quarter = 0.2 * (phone.end_s - phone.start_s)
            tuck = np.maximum(tuck, _envelope(times, phone.start_s + quarter, phone.end_s - quarter, 0.06, 0.055))
    out = curves.copy()
    column = {name: out[:, index] for name, index in CHANNEL.items()}
    for name in ("mouthLowerDown", "mouthUpperUp", "tongueOut", "mouthStretch", "mouthSmile"):
        column[name] *= 1.0 - shut * (1.0 if name in ("mouthLowerDown", "mouthUpperUp", "tongueOut") else 0.4)
    column["mouthFunnel"] *= 1.0 - shut
    column["jawOpen"] *= 1.0 - 0.45 * shut
    column["mouthLowerDown"] *= 1.0 - tuck
    column["jawOpen"] *= 1.0 - 0.4 * tuck
    column["mouthUpperUp"] += tuck * np.maximum(0.2 - column["mouthUpperUp"], 0.0)
    column["mouthRollLower"] += tuck * np.maximum(0.42 - column["mouthRollLower"], 0.0)
    column["mouthClose"] += shut * column["jawOpen"] + tuck * (1.0 - shut) * np.maximum(column["jawOpen"] - 0.04, 0.0)
    column["mouthPress"] += shut * np.maximum(0.16 - column["mouthPress"], 0.0)
    column["mouthRollLower"] += shut * np.maximum(0.14 - column["mouthRollLower"], 0.0)
    column["mouthRollUpper"] += shut * np.maximum(0.12 - column["mouthRollUpper"], 0.0)
    return out


def mouth_curves(
    phones: Sequence[Phone],
    duration_s: float,
    loudness: NDArray[np.float32] | None = None,
    rate_hz: int = FRAME_RATE_HZ,
) -> NDArray[np.float32]:
    """The mouth channels of an utterance.

    Args:
        phones: gapless, from 0 to `duration_s`.
        duration_s: length.
        loudness: float32 (M,), 0..1 at 100 Hz relative to the speaker's usual; louder speech opens the jaw wider.
        rate_hz: frames a second; frame k shows the middle of its time, `(k + 0.5) / rate_hz`.

    Returns:
        float32 (floor(duration_s * rate_hz), 15), 0..1.
    """
    pieces = split_diphthongs(phones)
    times = (np.arange(int(np.ceil(duration_s * GRID_HZ)) + 1)) / GRID_HZ
    target = np.stack([TARGETS[piece.symbol] for piece in pieces])  # (N, 15)
    strength = np.stack([_dominance(piece) for piece in pieces])  # (N, 3)
    starts = np.array([piece.start_s for piece in pieces])[:, None]
    ends = np.array([piece.end_s for piece in pieces])[:, None]
    inner = 0.3 * (ends - starts)  # the pull is full in the middle of a phone and fades from there
    away = np.maximum(np.maximum(starts + inner - times, times - ends + inner), 0.0)  # (N, G)
    curves = np.zeros((len(times), MOUTH_COUNT))
    for group, fade_s in enumerate(_FADE_S):
        pull = strength[:, group, None] * np.exp(-away / fade_s) + 1e-12
        mean = (pull.T @ target) / pull.sum(axis=0)[:, None]  # (G, 15)
        curves[:, group == _GROUP] = mean[:, group == _GROUP]
    if loudness is not None and len(loudness):
        level = np.interp(times, (np.arange(len(loudness)) + 0.5) / 100.0, gaussian_filter1d(loudness, 6.0))
        curves[:, CHANNEL["jawOpen"]] *= 0.75 + 0.4 * level
        curves[:, CHANNEL["mouthLowerDown"]] *= 0.8 + 0.3 * level
    curves = gaussian_filter1d(curves, _SMOOTH_S * GRID_HZ, axis=0, mode="nearest")
    curves = _impose(curves, times, phones)
    for phone in phones:
        if phone.symbol == SILENCE and phone.end_s - phone.start_s > LONG_SILENCE_S:
            first, last = phone.start_s <= 1e-3, phone.end_s >= duration_s - 1e-3
            fall = 0.0 * times if first else np.clip((phone.start_s + _REST_S - times) / _REST_S, 0.0, 1.0)
            rise = 0.0 * times if last else np.clip((times - phone.end_s + _WAKE_S) / _WAKE_S, 0.0, 1.0)
            inside = (times >= phone.start_s) & (times < phone.end_s)
            gate = np.maximum(fall * fall * (3 - 2 * fall), rise * rise * (3 - 2 * rise))
            curves *= np.where(inside, gate, 1.0)[:, None]
    frames = int(duration_s * rate_hz + 1e-6)
    middles = (np.arange(frames) + 0.5) / rate_hz
    sampled = np.stack([np.interp(middles, times, curve) for curve in curves.T], axis=1)
    return np.clip(sampled, 0.0, 1.0).astype(np.float32)
