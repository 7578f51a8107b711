"""Motion as comma-separated values: one header row, then one row a frame, as spreadsheets and other tools want.

Writes what gives the very same float32 back. Reads a stranger's file: semicolons and tabs, decimal commas, any columns.
"""

from __future__ import annotations

import csv
import json
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visavis_models.errors import BadMotion
from visavis_server.motion_columns import Given, Header, Written, recognised

_BLOCK_ROWS = 1000
_CUT = "Is it a whole CSV file? Export it again."


def as_text(column: NDArray[np.generic]) -> list[str]:
    """Every value as the shortest text that reads back as the same value; booleans as 0 and 1."""
    plain = column.astype(np.int64) if column.dtype == np.bool_ else column
    return [str(value) for value in plain.astype(np.str_).tolist()]


def text_rows(columns: Written, quoted: bool = False) -> Iterator[tuple[str, ...]]:
    """Every row as text, a block at a time: hours of motion never lie in memory as text.

    Args:
        columns: of one length.
        quoted: text cells become JSON strings.
    """
    count = min((len(column) for column in columns.values()), default=0)
    for first in range(0, count, _BLOCK_ROWS):
        blocks = [column[first : first + _BLOCK_ROWS] for column in columns.values()]
        yield from zip(
            *(
                [json.dumps(value, ensure_ascii=False) for value in block.tolist()]
                if quoted and block.dtype.kind == "U"
                else as_text(block)
                for block in blocks
            ),
            strict=True,
        )


def write_csv(path: Path, columns: Written) -> None:
    """Write a header row, then the rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(text_rows(columns))


def read_csv(path: Path, most_rows: int) -> Given:
    """Read the columns that are known.

    Raises:
        BadMotion: `motion_unreadable`, `motion_columns`, `motion_value` or `motion_too_long`.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            separator = max(",;\t", key=first.count)  # the earlier of equals
            file.seek(0)
            return _read(csv.reader(file, delimiter=separator), path.name, separator, most_rows)
    except UnicodeDecodeError as error:
        raise BadMotion("motion_unreadable", f"{path.name} is not text.", _CUT) from error
    except csv.Error as error:
        raise BadMotion("motion_unreadable", f"{path.name} cannot be read as CSV: {error}.", _CUT) from error


def _read(lines: Iterator[list[str]], file: str, separator: str, most_rows: int) -> Given:
    filled = ((number, cells) for number, cells in enumerate(lines, 1) if any(cell.strip() for cell in cells))
    _, names = next(filled, (0, []))
    header = recognised(names, file)
    places = list(header.places.items())
    values = array("d")
    timecodes: list[str] = []
    rows = 0
    for number, cells in filled:
        if len(cells) != len(names):
            raise BadMotion(
                "motion_columns", f"Line {number} of {file} has {len(cells)} cells, its header {len(names)}.", _CUT
            )
        rows += 1
        if rows > most_rows:
            raise BadMotion("motion_too_long", f"{file} has more than {most_rows} rows.", "Cut it into parts.")
        row = [cells[place] for _, place in places]
        if separator == ";":  # where it separates, the comma is the decimal point
            row = [cell.replace(",", ".") for cell in row]
        try:
            values.extend([float(cell) for cell in row])
        except ValueError:
            raise _not_a_number(row, header, number, file) from None
        if header.timecode is not None:
            timecodes.append(cells[header.timecode])
    table = np.frombuffer(values, np.float64).reshape(rows, len(places))
    columns = {name: table[:, i] for i, (name, _) in enumerate(places)}
    return Given(columns, rows, timecodes if header.timecode is not None else None, header.unused)


def _not_a_number(row: list[str], header: Header, number: int, file: str) -> BadMotion:
    for name, cell in zip(header.places, row, strict=True):
        try:
            float(cell)
        except ValueError:
            what = f"is {cell.strip()[:40]!r}, not a number" if cell.strip() else "is empty"
            message = f"{name} in line {number} of {file} {what}."
            return BadMotion(
                "motion_value", message, "Fill it in or remove the line: what lacks is bridged by its time."
            )
    raise AssertionError("every cell is a number")
