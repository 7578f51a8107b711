"""Plans a corpus: which text is spoken by which voice and how fast, so that every neighbourhood of sounds is met.

The same seed gives the same plan. The test part comes first. Needs espeak-ng, misaki, pocketsphinx (its dictionary) and
jieba; knows nothing of audio.

    python -m visavis_training.speech.plan --out plan.jsonl --hours 16 --seed 1
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visavis_training.speech import coverage, g2p, held_out_texts, lexicon, texts
from visavis_training.speech.held_out_texts import HELD_OUT_VOICES
from visavis_training.speech.phones import VISEME_OF

VOICES: dict[str, tuple[str, ...]] = {
    "en": tuple(
        "af_alloy af_aoede af_bella af_heart af_jessica af_kore af_nicole af_nova af_river af_sarah af_sky am_adam "
        "am_echo am_eric am_fenrir am_liam am_michael am_onyx am_puck am_santa bf_alice bf_emma bf_isabella bf_lily "
        "bm_daniel bm_fable bm_george bm_lewis".split()
    ),
    "zh": tuple("zf_xiaobei zf_xiaoni zf_xiaoxiao zf_xiaoyi zm_yunjian zm_yunxi zm_yunxia zm_yunyang".split()),
    "ja": ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo"),
    "es": ("ef_dora", "em_alex", "em_santa"),
    "fr": ("ff_siwis",),
    "hi": ("hf_alpha", "hf_beta", "hm_omega", "hm_psi"),
    "it": ("if_sara", "im_nicola"),
    "pt": ("pf_dora", "pm_alex", "pm_santa"),
}
"""Kokoro's voices by the language they are at home in."""
OTHER_ENGINES: dict[str, tuple[str, ...]] = {"piper": ("joe",), "flite": ("kal16", "awb", "rms", "slt")}
"""Engines that take English text, and their voices."""
SHARES = {"en": 0.52, "zh": 0.38, "others": 0.05, "engines": 0.05}
"""Of the hours."""
BLENDED = 0.3
CROSSED = 0.12
"""Shares of the Kokoro rows: spoken by a blend of two voices, by a voice of another language."""
COVERING = 0.2
"""Most of an accent's time that words for rare neighbourhoods may take; everyday texts get what they leave."""
FROM_LEXICON = 0.25
"""Share of the texts that are patterns around words of the dictionary."""
OFTEN, OFTEN_WITH_LIPS = 4, 10
MOST_SYMBOLS = 300
_HELD_OUT = frozenset(voice for voices in HELD_OUT_VOICES.values() for voice in voices)
_TRAINED = {language: tuple(v for v in voices if v not in _HELD_OUT) for language, voices in VOICES.items()}

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
    return "en-gb" if row["engine"] == "kokoro" and row["voice"].startswith("b") else "en-us"


def seconds_of(row: Row) -> float:
    """About how long a row will be, silence at both ends included."""
    if "tokens" not in row:
        return 0.4 + _SECONDS_PER_LETTER * len(row["text"]) / float(row["speed"])
    fixed_s, symbol_s = (_FIXED_ZH_S, _PER_SYMBOL_ZH_S) if row["language"] == "zh" else (_FIXED_S, _PER_SYMBOL_S)
    return fixed_s + symbol_s * len(row["tokens"]) / float(row["speed"])


def plan(hours: float = 16.0, seed: int = 1) -> list[Row]:
    """Every utterance of a corpus: the test part first, then the training part in random order.

    Args:
        hours: length of the training part.
        seed: the same seed gives the same plan.
    """
    source = random.Random(seed)
    train: list[Row] = []
    seconds = {name: 3600.0 * hours * share for name, share in SHARES.items()}
    british = sum(voice.startswith("b") for voice in _TRAINED["en"]) / len(_TRAINED["en"])
    for accent, share_s in (
        ("en-us", seconds["en"] * (1 - british)), ("en-gb", seconds["en"] * british), ("zh", seconds["zh"])
    ):  # fmt: skip
        train += _covering_rows(accent, share_s, source)
    for language in texts.LANGUAGES[2:]:
        train += _rows(language, texts.sentences(language, source), seconds["others"] / 5, source)
    for engine, voices in OTHER_ENGINES.items():
        train += _engine_rows(engine, voices, seconds["engines"] / len(OTHER_ENGINES), source)
    source.shuffle(train)
    return [{"id": number, **row} for number, row in enumerate(_test_rows(source) + train)]


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


