"""Fragmented MP4 (ISO 14496-12): a header, then fragments that each play without what comes after them.

Only bytes: knows nothing of files. H.264 and AAC on one clock; every fragment says where on it it begins, so that what
is missing between two fragments shifts nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from visavis_server.outputs.access_units import (
    PICTURE_DURATION,
    TIMESCALE_HZ,
    VOICE_DURATION,
    AccessUnit,
    StreamFormat,
)

_VIDEO_TRACK, _AUDIO_TRACK = 1, 2
_MATRIX = struct.pack("!9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_SYNC_SAMPLE, _OTHER_SAMPLE = 0x02000000, 0x01010000
_LONGEST = 0xFFFFFFFF
_BT_601 = struct.pack("!4sHHHB", b"nclx", 6, 6, 6, 0)


@dataclass(frozen=True, slots=True)
class Header:
    """The beginning of a file."""

    data: bytes
    duration_at: int
    """Where in it the whole duration stands, as 8 bytes in 1/48000 s: to be brought up to date."""


def header(form: StreamFormat) -> Header:
    """`ftyp` and `moov` of a file without fragments yet."""
    kind = _box(b"ftyp", b"iso6", struct.pack("!I", 0x200), b"iso6", b"cmfc", b"avc1", b"mp41")
    duration = _full(b"mehd", 1, 0, struct.pack("!Q", 0))
    extends = b"".join(
        _full(b"trex", 0, 0, struct.pack("!5I", track, 1, length, 0, flags))
        for track, length, flags in (
            (_VIDEO_TRACK, PICTURE_DURATION, _OTHER_SAMPLE),
            (_AUDIO_TRACK, VOICE_DURATION, _SYNC_SAMPLE),
        )
    )
    movie = _full(
        b"mvhd",
        0,
        0,
        struct.pack("!4I", 0, 0, TIMESCALE_HZ, 0),
        struct.pack("!IHH8x", 0x10000, 0x100, 0),
        _MATRIX,
        bytes(24),
        struct.pack("!I", 3),
    )
    whole = kind + _box(b"moov", movie, _video_track(form), _audio_track(form), _box(b"mvex", duration, extends))
    return Header(whole, whole.index(b"mehd") + 8)


def fragment(number: int, units: Sequence[AccessUnit], next_picture_pts: int | None) -> bytes:
    """`moof` and `mdat` of some units.

    Args:
        number: counts from 1.
        units: in any order of the two media, each medium in the order of its times; at least one.
        next_picture_pts: when the next picture is shown: the last one here lasts until then.
    """
    pictures = [unit for unit in units if unit.is_picture]
    voice = [unit for unit in units if not unit.is_picture]
    data = b"".join(unit.data for unit in (*pictures, *voice))
    voice_at = sum(len(unit.data) for unit in pictures)
    tracks = [(_VIDEO_TRACK, pictures, _durations(pictures, next_picture_pts), 0)] if pictures else []
    tracks += [(_AUDIO_TRACK, voice, _durations(voice, None), voice_at)] if voice else []

    def moof(before_data: int) -> bytes:
        parts = [_track_fragment(track, run, lengths, before_data + at) for track, run, lengths, at in tracks]
        return _box(b"moof", _full(b"mfhd", 0, 0, struct.pack("!I", number)), *parts)

    return moof(len(moof(0)) + 8) + _box(b"mdat", data)


def _durations(run: list[AccessUnit], next_pts: int | None) -> list[int]:
    """Each lasts until the next one: where something is missing, the one before it."""
    last = run[-1].pts + (PICTURE_DURATION if run[-1].is_picture else VOICE_DURATION)
    ends = [unit.pts for unit in run[1:]] + [last if next_pts is None else next_pts]
    return [min(end - unit.pts, _LONGEST) for unit, end in zip(run, ends, strict=True)]


def _track_fragment(track: int, run: list[AccessUnit], lengths: list[int], data_at: int) -> bytes:
    default_base_is_moof = 0x020000
    offset_duration_size_flags = 0x000701
    samples = b"".join(
        struct.pack("!3I", length, len(unit.data), _SYNC_SAMPLE if unit.is_keyframe else _OTHER_SAMPLE)
        for unit, length in zip(run, lengths, strict=True)
    )
    return _box(
        b"traf",
        _full(b"tfhd", 0, default_base_is_moof, struct.pack("!I", track)),
        _full(b"tfdt", 1, 0, struct.pack("!Q", run[0].pts)),
        _full(b"trun", 0, offset_duration_size_flags, struct.pack("!Ii", len(run), data_at), samples),
    )


def _video_track(form: StreamFormat) -> bytes:
    size = struct.pack("!HH", form.width_px, form.height_px)
    visual = struct.pack("!6xH16x", 1) + size + struct.pack("!IIIH32xHh", 0x480000, 0x480000, 0, 1, 24, -1)
    entry = _box(b"avc1", visual, _box(b"avcC", form.avc_config), _box(b"colr", _BT_601))
    media_header = _full(b"vmhd", 0, 1, bytes(8))
    shown = struct.pack("!II", form.width_px << 16, form.height_px << 16)
    return _track(_VIDEO_TRACK, b"vide", shown, 0, media_header, entry)


def _audio_track(form: StreamFormat) -> bytes:
    sound = struct.pack("!6xH8xHHIHH", 1, form.channels, 16, 0, TIMESCALE_HZ >> 16, TIMESCALE_HZ & 0xFFFF)
    rate = struct.pack("!II", form.audio_bps, form.audio_bps)
    decoder = _descriptor(4, b"\x40\x15" + bytes(3) + rate + _descriptor(5, form.audio_config))
    stream = _descriptor(3, struct.pack("!HB", _AUDIO_TRACK, 0) + decoder + _descriptor(6, b"\x02"))
    entry = _box(b"mp4a", sound, _full(b"esds", 0, 0, stream))
    return _track(_AUDIO_TRACK, b"soun", bytes(8), 0x100, _full(b"smhd", 0, 0, bytes(4)), entry)


def _track(number: int, handler: bytes, shown: bytes, volume: int, media_header: bytes, entry: bytes) -> bytes:
    enabled = 3
    head = _full(
        b"tkhd",
        0,
        enabled,
        struct.pack("!5I8x", 0, 0, number, 0, 0),
        struct.pack("!hhHH", 0, 0, volume, 0),
        _MATRIX,
        shown,
    )
    undetermined = 0x55C4  # the language "und"
    media = _full(b"mdhd", 0, 0, struct.pack("!4IHH", 0, 0, TIMESCALE_HZ, 0, undetermined, 0))
    name = _full(b"hdlr", 0, 0, struct.pack("!4x4s12x", handler), b"visavis\0")
    data = _box(b"dinf", _full(b"dref", 0, 0, struct.pack("!I", 1), _full(b"url ", 0, 1)))
    empty = b"".join(_full(kind, 0, 0, bytes(4)) for kind in (b"stts", b"stsc", b"stco"))
    table = _box(b"stbl", _full(b"stsd", 0, 0, struct.pack("!I", 1), entry), empty, _full(b"stsz", 0, 0, bytes(8)))
    return _box(b"trak", head, _box(b"mdia", media, name, _box(b"minf", media_header, data, table)))


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack("!I", 8 + len(body)) + kind + body


def _full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack("!I", version << 24 | flags), *parts)


def _descriptor(tag: int, body: bytes) -> bytes:
    return bytes((tag, len(body))) + body
