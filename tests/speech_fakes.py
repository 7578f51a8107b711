"""A voice for tests that paints a row's number into its samples, and rows of a plan for it to speak."""

from __future__ import annotations

import subprocess
from typing import Any

import numpy as np

from visavis_training.speech.phones import SILENCE, Phone
from visavis_training.speech.spoken_text import SpokenText

LENGTH_S = 0.5


class PaintedVoice:
    """Says its row's number as the pitch of a swelling tone; a text that starts with "!" makes it fail in one way."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def speak(self, row: dict[str, Any]) -> SpokenText:
        self.asked.append(row["id"])
        time_s = np.arange(int(LENGTH_S * 22_050)) / 22_050
        wave = (0.3 * (time_s / LENGTH_S) ** 4 * np.sin(2 * np.pi * tone_hz(row["id"]) * time_s)).astype(np.float32)
        phones = [Phone(SILENCE, 0.0, 0.1), Phone("a", 0.1, 0.3), Phone("m", 0.3, LENGTH_S)]
        match row["text"]:
            case "!silent":
                wave *= np.float32(0)
            case "!broken":
                wave[100] = np.nan
            case "!clipped":
                wave = np.clip(wave, -0.1, 0.1)
            case "!hurried":
                phones = [Phone("a", i * 0.01, (i + 1) * 0.01) for i in range(50)]
            case "!failing":
                raise subprocess.CalledProcessError(1, "voice")
            case "!killed":
                raise KeyboardInterrupt
        return SpokenText(wave, 22_050, phones)


def tone_hz(number: int) -> float:
    return 200.0 + 40.0 * number


def heard_hz(samples: np.ndarray[Any, Any]) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 65_536))
    return float(np.argmax(spectrum)) * 16_000 / 65_536


def rows_of_a_plan(count: int, engine: str = "piper", first: int = 0) -> list[dict[str, Any]]:
    return [
        {"id": first + i, "part": "test" if i % 5 == 0 else "train", "language": "en", "engine": engine}
        | {"voice": "joe", "speed": 1.0, "text": f"Text {i}.", "tokens": "ˈam"}
        for i in range(count)
    ]
