"""What to do when the system has no more file descriptors to give: say it once, go on with those who are here.

asyncio tries again by itself, but says so with a traceback for every place in the queue of connections, thousands of
times a second. Knows nothing of who wants to connect.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import sys
import time
from typing import Any

_log = logging.getLogger(__name__)

SAY_EVERY_S = 10.0
WANTED_DESCRIPTORS = 65_536
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class ExhaustionReporter:
    """An event loop's exception handler: what exhausts the system is told once in a while, all else as always."""

    def __init__(self) -> None:
        self._said_s = -SAY_EVERY_S
        self.count = 0
        """How often something could not be had."""

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take what asyncio could not hand to anybody."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _EXHAUSTED:
            loop.default_exception_handler(context)
            return
        self.count += 1
        now_s = time.monotonic()
        if now_s - self._said_s >= SAY_EVERY_S:
            self._said_s = now_s
            remedy = "Calls go on. Allow the process more open files (ulimit -n, LimitNOFILE)."
            _log.error("connections wait: the system gives no more", extra={"reason": error.strerror, "remedy": remedy})


def allow_more_descriptors() -> None:
    """Use what the system allows this process at most, where its shell allows it less."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, WANTED_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # not ours to change here
            _log.debug("the limit of open files stays", extra={"limit": soft})
