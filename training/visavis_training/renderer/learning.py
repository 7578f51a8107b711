"""The steps by which the renderer's networks learn: pictures as latents first, then latents from noise, then streams.

One step is one call; everything that goes on over steps is in `Learner.memory`. Knows nothing of time, files or where
windows come from.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from visavis_models.diffusion.networks.autoencoder import Features, unit_latents
from visavis_models.diffusion.networks.flow import flowed, noised
from visavis_models.diffusion.networks.renderer_networks import RendererNetworks, Shown, Told
from visavis_models.diffusion.sizes import LATENT_CHANNELS, LATENT_FACTOR, RendererSize
from visavis_training.renderer.clip_store import ClipStore, flattened
from visavis_training.renderer.critic import Adversary, Pair, balanced
from visavis_training.renderer.crop_stream import CropBatch
from visavis_training.renderer.losses import Seen, flow_loss, picture_losses, steadiness_loss

Losses = dict[str, Tensor]
STAGES = ("autoencoder", "denoiser", "stream")
_WARM_UP_STEPS = 100
_WHOLE_OVERLAP = 0.7
"""Windows in which all frames before are known."""
_AVERAGED_OVER = 400.0
"""Steps, about, that the average of the weights looks back on."""


@dataclass(frozen=True, slots=True)
class LearningSettings:
    """How much a step looks at, and how."""

    pictures: int = 384
    """Frames of one step."""
    rate: float = 6e-4
    decoder_share: float = 0.7
    """The decoder's rate, of that, once latents are learnt."""
    eye_share: float = 0.25
    """Steps that look at eyes."""
    window_share: float = 0.7
    """Steps that look at windows; the others at single frames."""
    from_noise_share: float = 0.4
    """Frames that begin as mere noise, as they all do in one step."""
    latent_noise: float = 0.15
    """Latents are spoilt by so much when the decoder learns."""
    own_share: float = 0.5
    """In the stage of streams: windows that go on from the networks' own pictures."""
    critic_share: float = 0.4
    """In the stage of streams: the critic's pull, in shares of all other losses'."""
    critic_alone: int = 150
    """Steps that the critic learns by itself first."""
    channels_last: bool = False
    """Pictures lie with their channels together: quicker on some GPUs."""


