"""Which parts of a portrait may be generated at all: where a photo is beyond what the networks know, `warp` draws.

Pure functions of an avatar. Knows nothing of networks.
"""

from __future__ import annotations

from visavis_models.avatar import Avatar
from visavis_models.diffusion.crops import Region

LEAST_FACE_PX = 64.0
"""Faces narrower than this (canvas px) are left to `warp`: a mouth of some twenty pixels is all guesswork."""


def unsuitable(avatar: Avatar, region: Region) -> str | None:
    """Why a region of this portrait is not generated; None if it is."""
    if avatar.face_width_px < LEAST_FACE_PX:
        return f"the face is {avatar.face_width_px:.0f} px wide"
    if avatar.person is None:
        return "no anatomy explains the face"
    return None
