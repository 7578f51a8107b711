"""The two spoken sentences of the test data as a corpus would hand them out."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from visavis_training.speech.phones import Phone, gapless

DATA = Path(__file__).parent / "data"


@cache
def sentence(language: str) -> tuple[NDArray[np.int16], list[Phone]]:
    """int16 samples at 16 kHz and gapless phones; "en" or "zh"."""
    entry = tomllib.loads((DATA / "speech.toml").read_text("utf-8"))[f"speech_{language}"]
    with av.open(str(DATA / entry["file"])) as container:
        resampler = av.AudioResampler("s16", "mono", 16_000)
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
        frames += resampler.resample(None)
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.int16)
    return samples, gapless([Phone(*phone) for phone in entry["phones"]], len(samples) / 16_000)


def utterances(count: int = 6) -> list[tuple[dict[str, Any], NDArray[np.int16], list[Phone]]]:
    """As `labels.aligned` yields them: both sentences in turn."""
    rows = [{"id": i, "voice": ("af_heart", "zf_other")[i % 2], "part": "train"} for i in range(count)]
    return [(row, *sentence(("en", "zh")[i % 2])) for i, row in enumerate(rows)]
