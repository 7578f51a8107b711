"""The denoiser as it is exported: the same answers as `denoiser.Denoiser`, in an order that a CPU is fast at.

Tokens lie in one matrix, so that linear steps are plain products; scales stand where ONNX Runtime recognises
normalisation as one operator; the few motion tokens are listened to by all heads at once, their answer multiplied out
beforehand. Made from a trained denoiser, never trained itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from visavis_models.diffusion.networks.blocks import Attention, step_embedding
from visavis_models.diffusion.networks.denoiser import FARTHEST_FRAMES, MOTION_TOKENS, Denoiser


class DenoiserGraph(nn.Module):
    """See the head of this file.

    Args:
        denoiser: trained.
    """

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.width = denoiser.size.width
        kinds = zip(denoiser.size.blocks, denoiser.blocks, strict=True)
        self.blocks = nn.ModuleList(_BLOCKS[kind](block) for kind, block in kinds)
        self.plain = _Norm(torch.ones(self.width))
        weights, biases = [], []
        for block in denoiser.blocks:
            weights.append(block.tell.weight)
            scale, shift, gate = block.tell.bias.detach().chunk(3)
            biases.append(torch.cat([1 + scale, shift, 1 + gate]))
        self.tell = _linear(torch.cat(weights), torch.cat(biases))

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
        """See `Denoiser.forward`; at least one shown frame."""
        net = self.denoiser
        avatars, frames, _, height, width = latents.shape
        told = self.tell(net.when(step_embedding(time.flatten(), self.width)))[:, None].split(self.width, -1)
        where = _Where(avatars, frames, height, width, known)
        where.motion = net.motion(motion, shade).flatten(0, 2)
        where.appearance = tokens.flatten(0, 1)
        where.shown = self.plain(net.enter_shown(_rows(shown, shown_eighth)))
        x = net.enter(_rows(latents, eighth))
        frame = (-1, where.places, self.width)
        for k, block in enumerate(self.blocks):
            scale, shift, gate = told[3 * k : 3 * k + 3]
            y = (self.plain(x).reshape(frame) * scale + shift).flatten(0, 1)
            x = x + (block(y, where).reshape(frame) * gate).flatten(0, 1)
        x = net.leave(self.plain(x)).reshape(avatars, frames, where.places, -1)
        return x.transpose(2, 3).unflatten(3, (height, width))


def _rows(latents: Tensor, eighth: Tensor) -> Tensor:
    """(B, W, C, h, w) and (B, W, C', h, w) to (B W h w, C + C')."""
    both = torch.cat([latents, eighth], 2).flatten(3).transpose(2, 3)
    return both.flatten(0, 2)


class _Where:
    """What blocks may look at besides the new frames' tokens, and how those lie in their matrix."""

    motion: Tensor
    """(B N 6, d)."""
    appearance: Tensor
    """(B A, d)."""
    shown: Tensor
    """(B O P, d), of unit scale."""

    def __init__(self, avatars: int, frames: int, height: int, width: int, known: Tensor) -> None:
        self.avatars, self.frames, self.height, self.width = avatars, frames, height, width
        self.places = height * width
        before = known.shape[1]
        frame = torch.arange(before + frames)
        apart = frame[None] - frame[before:, None]
        self.apart = apart.clamp(-FARTHEST_FRAMES, FARTHEST_FRAMES) + FARTHEST_FRAMES
        """(N, O + N): how far away every frame is, as a column of a time attention's `far`."""
        self.unknown = functional.pad((1 - known) * -1e4, (0, frames))[:, None, None, None]
        """(B, 1, 1, 1, O + N): added to scores; very low for frames that there are none of."""


