"""Faces of which everything is known: people of given seeds with plausible expressions before random cameras.

What `known_photos` draws, as numbers. Knows nothing of pictures or of how they are fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from visavis_models.arkit import ARKIT
from visavis_training.people.anatomy import Anatomy
from visavis_training.people.camera import Camera, face_boxes
from visavis_training.people.chance import Chance
from visavis_training.people.landmark_samples import mixed_faces
from visavis_training.people.sampling import sample

_MOUTHS: tuple[dict[str, float], ...] = (
    {},
    {"mouthSmile": 0.8, "cheekSquint": 0.4, "mouthDimple": 0.2},
    {"mouthSmile": 0.8, "mouthUpperUp": 0.5, "mouthLowerDown": 0.4, "cheekSquint": 0.5, "jawOpen": 0.12},
    {"jawOpen": 0.7, "mouthLowerDown": 0.2},
    {"jawOpen": 0.35, "mouthFunnel": 0.7},
    {"jawOpen": 0.1, "mouthPucker": 0.9, "mouthFunnel": 0.2},
    {"jawOpen": 0.12, "mouthStretch": 0.6, "mouthUpperUp": 0.3, "mouthLowerDown": 0.5},
    {"jawOpen": 0.06, "mouthRollLower": 0.6, "mouthUpperUp": 0.3},
    {"mouthPress": 0.6, "mouthRollLower": 0.3, "mouthRollUpper": 0.3},
    {"mouthFrown": 0.7, "mouthShrugLower": 0.5},
    {"noseSneer": 0.6, "mouthUpperUp": 0.5, "browDown": 0.4},
    {"jawOpen": 0.5, "mouthClose": 0.4},
    {"mouthSmile": 0.6, "jawOpen": 0.45, "mouthUpperUp": 0.3, "cheekSquint": 0.5},
)  # fmt: skip
_BROWS: tuple[dict[str, float], ...] = (
    {}, {}, {"browInnerUp": 0.7, "browOuterUp": 0.7}, {"browInnerUp": 0.7}, {"browDown": 0.8}, {"browOuterUp": 0.5},
)  # fmt: skip
_EYES: tuple[dict[str, float], ...] = ({}, {}, {"eyeSquint": 0.8}, {"eyeWide": 0.8}, {"eyeBlink": 0.4})
_UNEVEN = 0.12
_SIDEWAYS = ("mouthLeft", "mouthRight", "jawLeft", "jawRight")
_TURN_RAD = (0.12, 0.2, 0.08)
"""Spread of pitch, yaw and roll."""
_FURTHEST_TURN_RAD = 0.5


@dataclass(frozen=True, slots=True)
class KnownFaces:
    """N people and their cameras."""

    seeds: Tensor
    """int64 (N,)"""
    face: Tensor
    """float32 (N, 52) ARKit coefficients."""
    neutral: Tensor
    """float32 (N, 478, 3) landmarks of the relaxed face, head space, dm."""
    landmarks: Tensor
    """float32 (N, 478, 3): x, y in px; z in px of the face's own scale, 0 in its middle, negative = nearer."""
    head: Tensor
    """float32 (N, 6)"""
    distance_dm: Tensor
    """float32 (N,) from the lens to the face."""


def plausible_faces(chance: Chance) -> Tensor:
    """float32 (B, 52): expressions that people wear in photos and while they speak, a little uneven, with a gaze."""
    face = torch.zeros(len(chance), len(ARKIT), device=chance.seeds.device)

    def add(purpose: str, kinds: tuple[dict[str, float], ...], low: float, high: float) -> None:
        table = torch.zeros(len(kinds), len(ARKIT), device=face.device)
        for row, kind in enumerate(kinds):
            for name, value in kind.items():
                for full in (name,) if name in ARKIT else (f"{name}Left", f"{name}Right"):
                    table[row, ARKIT[full]] = value
        chosen = table[chance.pick(purpose, (1.0,) * len(kinds))]
        face.add_(chosen * chance.uniform(f"{purpose} much", low, high)[:, None])

    add("mouth", _MOUTHS, 0.3, 1.2)
    face.mul_(chance.uniform("leaves room", 0.7, 1.0)[:, None])
    add("mouth too", _MOUTHS, -0.6, 0.5)
    face.clamp_(min=0)
    add("brows", _BROWS, 0.2, 1.2)
    add("eyes", _EYES, 0.2, 1.2)
    for name in _SIDEWAYS:
        face[:, ARKIT[name]] = chance.happens(f"{name}?", 0.1) * chance.uniform(name, 0.1, 0.5)
    face = face * (1 + chance.normal("uneven", 0.0, _UNEVEN, len(ARKIT)))
    aside, up = chance.normal("look aside", 0.0, 0.3), chance.normal("look up", 0.0, 0.25)
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        face[:, ARKIT[f"eyeLookOut{side}"]] = (sign * aside).clamp(min=0)
        face[:, ARKIT[f"eyeLookIn{side}"]] = (-sign * aside).clamp(min=0)
        face[:, ARKIT[f"eyeLookUp{side}"]] = up.clamp(min=0)
        face[:, ARKIT[f"eyeLookDown{side}"]] = (-up).clamp(min=0)
    return face.clamp(0, 1)


def varied_faces(chance: Chance, looks: int) -> Tensor:
    """float32 (B, 52): look 0 is near rest, of the others every second is plausible, the rest random or acted."""
    if looks % 2:
        return plausible_faces(chance)
    number = torch.full((len(chance),), looks + 1, device=chance.seeds.device)
    return mixed_faces(chance, number)


def _camera(chance: Chance, anchors: Tensor, size_px: int) -> Camera:
    """Lenses as people use them, cut to the face as people cut photos: neither centred nor of one size."""
    generator = torch.Generator().manual_seed(int(chance.seeds[0]))
    camera = Camera.random(len(chance), 1000, 1000, generator)
    boxes = face_boxes(camera.project(anchors)[..., :2], margin=0.3, shift=0.08, zoom=0.15, generator=generator)
    return camera.crop(boxes, size_px, size_px)


def known_faces(
    anatomy: Anatomy, seeds: Tensor, size_px: int, looks: int = 0, varied: bool = False
) -> tuple[KnownFaces, Tensor, Camera]:
    """People with an expression each before their cameras, and their posed vertices.

    Args:
        anatomy: of everybody.
        seeds: int64 (B,) who.
        size_px: side of the pictures.
        looks: another number gives the same people another expression, pose and camera.
        varied: `varied_faces` instead of plausible ones.
    """
    people = sample(seeds, anatomy.identity_names)
    chance = Chance(seeds * 64 + looks)
    face = varied_faces(chance, looks) if varied else plausible_faces(chance)
    turn = chance.normal("turn", 0.0, 1.0, 3) * torch.tensor(_TURN_RAD, device=face.device)
    head = torch.cat([turn.clamp(-_FURTHEST_TURN_RAD, _FURTHEST_TURN_RAD), torch.zeros_like(turn)], 1)
    neutral = anatomy.shape(people.coefficients)
    vertices = anatomy.pose(neutral, face, None, head, None, anatomy.joints(people.coefficients))
    marks = anatomy.marks(vertices)
    corners, weights = anatomy.anchors
    camera = _camera(chance, (vertices[:, corners] * weights[..., None]).sum(2), size_px)
    placed = camera.project(marks)
    distance = placed[..., 2].mean(1)
    scale = camera.focal_px / distance
    placed[..., 2] = (placed[..., 2] - distance[:, None]) * scale[:, None]
    found = KnownFaces(seeds, face, anatomy.marks(neutral), placed, head, distance)
    return found, vertices, camera
