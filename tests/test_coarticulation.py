"""Facts of phonetics that the mouth curves of spoken phones must show."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from visavis_models.voice.mouth import CHANNEL, lip_gap
from visavis_training.speech.coarticulation import mouth_curves
from visavis_training.speech.phones import SILENCE, Phone, phones_of_tokens

pytestmark = pytest.mark.unit


def spoken(symbols: str, seconds: float = 0.1, pause: float = 0.4) -> tuple[list[Phone], float]:
    """Phones of equal length between two silences."""
    phones, clock = [Phone(SILENCE, 0.0, pause)], pause
    for symbol in symbols:
        phones.append(Phone(symbol, clock, clock + seconds))
        clock += seconds
    return [*phones, Phone(SILENCE, clock, clock + pause)], clock + pause


def curves(symbols: str, seconds: float = 0.1) -> NDArray[np.float32]:
    phones, end = spoken(symbols, seconds)
    return mouth_curves(phones, end, rate_hz=100)


def at(symbols: str, number: int, channel: str, seconds: float = 0.1) -> float:
    """A channel in the middle of one of the phones."""
    return float(curves(symbols, seconds)[int((0.4 + (number + 0.5) * seconds) * 100), CHANNEL[channel]])


@pytest.mark.parametrize("symbol", list("pbm"))
@pytest.mark.parametrize("seconds", [0.05, 0.08, 0.15])
def test_a_bilabial_between_open_vowels_shuts_the_lips_for_a_whole_frame(symbol: str, seconds: float) -> None:
    phones, end = spoken(f"a{symbol}a", seconds)
    gap = lip_gap(mouth_curves(phones, end, rate_hz=200))
    inside = gap[int(0.4 * 200) : int((end - 0.4) * 200)]
    assert np.sum(inside < 0.005) >= 8  # 40 ms of 5 ms rows
    assert lip_gap(mouth_curves(phones, end)).max() > 0.1


def test_a_bilabial_presses_and_never_bares_the_teeth() -> None:
    middle = curves("aba")[55]
    assert middle[CHANNEL["mouthPress"]] > 0.05
    assert middle[CHANNEL["mouthLowerDown"]] == pytest.approx(0.0, abs=0.01)
    assert middle[CHANNEL["mouthClose"]] == pytest.approx(middle[CHANNEL["jawOpen"]], abs=0.01)


def test_a_labiodental_tucks_the_lower_lip_and_lifts_the_upper() -> None:
    assert at("afa", 1, "mouthRollLower") > 0.3 > at("ata", 1, "mouthRollLower") + 0.2
    assert at("afa", 1, "mouthUpperUp") > 0.1
    assert float(lip_gap(curves("afa"))[55]) < 0.3 * float(lip_gap(curves("afa")).max())


def test_rounding_begins_in_the_consonant_before_a_rounded_vowel() -> None:
    assert at("tu", 0, "mouthPucker") > at("ti", 0, "mouthPucker") + 0.1


def test_open_vowels_drop_the_jaw_more_than_close_ones() -> None:
    assert at("tat", 1, "jawOpen") > 2 * at("tit", 1, "jawOpen")
    assert at("tit", 1, "mouthSmile") > 0.15 > at("tut", 1, "mouthSmile")


def test_sibilants_keep_the_teeth_close_and_hushers_are_rounder() -> None:
    assert at("asa", 1, "jawOpen") < 0.6 * at("aka", 1, "jawOpen")
    assert at("aʃa", 1, "mouthFunnel") > at("asa", 1, "mouthFunnel") + 0.15


def test_fast_speech_undershoots_its_vowels() -> None:
    assert curves("tatat", 0.05)[:, 0].max() < curves("tatat", 0.15)[:, 0].max()


def test_the_mouth_is_shut_in_long_silence_and_does_not_flap() -> None:
    shape = curves("mamaʃufoba")
    assert np.all(shape[:25] == 0.0) and np.all(shape[-15:] == 0.0)
    assert np.abs(np.diff(lip_gap(shape))).max() < 0.18  # a row is 10 ms: lips part over three rows or more
    assert shape.min() >= 0.0 and shape.max() <= 1.0


def test_louder_speech_opens_the_jaw_wider() -> None:
    phones, end = spoken("tata")
    count = int(end * 100)
    quiet, loud = (mouth_curves(phones, end, np.full(count, level, np.float32)) for level in (0.0, 1.0))
    assert loud[:, 0].max() > 1.2 * quiet[:, 0].max()


def test_marks_of_stress_tone_and_length_belong_to_their_sounds() -> None:
    tokens = "ˈma→ pʰu↘."
    edges = np.cumsum([0.1, 0.05, 0.05, 0.1, 0.05, 0.05, 0.05, 0.05, 0.1, 0.05, 0.3])
    phones = phones_of_tokens(tokens, list(edges), 1.2)
    assert [phone.symbol for phone in phones] == [SILENCE, "m", "a", "p", "u", SILENCE]
    assert all(a.end_s == pytest.approx(b.start_s) for a, b in zip(phones, phones[1:], strict=False))
