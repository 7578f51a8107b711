"""Random faces, gazes, heads and bodies, one by one, so that training sees every unit of ARKit at every strength.

All of them are mixtures that muscles can make. Everything follows from seeds. Knows nothing of time, speech or meshes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from visavis_models.arkit import ARKIT, ARKIT_COUNT
from visavis_training.people.chance import Chance
from visavis_training.people.expressions import _MIRROR, _PAIRS, EXPRESSIONS
from visavis_training.people.plausibility import face_of, plausible

BODY_COUNT = 5
"""The first of `visavis_models.motion.BODY_NAMES`: made people do these; no torso turns, no hair trails."""
KINDS = ("few units", "expressions", "one unit", "speech", "relaxed")
SHARES = (0.32, 0.26, 0.10, 0.26, 0.06)
HEAD_LIMITS_DEG = (25.0, 40.0, 25.0)
"""Pitch, yaw, roll; none goes beyond."""
_HEAD_DEG = (6.5, 12.0, 5.0)
_GAZE = tuple(ARKIT[f"eyeLook{way}{side}"] for side in ("Left", "Right") for way in ("In", "Out", "Up", "Down"))
_BLINKS = (ARKIT["eyeBlinkLeft"], ARKIT["eyeBlinkRight"])
_SPOKEN: tuple[dict[str, float], ...] = (
    {}, {"mouthPress": 0.35, "mouthRollLower": 0.2, "mouthRollUpper": 0.15}, {"mouthRollLower": 0.6, "jawOpen": 0.05,
    "mouthUpperUp": 0.15}, {"jawOpen": 0.16, "tongueOut": 0.3}, {"jawOpen": 0.12, "mouthStretch": 0.2,
    "mouthLowerDown": 0.2}, {"jawOpen": 0.1, "mouthStretch": 0.3, "mouthLowerDown": 0.3, "mouthUpperUp": 0.15},
    {"jawOpen": 0.12, "mouthFunnel": 0.55, "mouthPucker": 0.2}, {"jawOpen": 0.5, "mouthLowerDown": 0.25},
    {"jawOpen": 0.2, "mouthStretch": 0.35, "mouthSmile": 0.3, "mouthLowerDown": 0.3, "mouthUpperUp": 0.2},
    {"jawOpen": 0.3, "mouthFunnel": 0.5}, {"jawOpen": 0.1, "mouthPucker": 0.7, "mouthFunnel": 0.25},
    {"jawOpen": 0.35, "mouthClose": 0.35}, {"jawOpen": 0.75, "mouthClose": 0.65},
)  # fmt: skip
"""Mouths of sounds: silence, p, f, th, t, s, sh, ah, ee, oh, oo, m."""


@dataclass(frozen=True, slots=True)
class Poses:
    """N single moments."""

    face: Tensor
    """float32 (N, 52)"""
    head: Tensor
    """float32 (N, 6), see `visavis_models.motion.HEAD_NAMES`"""
    body: Tensor
    """float32 (N, 5), the first of `visavis_models.motion.BODY_NAMES`"""


@lru_cache(maxsize=8)
def _table(kind: str, device: torch.device) -> Tensor:
    """(K, 52)."""
    faces = [face_of(e.face) for e in EXPRESSIONS] if kind == "expressions" else [face_of(s) for s in _SPOKEN]
    return torch.stack(faces).to(device)


def _sided(chance: Chance, purpose: str, face: Tensor, usual: float) -> Tensor:
    """Halves of faces (N, 52) made unlike: mostly a little, in a share of 1 - usual of cases wholly."""
    usual_ = chance.happens(f"{purpose} even", usual)[:, None]
    result = face.clone()
    left, right = (torch.tensor([pair[k] for pair in _PAIRS], device=face.device) for k in (0, 1))
    apart = chance.normal(f"{purpose} apart", 0.0, 0.07, len(_PAIRS))
    mean = (face[:, left] + face[:, right]) / 2
    result[:, left] = torch.where(usual_ > 0, mean * (1 + apart), face[:, left])
    result[:, right] = torch.where(usual_ > 0, mean * (1 - apart), face[:, right])
    return result


def gazes(chance: Chance, purpose: str = "gaze") -> Tensor:
    """(N, 52) with the eyeLook... units alone: both eyes on one place, mostly near the camera, sometimes far aside."""
    far = chance.happens(f"{purpose} far", 0.35)
    size = 0.12 + 0.38 * far
    right = (chance.normal(f"{purpose} right") * size).clamp(-0.95, 0.95)
    up = (chance.normal(f"{purpose} up") * size * 0.75).clamp(-0.9, 0.9)
    cross = chance.uniform(f"{purpose} near", 0.0, 0.10)  # eyes turn in to look at what is near
    face = torch.zeros(len(chance), ARKIT_COUNT, device=right.device)
    for side, outwards in (("Left", 1.0), ("Right", -1.0)):
        out = outwards * right - cross
        face[:, ARKIT[f"eyeLookOut{side}"]] = out.clamp(min=0)
        face[:, ARKIT[f"eyeLookIn{side}"]] = (-out).clamp(min=0)
        face[:, ARKIT[f"eyeLookUp{side}"]] = up.clamp(min=0)
        face[:, ARKIT[f"eyeLookDown{side}"]] = (-up).clamp(min=0)
    return face


def faces(chance: Chance) -> Tensor:
    """(N, 52) random faces, gaze and blinks included."""
    count = len(chance)
    amount = chance.uniform("amount", count=ARKIT_COUNT)
    few = amount * (chance.uniform("which", count=ARKIT_COUNT) < chance.uniform("how many", 0.03, 0.28)[:, None])
    few = _sided(chance, "few", few, 0.7)
    made = _table("expressions", few.device)
    mixed = torch.zeros_like(few)
    for turn, share in ((0, 1.0), (1, 0.45)):
        chosen = made[chance.pick(f"expression {turn}", (1.0,) * len(made))]
        mirror = chance.happens(f"mirror {turn}", 0.5)[:, None] > 0
        chosen = torch.where(mirror, chosen[:, _MIRROR], chosen)
        strength = chance.uniform(f"strength {turn}", 0.15, 1.1) * chance.happens(f"expression {turn}?", share)
        mixed = 1 - (1 - mixed) * (1 - (chosen * strength[:, None]).clamp(0, 1))
    mixed = _sided(chance, "mixed", mixed, 0.85)
    which = chance.pick("unit", (1.0,) * ARKIT_COUNT)
    one = torch.nn.functional.one_hot(which, ARKIT_COUNT).float()
    both = chance.happens("unit on both sides", 0.6)[:, None]
    one = torch.maximum(one, one[:, _MIRROR] * both)
    one = one * chance.uniform("unit amount", 0.05, 1.0)[:, None]
    # a lone tongue or shut jaw would do nothing: they come with the jaw they need
    jaw = ARKIT["jawOpen"]
    one[:, jaw] = torch.maximum(one[:, jaw], one[:, ARKIT["mouthClose"]])
    one[:, jaw] = torch.maximum(one[:, jaw], 0.3 * one[:, ARKIT["tongueOut"]] + 0.15 * (one[:, ARKIT["tongueOut"]] > 0))
    sounds = _table("sounds", few.device)
    spoken = sounds[chance.pick("sound", (1.0,) * len(sounds))]
    other = sounds[chance.pick("other sound", (1.0,) * len(sounds))]
    between = chance.uniform("between sounds")[:, None] * chance.happens("between sounds?", 0.5)[:, None]
    spoken = (spoken + between * (other - spoken)) * chance.uniform("loud", 0.5, 1.35)[:, None]
    warm = made[0] * (chance.uniform("warm", 0.0, 0.6) * chance.happens("warm?", 0.4))[:, None]
    spoken = 1 - (1 - spoken.clamp(0, 1)) * (1 - warm)
    options = torch.stack([few, mixed, one, spoken, torch.zeros_like(few)], 1)
    face = options[torch.arange(count, device=few.device), chance.pick("kind", SHARES)]
    looks = gazes(chance)
    keeps = (chance.pick("kind", SHARES) == 2)[:, None] & (one[:, _GAZE].sum(1, keepdim=True) > 0)
    gaze = torch.zeros(ARKIT_COUNT, dtype=torch.bool, device=face.device)
    gaze[list(_GAZE)] = True
    face = torch.where(gaze & ~keeps, looks, face)
    lids = chance.uniform("lids") * chance.happens("lids half", 0.14)
    lids = torch.maximum(lids, chance.happens("lids shut", 0.08))
    face[:, list(_BLINKS)] = torch.maximum(face[:, list(_BLINKS)], lids[:, None])
    return plausible(face)


def heads(chance: Chance, size: float = 1.0) -> Tensor:
    """(N, 6) head poses; `size` scales them. Heads lean the way they turn, as they sit on necks."""
    wide = 0.5 + 1.1 * chance.uniform("head size")
    turn = chance.normal("head", count=3) * wide[:, None] * size
    limits = turn.new_tensor(HEAD_LIMITS_DEG)
    turn = (turn * turn.new_tensor(_HEAD_DEG)).clamp(-limits, limits) * (math.pi / 180)
    shift = chance.normal("head shift", count=3) * turn.new_tensor([0.03, 0.015, 0.03]) * size
    lean = torch.stack(
        [0.10 * turn[:, 1] - 0.22 * turn[:, 2], 0.10 * turn[:, 0].abs(), torch.zeros_like(turn[:, 0])], 1
    )
    return torch.cat([turn, shift + lean], 1)


def bodies(chance: Chance) -> Tensor:
    """(N, 5) bodies: breath, shoulders, sway and lean."""
    body = chance.normal("body", count=BODY_COUNT) * 0.28
    breath = chance.uniform("breath")
    shrug = (chance.uniform("shrug") * chance.happens("shrug?", 0.08))[:, None]
    shoulders = (body[:, 1:3] * 0.5 + shrug).clamp(-1, 1)
    return torch.cat([breath[:, None], shoulders, body[:, 3:].clamp(-1, 1)], 1)


def random_poses(chance: Chance) -> Poses:
    """One pose of everything for each seed."""
    return Poses(faces(chance), heads(chance), bodies(chance))
