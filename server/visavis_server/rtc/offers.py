"""Reads what WHIP and WHEP clients offer, takes the sections that can be served, and declines the others in the answer.

Pure text work: opens no socket. A declined section never reaches aiortc, which would refuse the whole offer for a video
codec that it does not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from aiortc.sdp import SessionDescription

from visavis_models.errors import BadInput, BadRequest
from visavis_server.rtc.sdp import DIGESTS, LEFT_OUT, MAX_CANDIDATES, MAX_SDP_BYTES, MAX_SECTIONS

Purpose = Literal["speak", "watch"]

_CODECS = {"audio": ("opus/48000",), "video": ("h264/90000", "vp8/90000")}
_DIRECTIONS = {"speak": ("sendonly", "sendrecv"), "watch": ("recvonly", "sendrecv")}
_KINDS = {"speak": ("audio",), "watch": ("audio", "video")}
_REMEDIES = {
    "speak": "Offer one audio track in Opus, sendonly, bundled, with rtcp-mux and DTLS, as RFC 9725 says.",
    "watch": "Offer audio and video recvonly, Opus and H.264 or VP8, bundled, with rtcp-mux and DTLS, as WHEP says.",
}
_TRANSPORT = ("ice-ufrag", "ice-pwd", "ice-options", "fingerprint", "setup")


@dataclass(frozen=True, slots=True)
class Section:
    """One m= section of an offer, as lines."""

    lines: tuple[str, ...]

    @property
    def kind(self) -> str:
        """`audio`, `video` or `application`."""
        return self.lines[0][2:].split(" ", 1)[0]

    @property
    def mid(self) -> str | None:
        """Its name within the offer."""
        return next(iter(self.values("mid")), None)

    @property
    def direction(self) -> str:
        """Which way its media would flow, seen from the client."""
        return next((name for name in ("sendonly", "recvonly", "inactive") if f"a={name}" in self.lines), "sendrecv")

    @property
    def switched_off(self) -> bool:
        """Port 0, and not because it shares another section's."""
        return self.lines[0].split(" ")[1] == "0" and "a=bundle-only" not in self.lines

    def values(self, name: str) -> list[str]:
        """The values of every attribute of this name."""
        prefix = f"a={name}:"
        return [line[len(prefix) :] for line in self.lines if line.startswith(prefix)]

    def has_codec(self) -> bool:
        """Whether one of its codecs is one of ours."""
        codecs = {value.partition(" ")[2].lower() for value in self.values("rtpmap")}
        return any(codec.startswith(ours) for codec in codecs for ours in _CODECS.get(self.kind, ()))


@dataclass(frozen=True, slots=True)
class MediaOffer:
    """An offer that can be served at least in part."""

    text: str
    """The SDP of what is served, without mDNS candidates and their end (see `LEFT_OUT`)."""
    kinds: tuple[str, ...]
    """What is served, the section that carries the transport first."""
    sections: tuple[Section, ...]
    """All sections, in the client's order."""
    served: tuple[int, ...]
    """Which of them are served."""
    bundle: tuple[str, ...]
    """The mids that the client bundles, the one that carries the transport first; empty: it does not bundle."""

    @property
    def ufrag(self) -> str:
        """The client's ICE user name."""
        return Section(tuple(self.text.splitlines())).values("ice-ufrag")[0]

    @property
    def mids(self) -> frozenset[str]:
        """The names of all sections."""
        return frozenset(section.mid for section in self.sections if section.mid is not None)

    def complete(self, answer_sdp: str) -> str:
        """An answer to what is served, made an answer to the whole offer.

        A declined section is `inactive` and stays in the bundle, so that clients such as OBS, which always offer
        video, go on; what is not bundled, or is no media, is switched off.
        """
        head, answers = _split(answer_sdp)
        ours = dict(zip(self.served, answers, strict=True))
        transport = [line for line in answers[0].lines if _is_transport(line)]
        whole, bundled = [], []
        for index, section in enumerate(self.sections):
            kept = index in ours
            if not kept and section.mid in self.bundle and section.kind in _CODECS and not section.switched_off:
                ours[index] = _inactive(section, transport)
                kept = True
            whole.append(ours[index] if index in ours else _switched_off(section))
            if kept and section.mid is not None:
                bundled.append(section.mid)
        group = [f"a=group:BUNDLE {' '.join(bundled)}"] if self.bundle else []
        lines = [line for line in head.lines if not line.startswith("a=group:BUNDLE")] + group
        lines += [line for section in whole for line in section.lines]
        return "\r\n".join(lines) + "\r\n"


def read_media_offer(offer_sdp: str, purpose: Purpose) -> MediaOffer:
    """Check what a client offers.

    Args:
        offer_sdp: its SDP.
        purpose: `speak` takes Opus from it, `watch` sends voice and pictures to it.

    Raises:
        BadRequest: `bad_sdp`, it is no SDP.
        BadInput: `sdp_refused`, it is SDP, but nothing of it can be served.
    """
    if len(offer_sdp.encode("utf-8", "replace")) > MAX_SDP_BYTES:
        raise BadRequest("bad_sdp", f"The offer is larger than {MAX_SDP_BYTES // 1024} KiB.", _REMEDIES[purpose])
    if not offer_sdp.startswith("v=0"):
        raise BadRequest("bad_sdp", "The offer is no SDP: it does not begin with v=0.", _REMEDIES[purpose])
    head, sections = _split(LEFT_OUT.sub("", offer_sdp))
    _check_names(sections, purpose)
    bundle = next((tuple(value.split()[1:]) for value in head.values("group") if value.startswith("BUNDLE ")), ())
    served = _choose(sections, purpose, bundle)
    kept = [_with_transport(sections[index], _tagged(sections, bundle)) for index in served]
    mids = [section.mid for section in kept if section.mid is not None]
    lines = [line for line in head.lines if not line.startswith("a=group:")]
    lines += [f"a=group:BUNDLE {' '.join(mids)}"] if bundle else []
    text = "\r\n".join(lines + [line for section in kept for line in section.lines]) + "\r\n"
    _check_media(text, purpose)
    return MediaOffer(text, tuple(section.kind for section in kept), tuple(sections), served, bundle)