class _Norm(nn.Module):
    """Rows brought to unit root mean square, then scaled by constants: one operator in ONNX Runtime."""

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.scale = nn.Parameter(scale.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.scale


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        made.weight.copy_(weight)
        made.bias.copy_(bias)
    return made


class _Heads(nn.Module):
    """Queries, keys and values of an attention, one head to a row of its own."""

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.heads, both = attention.heads, attention.key_value
        self.query, self.answer = attention.query, attention.answer
        key, value = both.weight.chunk(2)
        key_bias, value_bias = both.bias.chunk(2)
        self.key, self.value = _linear(key, key_bias), _linear(value, value_bias)
        self.head_width = len(attention.query_scale)
        self.even_query = _Norm(attention.query_scale)
        self.even_key = _Norm(attention.key_scale * self.head_width**-0.5)

    def split(self, x: Tensor) -> Tensor:
        """(rows, d) to (rows, heads, d / heads)."""
        return x.reshape(-1, self.heads, self.head_width)

    def queries(self, x: Tensor) -> Tensor:
        return self.even_query(self.split(self.query(x)))

    def keys(self, x: Tensor) -> Tensor:
        return self.even_key(self.split(self.key(x)))

    def values(self, x: Tensor) -> Tensor:
        return self.split(self.value(x))

    def heard(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """(.., asked, heads, c), (.., listened, heads, c) twice, to (rows, d)."""
        q, k, v = queries.transpose(1, 2), keys.permute(0, 2, 3, 1), values.transpose(1, 2)
        return ((q @ k).softmax(-1) @ v).transpose(1, 2).reshape(-1, self.heads * self.head_width)


class _Convolution(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.near, self.widen, self.narrow = block.near, block.widen, block.narrow

    def forward(self, y: Tensor, where: _Where) -> Tensor:
        picture = y.reshape(-1, where.height, where.width, y.shape[1]).permute(0, 3, 1, 2)
        near = self.near(picture).permute(0, 2, 3, 1).flatten(0, 2)
        done: Tensor = self.narrow(functional.silu(self.widen(near)))
        return done


class _Places(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.heads = _Heads(block.attend)

    def forward(self, y: Tensor, where: _Where) -> Tensor:
        parts = (self.heads.queries(y), self.heads.keys(y), self.heads.values(y))
        done: Tensor = self.heads.answer(self.heads.heard(*(x.unflatten(0, (-1, where.places)) for x in parts)))
        return done


class _Modalities(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.motion, self.appearance, self.weigh = _Heads(block.motion), _Heads(block.appearance), block.weigh
        count, width = self.motion.heads, self.motion.head_width
        own = torch.eye(count).repeat_interleave(width, 1)[:, None]
        self.own = nn.Parameter(own)
        """(heads, 1, d): 1 where a channel is the head's."""

    def forward(self, y: Tensor, where: _Where) -> Tensor:
        share = 2 * torch.sigmoid(self.weigh(y))
        done = self._motion(y, where, share[:, :1])
        a, avatars = self.appearance, where.avatars
        keys, values = a.keys(where.appearance), a.values(where.appearance)
        parts = (x.reshape(avatars, -1, a.heads, a.head_width) for x in (a.queries(y), keys, values))
        return done + a.answer(a.heard(*parts)) * share[:, 1:]

    def _motion(self, y: Tensor, where: _Where, share: Tensor) -> Tensor:
        """What all heads hear of a frame's motion, times its share: (rows, d)."""
        m, width = self.motion, y.shape[1]
        listened = m.heads * MOTION_TOKENS
        # A head's keys are zero in the other heads' channels, so that one product gives all heads' scores.
        keys = m.keys(where.motion).reshape(-1, 1, MOTION_TOKENS, width) * self.own
        queries = m.queries(y).reshape(-1, where.places, width)
        scores = queries @ keys.reshape(-1, listened, width).transpose(1, 2)
        weights = scores.reshape(-1, m.heads, MOTION_TOKENS).softmax(-1).reshape(-1, listened) * share
        # The answer is linear: it is given for each token instead of for each place. A head's weights sum to one.
        values = m.values(where.motion).reshape(-1, 1, MOTION_TOKENS, width) * self.own
        said = values.reshape(-1, width) @ m.answer.weight.T + m.answer.bias / m.heads
        return (weights.reshape(-1, where.places, listened) @ said.reshape(-1, listened, width)).flatten(0, 1)


class _Time(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.heads, self.far = _Heads(block.attend), block.far

    def forward(self, y: Tensor, where: _Where) -> Tensor:
        h, rows = self.heads, where.places * self.heads.heads
        lying = (where.avatars, -1, rows, h.head_width)
        queries = h.queries(y).reshape(lying).transpose(1, 2)
        keys = h.even_key(self._joined(h.split(h.key(where.shown)), h.split(h.key(y)), lying))
        values = self._joined(h.values(where.shown), h.values(y), lying)
        scores = (queries @ keys.permute(0, 2, 3, 1)).reshape(where.avatars, where.places, h.heads, where.frames, -1)
        bias = self.far[:, where.apart] + where.unknown
        weights = (scores + bias).softmax(-1).reshape(where.avatars, rows, where.frames, -1)
        heard = (weights @ values.transpose(1, 2)).transpose(1, 2)
        done: Tensor = h.answer(heard.reshape(-1, h.heads * h.head_width))
        return done

    def _joined(self, shown: Tensor, new: Tensor, lying: tuple[int, ...]) -> Tensor:
        """(B, O + N, P heads, c)."""
        return torch.cat([shown.reshape(lying), new.reshape(lying)], 1)


_BLOCKS: dict[str, type[nn.Module]] = {"c": _Convolution, "s": _Places, "x": _Modalities, "t": _Time}
