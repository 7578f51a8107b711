"""Facts of phonetics that the mouth curves of single words must show, each with who found it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from visavis_models.voice.mouth import CHANNEL, lip_gap
from visavis_training.speech.coarticulation import LONG_SILENCE_S, mouth_curves
from visavis_training.speech.phones import PHONES, SILENCE, VISEME_OF, Phone, phones_of_tokens

pytestmark = pytest.mark.unit

PAUSE_S = 0.4
Curves = NDArray[np.float32]


def spoken(symbols: str, seconds: float = 0.1) -> tuple[list[Phone], float]:
    """Phones of equal length between two silences."""
    phones, clock = [Phone(SILENCE, 0.0, PAUSE_S)], PAUSE_S
    for symbol in symbols:
        phones.append(Phone(symbol, clock, clock + seconds))
        clock += seconds
    return [*phones, Phone(SILENCE, clock, clock + PAUSE_S)], clock + PAUSE_S


def curves(symbols: str, seconds: float = 0.1, rate_hz: int = 100) -> Curves:
    phones, end = spoken(symbols, seconds)
    return mouth_curves(phones, end, rate_hz=rate_hz)


def at(symbols: str, number: int, channel: str, seconds: float = 0.1) -> float:
    """A channel in the middle of one of the phones."""
    return float(curves(symbols, seconds)[int((PAUSE_S + (number + 0.5) * seconds) * 100), CHANNEL[channel]])


def rounding(shape: Curves) -> Curves:
    return np.asarray(shape[..., CHANNEL["mouthPucker"]] + shape[..., CHANNEL["mouthFunnel"]], np.float32)


def jaw(symbols: str, number: int, seconds: float = 0.12) -> float:
    return at(symbols, number, "jawOpen", seconds)


def test_every_phone_has_a_target_and_stays_in_range() -> None:
    for symbol in PHONES:
        if symbol != SILENCE:
            shape = curves(f"a{symbol}i")
            assert np.isfinite(shape).all() and shape.min() >= 0.0 and shape.max() <= 1.0
            assert np.abs(shape - curves("ai", 0.15)[: len(shape)]).max() > 0.02


@pytest.mark.parametrize("symbol", sorted(set(PHONES) - {SILENCE}))
def test_the_first_phone_after_silence_is_not_swallowed(symbol: str) -> None:
    inside = slice(int(100 * PAUSE_S), int(100 * PAUSE_S) + 10)
    first, within = curves(f"{symbol}ə")[inside], curves(f"ə{symbol}ə")[inside.start + 10 : inside.stop + 10]
    for channel in ("mouthPucker", "mouthFunnel", "mouthSmile", "mouthRollLower", "mouthPress", "tongueOut"):
        k = CHANNEL[channel]
        assert first[:, k].max() > 0.8 * within[:, k].max() - 0.01


# Jaw and vowel height: P. Ladefoged and I. Maddieson, The Sounds of the World's Languages, 1996, chapter 9.
@pytest.mark.parametrize("order", ["ɑæɛɪi", "ɔʊu", "aɤi", "aəɨ", "aɛei"])
def test_vowels_open_the_jaw_in_the_order_of_their_height(order: str) -> None:
    opened = [jaw(f"h{vowel}h", 1) for vowel in order]
    assert all(a > b for a, b in zip(opened, opened[1:], strict=False) if a != b)
    assert opened[0] > 2 * opened[-1]


# P. A. Keating, B. Lindblom, J. Lubker and J. Kreiman, J. Phonetics 22, 1994: vowels move the jaw of alveolars least
# and that of h most. S. Lee, M. E. Beckman and M. Jackson, JASA 95, 1994: it is highest in s and ʃ, lower in velars.
def test_the_jaw_is_highest_in_sibilants_and_freest_in_h_and_k() -> None:
    height = {symbol: jaw(f"a{symbol}a", 1) for symbol in "szʃtdnlkhθɹ"}
    assert max(height["s"], height["z"]) < min(value for symbol, value in height.items() if symbol not in "szʃ")
    assert height["ʃ"] < height["t"] and jaw("apa", 1) < height["k"]
    assert height["h"] > height["k"] > height["t"] and height["l"] > height["n"] > height["s"]
    range_of = {symbol: jaw(f"a{symbol}a", 1) - jaw(f"i{symbol}i", 1) for symbol in "stkh"}
    assert range_of["s"] < range_of["t"] < range_of["k"] < range_of["h"]
    assert range_of["s"] < 0.08


# B. Lindblom, JASA 35, 1963: the shorter a vowel, the further it falls short of its target, exponentially.
def test_short_vowels_undershoot_and_long_ones_settle() -> None:
    opened = [float(curves("tat", length)[:, CHANNEL["jawOpen"]].max()) for length in (0.05, 0.1, 0.15, 0.2)]
    assert opened == sorted(opened)
    assert opened[0] < 0.75 * opened[3]
    assert opened[1] - opened[0] > opened[3] - opened[2]


# P. A. Keating, Phonology 5, 1988: sounds that ask nothing of an articulator take what their neighbours ask.
@pytest.mark.parametrize("symbol", ["k", "h", "ɡ", "x", "ŋ"])
def test_k_and_h_take_the_lips_of_their_vowels(symbol: str) -> None:
    assert at(f"u{symbol}u", 1, "mouthPucker") > 0.85 * at("uuu", 1, "mouthPucker")
    assert at(f"i{symbol}i", 1, "mouthSmile") > 0.85 * at("iii", 1, "mouthSmile")


# Rounding of English ʃ is its own and does not wait for a rounded vowel (Ladefoged and Maddieson 1996, chapter 5).
@pytest.mark.parametrize("seconds", [0.06, 0.1])
def test_sh_keeps_its_rounding_between_spread_vowels(seconds: float) -> None:
    assert at("iʃi", 1, "mouthFunnel", seconds) > 0.7 * at("aʃa", 1, "mouthFunnel", 0.15)
    assert at("iʃi", 1, "mouthFunnel", seconds) > at("isi", 1, "mouthFunnel", seconds) + 0.25


# F. Bell-Berti and K. S. Harris, JASA 65, 1979: rounding begins a fixed time before the rounded vowel.
def test_rounding_is_anticipated_by_a_fixed_time_however_many_consonants_precede() -> None:
    begun = []
    for consonants in ("t", "st", "kst", "tkst"):
        word = f"a{consonants}u"
        shape = rounding(curves(word, 0.08))
        vowel_s = PAUSE_S + 0.08 * (len(word) - 1)
        begun.append(vowel_s - (np.flatnonzero(shape > 0.05)[0] + 0.5) / 100)
    assert (
        0.06 < min(begun) and max(begun) <= 0.15
    )  # a live listener hears 0.1 s ahead: what is earlier cannot be known
    assert max(begun[1:]) - min(begun[1:]) < 0.03


# R. Daniloff and K. Moll, J. Speech Hear. Res. 11, 1968 (ahead); Bell-Berti and Harris 1979 (carried over).
def test_rounding_spreads_to_consonants_on_both_sides() -> None:
    assert at("tu", 0, "mouthPucker") > at("ti", 0, "mouthPucker") + 0.1
    assert at("utə", 1, "mouthPucker") > at("itə", 1, "mouthPucker") + 0.1


# H. J. Sussman and J. R. Westbury, J. Speech Hear. Res. 24, 1981: spreading and rounding are antagonists. (The muscle
# starts early against a spread vowel; that its hold stays spread to the eye is our choice.)
def test_rounding_does_not_reach_into_a_spread_vowels_hold_or_over_a_long_silence() -> None:
    assert at("itu", 0, "mouthPucker") < 0.02 and at("uti", 2, "mouthPucker") < 0.02
    phones = [Phone("u", 0.0, 0.2), Phone(SILENCE, 0.2, 0.6), Phone("i", 0.6, 0.8), Phone("k", 0.8, 0.9)]
    shape = rounding(mouth_curves(phones, 0.9, rate_hz=100))
    assert shape[:20].max() > 0.5 and shape[42:].max() < 0.02


# Ladefoged and Maddieson 1996, chapter 9: i spreads, u protrudes; glides are narrower than their vowels.
def test_i_spreads_and_u_and_w_purse_the_lips() -> None:
    assert at("tit", 1, "mouthSmile") > 0.2 > 0.05 > at("tut", 1, "mouthSmile")
    for symbol in "uwyɥʊ":
        assert at(f"a{symbol}a", 1, "mouthPucker") > 0.3
    gap = lip_gap(curves("awa"))
    assert 0.02 < gap[int(100 * PAUSE_S) + 15] < 0.35 * gap.max()


# Dental fricatives show the tongue between the teeth, alveolars hardly (Ladefoged and Maddieson 1996, chapter 5).
def test_the_tongue_shows_most_in_dentals_a_little_in_l_and_a_trace_in_n_d_t() -> None:
    tongue = {symbol: at(f"ɛ{symbol}ɛ", 1, "tongueOut") for symbol in "θðlndtka"}
    assert min(tongue["θ"], tongue["ð"]) > 0.15 and tongue["θ"] > 3 * tongue["l"] > 0.05
    assert tongue["l"] > 2 * max(tongue[s] for s in "ndt") and min(tongue[s] for s in "ndt") > 0.002
    assert tongue["k"] < 0.005 and tongue["a"] < 0.005


# W.-S. Lee and E. Zee, J. Int. Phonetic Assoc. 33, 2003: apical vowels, ü, the three series of sibilants.
def test_mandarin_initials_and_finals() -> None:
    for apical in ("sɨ", "ʂɨ"):  # si, shi
        assert jaw(apical, 1) < 0.5 * jaw("sə", 1)
    assert rounding(curves("ʂɨ"))[55] > rounding(curves("sɨ"))[55] + 0.1  # shi keeps a slight protrusion
    protruded = {s: float(rounding(curves(f"a{s}a"))[int(100 * PAUSE_S) + 15]) for s in "ʂꭧɻɕʨsʃ"}
    assert min(protruded[s] for s in "ʂꭧɻ") > 0.15 and max(protruded[s] for s in "ɕʨs") < 0.1
    assert protruded["ʂ"] < 0.8 * protruded["ʃ"]  # less than the English one
    assert at("aɕa", 1, "mouthSmile") > 0.12 and at("aʨa", 1, "mouthSmile") > 0.12
    assert at("ny", 1, "mouthPucker") > 0.4 > 0.05 > at("ny", 1, "mouthSmile")


@pytest.mark.parametrize(
    ("final", "begins", "ends"), [("ou", "o", "u"), ("wo", "u", "o"), ("ai", "a", "i"), ("au", "a", "u")]
)
def test_mandarin_finals_glide(final: str, begins: str, ends: str) -> None:
    shape = curves(f"k{final}", 0.09)[int(100 * PAUSE_S) + 9 : int(100 * PAUSE_S) + 27]
    first, last = shape[5], shape[13]
    order = np.sign(jaw(f"k{ends}", 1) - jaw(f"k{begins}", 1))
    assert np.sign(last[0] - first[0]) == order
    if final == "au":
        assert last[CHANNEL["mouthPucker"]] > first[CHANNEL["mouthPucker"]] + 0.2


def test_three_part_finals_pass_through_their_middle() -> None:
    iao, wei = curves("tjau", 0.08)[48:72], curves("twei", 0.08)[48:72]
    assert iao[8:16, 0].max() > 1.6 * max(iao[2, 0], iao[-3, 0])
    assert rounding(iao)[4] < 0.1 < 0.4 < rounding(iao)[-4]
    assert rounding(wei)[3] > 0.4 and rounding(wei)[-4] < 0.1 and wei[-4, CHANNEL["mouthSmile"]] > 0.2


# R. Schulman, JASA 85, 1989: loud speech amplifies the movements of lips and jaw for vowels, and bilabials still close.
# That the jaw takes the greater share is the jaw axis of JALI (Edwards et al. 2016).
def test_loudness_moves_the_jaw_more_than_the_lips() -> None:
    phones, end = spoken("tabaʃuta")
    count = int(end * 100)
    quiet, usual, loud = (mouth_curves(phones, end, np.full(count, x, np.float32), 100) for x in (0.0, 0.6, 1.0))
    grown = loud.max(0) / np.maximum(quiet.max(0), 1e-6)
    assert grown[CHANNEL["jawOpen"]] > 1.7
    assert grown[CHANNEL["mouthLowerDown"]] < 1.2 and grown[CHANNEL["mouthPucker"]] == pytest.approx(1.0, abs=0.02)
    shut = slice(int(100 * PAUSE_S) + 21, int(100 * PAUSE_S) + 25)
    for shape in (quiet, usual, loud):
        assert lip_gap(shape)[shut].max() < 0.01


# Edwards et al. 2016 (JALI's lip axis); B. Lindblom, 1990 (hypo- and hyper-articulation).
def test_effort_moves_the_lips_more_than_the_jaw_and_closures_hold() -> None:
    phones, end = spoken("ubitafa")
    lazy, keen = (mouth_curves(phones, end, rate_hz=100, effort=effort) for effort in (0.6, 1.3))
    assert keen[:, CHANNEL["mouthPucker"]].max() > 1.8 * lazy[:, CHANNEL["mouthPucker"]].max()
    assert keen[:, CHANNEL["jawOpen"]].max() < 1.35 * lazy[:, CHANNEL["jawOpen"]].max()
    for shape in (lazy, keen):
        assert lip_gap(shape)[int(100 * PAUSE_S) + 11 : int(100 * PAUSE_S) + 15].max() < 0.01
        assert shape[int(100 * PAUSE_S) + 55, CHANNEL["mouthRollLower"]] > 0.35


def test_pauses_shorter_than_a_stop_keep_the_mouth_open_and_longer_ones_shut_it() -> None:
    for pause, is_shut in ((0.06, False), (0.11, False), (0.2, True), (0.4, True)):
        phones = [Phone("a", 0.0, 0.3), Phone(SILENCE, 0.3, 0.3 + pause), Phone("a", 0.3 + pause, 0.6 + pause)]
        gap = lip_gap(mouth_curves(phones, 0.6 + pause, rate_hz=100))
        least = gap[30 : 31 + int(100 * pause)].min()
        assert (least < 0.05 * gap.max()) if is_shut else (least > 0.5 * gap.max())
    assert 0.11 < LONG_SILENCE_S < 0.2


def test_every_class_of_shapes_is_used_by_some_phone() -> None:
    middle = int(100 * PAUSE_S) + 15
    looks = {
        VISEME_OF[s]: curves(f"ə{s}ə")[middle]
        for s in ("p", "f", "θ", "t", "k", "ʃ", "s", "ɹ", "a", "ɛ", "i", "o", "u")
    }
    names = list(looks)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            assert np.abs(looks[first] - looks[second]).max() > 0.04, (first, second)


def test_marks_of_stress_tone_and_length_belong_to_their_sounds() -> None:
    tokens = "ˈma→ pʰu↘."
    edges = np.cumsum([0.1, 0.05, 0.05, 0.1, 0.05, 0.05, 0.05, 0.05, 0.1, 0.05, 0.3])
    phones = phones_of_tokens(tokens, list(edges), 1.2)
    assert [phone.symbol for phone in phones] == [SILENCE, "m", "a", "p", "u", SILENCE]
    assert all(a.end_s == pytest.approx(b.start_s) for a, b in zip(phones, phones[1:], strict=False))
