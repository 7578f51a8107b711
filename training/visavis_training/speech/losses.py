"""What the speech encoder is trained to get right, and how much each thing counts. Knows nothing of batches' making."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from visavis_models.voice.answers import CLOSURE, ENERGY, MOUTH, PHONE_SCORES, PITCH, SPEECH, VOICING
from visavis_models.voice.mouth import LIP_PARTING, MOUTH_CHANNELS
from visavis_models.voice.phones import PHONES, SILENCE, VISEME_OF, VISEME_OF_PHONE, VISEMES

SHUT_GAP = 0.02
"""Lips parted less than this while speaking are together."""
_WEIGHTS = {"jawOpen": 3.0, "mouthClose": 3.0, "mouthFunnel": 1.5, "mouthPucker": 1.5, "mouthRollLower": 1.5}


@dataclass(frozen=True, slots=True)
class Targets:
    """What is true of B clips of T frames, on one device."""

    mouth: torch.Tensor
    """float32 (B, T, 15)."""
    phone: torch.Tensor
    """int64 (B, T), index into PHONES."""
    speech: torch.Tensor
    """float32 (B, T), 0 or 1."""
    voicing: torch.Tensor
    """float32 (B, T), 0 or 1."""
    pitch: torch.Tensor
    """float32 (B, T), octaves above 100 Hz, of use where voicing is 1."""
    energy: torch.Tensor
    """float32 (B, T), 0..1."""

    def until(self, frames: int) -> Targets:
        """Only the first so many frames."""
        return Targets(*(getattr(self, name)[:, :frames] for name in self.__slots__))


class EncoderLoss(nn.Module):
    """Sum of the parts; rare visemes count more, up to `balance` (0 no, 1 each class the same)."""

    def __init__(self, phone_counts: np.ndarray, balance: float = 0.4) -> None:
        super().__init__()
        self.register_buffer("channel", torch.tensor([_WEIGHTS.get(name, 1.0) for name in MOUTH_CHANNELS]))
        self.register_buffer("gap_of", torch.from_numpy(LIP_PARTING))
        self.register_buffer("viseme_of", torch.from_numpy(VISEME_OF_PHONE))
        share = (np.asarray(phone_counts, np.float64) @ VISEME_OF_PHONE) / np.sum(phone_counts)
        weight = np.maximum(share, 1e-3) ** -balance
        self.register_buffer("viseme_weight", torch.tensor(weight / (weight * share).sum(), dtype=torch.float32))
        index = [VISEMES.index(VISEME_OF[phone]) for phone in PHONES]
        self.register_buffer("viseme_index", torch.tensor(index))
        self.silence = PHONES.index(SILENCE)

    def forward(self, scores: torch.Tensor, true: Targets) -> dict[str, torch.Tensor]:
        """The parts of the loss; `scores` float32 (B, T, OUTPUTS), in step with the targets."""
        guess = scores[..., MOUTH]
        gap, guessed_gap = torch.relu(true.mouth @ self.gap_of), guess @ self.gap_of
        shut = ((gap < SHUT_GAP) & (true.speech > 0.5)).float()
        frame = 1.0 + 2.0 * shut + (true.speech < 0.5).float()
        logits = torch.log_softmax(scores[..., PHONE_SCORES], dim=-1)
        visemes = torch.log(torch.exp(logits) @ self.viseme_of + 1e-6)
        viseme = self.viseme_index[true.phone]
        weight = self.viseme_weight[viseme]
        said = nn.functional.nll_loss(visemes.flatten(0, 1), viseme.flatten(), reduction="none")
        binary = nn.functional.binary_cross_entropy_with_logits
        speed = (guess[:, 1:] - guess[:, :-1]) - (true.mouth[:, 1:] - true.mouth[:, :-1])
        centred, guessed = (g - g.mean(dim=1, keepdim=True) for g in (gap, guessed_gap))
        power = centred.square().sum(1) * guessed.square().sum(1)
        likeness = (centred * guessed).sum(1) / (power + 1e-6).sqrt()  # a root at 0 has no slope
        talks = (gap.amax(dim=1) > 0.1).float()
        return {
            "mouth": ((guess - true.mouth).abs() * self.channel).mean(-1).mul(frame).mean() * 4,
            "speed": speed.abs().mul(self.channel).mean() * 4,
            "gap": ((guessed_gap - gap).abs() * (frame + 3 * shut)).mean() * 2,
            "likeness": ((1 - likeness) * talks).mean() * 0.3,
            "viseme": (said * weight.flatten()).mean() * 0.6,
            "phone": nn.functional.nll_loss(logits.flatten(0, 1), true.phone.flatten()) * 0.3,
            "speech": binary(scores[..., SPEECH], true.speech) * 0.5,
            "closure": binary(scores[..., CLOSURE], shut, pos_weight=torch.full_like(gap[0, 0], 2.0)) * 0.5,
            "voicing": binary(scores[..., VOICING], true.voicing) * 0.1,
            "pitch": ((scores[..., PITCH] - true.pitch).abs() * true.voicing).mean() * 0.2,
            "energy": (scores[..., ENERGY] - true.energy).abs().mean() * 0.3,
        }
