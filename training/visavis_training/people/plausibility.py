"""Which of the 52 units go together on a face: rules that turn any mixture into one that muscles can make.

Opposed muscles weaken each other, lips that press are not parted, a tongue needs an open mouth. Also lays expressions
over speech without opening lips that a sound has shut. Batched torch; knows nothing of time or of meshes.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from visavis_models.arkit import ARKIT, ARKIT_COUNT
from visavis_training.people.chance import step

_OPPOSED = (
    ("eyeLookIn", "eyeLookOut", 1.0), ("eyeLookUp", "eyeLookDown", 1.0), ("jawLeft", "jawRight", 1.0),
    ("mouthLeft", "mouthRight", 1.0), ("mouthSmile", "mouthFrown", 0.85), ("mouthSmile", "mouthPucker", 0.6),
    ("mouthStretch", "mouthPucker", 0.8), ("mouthStretch", "mouthFunnel", 0.5), ("mouthDimple", "mouthPucker", 0.7),
    ("mouthDimple", "mouthFunnel", 0.5), ("browDown", "browOuterUp", 0.7), ("mouthRollUpper", "mouthUpperUp", 0.9),
    ("mouthRollLower", "mouthLowerDown", 0.5), ("mouthRollUpper", "mouthFunnel", 0.8),
    ("mouthRollLower", "mouthFunnel", 0.8), ("mouthRollLower", "mouthShrugLower", 0.4),
    ("mouthPress", "mouthUpperUp", 0.7), ("mouthPress", "mouthLowerDown", 0.7), ("mouthPress", "mouthFunnel", 0.7),
    ("cheekPuff", "mouthSmile", 0.6), ("cheekPuff", "mouthStretch", 0.6),
)  # fmt: skip
"""Pairs whose muscles pull against each other, and how much each takes from the other at full strength."""
_YIELDING = (
    ("eyeWide", "eyeBlink", 1.0), ("eyeWide", "eyeSquint", 0.8), ("jawForward", "jawOpen", 0.5),
    ("mouthShrugUpper", "jawOpen", 0.5), ("mouthShrugLower", "jawOpen", 0.5),
)  # fmt: skip
"""The first gives way to the second, not the second to the first."""
_PARTS = {"jawOpen": 1.0, "mouthClose": -1.0, "mouthLowerDown": 0.3, "mouthUpperUp": 0.25, "mouthFunnel": 0.12}
_NEEDS_SHUT = {"cheekPuff": 4.0, "mouthPress": 1.6, "mouthRollUpper": 1.2, "mouthRollLower": 0.6}
"""How fast each fades as lips part: gone at a parting of 1 / this, in units of jawOpen."""
_TONGUE_NEEDS = (0.02, 0.12)
_OPENING = ("jawOpen", "mouthClose", "mouthLowerDown", "mouthUpperUp", "mouthFunnel", "tongueOut")
_SHAPING = ("mouthPucker", "mouthStretch", "mouthPress", "mouthRollLower", "mouthRollUpper", "mouthShrugLower",
            "mouthShrugUpper", "cheekPuff", "mouthFrown", "mouthSmile", "mouthDimple")  # fmt: skip


def units(name: str) -> tuple[int, ...]:
    """Indices of a unit of ARKit, or of both sides of one whose name lacks its side: "mouthSmile".

    Raises:
        KeyError: there is no such unit.
    """
    if name in ARKIT:
        return (ARKIT[name],)
    return ARKIT[f"{name}Left"], ARKIT[f"{name}Right"]


def face_of(values: dict[str, float]) -> Tensor:
    """float32 (52,) of units by name; see `units`."""
    face = torch.zeros(ARKIT_COUNT)
    for name, value in values.items():
        face[list(units(name))] = value
    return face


_TAKERS = sorted({unit for one, other, _ in _OPPOSED for name in (one, other) for unit in units(name)}
                 | {unit for _, other, _ in _YIELDING for unit in units(other)})  # fmt: skip


@lru_cache(maxsize=4)
def _taken(device: torch.device) -> Tensor:
    """(52, 52): how much of the row's unit the column's takes away at 1."""
    table = torch.zeros(ARKIT_COUNT, ARKIT_COUNT)
    for one, other, strength in (*_OPPOSED, *((b, a, s) for a, b, s in _OPPOSED), *_YIELDING):
        rows, columns = units(one), units(other)
        if len(rows) == len(columns):  # left takes from left
            table[list(rows), list(columns)] = strength
        else:
            table[torch.tensor(rows)[:, None], torch.tensor(columns)] = strength
    return table.to(device)


def parting(face: Tensor) -> Tensor:
    """(...,) how far apart the units (..., 52) set the lips, in units of jawOpen, at least 0."""
    total = torch.zeros_like(face[..., 0])
    for name, weight in _PARTS.items():
        total = total + weight * face[..., list(units(name))].mean(-1)
    return total.clamp(min=0.0)


def plausible(face: Tensor) -> Tensor:
    """The nearest a face can come to units (..., 52): no impossible mixtures, all within 0..1.

    A face of the shipped listener passes almost unchanged.
    """
    face = face.clamp(0.0, 1.0)
    table = _taken(face.device)
    left = torch.ones_like(face)
    for column in _TAKERS:
        left = left * (1.0 - table[:, column] * face[..., column : column + 1])
    face = face * left
    jaw, close = ARKIT["jawOpen"], ARKIT["mouthClose"]
    face[..., close] = torch.minimum(face[..., close], face[..., jaw])
    open_ = parting(face)
    for name, fading in _NEEDS_SHUT.items():
        for unit in units(name):
            face[..., unit] = face[..., unit] * (1.0 - fading * open_).clamp(0.0, 1.0)
    tongue = ARKIT["tongueOut"]
    face[..., tongue] = face[..., tongue] * step(face[..., jaw] - face[..., close], *_TONGUE_NEEDS)
    return face


def over_speech(speech: Tensor, expression: Tensor, speaking: Tensor) -> Tensor:
    """An expression on a face that speaks: units (..., 52).

    While the voice sounds it alone opens and shuts the lips; smiles and the like stay, but weaker. Lips that a sound
    has shut stay shut, whatever the expression wants.

    Args:
        speech: (..., 52) of the listener.
        expression: (..., 52).
        speaking: (...) 0..1, how far speech has the mouth; eased by the caller.
    """
    open_ = step(parting(speech), 0.0, 0.14)
    kept = torch.ones_like(expression)
    for name in _OPENING:
        for unit in units(name):
            kept[..., unit] = 1.0 - speaking * (1.0 - 0.35 * open_)
    for name in _SHAPING:
        for unit in units(name):
            kept[..., unit] = 1.0 - 0.45 * speaking
    mixed = 1.0 - (1.0 - speech.clamp(0.0, 1.0)) * (1.0 - (expression * kept).clamp(0.0, 1.0))
    # what opens the mouth adds up; muscles' limits hold for the sum
    return plausible(mixed)
