"""MakeHuman's whole base mesh with every identity target and expression unit, as fields in head space.

The arms are lowered and the eyes kept in place, both linearly, so that fields still add up. Knows nothing of
refinement, teeth or contact.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT_NAMES
from visavis_training.makehuman import ORIGIN, TO_HEAD
from visavis_training.people import identity as blender_identity

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LOCAL_FOLDERS = ("nose", "mouth", "chin", "cheek", "eyes", "head", "forehead", "eyebrows", "ears", "neck")
TORSO_TARGETS = (
    "torso-scale-horiz-decr", "torso-scale-horiz-incr", "torso-scale-depth-decr", "torso-scale-depth-incr",
    "torso-vshape-decr", "torso-vshape-incr", "measure-shoulder-dist-decr", "measure-shoulder-dist-incr",
)  # fmt: skip
_ARM_LOWERING_RAD = 0.62
_GIRDLE_LOWERING_RAD = 0.07
_ROUNDING_GAIN = {"mouthPucker": 1.9, "mouthFunnel": 1.8}
_PRESS_LIFT = 0.6


class BaseFields:
    """The whole base mesh with its fields in head space, arms lowered, eyes kept in place."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.mesh = blender_identity.read_base(data)
        self.group = np.array(self.mesh.groups)
        self.count = len(self.mesh.positions)
        table = json.loads((data / "mpfb2/rigs/standard/weights.game_engine.json").read_text("utf-8"))["weights"]
        self.bones = tuple(table)
        self._table = table
        self._joints: dict[str, Ints] = {}
        self._arms = [self._arm_turn(side, sign, whole) for side, sign in (("l", 1.0), ("r", -1.0)) for whole in (0, 1)]
        self._anchor = self.mesh.group_vertices("helper-l-eye", "helper-r-eye")
        points = (self.mesh.positions - ORIGIN) * TO_HEAD
        self.base = self._lowered(points)
        self.base += (points - self.base)[self._anchor].mean(0)
        names, fields = [], []
        for name in self._target_names():
            indices, moves = blender_identity.read_target(data / f"mpfb2/targets/{name}.target.gz")
            field = np.zeros((self.count, 3), np.float64)
            field[indices] = moves * TO_HEAD
            field = self._lowered(field)
            fields.append((field - field[self._anchor].mean(0)).astype(np.float32))
            names.append(name)
        self.names = names
        self.fields = np.stack(fields)
        self.units = np.zeros((len(ARKIT_NAMES), self.count, 3))
        for number, name in enumerate(ARKIT_NAMES):
            indices, moves = blender_identity.read_target(data / f"faceunits01/targets/faceunits/{name}.target")
            self.units[number][indices] = moves * TO_HEAD
            if name in _ROUNDING_GAIN:  # people's mouths get much narrower than these units make them
                self.units[number, :, 0] *= _ROUNDING_GAIN[name]
            if name.startswith("mouthPress"):  # this press lifts the corners like a smile
                self.units[number, :, 1] *= _PRESS_LIFT

    def share(self, *bones: str) -> Floats:
        """Summed skinning weight (V,) of the named bones."""
        return blender_identity.bone_share(self._table, bones, self.count)

    def joint(self, field: Floats, name: str) -> Floats:
        """(3,) or (N, 3) of a field at the middle of a joint's marker."""
        if name not in self._joints:
            self._joints[name] = self.mesh.group_vertices(name)
        return np.asarray(field[..., self._joints[name], :].mean(-2))

    def arm_bones(self, side: str) -> tuple[str, ...]:
        """Bones of an arm from the shoulder joint down; `side` is l or r."""
        stems = ("upperarm", "lowerarm", "hand", "index", "middle", "ring", "pinky", "thumb")
        return tuple(b for b in self.bones if b.endswith(f"_{side}") and b.startswith(stems))

    def _arm_turn(self, side: str, sign: float, girdle: int) -> tuple[str, Floats, Floats]:
        """Joint, skinning share (V, 1) and rotation minus identity (3, 3) of one of the moves that lower an arm."""
        joint, angle = (("clavicle", _GIRDLE_LOWERING_RAD), ("shoulder", _ARM_LOWERING_RAD))[1 - girdle]
        share = self.share(*self.arm_bones(side), *((f"clavicle_{side}",) if girdle else ()))
        for group in {g for g in self.mesh.groups if g.startswith(f"joint-{side}-")}:
            if any(word in group for word in ("elbow", "hand", "finger")):
                share[self.mesh.group_vertices(group)] = 1.0
        c, s = np.cos(angle * sign), np.sin(angle * sign)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) - np.eye(3)
        return f"joint-{side}-{joint}", share[:, None], turn

    def _lowered(self, field: Floats) -> Floats:
        result = field
        for joint, share, turn in self._arms:
            result = result + share * ((result - self.joint(result, joint)) @ turn.T)
        return result

    def _target_names(self) -> list[str]:
        targets = self.data / "mpfb2/targets"
        names = []
        for path in sorted((targets / "macrodetails").glob("*.target.gz")):
            if "baby" not in path.name:
                names.append(f"macrodetails/{path.name.removesuffix('.target.gz')}")
        for folder in (*LOCAL_FOLDERS, "asym"):
            for path in sorted((targets / folder).glob("*.target.gz")):
                if "breast" not in path.name and "trunk" not in path.name:
                    names.append(f"{folder}/{path.name.removesuffix('.target.gz')}")
        return names + [f"torso/{name}" for name in TORSO_TARGETS]

    def mask(self, texture: str, uv: Floats) -> Floats:
        """(n,) 0..1: a grey texture of the body's atlas looked up at `uv` (n, 2)."""
        picture = cv2.imread(str(self.data / "mpfb2/textures" / texture), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            raise FileNotFoundError(texture)
        picture = cv2.GaussianBlur(picture, (0, 0), picture.shape[0] / 800)
        rows = ((1 - uv[:, 1]) * (picture.shape[0] - 1)).clip(0, picture.shape[0] - 1).astype(int)
        columns = (uv[:, 0] * (picture.shape[1] - 1)).clip(0, picture.shape[1] - 1).astype(int)
        return np.asarray(picture[rows, columns] / 255.0, np.float64)
