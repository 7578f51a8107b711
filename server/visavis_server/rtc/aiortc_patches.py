"""Fits our own parts into one aiortc connection, in place of its private ones, and checks first that they still fit.

Nothing is changed globally: other users of aiortc in this process see it as it is. Where aiortc does not look as
expected, that part stays aiortc's, with one warning that says what the call loses.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from types import CodeType
from typing import Any

import aioice
import aiortc
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.rtcdtlstransport import RTCCertificate
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from OpenSSL import SSL

from visavis_server.rtc.gathering import Gathering
from visavis_server.rtc.liveness import PACKETS_PER_S, Liveness
from visavis_server.rtc.microphone import Microphone
from visavis_server.rtc.outbound import Outbound
from visavis_server.rtc.reach import HostSockets, Reach

logger = logging.getLogger(__name__)

DTLS_SUITES = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:"
    b"ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    b"ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA"
)
_MOST_JITTER = 0xFFFFFFFF
GATHER_S = 2
"""An answer waits this long for STUN and TURN servers (aioice: 5 s); without them it has this machine's addresses."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """A function of aiortc or aioice, and the names that its code must use for a patch to have its effect."""

    owner: Any
    """A class or a module."""
    function: str
    uses: frozenset[str]

    def holds(self) -> bool:
        """Whether the function exists and uses all of these names."""
        found = getattr(self.owner, self.function, None)
        code = getattr(found, "__code__", None)
        return code is not None and self.uses <= _names(code)


def _names(code: CodeType) -> set[str]:
    """What a function's code uses; comprehensions have code of their own before Python 3.12."""
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return {*code.co_names, *code.co_varnames, *code.co_freevars, *code.co_cellvars}.union(*inner)


def _expect(owner: Any, function: str, *uses: str) -> Expectation:
    return Expectation(owner, function, frozenset(uses))


_SENDER, _RECEIVER = aiortc.RTCRtpSender, aiortc.RTCRtpReceiver
_STARTED_SENDER = _expect(
    _SENDER, "_run_rtp", "_next_encoded_frame", "_RTCRtpSender__rtp_timestamp", "payloads", "transport", "_send_rtp"
)
_COUNTING_SENDER = _expect(_SENDER, "_run_rtp", "_RTCRtpSender__packet_count", "_RTCRtpSender__octet_count")
_REPEATING_SENDER = _expect(
    _SENDER,
    "_retransmit",
    "_RTCRtpSender__rtx_payload_type",
    "_RTCRtpSender__rtx_sequence_number",
    "_RTCRtpSender__rtp_header_extensions_map",
    "_rtx_ssrc",
)
PATCHES: dict[str, tuple[str, tuple[Expectation, ...]]] = {
    "sender": (
        "pictures cost several times the CPU and lips may drift from the voice",
        (
            _STARTED_SENDER,
            _COUNTING_SENDER,
            _REPEATING_SENDER,
            _expect(_SENDER, "setTransport", "_RTCRtpSender__transport"),
            _expect(_SENDER, "_run_rtcp", "_send_rtcp", "RtcpSrPacket", "RtcpSenderInfo"),
            _expect(_SENDER, "_handle_rtcp_packet", "packet", "_send_keyframe"),
            _expect(H264Encoder, "_packetize", "packages"),
            _expect(H264Encoder, "_split_bitstream", "buf"),
            _expect(Vp8Encoder, "_packetize", "buffer", "picture_id"),
        ),
    ),
    "microphone": (
        "the avatar hears 60 to 80 ms later",
        (_expect(_RECEIVER, "_handle_rtp_packet", "_RTCRtpReceiver__jitter_buffer", "add", "depayload", "_data"),),
    ),
    "reports": (
        "a caller whose packets' times leap, or a wall clock set by weeks, keeps a session from closing",
        (_expect(_RECEIVER, "_run_rtcp", "_send_rtcp", "RtcpRrPacket", "RtcpReceiverInfo", "jitter"),),
    ),
    "liveness": (
        "a browser that vanishes is noticed only after 30 s",
        (
            _expect(aioice.Connection, "connect", "query_consent", "_query_consent_task"),
            _expect(aioice.Connection, "close", "_query_consent_task"),
            _expect(aioice.Connection, "data_received", "data", "component"),
            _expect(aioice.Connection, "build_request", "pair", "nominate"),
            _expect(aioice.Connection, "gather_candidates", "get_component_candidates"),
            _expect(aioice.Connection, "get_component_candidates", "component", "addresses", "timeout"),
        ),
    ),
    "ports": (
        "rtc.ports and rtc.public_address are not heeded",
        (
            _expect(aioice.Connection, "gather_candidates", "get_component_candidates", "component", "addresses"),
            _expect(
                aioice.Connection, "get_component_candidates", "component", "addresses", "turn_server", "_protocols"
            ),
            _expect(aioice.ice, "server_reflexive_candidate", "protocol", "stun_server", "local_candidate"),
            _expect(aioice.ice.StunProtocol, "__init__", "receiver"),
        ),
    ),
    "restart": (
        "a WHIP or WHEP client that changes its network must connect anew",
        (
            _expect(aiortc.RTCIceTransport, "__init__", "_connection", "_recv", "_send"),
            _expect(aiortc.RTCIceTransport, "_monitor", "_connection", "get_event"),
            _expect(aioice.Connection, "recvfrom", "_queue", "_nominated"),
            _expect(aioice.Connection, "get_event", "_event_waiter"),
            _expect(aioice.Connection, "close", "_queue", "_closing", "_closed"),
        ),
    ),
    "dtls": (
        "clients with an RSA certificate (GStreamer, some SFUs) cannot connect",
        (
            _expect(RTCCertificate, "_create_ssl_context", "srtp_profiles", "set_cipher_list"),
            _expect(aiortc.RTCPeerConnection, "__init__", "_RTCPeerConnection__certificates"),
        ),
    ),
}
_warned: set[str] = set()


