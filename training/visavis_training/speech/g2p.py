"""Turns texts into the phone symbols that the Kokoro voices speak: Mandarin through misaki, all else through espeak-ng.

Many texts go through one process at a time, because starting espeak-ng costs more than a sentence. Needs the program
`espeak-ng` and the package `misaki` with its Chinese parts; it knows nothing of audio.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

SYMBOLS = frozenset(
    ';:,.!?—…"()“” \u0303ʣʥʦʨᵝꭧAIOQSTWYᵊabcdefhijklmnopqrstuvwxyzɑɐɒæβɔɕçɖðʤəɚɛɜɟɡɥɨɪʝɯɰŋɳɲɴøɸθœɹɾɻʁɽʂʃʈʧʊʋʌɣɤχʎʒʔ'
    "ˈˌːʰʲ↓→↗↘ᵻ"
)
"""Every symbol that a Kokoro voice knows."""
ESPEAK_VOICES = {"en-us": "en-us", "en-gb": "en-gb", "es": "es", "fr": "fr-fr", "it": "it", "pt": "pt-br", "hi": "hi"}
ACCENTS = (*ESPEAK_VOICES, "zh")

_LINES_PER_PROCESS = 400
# Punctuation at which the voices pause; within a number ("3.5", "1,024", "10:30") it is none.
_CLAUSE = re.compile(r"([;!?—…“”\"()।¿¡«»]|[,.:](?!\d))")
_SPOKEN_AS = {"।": ".", "¿": "", "¡": "", "«": "“", "»": "”"}
# Sounds that are no words are handed to espeak-ng in its own letters; it would spell them.
_HUMMED = {"mhm": "[[m'hm]]", "hmm": "[[h'@m]]", "mmm": "[['@m]]", "um": "[['Vm]]"}
_HUMS = re.compile(r"\b(" + "|".join(_HUMMED) + r")\b", re.IGNORECASE)
_LATIN = re.compile(r"([A-Za-z][A-Za-z' -]*)")
# espeak-ng ties the parts of one sound with "^"; the voices know most of those pairs as one letter.
_TIED = {
    "a^ɪ": "I", "a^ʊ": "W", "e^ɪ": "A", "ɔ^ɪ": "Y", "d^ʒ": "ʤ", "t^ʃ": "ʧ", "o^ʊ": "O", "ə^ʊ": "Q", "t^s": "ʦ",
    "d^z": "ʣ", "ə^l": "ᵊl", "s^s": "sː",
}  # fmt: skip
_ENGLISH = {
    "ʔˌn\u0329": "tn", "ʔn\u0329": "tn", "n\u0329": "ᵊn", "l\u0329": "ᵊl", "m\u0329": "ᵊm", "ɚɹ": "əɹ", "ɚ": "əɹ",
    "r": "ɹ", "ɐ": "ə", "ɬ": "l", "x": "k", "ç": "k", "ʔ": "t", "ʲ": "", "\u0303": "", "\u0329": "", "^": "", "e": "A",
}  # fmt: skip
# American: length is no sound of its own, a tap is the voices' letter T, and "more" has the vowel of "law".
_AMERICAN = {"ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "ː": "", "o": "ɔ", "ɾ": "T"}
_BRITISH_TIED = {"e^ə": "ɛː"}
_BRITISH = {"iə": "ɪə", "o": "ɔ", "ɾ": "t", "ᵻ": "ɪ"}
_ELSEWHERE = {"^": "", "-": "", "r.": "ɽ", ".": "", "ɫ": "l"}


def phones(texts: Sequence[str], accent: str) -> list[str]:
    """The phone symbols of each text, punctuation kept because the voices pause by it.

    Args:
        texts: written in the accent's language.
        accent: one of `ACCENTS`.

    Raises:
        subprocess.CalledProcessError: espeak-ng failed.
        FileNotFoundError: espeak-ng is not installed.
    """
    return _mandarin_phones(texts) if accent == "zh" else _espeak_phones(texts, accent)


def _espeak_phones(texts: Sequence[str], accent: str) -> list[str]:
    texts = [text.replace("’", "'") for text in texts]
    if accent.startswith("en"):
        texts = [_HUMS.sub(lambda hum: _HUMMED[hum.group(1).lower()], text) for text in texts]
    pieces = [_CLAUSE.split(text) for text in texts]
    clauses = dict.fromkeys(piece.strip() for parts in pieces for piece in parts[::2] if piece.strip())
    heard = dict(zip(clauses, _espeak(list(clauses), ESPEAK_VOICES[accent]), strict=True))
    return [_joined(parts, heard, accent) for parts in pieces]


def _joined(pieces: list[str], heard: dict[str, str], accent: str) -> str:
    spoken = []
    for place, piece in enumerate(pieces):
        if place % 2:
            spoken.append(_SPOKEN_AS.get(piece, piece))
        elif piece.strip():
            spoken += [" " * piece[0].isspace(), _in_kokoro_symbols(heard[piece.strip()], accent)]
            spoken.append(" " * piece[-1].isspace())
        else:
            spoken.append(" " * bool(piece))
    text = re.sub(r" +", " ", "".join(spoken)).strip()
    return re.sub(r" ([,.;:!?])", r"\1", text)


def _in_kokoro_symbols(ipa: str, accent: str) -> str:
    ipa = re.sub(r"\([a-z-]+\)", "", ipa)  # espeak-ng marks words it takes for another language
    if accent.startswith("en"):
        british = accent == "en-gb"
        tables = [_BRITISH_TIED if british else {}, _TIED, _ENGLISH, _BRITISH if british else _AMERICAN]
    else:
        tables = [_TIED, _ELSEWHERE]
    for table in tables:
        for old, new in table.items():
            ipa = ipa.replace(old, new)
    return " ".join("".join(symbol for symbol in ipa if symbol in SYMBOLS).split())


def _espeak(clauses: Sequence[str], voice: str) -> list[str]:
    blocks = [clauses[start : start + _LINES_PER_PROCESS] for start in range(0, len(clauses), _LINES_PER_PROCESS)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [line for block in pool.map(lambda block: _espeak_block(block, voice), blocks) for line in block]


def _espeak_block(clauses: Sequence[str], voice: str) -> list[str]:
    """One line of symbols for each clause; espeak-ng reads line by line, but may break a long line in two."""
    command = ["espeak-ng", "--ipa", "--tie=^", "-q", "-b", "1", "-v", voice]
    done = subprocess.run(command, input="\n".join(clauses) + "\n", check=True, capture_output=True, encoding="utf-8")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    if len(lines) == len(clauses) and all(lines):
        return lines
    if len(clauses) == 1:
        return [" ".join(line for line in lines if line)]
    middle = len(clauses) // 2
    return _espeak_block(clauses[:middle], voice) + _espeak_block(clauses[middle:], voice)


@cache
def _mandarin() -> Any:
    import logging

    import jieba
    from misaki import zh

    jieba.setLogLevel(logging.WARNING)
    return zh.ZHG2P()


def _mandarin_phones(texts: Sequence[str]) -> list[str]:
    pieces = [_LATIN.split(text) for text in texts]
    latin = dict.fromkeys(piece for parts in pieces for piece in parts[1::2])
    heard = dict(zip(latin, _espeak_phones(list(latin), "en-us"), strict=True)) if latin else {}
    return [_mixed(parts, heard) for parts in pieces]


def _mixed(pieces: Iterable[str], heard: dict[str, str]) -> str:
    spoken = [f" {heard[piece]} " if piece in heard else _mandarin()(piece)[0] for piece in pieces if piece]
    text = "".join(symbol for symbol in "".join(spoken) if symbol in SYMBOLS)
    return re.sub(r" ([,.;:!?])", r"\1", re.sub(r" +", " ", text)).strip()


@cache
def _syllable_phones(syllable: str) -> str:
    return str(_mandarin().py2ipa(syllable)).replace("\u032f", "")


def mandarin_word_phones(word: str) -> str:
    """The phones of one Mandarin word by itself; much faster than a sentence, for whole dictionaries."""
    from pypinyin import Style, lazy_pinyin

    syllables = lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True)
    return "".join(_syllable_phones(syllable) for syllable in syllables)
