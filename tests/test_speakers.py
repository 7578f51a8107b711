"""Speaking in several processes: what one utterance or one process does wrong costs that utterance only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from visavis_training.speech.kokoro import Utterance
from visavis_training.speech.speakers import speak_many

pytestmark = pytest.mark.unit


class Hummer:
    """Hums half a second for each symbol."""

    def speak(self, phones: str, voice: str, speed: float = 1.0) -> Utterance:
        if voice == "fatal":
            os._exit(3)
        if voice == "unknown":
            raise ValueError("there is no such voice")
        count = len(phones) * 12_000
        samples = 0.2 * np.sin(np.arange(count) * (2 * np.pi * 220 / 24_000))
        return Utterance(samples.astype(np.float32), phones, np.arange(len(phones) + 1, dtype=np.float64) * 0.5)


def open_hummer(folder: Path, device: str) -> Hummer:
    if folder.name == "broken":
        raise FileNotFoundError("model.onnx")
    return Hummer()


def _rows(voices: list[str]) -> list[dict[str, Any]]:
    return [{"id": at, "tokens": "mam"[: 1 + at % 3], "voice": voice, "speed": 1.0} for at, voice in enumerate(voices)]


def test_every_row_is_spoken_once_but_those_that_cannot_be(tmp_path: Path) -> None:
    lost: dict[int, str] = {}
    voices = ["hum"] * 4 + ["unknown", "hum", "fatal"] + ["hum"] * 5

    def failed(row: dict[str, Any], why: str) -> None:
        lost[row["id"]] = why

    told = list(speak_many(_rows(voices), tmp_path, processes=2, failed=failed, opened=open_hummer))
    assert sorted(said.row["id"] for said in told) == [0, 1, 2, 3, 5, 7, 8, 9, 10, 11]
    assert lost == {4: "there is no such voice", 6: "its process ended with 3"}
    for said in told:
        symbols = said.row["tokens"]
        assert said.samples.dtype == np.int16 and len(said.samples) == 8000 * len(symbols)
        assert abs(int(np.abs(said.samples).max()) - 16384) < 20  # half of the scale
        assert [phone.symbol for phone in said.phones] == list(symbols)
        assert said.phones[-1].end_s == pytest.approx(0.5 * len(symbols))


def test_it_says_so_when_no_process_can_speak(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="every speaking process has ended"):
        list(speak_many(_rows(["hum"] * 3), tmp_path / "broken", processes=2, opened=open_hummer))


def test_no_rows_give_nothing(tmp_path: Path) -> None:
    assert list(speak_many([], tmp_path, opened=open_hummer)) == []
