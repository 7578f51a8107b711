"""Keeps utterances on disk by the two hundred: one FLAC file of 16 kHz voice, one JSON line each, one record of how.

Which row lies in which shard follows from the plan alone, and a shard is there wholly or not at all: its record is
written last, under a temporary name first. Shards of different speakers are merged by copying their files together.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visavis_models.errors import StorageError
from visavis_training.speech.spoken_text import SAMPLE_RATE_HZ

ROWS_PER_SHARD = 200
FOLDER = "shards"
_RECORD = ".made.json"
Row = dict[str, Any]


def shards_of(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The plan's rows by the name of their shard: `0000`, `0001` for Kokoro, `piper000` and so on for the others."""
    named: dict[str, list[Row]] = {}
    counts: dict[str, int] = {}
    for row in rows:
        engine = row["engine"]
        number, _ = divmod(counts.get(engine, 0), ROWS_PER_SHARD)
        counts[engine] = counts.get(engine, 0) + 1
        named.setdefault(f"{number:04d}" if engine == "kokoro" else f"{engine}{number:03d}", []).append(row)
    return named


def hash_of(rows: Sequence[Row]) -> str:
    """SHA-256 of a plan's rows, as hexadecimal digits."""
    lines = (json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def hash_of_samples(samples: NDArray[np.int16]) -> str:
    """SHA-256 of the samples as little-endian bytes, as hexadecimal digits."""
    return hashlib.sha256(np.ascontiguousarray(samples, "<i2").tobytes()).hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a file that is there wholly or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)


def record_of(corpus: Path, name: str) -> dict[str, Any] | None:
    """How a shard was made, or None where it is not there or not finished."""
    path = corpus / FOLDER / f"{name}{_RECORD}"
    if not path.is_file():
        return None
    record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return record


def is_made(corpus: Path, name: str, rows: Sequence[Row]) -> bool:
    """Whether the shard is there.

    Raises:
        StorageError: it is there, but was made from other rows.
    """
    record = record_of(corpus, name)
    if record is not None and record["plan"] != hash_of(rows):
        raise StorageError(
            "shard_of_another_plan",
            f"Shard {name} in {corpus} was made from another plan.",
            "Use another folder, or remove its shards to speak them anew.",
        )
    return record is not None


def write(
    corpus: Path,
    name: str,
    utterances: Sequence[tuple[Row, NDArray[np.int16]]],
    record: dict[str, Any],
) -> None:
    """Write one shard.

    Args:
        corpus: the corpus' folder.
        name: of the shard.
        utterances: plan rows with their `phones`, and int16 samples at 16 kHz; `offset` and `samples` are added.
        record: how it was made: `plan` (`hash_of` its rows), `dropped`, `wall_s` and whatever else is known.
    """
    import soundfile

    folder = corpus / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    lines, offset = [], 0
    for row, samples in utterances:
        lines.append(json.dumps({**row, "offset": offset, "samples": len(samples)}, ensure_ascii=False))
        offset += len(samples)
    everything = np.concatenate([samples for _, samples in utterances] or [np.zeros(0, np.int16)])
    temporary = folder / f".{name}.flac.{os.getpid()}"
    soundfile.write(temporary, everything, SAMPLE_RATE_HZ, subtype="PCM_16", format="FLAC")
    temporary.replace(folder / f"{name}.flac")
    write_text(folder / f"{name}.jsonl", "".join(f"{line}\n" for line in lines))
    told = {**record, "kept": len(utterances), "samples": offset, "sha256_of_samples": hash_of_samples(everything)}
    write_text(folder / f"{name}{_RECORD}", json.dumps(told, ensure_ascii=False, indent=1) + "\n")


def names(corpus: Path) -> list[str]:
    """The shards that are finished, in order of their names."""
    return sorted(path.name.removesuffix(_RECORD) for path in (corpus / FOLDER).glob(f"[!.]*{_RECORD}"))


def rows_of(corpus: Path, name: str) -> list[Row]:
    """The rows of a shard, without their samples."""
    lines = (corpus / FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def samples_of(corpus: Path, name: str) -> NDArray[np.int16]:
    """The samples of a shard: int16 (N,), 16 kHz."""
    import soundfile

    record = record_of(corpus, name)
    if record is not None and record["samples"] == 0:  # all of its rows were dropped: no FLAC file can say that
        return np.zeros(0, np.int16)
    samples, rate_hz = soundfile.read(corpus / FOLDER / f"{name}.flac", dtype="int16")
    if rate_hz != SAMPLE_RATE_HZ or samples.ndim != 1:
        raise StorageError("shard_broken", f"Shard {name} is not 16 kHz mono.", "Remove its files and make it again.")
    return np.asarray(samples, np.int16)


def read(corpus: Path, part: str | None = None) -> list[tuple[Row, NDArray[np.int16]]]:
    """Every utterance: its row and int16 samples at 16 kHz, shards in order of their names.

    Args:
        corpus: the corpus' folder.
        part: "train" or "test" for those alone.

    Raises:
        StorageError: there is no finished shard, or two hold an utterance of the same number.
    """
    listed = {name: [row for row in rows_of(corpus, name) if part in (None, row["part"])] for name in names(corpus)}
    if not listed:
        raise StorageError("corpus_empty", f"{corpus} holds no finished shard.", "Make the corpus first.")
    ids = [row["id"] for rows in listed.values() for row in rows]
    if len(set(ids)) != len(ids):
        raise StorageError(
            "corpus_mixed", f"Shards in {corpus} share numbers of utterances.", "Merge shards of one plan only."
        )
    wanted = [name for name, rows in listed.items() if rows]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        loaded = dict(zip(wanted, pool.map(lambda name: samples_of(corpus, name), wanted), strict=True))
    return [
        (row, loaded[name][row["offset"] : row["offset"] + row["samples"]]) for name in wanted for row in listed[name]
    ]
