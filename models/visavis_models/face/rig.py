"""The face rig: carries ARKit coefficients and head pose over to one portrait's landmarks, teeth and tongue.

The photo's own mesh, shut and relaxed around the mouth, plus the generic model's motion in the photo's pose; then lips
and lids are settled absolutely, then the head turns. Knows nothing of pixels' colours, voices or time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT, ARKIT_NAMES
from visavis_models.avatar import Avatar
from visavis_models.face import topology as topo
from visavis_models.face.basis import face_basis
from visavis_models.face.eyes import Eye
from visavis_models.face.fitting import FaceFit, fit_face
from visavis_models.face.head import DepthShell, head_transforms
from visavis_models.face.model import FaceModel, MouthPart, face_model
from visavis_models.face.mouth import (
    MOST_RELAXED,
    SMILE_UNITS,
    kept_expression,
    lip_thickness,
    neutral_face,
    settle_lips,
)
from visavis_models.face.own_face import own_face

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

_SMILE = np.array([ARKIT[name] for name in SMILE_UNITS])
_JAW_OPEN, _MOUTH_CLOSE = ARKIT["jawOpen"], ARKIT["mouthClose"]
_ROUNDING = np.array([ARKIT["mouthPucker"], ARKIT["mouthFunnel"]])
ROUNDING_RELAXES = 0.9
OPENING_RELAXES = 0.5
"""How much of the photo's kept smile gives way when the lips are fully rounded, and when the jaw is wide open."""
_EYE_UNITS = [k for k, name in enumerate(ARKIT_NAMES) if name.startswith("eye")]
_OUTER_CREASE = [247, 467]
_OUTER_CREASE_FOLLOWS = 0.4
"""The crease beside the outer corner of the eye must not cross the lid's edge in a blink."""
BROW_REACH = {"browInnerUp": 2.6, "browOuterUpLeft": 2.0, "browOuterUpRight": 2.0, "browDownLeft": 1.4,
              "browDownRight": 1.4}  # fmt: skip
"""People raise their brows by 7.6 to 9 mm over the middle of the eye (Cruz and Cruz 2004), the model's by 4: what its
units are multiplied by where a photo is to show what ARKit means by 1."""
_MOUTH_DEPTH_FOLLOWS = 0.6
"""The depth of a photo's lips is uncertain: teeth follow it only in part."""


@dataclass(frozen=True, slots=True)
class DrivenFace:
    """A face in motion. All arrays lead with T where a run of frames was asked for; lengths are canvas px."""

    points: Floats
    """float32 ([T,] 478, 3): landmarks; x, y, and z away from the viewer in the same scale."""
    teeth_upper: Floats
    """float32 ([T,] n, 3); triangles and tooth coordinates are on `FaceRig.model.teeth_upper`."""
    teeth_lower: Floats
    """float32 ([T,] n, 3), see `FaceRig.model.teeth_lower`."""
    tongue: Floats
    """float32 ([T,] n, 3), see `FaceRig.model.tongue`."""
    lip_gap_px: Floats
    """float32 ([T]): distance of the inner lip edges in the middle."""
    lid_gap: Floats
    """float32 ([T,] 2): gap of the person's left and right lids as a share of the photo's own, 0..1."""


class _DrivenPart:
    """One mesh behind the lips of one person, in canvas px."""

    def __init__(self, part: MouthPart, fit: FaceFit, offset: Floats, width: float) -> None:
        place = part.vertices * np.array([width, 1.0, 1.0]) + offset
        self._rest = fit.to_canvas(place).astype(np.float32)
        turned = fit.scale * part.deltas.astype(np.float64) @ fit.rotation.T
        self._moving = np.flatnonzero(np.abs(part.deltas).sum((1, 2)) > 0)
        self._motion = turned[self._moving].reshape(len(self._moving), self._rest.size).astype(np.float32)

    def drive(self, face: Floats) -> Floats:
        """(T, n, 3) px before the head turns."""
        moved = face[:, self._moving] @ self._motion
        return self._rest + moved.reshape(len(face), *self._rest.shape)


