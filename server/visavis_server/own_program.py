"""How this very program is run again as a process that helps: by commands that `visavis --help` does not show.

Imports nothing heavy: help comes at once.
"""

from __future__ import annotations

import sys
from pathlib import Path

WORKER = "worker"
LISTENER = "listener"


def run_as(command: str) -> list[str]:
    """The program that this is, with another command."""
    program = Path(sys.argv[0])
    script = [str(program)] if program.suffix == ".py" and program.name != "__main__.py" else ["-m", "visavis_server"]
    return [sys.executable, *script, command]


def work() -> None:
    """Be one of several processes behind a front; its plan comes through standard input."""
    from visavis_server.workers.worker import work

    work()


def listen(pipe: int) -> None:
    """Listen for the sessions of another process."""
    from visavis_server.listening.process import listen

    listen(pipe)
