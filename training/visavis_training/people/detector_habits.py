"""How the product's landmark network sees faces: where it differs from the anatomy, and how it errs.

Looks at known photos with the very network of portrait analysis. All is told in head space, at the mean face's size.
Knows nothing of how identities are sampled or fitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visavis_models.arkit import ARKIT_COUNT
from visavis_models.face import topology as topo
from visavis_models.portrait.face_detection import find_faces
from visavis_models.portrait.face_mesh import fit_mesh

Array = NDArray[np.float64]

ERROR_COUNT = 30
_MIN_SCORE = 0.5
_RIDGE = 6.0
"""Each coefficient's habit is held back as if so many photos without any had been seen."""
_OUTLIER = 4.0
_LEAST_NOISE_DM = 0.004
_DEPTH_SHARE = 0.35
"""How much depth counts when ways to err together are looked for."""


@dataclass(frozen=True, slots=True)
class Habits:
    """See `visavis_models.face.basis.FaceBasis`: its fields of the same names."""

    offset: Array
    response: Array
    errors: Array
    noise: Array


def detected(photo: Path) -> NDArray[np.float32] | None:
    """(478, 3) landmarks in px that portrait analysis finds in a picture, None if it finds no face."""
    canvas = np.ascontiguousarray(np.asarray(Image.open(photo).convert("RGB"), np.uint8))
    for box in find_faces(canvas):
        mesh = fit_mesh(canvas, box.crop(), rounds=3)
        if mesh.score >= _MIN_SCORE:
            return mesh.points
    return None


def read_detections(photos: Path) -> NDArray[np.float32]:
    """(N, 478, 3) of the rows of `known.npz`, NaN where no face was found; kept beside it, as looking takes minutes."""
    kept = photos / "detected.npz"
    with np.load(photos / "known.npz") as known:
        files = [photos / f"{seed}-{look}.png" for seed, look in zip(known["seeds"], known["look"], strict=True)]
    if not kept.exists():
        nothing = np.full((topo.LANDMARK_COUNT, 3), np.nan, np.float32)
        rows = [nothing if (seen := detected(file)) is None else seen for file in files]
        np.savez_compressed(kept, landmarks=np.stack(rows))
    with np.load(kept) as stored:
        found = stored["landmarks"]
    if len(found) != len(files):
        raise ValueError(f"{kept} does not belong to {photos / 'known.npz'}: remove it")
    return np.asarray(found, np.float32)


def in_head_space(landmarks: Array, neutral: Array) -> tuple[Array, Array]:
    """Rotation (3, 3) and scale (px a dm) that carry a relaxed head (478, 3) to its landmarks (478, 3) in px."""
    rigid = list(topo.RIGID)
    x = neutral[rigid] - neutral[rigid].mean(0)
    y = landmarks[rigid] - landmarks[rigid].mean(0)
    u, s, vt = np.linalg.svd(x.T @ y)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    return np.asarray(((u * sign) @ vt).T), np.asarray((s * sign).sum() / (x**2).sum())


def differences(photos: Path) -> tuple[Array, Array]:
    """(n, 478, 3) dm in head space, detected less true places, and the expressions (n, 52) of photos with a face."""
    seen = read_detections(photos)
    with np.load(photos / "known.npz") as known:
        true, neutral, face = (known[name].astype(np.float64) for name in ("landmarks", "neutral", "face"))
    rows, faces = [], []
    rigid = list(topo.RIGID)
    for k in np.flatnonzero(np.isfinite(seen).all((1, 2))):
        rotation, scale = in_head_space(true[k], neutral[k])
        off = seen[k].astype(np.float64) - true[k]
        off[:, 2] -= off[rigid, 2].mean()  # where the network puts zero depth means nothing
        if np.linalg.norm(off[:, :2], axis=1).mean() < 0.1 * np.ptp(true[k, :, 0]):  # else another thing was found
            rows.append(off @ rotation / scale)
            faces.append(face[k])
    print(f"detector: {len(rows)} faces of {len(seen)} photos", flush=True)
    return np.stack(rows), np.stack(faces)


def detector_habits(photos: Path) -> Habits:
    """Learn them from a folder of known photos with pictures."""
    off, face = differences(photos)
    flat = off.reshape(len(off), -1)
    usual = face.mean(0)
    weight = np.ones(len(flat))
    for _ in range(3):  # reweighted: photos in which the network was lost tell nothing of its habits
        share = weight / weight.sum()
        offset = share @ flat
        centred, spread = flat - offset, face - usual
        normal = (spread * weight[:, None]).T @ spread + _RIDGE * np.diag(spread.var(0) + 1e-3)
        response = np.linalg.solve(normal, (spread * weight[:, None]).T @ centred)
        left = centred - spread @ response
        size = np.sqrt((left**2).mean(1))
        weight = np.minimum(1.0, (1.5 * np.median(size) / size) ** 2)
    offset = offset - usual @ response
    print(f"detector: {np.sqrt((flat**2).mean() * 3):.4f} dm off, {np.sqrt((left**2).mean() * 3):.4f} dm after habits")
    counts = np.ones((topo.LANDMARK_COUNT, 3)) * np.array([1.0, 1.0, _DEPTH_SHARE])
    scaled = left * np.sqrt(weight)[:, None] * counts.ravel()
    _, scale, parts = np.linalg.svd(scaled, full_matrices=False)
    modes = parts[:ERROR_COUNT] / counts.ravel()
    errors = modes * (scale[:ERROR_COUNT, None] / np.sqrt(weight.sum()))
    rest = (scaled - scaled @ parts[:ERROR_COUNT].T @ parts[:ERROR_COUNT]) / counts.ravel()
    spread_xyz = np.sqrt((rest.reshape(-1, topo.LANDMARK_COUNT, 3) ** 2).sum(0) / weight.sum())
    noise = np.stack([np.sqrt((spread_xyz[:, :2] ** 2).mean(1)), spread_xyz[:, 2]], 1)
    marks = (topo.LANDMARK_COUNT, 3)
    return Habits(
        offset.reshape(marks),
        response.reshape(ARKIT_COUNT, *marks),
        errors.reshape(-1, *marks),
        np.maximum(noise, _LEAST_NOISE_DM),
    )
