"""Decides on every request before anything else sees it: let in with these rights, or refused with the reason.

The rules of addresses, the keys, the operator's tokens and the limits come together here. Knows no byte of HTTP.
"""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, replace

from visavis_models.errors import BadRequest, Busy, VisavisError
from visavis_server.access.grants import EVERYTHING, Grant, Scope, forbidden, unauthorized
from visavis_server.access.keys import PREFIX, KeyStore
from visavis_server.access.ledger import Ledger, SharedLimits
from visavis_server.access.rules import Matched, Rule, rule_of
from visavis_server.access.tokens import grant_of_token
from visavis_server.access.visitors import Visitor
from visavis_server.rate_limit import RateLimits
from visavis_server.settings import Settings

_BURST_S = 10.0
"""A visitor who was quiet may send what is due for so long at once."""


@dataclass(frozen=True, slots=True)
class KnownAs:
    """A session, whatever it was asked for by."""

    id: str
    avatar_id: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A request that was let in."""

    visitor: Visitor
    grant: Grant
    limited: bool
    """Limits for visitors count."""


current_entry: ContextVar[Entry | None] = ContextVar("current_entry", default=None)
"""The request that is being answered; None outside of any."""


class Gate:
    """What every request passes.

    Args:
        settings: the operator's choices.
        keys: who may come in.
        session_of: the session of an id, watch id or show's name, or None.
        now_s: seconds since 1970.
        ledger: what other workers count; None: this process is all there is.
    """

    def __init__(
        self,
        settings: Settings,
        keys: KeyStore,
        session_of: Callable[[str], KnownAs | None],
        now_s: Callable[[], float] = time.time,
        ledger: Ledger | None = None,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._session_of = session_of
        self._now_s = now_s
        limits = settings.limits
        self._ledger = ledger

        def buckets(kind: str, per_s: float, burst: float) -> RateLimits | SharedLimits:
            return RateLimits(per_s, burst) if ledger is None else ledger.limits(kind, per_s, burst)

        self._requests = buckets("request", limits.requests_per_s, limits.requests_per_s * _BURST_S)
        self._key_requests = buckets("key", limits.key_requests_per_s, limits.key_requests_per_s * _BURST_S)
        self._attempts = buckets("attempt", limits.attempts_per_minute / 60, limits.attempts_per_minute)
        self._photos = buckets("photo", limits.photos_per_hour / 3600, limits.photos_per_hour)
        self._present: Counter[str] = Counter()
        tokens = (settings.agents.token, settings.shows.token, settings.outputs.token)
        self._all_tokens = (*tokens, settings.rtc.publish_token, settings.rtc.watch_token)
        self.trusted = tuple(ipaddress.ip_network(network) for network in settings.server.trusted_proxies)

    def needs_key(self, visitor: Visitor) -> bool:
        """Whether this visitor must show something."""
        mode = self._settings.access.mode
        if mode == "auto":
            return self._settings.public or not visitor.is_local
        return mode == "required"

    @contextmanager
    def present(self, visitor: Visitor, again: bool = False) -> Iterator[None]:
        """Count a visitor for as long as the block lasts; `again`: another worker has counted this request.

        Raises:
            Busy: `too_many_connections`, `too_many_requests`.
        """
        if self._unlimited(visitor) or again:
            yield
            return
        network = visitor.network
        wait_s = self._requests.refused_for_s(network, time.monotonic())
        if wait_s is not None:
            raise _too_fast(wait_s)
        with nullcontext() if self._ledger is None else self._ledger.together():
            elsewhere = 0 if self._ledger is None else self._ledger.present(network)
            if self._present[network] + elsewhere >= self._settings.limits.connections:
                problem = "Too many connections of this address at the same time."
                raise Busy("too_many_connections", problem, "Close some; the operator can raise limits.connections.")
            self._note_present(network, 1)
        try:
            yield
        finally:
            self._note_present(network, -1)

    def _note_present(self, network: str, change: int) -> None:
        self._present[network] += change
        if self._ledger is not None:
            self._ledger.note_present(network, self._present[network])
        if not self._present[network]:
            del self._present[network]

    def enter(self, visitor: Visitor, method: str, path: str, query: Mapping[str, str], again: bool = False) -> Entry:
        """Let a request in.

        Args:
            visitor: who sends it.
            method: of HTTP, or `WEBSOCKET`.
            path: decoded.
            query: the last value of each name.
            again: another worker has counted this request.

        Raises:
            BadRequest: `unauthorized`, `forbidden`, `local_only`.
            Busy: `too_many_requests`, `too_many_attempts`.
            StorageError: the keys cannot be read.
        """
        matched = rule_of(method, path)
        limited = not self._unlimited(visitor)
        try:
            grant = self._grant(visitor, matched, query)
        except BadRequest as error:
            if error.code == "unauthorized" and limited and not again and self._guesses(visitor):
                self._count_attempt(visitor, error)
            raise
        if limited and grant.owner and not again:
            wait_s = self._key_requests.refused_for_s(grant.owner, time.monotonic())
            if wait_s is not None:
                raise _too_fast(wait_s)
        return Entry(visitor, grant, limited)

    def may(self, visitor: Visitor, method: str, path: str, query: Mapping[str, str]) -> bool:
        """Whether this request would be let in; it does not count."""
        try:
            self._grant(visitor, rule_of(method, path), query)
        except VisavisError:
            return False
        return True

    def check_publishing(self, entry: Entry) -> None:
        """Make sure that somebody may be heard under a name, as over WHIP, wherever else they ask for it.

        Raises:
            BadRequest: `unauthorized`, `forbidden`.
        """
        self._grant(entry.visitor, Matched(replace(rule_of("POST", "/whip/").rule, about="body")), {})

    def known(self, visitor: Visitor) -> Grant | None:
        """What a visitor's key or token allows anywhere; None: it has none that works, and needs one.

        Raises:
            BadRequest: `unauthorized`, what it has does not work.
        """
        needed = self.needs_key(visitor)
        if visitor.credential and (needed or visitor.place == "header"):
            try:
                return self._shown(visitor)
            except BadRequest as error:
                if visitor.place != "cookie" and not self._unlimited(visitor):
                    self._count_attempt(visitor, error)
                raise
        return None if needed else EVERYTHING

    def tried(self, visitor: Visitor, text: str) -> Grant:
        """What a key or token that somebody typed allows; wrong ones are counted.

        Raises:
            BadRequest: `unauthorized`.
            Busy: `too_many_attempts`.
        """
        shown = replace(visitor, credential=text, place="header")
        try:
            key = self._keys.find(text)
            return key.grant if key is not None else self._of_token(text)
        except BadRequest as error:
            if not self._unlimited(shown):
                self._count_attempt(shown, error)
            raise

    def check_photo(self, entry: Entry | None) -> None:
        """Count a photo.

        Raises:
            Busy: `too_many_photos`.
        """
        if entry is not None and entry.limited:
            name = entry.grant.owner or entry.visitor.network
            wait_s = self._photos.refused_for_s(name, time.monotonic())
            if wait_s is not None:
                raise Busy("too_many_photos", "Enough photos for this hour.", "Come back later.")

    def _guesses(self, visitor: Visitor) -> bool:
        """Whether a visitor shows what never opened anything; a cookie that has grown old is no guess."""
        if visitor.place in ("nowhere", "cookie"):
            return False
        try:
            self._shown(visitor)
        except BadRequest:
            return not _is_one_of(visitor.credential, self._all_tokens)
        return False

    def _unlimited(self, visitor: Visitor) -> bool:
        return visitor.is_local and not self.needs_key(visitor)

    def _count_attempt(self, visitor: Visitor, error: BadRequest) -> None:
        wait_s = self._attempts.refused_for_s(visitor.network, time.monotonic())
        if wait_s is not None:
            remedy = f"Wait {wait_s:.0f} s. A key that works is taken at once."
            raise Busy("too_many_attempts", "Too many wrong keys or tokens.", remedy) from error

    def _grant(self, visitor: Visitor, matched: Matched, query: Mapping[str, str]) -> Grant:
        rule = matched.rule
        if rule.scopes is None:
            return Grant(frozenset())
        tokens = self._door_tokens(rule, query)
        guarded = bool(tokens) and bool(tokens[0])
        if visitor.credential and visitor.place != "cookie" and _is_one_of(visitor.credential, tokens):
            return _of_door(rule)
        needed = self.needs_key(visitor)
        if not guarded and not needed and not (rule.local_only and not visitor.is_local):
            return EVERYTHING
        if not visitor.credential:
            if not guarded and not needed:
                raise _local_only(rule)
            raise unauthorized()
        grant = self._shown(visitor)
        if not grant.owner and (guarded or not grant.may(rule.scopes)):
            raise unauthorized()  # the operator's token for another door
        if not grant.may(rule.scopes):
            raise forbidden()
        self._check_binding(grant, matched, query)
        return grant

    def _shown(self, visitor: Visitor) -> Grant:
        """What the key or token that a visitor shows allows.

        Raises:
            BadRequest: `unauthorized`.
        """
        text = visitor.credential
        if visitor.place in ("query", "cookie") and text.startswith(PREFIX):
            raise unauthorized("A key does not belong into an address: make a token of it.")
        key = self._keys.find(text) if visitor.place in ("header", "protocol") else None
        if key is not None:
            return key.grant
        shorthand = self._shorthand(text) if visitor.place != "cookie" else None
        if shorthand is not None:
            return shorthand
        return self._of_token(text)

    def _of_token(self, text: str) -> Grant:
        return grant_of_token(text, self._keys, self._now_s(), self._settings.access.max_token_s)

    def _shorthand(self, text: str) -> Grant | None:
        """The operator's tokens of WHIP and WHEP stand for scopes wherever a scope is asked for."""
        rtc = self._settings.rtc
        scopes: tuple[tuple[str, tuple[Scope, ...]], ...] = (
            (rtc.publish_token, ("publish", "view")),
            (rtc.watch_token, ("view",)),
        )
        for token, found in scopes:
            if token and hmac.compare_digest(token.encode(), text.encode()):
                return Grant(frozenset(found))
        return None

    def _door_tokens(self, rule: Rule, query: Mapping[str, str]) -> tuple[str, ...]:
        """The operator's tokens that open a door; the first one, if there is one, shuts it for everybody else."""
        s = self._settings
        match rule.door:
            case "agents":
                # A show is guarded at every door: who may not speak for it over WHIP may not do so here either.
                return (s.agents.token or (s.rtc.publish_token if query.get("show") else ""),)
            case "publish":
                return (s.rtc.publish_token,)
            case "watch":  # whoever may speak for an avatar may watch it too: one address can do both
                return (s.rtc.watch_token, s.rtc.publish_token)
            case "shows":
                return (s.shows.token,)
            case "outputs":
                return (s.outputs.token,)
        return ()

    def _check_binding(self, grant: Grant, matched: Matched, query: Mapping[str, str]) -> None:
        """Make sure that a grant for one avatar or session is used for that one."""
        if grant.avatar is None and grant.session is None:
            return
        name, show = matched.name, query.get("show", "")
        match matched.rule.about:
            case "avatar":
                fits = grant.avatar in (None, name)
            case "session" | "watched":
                fits = self._fits(grant, name)
            case "speaker":
                fits = self._fits(grant, name, show) if self._session_of(name) else self._opens(grant, name, show)
            case "opening":
                fits = self._opens(grant, query.get("avatar_id", ""), show)
            case _:
                fits = True
        if not fits:
            raise forbidden("This key or token is for another avatar or session.")

    def _fits(self, grant: Grant, name: str, show: str = "") -> bool:
        asked = self._session_of(name)
        if grant.avatar is not None and asked is not None and asked.avatar_id != grant.avatar:
            return False
        if grant.session is None:
            return True
        mine = self._session_of(grant.session)
        same = name == grant.session or (asked is not None and mine is not None and asked.id == mine.id)
        return same and show in ("", grant.session)

    def _opens(self, grant: Grant, avatar_id: str, show: str) -> bool:
        waiting = self._session_of(show) if show else None
        if grant.avatar is not None and (avatar_id != grant.avatar or (waiting and waiting.avatar_id != grant.avatar)):
            return False
        return grant.session is None or show == grant.session


def _is_one_of(text: str, tokens: tuple[str, ...]) -> bool:
    given = text.encode()
    return any([hmac.compare_digest(given, token.encode()) for token in tokens if token])


def _of_door(rule: Rule) -> Grant:
    assert rule.scopes is not None
    return replace(EVERYTHING, scopes=rule.scopes) if rule.scopes else EVERYTHING


def _local_only(rule: Rule) -> BadRequest:
    if rule.door == "outputs":
        message = "Only this machine itself may start and stop outputs."
        return BadRequest("local_only", message, "Let its operator set outputs.token, and send it.")
    message = "Only this machine itself may list all sessions."
    return BadRequest("local_only", message, "Ask on the server, or send a key that may manage it.")


def _too_fast(wait_s: float) -> Busy:
    return Busy("too_many_requests", "Requests come too fast.", f"Wait {max(1.0, wait_s):.0f} s, and send fewer.")
