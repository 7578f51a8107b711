"""WHIP (RFC 9725) seen from the client: offer, follow redirects to where it may go, and take the stream down again.

Knows nothing of media.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace

from visavis_models.errors import BadRequest, VisavisError
from visavis_server.outputs.address_policy import AddressPolicy
from visavis_server.outputs.http_exchange import HttpAddress, HttpAnswer, exchange, not_an_address
from visavis_server.outputs.target import Target
from visavis_server.outputs.trouble import Rejected, Unreachable

_log = logging.getLogger(__name__)

MAX_REDIRECTS = 3
DELETE_S = 2.0
_REDIRECTS = (307, 308)
_LATER = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class WhipResource:
    """A stream that a WHIP server has taken."""

    target: Target
    address: HttpAddress | None
    """Its own; None: the server named none."""
    policy: AddressPolicy
    """Where it may lie."""
    answer_sdp: str = field(repr=False)

    async def delete(self) -> None:
        """Tell the server that the stream is over; it learns it anyway a little later."""
        if self.address is None:
            return
        try:
            async with asyncio.timeout(DELETE_S):
                await exchange("DELETE", self.address, self.policy, _bearer(self.target))
        except (VisavisError, TimeoutError) as error:
            _log.debug("a WHIP stream was not deleted", extra={"to": self.target.shown, "reason": type(error).__name__})


async def publish(target: Target, offer_sdp: str) -> WhipResource:
    """Offer a stream.

    Raises:
        BadRequest: `address_refused`, here or after a redirect; `bad_redirect`.
        Unreachable: no answer, or the server asks to come back later.
        Rejected: the server does not want it.
    """
    address = HttpAddress(target.tls, target.host, target.port, target.path)
    headers = {"Content-Type": "application/sdp", "Accept": "application/sdp", **_bearer(target)}
    policy = target.policy
    for _ in range(MAX_REDIRECTS + 1):
        answer = await exchange("POST", address, policy, headers, offer_sdp.encode())
        if answer.status in _REDIRECTS:
            policy = await policy.beyond(address.host, address.port)
            address = _redirected(address, answer)
            continue
        if answer.status != 201:
            raise _refusal(target, answer)
        return await _taken(target, address, policy, answer)
    raise BadRequest("bad_redirect", "The server redirects without end.", "Check the WHIP address.")


async def _taken(target: Target, address: HttpAddress, policy: AddressPolicy, answer: HttpAnswer) -> WhipResource:
    location = answer.headers.get("location")
    try:
        resource = address.joined(location) if location else None
        if resource is not None and address.tls and not resource.tls:
            resource = replace(resource, tls=True)  # proxies that forget that they speak TLS are many
        sdp = answer.body.decode()
    except ValueError as error:
        raise not_an_address() from error
    if not sdp.startswith("v=0"):
        raise Unreachable("bad_answer", "The server's answer is no SDP.", "Check that it is a WHIP server.")
    if resource is not None and resource.host != address.host:
        policy = await policy.beyond(address.host, address.port)
    return WhipResource(target, resource, policy, sdp)


def _redirected(address: HttpAddress, answer: HttpAnswer) -> HttpAddress:
    try:
        found = address.joined(answer.headers.get("location", ""))
    except ValueError as error:
        raise not_an_address() from error
    if address.tls and not found.tls:
        message = "The server redirects from HTTPS to plain HTTP, where the token could be read."
        raise BadRequest("bad_redirect", message, "Check the WHIP address.")
    return found


def _refusal(target: Target, answer: HttpAnswer) -> VisavisError:
    if answer.status in _LATER:
        wish = answer.headers.get("retry-after", "")
        wait_s = float(wish) if wish.isdecimal() and len(wish) < 6 else 0.0
        message = f"The server cannot take the stream now (HTTP {answer.status})."
        return Unreachable("server_busy", message, "It is tried again.", wait_s)
    said = target.without_secrets(answer.body[:200].decode("utf-8", "replace").strip())
    why = f"HTTP {answer.status}: {said}" if said and not said.startswith("<") else f"HTTP {answer.status}"
    remedy = "Check the address and the bearer token, and that nothing else streams there."
    return Rejected("stream_rejected", f"The server does not take this stream ({why}).", remedy)


def _bearer(target: Target) -> dict[str, str]:
    return {"Authorization": f"Bearer {target.token}"} if target.token else {}
