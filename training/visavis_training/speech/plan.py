"""Plans a corpus: which text is spoken by which voice and how fast, so that every neighbourhood of sounds is met.

The same seed gives the same plan. The test part comes first. Needs espeak-ng, misaki, pocketsphinx (its dictionary) and
jieba; knows nothing of audio.

    python -m visavis_training.speech.plan --out plan.jsonl --hours 20 --seed 1
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visavis_training.speech import coverage, g2p, held_out_texts, lexicon, texts
from visavis_training.speech.casting import TRAINED, VOICES, Cast, at_home
from visavis_training.speech.held_out_texts import HELD_OUT_VOICES
from visavis_training.speech.kokoro import parse_voice
from visavis_training.speech.phones import VISEME_OF

OTHER_ENGINES: dict[str, tuple[str, ...]] = {"piper": ("joe",), "flite": ("kal16", "awb", "rms", "slt")}
"""Engines that take English text, and their voices."""
ENGINES = ("kokoro", "flite")
"""What a plan speaks with unless told otherwise: the recordings behind Piper's voice have a doubtful licence."""
SHARES = {"en": 0.52, "zh": 0.38, "others": 0.05, "engines": 0.05}
"""Of the hours."""
COVERING = 0.2
"""Most of an accent's time that words for rare neighbourhoods may take; everyday texts get what they leave."""
FROM_LEXICON = 0.25
"""Share of the texts that are patterns around words of the dictionary."""
OFTEN, OFTEN_WITH_LIPS = 4, 10
MOST_SYMBOLS = 300

_CARRIERS: dict[str, tuple[str, ...]] = {
    "en": tuple("""{0} and {1} are not the same as {2}.|Say {0} once more, then {1}.|I read about {0} {1} in the paper.
{0}, {1}, {2}, and {3}.|Do you spell {0} like {1}?|What does {0} mean, and what about {1}?|{0}!|{0} {1}.
My {0} {1} was on the {2} {3}.|A {0} of {1} may {2} the {3} by {4}.|They have {0}, we have {1} {2}.
Please look up {0}, {1} and {2}.|{0} {1} {2} {3} {4}.|No, I said {0}, not {1}!""".replace("\n", "|").split("|")),
    "zh": tuple("""{0}和{1}不是一回事。|请再说一遍{0}，然后说{1}。|我在报上看到了{0}、{1}还有{2}。|{0}，{1}，{2}，{3}。
{0}怎么写，{1}又怎么写？|什么叫{0}？|{0}！|{0}、{1}。|他们谈到{0}，我们谈到{1}{2}。|{0}{1}{2}{3}。
不，我说的是{0}，不是{1}！|关于{0}的{1}，大家都说{2}。""".replace("\n", "|").split("|")),
}  # fmt: skip
_CHAINS = {
    "en": ("{}.", "{}!", "{}?", "Now {}.", "They said {}.", "Maybe {}."),
    "zh": ("{}。", "{}！", "请念{}。", "他说{}。"),
}

# Seconds of an utterance: fixed + per symbol / speed, fitted to 820 utterances; 0.4 s of deviation.
_FIXED_S, _PER_SYMBOL_S = 0.86, 0.056
_FIXED_ZH_S, _PER_SYMBOL_ZH_S = 0.95 + 0.67, 0.0405
_SECONDS_PER_LETTER = 0.068

Row = dict[str, Any]


@dataclass(slots=True)
class _Said:
    """Texts with the phones of one accent, and how long they take."""

    accent: str
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0


def accent_of(row: Row) -> str:
    """Which of `g2p.ACCENTS` a row's tokens are in."""
    if row["language"] != "en":
        return str(row["language"])
    return "en-gb" if row["engine"] == "kokoro" and _speaks_like(row).startswith("b") else "en-us"


def _speaks_like(row: Row) -> str:
    """The recorded voice that leads a row's prosody."""
    return parse_voice(row["voice"]).prosody[0][0]


