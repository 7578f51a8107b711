"""The listener that ships as a whole: turns, the other side, soft beginnings, and windows of any size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from heard_voices import chunk, gaps, listened, sentence
from stage_fakes import PaintingRenderer, plain_avatar
from visavis_models.arkit import ARKIT
from visavis_models.chunk import CHUNK_SAMPLES, Chunk
from visavis_models.motion import MotionWindow, join_windows
from visavis_models.performer import Performer
from visavis_models.voice.mouth import lip_gap, mouth_of_face
from visavis_models.voice.onset import MOST_OPENING, SoftOnset
from visavis_server.pipeline import Performance, Work, advance

pytestmark = pytest.mark.weights
SILENT = np.zeros(CHUNK_SAMPLES, np.float32)


class Window(PaintingRenderer):
    """Keeps the motion that it is to draw."""

    def __init__(self) -> None:
        super().__init__()
        self.windows: list[MotionWindow] = []

    def render(self, states: Any, windows: Any) -> list[NDArray[np.uint8]]:
        self.windows.extend(windows)
        return super().render(states, windows)


def turns() -> list[Chunk]:
    """The other side says a sentence, then the avatar does."""
    theirs, mine = (sentence(language)[0] for language in ("zh", "en"))
    parts = [
        voice[: len(voice) // CHUNK_SAMPLES * CHUNK_SAMPLES].reshape(-1, CHUNK_SAMPLES) for voice in (theirs, mine)
    ]
    heard = [replace(chunk(i, SILENT), other=part) for i, part in enumerate(parts[0])]
    return heard + [chunk(len(heard) + i, part) for i, part in enumerate(parts[1])]


def performed(chunks: list[Chunk], step: int) -> MotionWindow:
    renderer = Window()
    performance = Performance(Performer(5), renderer.open(plain_avatar()))
    for start in range(0, len(chunks), step):
        results = advance(renderer, [Work(performance, chunks[start : start + step])])
        assert not any(isinstance(result, Exception) for result in results)
    return join_windows(renderer.windows)


def test_windows_of_any_size_show_the_same_motion() -> None:
    chunks = turns()
    one, other = performed(chunks, 1), performed(chunks, 7)
    frames = min(len(one), len(other))
    assert frames > 200
    for part in ("face", "head", "body", "speaking"):
        np.testing.assert_array_equal(getattr(one, part)[:frames], getattr(other, part)[:frames])


def test_the_other_sides_voice_moves_the_head_and_never_the_lips() -> None:
    chunks = turns()
    begun = next(i for i, one in enumerate(chunks) if one.other is None)
    alone = performed([replace(one, other=None) for one in chunks[:begun]], 4)
    attended = performed(chunks[:begun], 4)
    assert np.abs(alone.head - attended.head).max() > 0.02
    assert not attended.speaking.any()
    assert lip_gap(mouth_of_face(attended.face)).max() == 0.0
    assert attended.face[:, ARKIT["jawOpen"]].max() == 0.0


def test_a_listener_tells_that_somebody_is_heard() -> None:
    performer, chunks = Performer(5), turns()
    told = []
    for one in chunks:
        performer.push(one)
        told.append(performer.hears_other)
    begun = next(i for i, one in enumerate(chunks) if one.other is None)
    assert not told[3] and all(told[20:begun])
    assert not any(told[begun + 40 :])


def test_a_mouth_opens_softly_out_of_silence_and_freely_in_speech() -> None:
    motions = listened(sentence("en")[0])
    onset = SoftOnset()
    shown = lip_gap(mouth_of_face(np.stack([onset.step(motion.face, motion.speaking) for motion in motions])))
    wanted = gaps(motions)
    begins = next(i for i, motion in enumerate(motions) if motion.speaking)
    assert np.diff(shown[begins - 1 : begins + 5]).max() <= MOST_OPENING + 1e-5
    assert np.diff(wanted).max() > MOST_OPENING, "the sentence opens the mouth faster than that somewhere"
    late = begins + 8
    end = next(i for i in range(late, len(motions)) if not motions[i].speaking)
    np.testing.assert_array_equal(shown[late:end], wanted[late:end])
    assert np.all(shown <= np.maximum.accumulate(wanted) + 1e-6)
