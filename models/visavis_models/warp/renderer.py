"""The warp renderer: drives the photo's own pixels by face mesh and body points. Geometry only, no network.

Every frame is a pure function of the avatar and one motion: nothing is carried from frame to frame, so sessions cannot
touch each other and nothing drifts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT
from visavis_models.avatar import Avatar, is_of
from visavis_models.face.rig import BROW_REACH, DrivenFace, FaceRig
from visavis_models.face.topology import FACE_OVAL, LANDMARK_COUNT
from visavis_models.motion import MotionWindow
from visavis_models.raster import affine_planes, rasterise
from visavis_models.warp.backdrop import clean_plate
from visavis_models.warp.body import BodyField, body_field
from visavis_models.warp.eyes import Eye, make_eyes
from visavis_models.warp.hair import loose_hair
from visavis_models.warp.lips import on_the_seam
from visavis_models.warp.mesh import PersonMesh, build_mesh
from visavis_models.warp.mouth import Mouth, Scene
from visavis_models.warp.sampling import Texture, draw, draw_cover, even_cover, make_texture

KEPT_STILLS = 8
"""Prepared avatars that one renderer remembers."""
_MARGIN = 0.6
"""How far the person is continued beyond the picture (face widths): a nod lowers hair that the upper edge cuts."""
_SIDES_FROM, _SIDES_SPAN = 0.08, 0.17
"""Depth (face widths) from which on the head is flattened, and how much depth is left beyond it."""
_OVAL = np.array(FACE_OVAL)
_TONGUE_OUT = ARKIT["tongueOut"]


@dataclass(frozen=True, slots=True)
class Still:
    """An avatar prepared for drawing at one size. Immutable, shared by all sessions that show it."""

    avatar: Avatar
    rig: FaceRig
    mesh: PersonMesh
    rest: NDArray[np.float32]
    """float32 (N, 3): the mesh in the photo, with depth; sides of the head flattened, see `_flattened`."""
    sides: NDArray[np.float32]
    """float32 (478,): by how much flattening changed the depth of the landmarks."""
    body: BodyField
    person: Texture
    evenly: NDArray[np.uint8]
    """uint8 (M,): which triangles of the mesh are wholly the person, or not at all; see `even_cover`."""
    mouth: Mouth
    eyes: tuple[Eye, Eye]


@dataclass(frozen=True, slots=True)
class WarpState:
    """One session's hold on an avatar."""

    still: Still

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames in px."""
        return self.still.avatar.width_px, self.still.avatar.height_px


def scaled_avatar(avatar: Avatar, long_side_px: int | None) -> Avatar:
    """The avatar with a smaller canvas; both sides come out even."""
    long_side = max(avatar.width_px, avatar.height_px)
    if long_side_px is None or long_side_px >= long_side:
        return avatar
    scale = max(long_side_px, 64) / long_side
    width = max(2, int(round(avatar.width_px * scale / 2)) * 2)
    height = max(2, int(round(avatar.height_px * scale / 2)) * 2)
    factor = np.array([width / avatar.width_px, height / avatar.height_px, scale])

    def shrink(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)

    def move(points: NDArray[np.float32]) -> NDArray[np.float32]:
        moved = points.copy()
        # Pixel centres are whole numbers: the corner of the picture, not its first pixel, stays where it is.
        moved[:, :2] = (moved[:, :2] + 0.5) * factor[:2] - 0.5
        moved[:, 2] *= scale
        return moved

    head = avatar.head_pose.copy()
    head[3:5] = (head[3:5] + 0.5) * factor[:2] - 0.5
    head[5] *= scale
    return replace(
        avatar,
        photo=shrink(avatar.photo),
        matte=shrink(avatar.matte),
        foreground=shrink(avatar.foreground),
        plate=shrink(avatar.plate),
        landmarks=move(avatar.landmarks),
        body_points=move(avatar.body_points),
        head_pose=head,
    )


def prepare(avatar: Avatar) -> Still:
    """Everything about an avatar that does not change from frame to frame."""
    avatar = replace(on_the_seam(avatar), plate=clean_plate(avatar))
    rig = FaceRig.fit(avatar, BROW_REACH)
    margin = int(_MARGIN * avatar.face_width_px) + 2
    mesh = build_mesh(avatar, rig.triangles, rig.depth_shell, margin)
    depth = np.concatenate([avatar.landmarks[:, 2], mesh.depth_px])
    flat = _flattened(depth, avatar.face_width_px)
    rest = np.ascontiguousarray(np.concatenate([mesh.points, flat[:, None]], 1), np.float32)
    weight = np.concatenate([np.ones(LANDMARK_COUNT, np.float32), mesh.head_weight])
    person = _person(avatar, margin)
    return Still(
        avatar=avatar,
        rig=rig,
        mesh=mesh,
        rest=rest,
        sides=(flat - depth)[:LANDMARK_COUNT],
        body=body_field(avatar, mesh.points, weight, loose_hair(avatar, mesh.points, weight)),
        person=person,
        evenly=even_cover(person, mesh.points, mesh.triangles),
        mouth=Mouth(avatar, rig.model),
        eyes=make_eyes(avatar),
    )


def _person(avatar: Avatar, margin: int) -> Texture:
    """The person cut out, mirrored beyond the edges of the picture that cut them."""
    matte = avatar.matte
    edges = matte[0], matte[-1], matte[:, 0], matte[:, -1]
    # The lower edge hardly moves, the sides sway a little, and only a nod brings the upper edge far into the picture.
    shares = (1.0, 0.25, 0.5, 0.5)
    top, bottom, left, right = (
        min(int(margin * share), min(matte.shape) - 1) if edge.any() else 0
        for edge, share in zip(edges, shares, strict=True)
    )
    colours, cover = (
        np.asarray(cv2.copyMakeBorder(layer, top, bottom, left, right, cv2.BORDER_REFLECT_101), np.uint8)
        for layer in (avatar.foreground, matte)
    )
    return make_texture(colours, cover, -float(left), -float(top))


def _flattened(depth: NDArray[np.float32], face_width_px: float) -> NDArray[np.float32]:
    """Depth with the sides of the head brought forward.

    At its sides a head is so steep that a few degrees fold the picture over, and a photo has no pixels for what the
    other side would uncover. Less depth there turns folds into gentle compression.
    """
    start, span = _SIDES_FROM * face_width_px, _SIDES_SPAN * face_width_px
    behind = np.maximum(depth - start, 0.0)
    return np.asarray(np.minimum(depth, start) + span * np.tanh(behind / span), np.float32)


class WarpRenderer:
    """Draws avatars by moving the photo's own pixels. See `visavis_models.rendering.Renderer`."""

    def __init__(self) -> None:
        self._stills: OrderedDict[tuple[str, int, int, int], tuple[Avatar, Still]] = OrderedDict()

    @property
    def name(self) -> str:
        """`warp`."""
        return "warp"

    def open(self, avatar: Avatar, long_side_px: int | None = None) -> WarpState:
        """Prepare an avatar for one session; a second session with it opens at once.

        Args:
            avatar: who.
            long_side_px: long side of the pictures; None, or more than the canvas has, keeps the canvas.
        """
        canvas = avatar.width_px, avatar.height_px
        long_side = min(long_side_px or max(canvas), max(canvas))
        key = (avatar.id, *canvas, long_side)
        known = self._stills.get(key)
        if known is None or not _same_photo(known[0], avatar):
            known = avatar, prepare(scaled_avatar(avatar, long_side))
            self._stills[key] = known
        self._stills.move_to_end(key)
        while len(self._stills) > KEPT_STILLS:
            self._stills.popitem(last=False)
        return WarpState(known[1])

    def forget(self, avatar_id: str) -> None:
        """Drop what is kept of an avatar; sessions that show it keep their own hold."""
        for key in [key for key in self._stills if is_of(key[0], avatar_id)]:
            self._stills.pop(key, None)

    def render(self, states: Sequence[WarpState], windows: Sequence[MotionWindow]) -> list[NDArray[np.uint8]]:
        """Draw the frames of one window for each state.

        Returns:
            For each state one uint8 (T, H, W, 3) RGB array, T being the length of its window.
        """
        return self.render_with_mattes(states, windows, [None] * len(states))

    def render_with_mattes(
        self,
        states: Sequence[WarpState],
        windows: Sequence[MotionWindow],
        mattes: Sequence[NDArray[np.uint8] | None],
    ) -> list[NDArray[np.uint8]]:
        """See `visavis_models.rendering.MattingRenderer`."""
        together = zip(states, windows, mattes, strict=True)
        return [_render_window(state.still, window, matte) for state, window, matte in together]

    def plate(self, state: WarpState) -> NDArray[np.uint8]:
        """See `visavis_models.rendering.MattingRenderer`."""
        return state.still.avatar.plate


