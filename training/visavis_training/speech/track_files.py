"""How tracks lie on disk: flat files, one value after another, the tracks of a whole corpus in a row.

Row i is of `(i + 0.5) * 10 ms`. Knows neither how tracks are made nor what learns from them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visavis_models.errors import StorageError
from visavis_models.voice.mouth import MOUTH_COUNT

RATE_HZ = 16_000
ROW_SAMPLES = 160
FILES: dict[str, tuple[str, int, int]] = {
    "wave": ("int16", ROW_SAMPLES, 0),
    "line": ("int16", ROW_SAMPLES, 0),
    "mouth": ("float16", 1, MOUTH_COUNT),
    "phone": ("uint8", 1, 0),
    "speech": ("uint8", 1, 0),
    "loudness": ("float16", 1, 0),
    "voicing": ("uint8", 1, 0),
    "log_f0": ("float16", 1, 0),
}
"""Each file `NAME.npy`: its dtype, values a row, and how many numbers a value has (0: it is one number).

`wave` is the clean voice, `line` the same after a codec, `phone` an index into PHONES, `speech` 1 but in long silences.
"""
NUISANCE = "nuisance"
"""`nuisance.npy`: int16 sound without speech, unit power stored as `NUISANCE_SCALE`."""
NUISANCE_SCALE = 3277
LISTING, PROGRESS = "tracks.json", "done.txt"
"""How the tracks are made and of how many parts; a line for each part that is done."""


def load(folder: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of finished tracks: those of `FILES` and `NUISANCE`.

    Raises:
        StorageError: there are none, or their making was broken off.
    """
    remedy = "Run python -m visavis_training.speech.tracks for this folder; it goes on where it stopped."
    if not (folder / LISTING).is_file() or not (folder / PROGRESS).is_file():
        raise StorageError("tracks_missing", f"There are no tracks in {folder}.", remedy)
    parts = json.loads((folder / LISTING).read_text("utf-8"))["parts"]
    done = len((folder / PROGRESS).read_text("utf-8").split())
    if done < parts:
        raise StorageError("tracks_unfinished", f"Only {done} of {parts} parts of {folder} are made.", remedy)
    return {name: np.load(folder / f"{name}.npy") for name in (*FILES, NUISANCE)}