def fits(patch: str) -> bool:
    """Whether aiortc looks as this patch expects; warns once when it does not."""
    loses, expectations = PATCHES[patch]
    missing = [f"{e.owner.__name__}.{e.function}" for e in expectations if not e.holds()]
    if missing and patch not in _warned:
        _warned.add(patch)
        logger.warning(
            "aiortc %s is not as expected (%s): its %s is not patched, so %s. Install aiortc 1.16.",
            version("aiortc"),
            ", ".join(missing),
            patch,
            loses,
        )
    return not missing


def _replace(target: object, methods: dict[str, Callable[..., Any]]) -> None:
    for name, method in methods.items():
        setattr(target, name, method)


class InteropCertificate(RTCCertificate):
    """A certificate whose handshakes also take peers that hold an RSA one."""

    def _create_ssl_context(self, srtp_profiles: list[Any]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(DTLS_SUITES)
        return context


def patch_connection(pc: aiortc.RTCPeerConnection) -> None:
    """Let the connection's handshakes take RSA certificates; call before any transceiver exists."""
    if fits("dtls"):
        pc._RTCPeerConnection__certificates = [InteropCertificate.generateCertificate()]  # type: ignore[attr-defined]


def patch_sender(sender: aiortc.RTCRtpSender, outbound: Outbound) -> bool:
    """Let `outbound` encode, report and listen for this sender. False if aiortc's own parts stay."""
    if not fits("sender"):
        return False
    methods: dict[str, Callable[..., Any]] = {
        "_next_encoded_frame": outbound.next_encoded_frame,
        "_send_rtcp": outbound.send_rtcp,
        "_handle_rtcp_packet": outbound.handle_rtcp,
    }
    _replace(sender, methods)
    return True


class ReceiverReports:
    """Sends a receiver's reports with a jitter that has room in them.

    aiortc sums it up of what far sides write into their packets and of the wall clock. One with more than 32 bits would
    end the task that reports, and for its end whoever closes the receiver waits for ever.
    """

    def __init__(self, send: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        self._send = send

    async def send_rtcp(self, packet: Any) -> None:
        """Stands for the receiver's own."""
        for report in getattr(packet, "reports", ()):
            report.jitter = min(report.jitter, _MOST_JITTER)
        await self._send(packet)


def patch_receiver(receiver: aiortc.RTCRtpReceiver, microphone: Microphone) -> bool:
    """Let `microphone` take this receiver's packets instead of the jitter buffer and decoder thread."""
    if fits("reports"):
        _replace(receiver, {"_send_rtcp": ReceiverReports(receiver._send_rtcp).send_rtcp})
    if not fits("microphone") or not hasattr(receiver, "_RTCRtpReceiver__jitter_buffer"):
        return False
    receiver._RTCRtpReceiver__jitter_buffer = microphone
    return True


def patch_ice(
    connection: aioice.Connection, on_gone: Callable[[], None], packets_per_s: float = PACKETS_PER_S
) -> Liveness | None:
    """Watch this ICE connection; `on_gone` is called when nothing is heard any more. None if aioice's own stays."""
    if not fits("liveness"):
        return None
    liveness = Liveness(connection, on_gone, packets_per_s)
    methods: dict[str, Callable[..., Any]] = {
        "data_received": liveness.data_received,
        "query_consent": liveness.query_consent,
        "get_component_candidates": Gathering(
            connection, partial(connection.get_component_candidates, timeout=GATHER_S)
        ).get_component_candidates,
    }
    _replace(connection, methods)
    return liveness


def patch_ports(connection: aioice.Connection, reach: Reach) -> bool:
    """Let this ICE connection's sockets be where the operator wants them; call after `patch_ice`, before it gathers.

    False if aioice's own way stays.
    """
    if reach.ordinary or not fits("ports"):
        return False
    sockets = HostSockets(connection, reach, connection.get_component_candidates)
    gathering = Gathering(connection, sockets.get_component_candidates)
    _replace(connection, {"get_component_candidates": gathering.get_component_candidates})
    return True


def preferred_codecs(kind: str) -> list[RTCRtpCodecCapability]:
    """What to answer with, best first: Opus; H.264, then VP8 (the reverse without our encoder)."""
    codecs = aiortc.RTCRtpSender.getCapabilities(kind).codecs
    if kind == "audio":
        return [codec for codec in codecs if codec.name.lower() == "opus"]
    order = ["h264", "vp8", "rtx"] if fits("sender") else ["vp8", "h264", "rtx"]
    return sorted(codecs, key=lambda codec: order.index(codec.name.lower()))
