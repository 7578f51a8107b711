"""Parts the people of one picture: whose each pixel is, and what of each is hidden by those in front.

Faces say who there is; the larger one is in front. Knows nothing of how they will move.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.portrait.layers import fill_hole, person_colours, settle_layers, split_layers

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_BEHIND = 0.35
"""How far a person goes on behind the one in front, in widths of their face: further than anybody sways."""
_TOUCH = 0.03
"""So near (face widths) two people hide something of each other."""
_COVERED = 0.1
"""From this cover on a pixel tells nothing of who is behind."""
_TRUNK_WIDTHS = 1.1
"""Half of a trunk's width, in widths of the face."""
_MASK_WEIGHT = 0.8


def owners(heads: Sequence[Floats], bodies: Sequence[Floats], masks: Sequence[Floats]) -> list[NDArray[np.bool_]]:
    """Whose each pixel would be, if it is anybody's.

    Args:
        heads: `Avatar.head_pose` of each.
        bodies: `Avatar.body_points` of each.
        masks: float32 (H, W), 0..1, of each, from `find_body`.

    Returns:
        bool (H, W) for each; every pixel is one's.
    """
    shape = masks[0].shape
    far = [
        _distance(head, body, shape) - _MASK_WEIGHT * mask
        for head, body, mask in zip(heads, bodies, masks, strict=True)
    ]
    nearest = np.argmin(np.stack(far), 0).astype(np.uint8)
    side = 2 * (max(shape) // 200) + 1
    nearest = np.asarray(cv2.medianBlur(nearest, min(side, 255)), np.uint8)
    return [np.asarray(nearest == i) for i in range(len(heads))]


def _distance(head: Floats, body: Floats, shape: tuple[int, ...]) -> Floats:
    """How far each pixel is from a person's head, trunk and limbs, in widths of their face: float32 (H, W)."""
    width = float(head[5])
    # At a quarter of the size: people are parted by a hand's breadth, not by a pixel.
    step = 4
    small = np.full(((shape[0] + step - 1) // step, (shape[1] + step - 1) // step), 255, np.uint8)

    def at(x: float, y: float) -> tuple[int, int]:
        return int(x / step), int(y / step)

    def line(start: Floats, end: Floats, thick: float) -> None:
        if min(float(start[3]), float(end[3])) > 0.3:
            cv2.line(small, at(*start[:2]), at(*end[:2]), 0, max(1, int(thick * width / step)))

    centre, top = head[3:5], np.array([head[3], head[4] - 0.25 * width])
    cv2.ellipse(small, at(*top), (int(0.6 * width / step), int(0.85 * width / step)), 0, 0, 360, 0, -1)
    # Shoulders are below the chin, whether they are in the picture or not.
    neck = np.array([centre[0], centre[1] + 1.2 * width])
    cv2.line(small, at(*centre), at(*neck), 0, max(1, int(0.6 * width / step)))
    shoulders, hips = body[11:13], body[23:25]
    if float(shoulders[:, 3].min()) > 0.3:
        corners = [shoulders[0, :2], shoulders[1, :2]]
        if float(hips[:, 3].min()) > 0.3:
            corners += [hips[1, :2], hips[0, :2]]
        cv2.fillPoly(small, [np.array([at(*corner) for corner in corners], np.int32)], 0)
        line(shoulders[0], shoulders[1], 0.5)
    else:
        cv2.line(
            small, at(neck[0] - _TRUNK_WIDTHS * width, neck[1]), at(neck[0] + _TRUNK_WIDTHS * width, neck[1]), 0, 3
        )
    for start, end in ((11, 13), (13, 15), (12, 14), (14, 16), (23, 25), (25, 27), (24, 26), (26, 28)):
        line(body[start], body[end], 0.4)
    away = cv2.distanceTransform(small, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) * (step / width)
    return np.asarray(cv2.resize(away, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def layers_of_people(
    canvas: Bytes, mattes: Sequence[Bytes], face_widths_px: Sequence[float]
) -> tuple[list[Bytes], list[Bytes], Bytes]:
    """Everybody's own layer, and the background completed behind all.

    Args:
        canvas: uint8 (H, W, 3) RGB.
        mattes: uint8 (H, W) of each, who is in front first.
        face_widths_px: of each.

    Returns:
        Mattes, which go on behind whoever is in front; foregrounds, uint8 (H, W, 3); the plate. Laid over the plate
        from the last to the first they give the canvas back.
    """
    covers = [matte.astype(np.float32) / np.float32(255) for matte in mattes]
    anybody = 1 - np.prod([1 - cover for cover in covers], 0)
    _, plate = split_layers(canvas, np.asarray(np.rint(anybody * 255), np.uint8))
    behind = plate.astype(np.float32)
    foregrounds: list[Bytes] = []
    whole: list[Bytes] = []
    for i in range(len(covers) - 1, -1, -1):
        in_front = 1 - np.prod([1 - cover for cover in covers[:i]], 0) if i else np.zeros_like(covers[0])
        cover = _going_on(covers[i], np.asarray(in_front, np.float32), face_widths_px[i])
        picture, hidden = canvas.astype(np.float32), np.asarray(in_front > _COVERED)
        if hidden.any():
            # Their own colours go on behind whoever hides them; what is of nobody here has no say.
            known = (~hidden & (covers[i] > 0.5)).astype(np.float32)
            picture = np.where(hidden[..., None], fill_hole(picture, known), picture)
        alpha = cover[..., None]
        own = np.where(hidden[..., None], picture, person_colours(picture, alpha, behind))
        colours, behind = _exact(picture, alpha, own, behind, hidden)
        foregrounds.append(np.asarray(np.rint(colours), np.uint8))
        whole.append(np.asarray(np.rint(cover * 255), np.uint8))
    return whole[::-1], foregrounds[::-1], plate


def settle_people(
    canvas: Bytes, mattes: Sequence[Bytes], foregrounds: Sequence[Bytes], plate: Bytes
) -> tuple[list[Bytes], Bytes]:
    """Change everybody's layer as little as need be for all of them to give the canvas; see `layers_of_people`."""
    anybody = 1 - np.prod([1 - matte.astype(np.float32) / 255 for matte in mattes], 0)
    _, plate = settle_layers(canvas, np.asarray(np.rint(anybody * 255), np.uint8), canvas, plate)
    behind = plate.astype(np.float32)
    settled: list[Bytes] = []
    for i in range(len(mattes) - 1, -1, -1):
        alpha = (mattes[i].astype(np.float32) / np.float32(255))[..., None]
        hidden = np.zeros(alpha.shape[:2], np.bool_)
        for matte in mattes[:i]:
            hidden |= matte > 255 * _COVERED
        own = foregrounds[i].astype(np.float32)
        colours, behind = _exact(canvas.astype(np.float32), alpha, own, behind, hidden)
        settled.append(np.asarray(np.rint(colours), np.uint8))
    return settled[::-1], plate


def _exact(
    picture: Floats, alpha: Floats, own: Floats, behind: Floats, hidden: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """A person's colours, such that laid over what is behind they give the picture, and what they then give.

    Where they are hidden the picture says nothing, and their own colours stay.
    """
    exact = np.clip((picture - (1 - alpha) * behind) / np.maximum(alpha, 1e-3), 0, 255)
    colours = np.where((alpha > 0) & ~hidden[..., None], exact, own)
    return np.asarray(colours, np.float32), np.asarray(alpha * colours + (1 - alpha) * behind, np.float32)


def _going_on(cover: Floats, in_front: Floats, width_px: float) -> Floats:
    """A person's cover, continued behind the one in front wherever the two touch."""
    touch_px = max(_TOUCH * width_px, 2.0)
    near = cv2.distanceTransform((cover < 0.5).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    touching = (near <= touch_px) & (in_front > 0.5)
    if not touching.any():
        return cover
    away = cv2.distanceTransform((~touching).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    reach_px = _BEHIND * width_px
    further = np.clip((reach_px - away) / max(0.5 * reach_px, 1.0), 0, 1) * (in_front > 0.02)
    return np.asarray(np.maximum(cover, further), np.float32)
