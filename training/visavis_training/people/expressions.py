"""Expressions and small habits of faces, with a beginning, a middle and an end: smiles, brows, feelings, winks, licks.

Which units make which expression follows the prototypes of EMFACS (Ekman and Friesen 1978; Friesen and Ekman 1983),
with ARKit's names for their action units. Times: spontaneous expressions last 0.5 to 4 s and set in within 0.2 to
0.7 s, smiles more slowly and smoothly than other ones (Ekman 1992; Schmidt, Ambadar, Cohn and Reed 2006). Knows nothing
of voices or meshes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from visavis_models.arkit import ARKIT, ARKIT_COUNT, ARKIT_NAMES
from visavis_models.behaviour.easing import FRAME_S
from visavis_training.people.plausibility import face_of

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Expression:
    """A kind of expression. Spans are drawn from evenly, in seconds."""

    name: str
    face: dict[str, float]
    """Units at full strength; a name without its side means both."""
    share: float
    """How often, against the others."""
    onset_s: Span = (0.25, 0.6)
    apex_s: Span = (0.4, 2.2)
    offset_s: Span = (0.4, 1.0)
    strength: Span = (0.35, 1.0)
    one_sided: float = 0.1
    """How often it is made with one half of the face."""
    head_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Pitch, yaw (either way) and roll (either way) at its height."""
    gaze: tuple[float, float] = (0.0, 0.0)
    """To a side (either one) and up, shares of the eye's range."""
    shakes_hz: float = 0.0
    """Jaw and head shake so, as in laughter."""


