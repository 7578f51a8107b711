"""Reads what a browser says about itself: its offer, its candidates. Refuses with a reason what cannot become a call.

Pure text work: opens no socket. Knows nothing of sessions.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from aiortc import RTCIceCandidate
from aiortc.sdp import MediaDescription, SessionDescription, candidate_from_sdp

from visavis_models.errors import BadRequest

MAX_SDP_BYTES = 64 * 1024
MAX_CANDIDATE_CHARS = 1024
MAX_SECTIONS = 8
MAX_CANDIDATES = 64
DIGESTS = frozenset({"sha-256", "sha-384", "sha-512"})
_OFFER_REMEDY = (
    "Offer one audio transceiver (sendrecv) and one video transceiver (recvonly), made by RTCPeerConnection."
)
_CANDIDATE_REMEDY = "Send what RTCPeerConnection's icecandidate event carries, or null at the end."
_MDNS = re.compile(r"[0-9A-Za-z-]{1,63}\.local")
LEFT_OUT = re.compile(r"^a=(?:candidate:[^\r\n]*\.local [^\r\n]*|end-of-candidates[^\r\n]*)\r?\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server, as in the browser's RTCIceServer."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None


def _bad(message: str) -> BadRequest:
    return BadRequest("bad_sdp", message, _OFFER_REMEDY)


@dataclass(frozen=True, slots=True)
class Offer:
    """A browser's offer that can become a call."""

    text: str
    """The SDP without mDNS candidates, each of which waits a second for a multicast answer while the browser's own
    checks reach us without them; and without their end, at which aioice gives up before those checks have come."""
    kinds: tuple[str, str]
    """Audio and video, in the order of its bundle: the first one's section carries the transport."""


def read_offer(offer_sdp: object) -> Offer:
    """Check a browser's offer.

    Raises:
        BadRequest: `bad_sdp`, with what is wrong; `no_codec`.
    """
    if not isinstance(offer_sdp, str):
        raise _bad("The offer's SDP is not a text.")
    if len(offer_sdp.encode("utf-8", "replace")) > MAX_SDP_BYTES:
        raise _bad(f"The offer's SDP is larger than {MAX_SDP_BYTES // 1024} KiB.")
    if not offer_sdp.startswith("v=0"):
        raise _bad("The offer's SDP does not begin with v=0.")
    text = LEFT_OUT.sub("", offer_sdp)
    try:
        description = SessionDescription.parse(text)
    except Exception as error:  # the parser raises whatever its string work raises: all of it means "not SDP"
        raise _bad("The offer's SDP cannot be read.") from error
    return Offer(text, _check_sections(description))


def _check_sections(description: SessionDescription) -> tuple[str, str]:
    sections = description.media
    kinds = [section.kind for section in sections]
    if len(sections) > MAX_SECTIONS or kinds.count("audio") != 1 or kinds.count("video") != 1:
        raise _bad("The offer must have exactly one audio and one video section.")
    if kinds.count("application") > 1 or len(kinds) != 2 + kinds.count("application"):
        raise _bad("The offer has a section besides audio, video and one of data channels.")
    mids = [section.rtp.muxId for section in sections]
    if not all(mids) or len(set(mids)) != len(mids):
        raise _bad("The offer's sections need different a=mid names.")
    bundle = next((group.items for group in description.group if group.semantic == "BUNDLE"), [])
    if {str(item) for item in bundle} != set(mids):
        raise _bad("The offer does not bundle audio and video on one transport.")
    for section in sections:
        _check_section(section)
    first = next(section.kind for section in sections if section.rtp.muxId == str(bundle[0]))
    if first == "application":
        raise _bad("The offer's data channels come before its audio and video.")
    return ("audio", "video") if first == "audio" else ("video", "audio")


def _check_section(section: MediaDescription) -> None:
    kind = section.kind
    if section.port == 0:
        raise _bad(f"The offer's {kind} section is switched off.")
    media = kind != "application"
    if media and (section.direction or "sendrecv") not in ("sendrecv", "recvonly"):
        raise _bad(f"The offer does not take {kind} from the server (a={section.direction}).")
    if media and not section.rtcp_mux:
        raise _bad(f"The offer's {kind} section lacks a=rtcp-mux.")
    ufrag = section.ice.usernameFragment if section.ice is not None else None
    password = section.ice.password if section.ice is not None else None
    if not ufrag or not password or not 4 <= len(ufrag) <= 256 or not 22 <= len(password) <= 256:
        raise _bad(f"The offer's {kind} section lacks ICE credentials.")
    if section.dtls is None or not any(print_.algorithm.lower() in DIGESTS for print_ in section.dtls.fingerprints):
        raise _bad(f"The offer's {kind} section lacks a DTLS fingerprint.")
    if len(section.ice_candidates) > MAX_CANDIDATES:
        raise _bad(f"The offer's {kind} section has more than {MAX_CANDIDATES} candidates.")
    if not media:
        return
    wanted = {"audio/opus"} if kind == "audio" else {"video/h264", "video/vp8"}
    if not wanted & {codec.mimeType.lower() for codec in section.rtp.codecs}:
        raise BadRequest(
            "no_codec",
            f"The offer's {kind} has none of these codecs: {', '.join(sorted(wanted))}.",
            "Use a current Chrome, Edge, Firefox or Safari: the voice goes as Opus, pictures as H.264 or VP8.",
        )


def parse_candidate(candidate: Mapping[str, object]) -> RTCIceCandidate | None:
    """A candidate from `{"candidate", "sdpMid", "sdpMLineIndex"}`; None when it says "end" or is of no use (TCP).

    Raises:
        BadRequest: `bad_candidate`.
    """

    def bad(message: str) -> BadRequest:
        return BadRequest("bad_candidate", message, _CANDIDATE_REMEDY)

    if not isinstance(candidate, Mapping):
        raise bad("The candidate is not an object.")
    line, mid, index = candidate.get("candidate"), candidate.get("sdpMid"), candidate.get("sdpMLineIndex")
    if not isinstance(line, str) or len(line) > MAX_CANDIDATE_CHARS:
        raise bad("The candidate's line is missing or too long.")
    if not line:
        return None
    if mid is not None and not isinstance(mid, str):
        raise bad("sdpMid is not a text.")
    if index is not None and (isinstance(index, bool) or not isinstance(index, int)):
        raise bad("sdpMLineIndex is not a whole number.")
    if mid is None and index is None:
        raise bad("The candidate has neither sdpMid nor sdpMLineIndex.")
    try:
        parsed = candidate_from_sdp(line.strip().removeprefix("a=").removeprefix("candidate:"))
    except Exception as error:  # as above: whatever the parser raises means that it is no candidate
        raise bad("The candidate's line cannot be read.") from error
    if not 0 < parsed.port < 65536 or parsed.component not in (1, 2):
        raise bad("The candidate's port or component is out of range.")
    if not _MDNS.fullmatch(parsed.ip):
        try:
            ipaddress.ip_address(parsed.ip)
        except ValueError as error:
            raise bad("The candidate's address is neither an IP address nor an mDNS name.") from error
    if parsed.protocol.lower() != "udp":
        return None
    parsed.sdpMid, parsed.sdpMLineIndex = mid, index
    return parsed