class FaceRig:
    """One person's face, ready to be driven. Immutable; safe to share between threads and sessions."""

    def __init__(
        self,
        model: FaceModel,
        landmarks: Floats,
        face_width_px: float,
        fit: FaceFit | None = None,
        reach: Mapping[str, float] | None = None,
    ) -> None:
        self.model = model
        self.fit_result = fit_face(model, landmarks) if fit is None else fit
        self.face_width_px = face_width_px
        fit = self.fit_result
        rest = fit.to_head(landmarks.astype(np.float64))
        neutral = neutral_face(model, fit, rest)
        self._neutral = neutral.astype(np.float32)
        self._thickness = lip_thickness(neutral)
        self._kept = kept_expression(fit).astype(np.float32)
        self._eyes = (Eye(model, rest, "Left"), Eye(model, rest, "Right"))
        self._motion = self._own_motion(reach or {}).reshape(len(ARKIT_NAMES), -1)
        self._turn = (fit.scale * fit.rotation.T).astype(np.float32)
        self._shift = fit.shift.astype(np.float32)
        self._shell = DepthShell(fit, landmarks, face_width_px)
        offset, width = self._mouth_place(neutral)
        self._parts = [_DrivenPart(p, fit, offset, width) for p in (model.teeth_upper, model.teeth_lower, model.tongue)]

    @classmethod
    def fit(cls, avatar: Avatar, reach: Mapping[str, float] | None = None) -> FaceRig:
        """The rig of an avatar: its person's own, or where analysis found nobody, the generic one.

        Args:
            avatar: whose face.
            reach: what units are multiplied by, such as `BROW_REACH`; without, they go as far as the model's.

        Raises:
            WeightsError: the face model or the basis of faces is missing or altered.
        """
        model = face_model()
        if avatar.person is None:
            return cls(model, avatar.landmarks, avatar.face_width_px, reach=reach)
        own = own_face(model, face_basis(), avatar.person, avatar.landmarks)
        return cls(own.model, avatar.landmarks, avatar.face_width_px, own.fit, reach)

    @property
    def triangles(self) -> Indices:
        """int64 (852, 3): the skin, open at mouth and eyes."""
        return self.model.triangles

    @property
    def neutral_points(self) -> Floats:
        """float32 (478, 3) px: the face at zeros, mouth shut, in the photo's pose."""
        return np.asarray(self._neutral @ self._turn + self._shift)

    def drive(self, face: Floats, head: Floats) -> DrivenFace:
        """Pose the face.

        Args:
            face: float32 (52,) or (T, 52), `ARKIT_NAMES` order; clipped to 0..1.
            head: float32 (6,) or (T, 6), see `HEAD_NAMES`.

        Returns:
            The driven face, with a leading T where `face` has one.
        """
        single = face.ndim == 1
        coefficients = self._settled(np.minimum(np.maximum(np.atleast_2d(face).astype(np.float32), 0.0), 1.0))
        frames = len(coefficients)
        points = self._neutral + (coefficients @ self._motion).reshape(frames, -1, 3)
        settle_lips(points, self._thickness)
        lid_gap = np.stack([eye.drive(points, coefficients) for eye in self._eyes], -1)
        transform = self.head_transform(np.atleast_2d(head)).astype(np.float32)
        linear, shift = transform[:, :, :3].transpose(0, 2, 1), transform[:, None, :, 3]
        points = (points @ self._turn + self._shift) @ linear + shift
        meshes = [part.drive(coefficients) @ linear + shift for part in self._parts]
        between = points[:, 14] - points[:, 13]
        lip_gap_px = np.hypot(between[:, 0], between[:, 1])
        arrays = [points, *meshes, lip_gap_px, lid_gap]
        return DrivenFace(*(array[0] if single else array for array in arrays))

    def head_transform(self, head: Floats) -> NDArray[np.float64]:
        """(3, 4) or (T, 3, 4): the rigid motion of the head as a map of the photo's points (px, z away).

        Hair and ears move by the same map; `depth_shell` gives their z.
        """
        transforms = head_transforms(self.fit_result, head, self.face_width_px)
        return transforms[0] if head.ndim == 1 else transforms

    def depth_shell(self, points_xy: NDArray[np.floating]) -> Floats:
        """float32 (n,): z in px of canvas points (n, 2) outside the face mesh (hair, ears), as on a generic skull."""
        return self._shell.depth(np.asarray(points_xy, np.float64)).astype(np.float32)

    def shown_expression(self, face: Floats) -> Floats:
        """The coefficients (T, 52), 0..1, that the driven face shows: what it keeps of the photo's smile is in them."""
        result = face.copy()
        total = face[:, _ROUNDING].sum(1, keepdims=True)
        gives_way = np.maximum(ROUNDING_RELAXES * np.minimum(total, 1.0), OPENING_RELAXES * face[:, _JAW_OPEN, None])
        kept = self._kept[_SMILE]
        result[:, _SMILE] = np.maximum(face[:, _SMILE], kept - gives_way * np.minimum(kept, MOST_RELAXED))
        return result

    def _settled(self, face: Floats) -> Floats:
        """The coefficients to add to the neutral face.

        What it already shows of a smile is not added twice, and `mouthClose` takes back no more than the jaw opened.
        """
        result = self.shown_expression(face)
        result[:, _SMILE] -= self._kept[_SMILE]
        result[:, _MOUTH_CLOSE] = np.minimum(face[:, _MOUTH_CLOSE], face[:, _JAW_OPEN])
        total = face[:, _ROUNDING].sum(1, keepdims=True)
        result[:, _ROUNDING] /= np.maximum(total, 1.0)  # pucker and funnel are two ways to the same narrow mouth
        return result

    def _own_motion(self, reach: Mapping[str, float]) -> Floats:
        """(52, 478, 3) the model's motion with eyes scaled to the person's own, without lid edges and irises."""
        motion = self.model.expression.copy()
        for name, factor in reach.items():
            motion[ARKIT[name]] *= factor
        for eye, rows in zip(self._eyes, ("Left", "Right"), strict=True):
            units = [k for k in _EYE_UNITS if ARKIT_NAMES[k].endswith(rows)]
            motion[units] *= eye.size
            motion[np.ix_(units, _OUTER_CREASE)] *= _OUTER_CREASE_FOLLOWS
            motion[:, eye.landmarks()] = 0.0
            motion[:, eye.corners] = 0.0
        return motion

    def _mouth_place(self, neutral: NDArray[np.float64]) -> tuple[Floats, float]:
        """How far the person's mouth lies from the generic one (3,), and how much wider it is."""
        inner = [*topo.UPPER_LIP[0][3:8], *topo.LOWER_LIP[0][3:8]]  # not the corners: a kept smile lifts them
        mean = self.model.mean.astype(np.float64)
        offset = (neutral[inner] - mean[inner]).mean(0) * np.array([1.0, 1.0, _MOUTH_DEPTH_FOLLOWS])
        corners = [topo.UPPER_LIP[0][0], topo.UPPER_LIP[0][-1]]
        width = np.ptp(neutral[corners, 0]) / np.ptp(mean[corners, 0])
        return offset.astype(np.float32), float(np.clip(width, 0.85, 1.15))
