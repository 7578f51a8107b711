"""Parts that the renderer's networks are built of. Torch modules that know no device; pictures are (B, C, H, W)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_GROUP = 8
"""Channels normalised together, at least."""


def unit_scale(x: Tensor, dim: int = -1) -> Tensor:
    """Brought to unit root mean square along one axis (B. Zhang and R. Sennrich, 2019)."""
    return x * torch.rsqrt(x.square().mean(dim, keepdim=True) + 1e-6)


def normed(channels: int) -> nn.GroupNorm:
    """Group normalisation (Y. Wu and K. He, 2018) that fits any of our widths."""
    return nn.GroupNorm(max(channels // (2 * _GROUP), 1), channels)


class Residual(nn.Module):
    """Two 3 x 3 convolutions around which the input goes along (K. He et al., 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.before, self.first = normed(channels), nn.Conv2d(channels, channels, 3, padding=1)
        self.between, self.second = normed(channels), nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        return x + self.second(functional.silu(self.between(self.first(functional.silu(self.before(x))))))


class Mixing(nn.Module):
    """Neighbouring places of each channel, then all channels of each place, as in Z. Liu et al., ConvNeXt, 2022.

    A quarter of what two full convolutions cost. Without normalisation, which would cost as much as the rest on a CPU:
    what is added starts small instead.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.widen, self.narrow = nn.Conv2d(channels, 2 * channels, 1), nn.Conv2d(2 * channels, channels, 1)
        nn.init.zeros_(self.narrow.bias)
        with torch.no_grad():
            self.narrow.weight.mul_(0.2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        return x + self.narrow(functional.silu(self.widen(self.near(x))))


class Shrink(nn.Module):
    """Half the size each way; every place sees `reach` pixels (2: only those that become it)."""

    def __init__(self, given: int, wanted: int, reach: int = 4) -> None:
        super().__init__()
        self.mix = nn.Conv2d(given, wanted, reach, stride=2, padding=reach // 2 - 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, H, W) to (B, wanted, H / 2, W / 2)."""
        return self.mix(x)


class Grow(nn.Module):
    """Twice the size each way: every place becomes 2 x 2."""

    def __init__(self, given: int, wanted: int) -> None:
        super().__init__()
        self.mix = nn.ConvTranspose2d(given, wanted, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, H, W) to (B, wanted, 2 H, 2 W)."""
        return self.mix(x)


class Attention(nn.Module):
    """Attention of tokens to tokens (A. Vaswani et al., 2017), queries and keys brought to unit scale.

    Args:
        width: of tokens and answers.
        heads: that share it.
        listened: width of the tokens that are listened to; the same if not given.
    """

    def __init__(self, width: int, heads: int, listened: int | None = None) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads cannot share {width} channels")
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(listened or width, 2 * width)
        self.answer = nn.Linear(width, width)
        self.query_scale = nn.Parameter(torch.ones(width // heads))
        self.key_scale = nn.Parameter(torch.ones(width // heads))

    def forward(self, tokens: Tensor, listened: Tensor, bias: Tensor | None = None) -> Tensor:
        """(B, N, width), (B, M, listened) and (1 or B, heads, N, M) added to the scores, to (B, N, width)."""
        count, asked, width = tokens.shape
        q = self.query(tokens).reshape(count, asked, self.heads, -1).transpose(1, 2)
        k, v = self.key_value(listened).reshape(count, listened.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        q = unit_scale(q) * self.query_scale
        k = unit_scale(k) * self.key_scale
        if bias is None:
            heard = functional.scaled_dot_product_attention(q, k, v)
        elif listened.shape[1] == 1:
            heard = v  # there is nothing to choose from
        else:
            # By hand: torch's own takes no more than 65 535 sequences on a GPU, and each place of a picture is one.
            score = q @ k.transpose(2, 3) * q.shape[3] ** -0.5 + bias
            heard = score.softmax(3).to(v.dtype) @ v
        return self.answer(heard.transpose(1, 2).reshape(count, asked, width))


def step_embedding(time: Tensor, width: int) -> Tensor:
    """Sines and cosines of a flow time 0..1, (...) to (..., width)."""
    speeds = torch.exp(torch.linspace(0.0, 6.0, width // 2, device=time.device, dtype=time.dtype))
    turned = time[..., None] * speeds
    return torch.cat([turned.cos(), turned.sin()], -1)
