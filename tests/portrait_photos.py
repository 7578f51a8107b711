"""Photos for the tests of the portrait: NASA's astronaut and what people do to pictures before they upload them."""

from __future__ import annotations

import functools
import io
import struct
import zlib

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image


@functools.cache
def astronaut() -> NDArray[np.uint8]:
    return np.asarray(skimage.data.astronaut(), np.uint8)  # type: ignore[no-untyped-call]


def encoded(picture: NDArray[np.uint8] | Image.Image, form: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(out, form, **options)
    return out.getvalue()


def placed(scale: float, size: tuple[int, int] = (600, 800), corner: tuple[int, int] = (40, 30)) -> NDArray[np.uint8]:
    """The astronaut, scaled, on a grey wall; `size` is height and width, `corner` the place's y and x."""
    small = cv2.resize(astronaut(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    wall = np.full((*size, 3), 170, np.uint8)
    y, x = corner
    wall[y : y + small.shape[0], x : x + small.shape[1]] = small[: size[0] - y, : size[1] - x]
    return wall


def drawing() -> NDArray[np.uint8]:
    """A smiley."""
    paper = np.full((512, 512, 3), 255, np.uint8)
    cv2.circle(paper, (256, 256), 180, (250, 210, 60), -1)
    cv2.circle(paper, (256, 256), 180, (0, 0, 0), 6)
    for x in (190, 322):
        cv2.circle(paper, (x, 210), 24, (0, 0, 0), -1)
    cv2.ellipse(paper, (256, 290), (95, 70), 0, 20, 160, (0, 0, 0), 8)
    return paper


def png_header(width_px: int, height_px: int) -> bytes:
    """A PNG file that claims a size and holds next to nothing."""

    def part(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(b"\0" * 64)) + part(b"IEND", b"")


def turned_astronaut(yaw: float, pitch: float = 0.0) -> NDArray[np.uint8]:
    """The mean face with the astronaut's skin, held at angles in radians: a photo whose head pose is known."""
    from visavis_models.portrait.face_detection import find_faces
    from visavis_models.portrait.face_mesh import fit_mesh
    from visavis_models.portrait.head_pose import canonical_face, head_rotation

    photo = astronaut()
    points = fit_mesh(photo, find_faces(photo)[0].crop()).points[:468]
    turned = canonical_face().vertices_cm @ head_rotation(pitch, yaw, 0.0).T * 13 + [256, 256, 0]
    out = np.full((512, 512, 3), 150, np.uint8)
    triangles = canonical_face().triangles
    for corners in triangles[np.argsort(-turned[triangles, 2].mean(axis=1))]:
        target = turned[corners, :2].astype(np.float32)
        low, high = np.floor(target.min(axis=0)).astype(int), np.ceil(target.max(axis=0)).astype(int) + 1
        matrix = cv2.getAffineTransform(points[corners, :2].astype(np.float32), target - low.astype(np.float32))
        width, height = (int(side) for side in high - low)
        patch = cv2.warpAffine(photo, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        mask = np.zeros((height, width), np.uint8)
        cv2.fillConvexPoly(mask, np.rint(target - low).astype(np.int32), 1)
        part = out[low[1] : high[1], low[0] : high[0]]
        part[mask > 0] = patch[: part.shape[0], : part.shape[1]][mask > 0]
    return out
