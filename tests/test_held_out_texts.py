"""The texts to measure with are many, of everyday length, and nothing that the training texts hold."""

from __future__ import annotations

import random
import re
from itertools import islice

import pytest

from visavis_training.speech import texts
from visavis_training.speech.held_out_texts import ENGLISH, MANDARIN

pytestmark = pytest.mark.unit

LEARNT_FROM = 8000


def pieces(text: str, language: str) -> list[str]:
    """Words of English, characters of Mandarin, without punctuation."""
    return re.findall(r"[\w']+", text.lower()) if language == "en" else re.findall(r"[\u4e00-\u9fff]", text)


def grams(text: str, language: str, length: int) -> set[tuple[str, ...]]:
    found = pieces(text, language)
    return {tuple(found[start : start + length]) for start in range(len(found) - length + 1)}


@pytest.mark.parametrize(("language", "written"), [("en", ENGLISH), ("zh", MANDARIN)])
def test_there_are_many_and_none_is_a_training_text(language: str, written: tuple[str, ...]) -> None:
    learnt = set(islice(texts.sentences(language, random.Random(1)), LEARNT_FROM))
    assert len(set(written)) == len(written) >= 120
    assert not learnt & set(written)


@pytest.mark.parametrize(("language", "written"), [("en", ENGLISH), ("zh", MANDARIN)])
def test_hardly_six_pieces_in_a_row_are_shared(language: str, written: tuple[str, ...]) -> None:
    learnt: set[tuple[str, ...]] = set()
    for text in islice(texts.sentences(language, random.Random(2)), LEARNT_FROM):
        learnt |= grams(text, language, 6)
    held_out = set().union(*(grams(text, language, 6) for text in written))
    shared = held_out & learnt
    assert len(shared) <= 0.005 * len(held_out), shared


@pytest.mark.parametrize(("language", "written", "few", "many"), [("en", ENGLISH, 8, 24), ("zh", MANDARIN, 13, 32)])
def test_they_are_of_everyday_length(language: str, written: tuple[str, ...], few: int, many: int) -> None:
    lengths = [len(pieces(text, language)) for text in written]
    assert few <= min(lengths)
    assert max(lengths) <= many
