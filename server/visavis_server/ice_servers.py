"""STUN and TURN servers as they are handed out: those with a shared secret get a name and a password of their own.

The TURN REST scheme (draft-uberti-behave-turn-rest), which coturn calls `use-auth-secret`: the name is the moment at
which it expires, the password an HMAC-SHA1 of the name. Nothing is kept, and nothing here is ever logged.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from visavis_server.settings import IceServer, RtcSettings


@dataclass(frozen=True, slots=True)
class TurnPassword:
    """A name and a password for a TURN server."""

    username: str
    credential: str


def turn_password(secret: str, who: str, expires_s: float) -> TurnPassword:
    """Name and password that a TURN server with this secret takes until then.

    Args:
        secret: shared with the TURN server.
        who: stands in the name; TURN servers log it, so nothing that must stay unknown.
        expires_s: seconds since 1970.
    """
    username = f"{int(expires_s)}:{who}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return TurnPassword(username, base64.b64encode(digest).decode())


class IceServers:
    """The operator's STUN and TURN servers.

    Args:
        settings: which, and the secret.
        now_s: the wall clock, seconds since 1970.
    """

    def __init__(self, settings: RtcSettings, now_s: Callable[[], float] = lambda: time.time()) -> None:
        self._settings = settings
        self._now_s = now_s

    def issue(self, who: str = "") -> tuple[IceServer, ...]:
        """All of them, with passwords that last `rtc.turn_ttl_s` from now.

        Args:
            who: on whose behalf, such as a session's id: a TURN server's log shows which of its allocations belong
                together, not who it is.
        """
        settings = self._settings
        if not settings.turn_secret:
            return settings.ice_servers
        label = hashlib.sha256(f"visavis turn {who}".encode()).hexdigest()[:12] if who else "visavis"
        made = turn_password(settings.turn_secret, label, self._now_s() + settings.turn_ttl_s)
        return tuple(
            replace(server, username=made.username, credential=made.credential)
            if server.relays and server.credential is None
            else server
            for server in settings.ice_servers
        )
