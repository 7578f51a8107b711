"""From phones with times to mouth curves: what the lips and the jaw of a speaker do, and when.

The blend is that of dominance functions (M. M. Cohen and D. W. Massaro, "Modeling coarticulation in synthetic visual
speech", Models and Techniques in Computer Animation, 1993): every phone pulls each channel towards its target with a
strength that fades with distance in time, and the curve is the weighted mean. Dominance alone never quite shuts the
lips, so closures and the tuck of the lower lip are then imposed, and jaw and lips have gains of their own, as in JALI
(P. Edwards, C. Landreth, E. Fiume and K. Singh, ACM Trans. Graph. 35(4), 2016).

No pull reaches further than 140 ms ahead of its phone, for two reasons. Lip rounding begins a fixed time before the
rounded sound, not with the first free consonant (F. Bell-Berti and K. S. Harris, JASA 65, 1979), of the order of a
syllable's consonants; and a live listener hears only 100 ms beyond the frame it shows, so a longer anticipation is
nothing that it could follow. Knows nothing of sound but its level.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from visavis_models.chunk import FRAME_RATE_HZ
from visavis_models.voice.mouth import CHANNEL, LIP_PARTING, MOUTH_COUNT
from visavis_training.speech.articulation_targets import (
    AFTER_RETROFLEX,
    GROUP_OF,
    RETROFLEX,
    TARGETS,
    dominance_of,
)
from visavis_training.speech.closures import held as held
from visavis_training.speech.closures import opening_let_through
from visavis_training.speech.phones import SILENCE, VOWELS, Phone, split_diphthongs

Array = NDArray[np.float64]

GRID_HZ = 200
LONG_SILENCE_S = 0.14
"""A shorter one does not shut the mouth."""
_SHUTS_FROM_S, _SHUTS_WHOLLY_S = 0.125, 0.155
_REST_S = 0.18
"""How long the mouth eases shut after speech."""
_WAKE_S, _WAKES_IN_S = 0.08, 0.12
"""How early before speech the mouth begins to open, and how long it takes."""
AHEAD_S = np.array([0.085, 0.14, 0.1])
AFTER_S = np.array([0.085, 0.115, 0.1])
"""How far a phone's pull on (jaw, rounding, lips) reaches before and after it."""
_LEAST_REACH_S = 0.06
_SMOOTH_S = np.array([0.017, 0.02, 0.017])
_INNER_SHARE, _INNER_AT_MOST_S = 0.3, 0.045
"""A pull is full in the middle of a phone and fades from this far inside its edges."""
_VOWEL_SETTLES_S = 0.05
"""Vowels fall short of their targets exponentially as they get shorter (B. Lindblom, JASA 35, 1963)."""
_NEIGHBOURS = 6
GLIDES = frozenset(("j", "w", "ɥ"))
_SHAPED = 0.8
_USUAL_LEVEL = 0.65
_JAW_GAIN, _LIP_GAIN = 0.9, 0.12
"""How much jaw and lips grow from the faintest voice to the loudest, as a share of their usual opening: loud speech
amplifies the movements of vowels, the jaw's above all (R. Schulman, JASA 85, 1989). The amounts are chosen by eye."""
_EFFORT_MOVES = np.array([0.35, 1.0, 1.0])
_TONGUE, _CLOSE, _JAW_OPEN = CHANNEL["tongueOut"], CHANNEL["mouthClose"], CHANNEL["jawOpen"]
_PARTING_LIPS = [CHANNEL[name] for name in ("mouthLowerDown", "mouthUpperUp", "mouthFunnel", "tongueOut")]
_SPREADING = [CHANNEL[name] for name in ("mouthStretch", "mouthSmile")]


def _is_long(phone: Phone) -> bool:
    return phone.symbol == SILENCE and phone.end_s - phone.start_s > _SHUTS_FROM_S