def _voice(accent: str, source: random.Random) -> str:
    """A voice for an accent: at home in it, of another language, or a blend of two."""
    language = accent[:2]
    first_letter = {"en-us": "a", "en-gb": "b"}.get(accent, "")
    home = [voice for voice in _TRAINED[language] if voice.startswith(first_letter)]
    # British phones belong to British voices; the others, some 86 % of the rows, may be spoken by anybody.
    others = [v for key, voices in _TRAINED.items() for v in voices if key != language]
    crossed = language in ("en", "zh") and accent != "en-gb" and source.random() < CROSSED / 0.86
    first = source.choice(others if crossed else home)
    if source.random() >= BLENDED:
        return first
    alike = [voice for voices in _TRAINED.values() if first in voices for voice in voices if voice != first]
    everybody = [voice for voices in _TRAINED.values() for voice in voices if voice != first]
    second = source.choice(alike if alike and source.random() < 0.65 else everybody)
    return f"{first}+{second}@{source.uniform(0.25, 0.75):.2f}"


def _with_tokens(rows: list[Row]) -> list[Row]:
    """The rows with their phones; those too long for a voice left out."""
    for accent in sorted({accent_of(row) for row in rows}):
        mine = [row for row in rows if accent_of(row) == accent]
        for row, tokens in zip(mine, g2p.phones([row["text"] for row in mine], accent), strict=True):
            row["tokens"] = tokens
    return [row for row in rows if len(row["tokens"]) <= MOST_SYMBOLS and any(s in VISEME_OF for s in row["tokens"])]


def _rows(accent: str, said: Iterator[str], share_s: float, source: random.Random) -> list[Row]:
    """Rows of these texts until they last that long."""
    made: list[Row] = []
    left_s = share_s
    while left_s > 2.0:
        count = max(1, int(left_s / 4.0))
        fresh = [_row("train", accent[:2], _voice(accent, source), _speed(source), next(said)) for _ in range(count)]
        for row in _with_tokens(fresh):
            if left_s > 2.0:
                made.append(row)
                left_s -= seconds_of(row)
    return made


def _covering_rows(accent: str, share_s: float, source: random.Random) -> list[Row]:
    """Rows of one accent: everyday texts and words of the lexicon, then what their diphones still lack."""
    language = accent[:2]
    rows = _rows(accent, _everyday(accent, source), share_s * (1 - COVERING), source)
    words = lexicon.words(accent)
    need = coverage.wanted(coverage.inventory(words), OFTEN, OFTEN_WITH_LIPS)
    for _ in range(3):
        lacking = need - coverage.diphones(row["tokens"] for row in rows)
        chains = coverage.words_to_cover(lacking, words, source)
        room_s = share_s - sum(map(seconds_of, rows))
        said = iter(
            [source.choice(_CHAINS[language]).format(("" if language == "zh" else " ").join(c)) for c in chains]
        )
        rows += _until_spent(accent, said, room_s, source)
    return rows + _rows(accent, _everyday(accent, source), share_s - sum(map(seconds_of, rows)), source)


def _until_spent(accent: str, said: Iterator[str], room_s: float, source: random.Random) -> list[Row]:
    fresh = [_row("train", accent[:2], _voice(accent, source), _speed(source), text.capitalize()) for text in said]
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
        "blend": lambda row: "blend" if "+" in row["voice"] else "one voice",
        "style": lambda row: "crossed" if _is_crossed(row) else "at home",
    }
    lines = []
    for name, kind in kinds.items():
        counts, hours = Counter(map(kind, rows)), Counter[str]()
        for row in rows:
            hours[kind(row)] += seconds_of(row) / 3600  # type: ignore[assignment]
        lines.append(f"{name}: " + ", ".join(f"{key} {counts[key]} ({hours[key]:.2f} h)" for key in sorted(counts)))
    return "\n".join(lines)


def _is_crossed(row: Row) -> bool:
    return row["engine"] == "kokoro" and row["voice"].split("+")[0] not in VOICES[row["language"]]


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=16.0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    began = time.monotonic()
    rows = plan(args.hours, args.seed)
    args.out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    print(summary(rows))
    print(f"{len(rows)} utterances, about {sum(map(seconds_of, rows)) / 3600:.2f} h, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