def _split(sdp: str) -> tuple[Section, list[Section]]:
    parts = re.split(r"^(?=m=)", sdp, flags=re.MULTILINE)
    cut = [Section(tuple(line for line in map(str.strip, part.splitlines()) if line)) for part in parts]
    return cut[0], cut[1:]


def _refuse(message: str, purpose: Purpose) -> BadInput:
    return BadInput("sdp_refused", message, _REMEDIES[purpose])


def _check_names(sections: list[Section], purpose: Purpose) -> None:
    if not 1 <= len(sections) <= MAX_SECTIONS:
        raise BadRequest("bad_sdp", f"The offer must have 1 to {MAX_SECTIONS} sections.", _REMEDIES[purpose])
    if any(len(section.lines[0].split(" ")) < 4 for section in sections):
        raise BadRequest("bad_sdp", "The offer has a broken m= line.", _REMEDIES[purpose])
    mids = [section.mid for section in sections if section.mid is not None]
    if len(set(mids)) != len(mids) or (len(sections) > 1 and len(mids) != len(sections)):
        raise BadRequest("bad_sdp", "The offer's sections need different a=mid names.", _REMEDIES[purpose])


def _choose(sections: list[Section], purpose: Purpose, bundle: tuple[str, ...]) -> tuple[int, ...]:
    """The first section of each kind that can be served, in the client's order."""
    chosen: dict[str, int] = {}
    for index, section in enumerate(sections):
        fits = section.direction in _DIRECTIONS[purpose] and not section.switched_off and section.has_codec()
        if section.kind in _KINDS[purpose] and section.kind not in chosen and fits:
            chosen[section.kind] = index
    if not chosen:
        wanted = "audio in Opus that you send" if purpose == "speak" else "audio or video that you receive"
        raise _refuse(f"The offer has no {wanted}.", purpose)
    served = tuple(sorted(chosen.values()))
    if len(served) > 1 and not all(sections[index].mid in bundle for index in served):
        raise _refuse("The offer does not bundle its media on one transport.", purpose)
    return served


def _tagged(sections: list[Section], bundle: tuple[str, ...]) -> Section | None:
    """The section that carries the transport of all of them."""
    return next((section for section in sections if bundle and section.mid == bundle[0]), None)


def _is_transport(line: str) -> bool:
    return any(line.startswith(f"a={name}:") for name in (*_TRANSPORT, "candidate"))


def _with_transport(section: Section, tagged: Section | None) -> Section:
    """A section that stands by itself, with the transport that it shares with the one that carries it."""
    first, *lines = (line for line in section.lines if line != "a=bundle-only")
    media, port, rest = first.split(" ", 2)
    extra: list[str] = []
    if tagged is not None and tagged is not section:
        for name in (*_TRANSPORT, "candidate"):
            if not section.values(name):
                extra += [line for line in tagged.lines if line.startswith(f"a={name}:")]
    return Section((f"{media} {'9' if port == '0' else port} {rest}", *lines, *extra))


def _inactive(section: Section, transport: list[str]) -> Section:
    """Declined, but still a member of the bundle."""
    media, _, profile, codec = section.lines[0].split(" ")[:4]
    about = [line for line in section.lines if line.startswith((f"a=rtpmap:{codec} ", f"a=fmtp:{codec} "))]
    head = (f"{media} 9 {profile} {codec}", "c=IN IP4 0.0.0.0", "a=inactive", f"a=mid:{section.mid}", "a=rtcp-mux")
    return Section((*head, *about, *transport))


def _switched_off(section: Section) -> Section:
    media, _, profile, codec = section.lines[0].split(" ")[:4]
    mid = () if section.mid is None else (f"a=mid:{section.mid}",)
    return Section((f"{media} 0 {profile} {codec}", "c=IN IP4 0.0.0.0", "a=inactive", *mid))


def _check_media(text: str, purpose: Purpose) -> None:
    try:
        description = SessionDescription.parse(text)
    except Exception as error:  # the parser raises whatever its string work raises: all of it means "not SDP"
        raise BadRequest("bad_sdp", "The offer's SDP cannot be read.", _REMEDIES[purpose]) from error
    for media in description.media:
        if not media.rtcp_mux:
            raise _refuse(f"The offer's {media.kind} lacks a=rtcp-mux.", purpose)
        ufrag = (media.ice.usernameFragment or "") if media.ice is not None else ""
        password = (media.ice.password or "") if media.ice is not None else ""
        if not 4 <= len(ufrag) <= 256 or not 22 <= len(password) <= 256:
            raise _refuse(f"The offer's {media.kind} lacks ICE credentials.", purpose)
        if media.dtls is None or not any(print_.algorithm.lower() in DIGESTS for print_ in media.dtls.fingerprints):
            raise _refuse(f"The offer's {media.kind} lacks a DTLS fingerprint.", purpose)
        if len(media.ice_candidates) > MAX_CANDIDATES:
            raise _refuse(f"The offer's {media.kind} has more than {MAX_CANDIDATES} candidates.", purpose)
