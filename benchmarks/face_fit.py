"""How well a person's own face is found in a photo: landmarks, expression, depth, turn, and the time it takes.

    python benchmarks/face_fit.py --photos FOLDER [--keep]

FOLDER is what `python -m visavis_training.people.known_photos --people 100 --seed 7 --pictures --out FOLDER` makes, of
people whom the basis has never seen. "exact" fits the anatomy's own landmarks with errors like the network's added,
"marks" those that portrait analysis finds in the pictures, "seen" the same with what the pixels tell of the expression,
as portrait analysis does it. Landmark errors are in percent of the face's width,
expression errors in ARKit units, over all 52 coefficients unless said. The people who ship are fitted too.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from record import report

from visavis_models.arkit import ARKIT_NAMES
from visavis_models.face.basis import FaceBasis, face_basis
from visavis_models.face.expression_of_picture import ToldExpression, picture_reader
from visavis_models.face.person import Person
from visavis_models.face.person_fitting import PersonFitter
from visavis_models.face.topology import MESH_COUNT, RIGID
from visavis_models.portrait.face_detection import find_faces
from visavis_models.portrait.face_mesh import fit_mesh
from visavis_models.weights import weights_folder

Array = NDArray[np.float64]

UNSEEN = ("tongueOut", "cheekPuff", "jawForward", "mouthClose")
"""No landmark lies on the tongue; the next two move mainly in depth, which landmarks hardly tell; lips held shut
over an open jaw look like a long chin. They count in `..._all` all the same."""


def detected(photo: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Landmarks (478, 3) as portrait analysis finds them; None without a face."""
    for box in find_faces(photo):
        mesh = fit_mesh(photo, box.crop(), rounds=3)
        if mesh.score >= 0.5:
            return mesh.points
    return None


def with_errors(basis: FaceBasis, true: Array, neutral: Array, rng: np.random.Generator) -> Array:
    """Landmarks (478, 3) in px with errors like the network's."""
    rigid = list(RIGID)
    x, y = neutral[rigid] - neutral[rigid].mean(0), true[rigid] - true[rigid].mean(0)
    u, s, vt = np.linalg.svd(x.T @ y)
    turn, scale = (u @ vt).T, s.sum() / (x**2).sum()
    errors = np.tensordot(rng.standard_normal(len(basis.errors)), basis.errors, 1)
    errors += rng.standard_normal(true.shape) * basis.noise[:, [0, 0, 1]]
    return np.asarray(true + scale * errors @ turn.T)


