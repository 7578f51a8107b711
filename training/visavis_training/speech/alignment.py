"""Sharpens the phone times of a corpus: a network learns the rough times, then every utterance is fitted anew.

The predicted durations of a voice say what it meant to do, some 25 ms off what it did. A recogniser of 10 ms frames
trained on them averages that error out; the best path through its answers (Viterbi) puts each border where the sound
changes.

    python -m visavis_training.speech.alignment --corpus FOLDER --out aligned.jsonl
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from visavis_models.voice.features import FEATURES, features_of
from visavis_training.speech.corpus import read
from visavis_training.speech.phones import PHONES, SILENCE, Phone, gapless, phones_of_tokens

FRAME_S = 0.01
_HEARD_S = 0.0125
"""A frame's window is centred this long before its end."""
_FARTHEST_S = 0.16
_EARLY_S = 0.008
"""Measured against pocketsphinx on 25 English utterances: fitted borders lie this much before its own."""
_QUIET_DB = 40.0
_PAUSE_S = 0.15
"""Stops are silent for less."""
_INDEX = {phone: i for i, phone in enumerate(PHONES)}


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


def labels_of(phones: list[Phone], frames: int) -> NDArray[np.int64]:
    """Index of the phone that sounds at the middle of each frame's window: int64 (frames,)."""
    times = (np.arange(frames) + 1) * FRAME_S - _HEARD_S
    starts = np.array([phone.start_s for phone in phones])
    which = np.clip(np.searchsorted(starts, times, "right") - 1, 0, len(phones) - 1)
    return np.array([_INDEX[phone.symbol] for phone in phones])[which]


def fit(scores: NDArray[np.float32], phones: list[Phone]) -> list[Phone]:
    """The same phones, their borders moved to where the scores change.

    Args:
        scores: float32 (T, phones), log-probabilities of each 10 ms.
        phones: gapless; none is lost but silences, and no border moves farther than 0.16 s.
    """
    frames = len(scores)
    sequence = list(phones)
    if sequence[0].symbol != SILENCE:
        sequence.insert(0, Phone(SILENCE, 0.0, 0.0))
    if sequence[-1].symbol != SILENCE:
        sequence.append(Phone(SILENCE, sequence[-1].end_s, sequence[-1].end_s))
    count = len(sequence)
    local = scores[:, [_INDEX[phone.symbol] for phone in sequence]].astype(np.float64)  # (T, N)
    times = (np.arange(frames) + 1) * FRAME_S - _HEARD_S
    starts, ends = (np.array([getattr(phone, key) for phone in sequence]) for key in ("start_s", "end_s"))
    outside = np.maximum(starts[None] - times[:, None], times[:, None] - ends[None])
    local -= np.where(outside > _FARTHEST_S, 1e3, 1.5 * np.maximum(outside, 0) / _FARTHEST_S)
    optional = np.array([phone.symbol == SILENCE for phone in sequence])
    best = np.full(count, -1e9)
    best[0] = local[0, 0]
    if count > 1:
        best[1] = local[0, 1]
    came = np.zeros((frames, count), np.int8)
    for t in range(1, frames):
        stay, step, skip = best, np.full(count, -1e9), np.full(count, -1e9)
        step[1:] = best[:-1]
        skip[2:] = np.where(optional[1:-1], best[:-2], -1e9)
        options = np.stack([stay, step, skip])
        came[t] = options.argmax(0)
        best = options.max(0) + local[t]
    state = count - 1 if best[-1] >= best[-2] or not optional[-1] else count - 2
    path = np.zeros(frames, np.int64)
    for t in range(frames - 1, -1, -1):
        path[t] = state
        state -= int(came[t, state])
    moved = []
    for number, phone in enumerate(sequence):
        here = np.flatnonzero(path == number)
        if len(here):
            shift = FRAME_S / 2 - _HEARD_S  # a border lies half a frame before its first frame's middle
            moved.append(Phone(phone.symbol, here[0] * FRAME_S + shift + 0.0, (here[-1] + 1) * FRAME_S + shift))
    return gapless([Phone(p.symbol, max(p.start_s, 0.0), p.end_s) for p in moved], frames * FRAME_S)


