"""How tracks lie on disk: flat files, one value after another, the tracks of a whole corpus in a row.

Row i is of `(i + 0.5) * 10 ms`. Knows neither how tracks are made nor what learns from them.
"""

from __future__ import annotations

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
