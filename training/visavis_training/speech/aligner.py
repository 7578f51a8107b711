"""The recogniser behind the alignment: phone scores of every 10 ms of an utterance, and how it learns them.

It hears whole utterances, past and future, so it is for the factory and for measuring, never for a live voice. Knows
nothing of borders.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn

from visavis_models.voice.features import FEATURES
from visavis_training.speech.phones import PHONES

_CROP = 200
_QUIET = -2.0
"""What features are in silence."""
_BATCH_FRAMES = 60_000


class Aligner(nn.Module):
    """Phone scores of every 10 ms from the whole utterance."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.near = nn.Sequential(
            nn.Conv1d(FEATURES, width, 5, padding=2),
            nn.ReLU(),
            nn.Conv1d(width, width, 5, padding=4, dilation=2),
            nn.ReLU(),
            nn.Conv1d(width, width, 5, padding=4, dilation=2),
            nn.ReLU(),
        )
        self.far = nn.GRU(width, 96, bidirectional=True, batch_first=True)
        self.out = nn.Linear(192, len(PHONES))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, T, 41) to log-probabilities (B, T, phones)."""
        near = self.near(features.transpose(1, 2)).transpose(1, 2)
        return torch.log_softmax(self.out(self.far(near)[0]), dim=-1)


class Crops:
    """The training utterances on the device, cut at random.

    Utterances of small groups (engine and language) are heard more often than their share: by its square root.
    """

    def __init__(
        self, inputs: list[NDArray[np.float16]], groups: list[tuple[str, str]], device: torch.device, seed: int
    ) -> None:
        lengths = np.array([len(x) for x in inputs])
        self._device = device
        self._source = np.random.default_rng(seed)
        self._features = torch.from_numpy(np.concatenate(inputs)).to(device)
        self._labels = torch.zeros(len(self._features), dtype=torch.int64, device=device)
        self._starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        self._lengths = lengths
        totals: dict[tuple[str, str], float] = defaultdict(float)
        for group, length in zip(groups, lengths, strict=True):
            totals[group] += float(length)
        weights = np.array([n / np.sqrt(totals[g]) for g, n in zip(groups, lengths, strict=True)], np.float64)
        self._edges = np.cumsum(weights) / weights.sum()

    def label(self, labels: list[NDArray[np.int64]]) -> NDArray[np.float64]:
        """Take these labels; returns how often each phone is among them: float64 (phones,), sums to 1."""
        flat = np.concatenate(labels)
        self._labels = torch.from_numpy(flat).to(self._device)
        return np.asarray(np.bincount(flat, minlength=len(PHONES)) / len(flat))

    def draw(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (count, 200, 41) and labels (count, 200), -100 where an utterance is over."""
        which = np.minimum(np.searchsorted(self._edges, self._source.random(count)), len(self._lengths) - 1)
        free = np.maximum(self._lengths[which] - _CROP, 0)
        first = (self._source.random(count) * (free + 1)).astype(np.int64)
        within = torch.from_numpy(first[:, None] + np.arange(_CROP)).to(self._device)
        over = within >= torch.from_numpy(self._lengths[which]).to(self._device)[:, None]
        at = (within + torch.from_numpy(self._starts[which]).to(self._device)[:, None]).clamp(max=len(self._labels) - 1)
        x = self._features[at].float().masked_fill(over[..., None], _QUIET)
        return x, self._labels[at].masked_fill(over, -100)


def train(model: Aligner, crops: Crops, steps: int, batch: int, rate: float, limit_s: float) -> float:
    """Framewise cross-entropy; the rate rises and falls over the steps, or over the time if that ends first."""
    device = next(model.parameters()).device
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=1e-3)
    began, total, counted = time.monotonic(), torch.zeros((), device=device), 0
    model.train()
    for step in range(steps):
        share = max(step / steps, (time.monotonic() - began) / limit_s)
        if share >= 1:
            print(f"    time is up after {step} of {steps} steps", flush=True)
            break
        for group in optimiser.param_groups:
            group["lr"] = rate * min(share / 0.15 + 0.04, 1.0) * min(1.0, (1 - share) / 0.7 + 0.01)
        x, y = crops.draw(batch)
        scores = model(x + 0.1 * torch.randn_like(x))
        loss = nn.functional.nll_loss(scores.flatten(0, 1), y.flatten(), ignore_index=-100)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        if step >= int(0.9 * steps) or share >= 0.9:
            total, counted = total + loss.detach(), counted + 1
    return float(total) / max(counted, 1)


def scores_of(model: Aligner, inputs: list[NDArray[np.float16]], prior: NDArray[np.float64]) -> list[NDArray[Any]]:
    """Log-probabilities of every utterance, frequent phones held back: float16 (T, phones) each."""
    device = next(model.parameters()).device
    model.eval()
    offset = torch.from_numpy(0.5 * np.log(prior + 1e-4)).float().to(device)
    found: list[NDArray[Any]] = [np.zeros(0, np.float16)] * len(inputs)
    order = sorted(range(len(inputs)), key=lambda i: len(inputs[i]))
    while order:
        longest = len(inputs[order[-1]])
        now = [order.pop() for _ in range(min(len(order), max(1, _BATCH_FRAMES // max(longest, 1))))]
        padded = np.full((len(now), longest, FEATURES), _QUIET, np.float16)
        for place, i in enumerate(now):
            padded[place, : len(inputs[i])] = inputs[i]
        with torch.inference_mode():
            answer = (model(torch.from_numpy(padded).to(device).float()) - offset).half().cpu().numpy()
        for place, i in enumerate(now):
            found[i] = answer[place, : len(inputs[i])].copy()
    return found


def mean_scores(
    members: Sequence[tuple[Aligner, NDArray[np.float64]]], inputs: list[NDArray[np.float16]]
) -> list[NDArray[Any]]:
    """`scores_of`, the mean of several aligners and their priors: what one of them errs, another does not."""
    total = [scores.astype(np.float32) for scores in scores_of(members[0][0], inputs, members[0][1])]
    for model, prior in members[1:]:
        for whole, scores in zip(total, scores_of(model, inputs, prior), strict=True):
            whole += scores
    return [(whole / len(members)).astype(np.float16) for whole in total]


def save(members: Sequence[tuple[Aligner, NDArray[np.float64]]], path: Path) -> None:
    """Keep trained aligners, each with how often each phone was among its labels."""
    tensors = {}
    for number, (model, prior) in enumerate(members):
        for name, value in model.state_dict().items():
            tensors[f"{number}.{name}"] = value.detach().cpu().contiguous()
        tensors[f"{number}.prior"] = torch.from_numpy(prior)
    save_file(tensors, path, {"phones": " ".join(PHONES)})


def load(path: Path) -> list[tuple[Aligner, NDArray[np.float64]]]:
    """Kept aligners and their priors, on the CPU; a file of one aligner without a number is one.

    Raises:
        OSError: there is no such file.
        RuntimeError: it does not fit this version's network or phones.
    """
    by_number: dict[str, dict[str, torch.Tensor]] = defaultdict(dict)
    for name, value in load_file(path).items():
        number, _, inner = name.partition(".") if name[0].isdigit() else ("0", "", name)
        by_number[number][inner] = value
    members = []
    for _, tensors in sorted(by_number.items()):
        prior = np.asarray(tensors.pop("prior").numpy(), np.float64)
        if len(prior) != len(PHONES):
            raise RuntimeError(f"{path} knows {len(prior)} phones, this version {len(PHONES)}")
        model = Aligner()
        model.load_state_dict(tensors)
        members.append((model, prior))
    return members
