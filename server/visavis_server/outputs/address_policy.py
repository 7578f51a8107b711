"""Which addresses a session may be sent to, and connections to exactly the address that was looked at.

A name is looked up once and the connection goes to what was found: a name that points elsewhere a moment later gains
nothing. Knows nothing of protocols.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from visavis_models.errors import BadRequest
from visavis_server.outputs.trouble import Unreachable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

CONNECT_S = 10.0
_TRUST = "Give the server a valid certificate, or make its own known to this machine (SSL_CERT_FILE)."
_PER_ADDRESS_S = 4.0
_MAX_ADDRESSES = 4
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST_6 = ipaddress.IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Where connections may go.

    Args:
        everywhere: the operator named the target: nothing is refused.
        networks: private networks that strangers' targets may lie in all the same.
    """

    everywhere: bool = False
    networks: tuple[Network, ...] = ()

    def allows(self, address: Address) -> bool:
        """Whether a connection may go there."""
        if self.everywhere:
            return True
        inner = _embedded(address)
        if any(network.version == inner.version and inner in network for network in self.networks):
            return True
        if inner.version == 6 and inner not in _UNICAST_6:
            return False
        return inner.is_global and not inner.is_multicast

    def allows_text(self, address: str) -> bool:
        """The same of an address as text; what is none is refused."""
        try:
            return self.allows(ipaddress.ip_address(address.partition("%")[0]))
        except ValueError:
            return self.everywhere

    async def beyond(self, host: str, port: int) -> AddressPolicy:
        """Where a server of the operator's may send us on to: to private addresses only if it has one itself.

        Raises:
            Unreachable: nobody knows the name.
        """
        if not self.everywhere:
            return self
        strict = AddressPolicy(networks=self.networks)
        inside = not all(map(strict.allows_text, await self.addresses(host, port)))
        return self if inside else strict

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """What a name stands for.

        Raises:
            BadRequest: `address_refused`, one of its addresses is not to be reached.
            Unreachable: nobody knows the name.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise Unreachable("unknown_host", "The server's name is not known.", "Check the address.") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not addresses or not all(map(self.allows_text, addresses)):
            raise refused()
        return addresses[:_MAX_ADDRESSES]

    async def connect(
        self, host: str, port: int, tls: bool, limit_bytes: int = 65536
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection; with TLS the server must prove that it is `host`.

        Raises:
            BadRequest: `address_refused`.
            Unreachable: it does not come about.
        """
        context = await asyncio.to_thread(ssl.create_default_context) if tls else None  # reads a hundred certificates
        problem: Exception = TimeoutError()
        for address in await self.addresses(host, port):
            try:
                async with asyncio.timeout(_PER_ADDRESS_S):
                    return await asyncio.open_connection(
                        address, port, ssl=context, server_hostname=host if tls else None, limit=limit_bytes
                    )
            except ssl.SSLCertVerificationError as error:
                message = f"The server's certificate is not accepted: {error.verify_message}."
                raise Unreachable("bad_certificate", message, _TRUST) from error
            except (OSError, TimeoutError, ssl.SSLError) as error:
                problem = error
        if isinstance(problem, TimeoutError):
            raise Unreachable("no_answer", "The server does not answer.", "Check address, port and firewall.")
        why = "refuses connections" if isinstance(problem, ConnectionRefusedError) else "cannot be reached"
        raise Unreachable("not_reachable", f"The server {why}.", "Check address, port and firewall.") from problem


def refused() -> BadRequest:
    """What whoever names a private address is told: not what stands there."""
    return BadRequest(
        "address_refused",
        "This server does not send to that address.",
        "Use a public address, or let the operator name the target or allow its network in outputs.private_networks.",
    )


def _embedded(address: Address) -> Address:
    """The IPv4 address that some IPv6 addresses are a way of writing."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
