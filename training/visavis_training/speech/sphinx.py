"""Asks pocketsphinx when the sounds of a known English sentence were said. Knows its symbols and the times they mean.

Needs the package `pocketsphinx`, whose dictionary and models ship with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CENTRE_S = 0.008
"""Its frames are 25.6 ms wide, 10 ms apart, and named by their beginnings; a border lies between two middles."""
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


def forced(samples: NDArray[np.int16], words: str) -> list[SphinxWord] | None:
    """The words with their sounds' times (pronunciations and pauses chosen by ear), or None if it finds no way.

    Args:
        samples: int16 (N,) at 16 kHz.
        words: see `words_of`.

    Raises:
        ImportError: pocketsphinx is not installed.
    """
    from pocketsphinx import Decoder

    decoder = Decoder(lm=None, loglevel="FATAL", cmn="batch")
    pcm = samples.astype(np.int16).tobytes()
    try:
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
