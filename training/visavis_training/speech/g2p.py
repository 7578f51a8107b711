"""Turns text into the phone symbols that the Kokoro voices speak: English through espeak-ng, Mandarin through misaki.

Needs the programs `espeak-ng` (English) and the package `misaki` with its Chinese parts (Mandarin); it knows nothing of
audio.
"""

from __future__ import annotations

import re
import subprocess
from functools import cache
from typing import Any

# espeak-ng ties the parts of one sound with "^"; the voices know most of those pairs as one capital letter.
_TIED = {
    "a^ɪ": "I", "a^ʊ": "W", "e^ɪ": "A", "ɔ^ɪ": "Y", "d^ʒ": "ʤ", "t^ʃ": "ʧ", "ə^l": "ᵊl", "o^ʊ": "O", "ə^ʊ": "Q",
}  # fmt: skip
_PLAIN = {"ɚ": "əɹ", "r": "ɹ", "ɐ": "ə", "ɬ": "l", "x": "k", "ç": "k", "ʔ": "t", "ʲ": "", "\u0303": "", "\u0329": ""}
_AMERICAN = {"ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "ː": ""}
_BRITISH = {"e^ə": "ɛː", "iə": "ɪə"}
_CLAUSE = re.compile(r"([,.;:!?—])")


def _espeak(clause: str, british: bool) -> str:
    command = ["espeak-ng", "--ipa", "--tie=^", "-q", "-b", "1", "-v", "en-gb" if british else "en-us", clause]
    return " ".join(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def english_phones(text: str, british: bool = False) -> str:
    """The phones of an English sentence, its punctuation kept because the voices pause by it.

    Raises:
        subprocess.CalledProcessError: espeak-ng failed.
    """
    pieces = []
    for piece in _CLAUSE.split(text.replace("’", "'")):
        if _CLAUSE.fullmatch(piece):
            pieces.append(piece)
        elif piece.strip():
            phones = _espeak(piece.strip(), british)
            for table in (_BRITISH if british else {}, _TIED):
                for old, new in table.items():
                    phones = phones.replace(old, new)
            phones = phones.replace("^", "").replace("e", "A") if not british else phones.replace("^", "")
            for old, new in {**_PLAIN, **({} if british else _AMERICAN)}.items():
                phones = phones.replace(old, new)
            pieces.append((" " if pieces else "") + phones)
    return "".join(pieces).strip()


@cache
def _mandarin() -> Any:
    from misaki import zh

    return zh.ZHG2P()


def mandarin_phones(text: str) -> str:
    """The phones of a Mandarin sentence in Chinese characters, tones as arrows, punctuation kept."""
    phones = _mandarin()(text)
    return str(phones[0] if isinstance(phones, tuple) else phones)
