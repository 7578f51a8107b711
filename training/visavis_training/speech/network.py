"""The speech encoder: features of a voice in, mouth channels and what else a body needs out, 25 times a second.

Strictly causal: convolutions over 10 ms features, then recurrent layers over chunks. Its look-ahead is a delay of the
target, so streaming is exact: all that it remembers is one state vector a voice.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from visavis_models.voice.features import FEATURES, HOPS_PER_CHUNK
from visavis_models.voice.mouth import MOUTH_COUNT
from visavis_training.speech.phones import VISEMES


@dataclass(frozen=True, slots=True)
class EncoderParameters:
    """Sizes of the network."""

    near: int = 96
    near_two: int = 128
    kernel: int = 5
    width: int = 256
    layers: int = 2
    lookahead_chunks: int = 2

    @property
    def state_size(self) -> int:
        """How many numbers a voice's state has."""
        return (self.kernel - 1) * (FEATURES + self.near) + self.layers * self.width


OUTPUTS = MOUTH_COUNT + len(VISEMES) + 2
"""Mouth channels, viseme scores, score of speech, score of closure."""


class SpeechEncoder(nn.Module):
    """See the head of this file."""

    def __init__(self, parameters: EncoderParameters | None = None) -> None:
        super().__init__()
        self.parameters_of = p = parameters or EncoderParameters()
        self.first = nn.Conv1d(FEATURES, p.near, p.kernel)
        self.second = nn.Conv1d(p.near, p.near_two, p.kernel)
        self.gather = nn.Linear(p.near_two * HOPS_PER_CHUNK, p.width)
        self.norm = nn.LayerNorm(p.width)
        self.recurrent = nn.ModuleList(nn.GRU(p.width, p.width, batch_first=True) for _ in range(p.layers))
        self.head = nn.Sequential(nn.Linear(p.width, 128), nn.ReLU(), nn.Linear(128, OUTPUTS))

    def forward(self, features: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode T chunks.

        Args:
            features: float32 (B, 4 * T, 41), see `visavis_models.voice.features`.
            state: float32 (B, state_size), zeros at the start of a voice.

        Returns:
            (B, T, OUTPUTS), scores before any sigmoid, and the next state; row t is of chunk `t - lookahead_chunks`.
        """
        p = self.parameters_of
        past = p.kernel - 1
        cuts = (past * FEATURES, past * p.near) + (p.width,) * p.layers
        parts = torch.split(state, cuts, dim=1)
        heard = torch.cat([parts[0].reshape(-1, past, FEATURES), features + 2.0], dim=1)
        near = torch.relu(self.first(heard.transpose(1, 2))).transpose(1, 2)
        near_heard = torch.cat([parts[1].reshape(-1, past, p.near), near], dim=1)
        two = torch.relu(self.second(near_heard.transpose(1, 2))).transpose(1, 2)
        x = self.norm(self.gather(two.reshape(two.shape[0], -1, HOPS_PER_CHUNK * p.near_two)))
        hidden = []
        for layer, before in zip(self.recurrent, parts[2:], strict=True):
            y, after = layer(x, before.unsqueeze(0).contiguous())
            x = x + y
            hidden.append(after[0])
        kept = [heard[:, -past:].flatten(1), near_heard[:, -past:].flatten(1), *hidden]
        return self.head(x), torch.cat(kept, dim=1)
