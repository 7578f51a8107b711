"""Lets the renderer's loops be compiled where nothing can be kept: a read-only installation and no home folder.

numba refuses to load a function that it is told to keep when it finds no folder for it. Knows nothing of the loops.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_log = logging.getLogger(__name__)
REMEDY = "Set NUMBA_CACHE_DIR to a folder that you may write to."


def can_be_kept() -> bool:
    """Does numba find a folder to keep compiled code in."""
    import numba

    try:
        numba.njit(cache=True)(_probe)
    except RuntimeError:
        return False
    return True


@contextmanager
def room_for_compiled_code() -> Iterator[None]:
    """Within this, modules with compiled functions can be imported anywhere; where nothing can be kept, it says so."""
    if can_be_kept():
        yield
        return
    import numba

    _log.warning("compiled code cannot be kept, so every start is slow", extra={"remedy": REMEDY})
    config: Any = numba.config
    before = config.CACHE_DIR
    with tempfile.TemporaryDirectory(prefix="visavis-") as folder:
        config.CACHE_DIR = folder
        try:
            yield
        finally:
            config.CACHE_DIR = before


def _probe() -> int:
    return 0
