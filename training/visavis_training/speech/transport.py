"""Makes a corpus small enough to carry: its shards as Ogg/Opus, sample for sample in place, and back to FLAC.

The voice passes through a codec once; times and lengths stay. Knows nothing of engines or plans.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from visavis_models.errors import StorageError
from visavis_training.speech import shards
from visavis_training.speech.spoken_text import SAMPLE_RATE_HZ

_LEVEL = 0.9
"""libsndfile's compression of Opus: about 28 kbit/s at 16 kHz."""


def pack(corpus: Path, out: Path) -> None:
    """Write every finished shard of a corpus as `out/NAME.ogg` with its rows and record beside it."""
    import soundfile

    out.mkdir(parents=True, exist_ok=True)
    for name in shards.names(corpus):
        samples = shards.samples_of(corpus, name)
        soundfile.write(
            out / f"{name}.ogg", samples, SAMPLE_RATE_HZ, format="OGG", subtype="OPUS", compression_level=_LEVEL
        )
        record = shards.record_of(corpus, name)
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in shards.rows_of(corpus, name))
        shards.write_text(out / f"{name}.jsonl", text)
        shards.write_text(out / f"{name}.json", json.dumps(record, ensure_ascii=False) + "\n")


def unpack(packed: Path, corpus: Path) -> list[str]:
    """Write what `pack` wrote as shards of a corpus; those that are there already stay. Returns the names written.

    Raises:
        StorageError: a file is not as long as its rows say.
    """
    import soundfile

    written = []
    for listing in sorted(packed.glob("[!.]*.jsonl")):
        name = listing.stem
        if shards.record_of(corpus, name) is not None:
            continue
        samples, rate_hz = soundfile.read(listing.with_suffix(".ogg"), dtype="int16")
        rows = [json.loads(line) for line in listing.read_text("utf-8").splitlines()]
        record = json.loads(listing.with_suffix(".json").read_text("utf-8"))
        if rate_hz != SAMPLE_RATE_HZ or len(samples) != sum(row["samples"] for row in rows):
            raise StorageError("shard_broken", f"{name}.ogg does not fit its rows.", "Pack the corpus again.")
        utterances = []
        for row in rows:
            first = row.pop("offset")
            utterances.append((row, np.asarray(samples[first : first + row.pop("samples")], np.int16)))
        shards.write(corpus, name, utterances, {**record, "carried_as": "Opus"})
        written.append(name)
    return written
