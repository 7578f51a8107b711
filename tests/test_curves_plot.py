"""The picture of a sentence's curves: where its phones come from, what it shows, and that it is drawn."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from visavis_models.voice.mouth import CHANNEL, MOUTH_COUNT
from visavis_training.speech.curves_plot import PANELS, curves_of, draw, read_phones, read_sound
from visavis_training.speech.phones import SILENCE

pytestmark = pytest.mark.unit

DATA = Path(__file__).parent / "data"


def test_phones_are_read_from_a_table_or_a_list_and_made_gapless(tmp_path: Path) -> None:
    english = read_phones(f"{DATA / 'speech.toml'}#speech_en", 6.9)
    assert english[0].symbol == SILENCE and english[0].start_s == 0.0 and english[-1].end_s == pytest.approx(6.9)
    (tmp_path / "p.json").write_text(json.dumps([["m", 0.1, 0.2], ["a", 0.2, 0.4]]), "utf-8")
    read = read_phones(str(tmp_path / "p.json"), 0.5)
    assert [phone.symbol for phone in read] == [SILENCE, "m", "a", SILENCE]
    with pytest.raises(KeyError):
        read_phones(f"{DATA / 'speech.toml'}#speech_xx", 1.0)


def test_panels_show_the_mouths_own_values() -> None:
    mouth = np.zeros((2, MOUTH_COUNT), np.float32)
    mouth[1, CHANNEL["jawOpen"]], mouth[1, CHANNEL["mouthPucker"]], mouth[1, CHANNEL["tongueOut"]] = 0.4, 0.5, 0.3
    shown = curves_of(mouth)
    assert set(shown) == {name for name, _ in PANELS}
    assert [float(shown[name][1]) for name in ("jaw", "rounding", "tongue")] == pytest.approx([0.4, 0.5, 0.3])
    assert shown["gap"][0] == 0.0 and shown["gap"][1] > 0.3


def test_a_sentence_is_drawn_and_an_answer_changes_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    samples = read_sound(DATA / "speech_zh.flac")
    phones = read_phones(f"{DATA / 'speech.toml'}#speech_zh", len(samples) / 16_000)
    pictures = []
    for answer in (None, np.full((100, MOUTH_COUNT), 0.2, np.float32)):
        draw(samples, phones, answer, "a sentence", tmp_path / "out.png")
        pictures.append(cv2.imread(str(tmp_path / "out.png")))
    assert pictures[0] is not None and pictures[0].shape[1] > 1000
    assert np.abs(pictures[0].astype(int) - pictures[1]).max(-1).astype(bool).mean() > 0.002
