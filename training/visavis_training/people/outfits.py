"""Dresses a body: cuts each garment's sheet from it, lets it fall, adds collars, buttons and shoes.

It knows the base mesh's bones and the garments' names; cloth physics and shading are the stage's.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from visavis_training.people import clothing
from visavis_training.people.clothing import Neck, Neckline
from visavis_training.people.identity import BaseMesh, bone_share
from visavis_training.people.recipes import Garment, Recipe
from visavis_training.people.stage import Stage
from visavis_training.people.surface import Body, Floats, Ints, Surface, noise, smooth_step, vertex_normals

_FINGERS = tuple(f"{finger}_0{k}" for finger in ("thumb", "index", "middle", "ring", "pinky") for k in (1, 2, 3))
_NECKLINES = {
    "crew": Neckline(-0.014),
    "vee": Neckline(-0.012, 0.085, 0.55),
    "wide": Neckline(-0.028),
    "shirt": Neckline(-0.008, 0.055, 0.26, 0.16),
    "closed_shirt": Neckline(-0.004, 0.0, 0.3, 0.035),
    "roll": Neckline(-0.006),
    "open": Neckline(-0.010, 0.0, 0.6),
}


class Wardrobe:
    """One body to be dressed: base mesh, vertices (V, 3) in metres and the share each vertex has in groups of bones."""

    def __init__(self, stage: Stage, data: Path, base: BaseMesh, body: Floats, kept: Path | None = None) -> None:
        self._kept = kept
        self._worn: Body | None = None
        self._stage, self._base, self._body = stage, base, body
        table = json.loads((data / "mpfb2/rigs/standard/weights.game_engine.json").read_text())["weights"]

        def share(*bones: str) -> Floats:
            both = tuple(f"{bone}_{side}" for bone in bones for side in ("l", "r"))
            return bone_share(table, (*both, *bones), len(body))

        self._hand, self._foot = share("hand", *_FINGERS), share("foot", "ball")
        self._arm, self._leg = share("upperarm", "lowerarm"), share("thigh", "calf")
        self._fore = share("lowerarm")
        self._head = share("head")
        self.floor = float(body[np.flatnonzero(self._foot > 0.5), 2].min())
        self._skin = np.flatnonzero(np.array([group == "body" for group in base.groups]))
        self._solid = self._fine(self._faces(self._head + self._hand < 0.9), 0)
        foot = body[base.group_vertices("joint-neck")].mean(0) + np.array([0.0, 0.0, 0.012])
        near = self._fine(self._faces((self._head < 0.7) & (self._arm < 0.6)), 1)
        self.neck = Neck(near.points, near.quads, foot)

    def _faces(self, kept: NDArray[np.bool_]) -> Ints:
        quads = self._base.quads[self._skin]
        return np.asarray(self._skin[kept[quads].all(1)])

    def _fine(self, faces: Ints, levels: int, points: Floats | None = None) -> Surface:
        body = self._body if points is None else points
        return self._stage.subdivide(
            body, self._base.quads[faces], self._base.texture, self._base.texture_quads[faces], levels
        )

    def _joint(self, name: str) -> Floats:
        centre: Floats = self._body[self._base.group_vertices(name)].mean(0)
        return centre

    def dress(self, recipe: Recipe, seed: int) -> None:
        """Put on everything the recipe names, from the skin outwards."""
        for number, garment in enumerate(recipe.outfit):
            if garment.kind == "shoes":
                self._shoes(garment)
            elif garment.kind == "trousers":
                self._sheet(garment, seed + number, self._trouser_faces(), None)
            else:
                self._top(garment, seed + number)

    def _trouser_faces(self) -> Ints:
        waist = self._joint("joint-pelvis")[2] + 0.07
        return self._faces((self._body[:, 2] < waist) & (self._foot < 0.5) & (self._arm + self._hand < 0.3))

    def _top(self, garment: Garment, seed: int) -> None:
        hem = self._joint("joint-pelvis")[2] - garment.hem
        body = self._body
        kept = (body[:, 2] > hem) & (self._head < 0.6) & (self._hand < 0.55) & (self._foot < 0.5)
        kept &= (body[:, 2] > hem + 0.0) | (self._arm > 0.3)
        kept |= (self._arm > 0.5) & (self._hand < 0.55)
        if garment.sleeve < 1.0:
            kept &= self._fore < max(0.05, garment.sleeve)
        line = _NECKLINES[garment.neckline]
        kept &= self.neck.inside(body, line) < 0.065
        self._sheet(garment, seed, self._faces(kept), line)

    def _sheet(self, garment: Garment, seed: int, faces: Ints, line: Neckline | None) -> None:
        coarse = self._fine(faces, 0)
        points = clothing.relax(coarse.points, coarse.quads, 3)
        points = points + garment.ease * vertex_normals(points, coarse.quads)
        points = clothing.relax(points, coarse.quads, 1)
        if line is not None:
            above = self.neck.inside(points, line)
            held = smooth_step(above, -0.045, -0.008)
        else:
            held = smooth_step(points[:, 2], points[:, 2].max() - 0.04, points[:, 2].max() - 0.015)
        fallen = self._drape(points, coarse.quads, held, garment)
        quads = coarse.quads
        if line is not None and garment.hangs:
            _, nearest = cKDTree(self._body[:13380]).query(fallen)
            torso = (self._arm + self._hand)[nearest] < 0.25
            torso &= fallen[:, 2] < self.neck.foot[2] - 0.09
            fallen = clothing.relax(clothing.hang(fallen, torso), quads, 2, held)
        surface = self._stage.subdivide(fallen, quads, coarse.texture, quads, 3)
        sheet = surface.points
        grain = noise(sheet * np.array([1.0, 1.0, 0.6]), 55.0, 3, seed) * garment.crumple
        sheet = sheet + grain[:, None] * surface.normals
        if self._worn is not None:
            sheet = self._worn.outside(sheet, 0.0035)
        self._worn = Body(Surface(sheet, vertex_normals(sheet, surface.quads), surface.texture, surface.quads))
        fine = surface.quads
        if line is not None:
            above = self.neck.inside(sheet, line)
            fine = fine[(above[fine] < 0.003).all(1)]
        if garment.open_front:
            middle, top = self.neck.foot[0], self.neck.foot[2] - 0.05
            gap = garment.open_front * (1.0 - 0.3 * smooth_step(top - sheet[:, 2], 0.0, 0.25))
            front = sheet[:, 1] < self.neck.foot[1] + 0.03
            apart = (np.abs(sheet[:, 0] - middle) < gap) & front
            fine = fine[~apart[fine].any(1)]
        cloth = self._stage.cloth(garment.kind, garment.colour, garment.weave_per_metre, garment.fuzz, garment.pattern)
        self._stage.add_mesh(garment.kind, sheet, fine, cloth, thick=garment.thick)
        if line is not None and not garment.open_front:
            self._collar(garment, line, cloth, sheet)

    def _drape(self, points: Floats, quads: Ints, held: Floats, garment: Garment) -> Floats:
        """Cloth that has fallen; kept on disk, because it takes longer than the rest and changes seldom."""
        if self._kept is None:
            return self._stage.drape(points, quads, held, self._solid, garment.frames, garment.wider)
        told = points.tobytes() + quads.tobytes() + held.tobytes() + f"{garment.frames} {garment.wider}".encode()
        path = self._kept / f"cloth_{hashlib.sha256(told).hexdigest()[:16]}.npy"
        if not path.exists():
            np.save(path, self._stage.drape(points, quads, held, self._solid, garment.frames, garment.wider))
        return np.asarray(np.load(path), np.float64)

    def _collar(self, garment: Garment, line: Neckline, cloth: object, sheet: Floats) -> None:
        ease = garment.ease * 0.75
        if garment.neckline in ("shirt", "closed_shirt"):
            points, quads = clothing.shirt_collar(self.neck, line, ease, 0.030, 0.036)
            self._stage.add_mesh("collar", points, quads, cloth, thick=0.0012)
            self._placket(garment, line, cloth, sheet)
            return
        if garment.neckline == "roll":
            points, quads = clothing.roll_neck(self.neck, line, 0.6 * ease, 0.058)
        else:
            points, quads = clothing.band(self.neck, line, ease, 0.018)
        rib = self._stage.cloth("rib", garment.colour, garment.weave_per_metre * 0.6, garment.fuzz, "rib")
        self._stage.add_mesh("band", points, quads, rib)

    def _placket(self, garment: Garment, line: Neckline, cloth: object, sheet: Floats) -> None:
        """The buttoned strip down the front of a shirt, laid on its sheet (V, 3)."""
        middle = self.neck.foot[0]
        front = sheet[(np.abs(sheet[:, 0] - middle) < 0.035) & (sheet[:, 1] < self.neck.foot[1])]
        start, _ = self.neck.surface(np.zeros(1), line.level(np.zeros(1)) - 0.004)
        heights = np.linspace(start[0, 2], front[:, 2].min() + 0.01, 70)
        # the foremost of the sheet around each height, smoothed so that the strip bridges small folds
        nearest = np.array([front[np.abs(front[:, 2] - z) < 0.012, 1].min(initial=9.0) for z in heights])
        nearest = np.minimum(nearest, start[0, 1] - garment.ease)
        nearest = gaussian_filter1d(nearest, 1.5, mode="nearest")
        rows = []
        for across, out in ((-0.016, -0.006), (-0.015, 0.0016), (0.0, 0.0022), (0.015, 0.0016), (0.016, -0.006)):
            row = np.column_stack([np.full(70, middle + across), nearest - out, heights])
            rows.append((row, row))
        points, quads = clothing.loft(rows, False)
        self._stage.add_mesh("placket", points, quads, cloth)
        pearl = self._stage.plain("button", garment.button, 0.25)
        turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        for z in np.arange(start[0, 2] - 0.03, heights[-1], -0.085):
            y = float(np.interp(-z, -heights, nearest))
            rows = []
            for radius, out in ((0.0058, 0.0015), (0.006, 0.0032), (0.005, 0.004), (0.001, 0.0034)):
                disc = np.column_stack([radius * np.cos(turn), np.full(20, -out), radius * np.sin(turn)])
                rows.append((disc + np.array([middle, y, z]), disc))
            points, quads = clothing.loft(rows, True)
            self._stage.add_mesh("button", points, quads, pearl)

    def _shoes(self, garment: Garment) -> None:
        leather = self._stage.plain("leather", garment.colour, 0.45)
        sole = self._stage.plain("sole", garment.button, 0.7)
        for sign in (-1.0, 1.0):
            feet = (self._foot > 0.35) & (np.sign(self._body[:, 0]) == sign)
            fine = self._fine(self._faces(feet), 1)
            shape = clothing.relax(fine.points, fine.quads, 55)
            shape = shape + 0.0095 * vertex_normals(shape, fine.quads)
            shape[:, 2] = np.maximum(shape[:, 2], self.floor + 0.001)
            self._stage.add_mesh("shoe", shape, fine.quads, leather, thick=0.002)
            points, quads = clothing.hull_sole(shape[shape[:, 2] < self.floor + 0.06], self.floor - 0.022, 0.03, 0.003)
            self._stage.add_mesh("sole", points, quads, sole)