def _same_photo(known: Avatar, avatar: Avatar) -> bool:
    """An id can be given to another photo after its avatar was removed."""
    if known is avatar:
        return True
    return bool(np.array_equal(known.landmarks, avatar.landmarks) and np.array_equal(known.photo, avatar.photo))


def _render_window(still: Still, window: MotionWindow, matte: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    frames = np.empty((len(window), *still.avatar.plate.shape), np.uint8)
    if len(window):
        posed = pose(still, window)
        for t in range(len(window)):
            scene = draw_person(still, posed, t, frames[t])
            if matte is not None:
                draw_matte(still, scene, matte[t])
            paint_openings(still, posed, t, scene)
    return frames


@dataclass(frozen=True, slots=True)
class Posed:
    """Where everything is in T frames, as it is drawn: px of the canvas and depth."""

    mesh: NDArray[np.float32]
    """float32 (T, N, 3): the person's mesh; the first 478 are the landmarks."""
    driven: DrivenFace
    """T frames; what the neck carries the head by is in them."""
    skull: NDArray[np.float32]
    """float32 (T, 3, 4): the head's rigid motion, carried as well."""
    tongue_out: NDArray[np.float32]
    """float32 (T,)."""


def pose(still: Still, window: MotionWindow) -> Posed:
    """Put the person where a window says."""
    head, face, body = (_numbers(values) for values in (window.head, window.face, window.body))
    driven = still.rig.drive(face, head)
    skull = still.rig.head_transform(head).astype(np.float32)
    mesh = np.stack([driven_mesh(still, _at(driven, t), skull[t], body[t]) for t in range(len(window))])
    # The head is carried by the neck: what is behind the lips rides along.
    carried = np.zeros((len(window), 1, 3), np.float32)
    carried[:, 0, :2] = mesh[:, 1, :2] - driven.points[:, 1, :2]
    skull[:, :, 3] += carried[:, 0]
    driven = DrivenFace(
        mesh[:, :LANDMARK_COUNT], driven.teeth_upper + carried, driven.teeth_lower + carried, driven.tongue + carried,
        driven.lip_gap_px, driven.lid_gap,
    )  # fmt: skip
    return Posed(mesh, driven, skull, face[:, _TONGUE_OUT])


def _numbers(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """With zeros where there are none."""
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def _at(driven: DrivenFace, t: int) -> DrivenFace:
    return DrivenFace(
        driven.points[t], driven.teeth_upper[t], driven.teeth_lower[t], driven.tongue[t],
        driven.lip_gap_px[t], driven.lid_gap[t],
    )  # fmt: skip


def driven_mesh(
    still: Still, driven: DrivenFace, skull: NDArray[np.float32], body: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Where the whole mesh is for one motion: float32 (N, 3), px and depth.

    Args:
        still: the prepared avatar.
        driven: the face in motion.
        skull: float32 (3, 4): the head's rigid motion.
        body: float32 (9,), see `BODY_NAMES`.
    """
    mesh = still.mesh
    rigid = still.rest @ skull[:, :3].T + skull[:, 3]
    outer = slice(LANDMARK_COUNT, None)
    points = rigid.copy()
    points[:LANDMARK_COUNT] = driven.points
    points[:LANDMARK_COUNT, :2] += still.sides[:, None] * skull[:2, 2]
    follow = mesh.head_weight[:, None]
    points[outer] = still.rest[outer] + (rigid[outer] - still.rest[outer]) * follow
    own = driven.points[_OVAL, :2] - rigid[_OVAL, :2]
    points[outer, :2] += mesh.skin_weight @ own
    points[:, :2] += still.body.displacement(body)
    return np.ascontiguousarray(points, np.float32)


def draw_frame(still: Still, posed: Posed, t: int, frame: NDArray[np.uint8]) -> None:
    """Plate, person, mouth, eyes of one posed frame.

    Args:
        still: the prepared avatar.
        posed: by `pose`.
        t: which frame.
        frame: uint8 (H, W, 3), overwritten.
    """
    paint_openings(still, posed, t, draw_person(still, posed, t, frame))


def draw_frames(still: Still, posed: Posed) -> NDArray[np.uint8]:
    """All posed frames: uint8 (T, H, W, 3)."""
    frames = np.empty((len(posed.mesh), *still.avatar.plate.shape), np.uint8)
    for t, frame in enumerate(frames):
        draw_frame(still, posed, t, frame)
    return frames


def draw_person(still: Still, posed: Posed, t: int, frame: NDArray[np.uint8]) -> Scene:
    """Plate and person, with mouth and eyes still to be painted; see `draw_frame`."""
    points = posed.mesh[t]
    np.copyto(frame, still.avatar.plate)
    number, _ = rasterise(points, still.mesh.triangles, frame.shape[:2])
    planes = affine_planes(points, still.mesh.triangles, still.mesh.points)
    draw(number, planes, still.person, frame)
    return Scene(frame, number, planes)


def draw_matte(still: Still, scene: Scene, matte: NDArray[np.uint8]) -> None:
    """How much of each pixel is the person, in the scene that `draw_person` gave; the rest is the plate.

    Mouth and eyes are painted upon the person and change nothing of it.

    Args:
        still: the prepared avatar.
        scene: what `draw_person` gave.
        matte: uint8 (H, W), overwritten.
    """
    draw_cover(scene.number, scene.planes, still.evenly, still.person, matte)


def paint_openings(still: Still, posed: Posed, t: int, scene: Scene) -> None:
    """Mouth and eyes of one posed frame, into the scene that `draw_person` gave."""
    driven = _at(posed.driven, t)
    face = driven.points
    parts = driven.teeth_lower, driven.teeth_upper, driven.tongue
    still.mouth.paint(scene, face, parts, posed.skull[t], float(posed.tongue_out[t]))
    for eye, lid_gap in zip(still.eyes, driven.lid_gap, strict=True):
        eye.paint(scene, face, 1.0 - float(lid_gap))
