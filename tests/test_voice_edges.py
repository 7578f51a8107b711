"""What a live voice does to a listener: it is cut off, begins at once, is too loud, or bent on its way."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import resample_poly

from heard_voices import DELAY, gaps, listened, sentence
from visavis_models.chunk import CHUNK_SAMPLES, PLAYBACK_SAMPLES, Chunk
from visavis_models.voice.listener import MouthListener
from visavis_models.voice.mouth import lip_gap, mouth_of_face

pytestmark = pytest.mark.weights

OPEN = frozenset("ɑ a æ ʌ ɛ e ə ɔ o I W O A".split())


@cache
def plain(language: str) -> NDArray[np.float32]:
    return gaps(listened(sentence(language)[0]))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_barge_in_closes_an_open_mouth_in_120_to_200_ms(language: str) -> None:
    voice = sentence(language)[0]
    gap = plain(language)
    parts = voice[: len(voice) // CHUNK_SAMPLES * CHUNK_SAMPLES].reshape(-1, CHUNK_SAMPLES)
    silent = np.zeros(PLAYBACK_SAMPLES, np.int16)
    cuts = [int(k) for k in np.flatnonzero((gap > 0.2) & (np.arange(len(gap)) < len(parts) - DELAY - 1))][::3]
    assert len(cuts) >= 4
    for cut in cuts:
        listener = MouthListener()
        for i in range(cut + DELAY + 1):
            before = listener.push(Chunk(i, parts[i], silent))
        listener.interrupt()
        assert before is not None
        start = float(lip_gap(mouth_of_face(before.face)))
        closing = []
        for i in range(cut + DELAY + 1, cut + DELAY + 9):
            motion = listener.push(Chunk(i, np.zeros(CHUNK_SAMPLES, np.float32), silent))
            assert motion is not None
            closing.append(float(lip_gap(mouth_of_face(motion.face))))
        shut = next(i for i, value in enumerate(closing, 1) if value < 0.1 * start)
        assert 3 <= shut <= 5, f"{shut * 40} ms"
        assert max(-np.diff([start, *closing])) < 0.6 * start  # eased, not cut


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("silence_s", [0.0, 2.0])
def test_the_first_phones_of_a_segment_are_not_swallowed(language: str, silence_s: float) -> None:
    voice, phones = sentence(language)
    starts = [k for k, p in enumerate(phones[:-1]) if p[0] == "sil" and p[2] - p[1] > 0.15]
    reached = []
    for k in starts:
        vowel = next(p for p in phones[k + 1 :] if p[0] in OPEN and p[2] - p[1] > 0.05)
        segment = voice[int((phones[k][2] - 0.02) * 16_000) :]
        lead = int(silence_s * 25) * CHUNK_SAMPLES
        gap = gaps(listened(np.concatenate([np.zeros(lead, np.float32), segment])))[lead // CHUNK_SAMPLES :]
        whole = plain(language)
        first = [(t - phones[k][2] + 0.02) * 25 for t in vowel[1:]]
        usual = whole[int(vowel[1] * 25) : int(np.ceil(vowel[2] * 25)) + 1].max()
        reached.append(gap[max(0, int(first[0])) : int(np.ceil(first[1])) + 1].max() / usual)
    assert len(reached) >= 2
    assert min(reached) > 0.6, reached


_MICROPHONES = {
    "-40 dBFS": lambda v: v * np.float32(0.01 / np.abs(v).max()),
    "-20 dBFS": lambda v: v * np.float32(0.1 / np.abs(v).max()),
    "0 dBFS": lambda v: v / np.abs(v).max(),
    "DC": lambda v: v * np.float32(0.4 / np.abs(v).max()) + np.float32(0.2),
    "clipped": lambda v: np.clip(v * np.float32(4.0 / np.abs(v).max()), -1, 1),
    "8 kHz": lambda v: resample_poly(resample_poly(v, 1, 2), 2, 1).astype(np.float32)[: len(v)],
}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", sorted(_MICROPHONES))
def test_gain_dc_clipping_and_a_telephone_change_nothing_visible(language: str, kind: str) -> None:
    usual = plain(language)
    heard = gaps(listened(np.asarray(_MICROPHONES[kind](sentence(language)[0]), np.float32)))
    wide = float(np.percentile(usual, 95))
    harsh = kind in ("clipped", "8 kHz")
    assert np.corrcoef(usual, heard)[0, 1] > (0.9 if harsh else 0.97)
    assert np.abs(usual - heard).mean() < (0.12 if harsh else 0.06) * wide
