"""Asks pocketsphinx when the sounds of a known English sentence were said. Knows its symbols and the times they mean.

Needs the package `pocketsphinx`, whose dictionary and models ship with it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CENTRE_S = 0.008
"""Its frames are 25.6 ms wide, 10 ms apart, and named by their beginnings; a border lies between two middles."""
_RATE_HZ = 16_000
_SHIFTS = (0, 80)
"""Two answers 5 ms apart: borders then lie 5.0 ms off their landmarks instead of 6.0 (median, human prompts); four
answers gain nothing more."""
_UNSAYABLE = re.compile(r"[\[\]\d(<&@%$]")

CMU_PHONES: dict[str, str] = dict(
    zip(
        "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split(),
        "ɑ æ ʌ ɔ W I b ʧ d ð ɛ ɜ A f ɡ h ɪ i ʤ k l m n ŋ O Y p ɹ s ʃ t θ ʊ u v w j z ʒ".split(),
        strict=True,
    )
)
"""The phone that each symbol of its dictionary means if it is stressed."""


@dataclass(frozen=True, slots=True)
class SphinxPhone:
    """One sound as pocketsphinx heard it."""

    name: str
    """Symbol of the CMU dictionary, without stress."""
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class SphinxWord:
    """One word as pocketsphinx heard it."""

    text: str
    phones: tuple[SphinxPhone, ...]


def words_of(text: str) -> str | None:
    """A sentence as pocketsphinx takes it, or None where it has digits or signs that are spoken otherwise."""
    if _UNSAYABLE.search(text):
        return None
    words = " ".join(re.sub(r"[^a-z' ]", " ", text.lower().replace("’", "'")).split())
    return words or None


def forced(
    samples: NDArray[np.int16], words: str, shifts: Sequence[int] = _SHIFTS, either_low_vowel: bool = False
) -> list[SphinxWord] | None:
    """The words with their sounds' times (pronunciations and pauses chosen by ear), or None if it finds no way.

    Args:
        samples: int16 (N,) at 16 kHz.
        words: see `words_of`.
        shifts: in samples. It is asked once for each, that many samples cut off; times are the mean of the answers
            that agree on the sounds, so that they are finer than its 10 ms.
        either_low_vowel: let it choose by ear between AA and AO wherever the dictionary has one of them, save before
            R: many Americans have only one of the two.

    Raises:
        ImportError: pocketsphinx is not installed.
    """
    answers = [
        [
            SphinxWord(
                word.text,
                tuple(
                    SphinxPhone(p.name, p.start_s + shift / _RATE_HZ, p.end_s + shift / _RATE_HZ) for p in word.phones
                ),
            )
            for word in heard
        ]
        for shift in shifts
        if (heard := _forced(samples[shift:], words, either_low_vowel)) is not None
    ]
    return mean_times(answers) if answers else None


def mean_times(answers: Sequence[list[SphinxWord]]) -> list[SphinxWord]:
    """One answer from several of the same recording: the sounds most of them heard, at the mean of their times.

    The first of two that are as frequent.
    """
    names = [tuple((word.text, tuple(p.name for p in word.phones)) for word in answer) for answer in answers]
    usual = Counter(names).most_common(1)[0][0]
    agreeing = [answer for answer, said in zip(answers, names, strict=True) if said == usual]
    return [
        SphinxWord(
            same[0].text,
            tuple(
                SphinxPhone(
                    phones[0].name,
                    sum(p.start_s for p in phones) / len(phones),
                    sum(p.end_s for p in phones) / len(phones),
                )
                for phones in zip(*(word.phones for word in same), strict=True)
            ),
        )
        for same in zip(*agreeing, strict=True)
    ]


def _say_either(decoder: Any, words: str) -> None:
    """Add pronunciations: every AA also as AO and the other way round, save before R."""
    for word in sorted(set(words.split())):
        known: list[str] = []
        while (said := decoder.lookup_word(word if not known else f"{word}({len(known) + 1})")) is not None:
            known.append(said)
        for said in tuple(known):
            for one, other in (("AO", "AA"), ("AA", "AO")):
                changed = re.sub(rf"\b{one}\b(?! R\b)", other, said)
                if changed not in known:
                    known.append(changed)
                    decoder.add_word(f"{word}({len(known)})", changed, False)


def _forced(samples: NDArray[np.int16], words: str, either_low_vowel: bool) -> list[SphinxWord] | None:
    from pocketsphinx import Decoder

    decoder = Decoder(lm=None, loglevel="FATAL", cmn="batch")
    pcm = samples.astype(np.int16).tobytes()
    try:
        if either_low_vowel:
            _say_either(decoder, words)
        decoder.set_align_text(words)
        for step in (0, 1):  # first the words, then the sounds within them
            if step:
                decoder.set_alignment()
            decoder.start_utt()
            decoder.process_raw(pcm, full_utt=True)
            decoder.end_utt()
        alignment = decoder.get_alignment()
    except RuntimeError:
        return None
    if alignment is None:
        return None
    return [
        SphinxWord(
            re.sub(r"\(\d+\)$", "", word.name),
            tuple(
                SphinxPhone(p.name, p.start / 100 + _CENTRE_S, (p.start + p.duration) / 100 + _CENTRE_S)
                for p in word
                if p.name in CMU_PHONES
            ),
        )
        for word in alignment
    ]
