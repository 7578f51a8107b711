"""The speech encoder: features of a voice in, mouth channels and what else a body needs out, 25 times a second.

Strictly causal: convolutions over 10 ms features, then a memory over chunks, of which there are three kinds
(`network_memory.py`). Its look-ahead is a delay of the target, so streaming is exact: all that it remembers is one
state vector a voice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from visavis_models.voice.answers import OUTPUTS
from visavis_models.voice.features import FEATURES
from visavis_training.speech.network_memory import MEMORIES


@dataclass(frozen=True, slots=True)
class EncoderParameters:
    """Sizes of the network."""

    memory: str = "gru"
    """A key of `network_memory.MEMORIES`."""
    width: int = 288
    layers: int = 2
    near: tuple[int, int, int] = (96, 128, 160)
    """Channels of the three convolutions at 100, 50 and 50 Hz."""
    head: int = 256
    lookahead_chunks: int = 2


NAMED: dict[str, EncoderParameters] = {
    "gru": EncoderParameters(),
    "convolution": EncoderParameters("convolution", 208, 6),
    "attention": EncoderParameters("attention", 208, 4),
    "gru-large": EncoderParameters(width=384, near=(128, 160, 224), head=320),
    "gru-40ms": EncoderParameters(lookahead_chunks=1),
    "gru-small": EncoderParameters(width=176, near=(64, 96, 96), head=160),
}
"""The shapes that were compared."""


class Near(nn.Module):
    """What can be heard close by: 10 ms features to one vector for each 40 ms chunk, of the latest 0.2 s."""

    def __init__(self, channels: tuple[int, int, int], width: int) -> None:
        super().__init__()
        first, second, third = channels
        self.first = nn.Conv1d(FEATURES, first, 5)
        self.second = nn.Conv1d(first, second, 4, stride=2)
        self.third = nn.Conv1d(second, third, 3)
        self.gather = nn.Conv1d(2 * third, width, 3)
        self.norm = nn.LayerNorm(width)
        self.pasts = ((4, FEATURES), (2, first), (2, second), (2, 2 * third))
        """Rows and columns of what each convolution remembers."""

    def forward(
        self, features: torch.Tensor, states: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """(B, 4 T, 41) to (B, T, width), and the four next states (B, rows, columns)."""
        x, kept = features + 2.0, []
        for layer, state in zip((self.first, self.second, self.third), states[:3], strict=True):
            heard = torch.cat([state, x], dim=1)
            kept.append(heard[:, -state.shape[1] :])
            x = nn.functional.silu(layer(heard.transpose(1, 2))).transpose(1, 2)
        heard = torch.cat([states[3], x.reshape(x.shape[0], -1, states[3].shape[2])], dim=1)
        kept.append(heard[:, -2:])
        return self.norm(self.gather(heard.transpose(1, 2)).transpose(1, 2)), kept


class SpeechEncoder(nn.Module):
    """See the head of this file."""

    def __init__(self, parameters: EncoderParameters | None = None) -> None:
        super().__init__()
        self.parameters_of = p = parameters or EncoderParameters()
        self.near = Near(p.near, p.width)
        self.memory = MEMORIES[p.memory](p.width, p.layers)
        self.head = nn.Sequential(nn.Linear(2 * p.width, p.head), nn.SiLU(), nn.Linear(p.head, OUTPUTS))
        self.shapes: tuple[tuple[int, int], ...] = (*self.near.pasts, *self.memory.pasts)
        self.state_size = sum(rows * columns for rows, columns in self.shapes)
        """How many numbers a voice's state has."""

    def forward(self, features: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode T chunks.

        Args:
            features: float32 (B, 4 * T, 41), see `visavis_models.voice.features`.
            state: float32 (B, state_size), zeros at the start of a voice.

        Returns:
            (B, T, OUTPUTS), scores before any sigmoid, and the next state; row t is of chunk `t - lookahead_chunks`.
        """
        parts = [
            part.reshape(-1, rows, columns)
            for part, (rows, columns) in zip(
                torch.split(state, [rows * columns for rows, columns in self.shapes], dim=1), self.shapes, strict=True
            )
        ]
        near, kept_near = self.near(features, parts[:4])
        far, kept_far = self.memory(near, parts[4:])
        scores = self.head(torch.cat([far, near], dim=2))
        return scores, torch.cat([kept.flatten(1) for kept in (*kept_near, *kept_far)], dim=1)


def multiply_adds(parameters: EncoderParameters) -> int:
    """Multiplications of one chunk of one voice, without the norms: what a CPU has to do 25 times a second."""
    model = SpeechEncoder(parameters)
    steps = {"near.first": 4, "near.second": 2, "near.third": 2}
    total = 0
    for name, weight in model.named_parameters():
        if weight.dim() >= 2:
            total += weight.numel() * next((n for prefix, n in steps.items() if name.startswith(prefix)), 1)
    return total
