"""How media finds its way to this machine: which ports its sockets take, which address it has outside, or only relays.

Opens the host sockets of one aioice connection in place of aioice, which knows neither ports nor addresses outside.
Knows nothing of media or sessions.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import socket
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from aioice import Candidate, Connection, TransportPolicy, ice, stun
from aioice.candidate import candidate_foundation, candidate_priority

from visavis_models.errors import Busy, EngineError
from visavis_server.port_range import PortRange

logger = logging.getLogger(__name__)

RECEIVE_BUFFER_BYTES = 262_144
STUN_S = 2.0
_Gather = Callable[..., Coroutine[Any, Any, list[Candidate]]]


class PortPool:
    """Hands out bound UDP sockets of a range of ports, in turn, so that a port rests before it is used again.

    Keeps no books: a port is free when the system can bind it, so a closed socket gives it back by itself.
    """

    def __init__(self, ports: PortRange) -> None:
        self.ports = ports
        self._next = 0

    def bind(self, address: str) -> socket.socket | None:
        """A socket on one of the ports at this address; None if all of them are taken.

        Raises:
            OSError: this address cannot be bound at all.
        """
        for _ in range(len(self.ports)):
            port = self.ports.first + self._next
            self._next = (self._next + 1) % len(self.ports)
            bound = _bind(address, port)
            if bound is not None:
                return bound
        return None


@dataclass(frozen=True, slots=True)
class Reach:
    """How connections of this server are reached."""

    relay_only: bool = False
    """Only through a TURN server."""
    ports: PortPool | None = None
    """Where the sockets are; None: anywhere."""
    public_address: str = ""
    """The IP address that NAT gives this machine outside, port for port; empty: none."""

    @property
    def ordinary(self) -> bool:
        """What is wanted, aioice can do by itself."""
        return self.ports is None and not self.public_address

    @property
    def policy(self) -> TransportPolicy:
        """Which candidates aioice may use."""
        return TransportPolicy.RELAY if self.relay_only else TransportPolicy.ALL


ANYWHERE = Reach()


def ports_exhausted(ports: PortRange) -> Busy:
    """What a user is told whose connection gets no port."""
    remedy = "Try again in a minute, or let its operator widen rtc.ports: one for each page, microphone and viewer."
    return Busy("ports_exhausted", f"All UDP ports of this server ({ports}) are in use.", remedy)


def check_relayed(connection: Connection, reach: Reach) -> None:
    """Make sure that a connection that may use nothing but relays has found one; call when it has gathered.

    Raises:
        EngineError: `turn_unavailable`.
    """
    if reach.relay_only and not connection.local_candidates:
        message = "This server cannot use its TURN relay, through which everything is to go."
        remedy = "Its operator: check rtc.ice_servers and rtc.turn_secret; `visavis doctor` tries them."
        raise EngineError("turn_unavailable", message, remedy)


class HostSockets:
    """The sockets of one ICE connection.

    Args:
        connection: has gathered nothing yet.
        reach: where its sockets are, and the address outside.
        gather: the connection's own `get_component_candidates`, for what comes from a TURN server.
    """

    def __init__(self, connection: Connection, reach: Reach, gather: _Gather) -> None:
        self._connection = connection
        self._reach = reach
        self._gather = gather

    async def get_component_candidates(self, component: int, addresses: list[str]) -> list[Candidate]:
        """Stands for the connection's own.

        Raises:
            Busy: `ports_exhausted`.
        """
        protocols = await self._open(component, addresses)
        hosts = [protocol.local_candidate for protocol in protocols]
        self._connection._protocols += protocols
        relayed, reflexive = await asyncio.gather(
            self._gather(component, []),
            asyncio.gather(*(self._reflexive(protocol) for protocol in protocols)),
        )
        outside = self._outside(component, hosts)
        known = {(candidate.host, candidate.port) for candidate in (*outside, *hosts)}
        seen = [found for found in reflexive if found is not None and (found.host, found.port) not in known]
        return [*outside, *hosts, *seen, *relayed]

    async def _open(self, component: int, addresses: Sequence[str]) -> list[ice.StunProtocol]:
        loop = asyncio.get_running_loop()
        opened: list[ice.StunProtocol] = []
        exhausted = False
        for address in addresses:
            try:
                bound = self._reach.ports.bind(address) if self._reach.ports else _bind(address, 0)
            except OSError as error:
                logger.debug("No socket at one of this machine's addresses: %s", error)
                continue
            if bound is None:
                exhausted = True
                continue
            _, protocol = await loop.create_datagram_endpoint(lambda: ice.StunProtocol(self._connection), sock=bound)
            host, port = bound.getsockname()[:2]
            protocol.local_candidate = _host_candidate(component, host, port)
            opened.append(protocol)
        if exhausted and not opened and self._reach.ports is not None:
            raise ports_exhausted(self._reach.ports.ports)
        return opened

    async def _reflexive(self, protocol: ice.StunProtocol) -> Candidate | None:
        """The address at which a STUN server sees a socket."""
        server = self._connection.stun_server
        if server is None or ipaddress.ip_address(protocol.local_candidate.host).version != 4:
            return None
        try:
            async with asyncio.timeout(STUN_S):
                candidate, _ = await ice.server_reflexive_candidate(protocol, server)
        except (OSError, stun.TransactionError):  # TimeoutError is an OSError
            return None
        return candidate

    def _outside(self, component: int, hosts: Sequence[Candidate]) -> list[Candidate]:
        """The socket that leads outside, under the address that it has there."""
        public = self._reach.public_address
        if not public or any(host.host == public for host in hosts):
            return []
        version = ipaddress.ip_address(public).version
        inside = [host for host in hosts if ipaddress.ip_address(host.host).version == version]
        leading = _address_towards(public)
        inside = [host for host in inside if host.host == leading] or inside[:1]
        return [_host_candidate(component, public, host.port) for host in inside]


def _bind(address: str, port: int) -> socket.socket | None:
    """A bound UDP socket; None if the port is taken."""
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        made.bind((address, port))
    except OSError as error:
        made.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):  # Windows says EACCES of a port that is held exclusively
            return None
        raise
    return made


def _host_candidate(component: int, host: str, port: int) -> Candidate:
    return Candidate(
        foundation=candidate_foundation("host", "udp", host),
        component=component,
        transport="udp",
        priority=candidate_priority(component, "host"),
        host=host,
        port=port,
        type="host",
    )


def _address_towards(address: str) -> str | None:
    """Our own address on the way to another one; sends nothing."""
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])
