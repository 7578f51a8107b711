"""Real words with every neighbourhood of sounds: English from CMU's dictionary, Mandarin from jieba's.

Both come inside Python packages (pocketsphinx: BSD, jieba: MIT). Of the many words only as many are kept as each
neighbourhood needs. Knows nothing of sentences or voices.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from visavis_training.speech import g2p
from visavis_training.speech.phones import symbols_of_tokens

_ENOUGH = 30
"""Words kept for each pair of neighbouring sounds."""
_RARE_MANDARIN = 20
"""A word that jieba's texts hold less often is left out."""


def words(accent: str) -> dict[str, tuple[str, ...]]:
    """Words of an accent and the phones of each, without the silence around: ("en-us" | "en-gb" | "zh").

    Raises:
        ModuleNotFoundError: the package with the dictionary is not installed.
    """
    return _mandarin() if accent == "zh" else _english(accent)


@cache
def _english(accent: str) -> dict[str, tuple[str, ...]]:
    """Chosen by the dictionary's own phones, spoken by espeak-ng's."""
    dictionary = _package_folder("pocketsphinx") / "model" / "en-us" / "cmudict-en-us.dict"
    listed: dict[str, tuple[str, ...]] = {}
    for line in dictionary.read_text("utf-8").splitlines():
        word, *sounds = line.split()
        if re.fullmatch(r"[a-z]{2,13}", word):
            listed[word] = tuple(sounds)
    chosen = _enough_of_each(listed)
    return with_phones(chosen, g2p.phones(chosen, accent))


@cache
def _mandarin() -> dict[str, tuple[str, ...]]:
    listed: dict[str, tuple[str, ...]] = {}
    for line in (_package_folder("jieba") / "dict.txt").read_text("utf-8").splitlines():
        word, count, _ = line.split(" ")
        if int(count) >= _RARE_MANDARIN and 2 <= len(word) <= 4 and _is_simplified(word):
            listed[word] = tuple(symbols_of_tokens(g2p.mandarin_word_phones(word))[1:-1])
    return {word: listed[word] for word in _enough_of_each(listed)}


def _is_simplified(word: str) -> bool:
    try:
        word.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return all("\u4e00" <= letter <= "\u9fff" for letter in word)


def _package_folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"the dictionary is part of the package {package}: pip install {package}")
    return Path(spec.origin).parent


def _enough_of_each(listed: dict[str, tuple[str, ...]]) -> list[str]:
    order = sorted(listed)
    random.Random(0).shuffle(order)
    met: Counter[tuple[str, str]] = Counter()
    chosen = []
    for word in order:
        pairs = list(pairwise(("", *listed[word], "")))
        if any(met[pair] < _ENOUGH for pair in pairs):
            met.update(pairs)
            chosen.append(word)
    return chosen


def with_phones(chosen: Sequence[str], tokens: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The phones of each word, given the voices' symbols of each; words said with a pause are left out."""
    known = {word: tuple(symbols_of_tokens(spoken)[1:-1]) for word, spoken in zip(chosen, tokens, strict=True)}
    return {word: sounds for word, sounds in known.items() if sounds and "sil" not in sounds}