class Tally:
    """What fits of one kind of landmarks came to."""

    def __init__(self, fitter: PersonFitter) -> None:
        self._fitter = fitter
        self._rows: list[tuple[float, float, float]] = []
        self._expressions: list[Array] = []
        self._ms: list[float] = []

    def add(
        self,
        landmarks: NDArray[np.floating],
        size_px: tuple[int, int],
        face: Array | None = None,
        told: ToldExpression | None = None,
    ) -> Person:
        """Fit one photo; `face` is the expression it truly shows, `told` what is known of it."""
        start = time.process_time()
        person = self._fitter.fit(landmarks, size_px, told)
        self._ms.append(1000 * (time.process_time() - start))
        off = self._off(person, np.asarray(landmarks, np.float64))
        self._rows.append((float(off.mean()), float(np.sqrt((off**2).mean())), float(np.quantile(off, 0.95))))
        if face is not None:
            self._expressions.append(person.expression - face)
        return person

    def _off(self, person: Person, landmarks: Array) -> Array:
        """(468,) distance of each landmark from the fitted face, as the landmarks' source would see it, in percent."""
        seen = person.seen(self._fitter.points(person))[:MESH_COUNT, :2]
        goal = landmarks[:MESH_COUNT, :2]
        x, y = seen - seen.mean(0), goal - goal.mean(0)
        scale = (x * y).sum() / (x * x).sum()
        width = float(np.linalg.norm(landmarks[454] - landmarks[234]))
        return np.asarray(100 * np.linalg.norm(scale * x - y, axis=1) / width)

    def figures(self, name: str) -> dict[str, float]:
        """For the report."""
        rows = np.array(self._rows)
        found = {
            f"{name}_photos": len(rows),
            f"{name}_landmarks_mean_pct": float(rows[:, 0].mean()),
            f"{name}_landmarks_rms_pct": float(rows[:, 1].mean()),
            f"{name}_landmarks_worst_photo_pct": float(rows[:, 0].max()),
            f"{name}_landmarks_p95_pct": float(rows[:, 2].mean()),
            f"{name}_core_ms": float(np.median(self._ms)),
        }
        if self._expressions:
            off = np.array(self._expressions)
            visible = np.array([unit not in UNSEEN for unit in ARKIT_NAMES])
            found |= {
                f"{name}_expression_rms_all": float(np.sqrt((off**2).mean())),
                f"{name}_expression_rms_visible": float(np.sqrt((off[:, visible] ** 2).mean())),
            }
        return {key: round(value, 4) for key, value in found.items()}

    def units(self) -> dict[str, float]:
        """Root mean square error of each coefficient."""
        rms = np.sqrt((np.array(self._expressions) ** 2).mean(0))
        return {name: round(float(value), 3) for name, value in zip(ARKIT_NAMES, rms, strict=True)}


def _people(photos: Path, basis: FaceBasis) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    exact, marks, seen = (Tally(PersonFitter(basis, habits)) for habits in (False, True, True))
    rng = np.random.default_rng(5)
    with np.load(photos / "known.npz") as known:
        size = (int(known["size_px"]),) * 2
        true, neutral, faces = (known[name].astype(np.float64) for name in ("landmarks", "neutral", "face"))
        files = [photos / f"{seed}-{look}.png" for seed, look in zip(known["seeds"], known["look"], strict=True)]
    for landmarks, relaxed, face, file in zip(true, neutral, faces, files, strict=True):
        exact.add(with_errors(basis, landmarks, relaxed, rng), size, face)
        if file.exists():
            picture = np.ascontiguousarray(np.asarray(Image.open(file).convert("RGB"), np.uint8))
            found = detected(picture)
            if found is not None:
                marks.add(found, size, face)
                seen.add(found, size, face, picture_reader().read(picture, found))
    figures = exact.figures("exact") | marks.figures("marks") | seen.figures("seen")
    figures["expression_rms_of_no_fit"] = round(float(np.sqrt((faces**2).mean())), 4)
    return figures, {"exact": exact.units(), "marks": marks.units(), "seen": seen.units()}


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of `known_photos --pictures`")
    parser.add_argument("--keep", action="store_true", help="write the record under results/")
    asked = parser.parse_args()
    basis = face_basis()
    figures, units = _people(asked.photos, basis)
    for folder in sorted((weights_folder() / "gallery").iterdir()):
        photo = np.ascontiguousarray(np.asarray(Image.open(folder / "photo.jpg").convert("RGB"), np.uint8))
        landmarks = detected(photo)
        if landmarks is not None:
            one = Tally(PersonFitter(basis))
            one.add(landmarks, (photo.shape[1], photo.shape[0]), told=picture_reader().read(photo, landmarks))
            figures[f"{folder.name}_landmarks_mean_pct"] = one.figures("x")["x_landmarks_mean_pct"]
    kinds = ("exact", "marks", "seen")
    print(f"{'':<22}" + "".join(f"{kind:>8}" for kind in kinds) + "   root mean square error, ARKit units")
    for name in ARKIT_NAMES:
        print(f"{name:<22}" + "".join(f"{units[kind][name]:>8.3f}" for kind in kinds))
    report("face-fit", {**figures, "units": units} if asked.keep else figures, keep=asked.keep)


if __name__ == "__main__":
    main()
