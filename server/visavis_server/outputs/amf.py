"""AMF0, in which RTMP writes its commands. Reads what strangers send: bounded in depth and length."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

Value = None | bool | float | str | Mapping[str, "Value"] | list["Value"]

_NUMBER, _BOOLEAN, _STRING, _OBJECT, _NULL, _UNDEFINED, _ECMA, _END, _ARRAY, _DATE, _LONG = (
    0, 1, 2, 3, 5, 6, 8, 9, 10, 11, 12,
)  # fmt: skip
_MAX_DEPTH = 8
_MAX_VALUES = 1000


class BadAmf(ValueError):
    """The bytes are no AMF0, or more of it than anybody needs."""


def write(*values: Value) -> bytes:
    """Some values, one after another; whole numbers become what all numbers are here, floats."""
    return b"".join(map(_written, values))


def read(data: bytes) -> list[Value]:
    """All values in some bytes.

    Raises:
        BadAmf: they cannot be read.
    """
    reader = _Reader(data)
    values: list[Value] = []
    try:
        while reader.left:
            values.append(reader.value(0))
    except (struct.error, UnicodeDecodeError) as error:
        raise BadAmf("broken off") from error
    return values


def _written(value: Value) -> bytes:
    if value is None:
        return bytes((_NULL,))
    if isinstance(value, bool):
        return bytes((_BOOLEAN, value))
    if isinstance(value, int | float):
        return struct.pack("!Bd", _NUMBER, value)
    if isinstance(value, str):
        return bytes((_STRING,)) + _name(value)
    if isinstance(value, Mapping):
        inner = b"".join(_name(key) + _written(item) for key, item in value.items())
        return bytes((_OBJECT,)) + inner + bytes((0, 0, _END))
    raise BadAmf("no value of this kind is written")


def _name(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!H", len(data)) + data


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._count = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def value(self, depth: int) -> Value:
        self._count += 1
        if depth > _MAX_DEPTH or self._count > _MAX_VALUES:
            raise BadAmf("too much")
        (kind,) = self._take("!B")
        if kind == _NUMBER:
            return float(self._take("!d")[0])
        if kind == _BOOLEAN:
            return bool(self._take("!B")[0])
        if kind in (_STRING, _LONG):
            return self._text("!H" if kind == _STRING else "!I")
        if kind in (_NULL, _UNDEFINED):
            return None
        if kind in (_OBJECT, _ECMA):
            if kind == _ECMA:
                self._take("!I")  # a length that need not be right
            return self._properties(depth)
        if kind == _ARRAY:
            return [self.value(depth + 1) for _ in range(min(self._take("!I")[0], _MAX_VALUES + 1))]
        if kind == _DATE:
            return float(self._take("!dh")[0])
        raise BadAmf(f"unknown kind {kind}")

    def _properties(self, depth: int) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while True:
            name = self._text("!H")
            if not name and self.left and self._data[self._at] == _END:
                self._at += 1
                return found
            found[name] = self.value(depth + 1)

    def _text(self, length: str) -> str:
        (size,) = self._take(length)
        if size > self.left:
            raise BadAmf("broken off")
        self._at += size
        return self._data[self._at - size : self._at].decode("utf-8", "replace")

    def _take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return values
