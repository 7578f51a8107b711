"""Where a stream goes: read from a URL, and shown without what is secret in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from visavis_models.errors import BadRequest
from visavis_server.outputs.address_policy import AddressPolicy
from visavis_server.outputs.output import Kind

_KINDS: dict[str, tuple[Kind, bool, int]] = {
    "rtmp": ("rtmp", False, 1935),
    "rtmps": ("rtmp", True, 443),
    "http": ("whip", False, 80),
    "https": ("whip", True, 443),
    "whip": ("whip", True, 443),
}
"""Protocol, TLS and port of a scheme. `whip` is how MediaMTX and GStreamer sometimes write https for WHIP."""
MAX_URL = 2048
_REMEDY = "Write rtmp://host/app/key, rtmps://host/app/key, or https://host/path for WHIP."


@dataclass(frozen=True, slots=True)
class Target:
    """A server that takes a stream."""

    kind: Kind
    tls: bool
    host: str
    port: int
    path: str = field(repr=False)
    """With the query; of RTMP: application and key."""
    token: str = field(default="", repr=False)
    """WHIP: the bearer token."""
    policy: AddressPolicy = AddressPolicy()

    @property
    def shown(self) -> str:
        """For people and logs: everything after the host may be a key."""
        return f"{self.origin}/…"

    @property
    def origin(self) -> str:
        """Scheme, host, and the port if it is not the usual one."""
        scheme = {"rtmp": "rtmp", "whip": "http"}[self.kind] + ("s" if self.tls else "")
        return f"{scheme}://{_bracketed(self.host) if self.port == _KINDS[scheme][2] else self.authority}"

    @property
    def authority(self) -> str:
        """Host and port."""
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def rtmp_names(self) -> tuple[str, str]:
        """RTMP: the application and the stream's name in it (the key), each without slashes at its ends."""
        plain, mark, query = self.path.partition("?")
        parts = [part for part in plain.split("/") if part]
        if len(parts) < 2:
            return "".join(parts) + mark + query, ""
        return "/".join(parts[:-1]), parts[-1] + mark + query

    def without_secrets(self, text: str) -> str:
        """What a server says, for people: without the key that it may repeat."""
        app, key = self.rtmp_names
        secrets = {self.token, self.path, self.path.strip("/"), key, key.partition("?")[0]}
        secrets |= set(re.split(r"[/?&=]", self.path)) - set(app.split("/"))
        secrets |= set(map(unquote, secrets))
        for secret in sorted((s for s in secrets if len(s) >= 4), key=len, reverse=True):
            text = text.replace(secret, "…")
        return "".join(c for c in text if c.isprintable())[:200]


def read_target(url: str, key: str = "", token: str = "", policy: AddressPolicy | None = None) -> Target:
    """The target of a URL.

    Args:
        url: rtmp, rtmps, http, https or whip.
        key: RTMP: the stream key, if it is not the end of the URL.
        token: WHIP: the bearer token.
        policy: where it may lie; None: public addresses.

    Raises:
        BadRequest: `bad_url`. Its message does not repeat the URL.
    """

    def bad(what: str) -> BadRequest:
        return BadRequest("bad_url", f"The stream's address {what}.", _REMEDY)

    if len(url) + len(key) > MAX_URL or not all("!" <= character <= "~" for character in url + key + token):
        raise bad("is too long, or has characters that no URL has")
    try:
        parts = urlsplit(url)
        host, port, known = parts.hostname or "", parts.port, _KINDS.get(parts.scheme)
    except ValueError as error:
        raise bad("is no URL") from error
    if known is None or not host:
        raise bad("is not one of rtmp, rtmps, http or https")
    if parts.username is not None or parts.password is not None:
        raise bad("has a user name before its host, which is not supported")
    kind, tls, usual_port = known
    if kind == "rtmp" and token:
        raise BadRequest("bad_url", "A token is for WHIP; RTMP has a key.", _REMEDY)
    if kind == "whip" and key:
        raise BadRequest("bad_url", "A key is for RTMP; WHIP has a bearer token.", "Give it as token.")
    path = parts.path.rstrip("/") + "/" + key if key else parts.path
    path += f"?{parts.query}" if parts.query else ""
    if kind == "rtmp" and not path.strip("/?"):
        raise bad("names no application")
    return Target(kind, tls, host, port or usual_port, path or "/", token, policy or AddressPolicy())


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
