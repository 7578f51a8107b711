"""What somebody may do: scopes, and the avatar or session they are bound to. Knows nothing of keys or requests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast, get_args

from visavis_models.errors import BadInput, BadRequest

Scope = Literal["call", "publish", "view", "manage", "metrics"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
ALL_SCOPES = frozenset(SCOPES)
BINDABLE: frozenset[Scope] = frozenset(("call", "publish", "view"))
"""Scopes that can be for one avatar or session only: the others concern the whole server."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request may do."""

    scopes: frozenset[Scope]
    owner: str = ""
    """The id of the key that is answerable; empty: this machine itself, or nobody in particular."""
    avatar: str | None = None
    """Only this avatar."""
    session: str | None = None
    """Only this session: by its id, watch id or the name of its show."""
    expires_s: float | None = None
    """Seconds since 1970; None: until the key is revoked."""
    max_sessions: int = 0
    """At the same time, of the key; 0: any number."""
    minutes_per_day: int = 0
    """Of sessions, of the key; 0: any number."""

    def may(self, scopes: Iterable[Scope]) -> bool:
        """Whether it has one of these scopes; `manage` has all of them."""
        return "manage" in self.scopes or not self.scopes.isdisjoint(scopes)

    def check_opening(self, avatar_id: str, show: str = "") -> None:
        """Make sure that a session of this avatar, under this name, may be opened.

        Raises:
            BadRequest: `forbidden`.
        """
        if self.avatar is not None and avatar_id != self.avatar:
            raise forbidden("This key or token is for another avatar.")
        if self.session is not None and (not show or show != self.session):
            raise forbidden("This key or token is for one session only.")


EVERYTHING = Grant(ALL_SCOPES)
"""What this machine itself may do where nobody needs a key."""


def read_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Scopes by their names.

    Raises:
        BadInput: `bad_scope`.
    """
    found = frozenset(names)
    if not found or not found <= ALL_SCOPES:
        wrong = ", ".join(sorted(found - ALL_SCOPES)) or "none"
        raise BadInput("bad_scope", f"There is no scope {wrong}.", f"Scopes are {', '.join(SCOPES)}.")
    return cast("frozenset[Scope]", found)


def check_binding(scopes: frozenset[Scope], avatar: str | None, session: str | None) -> None:
    """Make sure that what is to be bound can be.

    Raises:
        BadInput: `bad_scope`.
    """
    loose = scopes - BINDABLE
    if loose and (avatar is not None or session is not None):
        message = f"The scope {', '.join(sorted(loose))} cannot be for one avatar or session."
        raise BadInput("bad_scope", message, f"Only {', '.join(sorted(BINDABLE))} can.")


def unauthorized(message: str = "This needs a bearer token or a key.") -> BadRequest:
    """Who asks is not known."""
    remedy = "Send Authorization: Bearer <key or token>; the operator makes one with `visavis key create`."
    return BadRequest("unauthorized", message, remedy)


def forbidden(message: str = "This key or token does not allow that.") -> BadRequest:
    """Who asks is known, and may not."""
    return BadRequest("forbidden", message, "Ask the operator for one that does.")