def _pulls(pieces: Sequence[Phone]) -> tuple[Array, Array]:
    """Targets (N, 15) and strengths (N, 3) of phones where they stand."""
    targets, strengths = np.empty((len(pieces), MOUTH_COUNT)), np.empty((len(pieces), 3))
    for index, piece in enumerate(pieces):
        symbol, length = piece.symbol, piece.end_s - piece.start_s
        retroflex = symbol == "ɨ" and index > 0 and pieces[index - 1].symbol in RETROFLEX
        targets[index] = TARGETS[AFTER_RETROFLEX if retroflex else symbol]
        if symbol == SILENCE:
            strengths[index] = 0.0 if _is_long(piece) else 0.2  # the gate shuts the mouth in a long one
        else:
            strengths[index] = dominance_of(symbol)
            if symbol in VOWELS or symbol in GLIDES:
                strengths[index] *= 1.0 - np.exp(-length / _VOWEL_SETTLES_S)
    return targets, strengths


def _reaches(pieces: Sequence[Phone], starts: Array, ends: Array, inner: Array) -> tuple[Array, Array]:
    """How far (N, 3) each pull reaches before and after its phone.

    The lips' own shapes do not reach through the middle of a phone that has a shape of its own for them (a full
    vowel, a glide, a rounded fricative), nor into a long silence's.
    """
    stops = np.array([_is_long(p) or (p.symbol != SILENCE and dominance_of(p.symbol)[1] >= _SHAPED) for p in pieces])
    behind = np.maximum.accumulate(np.where(stops, ends - inner, -np.inf))
    beyond = np.minimum.accumulate(np.where(stops, starts + inner, np.inf)[::-1])[::-1]
    behind, beyond = np.r_[-np.inf, behind[:-1]], np.r_[beyond[1:], np.inf]
    ahead = np.repeat(AHEAD_S[None], len(pieces), 0) + inner[:, None]
    after = np.repeat(AFTER_S[None], len(pieces), 0) + inner[:, None]
    ahead[:, 1:] = np.clip((starts + inner - behind)[:, None], _LEAST_REACH_S, ahead[:, 1:])
    after[:, 1:] = np.clip((beyond - ends + inner)[:, None], _LEAST_REACH_S, after[:, 1:])
    return ahead, after


def _blended(pieces: Sequence[Phone], times: Array) -> Array:
    """The weighted mean of the targets around each time: (G, 15)."""
    targets, strengths = _pulls(pieces)
    starts = np.array([piece.start_s for piece in pieces])
    ends = np.array([piece.end_s for piece in pieces])
    inner = np.minimum(_INNER_SHARE * (ends - starts), _INNER_AT_MOST_S)
    here = np.clip(np.searchsorted(ends, times, "right"), 0, len(pieces) - 1)
    for index, piece in enumerate(pieces):  # the shape at the border of a long silence stays until the gate has shut
        if _is_long(piece):
            if index:
                ends[index - 1] += _REST_S
            if index + 1 < len(pieces):
                starts[index + 1] -= _WAKE_S
    ahead, after = _reaches(pieces, starts, ends, inner)
    total = np.full((len(times), 3), 1e-9)
    curves = 1e-9 * targets[here]
    for offset in range(-_NEIGHBOURS, _NEIGHBOURS + 1):
        which = here + offset
        real = (which >= 0) & (which < len(pieces))
        which = np.clip(which, 0, len(pieces) - 1)
        early = (starts + inner)[which] - times
        late = times - (ends - inner)[which]
        side = np.where((early > late)[:, None], ahead[which], after[which])
        away = np.clip(np.maximum(early, late)[:, None] / side, 0.0, 1.0)
        pull = strengths[which] * np.square(1.0 - away * away) * real[:, None]
        total += pull
        curves += pull[:, GROUP_OF] * targets[which]
    return np.asarray(curves / total[:, GROUP_OF])


def _smooth_step(share: Array) -> Array:
    share = np.clip(share, 0.0, 1.0)
    return np.asarray(share * share * (3.0 - 2.0 * share))


def _gate(phones: Sequence[Phone], times: Array, duration_s: float) -> Array:
    """(G,) 1 in speech, 0 at rest: the mouth eases shut in a long silence and opens just before the next sound."""
    gate = np.ones(len(times))
    for phone in phones:
        if not _is_long(phone):
            continue
        length = phone.end_s - phone.start_s
        depth = np.clip((length - _SHUTS_FROM_S) / (_SHUTS_WHOLLY_S - _SHUTS_FROM_S), 0.0, 1.0)
        first, last = phone.start_s <= 1e-3, phone.end_s >= duration_s - 1e-3
        room = _REST_S if last else min(_REST_S, length - _WAKE_S)
        rows = slice(*np.searchsorted(times, (phone.start_s - 0.1, phone.end_s + _WAKES_IN_S)))
        near = times[rows]
        fall = 0.0 * near if first else _smooth_step((phone.start_s + room - near) / max(room, 0.1))
        rise = 0.0 * near if last else _smooth_step((near - phone.end_s + _WAKE_S) / _WAKES_IN_S)
        gate[rows] = np.minimum(gate[rows], 1.0 - depth * (1.0 - np.maximum(fall, rise)))
    return gate


