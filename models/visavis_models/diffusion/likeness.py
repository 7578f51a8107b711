"""What the networks are told of one portrait, whatever it does: its photo, its teeth, and who it is.

Made once for an avatar at one size and shared by all sessions that show it. Knows nothing of motion or time.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar
from visavis_models.diffusion.crops import REGIONS, Region
from visavis_models.diffusion.drawing import Picture, draw_reference
from visavis_models.diffusion.sizes import RendererSize
from visavis_models.diffusion.strokes import crop_px_per_face_width, strokes_of
from visavis_models.diffusion.suitability import is_grey, unsuitable
from visavis_models.diffusion.window_networks import WindowNetworks
from visavis_models.errors import EngineError
from visavis_models.motion import rest_motion
from visavis_models.warp.renderer import Still, pose
from visavis_models.warp.teeth import mouth_colours, visible_teeth

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Likeness:
    """A portrait as the networks know it. Immutable."""

    still: Still
    """The same for `warp`."""
    picture: Picture
    """Its positions are those of the still's canvas."""
    shade: Floats
    """float32 (3,): the teeth's colour, RGB -1..1."""
    tokens: dict[str, Floats]
    """float32 (A, d) of each region that may be generated, by name."""
    grey: bool
    """A black-and-white photo: what is generated has no colours either."""
    left_to_warp: dict[str, str]
    """Why the other regions are not generated, by name; for the log."""


def likeness_of(avatar: Avatar, still: Still, networks: WindowNetworks) -> Likeness:
    """Tell the networks of an avatar.

    Args:
        avatar: as it was analysed; its photo may be larger than what is drawn.
        still: of the same avatar, as large as it is drawn.
        networks: read the reference.
    """
    size = networks.size
    picture, found = picture_of(avatar, still, size), visible_teeth(avatar)
    shade = (mouth_colours(avatar, found).tooth / 127.5 - 1.0).astype(np.float32)
    tokens, refused = {}, {}
    for region in REGIONS:
        reason = unsuitable(avatar, region)
        if reason is None:
            try:
                tokens[region.name] = networks.appearance(reference_of(picture, still, region, size)[None])[0]
            except EngineError as error:
                reason = f"its networks fail: {error.message}"
        if reason is not None:
            refused[region.name] = reason
    return Likeness(still, picture, shade, tokens, is_grey(avatar), refused)


def reference_of(picture: Picture, still: Still, region: Region, size: RendererSize) -> Floats:
    """The photo's own maps: float32 (REFERENCE_CHANNELS, h, w)."""
    posed = pose(still, rest_motion(1))
    strokes = strokes_of(still.rig, still.avatar.landmarks, posed.driven, posed.skull, region, size.mouth_px)
    return draw_reference(picture, strokes, region)


def picture_of(avatar: Avatar, still: Still, size: RendererSize) -> Picture:
    """The photo as fine as crops are, or as it is if it is coarser; positions are those of the still's canvas.

    Taken from the avatar's own canvas: where what is drawn is smaller than that, crops still see all of it.
    """
    drawn = still.avatar
    finest = avatar.width_px / drawn.width_px
    scale = min(crop_px_per_face_width(size.mouth_px) / drawn.face_width_px, finest)
    shape = max(round(drawn.width_px * scale), 2), max(round(drawn.height_px * scale), 2)
    photo = avatar.photo
    if shape != (avatar.width_px, avatar.height_px):
        photo = np.asarray(cv2.resize(photo, shape, interpolation=cv2.INTER_AREA), np.uint8)
    return Picture(photo.astype(np.float32) / 127.5 - 1.0, shape[0] / drawn.width_px)
