"""Counts which neighbouring sounds a plan holds, against all that a lexicon holds; finds words for those it lacks.

A diphone is two phones one after the other, silence being a phone. Knows nothing of texts, voices or audio.

    python -m visavis_training.speech.coverage --plan plan.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from visavis_training.speech import lexicon
from visavis_training.speech.phones import SILENCE, VOWELS, symbols_of_tokens

Diphone = tuple[str, str]
LIP_SOUNDS = frozenset("pbmfvw")
"""Judged first by viewers: their neighbourhoods with vowels are wanted most often."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """The diphones that an accent can hold."""

    within: frozenset[Diphone]
    """Met inside a word of the lexicon, or between a word and silence."""
    across: frozenset[Diphone]
    """Any last phone of a word before any first phone of another."""


def inventory(words: Mapping[str, Sequence[str]]) -> Inventory:
    """What the words of a lexicon hold, given the phones of each."""
    within = {pair for sounds in words.values() for pair in pairwise((SILENCE, *sounds, SILENCE))}
    lasts = {sounds[-1] for sounds in words.values()}
    firsts = {sounds[0] for sounds in words.values()}
    return Inventory(frozenset(within), frozenset((last, first) for last in lasts for first in firsts))


def diphones(tokens: Iterable[str]) -> Counter[Diphone]:
    """How often each diphone comes in these utterances, given the voices' symbols of each."""
    return Counter(pair for spoken in tokens for pair in pairwise(symbols_of_tokens(spoken)))


def wanted(held: Inventory, often: int, often_with_lips: int) -> Counter[Diphone]:
    """How often each diphone is wanted: once across words, `often` within, `often_with_lips` for lips by a vowel."""
    need: Counter[Diphone] = Counter(dict.fromkeys(held.across, 1))
    for pair in held.within:
        lips = bool(LIP_SOUNDS & set(pair)) and bool(VOWELS & set(pair))
        need[pair] = often_with_lips if lips else often
    return need


def words_to_cover(
    need: Mapping[Diphone, int], words: Mapping[str, Sequence[str]], source: random.Random, chain: int = 6
) -> list[list[str]]:
    """Chains of words that, said without a pause, meet what is needed: a greedy cover.

    Args:
        need: how often each diphone must still be met.
        words: the phones of each word.
        source: breaks ties.
        chain: words in a chain.
    """
    left = Counter({pair: count for pair, count in need.items() if count > 0})
    holding, beginning = defaultdict(list), defaultdict(list)
    for word, sounds in words.items():
        beginning[sounds[0]].append(word)
        for pair in set(pairwise((SILENCE, *sounds, SILENCE))) & left.keys():
            holding[pair].append(word)
    chains: list[list[str]] = []
    for pair in sorted(left, key=lambda pair: (not holding[pair], len(holding[pair]), pair)):
        for _ in range(max(0, left[pair])):
            started = _start(pair, holding, words, source)
            if started is None or left[pair] <= 0:
                break
            # A word wanted for its last sound ends the chain; any other begins it.
            ends = pair[1] == SILENCE
            made = _continued([] if ends else started, left, words, beginning, chain - ends, source)
            chains.append(made + started if ends else made)
            sounds = [SILENCE, *(sound for word in chains[-1] for sound in words[word]), SILENCE]
            left.subtract(pairwise(sounds))
    return chains


def _start(
    pair: Diphone, holding: Mapping[Diphone, list[str]], words: Mapping[str, Sequence[str]], source: random.Random
) -> list[str] | None:
    """A word with the pair inside, or two words that meet in it."""
    if holding[pair]:
        return [source.choice(holding[pair])]
    lasts = [word for word, sounds in words.items() if sounds[-1] == pair[0]]
    firsts = [word for word, sounds in words.items() if sounds[0] == pair[1]]
    return [source.choice(lasts), source.choice(firsts)] if lasts and firsts else None


def _continued(
    started: list[str],
    left: Mapping[Diphone, int],
    words: Mapping[str, Sequence[str]],
    beginning: Mapping[str, list[str]],
    chain: int,
    source: random.Random,
) -> list[str]:
    made = list(started)
    while len(made) < chain:
        last = words[made[-1]][-1] if made else SILENCE
        joints = [first for first in beginning if left.get((last, first), 0) > 0]
        pool = beginning[source.choice(sorted(joints or beginning))]
        made.append(
            max(
                source.sample(pool, min(12, len(pool))),
                key=lambda word: (
                    sum(left.get(pair, 0) > 0 for pair in set(pairwise(words[word]))) / (3 + len(words[word]))
                ),
            )
        )
    return made


def report(tokens: Mapping[str, Sequence[str]], often: int) -> dict[str, dict[str, Any]]:
    """For each accent: how many diphones its lexicon holds and how many of them the utterances meet.

    Args:
        tokens: of every utterance, by accent.
        often: also counts the diphones met at least so many times.
    """
    told: dict[str, dict[str, Any]] = {}
    for accent, spoken in tokens.items():
        held, met = inventory(lexicon.words(accent)), diphones(spoken)
        missing = sorted(pair for pair in held.within if not met[pair])
        told[accent] = {
            "utterances": len(spoken),
            "lexicon": len(held.within),
            "met": len(held.within) - len(missing),
            f"met_{often}_times": sum(met[pair] >= often for pair in held.within),
            "across_words": len(held.across),
            "across_words_met": sum(met[pair] > 0 for pair in held.across),
            "missing": [" ".join(pair) for pair in missing],
        }
    return told


def main() -> None:
    """Command line, see the head of this file."""
    from visavis_training.speech.plan import accent_of

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--often", type=int, default=4)
    args = parser.parse_args()
    spoken: dict[str, list[str]] = {"en-us": [], "en-gb": [], "zh": []}
    for line in args.plan.read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["part"] == "train" and accent_of(row) in spoken and "tokens" in row:
            spoken[accent_of(row)].append(row["tokens"])
    for accent, found in report(spoken, args.often).items():
        print(
            f"{accent}: {found['met']} of {found['lexicon']} diphones of the lexicon "
            f"({found[f'met_{args.often}_times']} at least {args.often} times), "
            f"{found['across_words_met']} of {found['across_words']} across words, in {found['utterances']} utterances"
        )
        print("   missing:", ", ".join(found["missing"]) or "none")


if __name__ == "__main__":
    main()