class Learner:
    """Networks, their average, and the optimiser.

    Args:
        size: of the networks.
        stage: one of `STAGES`.
        device: where.
        seed: of all chance.
        settings: of steps.
    """

    def __init__(
        self, size: RendererSize, stage: str, device: str, seed: int = 0, settings: LearningSettings | None = None
    ) -> None:
        if stage not in STAGES:
            raise ValueError(f"there is no stage {stage}: choose one of {', '.join(STAGES)}")
        torch.manual_seed(seed)
        self.size, self.stage, self.device = size, stage, device
        self.settings = settings or LearningSettings()
        self.networks = RendererNetworks(size).to(device)
        if self.settings.channels_last:
            self.networks.to(memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]
        self.average = copy.deepcopy(self.networks).requires_grad_(False)
        self.dice = torch.Generator(device).manual_seed(seed)
        self.choice = torch.Generator().manual_seed(seed)
        self.steps = 0
        self.adversary = Adversary(device) if stage == "stream" else None
        self.optimiser = torch.optim.AdamW(self._groups(), betas=(0.9, 0.98), weight_decay=1e-3)

    def _groups(self) -> list[dict[str, Any]]:
        rate, nets = self.settings.rate, self.networks
        picture: list[nn.Module] = [nets.encoder, nets.stem, nets.decoder]
        flow: list[nn.Module] = [nets.denoiser, nets.appearance]

        def group(modules: Iterable[nn.Module], share: float) -> dict[str, Any]:
            return {"params": [p for m in modules for p in m.parameters()], "lr": rate * share, "share": share}

        if self.stage == "autoencoder":
            return [group(picture, 1.0)]
        nets.encoder.requires_grad_(False)
        return [group(flow, 1.0), group([nets.stem, nets.decoder], self.settings.decoder_share)]

    def step(self, store: ClipStore, done: float) -> Losses:
        """Learn from some windows of the store; `done` 0..1 of the training is over. Returns the loss's parts."""
        rate = self.settings.rate * min(1.0, (self.steps + 1) / _WARM_UP_STEPS)
        rate *= 0.03 + 0.97 * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0)))
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        batch = self._chosen(store)
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.startswith("cuda")):
            losses, answer = self._pictures(batch) if self.stage == "autoencoder" else self._window(batch)
            total = torch.stack([value.float() for value in losses.values()]).sum()
            if self.adversary is not None:
                total = total + self._criticised(self.adversary, total, *answer, losses)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        losses["slope"] = nn.utils.clip_grad_norm_(self.networks.parameters(), 1.0)
        self.optimiser.step()
        self.steps += 1
        self._average()
        return {name: value.detach() for name, value in losses.items()}

    def _chance(self) -> float:
        return float(torch.rand((), generator=self.choice))

    def _chosen(self, store: ClipStore) -> CropBatch:
        eye = self._chance() < self.settings.eye_share and store.count("eye") > 0
        region = "eye" if eye or not store.count("mouth") else "mouth"
        windows = self.stage != "autoencoder" and self._chance() < self.settings.window_share
        probe = store.sample(region, 1, self.choice)
        count = max(self.settings.pictures // probe.maps.shape[1], 1)
        batch = store.sample(region, count, self.choice, in_order=windows)
        return batch if windows or self.stage == "autoencoder" else flattened(batch)

    def _criticised(self, adversary: Adversary, total: Tensor, made: Tensor, seen: Seen, losses: Losses) -> Tensor:
        """What the critic adds to the loss; notes its figures among the losses."""
        pair = Pair.of(made, seen)
        losses["critic"] = adversary.learn(pair)
        if self.steps < self.settings.critic_alone:
            return total.new_zeros(())
        lack = adversary.lack(pair)
        losses["lack"] = lack.detach()
        return balanced(total, lack, self.networks.decoder.out.weight, self.settings.critic_share)

    def _pictures(self, batch: CropBatch) -> tuple[Losses, tuple[Tensor, Seen]]:
        """Pictures through latents and back."""
        nets = self.networks
        features, latents = nets.features(batch.maps), nets.latents(batch.target)
        # From a little to wholly: what the maps tell, the decoder must be able to paint without latents.
        much = torch.rand(len(latents), 1, 1, 1, 1, generator=self.dice, device=latents.device).pow(3)
        much = self.settings.latent_noise + (1 - self.settings.latent_noise) * much
        spoilt = unit_latents((1 - much) * latents + much * self._noise(latents))
        made = nets.pictures(spoilt, features, batch.maps).float().flatten(0, 1)
        seen = Seen.of(batch.maps.flatten(0, 1), batch.target.flatten(0, 1))
        return picture_losses(made, seen), (made, seen)

    def _window(self, batch: CropBatch) -> tuple[Losses, tuple[Tensor, Seen]]:
        """Latents of new frames from noise, after frames that were shown."""
        nets, settings = self.networks, self.settings
        windows, frames = batch.maps.shape[:2]
        with torch.no_grad():
            clean = nets.latents(batch.target).float()
        known = 0 if frames == 1 else int(torch.randint(0, frames // 2 + 1, (), generator=self.choice))
        noise = self._noise(clean[:, :1]).expand_as(clean)
        time = torch.rand(windows, 1, generator=self.dice, device=clean.device).expand(windows, frames).clone()
        time[torch.rand(windows, generator=self.dice, device=clean.device) < settings.from_noise_share] = 0.0
        features = nets.features(batch.maps)
        shown = self._shown(batch, clean, noise, features, known)
        new = batch_of(batch, slice(known, None))
        rest, clean, noise, time = (
            features.of(slice(known, None)),
            clean[:, known:],
            noise[:, known:],
            time[:, known:],
        )
        start = noised(clean, noise, time)
        told = Told(rest, new.motion, new.shade, new.reference)
        way = nets.velocity(told, shown)(start, time)
        seen = Seen.of(new.maps.flatten(0, 1), new.target.flatten(0, 1))
        region, weight = (x.unflatten(0, (windows, frames - known)) for x in (seen.region, seen.weight))
        losses = {"flow": flow_loss(way.float(), clean, noise, region)}
        arrived = unit_latents(start + (1 - time[:, :, None, None, None]) * way)
        made = nets.pictures(arrived, rest, new.maps).float()
        losses |= {name: 1.5 * value for name, value in picture_losses(made.flatten(0, 1), seen).items()}
        if frames - known > 1:
            losses["steady"] = steadiness_loss(made[:, :, :3], new.target, weight)
        return losses, (made.flatten(0, 1), seen)

    def _shown(self, batch: CropBatch, clean: Tensor, noise: Tensor, features: Features, known: int) -> Shown:
        """The frames before: true latents, a little spoilt, or what the networks made of them themselves."""
        if not known:
            return Shown.none(len(clean), self.size, clean)
        latents = unit_latents(clean[:, :known] + 0.5 * self.settings.latent_noise * self._noise(clean[:, :known]))
        if self.stage == "stream" and self._chance() < self.settings.own_share:
            latents = self._own(batch_of(batch, slice(0, known)), noise[:, :known])
        # A stream begins with fewer frames than a window has room for.
        first = torch.randint(0, known + 1, (len(clean), 1), generator=self.dice, device=clean.device)
        sure = torch.rand(len(clean), 1, generator=self.dice, device=clean.device) < _WHOLE_OVERLAP
        count = torch.arange(known, device=clean.device)[None]
        return Shown(latents, features.eighth[:, :known], ((count >= first) | sure).to(clean.dtype))

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def _own(self, batch: CropBatch, noise: Tensor) -> Tensor:
        """Latents of frames from nothing but noise, in one step."""
        nets = self.average
        told = Told(nets.features(batch.maps), batch.motion, batch.shade, batch.reference)
        velocity = nets.velocity(told, Shown.none(len(noise), self.size, noise))
        return flowed(velocity, noise, 1).float()

    def _noise(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self.dice, device=like.device, dtype=like.dtype)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def _average(self) -> None:
        keep = min(1 - 1 / _AVERAGED_OVER, 1 - 1 / (self.steps + 1))
        mine = [p for p in self.networks.state_dict().values() if p.is_floating_point()]
        kept = [p for p in self.average.state_dict().values() if p.is_floating_point()]
        torch._foreach_lerp_(kept, mine, 1 - keep)

    def memory(self) -> dict[str, Any]:
        """All that `recall` needs to go on."""
        return {
            "networks": self.networks.state_dict(), "average": self.average.state_dict(), "steps": self.steps,
            "optimiser": self.optimiser.state_dict(), "dice": self.dice.get_state(), "choice": self.choice.get_state(),
        } | (self.adversary.memory() if self.adversary else {})  # fmt: skip

    def recall(self, memory: dict[str, Any]) -> None:
        """Go on where another run of this stage stopped."""
        self.networks.load_state_dict(memory["networks"])
        self.average.load_state_dict(memory["average"])
        self.optimiser.load_state_dict(memory["optimiser"])
        self.dice.set_state(memory["dice"].cpu())
        self.choice.set_state(memory["choice"].cpu())
        self.steps = memory["steps"]
        if self.adversary:
            self.adversary.recall(memory)

    def begin_with(self, weights: dict[str, Tensor]) -> None:
        """Take over what an earlier stage learnt.

        Raises:
            RuntimeError: the weights are of other networks.
        """
        self.networks.load_state_dict(weights)
        self.average.load_state_dict(weights)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def shows(self, batch: CropBatch, steps: int) -> Tensor:
        """What the averaged networks make of windows from nothing but noise, (B, W, 4, H, W'); for looking."""
        nets = self.average
        shape = (len(batch.maps), 1, LATENT_CHANNELS, *(n // LATENT_FACTOR for n in batch.maps.shape[-2:]))
        noise = torch.randn(shape, generator=torch.Generator(self.device).manual_seed(1), device=self.device)
        noise = noise.expand(-1, batch.maps.shape[1], -1, -1, -1)
        shown = Shown.none(len(noise), self.size, noise)
        made, _ = nets.window(batch.maps, batch.motion, batch.shade, batch.reference, shown, noise, steps)
        return made

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def repeats(self, batch: CropBatch) -> Tensor:
        """True pictures through latents and back, (B, W, 4, H, W'): the best that the decoder could show."""
        nets = self.average
        return nets.pictures(nets.latents(batch.target), nets.features(batch.maps), batch.maps)


def batch_of(batch: CropBatch, frames: slice) -> CropBatch:
    """Some frames of each window."""
    return replace(batch, maps=batch.maps[:, frames], target=batch.target[:, frames], motion=batch.motion[:, frames])


def part(batch: CropBatch, count: int) -> CropBatch:
    """The first windows of a batch."""
    taken = {n: getattr(batch, n)[:count] for n in ("maps", "reference", "target", "motion", "shade", "in_order")}
    return replace(batch, **taken)
