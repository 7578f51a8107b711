"""Encoded pictures and voice as containers want them: H.264 with length prefixes, AAC without headers, one clock.

Knows nothing of encoders, files or servers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

TIMESCALE_HZ = 48_000
"""Every time here counts samples of the voice: one clock for both media, exact for both."""
PICTURE_DURATION = 1920
VOICE_DURATION = 1024
_NAL_SPS, _NAL_PPS, _NAL_DELIMITER = 7, 8, 9


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One encoded picture, or 1024 samples of encoded voice."""

    is_picture: bool
    data: bytes
    """H.264 NAL units, each after its length in 4 bytes; or one raw AAC frame."""
    pts: int
    """1/48000 s from the session's first tick. Pictures are coded in the order in which they are shown."""
    is_keyframe: bool
    """Decoding can begin here; true for all voice."""


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """What a container says of both streams before they begin."""

    width_px: int
    height_px: int
    sps: bytes
    pps: bytes
    audio_config: bytes
    """AudioSpecificConfig."""
    channels: int
    video_bps: int
    audio_bps: int

    @property
    def avc_config(self) -> bytes:
        """AVCDecoderConfigurationRecord (ISO 14496-15, 5.3.3.1) for 4-byte lengths, 8-bit 4:2:0."""
        sps, pps = self.sps, self.pps
        record = bytes((1, sps[1], sps[2], sps[3], 0xFF, 0xE1)) + struct.pack("!H", len(sps)) + sps
        record += b"\x01" + struct.pack("!H", len(pps)) + pps
        if self.sps[1] in (100, 110, 122, 144):  # High profiles say their chroma format and bit depths
            record += bytes((0xFD, 0xF8, 0xF8, 0))
        return record


def nal_units(annex_b: bytes) -> list[bytes]:
    """The NAL units between the start codes of Annex B, without empty ones."""
    units, at, size = [], annex_b.find(b"\x00\x00\x01"), len(annex_b)
    while at >= 0:
        begin = at + 3
        at = annex_b.find(b"\x00\x00\x01", begin)
        unit = annex_b[begin : size if at < 0 else at].rstrip(b"\x00")  # a longer start code, or padding, ends in zeros
        if unit:
            units.append(unit)
    return units


def length_prefixed(annex_b: bytes) -> bytes:
    """A picture's NAL units with lengths for start codes; parameter sets and delimiters are left to the container."""
    kept = (u for u in nal_units(annex_b) if u[0] & 31 not in (_NAL_SPS, _NAL_PPS, _NAL_DELIMITER))
    return b"".join(struct.pack("!I", len(unit)) + unit for unit in kept)


def parameter_sets(annex_b: bytes) -> tuple[bytes, bytes]:
    """SPS and PPS.

    Raises:
        ValueError: one of them is not there.
    """
    found = {unit[0] & 31: unit for unit in nal_units(annex_b)}
    if _NAL_SPS not in found or _NAL_PPS not in found or len(found[_NAL_SPS]) < 4:
        raise ValueError("the encoder's header has no SPS or no PPS")
    return found[_NAL_SPS], found[_NAL_PPS]
