"""Motion as Apache Parquet: small, exact, and read by every data tool. Loads pyarrow only when it is needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from visavis_models.errors import BadMotion
from visavis_server.motion_columns import Column, Given, Written, recognised

_KEY = b"visavis_motion"


def write_parquet(path: Path, columns: Written, metadata: Mapping[str, Any]) -> None:
    """Write a table of the columns; the metadata stand as JSON under the schema's key `visavis_motion`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: pa.array(np.ascontiguousarray(column)) for name, column in columns.items()})
    said = {_KEY: json.dumps(dict(metadata), ensure_ascii=False).encode()}
    with path.open("wb") as file:  # a disk that is full is then an OSError like any other
        pq.write_table(table.replace_schema_metadata(said), file, compression="zstd")


def read_parquet(path: Path, most_rows: int) -> Given:
    """Read the columns that are known; nothing else of the file is decoded.

    Raises:
        BadMotion: `motion_unreadable`, `motion_columns`, `motion_value` or `motion_too_long`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            schema = file.schema_arrow
            header = recognised(schema.names, path.name)
            if file.metadata.num_rows > most_rows:
                raise BadMotion("motion_too_long", f"{path.name} has more than {most_rows} rows.", "Cut it into parts.")
            known = [*header.places.values()] + [header.timecode] * (header.timecode is not None)
            wanted = [schema.names[place] for place in known if place is not None]
            table = file.read(columns=wanted)
            columns = {name: _numbers(table, schema.names[place], path.name) for name, place in header.places.items()}
            timecodes = None
            if header.timecode is not None:
                timecodes = [str(value) for value in table.column(schema.names[header.timecode]).to_pylist()]
            fps, sha256 = _about(schema.metadata or {})
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise BadMotion(
            "motion_unreadable", f"{path.name} cannot be read as Parquet.", "Is the file whole? Export it again."
        ) from error
    return Given(columns, table.num_rows, timecodes, header.unused, fps, sha256)


def _numbers(table: Any, name: str, file: str) -> Column:
    import pyarrow as pa

    column = table.column(name)
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        raise BadMotion("motion_value", f"{name} in {file} holds {kind}, not numbers.", "Store it as float32.")
    if column.null_count:  # told apart from NaN nowhere else
        return np.full(len(column), np.nan)
    return np.asarray(column.combine_chunks().to_numpy(zero_copy_only=False), np.float64)


def _about(metadata: Mapping[bytes, bytes]) -> tuple[float | None, str | None]:
    """Frames per second, and the voice's sha256, where a file of ours tells them."""
    try:
        said = json.loads(metadata.get(_KEY, b"{}"))
    except (ValueError, RecursionError):
        return None, None
    said = said if isinstance(said, dict) else {}
    fps, audio = said.get("fps"), said.get("audio")
    sha256 = audio.get("sha256") if isinstance(audio, dict) else None
    return (
        float(fps) if isinstance(fps, float) or (isinstance(fps, int) and abs(fps) < 1e9) else None,
        sha256 if isinstance(sha256, str) else None,
    )
