"""Which worker a request is for, told by its address. Pure functions.

A session's id begins with its worker's number: `2.Xy3...`. Names that users choose have no number: each belongs to the
worker that comes first for it, and is looked for at the others only where that one does not know it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs

_NUMBERED = re.compile(r"(\d{1,3})\.")
MOST_ROUTED_BYTES = 256 * 1024
"""Bodies up to here are read before a worker is chosen: they may name one, and can be sent to another one."""
ORDER_PATH = "/front/"
"""Below it the front alone asks workers: whatever it passes on says whose request it is."""
_ALL = ("/healthz", "/readyz", "/metrics", "/v1/config")


@dataclass(frozen=True, slots=True)
class Destination:
    """Who answers."""

    kind: Literal["one", "name", "any", "all"]
    """One worker; the one to whom a name belongs; whoever has room; all of them together."""
    worker: int = 0
    name: str = ""
    opens: bool = False
    """A session is opened by it: whoever has no room for it need not be the last one asked."""
    removes: str = ""
    """An avatar is removed by it: all are to know."""


ANY = Destination("any")


def id_prefix(worker: int) -> str:
    """What ids of a worker's sessions begin with."""
    return f"{worker}."


def worker_of(id: str) -> int | None:
    """The worker that an id names; None if it names none."""
    found = _NUMBERED.match(id)
    return int(found[1]) if found else None


def destination(method: str, path: str, query: str, body: bytes = b"") -> Destination:
    """Who answers a request.

    Args:
        method: `WEBSOCKET` for a WebSocket.
        path: without the query.
        query: without the question mark.
        body: if it is known, and small.
    """
    if path in _ALL or (method == "GET" and path == "/v1/sessions"):
        return Destination("all")
    parts = path.strip("/").split("/")
    show = parse_qs(query).get("show", [""])[0]
    match parts:
        case ["v1", "sessions" | "shows", id, *_]:
            return _of_id(id)
        case ["v1", "sessions" | "shows"] if method == "POST":
            return _opening(_field(body, "show" if parts[1] == "sessions" else "name"))
        case ["v1", "agents"]:
            return _opening(show)
        case ["v1", "avatars", id] if method == "DELETE":
            return Destination("any", removes=id)
        case ["v1", "watch", name, *_] | ["whep", name, *_]:
            return _of_id(name)
        case ["whip", target]:
            return _of_id(target) if worker_of(target) is not None else _opening(show)
        case ["whip", target, _]:
            return _of_id(target)
    return ANY


def ranked(name: str, workers: Sequence[int]) -> list[int]:
    """The workers in the order in which a name is theirs: the same for ever, and even when one comes or goes."""

    def rank(worker: int) -> bytes:
        return hashlib.sha256(f"{worker} {name}".encode()).digest()

    return sorted(workers, key=rank)


def _of_id(id: str) -> Destination:
    worker = worker_of(id)
    return Destination("name", name=id) if worker is None else Destination("one", worker)


def _opening(name: str) -> Destination:
    return Destination("name", name=name, opens=True) if name else Destination("any", opens=True)


def _field(body: bytes, name: str) -> str:
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    value = found.get(name, "") if isinstance(found, dict) else ""
    return value if isinstance(value, str) else ""
