"""Puts the borders of known phones where a recogniser's scores change: the best path (Viterbi), compiled.

The order of the phones is given; only silences may vanish. The path is one of whole frames; between two of them a
border lies where the scores of the sounds on either side cross. Knows nothing of networks or of how the scores came
about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from visavis_training.speech.phones import PHONES, SILENCE, Phone, gapless

FRAME_S = 0.01
HEARD_S = 0.0125
"""A frame's window is centred this long before its end."""
INDEX = {phone: i for i, phone in enumerate(PHONES)}
_FARTHEST_S = 0.16
_QUIET_DB = 40.0
_PAUSE_S = 0.15
"""Stops are silent for less."""
_STOPS = frozenset("p b t d k ɡ q c ɟ ʈ ɖ ʧ ʤ ʦ ʣ ʨ ʥ ꭧ".split())
_CLOSURE_S = 0.06
_EDGE_S = 0.03
"""Quiet at either end of a recording is silence if it lasts this long."""
_LEAST_S = 0.02
"""No sound is shorter, if there is time for all."""


def frame_times(frames: int) -> NDArray[np.float64]:
    """The middle of each frame's window in seconds: float64 (frames,)."""
    return np.asarray((np.arange(frames) + 1) * FRAME_S - HEARD_S, np.float64)


def frame_labels(phones: Sequence[Phone], frames: int) -> NDArray[np.int64]:
    """Index in `PHONES` of what sounds at the middle of each frame's window: int64 (frames,).

    Raises:
        KeyError: a symbol is not one of `PHONES`.
    """
    starts = np.array([phone.start_s for phone in phones])
    which = np.clip(np.searchsorted(starts, frame_times(frames), "right") - 1, 0, len(phones) - 1)
    return np.array([INDEX[phone.symbol] for phone in phones], np.int64)[which]


@njit(nogil=True)
def _best_path(
    scores: NDArray[np.float32],
    columns: NDArray[np.int64],
    starts_s: NDArray[np.float64],
    ends_s: NDArray[np.float64],
    least: NDArray[np.int64],
    farthest_s: float,
) -> NDArray[np.int64]:
    """The phone of each frame; `least` frames of each, 0 where it may be left out."""
    frames, count = scores.shape[0], len(columns)
    states = 0
    for n in range(count):
        states += max(1, least[n])
    phone_of = np.empty(states, np.int64)
    may_stay = np.zeros(states, np.bool_)
    may_skip = np.zeros(states, np.bool_)
    state = 0
    for n in range(count):
        for _ in range(max(1, least[n])):
            phone_of[state] = n
            state += 1
        may_stay[state - 1] = True
        may_skip[state - 1] = least[n] == 0
    best = np.full(states, -1e18)
    following = np.empty(states)
    came = np.zeros((frames, states), np.int8)
    for t in range(frames):
        now = (t + 1) * 0.01 - 0.0125
        for s in range(states):
            top, way = -1e18, 0
            if t == 0:
                top = 0.0 if s == 0 or (s == 1 and may_skip[0]) else -1e18
            else:
                if may_stay[s]:
                    top = best[s]
                if s > 0 and best[s - 1] > top:
                    top, way = best[s - 1], 1
                if s > 1 and may_skip[s - 1] and best[s - 2] > top:
                    top, way = best[s - 2], 2
            n = phone_of[s]
            outside = max(starts_s[n] - now, now - ends_s[n])
            value = scores[t, columns[n]]
            if outside > farthest_s:
                value -= 1e3
            elif outside > 0:
                value -= 1.5 * outside / farthest_s
            following[s] = top + value
            came[t, s] = way
        best[:] = following
    state = states - 1
    if states > 1 and may_skip[state] and best[states - 2] > best[states - 1]:
        state = states - 2
    path = np.empty(frames, np.int64)
    for t in range(frames - 1, -1, -1):
        path[t] = phone_of[state]
        state -= came[t, state]
    return path


def fit(
    scores: NDArray[np.floating],
    phones: Sequence[Phone],
    farthest_s: float = _FARTHEST_S,
    between_frames: bool = True,
) -> tuple[list[Phone], float]:
    """The same phones, their borders moved to where the scores change, and how well the path fits.

    Args:
        scores: (T, phones) log-probabilities of each 10 ms.
        phones: gapless; none is lost but silences, each keeps 20 ms.
        farthest_s: no border moves farther, and far ones are pulled back; infinite for times that say nothing.
        between_frames: put borders where scores cross, not halfway between the two frames. Two aligners of different
            seeds then agree within 10 ms on 78 % of borders, without on 71 %; scores every 5 ms gain no more.

    Returns:
        The phones, and the mean score of the frames that are not silence.
    """
    frames = len(scores)
    sequence = list(phones)
    if sequence[0].symbol != SILENCE:
        sequence.insert(0, Phone(SILENCE, 0.0, 0.0))
    if sequence[-1].symbol != SILENCE:
        sequence.append(Phone(SILENCE, sequence[-1].end_s, sequence[-1].end_s))
    silent = np.array([phone.symbol == SILENCE for phone in sequence])
    columns = np.array([INDEX[phone.symbol] for phone in sequence], np.int64)
    starts, ends = (np.array([getattr(phone, key) for phone in sequence]) for key in ("start_s", "end_s"))
    for least_frames in (round(_LEAST_S / FRAME_S), 1):
        least = np.where(silent, 0, least_frames).astype(np.int64)
        if np.maximum(least, 1).sum() <= frames:
            break
    else:
        return list(phones), -np.inf
    wide = np.ascontiguousarray(scores, np.float32)
    path = _best_path(wide, columns, starts, ends, least, farthest_s)
    spoken = ~silent[path]
    score = float(wide[np.arange(frames), columns[path]][spoken].mean()) if spoken.any() else -np.inf
    first = np.concatenate([[0], np.flatnonzero(np.diff(path)) + 1])  # of each phone that is left
    order = path[first]
    grid = first - 0.5
    borders = _crossings(wide, columns[order], first) if between_frames else grid
    borders = _long_enough(borders, grid, np.where(silent[order], 0, least_frames), frames - 0.5)
    times = np.maximum((borders + 1) * FRAME_S - HEARD_S, 0.0)
    times[0] = 0.0
    end_s = frames * FRAME_S
    until = np.append(times[1:], end_s)
    moved = [Phone(sequence[n].symbol, float(times[k]), float(until[k])) for k, n in enumerate(order)]
    return gapless(moved, end_s), score


