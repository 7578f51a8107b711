"""How log lines look: time, level, a fixed message, then its fields as `name=value`, or all of it as JSON.

It does not know what is logged.
"""

from __future__ import annotations

import json
import logging
import sys
import time

from visavis_server.redaction import Redacting

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


class FieldFormatter(logging.Formatter):
    """One line for each record: `12:00:01.250 INFO  session opened session=k3 avatar=astronaut`.

    Args:
        who: of several processes that write to one place; empty: there is only this one.
    """

    def __init__(self, who: str = "") -> None:
        super().__init__()
        self._who = f"{who}: " if who else ""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and below it the traceback if there is one."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        parts = [f"{clock}.{int(record.msecs):03d} {record.levelname:<7} {self._who}{record.getMessage()}"]
        parts += [f"{name}={_shown(value)}" for name, value in vars(record).items() if name not in _STANDARD]
        line = " ".join(parts)
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logging.Formatter):
    """One object a line: `{"time": "2026-03-01T12:00:01.250Z", "level": "info", "message": "session opened", …}`.

    Args:
        who: see `FieldFormatter`.
    """

    def __init__(self, who: str = "") -> None:
        super().__init__()
        self._who = who

    def format(self, record: logging.LogRecord) -> str:
        """The line; a traceback is one of its fields."""
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{clock}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self._who:
            line["process"] = self._who
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD and name not in line}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class Seldom(logging.Filter):
    """Lets no more than one line a second through of each library that complains about what strangers send.

    Whoever sends rubbish must not fill the operator's disk.
    """

    _CHATTY = ("uvicorn.error", "python_multipart", "multipart", "websockets", "asyncio")
    _EVERY_S = 1.0

    def __init__(self) -> None:
        super().__init__()
        self._last_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this record is written."""
        if record.levelno >= logging.ERROR or not record.name.startswith(self._CHATTY):
            return True
        now_s = time.monotonic()
        if record.levelno == logging.WARNING and now_s - self._last_s.get(record.name, -1e9) < self._EVERY_S:
            return False
        self._last_s[record.name] = now_s
        return True


def _shown(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and text and " " not in text else json.dumps(text, ensure_ascii=False)


def start_logging(level: str, format: str = "text", who: str = "") -> None:
    """Write records of this level and above to standard error; the libraries' chatter only at debug level.

    Args:
        level: one of `LOG_LEVELS`.
        format: "text" for people, "json" for programs.
        who: see `FieldFormatter`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Redacting(JsonFormatter(who) if format == "json" else FieldFormatter(who)))
    handler.addFilter(Seldom())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    noisy = logging.DEBUG if level == "debug" else logging.WARNING
    for name in ("aioice", "aiortc", "uvicorn", "uvicorn.error", "asyncio", "websockets", "PIL", "libav"):
        logging.getLogger(name).setLevel(noisy)
    logging.getLogger("numba").setLevel(logging.WARNING)  # its debug output is megabytes
