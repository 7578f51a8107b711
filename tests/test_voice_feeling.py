from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from speech_samples import sentence
from visavis_models.arkit import ARKIT
from visavis_models.behaviour.voice_feeling import MOST, VoiceFeeling, level_of
from visavis_models.chunk import Chunk
from visavis_models.mood import Feeling, Mood
from visavis_models.performer import Performer
from visavis_models.voice.listener import MouthListener

pytestmark = pytest.mark.weights
SILENCE = np.zeros(1920, np.int16)
EXCITED, QUIET = {"angry", "happy", "surprised", "afraid"}, {"sad", "calm"}


def played(samples: NDArray[np.float32], speed: float, gain: float) -> NDArray[np.float32]:
    """Quicker is higher too, as from a tape."""
    places = np.arange(int(len(samples) / speed)) * speed
    return np.asarray(np.interp(places, np.arange(len(samples)), samples) * gain, np.float32)


def told(language: str, speed: float, gain: float) -> list[Feeling | None]:
    """What is told of a sentence said four times as usual, then three times otherwise; of the last two."""
    usual = sentence(language)[0].astype(np.float32) / np.float32(32768) * 0.35
    other = played(usual, speed, gain)
    voice = np.concatenate([usual] * 4 + [other] * 3)
    listener, feeling, rows = MouthListener(), VoiceFeeling(), []
    for i, chunk in enumerate(np.clip(voice[: len(voice) // 640 * 640].reshape(-1, 640), -1, 1)):
        heard = listener.push(Chunk(i, chunk, SILENCE))
        if heard is not None:
            rows.append(feeling.step(heard, level_of(chunk)))
    return rows[-2 * len(other) // 640 :]


def share(rows: list[Feeling | None], names: set[str]) -> float:
    return float(np.mean([row is not None and row.emotion in names for row in rows]))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_who_speaks_as_ever_feels_nothing_in_particular(language: str) -> None:
    assert share(told(language, 1.0, 1.0), EXCITED | QUIET) < 0.15


@pytest.mark.parametrize("language", ["en", "zh"])
def test_louder_higher_and_quicker_is_excited(language: str) -> None:
    rows = told(language, 1.22, 1.8)
    assert share(rows, EXCITED) > 0.4
    assert share(rows, QUIET) == 0.0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_softer_lower_and_slower_is_quiet(language: str) -> None:
    rows = told(language, 0.8, 0.35)
    assert share(rows, QUIET) > 0.8
    assert share(rows, EXCITED) == 0.0
    assert max(row.strength for row in rows if row is not None) <= MOST


def test_a_voice_is_heard_before_it_is_judged() -> None:
    listener, feeling = MouthListener(), VoiceFeeling()
    samples = sentence("en")[0][: 640 * 60].astype(np.float32) / np.float32(32768)
    heard = [listener.push(Chunk(i, chunk, SILENCE)) for i, chunk in enumerate(samples.reshape(-1, 640))]
    assert all(feeling.step(one, -20.0) is None for one in heard if one is not None)


def test_levels_of_silence_and_of_no_numbers_are_finite() -> None:
    assert level_of(np.zeros(640, np.float32)) == -80.0
    assert level_of(np.full(640, np.nan, np.float32)) == -80.0
    assert level_of(np.ones(640, np.float32)) == 0.0


@pytest.mark.parametrize("from_voice", [False, True])
def test_a_face_follows_the_voice_only_when_asked_to(from_voice: bool) -> None:
    usual = sentence("en")[0].astype(np.float32) / np.float32(32768) * 0.35
    voice = np.concatenate([usual] * 3 + [played(usual, 1.22, 1.8)] * 2)
    performer, brows = Performer(1, mood=Mood(from_voice=from_voice)), []
    for i, chunk in enumerate(np.clip(voice[: len(voice) // 640 * 640].reshape(-1, 640), -1, 1)):
        window = performer.push(Chunk(i, chunk, SILENCE))
        if window is not None:
            brows.append(window.face[0, [ARKIT["browDownLeft"], ARKIT["eyeWideLeft"], ARKIT["noseSneerLeft"]]].max())
    assert (max(brows[-100:]) > 0.15) == from_voice
