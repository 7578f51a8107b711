"""A bar on the terminal's stderr for commands that take a while. Knows nothing of what is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import typer


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, called with (done, expected); it appears when the work has begun, after what may be refused."""
    with ExitStack() as stack:
        bar: Any = None

        def advance(done: int, expected: int) -> None:
            nonlocal bar
            if bar is None:
                bar = stack.enter_context(typer.progressbar(length=expected, label=label, file=sys.stderr))
            bar.length = expected
            bar.update(done - bar.pos)

        yield advance
