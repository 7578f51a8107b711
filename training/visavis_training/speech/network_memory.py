"""Three kinds of memory for the speech encoder: gated recurrence, dilated convolutions, attention over the last second.

Each maps (B, T, width) to the same shape, sees only the past, and carries what it must remember as tensors of a fixed
size: streamed chunk by chunk or run over a whole recording, it gives the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

Shapes = tuple[tuple[int, int], ...]
Carried = tuple[torch.Tensor, list[torch.Tensor]]


class Memory(nn.Module):
    """What the kinds have in common."""

    pasts: Shapes = ()
    """Rows and columns of each tensor that is remembered."""


class Recurrence(Memory):
    """Gated recurrent units (K. Cho et al., 2014), each layer added to what came in."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.GRU(width, width, batch_first=True) for _ in range(layers))
        self.pasts = ((1, width),) * layers

    def forward(self, x: torch.Tensor, states: Sequence[torch.Tensor]) -> Carried:
        """See the head of this file."""
        kept = []
        for layer, state in zip(self.layers, states, strict=True):
            y, after = layer(x, state.transpose(0, 1).contiguous())
            kept.append(after.transpose(0, 1))
            x = x + y
        return x, kept


_DILATIONS = (1, 2, 4, 1, 2, 4, 8)


class Convolution(Memory):
    """Gated dilated convolutions of three taps (after A. van den Oord et al., WaveNet, 2016)."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.layers = nn.ModuleList(
            nn.Conv1d(width, 2 * width, 3, dilation=_DILATIONS[i % len(_DILATIONS)]) for i in range(layers)
        )
        self.pasts = tuple((2 * _DILATIONS[i % len(_DILATIONS)], width) for i in range(layers))

    def forward(self, x: torch.Tensor, states: Sequence[torch.Tensor]) -> Carried:
        """See the head of this file."""
        kept = []
        for norm, layer, state in zip(self.norms, self.layers, states, strict=True):
            heard = torch.cat([state, norm(x)], dim=1)
            kept.append(heard[:, -state.shape[1] :])
            x = x + nn.functional.glu(layer(heard.transpose(1, 2)), dim=1).transpose(1, 2)
        return x, kept


SEEN_CHUNKS = 25
_HEADS = 4


class Attention(Memory):
    """A small transformer that attends to the last second (A. Vaswani et al., 2017), with a learnt bias by distance."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * layers))
        self.mixes = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(layers))
        self.outs = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.wide = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(layers))
        self.narrow = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(layers))
        self.distance = nn.Parameter(torch.zeros(layers, _HEADS, SEEN_CHUNKS + 1))
        self.pasts = ((SEEN_CHUNKS, 2 * width),) * layers

    def forward(self, x: torch.Tensor, states: Sequence[torch.Tensor]) -> Carried:
        """See the head of this file."""
        batch, count, width = x.shape
        queries = torch.arange(count, device=x.device)[:, None] + SEEN_CHUNKS
        away = queries - torch.arange(count + SEEN_CHUNKS, device=x.device)[None]
        unseen = (away < 0) | (away > SEEN_CHUNKS)
        kept = []
        for i, state in enumerate(states):
            mixed = self.mixes[i](self.norms[2 * i](x))
            query = mixed[..., :width]
            heard = torch.cat([state, mixed[..., width:]], dim=1)
            kept.append(heard[:, -SEEN_CHUNKS:])
            bias = self.distance[i][:, away.clamp(0, SEEN_CHUNKS)].masked_fill(unseen, -1e4)
            q, k, v = (
                part.reshape(batch, -1, _HEADS, width // _HEADS).transpose(1, 2)
                for part in (query, heard[..., :width], heard[..., width:])
            )
            weights = torch.softmax(q @ k.transpose(2, 3) * (width // _HEADS) ** -0.5 + bias, dim=-1)
            x = x + self.outs[i]((weights @ v).transpose(1, 2).reshape(batch, count, width))
            x = x + self.narrow[i](nn.functional.silu(self.wide[i](self.norms[2 * i + 1](x))))
        return x, kept


MEMORIES: dict[str, Callable[[int, int], Memory]] = {
    "gru": Recurrence,
    "convolution": Convolution,
    "attention": Attention,
}
