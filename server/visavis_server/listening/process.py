"""The inside of a process that listens: listeners by their sessions, asked one thing after another through one pipe.

Ends when the pipe does. Knows nothing of sessions, clocks or pictures.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from visavis_models.errors import EngineError, VisavisError
from visavis_models.listening import Listener, MoodyListener

_log = logging.getLogger(__name__)

SILENT = frozenset(("open", "attend", "close"))
"""What is asked without waiting for an answer."""
Question = tuple[str, int, Any]
"""What, of which listener, and with what."""
Reply = tuple[str, Any, bool]
"""`ok` and the answer, or `error` and its code, message and remedy; and whether somebody speaks to the avatar."""


def listen(pipe: int) -> None:
    """Listen for sessions of the process that has started this one."""
    from visavis_server import wiring

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the server, with which this ends
    answer_all(Connection(pipe), wiring.listener_maker())


def answer_all(pipe: Connection, make: Callable[[int], Listener]) -> None:
    """Answer until the pipe ends; the first thing said is the look-ahead of all listeners in ms."""
    listeners: dict[int, Listener] = {}
    failed: dict[int, VisavisError] = {}
    try:
        pipe.send(make(0).lookahead_ms)
        while True:
            question: Question = pipe.recv()
            reply = _reply(question, listeners, failed, make)
            if question[0] not in SILENT:
                pipe.send(reply)
    except (EOFError, OSError):
        return


def _reply(
    question: Question, listeners: dict[int, Listener], failed: dict[int, VisavisError], make: Callable[[int], Listener]
) -> Reply:
    what, id, given = question
    try:
        if id in failed and what != "close":
            raise failed[id]
        answer = _answer(what, id, given, listeners, make)
    except Exception as error:
        if not isinstance(error, VisavisError):
            _log.exception("listening failed")
            error = EngineError("listening_failed", f"Listening failed: {error}.", "Start again; see the log.")
        if what == "open":
            failed[id] = error
        return "error", (error.code, error.message, error.remedy), False
    if what == "close":
        failed.pop(id, None)
    return "ok", answer, id in listeners and listeners[id].hears_other


def _answer(what: str, id: int, given: Any, listeners: dict[int, Listener], make: Callable[[int], Listener]) -> Any:
    if what == "open":
        listeners[id] = make(given)
        return None
    if what == "close":
        listeners.pop(id, None)
        return None
    listener = listeners[id]
    match what:
        case "hear":
            return listener.push(given)
        case "interrupt":
            return listener.interrupt(*given)
        case "attend":
            listener.set_listening(given)
        case "mood" if isinstance(listener, MoodyListener):
            listener.set_mood(given)
    return None
