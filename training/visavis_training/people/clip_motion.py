"""What the people of a batch do: the pose of each one's reference picture and of the frames that are to be driven.

References look as portraits do: towards the camera, eyes open, half of them with teeth to be seen. Driven frames are
windows of tracks, relative to the reference's pose as the product's motion is, or unrelated random poses. Knows
nothing of meshes or pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from visavis_models.arkit import ARKIT, ARKIT_COUNT
from visavis_training.people.chance import Chance
from visavis_training.people.expressions import mirrored
from visavis_training.people.motion_tracks import Tracks
from visavis_training.people.plausibility import face_of, plausible
from visavis_training.people.poses import HEAD_LIMITS_DEG, gazes, heads, random_poses

MOUTHS = ("teeth", "shut", "open")
_TEETH = (
    {"mouthSmile": 0.85, "cheekSquint": 0.5, "eyeSquint": 0.25, "mouthUpperUp": 0.5, "mouthLowerDown": 0.25,
     "jawOpen": 0.05},
    {"mouthSmile": 0.7, "cheekSquint": 0.35, "mouthUpperUp": 0.4, "mouthLowerDown": 0.35, "jawOpen": 0.14},
    {"mouthSmile": 0.5, "mouthStretch": 0.25, "mouthUpperUp": 0.4, "mouthLowerDown": 0.4, "jawOpen": 0.10},
    {"mouthSmile": 1.0, "cheekSquint": 0.8, "eyeSquint": 0.4, "mouthUpperUp": 0.6, "mouthLowerDown": 0.4,
     "jawOpen": 0.22},
)  # fmt: skip
_SHUT: tuple[dict[str, float], ...] = (
    {}, {"mouthSmile": 0.35}, {"mouthSmile": 0.55, "cheekSquint": 0.3}, {"mouthPress": 0.25}, {"browDown": 0.3},
    {"mouthFrown": 0.25}, {"browInnerUp": 0.4, "browOuterUp": 0.3},
)  # fmt: skip
_OPEN = (
    {"jawOpen": 0.25}, {"jawOpen": 0.12, "mouthFunnel": 0.3}, {"jawOpen": 0.4, "mouthSmile": 0.3},
    {"jawOpen": 0.18, "mouthLowerDown": 0.25}, {"jawOpen": 0.10},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Motion:
    """What P people do in K = 1 + N frames: first the reference, then the driven ones."""

    face: Tensor
    """float32 (P, K, 52), ARKit."""
    head: Tensor
    """float32 (P, K, 6): absolute, zero is straight ahead; see `visavis_models.motion.HEAD_NAMES`."""
    body: Tensor
    """float32 (P, K, 5), see `visavis_models.motion.BODY_NAMES`."""
    in_order: Tensor
    """bool (P,): the driven frames are consecutive in time."""
    mouth: Tensor
    """int64 (P,): what the reference's mouth shows, index into `MOUTHS`."""


def reference_faces(chance: Chance, shares: tuple[float, float, float]) -> tuple[Tensor, Tensor]:
    """(P, 52) faces of portraits and (P,) kinds of their mouths, drawn by `shares` of `MOUTHS`."""
    kind = chance.pick("reference mouth", shares)
    device = kind.device
    options = []
    for name, table in (("teeth", _TEETH), ("shut", _SHUT), ("open", _OPEN)):
        faces = torch.stack([face_of(values) for values in table]).to(device)
        options.append(faces[chance.pick(f"reference {name}", (1.0,) * len(table))])
    face = torch.stack(options, 1)[torch.arange(len(chance), device=device), kind]
    face = face * chance.uniform("reference strength", 0.75, 1.1)[:, None]
    face = torch.where(chance.happens("reference mirror", 0.5)[:, None] > 0, mirrored(face), face)
    face = face * (1 + 0.10 * chance.normal("reference halves", count=ARKIT_COUNT))
    away = chance.happens("reference looks away", 0.15)
    face = face + gazes(chance, "reference gaze") * (0.25 + 0.75 * away)[:, None]
    lids = chance.uniform("reference lids", 0.0, 0.12) + 0.25 * chance.happens("reference sleepy", 0.08)
    face[:, [ARKIT["eyeBlinkLeft"], ARKIT["eyeBlinkRight"]]] = lids[:, None]
    return plausible(face), kind


def clip_motion(
    chance: Chance,
    tracks: Tracks,
    frames: int,
    window_share: float,
    mouth_shares: tuple[float, float, float],
    every: int = 1,
) -> Motion:
    """Motion of P clips.

    Args:
        chance: one seed a clip.
        tracks: on the same device.
        frames: N driven ones.
        window_share: share of clips whose driven frames are consecutive.
        mouth_shares: of references, see `MOUTHS`.
        every: consecutive frames lie so many times 40 ms apart.
    """
    people = len(chance)
    face, mouth = reference_faces(chance, mouth_shares)
    turned = 0.3 + 0.7 * chance.happens("reference turned", 0.3)
    head = heads(chance, 1.0) * turned[:, None]
    body = torch.zeros(people, 5, device=face.device)
    body[:, 1:] = chance.normal("reference body", 0.0, 0.12, 4)
    rows = tracks.windows(chance.uniform("window"), frames, every)
    in_order = chance.happens("in order", window_share) > 0
    track_face, track_head, track_body = (getattr(tracks, n)[rows].float() for n in ("face", "head", "body"))
    single = Chance((chance.seeds[:, None] * 1_000_003 + torch.arange(frames, device=face.device)).reshape(-1))
    poses = random_poses(single)
    limits = face.new_tensor([*(math.radians(d) for d in HEAD_LIMITS_DEG), 0.2, 0.2, 0.2])

    def chosen(window: Tensor, pose: Tensor) -> Tensor:
        return torch.where(in_order[:, None, None], window, pose.reshape(people, frames, -1))

    driven_face = chosen(track_face, poses.face)
    driven_head = chosen(track_head + head[:, None], poses.head).clamp(-limits, limits)
    driven_body = chosen(track_body + body[:, None], poses.body)
    driven_body = torch.cat([driven_body[..., :1].clamp(0, 1), driven_body[..., 1:].clamp(-1, 1)], -1)
    return Motion(
        torch.cat([face[:, None], driven_face], 1),
        torch.cat([head[:, None], driven_head], 1),
        torch.cat([body[:, None], driven_body], 1),
        in_order,
        mouth,
    )