def mouth_curves(
    phones: Sequence[Phone],
    duration_s: float,
    loudness: NDArray[np.float32] | None = None,
    rate_hz: int = FRAME_RATE_HZ,
    effort: float = 1.0,
) -> NDArray[np.float32]:
    """The mouth channels of an utterance.

    Args:
        phones: gapless, from 0 to `duration_s`.
        duration_s: length.
        loudness: float32 (M,) at 100 Hz, 0..1 relative to the speaker's usual, above in shouts; louder speech opens the
            jaw wider.
        rate_hz: frames a second; frame k shows the middle of its time, `(k + 0.5) / rate_hz`.
        effort: how carefully the lips shape their sounds: 1 as usual, 0.6 mumbled, 1.4 over-articulated (the second
            axis of JALI; B. Lindblom's hypo- and hyper-articulation, 1990). Closures do not depend on it.

    Returns:
        float32 (floor(duration_s * rate_hz), 15), 0..1.
    """
    times = np.arange(int(np.ceil(duration_s * GRID_HZ)) + 1) / GRID_HZ
    curves = _blended(split_diphthongs(phones), times)
    gain = np.array(1.0 + _EFFORT_MOVES * (effort - 1.0))[GROUP_OF]
    curves *= gain
    if loudness is not None and len(loudness):
        level = np.interp(times, (np.arange(len(loudness)) + 0.5) / 100.0, gaussian_filter1d(loudness, 6.0))
        louder = level - _USUAL_LEVEL
        curves[:, _JAW_OPEN] *= 1.0 + _JAW_GAIN * louder
        curves[:, [CHANNEL["mouthLowerDown"], CHANNEL["mouthUpperUp"]]] *= 1.0 + _LIP_GAIN * louder[:, None]
    for group, smooth_s in enumerate(_SMOOTH_S):
        rows = np.flatnonzero(group == GROUP_OF)
        curves[:, rows] = gaussian_filter1d(curves[:, rows], smooth_s * GRID_HZ, axis=0, mode="nearest")
    gate = _gate(phones, times, duration_s)
    curves *= gate[:, None]
    gap = np.maximum(curves @ LIP_PARTING, 0.0)
    share, pressure, tuck = opening_let_through(phones, gap, GRID_HZ, _SHUTS_FROM_S)
    curves[:, _PARTING_LIPS] *= share[:, None]
    curves[:, _SPREADING] *= 0.6 + 0.4 * share[:, None]
    curves[:, _CLOSE] += (1.0 - share) * curves[:, _JAW_OPEN]
    squeeze = pressure * np.square(np.clip(1.0 - 1.5 * share, 0.0, 1.0))
    squeeze = gate * gaussian_filter1d(squeeze, 0.012 * GRID_HZ, mode="nearest")
    curves[:, CHANNEL["mouthPress"]] += squeeze
    curves[:, CHANNEL["mouthRollUpper"]] += 0.7 * squeeze
    curves[:, CHANNEL["mouthRollLower"]] += np.maximum(0.8 * squeeze, tuck)
    curves[:, CHANNEL["mouthUpperUp"]] = np.maximum(
        curves[:, CHANNEL["mouthUpperUp"]], 0.5 * np.maximum(tuck - 2.0 * pressure, 0.0)
    )
    frames = int(duration_s * rate_hz + 1e-6)
    rows_at = np.minimum((np.arange(frames) + 0.5) * (GRID_HZ / rate_hz), len(times) - 1)
    low = np.minimum(rows_at.astype(np.int64), len(times) - 2)
    part = (rows_at - low)[:, None]
    sampled = curves[low] * (1.0 - part) + curves[low + 1] * part
    return np.asarray(np.clip(sampled, 0.0, 1.0), np.float32)
