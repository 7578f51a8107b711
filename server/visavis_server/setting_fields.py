"""How a setting is declared: its default, its range, its help, and whether it is a secret; and what a bad one raises.

Knows no setting.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

from visavis_models.errors import BadInput


class BadSetting(BadInput):
    """The operator's settings cannot be used: the message names the key."""

    def __init__(self, key: str, problem: str, remedy: str) -> None:
        super().__init__("bad_setting", f"{key} {problem}.", remedy)
        self.key = key


def number(default: float, low: float, high: float, help: str) -> Any:
    """A field for a number from `low` to `high`."""
    return field(default=default, metadata={"low": low, "high": high, "help": help})


def value(default: Any, help: str) -> Any:
    """A field for anything else."""
    return field(default=default, metadata={"help": help})


def secret(help: str) -> Any:
    """A field for a text that no message, log or representation may show."""
    return field(default="", repr=False, metadata={"help": help, "secret": True})
