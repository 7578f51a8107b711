"""Human speech with known sounds: telephone prompts, their texts, and when pocketsphinx hears each sound.

Its dictionary has no stress, so that AH is both the vowel of "cut" and the schwa, the most frequent vowel of English;
which one a word has is looked up in misaki's lexicon. Knows nothing of how a mouth is measured.

AA or AO ("cot", "caught") is heard, not looked up, save before r: the speaker has one vowel for both. Median formants
(LPC of the middle of the sound): AO before r F1 454, F2 989 Hz (21 sounds); other AO 776, 1328 (5) and before l 753,
1176 (21); AA 767, 1420 (53) and before l 862, 1316 (18); OW 565, 1424 (35). Her "call" and "pause" are as open as her
"not". Given the choice, pocketsphinx hears AO in 4 of 26 of her sounds that its dictionary gives AO, but in 11 of 13
of a synthetic British voice's.

pocketsphinx lets a first sound begin in the quiet before it: the DH of "that" and "there" lasts 161 and 150 ms (16
sounds, most of them first), that of "the" 48. Where nothing sounds there is silence, as in the corpus; only a stop may
be silent, for its closure is.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visavis_training.speech.border_fitting import silenced
from visavis_training.speech.landmarks import deviations, unbiased
from visavis_training.speech.phones import VOWELS, Phone, gapless
from visavis_training.speech.sphinx import CMU_PHONES, SphinxWord, forced, words_of

SHORTEST_S, LONGEST_S = 2.0, 9.0
_SHORTEST_TEXT = 25
_BYTES_PER_S = 8000  # of G.722
_LEAST_LANDMARKS = 10
_R_SHARE = 0.7
"""Of the time of ER, this much at its end is the r: 0.71 in the fitted corpus; the sound is an r nearly throughout."""
_QUIET_SOUNDS = frozenset("pbtdkɡʧʤ")
_SAME_VOWEL = {
    "AH": "ʌəᵊᵻ", "ER": "ɜə", "IH": "ɪiᵻə", "IY": "iɪ", "UH": "ʊ", "UW": "uʊ", "EH": "ɛ",
}  # fmt: skip
_CMU_VOWELS = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())


@dataclass(frozen=True, slots=True)
class Prompt:
    """One recording and what is said in it, when."""

    name: str
    samples: NDArray[np.int16]
    """int16 (N,), 16 kHz."""
    phones: list[Phone]


@cache
def lexicon() -> dict[str, str]:
    """American English pronunciations with stress marks, as misaki ships them; empty where it is not installed."""
    spec = find_spec("misaki")
    if spec is None or spec.origin is None:
        return {}
    words: dict[str, str] = {}
    for name in ("us_silver.json", "us_gold.json"):
        table = json.loads((Path(spec.origin).parent / "data" / name).read_text("utf-8"))
        words |= {word: said["DEFAULT"] if isinstance(said, dict) else said for word, said in table.items()}
    return words


def _vowels_of(word: str) -> list[str]:
    said = lexicon().get(word, "")
    return [symbol for symbol in said if symbol in VOWELS or symbol in "ᵊᵻ"]


def phones_of_word(word: SphinxWord) -> list[Phone]:
    """The sounds of a word, reduced vowels told from full ones.

    The vowels of the dictionary and of the lexicon are taken in order; a vowel of another quality in the lexicon means
    that AH was heard for it: it is reduced. Words with other numbers of vowels keep their first AH full if it is
    their only vowel.
    """
    spoken = [p for p in word.phones if p.name in _CMU_VOWELS]
    known = _vowels_of(word.text)
    if len(known) != len(spoken):
        known = [""] * len(spoken)
    phones: list[Phone] = []
    vowel = 0
    for p in word.phones:
        symbol = CMU_PHONES[p.name]
        if p.name in _CMU_VOWELS:
            listed = known[vowel]
            vowel += 1
            if listed and listed in _SAME_VOWEL.get(p.name, ""):
                symbol = listed
            elif p.name == "AH" and (listed or len(spoken) > 1):
                symbol = "ə"
        if p.name == "ER":
            middle = p.end_s - _R_SHARE * (p.end_s - p.start_s)
            phones += [Phone(symbol, p.start_s, middle), Phone("ɹ", middle, p.end_s)]
        else:
            phones.append(Phone(symbol, p.start_s, p.end_s))
    return phones


def _texts(path: Path) -> list[tuple[str, str]]:
    found = []
    for line in gzip.decompress(path.read_bytes()).decode("utf-8", "replace").splitlines():
        name, colon, text = line.partition(":")
        words = words_of(text) if colon and not line.startswith(";") else None
        if words is not None and len(words) >= _SHORTEST_TEXT:
            found.append((name.strip(), words))
    return found


def _heard(work: tuple[str, Path, str]) -> Prompt | None:
    name, path, words = work
    samples = (np.clip(decoded(path), -1, 1) * 32767).astype(np.int16)
    heard = forced(samples, words, either_low_vowel=True)
    if heard is None:
        return None
    phones = [phone for word in heard for phone in phones_of_word(word)]
    return Prompt(name, samples, silenced(gapless(phones, len(samples) / 16_000), samples, but=_QUIET_SOUNDS))


def decoded(path: Path) -> NDArray[np.float32]:
    """A sound file (G.722, WAV, Ogg, ...) as float32 (N,) mono at 16 kHz."""
    import av

    with av.open(str(path), format="g722" if path.suffix == ".g722" else None) as container:
        resampler = av.AudioResampler("fltp", "mono", 16_000)
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32)


def prompts(folder: Path, texts: Path, limit: int, pool: ProcessPoolExecutor) -> list[Prompt]:
    """Prompts of 2 to 9 s whose texts have no digits, with their sounds' times.

    Args:
        folder: of .g722 files.
        texts: gzipped lines of `name: text`.
        limit: as many, spread evenly over the list.
        pool: pocketsphinx works in its processes.

    Raises:
        OSError: the texts or the sounds are not there.
        ImportError: pocketsphinx is not installed.
    """
    if find_spec("pocketsphinx") is None:
        raise ImportError("pocketsphinx is not installed")
    work = []
    for name, words in _texts(texts):
        path = folder / f"{name}.g722"
        if path.is_file() and SHORTEST_S <= path.stat().st_size / _BYTES_PER_S <= LONGEST_S:
            work.append((name, path, words))
    if not work:
        raise OSError(f"no prompts of {SHORTEST_S:.0f} to {LONGEST_S:.0f} s in {folder}")
    chosen = [work[i] for i in np.unique(np.linspace(0, len(work) - 1, min(limit, len(work))).astype(int))]
    heard = pool.map(_heard, chosen, chunksize=4)
    return [prompt for prompt in heard if prompt is not None]


def sharpened(heard: Sequence[Prompt], onto_landmarks: bool = True) -> list[Prompt]:
    """The same prompts, the aligner's bias by kind of border taken away; lips' own borders put where the wave steps."""
    found = [deviations(prompt.phones, prompt.samples) for prompt in heard]
    by_kind: dict[str, list[float]] = {}
    for each in found:
        for kind, _, late_s in each:
            by_kind.setdefault(kind, []).append(late_s)
    late = {kind: float(np.median(values)) for kind, values in by_kind.items() if len(values) >= _LEAST_LANDMARKS}
    return [
        Prompt(p.name, p.samples, unbiased(p.phones, seen if onto_landmarks else [], late, len(p.samples) / 16_000))
        for p, seen in zip(heard, found, strict=True)
    ]
