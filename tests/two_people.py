"""Pictures of two people, put together from those that ship: each stands before the first one's background."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.portrait.storage import load_avatar
from visavis_models.weights import weights_folder


def two_people(
    left: str = "samuel", right: str = "maya", size: tuple[int, int] = (1024, 576), apart: float = 0.32
) -> NDArray[np.uint8]:
    """Two people side by side, the right one's shoulder before the left one's, uint8 (H, W, 3).

    `size` is width and height, `apart` how far their faces are from each other, in widths of the picture.
    """
    width, height = size
    first, second = (load_avatar(weights_folder() / "gallery" / name) for name in (left, right))
    wall = cv2.resize(cv2.GaussianBlur(first.plate, (0, 0), 3), (width, height), interpolation=cv2.INTER_AREA)
    picture: NDArray[np.floating] = wall.astype(np.float32)
    for avatar, middle in ((first, 0.5 - apart / 2), (second, 0.5 + apart / 2)):
        # Faces of a seventh of the width, chins a little above the middle, bodies down to the lower edge.
        ratio = width / 7.5 / avatar.face_width_px
        x, y = middle * width - avatar.head_pose[3] * ratio, 0.42 * height - avatar.head_pose[4] * ratio
        matrix = np.array([[ratio, 0, x], [0, ratio, y]], np.float64)
        colours, cover = (
            cv2.warpAffine(layer, matrix, (width, height), flags=cv2.INTER_AREA, borderMode=border)
            for layer, border in ((avatar.foreground, cv2.BORDER_REPLICATE), (avatar.matte, cv2.BORDER_REPLICATE))
        )
        alpha = (cover.astype(np.float32) / 255)[..., None]
        picture = alpha * colours + (1 - alpha) * picture
    return np.ascontiguousarray(np.rint(picture), np.uint8)
