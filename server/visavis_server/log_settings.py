"""What an operator may choose about the log. Part of the tree in `settings.py`."""

from __future__ import annotations

from dataclasses import dataclass

from visavis_server.setting_fields import BadSetting, value

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What the server says."""

    level: str = value("info", f"One of {', '.join(LOG_LEVELS)}.")
    format: str = value("text", f"One of {', '.join(LOG_FORMATS)}; json: one object a line, for programs.")

    def __post_init__(self) -> None:
        if self.level not in LOG_LEVELS:
            raise BadSetting("log.level", f"is {self.level!r}", f"Choose one of {', '.join(LOG_LEVELS)}.")
        if self.format not in LOG_FORMATS:
            raise BadSetting("log.format", f"is {self.format!r}", f"Choose one of {', '.join(LOG_FORMATS)}.")
