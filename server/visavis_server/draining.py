"""What may be let run out before a server ends. Knows nothing of signals."""

from __future__ import annotations

from typing import Protocol


class Drainable(Protocol):
    """Calls that may end by themselves: a `SessionRegistry`, or workers that have some."""

    @property
    def active(self) -> int:
        """How many still go on."""
        ...

    def drain(self) -> None:
        """Let nobody new in. Idempotent."""
        ...