def _crossings(
    scores: NDArray[np.float32], columns: NDArray[np.int64], first: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Where each phone begins, in frames: between its first frame and the one before, where both sounds score alike.

    Halfway where the scores do not cross there, as where a phone is held to its least length.
    """
    begins = first.astype(np.float64) - 0.5
    at, old, new = first[1:], columns[:-1], columns[1:]
    before = (scores[at - 1, old] - scores[at - 1, new]).astype(np.float64)
    after = (scores[at, new] - scores[at, old]).astype(np.float64)
    crosses = (before >= 0) & (after >= 0) & (before + after > 1e-6)
    share = before / np.where(crosses, before + after, 1.0)
    begins[1:] = np.where(crosses, at - 1 + share, begins[1:])
    return begins


def _long_enough(
    borders: NDArray[np.float64], grid: NDArray[np.float64], least: NDArray[np.int64], end: float
) -> NDArray[np.float64]:
    """The borders, those beside phones shorter than their least put back onto the grid, where all are long enough."""
    chosen = borders.copy()
    for _ in range(len(borders)):
        length = np.diff(np.append(chosen, end))
        short = (length < least - 1e-9) | (length < 0)
        touched = short | np.append(False, short[:-1])  # its beginning and its end
        touched &= chosen != grid
        if not touched.any():
            break
        chosen[touched] = grid[touched]
    return chosen


def silenced(phones: Sequence[Phone], samples: NDArray[np.int16], but: frozenset[str] = frozenset()) -> list[Phone]:
    """The same phones, with silence wherever nothing sounds for long.

    A voice gives its last phone the time of the quiet that follows; lips must not hang there. A stop keeps up to 60 ms
    of quiet beside the sound: it begins an utterance with nothing else. Sounds in `but` are left as they are.
    """
    end_s = len(samples) / 16_000
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160).astype(np.float64)
    level_db = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-2)
    if not len(level_db):
        return list(phones)
    quiet = np.concatenate([[False], level_db < np.percentile(level_db, 95) - _QUIET_DB, [False]])
    changes = np.flatnonzero(np.diff(quiet.astype(np.int8)))
    kept = list(phones)
    for start, end in zip(changes[::2] * FRAME_S, changes[1::2] * FRAME_S, strict=True):
        if end - start < (_PAUSE_S if 0 < start and end < len(frames) * FRAME_S - 1e-6 else _EDGE_S):
            continue
        cut: list[Phone] = []
        for p in kept:
            if p.symbol in but:
                cut.append(p)
                continue
            quiet_from, quiet_to = start, end
            if p.symbol in _STOPS and p.end_s > start and p.start_s < end:  # its closure is part of it
                if p.end_s > end - _CLOSURE_S:
                    quiet_to = max(start, min(end, p.end_s) - _CLOSURE_S)
                elif p.start_s < start + _CLOSURE_S:
                    quiet_from = min(end, max(start, p.start_s) + _CLOSURE_S)
            cut += [
                Phone(p.symbol, first, last)
                for first, last in ((p.start_s, min(p.end_s, quiet_from)), (max(p.start_s, quiet_to), p.end_s))
                if last - first > 1e-3
            ]
        kept = cut
    return _closed(gapless(kept, end_s))


def _closed(phones: Sequence[Phone]) -> list[Phone]:
    """The same phones, a short silence beside a stop given to the stop: it is part of the closure."""
    out = list(phones)
    for i in range(1, len(out) - 1):
        before, pause, after = out[i - 1 : i + 2]
        if pause.symbol != SILENCE or pause.end_s - pause.start_s > _CLOSURE_S:
            continue
        if before.symbol in _STOPS:
            out[i - 1], out[i] = replace(before, end_s=pause.end_s), replace(pause, start_s=pause.end_s)
        elif after.symbol in _STOPS:
            out[i], out[i + 1] = replace(pause, end_s=pause.start_s), replace(after, start_s=pause.start_s)
    return [phone for phone in out if phone.end_s - phone.start_s > 1e-4]
