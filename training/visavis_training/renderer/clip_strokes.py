"""From a made person's known places to what is drawn in crops: through the very fit and rig that a real photo gets.

Numpy only and one clip at a time, so that worker processes can do it while a GPU draws. Half of the clips are driven
by the rig, as in the product; the others lie where the person truly is. Knows nothing of how people are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT
from visavis_models.avatar import Avatar
from visavis_models.diffusion.crops import MOUTH, Region, in_crop, laid, on_canvas, to_crops
from visavis_models.diffusion.strokes import Strokes, strokes_of
from visavis_models.face import topology as topo
from visavis_models.face.basis import face_basis
from visavis_models.face.own_face import own_depth
from visavis_models.face.person_fitting import find_person
from visavis_models.face.rig import BROW_REACH, FaceRig
from visavis_models.portrait.face_detection import find_faces
from visavis_models.portrait.face_mesh import fit_mesh
from visavis_models.portrait.head_pose import head_pose
from visavis_models.warp.lips import on_the_seam
from visavis_models.warp.teeth import mouth_colours, visible_teeth
from visavis_training.renderer.warped_faces import WarpedFace

Floats = NDArray[np.float32]
_RIGID = list(topo.RIGID)
_TONGUE_OUT = ARKIT["tongueOut"]
_LEAST_SCORE = 0.5
_FARTHEST_APART = 0.06


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What is known of one clip: its reference frame, then N driven ones (K = 1 + N). Lengths in the camera's dm."""

    picture: NDArray[np.uint8]
    """uint8 (H, W, 3): the reference, as photographed."""
    marks: Floats
    """float32 (K, 478, 3): landmarks in the camera's axes, z is their depth."""
    rest: Floats
    """float32 (478, 3): the same of the person's face without expression, held as in the reference."""
    focal_px: float
    centre_px: Floats
    """float32 (2,); pixel centres lie at half numbers, as cameras have them."""
    face: Floats
    """float32 (N, 52) of the driven frames."""
    head: Floats
    """float32 (N, 6): the driven heads against the reference's."""
    true_places: bool
    """Whether the driven landmarks are the person's own; else the rig's."""
    inside: Floats | None = None
    """float32 (N, n, 3): where the rig's points of upper teeth, lower teeth and tongue truly are, in the camera's axes;
    None leaves them where the rig has them."""


@dataclass(frozen=True, slots=True)
class ClipStrokes:
    """What a clip's crops need."""

    strokes: Strokes
    truth: Floats
    """float32 (N, 2, 3): from px of the reference's picture to the crops in which the true frames are drawn; never
    mirrored (pixel centres at whole numbers)."""
    shade: Floats
    """float32 (3,): the teeth's colour as the product would estimate it, RGB -1..1."""
    warped: NDArray[np.uint8]
    """uint8 (N, h, w, 3): what `warp` would draw in the crops."""


def seen_px(view: Floats, facts: ClipFacts) -> Floats:
    """(..., 3) of the camera's axes as pixels (centres at whole numbers) and depth in pixels of the face's scale."""
    middle = facts.marks[0, _RIGID, 2].mean()
    flat = view[..., :2] * (facts.focal_px / view[..., 2:]) + (facts.centre_px - 0.5)
    depth = (view[..., 2:] - middle) * (facts.focal_px / middle)
    return np.concatenate([flat, depth], -1).astype(np.float32)


def detected(picture: NDArray[np.uint8], true: Floats) -> Floats:
    """Landmarks (478, 3) px as portrait analysis finds them; the true ones where it finds no face, or another one."""
    for box in find_faces(picture):
        mesh = fit_mesh(picture, box.crop(), rounds=3)
        apart = np.linalg.norm(mesh.points[:, :2] - true[:, :2], axis=1).mean()
        if mesh.score >= _LEAST_SCORE and apart < _FARTHEST_APART * np.ptp(true[:, 0]):
            return mesh.points
    return true


def stand_in(picture: NDArray[np.uint8], landmarks: Floats) -> Avatar:
    """An avatar of which only the face is known: enough for the rig and the teeth."""
    height, width = picture.shape[:2]
    person = find_person(landmarks, (width, height), picture)
    if person is not None:
        landmarks = own_depth(face_basis(), person, landmarks)
    return Avatar(
        id="made", name="Made", photo=picture, matte=np.full((height, width), 255, np.uint8), foreground=picture,
        plate=picture, landmarks=landmarks, head_pose=head_pose(landmarks), body_points=np.zeros((33, 4), np.float32),
        person=person,
    )  # fmt: skip


