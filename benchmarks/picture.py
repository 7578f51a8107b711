"""How good the diffusion renderer's pictures are: beside truth, beside `warp`, and after an hour; a table and JSON.

    python benchmarks/picture.py [--weights FILE.safetensors | FOLDER] [--quick] [--sheets FOLDER] [--keep]
    python benchmarks/picture.py --model warp                       what the measures say of `warp`; or of truth, chance
    python benchmarks/picture.py --held-out FILE --only people       clips that benchmarks/held_out_making.py drew

Three parts (`--only` picks some). `people`: clips of people who do not exist and were never trained on, of whom truth
is known; half are driven by the product's rig, half lie where the person truly is. `portraits`: the gallery, drawn by
the product, beside what `warp` draws of the same motion. `hour`: a call that is fed with its own pictures for an hour
(`--minutes`), which takes about as long on two cores.

Figures of people are taken within the region that may be generated, in crops, laid over `warp` as the product does.
`warp` there is the product's own, its painted mouth and lids included. Feature distances are described in
`picture_features.py`; what each other figure means, where it is made.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from held_out_clips import SHIPPED, read, shot_of
from lips import sample_sentences
from picture_gallery import gallery, portraits, uploaded
from picture_hour import hour_figures, long_call
from picture_networks import TorchNetworks, Way, open_networks, size_of
from picture_people import Drawer, PeopleFigures, by_networks, by_truth, by_warp, people_figures
from picture_portraits import Scene
from picture_sheets import people_sheet, pose_sheet
from picture_sheets import save as save_sheet
from record import RESULTS, machine

from visavis_models.diffusion.renderer import DiffusionRenderer
from visavis_models.diffusion.settings import RenderingSettings
from visavis_models.diffusion.sizes import RendererSize
from visavis_models.diffusion.window_networks import WindowNetworks
from visavis_models.motion import rest_motion
from visavis_models.warp.renderer import WarpRenderer

PARTS = ("people", "portraits", "hour")
MODELS = ("networks", "warp", "truth", "chance")
_QUICK_AVATARS, _QUICK_MINUTES = 1, 0.2
_NEW = (2, 4, 8)


def people(draw: Drawer, file: Path, size: RendererSize, way: Way, sheets: Path | None, quick: bool) -> PeopleFigures:
    """Figures of a file of held-out clips, and their sheets."""
    of_seams = (way.new,) if quick and way.new in _NEW else _NEW
    figures = people_figures(draw, [shot_of(clip, size) for clip in read(file)], way, of_seams)
    if sheets is not None:
        for kind in figures.judged:
            if figures.judged[kind]:
                save_sheet(people_sheet(figures, kind), sheets / f"people-{kind}.png")
    return figures


def _plain(value: Any) -> Any:
    """Rounded, and null for what is no number."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value


def _lines(found: dict[str, Any], indent: int = 2) -> None:
    for key, value in found.items():
        if isinstance(value, dict):
            print(f"{'':{indent}}{key}")
            _lines(value, indent + 2)
        else:
            shown = "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
            print(f"{'':{indent}}{key:<{42 - indent}}{shown:>12}")


def _parser() -> argparse.ArgumentParser:
    told = RenderingSettings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--weights", type=Path, help="safetensors of a training, or a folder of graphs; else what ships"
    )
    parser.add_argument("--size", help="compact or base, where the weights do not tell")
    parser.add_argument("--model", choices=MODELS, default="networks")
    parser.add_argument("--engine", help="openvino or onnxruntime, for graphs")
    parser.add_argument("--device", default="cpu", help="of torch")
    parser.add_argument("--threads", type=int, default=max(1, (os.cpu_count() or 1) // 2), help="of one forward pass")
    parser.add_argument("--steps", type=int, default=told.steps)
    parser.add_argument("--new", type=int, default=told.new_frames, help="new frames of a window")
    parser.add_argument("--overlap", type=int, default=told.overlap_frames)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--held-out", type=Path, default=SHIPPED, help="file of clips")
    parser.add_argument("--avatars", nargs="+", help="ids; by default the gallery")
    parser.add_argument("--photos", nargs="+", type=Path, default=[], help="more portraits, analysed as uploads are")
    parser.add_argument("--side-px", type=int, default=512, help="long side of portraits' canvas")
    parser.add_argument("--hour-side-px", type=int, default=256, help="the same in the long call")
    parser.add_argument("--minutes", type=float, default=60.0, help="of the long call")
    parser.add_argument("--quick", action="store_true", help="one portrait and sentence, a call of some seconds")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets, PNG")
    parser.add_argument("--keep", action="store_true", help="write a dated record under benchmarks/results")
    return parser


def _networks(args: argparse.Namespace, size: RendererSize) -> WindowNetworks | None:
    if args.model == "chance":
        return TorchNetworks(size, None, args.device)
    if args.model != "networks":
        return None
    return open_networks(size, args.weights, args.engine, args.device, args.threads)


def main() -> None:
    """Command line, see the head of this file."""
    args = _parser().parse_args()
    began, size = time.monotonic(), size_of(args.weights, args.size)
    networks = _networks(args, size)
    way = Way(args.steps, args.new, args.overlap)
    result: dict[str, Any] = {}
    beside: dict[str, Any] = {"model": networks.name if networks else args.model}
    seconds: dict[str, float] = {}

    def timed(part: str) -> None:
        seconds[part] = time.monotonic() - began - sum(seconds.values())

    if "people" in args.only:
        draw = by_networks(networks) if networks else by_warp if args.model == "warp" else by_truth
        figures = people(draw, args.held_out, size, way, args.sheets, args.quick)
        result |= figures.keys
        beside["people"] = figures.beside
        timed("people")
    settings = RenderingSettings(steps=args.steps, new_frames=args.new, overlap_frames=args.overlap)
    renderer = DiffusionRenderer(networks, settings) if networks else None
    if "portraits" in args.only and args.model != "truth":
        avatars = gallery(args.avatars)[: _QUICK_AVATARS if args.quick else None]
        added, beside["refused"] = uploaded(args.photos)
        keys, beside["portraits"] = portraits(
            renderer or WarpRenderer(), size, avatars + added, args.side_px, args.new, args.sheets,
            sample_sentences("en") if args.quick else sample_sentences("en") + sample_sentences("zh"), args.quick,
        )  # fmt: skip
        result |= keys
        timed("portraits")
    if "hour" in args.only and renderer is not None:
        avatar = gallery(args.avatars)[0]
        voices = [item.samples for language in ("en", "zh") for item in sample_sentences(language)]
        call = long_call(voices, _QUICK_MINUTES if args.quick and args.minutes == 60 else args.minutes)
        hour = hour_figures(renderer, avatar, call, args.hour_side_px, args.new)
        result |= hour.keys
        beside["hour"] = hour.beside
        if args.sheets is not None:
            scene = Scene.of(avatar, rest_motion(1), args.hour_side_px, size)
            width, height = scene.still.avatar.width_px, scene.still.avatar.height_px
            rows = {
                name: {str(k + 1): frame for k, frame in enumerate(frames)}
                for name, frames in (("first", hour.first), ("last", hour.last))
            }
            save_sheet(pose_sheet(rows, (0, 0, width, height), min(width, 256)), args.sheets / "hour.png")
        timed("hour")
    record = _plain({**result, **beside, "seconds": seconds | {"all": time.monotonic() - began}})
    _lines(record)
    record = {"benchmark": "picture", **record, "machine": machine()}
    if args.keep:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-picture.json"
        path.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
