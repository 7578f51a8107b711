"""Reads and writes the SDP fragments with which WHIP and WHEP trickle candidates and restart ICE (RFC 8840).

Pure text work: opens no socket. Candidates that cannot be used (TCP, another address family than IP) are left out, as
RFC 9725 wants it; what is no fragment at all is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass

from aiortc import RTCIceCandidate
from aiortc.sdp import candidate_to_sdp

from visavis_models.errors import BadRequest
from visavis_server.rtc.sdp import MAX_CANDIDATES, parse_candidate

MAX_FRAGMENT_BYTES = 16 * 1024
_REMEDY = "Send an application/trickle-ice-sdpfrag body as RFC 8840 describes it."
_NAME = re.compile(r"[A-Za-z0-9+/]{4,256}")
_SECRET = re.compile(r"[A-Za-z0-9+/]{22,256}")
_KNOWN = re.compile(r"(a=[!-~]|m=[a-z]+ [0-9]+ |c=|v=|o=|s=|t=)")


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a client says of its side of the connection after the offer."""

    ufrag: str | None
    """ICE user name; another one than before asks for a restart. None: not said."""
    password: str | None
    candidates: tuple[RTCIceCandidate, ...]
    """Those that can be used; `sdpMid` is that of their section."""


def read_fragment(text: str, mids: Set[str], tagged_mid: str) -> Fragment:
    """Read a fragment.

    Args:
        text: the body.
        mids: the names of the offer's sections.
        tagged_mid: the name of the section whose transport is used.

    Raises:
        BadRequest: `bad_fragment`.
    """
    if len(text.encode("utf-8", "replace")) > MAX_FRAGMENT_BYTES:
        raise _bad(f"The fragment is larger than {MAX_FRAGMENT_BYTES // 1024} KiB.")
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    if not lines or not all(_KNOWN.match(line) for line in lines):
        raise _bad("The body is no SDP fragment.")
    ufrags = {line[12:] for line in lines if line.startswith("a=ice-ufrag:")}
    passwords = {line[10:] for line in lines if line.startswith("a=ice-pwd:")}
    if len(ufrags) > 1 or len(passwords) > 1:
        raise _bad("The fragment has several ICE credentials; one transport is used.")
    ufrag, password = next(iter(ufrags), None), next(iter(passwords), None)
    if (ufrag is not None and not _NAME.fullmatch(ufrag)) or (password is not None and not _SECRET.fullmatch(password)):
        raise _bad("The fragment's ICE credentials are malformed.")
    candidates: list[RTCIceCandidate] = []
    for line in lines:
        if line.startswith("a=mid:") and line[6:] not in mids:
            raise _bad("The fragment names a section that the offer does not have.")
        if line.startswith("a=candidate:"):
            found = parse_candidate({"candidate": line[2:], "sdpMid": tagged_mid, "sdpMLineIndex": 0})
            if found is not None:
                candidates.append(found)
    if len(candidates) > MAX_CANDIDATES:
        raise _bad(f"The fragment has more than {MAX_CANDIDATES} candidates.")
    if not candidates and ufrag is None and not any(line.startswith("a=end-of-candidates") for line in lines):
        if not any(line.startswith("a=candidate:") for line in lines):
            raise _bad("The fragment has neither candidates nor ICE credentials.")
    return Fragment(ufrag, password, tuple(candidates))


def write_fragment(ufrag: str, password: str, candidates: Sequence[RTCIceCandidate], kind: str, mid: str) -> str:
    """Our new credentials and candidates, as the body of an answer to a restart."""
    lines = [f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{password}", f"m={kind} 9 UDP/TLS/RTP/SAVPF 0", f"a=mid:{mid}"]
    lines += [f"a=candidate:{candidate_to_sdp(candidate)}" for candidate in candidates]
    return "\r\n".join([*lines, "a=end-of-candidates"]) + "\r\n"


def _bad(message: str) -> BadRequest:
    return BadRequest("bad_fragment", message, _REMEDY)
