"""The denoiser: which way the latents of a window flow, given what to do (motion) and who it is (appearance).

A window's first frames were shown already: their latents are clean and stay so at every step, and new frames listen to
them in attention over time. They are not computed on, so that overlap costs next to nothing. Each new frame has a flow
time of its own, 0 for noise and 1 for a finished picture (X. Liu et al., Flow Straight and Fast, 2022; B. Chen et al.,
Diffusion Forcing, 2024). Nothing depends on a window's length.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from visavis_models.diffusion.networks.autoencoder import Stem
from visavis_models.diffusion.networks.blocks import Attention, step_embedding, unit_scale
from visavis_models.diffusion.sizes import (
    LATENT_CHANNELS,
    MOTION_FRAMES,
    MOTION_VALUES,
    SHADE_VALUES,
    RendererSize,
)

FARTHEST_FRAMES = 15
"""Frames of a window farther apart than this count as this far."""
MOTION_TOKENS = MOTION_FRAMES + 1
TIME_VALUES = 48
"""What blocks are told of a flow time."""


class _Modulated(nn.Module):
    """A block between a scaled, shifted input and a gated output.

    All three are told by the flow time (W. Peebles and S. Xie, Scalable Diffusion Models with Transformers, 2023).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.tell = nn.Linear(TIME_VALUES, 3 * width)
        nn.init.zeros_(self.tell.weight)
        nn.init.zeros_(self.tell.bias)

    def told(self, x: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, W, P, d) ready for the block, and the gate (B, W, 1, d)."""
        scale, shift, gate = self.tell(time)[:, :, None].chunk(3, -1)
        return unit_scale(x) * (1 + scale) + shift, gate


class _Convolution(_Modulated):
    """Neighbouring places, then all channels of each (Z. Liu et al., A ConvNet for the 2020s, 2022)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.near = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor, time: Tensor, where: _Where) -> Tensor:
        """(B, W, P, d) to the same."""
        y, gate = self.told(x, time)
        count, frames, places, width = y.shape
        picture = y.reshape(count * frames, where.height, where.width, width).permute(0, 3, 1, 2)
        y = self.near(picture).permute(0, 2, 3, 1).reshape(count, frames, places, width)
        return x + (1 + gate) * self.narrow(functional.silu(self.widen(y)))


class _Places(_Modulated):
    """All places of a frame listen to one another."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.attend = Attention(width, heads)

    def forward(self, x: Tensor, time: Tensor, where: _Where) -> Tensor:
        """(B, W, P, d) to the same."""
        y, gate = self.told(x, time)
        y = y.flatten(0, 1)
        return x + (1 + gate) * self.attend(y, y).unflatten(0, x.shape[:2])


class _Modalities(_Modulated):
    """Every place listens to the motion and to the portrait, and weighs which of them matters here."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.motion, self.appearance = Attention(width, heads), Attention(width, heads)
        self.weigh = nn.Linear(width, 2)

    def forward(self, x: Tensor, time: Tensor, where: _Where) -> Tensor:
        """(B, W, P, d) to the same."""
        y, gate = self.told(x, time)
        count, frames, places, width = y.shape
        done = self.motion(y.flatten(0, 1), where.motion.flatten(0, 1)).unflatten(0, (count, frames))
        is_ = self.appearance(y.flatten(1, 2), where.appearance).unflatten(1, (frames, places))
        share = 2 * torch.sigmoid(self.weigh(y))
        return x + (1 + gate) * (share[..., :1] * done + share[..., 1:] * is_)


class _Time(_Modulated):
    """Each place listens to itself in the window's other frames; how far away they are biases the scores."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.attend = Attention(width, heads)
        self.far = nn.Parameter(torch.zeros(heads, 2 * FARTHEST_FRAMES + 1))

    def forward(self, x: Tensor, time: Tensor, where: _Where) -> Tensor:
        """(B, W, P, d) to the same."""
        y, gate = self.told(x, time)
        count, frames, places, width = y.shape
        y = y.transpose(1, 2).flatten(0, 1)
        heard, bias = y, self.far[:, where.apart]
        if where.shown is not None:
            heard = torch.cat([where.shown, y], 1)
            bias = bias[None] + where.unknown[:, None, None]
            bias = bias.repeat_interleave(places, 0)
        else:
            bias = bias[None]
        y = self.attend(y, heard, bias).unflatten(0, (count, places)).transpose(1, 2)
        return x + (1 + gate) * y


class _Where:
    """What every block may look at besides the new frames' tokens."""

    def __init__(self, motion: Tensor, appearance: Tensor, height: int, width: int) -> None:
        self.motion, self.appearance, self.height, self.width = motion, appearance, height, width
        self.shown: Tensor | None = None
        """(B P, O, d): tokens of the frames that were shown, unit scale."""
        self.unknown = motion.new_zeros(())
        """(B, O + N): added to scores; very low for shown frames that there are none of."""
        self.apart = torch.zeros((), dtype=torch.long)
        """(N, O + N): which of `_Time.far`."""


