"""Takes keys, tokens and cookies out of what is logged: the last defence, for what libraries write at level debug.

Knows the shapes of secrets, not where they come from.
"""

from __future__ import annotations

import logging
import re

_HIDDEN = "***"
_SHAPES = (
    (re.compile(r"(vv_[a-z0-9]{10}_)[A-Za-z0-9_-]+"), rf"\g<1>{_HIDDEN}"),
    (re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*"), _HIDDEN),
    (re.compile(r"(?i)\b(bearer[ .]+)[^\s,;\"'<>]+"), rf"\g<1>{_HIDDEN}"),
    (re.compile(r"(?i)\b((?:token|access_token|key|credential|password)=)[^\s&,;\"'<>]+"), rf"\g<1>{_HIDDEN}"),
    (re.compile(r"(?i)\b((?:set-)?cookie: ?|visavis=)[^\r\n\"'<>]+"), rf"\g<1>{_HIDDEN}"),
    (re.compile(r"(?i)\b(authorization: ?)[^\r\n\"'<>]+"), rf"\g<1>{_HIDDEN}"),
)


def redacted(text: str) -> str:
    """A text without what looks like a secret of ours."""
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    return text


class Redacting(logging.Formatter):
    """What another formatter writes, without secrets.

    Args:
        inner: writes the line.
    """

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return redacted(self._inner.format(record))
