"""Mixtures are many, sound like no held-out voice, and speak with the prosody of their language."""

from __future__ import annotations

import random

import pytest

from visavis_training.speech import casting
from visavis_training.speech import voice_variety as variety
from visavis_training.speech.casting import Cast, at_home, mixture
from visavis_training.speech.held_out_texts import HELD_OUT_VOICES
from visavis_training.speech.kokoro import parse_voice

pytestmark = pytest.mark.unit
ACCENTS = ("en-us", "en-gb", "zh", "es", "fr")


@pytest.mark.parametrize("accent", ACCENTS)
def test_a_mixture_speaks_as_at_home(accent: str) -> None:
    source = random.Random(accent)
    for _ in range(400):
        voice = parse_voice(mixture(accent[:2], at_home(accent), source))
        assert {name for name, _ in voice.prosody} <= set(at_home(accent))
        assert all(weight > 0 for _, weight in voice.prosody)


def test_a_timbre_leaves_the_middle_but_not_by_more_than_is_allowed() -> None:
    source = random.Random(1)
    timbres = [parse_voice(mixture("zh", at_home("zh"), source)).timbre for _ in range(2000)]
    pushes = [sum(weight for _, weight in timbre if weight > 0) for timbre in timbres]
    assert min(pushes) == pytest.approx(1.0) and 1.15 < max(pushes) <= variety.PUSH[1] + 0.03
    assert sum(push > 1.05 for push in pushes) > 700
    assert all(sum(weight for _, weight in timbre) == pytest.approx(1.0) for timbre in timbres)
    assert all(timbre[0][1] > max(weight for _, weight in timbre) - 0.04 for timbre in timbres)
    sounding = {name for timbre in timbres for name, _ in timbre}
    assert sounding == {voice for voices in casting.TRAINED.values() for voice in voices}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_voices_of_far_languages_only_colour_a_timbre(language: str) -> None:
    source = random.Random(5)
    near = {voice for key in (*variety.NEAR, language) for voice in casting.VOICES[key]}
    for _ in range(2000):
        timbre = parse_voice(mixture(language, at_home("zh"), source)).timbre
        far = sum(weight for name, weight in timbre if weight > 0 and name not in near)
        assert far <= variety.FAR_MOST * variety.PUSH[1] + 0.03
        assert timbre[0][0] in near or timbre[0][1] < 0.5


def test_held_out_voices_take_no_part() -> None:
    held_out = {voice for voices in HELD_OUT_VOICES.values() for voice in voices}
    source = random.Random(2)
    for accent in ACCENTS:
        cast = Cast(accent, 1800.0, source)
        assert not any(held_out & set(parse_voice(cast.voice()).voices) for _ in range(1000))
    assert held_out <= {voice for voices in casting.VOICES.values() for voice in voices}


def test_so_many_seconds_so_many_voices() -> None:
    cast = Cast("zh", 3600.0, random.Random(3))
    assert len(set(cast.mixtures)) == len(cast.mixtures) == round(60 * variety.MIXED)
    said = [cast.voice() for _ in range(2000)]
    assert set(cast.mixtures) <= set(said)
    assert sum(voice in cast.mixtures for voice in said) / 2000 == pytest.approx(variety.MIXED, abs=0.04)
    assert Cast("zh", 3600.0, random.Random(3)).mixtures == cast.mixtures