def train(
    inputs: list[NDArray[np.float32]], targets: list[NDArray[np.int64]], model: Aligner, epochs: int, rate: float
) -> None:
    """Framewise cross-entropy over crops of 2 s."""
    device = next(model.parameters()).device
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=1e-3)
    source = np.random.default_rng(0)
    seconds = sum(len(x) for x in inputs) * FRAME_S
    steps = int(epochs * seconds / (2.0 * 32))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    weights = np.array([len(x) for x in inputs], np.float64)
    began, losses = time.monotonic(), []
    for step in range(steps):
        batch_x, batch_y = [], []
        for which in source.choice(len(inputs), 32, p=weights / weights.sum()):
            first = int(source.integers(0, max(1, len(inputs[which]) - 200)))
            x, y = inputs[which][first : first + 200], targets[which][first : first + 200]
            short = 200 - len(x)
            batch_x.append(np.pad(x, ((0, short), (0, 0)), constant_values=-2.0))
            batch_y.append(np.pad(y, (0, short), constant_values=_INDEX[SILENCE]))
        noisy = torch.from_numpy(np.stack(batch_x)).to(device)
        scores = model(noisy + 0.1 * torch.randn_like(noisy))
        target = torch.from_numpy(np.stack(batch_y)).to(device)
        loss = nn.functional.nll_loss(scores.flatten(0, 1), target.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if step % 100 == 99:
            print(
                f"step {step + 1}/{steps}: loss {np.mean(losses[-100:]):.3f}, {time.monotonic() - began:.0f} s",
                flush=True,
            )


def align(corpus: list[tuple[dict[str, Any], NDArray[np.int16]]], rounds: int, epochs: int) -> list[list[Phone]]:
    """Phones of every utterance of the corpus, fitted `rounds` times."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    inputs = [features_of(samples.astype(np.float32) / np.float32(32768)) for _, samples in corpus]
    phones = [phones_of_tokens(row["tokens"], row["edges_s"], len(samples) / 16_000) for row, samples in corpus]
    model = Aligner().to(device)
    for number in range(rounds):
        targets = [labels_of(p, len(x)) for p, x in zip(phones, inputs, strict=True)]
        train(inputs, targets, model, epochs if number == 0 else max(1, epochs // 2), 2e-3 if number == 0 else 1e-3)
        model.eval()
        prior = np.log(np.bincount(np.concatenate(targets), minlength=len(PHONES)) / sum(map(len, targets)) + 1e-4)
        with torch.no_grad():
            for i, x in enumerate(inputs):
                scores = model(torch.from_numpy(x)[None].to(device))[0].cpu().numpy() - 0.5 * prior
                phones[i] = fit(scores.astype(np.float32), phones[i])
        model.train()
        print(f"round {number + 1} of {rounds} done", flush=True)
    return [finish(said, samples) for said, (_, samples) in zip(phones, corpus, strict=True)]


def finish(phones: list[Phone], samples: NDArray[np.int16]) -> list[Phone]:
    """The fitted phones with their constant lead taken off, and silence wherever nothing sounds for long.

    A voice gives its last phone the time of the quiet that follows; lips must not hang there.
    """
    end_s = len(samples) / 16_000
    later = [Phone(p.symbol, p.start_s + _EARLY_S if p.start_s > 0 else 0.0, p.end_s + _EARLY_S) for p in phones]
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160).astype(np.float64)
    level_db = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-2)
    quiet = np.concatenate([[False], level_db < np.percentile(level_db, 95) - _QUIET_DB, [False]])
    changes = np.flatnonzero(np.diff(quiet.astype(np.int8)))
    for start, end in zip(changes[::2] * FRAME_S, changes[1::2] * FRAME_S, strict=True):
        if end - start < (_PAUSE_S if 0 < start and end < len(frames) * FRAME_S - 1e-6 else 0.03):
            continue
        cut: list[Phone] = []
        for p in later:
            cut += [
                Phone(p.symbol, first, last)
                for first, last in ((p.start_s, min(p.end_s, start)), (max(p.start_s, end), p.end_s))
                if last - first > 1e-3
            ]
        later = cut
    return gapless(later, end_s)


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    args = parser.parse_args()
    corpus = read(args.corpus)
    lines = [
        json.dumps({"id": row["id"], "phones": [[p.symbol, round(p.start_s, 3), round(p.end_s, 3)] for p in phones]})
        for (row, _), phones in zip(corpus, align(corpus, args.rounds, args.epochs), strict=True)
    ]
    args.out.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
