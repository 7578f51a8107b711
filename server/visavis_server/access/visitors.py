"""Who sends a request: the address behind proxies, and the key or token that it carries, wherever that stands.

Knows nothing of what either of them may do.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from starlette.datastructures import Headers, QueryParams
from starlette.types import Scope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Place = Literal["header", "protocol", "query", "cookie", "nowhere"]

COOKIE = "visavis"
SUBPROTOCOL = "visavis.v1"
"""What a browser's WebSocket offers beside `bearer.<token>`, since it cannot send headers."""
_BEARER_PROTOCOL = "bearer."
_MAX_CREDENTIAL_CHARACTERS = 4096
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever sends a request."""

    address: str
    """The IP address, behind proxies that are trusted."""
    credential: str = field(default="", repr=False)
    place: Place = "nowhere"
    """Where the credential stood."""
    https: bool = False
    """The visitor's own connection is HTTPS."""

    @property
    def is_local(self) -> bool:
        """The server's own machine."""
        return is_loopback(self.address)

    @property
    def network(self) -> str:
        """What limits go by: the address, or of IPv6 the network that one household has."""
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            return self.address
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
            return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
        return str(getattr(address, "ipv4_mapped", None) or address)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def visitor_of(scope: Scope, trusted: Iterable[Network]) -> Visitor:
    """Whoever sends this request.

    Args:
        scope: of ASGI.
        trusted: proxies whose word about where a request comes from is taken.
    """
    headers = Headers(scope=scope)
    client = scope.get("client")
    address, believed = _client_address(client[0] or _UNKNOWN if client else _UNKNOWN, headers, tuple(trusted))
    forwarded = headers.get("x-forwarded-proto", "").split(",")[-1].strip().lower() if believed else ""
    secure = forwarded in ("https", "wss") or (not forwarded and scope.get("scheme") in ("https", "wss"))
    credential, place = _credential(scope, headers)
    return Visitor(address, credential[:_MAX_CREDENTIAL_CHARACTERS], place, secure)


def _client_address(peer: str, headers: Headers, trusted: tuple[Network, ...]) -> tuple[str, bool]:
    """The last address that no trusted proxy has; and whether proxies are believed at all."""
    hops = [hop.strip() for line in headers.getlist("x-forwarded-for") for hop in line.split(",")]
    address, believed = peer, _is_in(peer, trusted)
    for hop in reversed(hops):
        if not _is_in(address, trusted):
            break
        bare = _bare(hop)
        if bare is None:
            return _UNKNOWN, believed  # a proxy that says nothing sensible: nobody we know, least of all this machine
        address = bare
    if believed and not hops and any(name in headers for name in ("forwarded", "x-real-ip", "via")):
        return _UNKNOWN, believed
    return address, believed


def _is_in(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found.version == network.version and found in network for network in networks)


def _bare(hop: str) -> str | None:
    """An address as proxies write it, without port and brackets; None: it is none."""
    for text in (hop, hop.rpartition(":")[0], hop.rpartition(":")[0].strip("[]"), hop.strip("[]")):
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            continue
    return None


def _credential(scope: Scope, headers: Headers) -> tuple[str, Place]:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and given.strip():
        return given.strip(), "header"
    websocket = scope["type"] == "websocket"
    if websocket:
        for protocol in scope.get("subprotocols", ()):
            if protocol.startswith(_BEARER_PROTOCOL):
                return protocol[len(_BEARER_PROTOCOL) :], "protocol"
    if websocket or scope.get("method") in ("GET", "HEAD"):
        found = QueryParams(scope.get("query_string", b"")).get("token", "").strip()
        if found:
            return found, "query"
    kept = _cookie(headers.getlist("cookie"))
    return (kept, "cookie") if kept else ("", "nowhere")


def _cookie(lines: Iterable[str]) -> str:
    for line in lines:
        found = re.search(rf"(?:^|;)\s*{COOKIE}=([A-Za-z0-9_.-]+)\s*(?:;|$)", line)
        if found:
            return found[1]
    return ""


def shown_address(address: str) -> str:
    """An address as logs may hold it: always the same for the same one, but not the address itself."""
    return hashlib.sha256(f"visavis visitor {address}".encode()).hexdigest()[:8]
