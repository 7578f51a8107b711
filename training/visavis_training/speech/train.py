"""Trains the speech encoder on an aligned corpus.

    python -m visavis_training.speech.train --corpus FOLDER --aligned aligned.jsonl --out OUT --minutes 6

Clips are made while it trains: utterances at changed speed, pauses between them, rooms, lines, noise and music, and
clips without any speech whose mouth stays shut.
"""

from __future__ import annotations

import argparse
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly
from torch import nn

from visavis_models.chunk import CHUNK_SAMPLES
from visavis_models.voice.features import features_of
from visavis_models.voice.mouth import LIP_PARTING, MOUTH_CHANNELS, MOUTH_COUNT
from visavis_training.speech import disturbances
from visavis_training.speech.coarticulation import mouth_curves
from visavis_training.speech.labels import aligned, labels_of, loudness_of
from visavis_training.speech.network import SpeechEncoder
from visavis_training.speech.phones import SILENCE, VISEMES, Phone

CLIP_CHUNKS = 200  # 8 s
SHUT_GAP = 0.02
_SPEEDS = ((1, 1), (1, 1), (10, 9), (9, 10), (20, 19), (19, 20), (8, 9), (9, 8))
Clip = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]


class Clips(torch.utils.data.IterableDataset[Clip]):
    """Endless clips: features (800, 41), mouth (200, 15), visemes (200,), speech (200,)."""

    def __init__(self, corpus: list[tuple[NDArray[np.int16], list[Phone]]], seed: int) -> None:
        self.corpus, self.seed = corpus, seed
        self._pool: deque[NDArray[np.float32]] = deque(maxlen=96)

    def _nuisance(self, count: int, source: np.random.Generator) -> NDArray[np.float32]:
        """One of a pool that is renewed slowly (music takes longer to make than all the rest), starting anywhere."""
        if len(self._pool) < 48 or source.random() < 0.08:
            self._pool.append(disturbances.nuisance(count, source))
        return np.roll(self._pool[int(source.integers(len(self._pool)))], int(source.integers(count)))

    def __iter__(self) -> Iterator[Clip]:
        worker = torch.utils.data.get_worker_info()
        source = np.random.default_rng((self.seed, worker.id if worker else 0))
        while True:
            yield self.clip(source)

    def clip(self, source: np.random.Generator) -> Clip:
        """One clip."""
        count = CLIP_CHUNKS * CHUNK_SAMPLES
        wave, phones, loud = self._speech(count, source) if source.random() > 0.15 else self._nobody(count)
        mouth = mouth_curves(phones, count / 16_000, loud)
        visemes, speech = labels_of(phones, CLIP_CHUNKS)
        talks = bool(speech.any())
        if talks and source.random() < 0.4:
            wave = disturbances.in_a_room(wave, source)
        if talks and source.random() < 0.5:
            wave = disturbances.through_a_line(wave, source)
        if not talks or source.random() < 0.6:
            noise = self._nuisance(count, source)
            power = np.sqrt(np.mean(wave[np.abs(wave) > 0.005] ** 2)) if talks else 0.1
            ratio_db = source.uniform(4, 40) if talks else source.uniform(-10, 60)
            if not talks and source.random() < 0.15:
                noise = np.zeros_like(noise)
            onset = int(source.integers(0, count)) if source.random() < 0.2 else 0
            wave = wave.copy()
            wave[onset:] += (noise * power * 10 ** (-ratio_db / 20))[onset:].astype(np.float32)
        wave = wave + (10 ** (source.uniform(-110, -70) / 20) * source.standard_normal(count)).astype(np.float32)
        wave = wave * np.float32(10 ** (source.uniform(-34, 4) / 20) / (np.abs(wave).max() + 1e-2))
        return features_of(np.clip(wave, -1, 1).astype(np.float32)), mouth, visemes, speech

    @staticmethod
    def _nobody(count: int) -> tuple[NDArray[np.float32], list[Phone], NDArray[np.float32]]:
        return np.zeros(count, np.float32), [Phone(SILENCE, 0, count / 16_000)], np.zeros(count // 160, np.float32)

    def _speech(
        self, count: int, source: np.random.Generator
    ) -> tuple[NDArray[np.float32], list[Phone], NDArray[np.float32]]:
        wave, loud = np.zeros(count, np.float32), np.zeros(count // 160, np.float32)
        phones: list[Phone] = []
        at = -int(source.integers(0, 24_000)) if source.random() < 0.5 else int(source.integers(0, 12_000))
        while at < count - 3200:
            samples, said = self.corpus[int(source.integers(len(self.corpus)))]
            up, down = _SPEEDS[int(source.integers(len(_SPEEDS)))]
            voice = samples.astype(np.float32) / np.float32(32768)
            voice = voice if up == down else np.asarray(resample_poly(voice, up, down), np.float32)
            voice = voice * np.float32(10 ** (source.uniform(-5, 5) / 20))
            first, last = max(at, 0), min(at + len(voice), count)
            if last > first:
                wave[first:last] = voice[first - at : last - at]
                level = loudness_of(voice)
                a = at // 160
                low, high = max(a, 0), min(a + len(level), len(loud))
                loud[low:high] = level[low - a : high - a]
            start_s, stretch = at / 16_000, up / down
            phones += [Phone(p.symbol, start_s + p.start_s * stretch, start_s + p.end_s * stretch) for p in said]
            longest = (0, 8000, 40_000)[int(source.choice(3, p=(0.3, 0.5, 0.2)))]  # of the usual pause, in samples
            at += len(voice) + int(source.exponential(longest))
        kept: list[Phone] = []
        end_s = count / 16_000
        for p in (*phones, Phone(SILENCE, end_s, end_s)):
            if p.start_s > (kept[-1].end_s if kept else 0.0) + 1e-4:
                kept.append(Phone(SILENCE, kept[-1].end_s if kept else 0.0, p.start_s))
            if min(p.end_s, end_s) > max(p.start_s, 0.0) + 1e-4:
                kept.append(Phone(p.symbol, max(p.start_s, 0.0), min(p.end_s, end_s)))
        return wave, _join(kept), loud


def _join(phones: list[Phone]) -> list[Phone]:
    joined: list[Phone] = []
    for phone in phones:
        if joined and joined[-1].symbol == SILENCE == phone.symbol:
            joined[-1] = Phone(SILENCE, joined[-1].start_s, phone.end_s)
        else:
            joined.append(phone)
    return joined


_WEIGHTS = {"jawOpen": 3.0, "mouthClose": 3.0, "mouthFunnel": 1.5, "mouthPucker": 1.5, "mouthRollLower": 1.5}
_GAP_OF = torch.from_numpy(LIP_PARTING)


def loss_of(
    scores: torch.Tensor, mouth: torch.Tensor, visemes: torch.Tensor, speech: torch.Tensor, delay: int
) -> tuple[torch.Tensor, dict[str, float]]:
    """The loss of a batch and its parts; `scores` (B, T, OUTPUTS) are `delay` frames behind the targets."""
    scores, mouth = scores[:, delay:], mouth[:, : mouth.shape[1] - delay]
    visemes, speech = visemes[:, : mouth.shape[1]], speech[:, : mouth.shape[1]]
    guess = scores[..., :MOUTH_COUNT]
    viseme_scores = scores[..., MOUTH_COUNT : MOUTH_COUNT + len(VISEMES)]
    speech_score, closure_score = scores[..., -2], scores[..., -1]
    channel = torch.tensor([_WEIGHTS.get(name, 1.0) for name in MOUTH_CHANNELS], device=scores.device)
    gap_of = _GAP_OF.to(scores.device)
    gap, guessed_gap = torch.relu(mouth @ gap_of), guess @ gap_of
    shut = ((gap < SHUT_GAP) & (speech > 0.5)).float()
    frame = 1.0 + 2.0 * shut + 1.0 * (speech < 0.5).float()
    parts = {
        "mouth": ((guess - mouth).abs() * channel).mean(-1).mul(frame).mean() * 4,
        "speed": ((guess[:, 1:] - guess[:, :-1]) - (mouth[:, 1:] - mouth[:, :-1])).abs().mul(channel).mean() * 4,
        "gap": ((guessed_gap - gap).abs() * (frame + 3 * shut)).mean() * 2,
        "viseme": nn.functional.cross_entropy(viseme_scores.transpose(1, 2), visemes) * 0.5,
        "speech": nn.functional.binary_cross_entropy_with_logits(speech_score, speech) * 0.5,
        "closure": nn.functional.binary_cross_entropy_with_logits(
            closure_score, shut, pos_weight=torch.tensor(2.0, device=scores.device)
        )
        * 0.5,
    }
    return torch.stack(list(parts.values())).sum(), {name: float(value.detach()) for name, value in parts.items()}


def train(
    corpus: list[tuple[NDArray[np.int16], list[Phone]]], minutes: float, batch: int, workers: int
) -> SpeechEncoder:
    """Train for that long; the learning rate ends at nothing when the time does."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    model: SpeechEncoder = SpeechEncoder().to(device)
    delay = model.parameters_of.lookahead_chunks
    optimiser = torch.optim.AdamW(model.parameters(), 1.5e-3, weight_decay=1e-2)
    loader = torch.utils.data.DataLoader(Clips(corpus, 1), batch, num_workers=workers)
    began, step = time.monotonic(), 0
    sums: dict[str, float] = {}
    for features, mouth, visemes, speech in loader:
        share = (time.monotonic() - began) / (60 * minutes)
        if share >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = 1.5e-3 * min(1.0, (step + 1) / 100) * (0.5 + 0.5 * np.cos(np.pi * share))
        state = torch.zeros(len(features), model.parameters_of.state_size, device=device)
        scores, _ = model(features.to(device), state)
        loss, parts = loss_of(scores, mouth.to(device), visemes.to(device), speech.to(device), delay)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + value
        if step % 100 == 0:
            told = ", ".join(f"{name} {value / 100:.4f}" for name, value in sums.items())
            print(f"step {step}, {time.monotonic() - began:.0f} s: {told}", flush=True)
            sums = {}
    model.eval()
    return model


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--aligned", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    from safetensors.torch import save_file

    everything = aligned(args.corpus, args.aligned)
    learnt = [(samples, phones) for row, samples, phones in everything if row["part"] == "train"]
    print(f"{len(learnt)} utterances, {sum(len(s) for s, _ in learnt) / 57.6e6:.2f} h")
    model = train(learnt, args.minutes, args.batch, args.workers)
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.contiguous() for name, value in model.cpu().state_dict().items()}, args.out / "encoder.safetensors"
    )


if __name__ == "__main__":
    main()
