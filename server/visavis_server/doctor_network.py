"""Examines how media will find their way: UDP ports, the address outside, and every STUN and TURN server, by using it.

Knows nothing of how the answers are shown.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterator

from visavis_server.doctor_check import Check
from visavis_server.settings import IceServer, Settings

_PATIENCE_S = 5.0


def media_ports(settings: Settings) -> Iterator[Check]:
    """Whether UDP ports can be taken, and whether there are enough of them."""
    ports = settings.rtc.port_range
    if ports is None:
        if _can_bind(0):
            finding = "UDP ports can be taken; firewalls between here and the browser are not checked"
            yield Check("media ports", "ok", finding)
        else:
            yield Check("media ports", "broken", "UDP cannot be used", "Allow UDP; WebRTC needs it.")
        return
    free = sum(_can_bind(port) for port in range(ports.first, ports.last + 1))
    finding = f"{free} of {ports} are free"
    if free == 0:
        yield Check("media ports", "broken", finding, "Choose another range for rtc.ports.")
    elif free < 2 * settings.capacity:
        remedy = f"One is used by each page, microphone and viewer, and there are {settings.capacity} places: widen it."
        yield Check("media ports", "warning", finding, remedy)
    else:
        yield Check("media ports", "ok", f"{finding}; the firewall must let them in as UDP")


def public_address(settings: Settings) -> Iterator[Check]:
    """Whether the address outside can be one."""
    public = settings.rtc.public_address
    if not public:
        return
    if ipaddress.ip_address(public).is_global:
        yield Check("public address", "ok", f"{public} is told to browsers")
    else:
        remedy = (
            "Give the address under which the Internet sees this machine, unless all users are inside that network."
        )
        yield Check("public address", "warning", f"{public} is not an address of the Internet", remedy)


def ice_servers(settings: Settings) -> Iterator[Check]:
    """Every STUN and TURN server, used with the passwords that browsers would get."""
    from visavis_server.ice_servers import IceServers

    for server in IceServers(settings.rtc).issue("doctor"):
        for url in server.urls:
            yield asyncio.run(_tried(url, server))


def _can_bind(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


async def _tried(url: str, server: IceServer) -> Check:
    """Use one server as a call would."""
    from aioice import stun
    from aiortc import RTCIceServer
    from aiortc.rtcicetransport import connection_kwargs

    wanted = connection_kwargs([RTCIceServer([url], server.username, server.credential)])
    silent = f"Check that it runs and that its port is open, also from here: {url}."
    try:
        async with asyncio.timeout(_PATIENCE_S):
            if "turn_server" in wanted:
                return await _relay(url, wanted)
            if "stun_server" in wanted:
                return await _seen(url, wanted)
        return Check(url, "ok", "is for browsers; this server itself does not use it")
    except stun.TransactionFailed as error:
        finding = f"refuses (error {error.response.error_code})"
        remedy = "Compare rtc.turn_secret with its own secret, or username and credential; compare both clocks."
        return Check(url, "broken", finding, remedy)
    except stun.TransactionTimeout:
        return Check(url, "broken", "does not answer", silent)
    except OSError as error:  # TimeoutError is one
        return Check(url, "broken", f"cannot be reached: {str(error) or 'no answer'}", silent)


async def _relay(url: str, wanted: dict[str, object]) -> Check:
    from aioice import turn

    relayed, _ = await turn.create_turn_endpoint(
        asyncio.DatagramProtocol,
        server_addr=wanted["turn_server"],  # type: ignore[arg-type]
        username=wanted["turn_username"],  # type: ignore[arg-type]
        password=wanted["turn_password"],  # type: ignore[arg-type]
        ssl=wanted["turn_ssl"],  # type: ignore[arg-type]
        transport=wanted["turn_transport"],  # type: ignore[arg-type]
    )
    try:
        host, port = relayed.get_extra_info("sockname")
        return Check(url, "ok", f"relays, from {host}:{port}")
    finally:
        relayed.close()
        await asyncio.sleep(0.2)  # the allocation is given back in a task of aioice's own


async def _seen(url: str, wanted: dict[str, object]) -> Check:
    from aioice import Connection

    connection = Connection(ice_controlling=False, use_ipv6=False, **wanted)  # type: ignore[arg-type]
    try:
        await connection.gather_candidates()
        seen = [candidate.host for candidate in connection.local_candidates if candidate.type == "srflx"]
        if not seen:
            raise TimeoutError
        return Check(url, "ok", f"sees this machine as {seen[0]}")
    finally:
        await connection.close()
