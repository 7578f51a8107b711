"""Gives memory that encoders have freed back to the system.

glibc keeps freed blocks of a few megabytes for itself, so a server would look as if each call leaked some. Knows
nothing of calls.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # not glibc
        return None


def give_back() -> None:
    """Return what is free; a millisecond or so, without the interpreter's lock. Does nothing where it cannot."""
    trim = _trim()
    if trim is not None:
        trim(0)
