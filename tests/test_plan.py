"""A plan is the same for the same seed, keeps the held-out voices out, and has the shares that it promises."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest

from visavis_training.speech import casting, g2p, lexicon, plan
from visavis_training.speech.held_out_texts import HELD_OUT_VOICES
from visavis_training.speech.kokoro import parse_voice
from visavis_training.speech.plan import Row, accent_of, seconds_of

pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed"),
]

WORDS = {
    "en": "map oboe view bathtub webcam improve fever pamphlet wave bomb",
    "zh": "面包 泡沫 风筝 朋友 蜜蜂 味道 北边 普通",
}
HOURS = 0.5


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return planned(1)


def planned(seed: int, engines: tuple[str, ...] = plan.ENGINES) -> list[Row]:
    """A short plan around a few words, because a whole dictionary takes a minute."""
    pytest.importorskip("misaki.zh")

    def few(accent: str) -> dict[str, tuple[str, ...]]:
        words = WORDS[accent[:2]].split()
        return lexicon.with_phones(words, g2p.phones(words, accent))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexicon, "words", few)
        return plan.plan(HOURS, seed, engines)


def test_the_seed_decides(rows: list[Row]) -> None:
    assert planned(1) == rows
    assert [row["text"] for row in planned(2)] != [row["text"] for row in rows]


def test_test_rows_come_first_and_ids_count_up(rows: list[Row]) -> None:
    parts = [row["part"] for row in rows]
    assert parts == sorted(parts, key=("test", "train").index)
    assert [row["id"] for row in rows] == list(range(len(rows)))


def test_held_out_voices_and_texts_are_only_tested(rows: list[Row]) -> None:
    held_out = {voice for voices in HELD_OUT_VOICES.values() for voice in voices}
    tested = [row for row in rows if row["part"] == "test"]
    assert {row["voice"] for row in tested} == held_out
    learnt = [row for row in rows if row["part"] == "train"]
    assert len(learnt) > 300 and not any(voice in row["voice"] for row in learnt for voice in held_out)
    assert not {row["text"] for row in tested} & {row["text"] for row in learnt}
    assert all(0.85 <= row["speed"] <= 1.2 for row in tested)


def test_hours_are_met_and_shared(rows: list[Row]) -> None:
    seconds: Counter[str] = Counter()
    for row in rows:
        if row["part"] == "train":
            seconds[row["language"] if row["engine"] == "kokoro" else "engines"] += round(seconds_of(row))
    total = sum(seconds.values())
    assert total == pytest.approx(3600 * HOURS, rel=0.05)
    assert seconds["en"] / total == pytest.approx(0.52, abs=0.04)
    assert seconds["zh"] / total == pytest.approx(0.38, abs=0.04)
    assert seconds["engines"] / total == pytest.approx(0.05, abs=0.02)


def test_most_rows_are_spoken_by_mixtures_of_their_own_prosody(rows: list[Row]) -> None:
    spoken = [row for row in rows if row["part"] == "train" and row["engine"] == "kokoro"]
    mixed = [row for row in spoken if "/" in row["voice"]]
    assert len(mixed) / len(spoken) == pytest.approx(0.75, abs=0.06)
    for row in mixed:
        voice = parse_voice(row["voice"])
        assert {name for name, _ in voice.prosody} <= set(casting.VOICES[row["language"]])
        assert len({name[0] for name, _ in voice.prosody}) == 1 or row["language"] != "en"
    recorded = [row["voice"] for row in spoken if "/" not in row["voice"]]
    assert sum("+" in voice for voice in recorded) / len(recorded) == pytest.approx(0.3, abs=0.15)


def test_british_voices_speak_british_english(rows: list[Row]) -> None:
    english = [row for row in rows if row["language"] == "en" and row["engine"] == "kokoro"]
    british = [row for row in english if row["voice"].rpartition("/")[2].startswith("b")]
    assert {accent_of(row) for row in british} == {"en-gb"}
    assert not any("T" in row["tokens"] for row in british)
    assert any("T" in row["tokens"] for row in english)


def test_other_engines_take_text(rows: list[Row]) -> None:
    others = {row["engine"]: row for row in rows if row["engine"] != "kokoro"}
    assert set(others) == {"flite"}
    assert not any("tokens" in row for row in others.values())
    assert all(0.72 <= row["speed"] <= 1.4 for row in rows)


def test_piper_speaks_where_it_is_asked_to(rows: list[Row]) -> None:
    more = planned(1, ("kokoro", "flite", "piper"))
    assert {row["engine"] for row in more} == {"kokoro", "flite", "piper"}
    tested = [row for row in rows if row["part"] == "test"]
    assert [row for row in more if row["part"] == "test"] == tested
