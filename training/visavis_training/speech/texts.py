"""Makes sentences to speak, without end, in seven languages: patterns filled with words, some joined to longer speech.

Everything is drawn from the random source that is handed in, so the same seed gives the same sentences. Knows nothing
of phones or voices.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator

from visavis_training.speech import texts_english, texts_mandarin, texts_other

LANGUAGES = ("en", "zh", *texts_other.TEMPLATES)
MOST_REPEATS = 6
"""How often one text may come again before it is skipped; others voices speak it then."""

_SLOT = re.compile(r"\{(\w+)\}")
_LONGER = 0.1
"""Share of texts that are several sentences."""


def templates(language: str) -> tuple[str, ...]:
    """The sentence patterns of a language; slots stand in braces."""
    known = {"en": texts_english.TEMPLATES, "zh": texts_mandarin.TEMPLATES, **texts_other.TEMPLATES}
    return known[language]


def sentences(language: str, source: random.Random) -> Iterator[str]:
    """Texts in one language, without end, one in ten of two or three sentences; none over `MOST_REPEATS` times.

    Every pattern is used before one comes again.

    Raises:
        ValueError: every text that the patterns can make was used that often.
    """
    known = {"en": texts_english.WORDS, "zh": texts_mandarin.WORDS, **texts_other.WORDS}[language]
    words = {slot: text.split("|") for slot, text in known.items()}
    patterns = templates(language)
    said: Counter[str] = Counter()
    while True:
        made = [_filled(pattern, words, source) for pattern in source.sample(patterns, len(patterns))]
        if all(said[text] >= MOST_REPEATS for text in made):
            raise ValueError(f"the patterns of {language} hold no more texts")
        while made:
            count = source.choice((2, 2, 3)) if source.random() < _LONGER else 1
            text = ("" if language == "zh" else " ").join(made.pop() for _ in range(min(count, len(made))))
            if said[text] < MOST_REPEATS:
                said[text] += 1
                yield text


def _filled(pattern: str, words: dict[str, list[str]], source: random.Random) -> str:
    while _SLOT.search(pattern):
        pattern = _SLOT.sub(lambda slot: source.choice(words[slot.group(1)]), pattern)
    return pattern[0].upper() + pattern[1:]
