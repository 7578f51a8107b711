"""What a doctor says of one thing. Knows nothing of what is examined or how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "broken"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing examined."""

    name: str
    status: Status
    finding: str
    """What was found, one line for people."""
    remedy: str = ""
    """What to do about it; empty if it is well."""
