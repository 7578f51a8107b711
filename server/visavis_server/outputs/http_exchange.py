"""One HTTP request to an address that was looked at, as WHIP needs it. On the event loop; bounded in time and size."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import h11

from visavis_models.errors import BadRequest
from visavis_server.outputs.address_policy import AddressPolicy
from visavis_server.outputs.trouble import Unreachable

LIMIT_S = 15.0
MAX_BODY_BYTES = 256 * 1024
_READ_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; of several with one name the first."""
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """An http or https URL, taken apart."""

    tls: bool
    host: str
    port: int
    path: str = field(repr=False)
    """With the query."""

    @classmethod
    def read(cls, url: str) -> HttpAddress:
        """An absolute URL.

        Raises:
            ValueError: it is none, or of another scheme.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise ValueError("no http URL")
        if not all("!" <= character <= "~" for character in url):
            raise ValueError("characters that no URL has")
        tls = parts.scheme == "https"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(tls, parts.hostname, parts.port or (443 if tls else 80), path)

    @property
    def authority(self) -> str:
        """Host and port, for the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    def joined(self, reference: str) -> HttpAddress:
        """The address that a Location header names, seen from here.

        Raises:
            ValueError: it is none.
        """
        base = f"http{'s' * self.tls}://{self.authority}{self.path}"
        return HttpAddress.read(urljoin(base, reference))


async def exchange(
    method: str, address: HttpAddress, policy: AddressPolicy, headers: Mapping[str, str], body: bytes = b""
) -> HttpAnswer:
    """Ask, and read the answer. Redirects are the caller's to follow.

    Raises:
        BadRequest: `address_refused`.
        Unreachable: no connection, no answer in time, or none that is HTTP.
    """
    try:
        async with asyncio.timeout(LIMIT_S):
            reader, writer = await policy.connect(address.host, address.port, address.tls)
            try:
                return await _ask(reader, writer, method, address, headers, body)
            finally:
                writer.transport.abort()
    except TimeoutError as error:
        raise Unreachable("no_answer", "The server does not answer in time.", "Check address and server.") from error
    except h11.ProtocolError as error:
        raise Unreachable("not_http", "The server does not speak HTTP.", "Check address and port.") from error
    except OSError as error:
        raise Unreachable("hung_up", "The server hangs up.", "Check address and server.") from error


async def _ask(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    method: str,
    address: HttpAddress,
    headers: Mapping[str, str],
    body: bytes,
) -> HttpAnswer:
    http = h11.Connection(h11.CLIENT)
    fields = {"Host": address.authority, "User-Agent": "visavis", "Connection": "close", **headers}
    if body or method == "POST":
        fields["Content-Length"] = str(len(body))
    request = h11.Request(method=method, target=address.path, headers=list(fields.items()))
    for part in (request, h11.Data(data=body), h11.EndOfMessage()):
        writer.write(http.send(part) or b"")
    await writer.drain()
    status, content = 0, bytearray()
    found: dict[str, str] = {}
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(_READ_BYTES))
        elif isinstance(event, h11.Response):
            status = event.status_code
            for name, value in event.headers:
                found.setdefault(name.decode("ascii").lower(), value.decode("latin-1"))
        elif isinstance(event, h11.Data):
            content += event.data
            if len(content) > MAX_BODY_BYTES:
                raise Unreachable("answer_too_large", "The server's answer is too large.", "Check the address.")
        elif isinstance(event, h11.EndOfMessage):
            return HttpAnswer(status, found, bytes(content))
        elif isinstance(event, h11.ConnectionClosed):
            raise Unreachable("hung_up", "The server hangs up without an answer.", "Check address and server.")


def not_an_address() -> BadRequest:
    """What a server's Location is worth that is no URL."""
    return BadRequest("bad_redirect", "The server names an address that is none.", "Check the WHIP address.")
