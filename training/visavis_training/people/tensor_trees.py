"""Records of tensors, nested in any way, handled as one: laid out for a pool, filled in part, joined, counted.

A record is a dataclass (or a mapping) whose fields are tensors, records, or anything else, which all share. Knows
nothing of what the tensors say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from visavis_training.people.chance import Chance

Record = TypeVar("Record")


def tensors(record: Any) -> Iterator[Tensor]:
    """All tensors in a record, in the order of its fields."""
    if isinstance(record, Tensor):
        yield record
    elif isinstance(record, Chance):
        yield record.seeds
    elif isinstance(record, Mapping):
        for value in record.values():
            yield from tensors(value)
    elif is_dataclass(record) and not isinstance(record, type):
        for field in fields(record):
            yield from tensors(getattr(record, field.name))


def changed(record: Record, others: Sequence[Record], change: Callable[..., Tensor], kept: tuple[type, ...]) -> Record:
    """The record with every tensor replaced by `change(tensor, tensors at the same place of the others...)`.

    Instances of the classes `kept` stay as the first record has them.
    """
    result: Any = record
    if isinstance(record, kept):
        return record
    if isinstance(record, Tensor):
        result = change(record, *others)
    elif isinstance(record, Chance):
        result = Chance(change(record.seeds, *(o.seeds for o in others)))  # type: ignore[attr-defined]
    elif isinstance(record, Mapping):
        result = {key: changed(value, [o[key] for o in others], change, kept) for key, value in record.items()}  # type: ignore[index]
    elif is_dataclass(record) and not isinstance(record, type):
        made = {
            f.name: changed(getattr(record, f.name), [getattr(o, f.name) for o in others], change, kept)
            for f in fields(record)
        }
        result = replace(record, **made)
    return result  # type: ignore[no-any-return]


def room_for(record: Record, rows: int, size: int, kept: tuple[type, ...] = ()) -> Record:
    """Such a record for `size` people, its values not set.

    Args:
        record: of `rows` people: tensors whose first axis is that long are theirs, the others are everybody's.
        rows: at least 2, so that what belongs to everybody (first axis 1) is not taken for theirs.
        size: of the pool.
        kept: classes whose instances everybody shares.
    """
    return changed(record, [], lambda t: t.new_zeros((size, *t.shape[1:])) if _theirs(t, rows) else t, kept)


def put(pool: Record, record: Record, first: int, rows: int, kept: tuple[type, ...] = ()) -> None:
    """Write a record of `rows` people over the pool's people from `first` on, in place."""

    def write(old: Tensor, new: Tensor) -> Tensor:
        if _theirs(new, rows):
            old[first : first + rows] = new
        return old

    changed(pool, [record], write, kept)


def _theirs(tensor: Tensor, rows: int) -> bool:
    return bool(tensor.ndim > 0 and tensor.shape[0] == rows)


def joined(records: Sequence[Record]) -> Record:
    """Records one after another along the first axis of every tensor; the others' plain fields are the first's."""
    if len(records) == 1:
        return records[0]
    return changed(records[0], records[1:], lambda *parts: torch.cat(parts), ())