def seconds_of(row: Row) -> float:
    """About how long a row will be, silence at both ends included."""
    if "tokens" not in row:
        return 0.4 + _SECONDS_PER_LETTER * len(row["text"]) / float(row["speed"])
    fixed_s, symbol_s = (_FIXED_ZH_S, _PER_SYMBOL_ZH_S) if row["language"] == "zh" else (_FIXED_S, _PER_SYMBOL_S)
    return fixed_s + symbol_s * len(row["tokens"]) / float(row["speed"])


def plan(hours: float = 20.0, seed: int = 1, engines: Collection[str] = ENGINES) -> list[Row]:
    """Every utterance of a corpus: the test part first, then the training part in random order.

    Args:
        hours: length of the training part.
        seed: the same seed gives the same plan.
        engines: that speak; "kokoro" is one of them always, the others of `OTHER_ENGINES` if they are named.
    """
    source = random.Random(seed)
    train: list[Row] = []
    seconds = {name: 3600.0 * hours * share for name, share in SHARES.items()}
    british = len(at_home("en-gb")) / len(TRAINED["en"])
    for accent, share_s in (
        ("en-us", seconds["en"] * (1 - british)), ("en-gb", seconds["en"] * british), ("zh", seconds["zh"])
    ):  # fmt: skip
        train += _covering_rows(accent, share_s, source)
    for language in texts.LANGUAGES[2:]:
        share_s = seconds["others"] / 5
        train += _rows(Cast(language, share_s, source), texts.sentences(language, source), share_s, source)
    asked = {engine: voices for engine, voices in OTHER_ENGINES.items() if engine in engines}
    for engine, voices in asked.items():
        train += _engine_rows(engine, voices, seconds["engines"] / len(asked), source)
    source.shuffle(train)
    test = _test_rows(random.Random(f"test {seed}"))  # the same whatever is trained on
    return [{"id": number, **row} for number, row in enumerate(test + train)]


def _test_rows(source: random.Random) -> list[Row]:
    rows: list[Row] = []
    for language, written in (("en", held_out_texts.ENGLISH), ("zh", held_out_texts.MANDARIN)):
        voices = HELD_OUT_VOICES[language]
        for number, text in enumerate(written):
            rows.append(_row("test", language, voices[number % len(voices)], source.uniform(0.85, 1.2), text))
    return _with_tokens(rows)


def _row(part: str, language: str, voice: str, speed: float, text: str, engine: str = "kokoro") -> Row:
    row = {"part": part, "language": language, "engine": engine, "voice": voice, "speed": round(speed, 2)}
    return {**row, "text": text}


def _speed(source: random.Random) -> float:
    return source.uniform(0.85, 1.2) if source.random() < 0.72 else source.uniform(0.72, 1.4)


def _with_tokens(rows: list[Row]) -> list[Row]:
    """The rows with their phones; those too long for a voice left out."""
    for accent in sorted({accent_of(row) for row in rows}):
        mine = [row for row in rows if accent_of(row) == accent]
        for row, tokens in zip(mine, g2p.phones([row["text"] for row in mine], accent), strict=True):
            row["tokens"] = tokens
    return [row for row in rows if len(row["tokens"]) <= MOST_SYMBOLS and any(s in VISEME_OF for s in row["tokens"])]


def _rows(cast: Cast, said: Iterator[str], share_s: float, source: random.Random) -> list[Row]:
    """Rows of these texts until they last that long."""
    made: list[Row] = []
    left_s = share_s
    while left_s > 2.0:
        count = max(1, int(left_s / 4.0))
        fresh = [_row("train", cast.language, cast.voice(), _speed(source), next(said)) for _ in range(count)]
        for row in _with_tokens(fresh):
            if left_s > 2.0:
                made.append(row)
                left_s -= seconds_of(row)
    return made


