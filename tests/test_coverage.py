"""Neighbouring sounds are counted as they are said, and what is missing is found among the words."""

from __future__ import annotations

import random

import pytest

from visavis_training.speech import coverage

pytestmark = pytest.mark.unit

WORDS = {
    "map": ("m", "æ", "p"),
    "oboe": ("O", "b", "O"),
    "view": ("v", "j", "u"),
    "few": ("f", "j", "u"),
    "ape": ("A", "p"),
}


def test_diphones_run_across_words_but_not_across_pauses() -> None:
    met = coverage.diphones(["mˈæp vjˈu, ˈAp."])
    assert met["p", "v"] == 1
    assert met["sil", "m"] == met["p", "sil"] == met["u", "sil"] == met["sil", "A"] == 1
    assert ("u", "A") not in met


def test_an_inventory_holds_what_words_hold_and_where_they_meet() -> None:
    held = coverage.inventory(WORDS)
    assert ("sil", "m") in held.within
    assert ("u", "sil") in held.within
    assert ("p", "O") not in held.within
    assert ("p", "O") in held.across
    assert len(held.across) == 3 * 5


def test_lips_beside_vowels_are_wanted_most() -> None:
    need = coverage.wanted(coverage.inventory(WORDS), 2, 7)
    assert need["m", "æ"] == 7
    assert need["v", "j"] == 2
    assert need["p", "v"] == 1


def test_chains_of_words_meet_all_that_is_needed() -> None:
    need = coverage.wanted(coverage.inventory(WORDS), 2, 5)
    chains = coverage.words_to_cover(need, WORDS, random.Random(1))
    met = coverage.diphones(" ".join("".join(WORDS[word]) for word in chain) + "." for chain in chains)
    assert not need - met
    assert all(len(chain) <= 7 for chain in chains)


def test_what_no_word_holds_is_left_out() -> None:
    assert coverage.words_to_cover({("ʒ", "ʒ"): 3}, WORDS, random.Random(1)) == []
