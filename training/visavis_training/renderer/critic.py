"""A critic of pictures: tells made mouths and eyes from true ones, patch by patch, so that they become as sharp.

Hinge loss on patches (P. Isola et al., 2017; T. Miyato et al., Spectral Normalization, 2018) and matching of features
(T.-C. Wang et al., 2018). Only what may be generated is judged. Training only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from visavis_models.diffusion.maps import MAPS
from visavis_models.diffusion.networks.synthesis_region import composed
from visavis_training.renderer.losses import Seen

_TOLD = ("warped", "shown", "lips", "mouth", "lids", "eye", "iris")
"""Maps that the critic sees beside a picture."""
_FEATURES = 4.0
"""How much matching of features counts beside being taken for true."""
_PATCH = 8


class Critic(nn.Module):
    """A score of every patch of 8 x 8 pixels, and the features on the way to it."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        given = 3 + sum(MAPS[name].stop - MAPS[name].start for name in _TOLD)
        self.layers = nn.ModuleList(
            spectral_norm(layer)
            for layer in (
                nn.Conv2d(given, width, 4, 2, 1),
                nn.Conv2d(width, 2 * width, 4, 2, 1),
                nn.Conv2d(2 * width, 4 * width, 4, 2, 1),
                nn.Conv2d(4 * width, 4 * width, 3, 1, 1),
            )
        )
        self.score = spectral_norm(nn.Conv2d(4 * width, 1, 3, 1, 1))

    def forward(self, picture: Tensor, maps: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Of pictures (B, 3, H, W) over maps (B, MAP_CHANNELS, H, W): scores (B, 1, H / 8, W / 8), and features."""
        x = torch.cat([picture, *(maps[:, MAPS[name]] for name in _TOLD)], 1)
        features = []
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.score(x), features


@dataclass(frozen=True, slots=True)
class Pair:
    """A made picture and the true one, both laid over the driven photo, and what of them is judged."""

    made: Tensor
    true: Tensor
    maps: Tensor
    weight: Tensor
    """(B, 1, H / 8, W / 8)."""

    @classmethod
    def of(cls, made: Tensor, seen: Seen) -> Pair:
        """Of the decoder's answers (B, 4, H, W)."""
        shown, _ = composed(made, seen.maps)
        warped = seen.maps[:, MAPS["warped"]]
        true = warped + seen.region * (seen.target - warped)
        return cls(shown, true, seen.maps, functional.avg_pool2d(seen.region, _PATCH))


def _weighted(value: Tensor, weight: Tensor) -> Tensor:
    return (value * weight).sum() / weight.sum().clamp(min=1e-3)


class Adversary:
    """The critic at work: learns to tell, and tells what made pictures lack.

    Args:
        device: where.
        rate: of its learning.
    """

    def __init__(self, device: str, rate: float = 4e-4) -> None:
        self.critic = Critic().to(device)
        self.optimiser = torch.optim.AdamW(self.critic.parameters(), rate, betas=(0.5, 0.98), weight_decay=1e-3)

    def learn(self, pair: Pair) -> Tensor:
        """One step at telling true from made; returns its loss."""
        true, _ = self._judged(pair.true, pair.maps)
        made, _ = self._judged(pair.made.detach(), pair.maps)
        loss = _weighted(functional.relu(1 - true), pair.weight) + _weighted(functional.relu(1 + made), pair.weight)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def lack(self, pair: Pair) -> Tensor:
        """What made pictures are to be improved by."""
        self.critic.requires_grad_(False)
        score, made = self._judged(pair.made, pair.maps)
        with torch.no_grad():
            _, true = self._judged(pair.true, pair.maps)
        self.critic.requires_grad_(True)
        unlike = torch.stack([(a - b).abs().mean() for a, b in zip(made, true, strict=True)]).sum()
        return _FEATURES * unlike - _weighted(score, pair.weight)

    def _judged(self, picture: Tensor, maps: Tensor) -> tuple[Tensor, list[Tensor]]:
        # Spectral norms need all their digits.
        with torch.autocast(picture.device.type, enabled=False):
            found: tuple[Tensor, list[Tensor]] = self.critic(picture.float(), maps.float())
        return found

    def memory(self) -> dict[str, Any]:
        """All that `recall` needs to go on."""
        return {"critic": self.critic.state_dict(), "critic_optimiser": self.optimiser.state_dict()}

    def recall(self, memory: dict[str, Any]) -> None:
        """Go on where another run stopped."""
        self.critic.load_state_dict(memory["critic"])
        self.optimiser.load_state_dict(memory["critic_optimiser"])


def balanced(loss: Tensor, lack: Tensor, layer: Tensor, share: float) -> Tensor:
    """The critic's part brought to a share of the other losses' pull on one layer (P. Esser et al., VQGAN, 2021)."""
    (pull,) = torch.autograd.grad(loss, layer, retain_graph=True)
    (other,) = torch.autograd.grad(lack, layer, retain_graph=True)
    scale = (pull.norm() / other.norm().clamp(min=1e-8)).clamp(max=1e3)
    return share * scale.detach() * lack