def _covering_rows(accent: str, share_s: float, source: random.Random) -> list[Row]:
    """Rows of one accent: everyday texts and words of the lexicon, then what their diphones still lack."""
    language, cast = accent[:2], Cast(accent, share_s, source)
    rows = _rows(cast, _everyday(accent, source), share_s * (1 - COVERING), source)
    words = lexicon.words(accent)
    need = coverage.wanted(coverage.inventory(words), OFTEN, OFTEN_WITH_LIPS)
    for _ in range(3):
        lacking = need - coverage.diphones(row["tokens"] for row in rows)
        chains = coverage.words_to_cover(lacking, words, source)
        room_s = share_s - sum(map(seconds_of, rows))
        said = iter(
            [source.choice(_CHAINS[language]).format(("" if language == "zh" else " ").join(c)) for c in chains]
        )
        rows += _until_spent(cast, said, room_s, source)
    return rows + _rows(cast, _everyday(accent, source), share_s - sum(map(seconds_of, rows)), source)


def _until_spent(cast: Cast, said: Iterator[str], room_s: float, source: random.Random) -> list[Row]:
    fresh = [_row("train", cast.language, cast.voice(), _speed(source), text.capitalize()) for text in said]
    made = []
    for row in _with_tokens(fresh):
        room_s -= seconds_of(row)
        if room_s < 0:
            break
        made.append(row)
    return made


def _everyday(accent: str, source: random.Random) -> Iterator[str]:
    """Patterns with their own words, one in four with words of the dictionary, lip sounds more often than others."""
    language = accent[:2]
    said = texts.sentences(language, source)
    words = lexicon.words(accent)
    known = sorted(words)
    lips = [1 + 1.5 * sum(sound in coverage.LIP_SOUNDS for sound in words[word]) for word in known]
    while True:
        if source.random() >= FROM_LEXICON:
            yield next(said)
        else:
            text = source.choice(_CARRIERS[language]).format(*source.choices(known, lips, k=5))
            yield text[0].upper() + text[1:]


def _engine_rows(engine: str, voices: Sequence[str], share_s: float, source: random.Random) -> list[Row]:
    made: list[Row] = []
    said = texts.sentences("en", source)
    while share_s > 2.0:
        text = next(said)
        made.append(_row("train", "en", voices[len(made) % len(voices)], _speed(source), text, engine))
        share_s -= seconds_of(made[-1])
    return made


def summary(rows: Sequence[Row]) -> str:
    """Counts and hours of a plan, for people."""
    kinds: dict[str, Callable[[Row], str]] = {
        "part": lambda row: row["part"],
        "language": lambda row: row["language"],
        "accent": accent_of,
        "engine": lambda row: row["engine"],
        "voice": lambda row: "mixture" if "/" in row["voice"] else "blend" if "+" in row["voice"] else "recorded",
        "prosody": lambda row: "crossed" if _is_crossed(row) else "at home",
    }
    different: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        different[accent_of(row)].add(row["voice"])
    lines = ["different voices: " + ", ".join(f"{key} {len(different[key])}" for key in sorted(different))]
    for name, kind in kinds.items():
        counts, hours = Counter(map(kind, rows)), Counter[str]()
        for row in rows:
            hours[kind(row)] += seconds_of(row) / 3600  # type: ignore[assignment]
        lines.append(f"{name}: " + ", ".join(f"{key} {counts[key]} ({hours[key]:.2f} h)" for key in sorted(counts)))
    return "\n".join(lines)


def _is_crossed(row: Row) -> bool:
    return row["engine"] == "kokoro" and _speaks_like(row) not in VOICES[row["language"]]


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engines", default=",".join(ENGINES), help="also known: piper")
    args = parser.parse_args()
    began = time.monotonic()
    rows = plan(args.hours, args.seed, args.engines.split(","))
    args.out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    print(summary(rows))
    print(f"{len(rows)} utterances, about {sum(map(seconds_of, rows)) / 3600:.2f} h, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