def rigid_motion(before: Floats, after: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation (3, 3) and shift (3,) that carry points (n, 3) onto others best (W. Kabsch, 1976)."""
    first, second = before.mean(0), after.mean(0)
    left, _, right = np.linalg.svd((after - second).T.astype(np.float64) @ (before - first))
    rotation = left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))]) @ right
    return rotation, second - rotation @ first


def true_crops(
    facts: ClipFacts, anchors: NDArray[np.floating], region: Region, face_width_px: float, mouth_px: tuple[int, int]
) -> Floats:
    """Where the skull's true motion carries the crop that the product looks at: float32 (N, 2, 3), mirrored as it is.

    Args:
        facts: of the clip.
        anchors: (2, 2 or 3): the region's anchors in the reference's picture, where the rig has them. What is fixed to
            the skull, as upper teeth are, then lies at one place in the reference's crop and in all true ones.
        region: whose crop.
        face_width_px: as the rig has it.
        mouth_px: height and width of the mouth's crop.
    """
    deep = facts.rest[list(region.anchors), 2:]
    flat = (np.asarray(anchors, np.float64)[:, :2] - (facts.centre_px - 0.5)) * deep / facts.focal_px
    held = np.concatenate([flat, deep], 1)
    places, widths = [], []
    for marks in facts.marks[1:]:
        rotation, shift = rigid_motion(facts.marks[0, _RIGID], marks[_RIGID])
        moved = (held @ rotation.T + shift).astype(np.float32)
        places.append(seen_px(moved, facts)[:, :2])
        widths.append(face_width_px * facts.rest[_RIGID, 2].mean() / marks[_RIGID, 2].mean())
    return laid(region, np.stack(places), np.array(widths), mouth_px)


def _lips_apart_as_they_are(error: Floats) -> Floats:
    """The detector's error (478, 3), alike for lip points that meet: in a beard it sees gaps that are not there."""
    error = error.copy()
    for upper, lower in zip(topo.UPPER_LIP[:2], topo.LOWER_LIP[:2], strict=True):
        both = (error[list(upper)] + error[list(lower)]) / 2
        error[list(upper)] = error[list(lower)] = both
    return error


def _with_true_mouth(strokes: Strokes, inside: Floats) -> Strokes:
    """Teeth and tongue where they are, whoever's lips are before them: what is told is then what is seen."""
    ends = np.cumsum([strokes.upper_teeth.shape[1], strokes.lower_teeth.shape[1]])
    upper, lower, tongue = np.split(inside, ends, 1)
    return replace(strokes, upper_teeth=upper, lower_teeth=lower, tongue=tongue)


def unmirrored(crops: Floats, width: int) -> Floats:
    """Crops (N, 2, 3) whose columns run the other way."""
    other = crops.copy()
    other[:, 0] = -other[:, 0]
    other[:, 0, 2] += width - 1
    return other


def clip_strokes(facts: ClipFacts, region: Region, mouth_px: tuple[int, int]) -> ClipStrokes:
    """What to draw of one clip; a pure function of what is known of it."""
    true = seen_px(facts.marks, facts)
    avatar = on_the_seam(stand_in(facts.picture, detected(facts.picture, true[0])))
    rig = FaceRig.fit(avatar, BROW_REACH)
    skull, driven = rig.head_transform(facts.head).astype(np.float32), rig.drive(facts.face, facts.head)
    strokes = strokes_of(
        rig, avatar.landmarks, driven, skull, region, mouth_px
    )  # fmt: skip
    anchors = rig.neutral_points[list(region.anchors)]
    truth = true_crops(facts, anchors, region, rig.face_width_px, mouth_px)
    to_crop = to_crops(region, rig.neutral_points, skull, rig.face_width_px, mouth_px)
    if facts.true_places:
        # The detector's error with this face stays with it, so that lips meet where the photo's lips were seen.
        error = _lips_apart_as_they_are((avatar.landmarks - true[0]) * np.array([1, 1, 0], np.float32))
        strokes = replace(strokes, points=in_crop(true[1:] + error, truth))
        driven = replace(driven, points=on_canvas(strokes.points, to_crop))
    if facts.inside is not None and region is MOUTH:
        strokes = _with_true_mouth(strokes, in_crop(seen_px(facts.inside, facts), truth))
        upper, lower, tongue = (
            on_canvas(part, to_crop) for part in (strokes.upper_teeth, strokes.lower_teeth, strokes.tongue)
        )
        driven = replace(driven, teeth_upper=upper, teeth_lower=lower, tongue=tongue)
    shade = mouth_colours(avatar, visible_teeth(avatar)).tooth / 127.5 - 1.0
    warped = WarpedFace(avatar, rig, region).crops(
        driven, skull, facts.face[:, _TONGUE_OUT], to_crop, strokes.size_px
    )  # fmt: skip
    if region.mirrored:
        truth = unmirrored(truth, strokes.size_px[1])
    return ClipStrokes(strokes, truth, shade.astype(np.float32), warped)