_BLOCKS: dict[str, type[_Modulated]] = {"c": _Convolution, "s": _Places, "x": _Modalities, "t": _Time}


class MotionTokens(nn.Module):
    """What to do: one token for each motion around a frame, one for the shade of the person's teeth."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.read = nn.Sequential(nn.Linear(MOTION_VALUES, width), nn.SiLU(), nn.Linear(width, width))
        self.when = nn.Parameter(torch.randn(MOTION_FRAMES, width) * 0.02)
        self.shade = nn.Linear(SHADE_VALUES, width)

    def forward(self, motion: Tensor, shade: Tensor) -> Tensor:
        """(B, W, 5, 58) and (B, 3) to (B, W, 6, d)."""
        count, frames = motion.shape[:2]
        shade = self.shade(shade)[:, None, None].expand(count, frames, 1, -1)
        return torch.cat([self.read(motion) + self.when, shade], 2)


class AppearanceTokens(nn.Module):
    """Who it is: tokens of the reference portrait's crop. Made once for an avatar."""

    def __init__(self, size: RendererSize) -> None:
        super().__init__()
        self.stem = Stem(size.reference_channels, size.stem)
        self.gather = nn.Conv2d(size.stem[2], size.width, size.token_pool, stride=size.token_pool)

    def forward(self, reference: Tensor) -> Tensor:
        """Maps of the reference (B, REFERENCE_CHANNELS, H, W) to tokens (B, A, d)."""
        tokens = self.gather(self.stem(reference).eighth).flatten(2).transpose(1, 2)
        return unit_scale(tokens)


class Denoiser(nn.Module):
    """See the head of this file."""

    def __init__(self, size: RendererSize) -> None:
        super().__init__()
        self.size = size
        width = size.width
        self.enter = nn.Linear(LATENT_CHANNELS + size.stem[2], width)
        self.enter_shown = nn.Linear(LATENT_CHANNELS + size.stem[2], width)
        self.motion = MotionTokens(width)
        self.when = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, TIME_VALUES), nn.SiLU())
        self.blocks = nn.ModuleList(_BLOCKS[kind](width, size.heads) for kind in size.blocks)
        self.leave = nn.Linear(width, LATENT_CHANNELS)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self,
        latents: Tensor,
        time: Tensor,
        eighth: Tensor,
        motion: Tensor,
        shade: Tensor,
        tokens: Tensor,
        shown: Tensor,
        shown_eighth: Tensor,
        known: Tensor,
    ) -> Tensor:
        """The velocity of every new frame's latents, from noise towards the picture.

        Args:
            latents: (B, N, 16, h, w), each frame at its own flow time.
            time: (B, N), 0 noise .. 1 finished.
            eighth: (B, N, stem[2], h, w): the maps' features at an eighth.
            motion: (B, N, 5, 58), see `MOTION_FRAMES`.
            shade: (B, 3).
            tokens: (B, A, d) of `AppearanceTokens`.
            shown: (B, O, 16, h, w): latents of the frames before, clean; O may be 0.
            shown_eighth: (B, O, stem[2], h, w).
            known: (B, O): 0 where there was no such frame.

        Returns:
            (B, N, 16, h, w).

        Raises:
            ValueError: shapes that do not belong together.
        """
        count, frames, channels, height, width = latents.shape
        if channels != LATENT_CHANNELS or eighth.shape[:2] != (count, frames) or eighth.shape[3:] != (height, width):
            raise ValueError(f"latents {tuple(latents.shape)} do not fit features {tuple(eighth.shape)}")
        if motion.shape != (count, frames, MOTION_FRAMES, MOTION_VALUES) or time.shape != (count, frames):
            raise ValueError(f"motion {tuple(motion.shape)} or time {tuple(time.shape)} is not of {count} x {frames}")
        if shown.shape[:2] != known.shape or shown_eighth.shape[:2] != known.shape or len(known) != count:
            raise ValueError(f"{tuple(shown.shape)} shown latents do not fit {tuple(known.shape)} known ones")
        x = self.enter(_tokens(latents, eighth))
        told = self.when(step_embedding(time, self.size.width))
        where = _Where(self.motion(motion, shade), tokens, height, width)
        before = shown.shape[1]
        frame = torch.arange(before + frames, device=x.device)
        where.apart = (frame[None] - frame[before:, None]).clamp(-FARTHEST_FRAMES, FARTHEST_FRAMES) + FARTHEST_FRAMES
        if before:
            seen = unit_scale(self.enter_shown(_tokens(shown, shown_eighth)))
            where.shown = seen.transpose(1, 2).flatten(0, 1)
            where.unknown = functional.pad((1 - known) * -1e4, (0, frames))
        for block in self.blocks:
            x = block(x, told, where)
        x = self.leave(unit_scale(x))
        return x.transpose(2, 3).unflatten(3, (height, width))


def _tokens(latents: Tensor, eighth: Tensor) -> Tensor:
    """(B, W, C, h, w) and (B, W, C', h, w) to (B, W, h w, C + C')."""
    return torch.cat([latents, eighth], 2).flatten(3).transpose(2, 3)
