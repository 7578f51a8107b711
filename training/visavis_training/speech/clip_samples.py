"""Writes some training clips as they are heard while training, for ears to judge, and tells how fast clips are made.

python -m visavis_training.speech.clip_samples --tracks TRACKS --out WAVES --device cuda
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from visavis_training.speech.augmentation import Clips


def batch_ms(clips: Clips, batch: int, repeats: int = 10) -> float:
    """Milliseconds that a batch of 8 s clips takes, once all is warm."""
    generator = torch.Generator(clips.device).manual_seed(0)
    began = 0.0
    for number in range(repeats + 2):
        if number == 2:
            if clips.device.type == "cuda":
                torch.cuda.synchronize()
            began = time.perf_counter()
        clips.sample(batch, generator=generator)
    if clips.device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / repeats * 1000.0


def main() -> None:
    """Command line, see the head of this file."""
    import soundfile

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--time-batch", type=int, default=0, help="also time batches of so many clips")
    args = parser.parse_args()
    clips = Clips.open(args.tracks, args.device)
    generator = torch.Generator(clips.device).manual_seed(args.seed)
    made = clips.sample(args.count, generator=generator, keep_wave=True)
    assert made.wave is not None
    args.out.mkdir(parents=True, exist_ok=True)
    for number, wave in enumerate(made.wave.cpu().numpy()):
        soundfile.write(args.out / f"clip{number:02d}.wav", wave, 16_000, subtype="PCM_16")
    print(f"{args.count} clips from {clips.seconds / 3600:.2f} h of tracks")
    if args.time_batch:
        print(f"{batch_ms(clips, args.time_batch):.1f} ms for {args.time_batch} clips of 8 s on {clips.device}")


if __name__ == "__main__":
    main()
