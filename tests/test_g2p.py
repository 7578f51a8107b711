"""Facts of pronunciation that the voices' symbols must show, and that each symbol is known to voices and phones."""

from __future__ import annotations

import random
import shutil
from itertools import islice

import pytest

from visavis_training.speech import g2p, texts
from visavis_training.speech.phones import VISEME_OF, phones_of_tokens, symbols_of_tokens

pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed"),
]

MARKS = set('ˈˌːʰʲ↓→↗↘\u0303 ,.!?;:—…"()“”')


def heard(text: str, accent: str) -> list[str]:
    """The phones within a text, silences around it left out."""
    return symbols_of_tokens(g2p.phones([text], accent)[0])[1:-1]


def test_english_vowels_in_weak_and_strong_syllables() -> None:
    assert heard("cup", "en-us") == ["k", "ʌ", "p"]
    assert heard("sofa", "en-us")[-1] == "ə"
    assert heard("about", "en-us")[0] == "ə"
    assert "ʌ" in heard("butter", "en-gb")


def test_americans_tap_between_vowels_and_britons_do_not() -> None:
    assert heard("pottery", "en-us") == ["p", "ɑ", "ɾ", "ə", "ɹ", "i"]
    assert "t" in heard("pottery", "en-gb")
    assert "T" in g2p.phones(["better"], "en-us")[0]


def test_a_tap_keeps_its_time() -> None:
    tokens = "bˈʌTəɹ"
    found = phones_of_tokens(tokens, [0.1 * place for place in range(len(tokens) + 1)], 0.1 * len(tokens))
    assert [phone.symbol for phone in found] == ["b", "ʌ", "ɾ", "ə", "ɹ"]


def test_britons_drop_r_and_round_lot() -> None:
    assert "ɹ" in heard("car", "en-us")
    assert "ɹ" not in heard("car", "en-gb")
    assert "ɒ" in heard("lot", "en-gb")
    assert heard("go", "en-gb")[-1] == "Q"
    assert heard("go", "en-us")[-1] == "O"


def test_hums_are_hummed_not_spelled() -> None:
    assert heard("Mhm.", "en-us")[:3] == ["m", "h", "m"]
    assert heard("Hmm", "en-us")[-1] == "m"


def test_marks_within_numbers_are_no_pause() -> None:
    tokens = g2p.phones(["It weighs 2,500 pounds, or 3.5 tons."], "en-us")[0]
    assert tokens.count(",") == 1
    assert tokens.count(".") == 1
    assert "pYnt" in tokens.replace("ˈ", "")


def test_many_texts_at_once_are_as_one_by_one() -> None:
    many = list(islice(texts.sentences("en", random.Random(5)), 60))
    assert g2p.phones(many, "en-us") == [g2p.phones([text], "en-us")[0] for text in many]


@pytest.mark.parametrize("accent", g2p.ACCENTS)
def test_every_symbol_is_known(accent: str) -> None:
    if accent == "zh":
        pytest.importorskip("misaki.zh")
    for tokens in g2p.phones(list(islice(texts.sentences(accent[:2], random.Random(3)), 250)), accent):
        assert set(tokens) <= g2p.SYMBOLS, tokens
        for symbol in set(tokens) - MARKS:
            assert symbols_of_tokens(symbol)[1] in VISEME_OF, (symbol, tokens)


def test_every_mandarin_syllable_has_phones() -> None:
    pytest.importorskip("misaki.zh")
    assert heard("女", "zh") == ["n", "y"]
    assert heard("月", "zh") == ["ɥ", "e"]
    assert heard("知", "zh") == ["ꭧ", "ɨ"]
    assert heard("是", "zh") == ["ʂ", "ɨ"]
    assert heard("日", "zh") == ["ɻ", "ɨ"]
    assert heard("四", "zh") == ["s", "ɨ"]
    assert heard("二", "zh") == ["ɚ"]
    assert heard("盘", "zh") == ["p", "a", "n"]
    assert heard("旁", "zh") == ["p", "a", "ŋ"]
    assert heard("我用APP。", "zh")[-2:] == ["æ", "p"]
