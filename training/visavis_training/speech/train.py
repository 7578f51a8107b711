"""Trains the speech encoder on tracks that lie whole on the device; noise, rooms and microphones are made there too.

    python -m visavis_training.speech.train --tracks TRACKS --out OUT [--shape gru] [--minutes 10] [--validate CORPUS]

Writes OUT/encoder.safetensors (an average over the last steps), OUT/last.pt (what --resume goes on from) and
OUT/log.jsonl (the parts of the loss, and the validation).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from visavis_models.voice.answers import PITCH_BASE_HZ
from visavis_models.voice.phones import PHONES
from visavis_training.speech.augmentation import Batch, Clips
from visavis_training.speech.labels import aligned, left_out
from visavis_training.speech.losses import EncoderLoss, Targets
from visavis_training.speech.network import NAMED, SpeechEncoder
from visavis_training.speech.validation import Validation

CLIP_CHUNKS = 200  # 8 s
_WARM_UP_STEPS = 200
_VALIDATED = 160  # utterances


def targets_of(batch: Batch) -> Targets:
    """What is true of a batch of clips."""
    voiced = (batch.voicing > 0.5).float()
    return Targets(
        mouth=batch.mouth.float(),
        phone=batch.phone.long(),
        speech=batch.speech.float(),
        voicing=voiced,
        pitch=(batch.log_f0.float() - math.log(PITCH_BASE_HZ)) / math.log(2) * voiced,
        energy=batch.loudness.float(),
    )


class Training:
    """One network and all that its training needs."""

    def __init__(self, clips: Clips, shape: str, batch: int, rate: float, seed: int, device: str) -> None:
        torch.manual_seed(seed)
        self.clips, self.batch, self.rate, self.device = clips, batch, rate, device
        self.generator = torch.Generator(device).manual_seed(seed)
        self.model: SpeechEncoder = SpeechEncoder(NAMED[shape]).to(device)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998)
        )
        self.optimiser = torch.optim.AdamW(self.model.parameters(), rate, betas=(0.9, 0.98), weight_decay=1e-2)
        counts = np.ones(len(PHONES))
        for _ in range(4):
            phones = targets_of(self._sample()).phone.flatten()
            counts += torch.bincount(phones, minlength=len(PHONES)).cpu().numpy()
        self.loss = EncoderLoss(counts).to(device)
        self.step_number = 0
        self.spent_s = 0.0

    def _sample(self) -> Batch:
        return self.clips.sample(self.batch, CLIP_CHUNKS, self.generator)

    def step(self, share: float) -> dict[str, torch.Tensor]:
        """One batch; `share` of the training is done: the rate falls to nothing with it. Returns the loss's parts."""
        rate = self.rate * min(1.0, (self.step_number + 1) / _WARM_UP_STEPS) * (0.5 + 0.5 * math.cos(math.pi * share))
        for group in self.optimiser.param_groups:
            group["lr"] = max(rate, 1e-6)
        sampled = self._sample()
        true, delay = targets_of(sampled), self.model.parameters_of.lookahead_chunks
        state = torch.zeros(self.batch, self.model.state_size, device=self.device)
        scores, _ = self.model(sampled.features, state)
        parts: dict[str, torch.Tensor] = self.loss(scores[:, delay:], true.until(CLIP_CHUNKS - delay))
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.average.update_parameters(self.model)
        self.step_number += 1
        return {name: value.detach() for name, value in parts.items()}

    def memory(self) -> dict[str, Any]:
        """All that `recall` needs to go on."""
        return {
            "model": self.model.state_dict(), "average": self.average.state_dict(), "step": self.step_number,
            "optimiser": self.optimiser.state_dict(), "generator": self.generator.get_state(), "spent_s": self.spent_s,
        }  # fmt: skip

    def recall(self, memory: dict[str, Any]) -> None:
        """Go on where another run stopped."""
        self.model.load_state_dict(memory["model"])
        self.average.load_state_dict(memory["average"])
        self.optimiser.load_state_dict(memory["optimiser"])
        self.generator.set_state(memory["generator"].cpu())
        self.step_number, self.spent_s = memory["step"], memory["spent_s"]


def train(training: Training, minutes: float, out: Path, validation: Validation | None, report_s: float = 30.0) -> None:
    """Train until that many minutes were spent, those before a resumption counted in."""
    out.mkdir(parents=True, exist_ok=True)
    began, before_s = time.monotonic(), training.spent_s
    told, since, sums = began, training.step_number, dict[str, torch.Tensor]()
    with (out / "log.jsonl").open("a") as log:
        while (share := training.spent_s / (60 * minutes)) < 1:
            for name, value in training.step(share).items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value
            if training.step_number % 5 == 0:
                torch.cuda.synchronize() if training.device.startswith("cuda") else None
            training.spent_s = before_s + time.monotonic() - began
            if time.monotonic() - told > report_s or training.spent_s >= 60 * minutes:
                count = training.step_number - since
                row: dict[str, Any] = {"step": training.step_number, "seconds": round(training.spent_s, 1)}
                row |= {name: round(float(value) / count, 4) for name, value in sums.items()}
                if validation is not None:
                    model: SpeechEncoder = training.average.module.eval()
                    row |= {f"valid_{name}": round(v, 4) for name, v in validation.measure(model).items()}
                log.write(json.dumps(row) + "\n")
                log.flush()
                print(json.dumps(row), flush=True)
                torch.save(training.memory(), out / "last.pt.part")
                (out / "last.pt.part").replace(out / "last.pt")
                told, since, sums = time.monotonic(), training.step_number, {}


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shape", choices=tuple(NAMED), default="gru")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--validate", type=Path, help="the corpus; some of its utterances were left out of the tracks")
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    from safetensors.torch import save_file

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    validation = None
    if args.validate:
        spoken = [(s, phones) for row, s, phones in aligned(args.validate, "train") if left_out(row)]
        validation = Validation(spoken[:_VALIDATED], device)
    training = Training(Clips.open(args.tracks, device), args.shape, args.batch, args.rate, args.seed, device)
    if args.resume and (args.out / "last.pt").is_file():
        training.recall(torch.load(args.out / "last.pt", map_location=device, weights_only=True))
    train(training, args.minutes, args.out, validation)
    weights = {name: value.cpu().contiguous() for name, value in training.average.module.state_dict().items()}
    save_file(weights, args.out / "encoder.safetensors", metadata={"shape": args.shape})


if __name__ == "__main__":
    main()
