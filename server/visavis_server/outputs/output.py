"""What every output of a session has in common: its state, how it does, and how it is stopped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from visavis_models.errors import VisavisError

Kind = Literal["recording", "rtmp", "whip"]
State = Literal["connecting", "live", "reconnecting", "failed", "ended"]
KINDS: tuple[Kind, ...] = ("recording", "rtmp", "whip")


@dataclass(frozen=True, slots=True)
class OutputReport:
    """How an output does."""

    state: State
    seconds: float = 0.0
    """Media that was written or handed to the network, over all connections."""
    sent_bytes: int = 0
    pictures_dropped: int = 0
    """Pictures that it lacks because it, or the encoder, could not keep up."""
    voice_dropped_s: float = 0.0
    """Voice that it missed for the same reason."""
    reconnects: int = 0
    error: VisavisError | None = None
    """What went wrong last."""


class Output(Protocol):
    """A recording or a stream, from its start until it has ended or failed."""

    kind: Kind
    shown: str
    """Where it goes, without anything secret."""

    def report(self) -> OutputReport:
        """How it does."""
        ...

    async def close(self) -> None:
        """End it in order and free everything. Idempotent."""
        ...