_FAST: Span = (0.08, 0.16)
EXPRESSIONS: tuple[Expression, ...] = (
    Expression("smile", {"mouthSmile": 0.75, "cheekSquint": 0.45, "eyeSquint": 0.25}, 12.0, (0.4, 0.9), (0.6, 3.0),
               (0.6, 1.4), one_sided=0.06),
    Expression("polite smile", {"mouthSmile": 0.45, "mouthDimple": 0.15, "mouthPress": 0.15}, 8.0, one_sided=0.15),
    Expression("open smile", {"mouthSmile": 0.9, "cheekSquint": 0.6, "eyeSquint": 0.4, "jawOpen": 0.10,
               "mouthUpperUp": 0.45, "mouthLowerDown": 0.30}, 9.0, (0.4, 0.8), (0.6, 3.0), (0.6, 1.4), one_sided=0.0,
               head_deg=(-2.0, 0.0, 3.0)),
    Expression("laugh", {"mouthSmile": 1.0, "cheekSquint": 0.85, "eyeSquint": 0.65, "jawOpen": 0.38,
               "mouthUpperUp": 0.55, "mouthLowerDown": 0.45, "noseSneer": 0.12}, 4.0, (0.3, 0.6), (0.8, 2.4),
               (0.8, 1.6), one_sided=0.0, head_deg=(-5.0, 2.0, 3.0), shakes_hz=4.6),
    Expression("surprise", {"browInnerUp": 0.9, "browOuterUp": 0.8, "eyeWide": 0.75, "jawOpen": 0.35}, 3.0, (0.15, 0.3),
               (0.3, 1.2), (0.4, 0.9), one_sided=0.0, head_deg=(-3.0, 0.0, 0.0)),
    Expression("sadness", {"browInnerUp": 0.8, "browDown": 0.2, "mouthFrown": 0.6, "mouthShrugLower": 0.5,
               "eyeSquint": 0.15}, 3.0, (0.5, 1.0), (1.0, 3.0), (0.8, 1.6), one_sided=0.0, head_deg=(5.0, 0.0, 3.0),
               gaze=(0.1, -0.35)),
    Expression("anger", {"browDown": 0.9, "eyeSquint": 0.45, "eyeWide": 0.25, "mouthPress": 0.55, "noseSneer": 0.25,
               "mouthRollLower": 0.2}, 3.0, one_sided=0.0, head_deg=(3.0, 0.0, 0.0)),
    Expression("shouted anger", {"browDown": 0.9, "noseSneer": 0.5, "jawOpen": 0.4, "mouthUpperUp": 0.55,
               "mouthLowerDown": 0.55, "mouthStretch": 0.4}, 1.5, one_sided=0.0, head_deg=(2.0, 0.0, 0.0)),
    Expression("disgust", {"noseSneer": 0.85, "mouthUpperUp": 0.5, "browDown": 0.4, "cheekSquint": 0.35,
               "mouthShrugLower": 0.3, "eyeSquint": 0.3}, 2.5, head_deg=(-3.0, 5.0, 0.0), one_sided=0.25),
    Expression("fear", {"browInnerUp": 0.8, "browOuterUp": 0.45, "browDown": 0.25, "eyeWide": 0.85,
               "mouthStretch": 0.6, "jawOpen": 0.18}, 2.0, (0.15, 0.4), one_sided=0.0, head_deg=(-4.0, 0.0, 0.0)),
    Expression("contempt", {"mouthDimple": 0.6, "mouthSmile": 0.35, "mouthUpperUp": 0.12}, 2.5, one_sided=1.0),
    Expression("doubt", {"browDown": 0.45, "eyeSquint": 0.35, "mouthFrown": 0.35, "mouthShrugUpper": 0.3,
               "mouthShrugLower": 0.4}, 3.0, head_deg=(0.0, 4.0, 5.0), one_sided=0.2),
    Expression("one brow", {"browOuterUp": 0.9, "browInnerUp": 0.3}, 3.0, (0.2, 0.4), one_sided=1.0),
    Expression("thinking", {"mouthPress": 0.35, "mouthPucker": 0.25, "browDown": 0.25}, 4.0, apex_s=(0.6, 2.5),
               head_deg=(-2.0, 5.0, 3.0), gaze=(0.45, 0.35)),
    Expression("concentration", {"browDown": 0.6, "eyeSquint": 0.5}, 4.0, apex_s=(0.8, 3.0), head_deg=(2.0, 0.0, 0.0)),
    Expression("brow flash", {"browInnerUp": 0.7, "browOuterUp": 0.75, "eyeWide": 0.25}, 8.0, _FAST, (0.08, 0.3),
               (0.15, 0.4), one_sided=0.0, head_deg=(-1.5, 0.0, 0.0)),
    Expression("frown", {"browDown": 0.7}, 5.0),
    Expression("lip press", {"mouthPress": 0.8, "mouthRollLower": 0.3, "mouthRollUpper": 0.3}, 5.0, (0.15, 0.3),
               (0.2, 1.0), (0.2, 0.4)),
    Expression("lips in", {"mouthRollLower": 0.85, "mouthRollUpper": 0.8, "mouthPress": 0.2}, 2.5, (0.15, 0.3),
               (0.2, 0.8), (0.2, 0.4), one_sided=0.0),
    Expression("lick", {"tongueOut": 0.35, "jawOpen": 0.22, "mouthLowerDown": 0.1}, 2.0, (0.15, 0.25), (0.1, 0.3),
               (0.2, 0.4), one_sided=0.0),
    Expression("tongue out", {"tongueOut": 1.0, "jawOpen": 0.45, "mouthLowerDown": 0.25}, 0.8, (0.2, 0.4), (0.2, 1.0),
               (0.2, 0.4), (0.6, 1.0), one_sided=0.0),
    Expression("lip bite", {"mouthRollLower": 0.9, "jawOpen": 0.06, "mouthUpperUp": 0.2}, 1.5, (0.2, 0.4), (0.3, 1.2),
               one_sided=0.0),
    Expression("kiss", {"mouthPucker": 0.95, "mouthFunnel": 0.15}, 2.0, (0.2, 0.4), (0.2, 0.8), (0.2, 0.4),
               one_sided=0.0),
    Expression("funnel", {"mouthFunnel": 0.85, "jawOpen": 0.25}, 1.2, (0.2, 0.4), (0.2, 0.8), (0.2, 0.4),
               one_sided=0.0),
    Expression("blow", {"cheekPuff": 0.9, "mouthPucker": 0.4}, 1.5, (0.25, 0.5), (0.3, 1.2), (0.2, 0.5), one_sided=0.0),
    Expression("grimace", {"mouthStretch": 0.85, "mouthLowerDown": 0.5, "mouthUpperUp": 0.35, "jawOpen": 0.06}, 1.5,
               (0.2, 0.4), (0.3, 1.0), one_sided=0.1),
    Expression("shrug of lips", {"mouthShrugLower": 0.85, "mouthShrugUpper": 0.45, "mouthFrown": 0.3}, 2.5, (0.2, 0.4),
               (0.3, 0.9), one_sided=0.0, head_deg=(0.0, 0.0, 4.0)),
    Expression("mouth aside", {"mouthLeft": 0.7, "mouthPress": 0.2, "mouthPucker": 0.2}, 2.0, (0.2, 0.5), (0.3, 1.2),
               one_sided=0.5),
    Expression("jaw aside", {"jawLeft": 0.7, "jawOpen": 0.08}, 0.8, (0.2, 0.5), (0.2, 0.8), one_sided=0.5),
    Expression("chin forward", {"jawForward": 0.8, "mouthShrugLower": 0.2}, 0.8, (0.2, 0.5), (0.2, 0.8), one_sided=0.0),
    Expression("yawn", {"jawOpen": 0.95, "eyeSquint": 0.6, "eyeBlink": 0.8, "browInnerUp": 0.4, "mouthStretch": 0.15,
               "noseSneer": 0.2}, 0.7, (0.8, 1.4), (0.8, 1.8), (0.6, 1.2), (0.7, 1.0), 0.0, (-6.0, 0.0, 0.0)),
    Expression("agape", {"jawOpen": 0.8}, 1.0, (0.2, 0.5), (0.2, 1.0), (0.3, 0.6), one_sided=0.0),
    Expression("wink", {"eyeBlink": 1.0, "cheekSquint": 0.5, "mouthSmile": 0.25}, 1.5, _FAST, (0.1, 0.3), (0.12, 0.25),
               (0.9, 1.0), one_sided=1.0),
    Expression("squeezed eyes", {"eyeBlink": 1.0, "eyeSquint": 0.9, "cheekSquint": 0.6, "browDown": 0.5}, 1.0, _FAST,
               (0.15, 0.6), (0.2, 0.4), (0.85, 1.0), one_sided=0.0),
    Expression("long blink", {"eyeBlink": 1.0}, 2.5, (0.12, 0.3), (0.15, 0.8), (0.2, 0.4), (0.95, 1.0), 0.0),
    Expression("squint", {"eyeSquint": 0.95, "cheekSquint": 0.4}, 3.0, one_sided=0.1),
    Expression("wide eyes", {"eyeWide": 0.95}, 2.5, (0.15, 0.3), (0.2, 1.0), one_sided=0.0),
    Expression("wrinkled nose", {"noseSneer": 0.9}, 2.0, (0.15, 0.4), (0.2, 0.8), one_sided=0.3),
    Expression("dimples", {"mouthDimple": 0.8}, 2.0, (0.2, 0.4), (0.3, 1.0)),
)  # fmt: skip
NAMES = tuple(kind.name for kind in EXPRESSIONS)
MOODS: tuple[dict[str, float], ...] = (
    {}, {}, {"mouthSmile": 0.25, "cheekSquint": 0.12}, {"mouthSmile": 0.12}, {"browDown": 0.22},
    {"mouthFrown": 0.2, "browInnerUp": 0.15}, {"eyeSquint": 0.25, "browDown": 0.1}, {"browInnerUp": 0.2,
    "browOuterUp": 0.2, "eyeWide": 0.15}, {"mouthPress": 0.2}, {"eyeBlink": 0.18},
)  # fmt: skip
"""What stays on a face for as long as one watches; often nothing."""


