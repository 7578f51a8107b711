"""The rule of every address: which scopes open it, which of the operator's own tokens do, and whom it is about.

What no line below names needs `manage`, so that an address that somebody adds later is shut until it is thought about.
Knows nothing of keys or of what the addresses do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from visavis_server.access.grants import Scope

Door = Literal["agents", "publish", "watch", "shows", "outputs"]
"""Where one of the operator's tokens in the settings is asked for."""
About = Literal["server", "session", "avatar", "watched", "speaker", "opening", "body"]
"""Whom a request is about: the whole server; the session or avatar in its path; a session by any of its names; whoever
a microphone (WHIP) or an agent in the query speaks for; or somebody in its body, where the route itself must look."""

GUARDED = ("/v1", "/metrics", "/whip", "/whep")
"""All else is the page, its pictures and the reference: the same for everybody."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one address asks for."""

    name: str
    """For logs, which must not show whole addresses: the ids in them are secrets."""
    scopes: frozenset[Scope] | None
    """One of these; `manage` is always one; None: nothing is asked for."""
    about: About = "server"
    door: Door | None = None
    local_only: bool = False
    """Even where nobody needs a key only this machine itself may."""


@dataclass(frozen=True, slots=True)
class Matched:
    """A rule, and the name in the address that it is about."""

    rule: Rule
    name: str = ""


_ANY: tuple[Scope, ...] = ("call", "publish", "view")
_SPEAKING: tuple[Scope, ...] = ("call", "publish")
_NAME = r"(?P<name>[^/]*)"


def _line(
    methods: str, path: str, scopes: tuple[Scope, ...] | None, about: About = "server", door: Door | None = None,
    local_only: bool = False,
) -> tuple[re.Pattern[str], Rule]:  # fmt: skip
    rule = Rule(f"{methods} {path}", None if scopes is None else frozenset(scopes), about, door, local_only)
    pattern = path.replace("{name}", _NAME).replace("{rest}", "(?:/.*)?")
    verbs = "[A-Z]+" if methods == "*" else methods.replace(" ", "|")
    return re.compile(f"(?:{verbs}) {pattern}", re.DOTALL), rule


_LINES = (
    _line("*", "/v1/access", None),
    _line("POST", "/v1/tokens", (*_ANY, "metrics")),
    _line("GET HEAD", "/metrics", ("metrics",)),
    _line("GET HEAD", "/v1/(?:config|moods)", _ANY),
    _line("POST", "/v1/connection-checks", _ANY),
    _line("GET HEAD", "/v1/avatars", _ANY),
    _line("GET HEAD", "/v1/avatars/{name}(?:/image|/thumbnail)?", _ANY, "avatar"),
    _line("GET HEAD", "/v1/sessions", (), local_only=True),
    _line("POST", "/v1/sessions", _SPEAKING, "body"),
    _line("*", "/v1/sessions/{name}/outputs{rest}", (), "session", "outputs", local_only=True),
    _line("WEBSOCKET", "/v1/sessions/{name}/agent", ("publish",), "session", "agents"),
    _line("*", "/v1/sessions/{name}{rest}", _SPEAKING, "session"),
    _line("WEBSOCKET", "/v1/agents", ("publish",), "opening", "agents"),
    _line("POST", "/v1/shows", ("publish",), "body", "shows"),
    _line("*", "/v1/shows/{name}{rest}", ("publish",), "session", "shows"),
    _line("WEBSOCKET", "/v1/watch/{name}/events", ("view", "publish"), "watched", "watch"),
    _line("GET HEAD", "/v1/watch/{name}", ("view", "publish"), "watched", "watch"),
    _line("*", "/whep/{name}{rest}", ("view", "publish"), "watched", "watch"),
    _line("*", "/whip/{name}{rest}", ("publish",), "speaker", "publish"),
)
_OPEN = Matched(Rule("page", None))
_ELSE = Matched(Rule("everything else", frozenset()))


def rule_of(method: str, path: str) -> Matched:
    """What a request asks for.

    Args:
        method: of HTTP, or `WEBSOCKET`.
        path: decoded, as the routes see it.
    """
    if method == "OPTIONS" or not path.startswith(GUARDED):
        return _OPEN
    request = f"{method} {path}"
    for pattern, rule in _LINES:
        found = pattern.fullmatch(request)
        if found is not None:
            return Matched(rule, found.groupdict().get("name") or "")
    return _ELSE
