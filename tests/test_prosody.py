"""Stresses, phrases and pauses of a voice that is loudness and pitch; and the other side's voice."""

from __future__ import annotations

import numpy as np
import pytest

from heard_voices import sentence
from visavis_models.behaviour.other_side import OtherSide, OtherVoice
from visavis_models.behaviour.prosody import Prosody, Rhythm
from visavis_models.chunk import CHUNK_SAMPLES

pytestmark = pytest.mark.unit


def heard(energies: list[float], pitches_hz: list[float] | None = None) -> list[Rhythm]:
    prosody = Prosody()
    return [prosody.step(e, p) for e, p in zip(energies, pitches_hz or [0.0] * len(energies), strict=True)]


def others(voice: np.ndarray[tuple[int], np.dtype[np.float32]], silence: int = 50) -> list[OtherVoice]:
    side = OtherSide()
    parts = voice[: len(voice) // CHUNK_SAMPLES * CHUNK_SAMPLES].reshape(-1, CHUNK_SAMPLES)
    return [side.push(part) for part in parts] + [side.push(None) for _ in range(silence)]


def test_a_phrase_begins_once_and_ends_200_ms_after_it_was_heard_last() -> None:
    rhythm = heard([0.0] * 10 + [0.6] * 30 + [0.0] * 20)
    assert [k for k, r in enumerate(rhythm) if r.phrase_began] == [10]
    assert [k for k, r in enumerate(rhythm) if r.phrase_ended] == [44]
    assert [k for k, r in enumerate(rhythm) if r.sentence_ended] == [52]


def test_a_closure_of_the_lips_is_no_pause() -> None:
    rhythm = heard([0.6] * 20 + [0.0] * 4 + [0.6] * 20)
    assert sum(r.phrase_began for r in rhythm) == 1
    assert not any(r.phrase_ended for r in rhythm)


def test_stresses_are_loud_syllables_and_no_more_than_four_a_second() -> None:
    syllables = [e for k in range(40) for e in ([0.05, 0.35, 0.4, 0.1, 0.05] if k % 4 else [0.1, 0.9, 0.95, 0.4, 0.1])]
    rhythm = heard(syllables)
    strengths = np.array([r.stress for r in rhythm])
    at = np.flatnonzero(strengths)
    assert len(at) <= 4 * len(syllables) / 25
    loud = np.array([k % 20 in (1, 2) for k in range(len(syllables))])
    assert strengths[loud].sum() > 2 * strengths[~loud].sum()
    assert np.count_nonzero(strengths[loud] > 0.9) == 10


def test_a_syllable_whose_pitch_rises_is_stressed_more() -> None:
    energies = [0.1, 0.6, 0.6, 0.5, 0.1] * 12
    flat = heard(energies, [120.0] * 60)
    raised = heard(energies, [120.0] * 40 + [120.0, 160.0, 170.0, 160.0, 120.0] * 4)
    assert max(r.stress for r in raised[40:]) > max(r.stress for r in flat[40:]) + 0.1


def test_silence_and_steady_hum_have_no_rhythm() -> None:
    assert not any(r.stress or r.phrase_ended for r in heard([0.0] * 200))
    assert not any(r.stress for r in heard([0.5] * 200)[10:])


def test_the_other_side_is_heard_through_the_pauses_of_their_sentence() -> None:
    said = others(sentence("en")[0])
    speaking = [k for k, one in enumerate(said) if one.speaking]
    assert speaking[0] <= 14, "attended to within about half a second"
    assert speaking == list(range(speaking[0], speaking[-1] + 1)), "pauses of a sentence end no turn"
    assert not said[-1].speaking
    ends = [k for k, one in enumerate(said) if one.rhythm.phrase_ended]
    # Their phrases end at 1.76, 3.75 and 6.63 s by the labels.
    assert len(ends) in (2, 3) and abs(ends[-2] / 25 - 3.75) < 0.45 and abs(ends[-1] / 25 - 6.63) < 0.45


def test_noise_clicks_and_no_voice_at_all_turn_no_head() -> None:
    rng = np.random.default_rng(1)
    hiss = rng.normal(0.0, 0.003, 100 * CHUNK_SAMPLES).astype(np.float32)
    clicks = np.zeros(100 * CHUNK_SAMPLES, np.float32)
    clicks[::16_000] = 0.8
    broken = np.full(20 * CHUNK_SAMPLES, np.nan, np.float32)
    for sound in (hiss, clicks, broken):
        assert not any(one.speaking for one in others(sound))


def test_a_quiet_microphone_is_heard_like_a_loud_one() -> None:
    voice = sentence("en")[0]
    ends = [[k for k, one in enumerate(others(voice * gain)) if one.rhythm.phrase_ended] for gain in (1.0, 0.25)]
    assert np.abs(np.array(ends[0]) - ends[1]).max() <= 2
