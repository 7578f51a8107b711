"""A range of UDP ports, as an operator writes it. Knows nothing of sockets."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WRITTEN = re.compile(r"(\d{1,5})-(\d{1,5})")


@dataclass(frozen=True, slots=True)
class PortRange:
    """UDP ports from `first` to `last`, both included, 1024 to 65535."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 1024 <= self.first <= self.last <= 65535:
            raise ValueError(f"{self.first}-{self.last} is no range of ports from 1024 to 65535")

    @classmethod
    def read(cls, text: str) -> PortRange:
        """The range that a text such as `40000-40100` stands for.

        Raises:
            ValueError: it stands for none.
        """
        found = _WRITTEN.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text!r} is no range of ports")
        return cls(int(found[1]), int(found[2]))

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"
