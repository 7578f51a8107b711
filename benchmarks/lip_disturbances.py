"""What should not move a mouth, and what should not change it: rest, noise, music, keys; gain, clipping, thin lines.

Noises are drawn anew here from the generators of the factory with seeds that training never used; the telephone and
the overdriven microphone are exact. Knows nothing of what was said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from lip_listening import Heard, listened
from lip_measures import Spoken
from numpy.typing import NDArray
from scipy.signal import resample_poly

from visavis_models.voice.mouth import lip_gap, mouth_of_face
from visavis_training.speech.disturbances import breath, coloured_noise, hum, keyboard, music

Wave = NDArray[np.float32]
MOVING = 0.03
"""A frame moves if any coefficient of the face is above this: a mouth frozen half open moves all the time."""
GRACE_FRAMES = 10
"""0.4 s after the last sound: the last phone fades, the mouth eases shut."""
_SEED = 770_007
_REST_S = 3.0
_AS_MANY = 12


def _speech_level(wave: Wave) -> float:
    loud = wave[np.abs(wave) > 0.01]
    return float(np.sqrt(np.mean(loud**2))) if len(loud) else 0.05


def _moving(heard: Sequence[Heard], first: Sequence[int]) -> float:
    moved = [each.face[begin:].max(axis=1) > MOVING for each, begin in zip(heard, first, strict=True)]
    return float(np.mean(np.concatenate(moved)))


Listen = Callable[[Sequence[Wave]], list[Heard]]


def rests(spoken: Sequence[Spoken], seed: int, listen: Listen = listened) -> dict[str, float]:
    """Share of moving frames by kind of rest.

    `after_speech`: 3 s each of digital silence, noise and music that follow speech, 10 dB below it, from 0.4 s after
    its end. The others: 3 s of that sound alone at that level, from the very first frame, nobody having spoken.
    """
    source = np.random.default_rng([_SEED, seed])
    count = int(_REST_S * 16_000)
    some = [spoken[i] for i in np.unique(np.linspace(0, len(spoken) - 1, min(_AS_MANY, len(spoken))).astype(int))]
    waves: list[Wave] = []
    names: list[str] = []
    first: list[int] = []
    for item in some:
        level = np.float32(_speech_level(item.samples) * 10 ** (-10 / 20))
        made = {
            "silence": np.zeros(count, np.float32),
            "noise": level * coloured_noise(count, source),
            "music": level * music(count, source),
            "keyboard": level * keyboard(count, source),
            "breath": level * breath(count, source),
            "hum": level * hum(count, source),
        }
        for name, wave in made.items():
            waves.append(np.asarray(np.clip(wave, -1, 1), np.float32))
            names.append(f"{name}_alone")
            first.append(0)
            if name in ("silence", "noise", "music"):
                waves.append(np.concatenate([item.samples[: item.frames * 640], waves[-1]]))
                names.append("after_speech")
                first.append(item.frames + GRACE_FRAMES)
    heard = listen(waves)
    return {
        kind: _moving(*zip(*[(h, f) for h, f, n in zip(heard, first, names, strict=True) if n == kind], strict=True))
        for kind in dict.fromkeys(names)
    }


def _peak(wave: Wave, dbfs: float) -> Wave:
    return np.asarray(wave * (10 ** (dbfs / 20) / max(float(np.abs(wave).max()), 1e-6)), np.float32)


def _telephone(wave: Wave) -> Wave:
    narrow = np.clip(resample_poly(wave, 1, 2), -1, 1)
    steps = np.round(127 * np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256)) / 127
    back = np.sign(steps) * np.expm1(np.abs(steps) * np.log(256)) / 255
    return np.asarray(resample_poly(back, 2, 1)[: len(wave)], np.float32)


def _noisy(wave: Wave) -> Wave:
    noise = coloured_noise(len(wave), np.random.default_rng(_SEED + len(wave)))
    return np.asarray(wave + _speech_level(wave) * 10 ** (-20 / 20) * noise, np.float32)


CHANGES: dict[str, Callable[[Wave], Wave]] = {
    "gain_-40_dbfs": lambda wave: _peak(wave, -40),
    "gain_-20_dbfs": lambda wave: _peak(wave, -20),
    "gain_0_dbfs": lambda wave: _peak(wave, 0),
    "dc_0.1": lambda wave: np.asarray(np.clip(wave + 0.1, -1, 1), np.float32),
    "clipped_12_db": lambda wave: np.asarray(np.clip(_peak(wave, 12), -1, 1), np.float32),
    "telephone_8_khz": _telephone,
    "noise_20_db": _noisy,
}
"""What a microphone or a line does to a voice."""


def robustness(spoken: Sequence[Spoken]) -> dict[str, dict[str, float]]:
    """By change: how much the lip gap of a frame differs from the clean one's, at most and at the 95th percentile."""
    some = [spoken[i] for i in np.unique(np.linspace(0, len(spoken) - 1, min(_AS_MANY, len(spoken))).astype(int))]
    waves = [item.samples for item in some]
    changed = [change(wave) for change in CHANGES.values() for wave in waves]
    gaps = [lip_gap(mouth_of_face(each.face)) for each in listened(waves + changed)]
    clean = np.concatenate(gaps[: len(waves)])
    report = {}
    for number, name in enumerate(CHANGES, 1):
        off = np.abs(np.concatenate(gaps[number * len(waves) : (number + 1) * len(waves)]) - clean)
        report[name] = {"max": float(off.max()), "p95": float(np.percentile(off, 95)), "mean": float(off.mean())}
    return report