_MIRROR = [ARKIT[n.replace("Left", "\0").replace("Right", "Left").replace("\0", "Right")] for n in ARKIT_NAMES]
_PAIRS = [
    (i, _MIRROR[i]) for i, n in enumerate(ARKIT_NAMES) if n.endswith("Left") and n not in ("jawLeft", "mouthLeft")
]
"""The left and the right one of each unit that has sides; jaw and mouth move as a whole."""


@dataclass(frozen=True, slots=True)
class Acting:
    """What one person's face does over T frames besides speech."""

    face: Tensor
    """float32 (T, 52)"""
    head_rad: NDArray[np.float64]
    """(T, 3) pitch, yaw, roll to be added."""
    gaze: NDArray[np.float64]
    """(T, 2) to the picture's right and up, shares of the eye's range, to be added."""
    names: list[str] = field(default_factory=list)
    """What was acted, in order."""


def half_of(face: Tensor, side: str) -> Tensor:
    """Units (..., 52) of which the other side than `side`, "Left" or "Right", hardly does anything."""
    weak = [pair[1 if side == "Left" else 0] for pair in _PAIRS]
    share = torch.ones(ARKIT_COUNT, device=face.device)
    share[weak] = 0.12
    return face * share


def mirrored(face: Tensor) -> Tensor:
    """Units (..., 52) of the face in a mirror."""
    return face[..., _MIRROR]


