"""Which of MediaPipe's 478 face landmarks is what: lips, lids, irises, brows, outline. Facts only, no geometry.

Left and right are the person's own; the person's right eye lies on the left of the picture.
"""

from __future__ import annotations

LANDMARK_COUNT = 478
MESH_COUNT = 468
"""Landmarks of the skin; the ten after them are the irises."""

UPPER_LIP: tuple[tuple[int, ...], ...] = (
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
    (62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292),
    (76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306),
    (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291),
)
"""Rows of the upper lip from the inner edge to the outer, each from the person's right corner to the left one."""
LOWER_LIP: tuple[tuple[int, ...], ...] = (
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
    (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292),
    (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306),
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291),
)
"""Rows of the lower lip in the same order: entry k of both inner rows is a pair that meets when the mouth is shut."""
UPPER_LIP_SKIN = (57, 186, 92, 165, 167, 164, 393, 391, 322, 410, 287)
LOWER_LIP_SKIN = (57, 43, 106, 182, 83, 18, 313, 406, 335, 273, 287)
"""The skin next to the outer rows of the lips, column by column."""

RIGHT_UPPER_LID = (33, 246, 161, 160, 159, 158, 157, 173, 133)
RIGHT_LOWER_LID = (33, 7, 163, 144, 145, 153, 154, 155, 133)
LEFT_UPPER_LID = (263, 466, 388, 387, 386, 385, 384, 398, 362)
LEFT_LOWER_LID = (263, 249, 390, 373, 374, 380, 381, 382, 362)
"""Edges of the lids from the outer corner to the inner: entry k of upper and lower is a pair that meets in a blink."""

RIGHT_LID_SKIN = (130, 247, 30, 29, 27, 28, 56, 190, 243, 112, 26, 22, 23, 24, 110, 25)
LEFT_LID_SKIN = (359, 467, 260, 259, 257, 258, 286, 414, 463, 341, 256, 252, 253, 254, 339, 255)
"""The ring around each lid's edges: upper crease, inner corner, lower lid."""

RIGHT_IRIS = (468, 469, 470, 471, 472)
LEFT_IRIS = (473, 474, 475, 476, 477)
"""Centre, then the points of the rim to the picture's right, top, left and bottom."""

RIGHT_BROW = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55)
LEFT_BROW = (300, 293, 334, 296, 336, 276, 283, 282, 295, 285)

FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""The outline from the middle of the hairline, clockwise in the picture."""

RIGID = (
    33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 1, 10, 151, 9, 8, 127, 356, 234, 454, 67, 297, 103, 332, 54, 284, 21,
    251,
)  # fmt: skip
"""Landmarks that expressions hardly move: they carry the pose of the head."""


def strip(upper: tuple[int, ...], lower: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Triangles between two rows of landmarks that share both ends: the skin of a hole, wound like the face mesh."""
    triangles = []
    for k in range(len(upper) - 1):
        for triangle in ((upper[k], lower[k], upper[k + 1]), (upper[k + 1], lower[k], lower[k + 1])):
            if len(set(triangle)) == 3:
                triangles.append(triangle)
    return triangles
