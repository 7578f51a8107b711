"""The patterns are many and whole, and the same seed gives the same texts."""

from __future__ import annotations

import random
import re
from collections import Counter
from itertools import islice

import pytest

from visavis_training.speech import texts, texts_english, texts_mandarin, texts_other

pytestmark = pytest.mark.unit

WORDS = {"en": texts_english.WORDS, "zh": texts_mandarin.WORDS, **texts_other.WORDS}


def first(language: str, count: int, seed: int = 1) -> list[str]:
    return list(islice(texts.sentences(language, random.Random(seed)), count))


def test_english_and_mandarin_have_at_least_150_patterns() -> None:
    assert min(len(set(texts.templates("en"))), len(set(texts.templates("zh")))) >= 150


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_every_slot_has_words_and_every_word_list_a_slot(language: str) -> None:
    written = [*texts.templates(language), *WORDS[language].values()]
    assert {slot for text in written for slot in re.findall(r"\{(\w+)\}", text)} == set(WORDS[language])
    assert all(word.strip() for text in WORDS[language].values() for word in text.split("|"))


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_texts_are_filled_and_end_like_sentences(language: str) -> None:
    for text in first(language, 150):
        assert not set("{}|") & set(text)
        assert text[-1] in ".?!。？！।”", text


def test_the_seed_decides() -> None:
    assert first("en", 300) == first("en", 300)
    assert first("zh", 300) != first("zh", 300, seed=2)


def test_no_text_comes_too_often() -> None:
    assert max(Counter(first("en", 6000)).values()) <= texts.MOST_REPEATS


def test_texts_are_very_short_and_very_long() -> None:
    lengths = [len(text.split()) for text in first("en", 1500)]
    assert min(lengths) == 1
    assert max(lengths) >= 35