def envelope(frames: int, onset_s: float, apex_s: float, offset_s: float) -> NDArray[np.float64]:
    """(T,) 0 to 1 and back to 0 over the first frames, without corners; zeros after that."""
    time_s = (np.arange(frames) + 0.5) * FRAME_S
    rise = np.clip(time_s / onset_s, 0.0, 1.0)
    fall = np.clip((onset_s + apex_s + offset_s - time_s) / offset_s, 0.0, 1.0)
    part = np.minimum(rise, fall)
    return np.asarray(part * part * part * (10.0 - 15.0 * part + 6.0 * part * part))


def act(frames: int, rng: np.random.Generator, liveliness: float = 1.0) -> Acting:
    """Expressions one after another, with pauses, over `frames` frames at 25 a second.

    Args:
        frames: T.
        rng: source of chance.
        liveliness: 1 is a lively person: an expression every 5 s or so; 0.2 a calm one.
    """
    face = face_of(MOODS[int(rng.integers(len(MOODS)))]).expand(frames, -1) * float(rng.uniform(0.3, 1.0))
    head, gaze = np.zeros((frames, 3)), np.zeros((frames, 2))
    shares = np.array([kind.share for kind in EXPRESSIONS])
    names: list[str] = []
    start = int(rng.exponential(2.0 / liveliness) / FRAME_S)
    while start < frames:
        kind = EXPRESSIONS[int(rng.choice(len(EXPRESSIONS), p=shares / shares.sum()))]
        times = [float(rng.uniform(*span)) for span in (kind.onset_s, kind.apex_s, kind.offset_s)]
        length = min(frames - start, math.ceil(sum(times) / FRAME_S) + 1)
        curve = envelope(length, *times)
        strength = float(rng.uniform(*kind.strength))
        target = face_of(kind.face)
        if rng.random() < 0.5:
            target = mirrored(target)
        if rng.random() < kind.one_sided:
            target = half_of(target, "Left" if rng.random() < 0.5 else "Right")
        else:  # nobody's halves are alike
            target = target * torch.tensor(1.0 + 0.08 * rng.standard_normal(ARKIT_COUNT), dtype=torch.float32)
        level = strength * curve * (1.0 + 0.06 * np.sin(np.arange(length) * 0.31 + rng.uniform(0, 6.3)))
        shaken = level.copy()
        if kind.shakes_hz:
            time_s = np.arange(length) * FRAME_S
            shaken *= 0.72 + 0.28 * np.sin(2 * math.pi * kind.shakes_hz * time_s + rng.uniform(0, 6.3))
        added = torch.tensor(level, dtype=torch.float32)[:, None] * target
        added[:, ARKIT["jawOpen"]] = torch.tensor(shaken, dtype=torch.float32) * target[ARKIT["jawOpen"]]
        part = slice(start, start + length)
        face = face.clone()
        face[part] = 1 - (1 - face[part]) * (1 - added.clamp(0, 1))
        turn = np.radians(kind.head_deg) * (1.0, rng.choice((-1.0, 1.0)), rng.choice((-1.0, 1.0)))
        head[part] += (shaken if kind.shakes_hz else level)[:, None] * turn
        gaze[part] += level[:, None] * (kind.gaze[0] * rng.choice((-1.0, 1.0)), kind.gaze[1])
        names.append(kind.name)
        # feelings blend: now and then the next one begins before this one has gone
        start += int(length * rng.uniform(0.6, 1.0)) + int(rng.exponential(3.5 / liveliness) / FRAME_S)
    return Acting(face.clamp(0, 1).contiguous(), head, gaze, names)
