"""Counts the scans of a JPEG without decoding it. Knows nothing of what a photo is for.

A progressive JPEG goes over all of its pixels once a scan, and a scan that changes nothing takes a hundred bytes: a
file of a megabyte can keep a decoder busy for minutes, however few pixels it has.
"""

from __future__ import annotations

import re

_START, _SCAN, _END = 0xD8, 0xDA, 0xD9
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers that no length follows."""
_NEXT = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
"""The next marker in coded pixels, where FF 00 is a byte FF and FF D0 to FF D7 only let decoders begin anew."""


def jpeg_scans(content: bytes, most: int) -> int:
    """How many scans there are; counting stops above `most`. 0: it is no JPEG, or damaged before its first scan.

    What looks like a scan within metadata, such as a preview, is none.
    """
    if content[:2] != bytes((0xFF, _START)):
        return 0
    at, scans = 2, 0
    while scans <= most:
        found = _NEXT.search(content, at)
        if found is None or found[1][0] == _END:
            break
        marker, at = found[1][0], found.end()
        if marker not in _ALONE:
            at += max(2, int.from_bytes(content[at : at + 2], "big"))
        scans += marker == _SCAN
    return scans
