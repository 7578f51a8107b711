"""What `warp` would draw of a driven face, as crops see it: networks learn to mend the very pictures they will get.

Only the face's own mesh is drawn, and only where the crop is: all that a crop shows of `warp`'s picture. Numpy; for
worker processes. Knows nothing of how people are drawn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar
from visavis_models.diffusion.crops import MOUTH, Region
from visavis_models.diffusion.strokes import face_triangles
from visavis_models.diffusion.warped_crops import crop_of
from visavis_models.face.rig import DrivenFace, FaceRig
from visavis_models.raster import affine_planes, rasterise
from visavis_models.warp.eyes import make_eyes
from visavis_models.warp.mouth import Mouth, Scene
from visavis_models.warp.sampling import draw, make_texture

Floats = NDArray[np.float32]
_MARGIN_PX = 4


class WarpedFace:
    """Draws one portrait's crops of one kind.

    Args:
        avatar: of which the face is known.
        rig: of it.
        region: which crop.
    """

    def __init__(self, avatar: Avatar, rig: FaceRig, region: Region) -> None:
        self._region = region
        self._skin = make_texture(avatar.photo, None, 0.0, 0.0)
        self._places = np.ascontiguousarray(avatar.landmarks[:, :2], np.float32)
        self._triangles = face_triangles().triangles
        self._mouth = Mouth(avatar, rig.model) if region is MOUTH else None
        self._eye = None if region is MOUTH else make_eyes(avatar)[1 if region.mirrored else 0]

    def crops(
        self,
        driven: DrivenFace,
        skull: Floats,
        tongue_out: Floats,
        to_crop: Floats,
        size_px: tuple[int, int],
    ) -> NDArray[np.uint8]:
        """Draw driven frames.

        Args:
            driven: T frames, canvas px.
            skull: float32 (T, 3, 4): the head's rigid motion.
            tongue_out: float32 (T,).
            to_crop: float32 (T, 2, 3): canvas px to crop px.
            size_px: height and width of a crop.

        Returns:
            uint8 (T, h, w, 3).
        """
        out = np.empty((len(to_crop), *size_px, 3), np.uint8)
        for t, crop in enumerate(to_crop):
            out[t] = self._crop(driven, t, skull[t], float(tongue_out[t]), crop, size_px)
        return out

    def _crop(
        self, driven: DrivenFace, t: int, skull: Floats, tongue_out: float, to_crop: Floats, size_px: tuple[int, int]
    ) -> NDArray[np.uint8]:
        back = np.linalg.inv(to_crop[:, :2].astype(np.float64))
        height, width = size_px
        ends = np.array([[x, y] for x in (0, width) for y in (0, height)], np.float64)
        corners = (ends - to_crop[:, 2]) @ back.T
        left, top = np.floor(corners.min(0)).astype(int) - _MARGIN_PX
        right, bottom = np.ceil(corners.max(0)).astype(int) + _MARGIN_PX
        shift = np.array([left, top, 0], np.float32)
        # Whatever else there is does not matter: maps tell of the face alone.
        frame = np.zeros((bottom - top, right - left, 3), np.uint8)
        points = driven.points[t] - shift
        number, _ = rasterise(points, self._triangles, frame.shape[:2])
        planes = affine_planes(points, self._triangles, self._places)
        draw(number, planes, self._skin, frame)
        scene = Scene(frame, number, planes)
        moved = skull.copy()
        moved[:, 3] -= shift
        if self._mouth is not None:
            parts = driven.teeth_lower[t] - shift, driven.teeth_upper[t] - shift, driven.tongue[t] - shift
            self._mouth.paint(scene, points, parts, moved, tongue_out)
        if self._eye is not None:
            self._eye.paint(scene, points, 1.0 - float(driven.lid_gap[t, 1 if self._region.mirrored else 0]))
        here = to_crop.astype(np.float64)
        here[:, 2] += here[:, :2] @ shift[:2]
        return crop_of(frame, here, size_px)
