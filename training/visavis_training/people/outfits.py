"""Dresses a body: cuts each garment's sheet from it, hangs it, adds collars, buttons and shoes.

It knows the base mesh's bones and the garments' names; how cloth hangs is draping's, shading the stage's.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from visavis_training.people import clothing, draping
from visavis_training.people.clothing import Neck, Neckline
from visavis_training.people.draping import Hang, Limb
from visavis_training.people.identity import BaseMesh, bone_share
from visavis_training.people.recipes import Garment, Recipe
from visavis_training.people.stage import Stage
from visavis_training.people.surface import Body, Floats, Ints, Surface, noise, smooth_step, vertex_normals

_FINGERS = tuple(f"{finger}_0{k}" for finger in ("thumb", "index", "middle", "ring", "pinky") for k in (1, 2, 3))
_NECKLINES = {
    "crew": Neckline(-0.014),
    "vee": Neckline(-0.016, 0.135, 0.058),
    "wide": Neckline(-0.030),
    "shirt": Neckline(0.002, open_half=0.02),
    "roll": Neckline(-0.006),
}


class Wardrobe:
    """One body to be dressed: base mesh, vertices (V, 3) in metres and the share each vertex has in groups of bones."""

    def __init__(self, stage: Stage, data: Path, base: BaseMesh, body: Floats) -> None:
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

    def hands(self) -> Ints:
        """Faces of what no sleeve covers: hands and wrists."""
        return self._faces(self._hand + self._fore > 0.6)

    def dress(self, recipe: Recipe, seed: int) -> None:
        """Put on everything the recipe names, from the skin outwards."""
        for number, garment in enumerate(recipe.outfit):
            if garment.kind == "shoes":
                self._shoes(garment)
            elif garment.kind == "trousers":
                self._trousers(garment, seed + number)
            else:
                over = recipe.outfit[number + 1] if number + 1 < len(recipe.outfit) else None
                self._top(garment, seed + number, over)

    def _trouser_faces(self) -> Ints:
        waist = self._joint("joint-pelvis")[2] + 0.07
        return self._faces((self._body[:, 2] < waist) & (self._foot < 0.5) & (self._arm + self._hand < 0.3))

    def _top(self, garment: Garment, seed: int, over: Garment | None) -> None:
        hem = self._joint("joint-pelvis")[2] - garment.hem - 0.05
        body = self._body
        kept = (body[:, 2] > hem) & (self._head < 0.6) & (self._hand < 0.55) & (self._foot < 0.5)
        kept &= (body[:, 2] > hem + 0.0) | (self._arm > 0.3)
        kept |= (self._arm > 0.5) & (self._hand < 0.55)
        if garment.sleeve < 1.0:
            kept &= self._fore < max(0.05, garment.sleeve)
        line = _NECKLINES[garment.neckline]
        kept &= self.neck.inside(body, line) < 0.065
        self._hung(garment, seed, self._faces(kept), line, over)

    def _gone(self, garment: Garment, points: Floats, lies: Neck | None = None) -> Floats:
        """How far (V,) points are past a top's neckline or open front, about metres; below 0 there is cloth."""
        gone = (lies or self.neck).inside(points, _NECKLINES[garment.neckline])
        if garment.open_front:
            middle, top = self.neck.foot[0], self.neck.foot[2] - 0.05
            gap = garment.open_front * (1.0 - 0.3 * smooth_step(top - points[:, 2], 0.0, 0.25))
            front = points[:, 1] < self.neck.foot[1] + 0.02
            gone = np.maximum(gone, np.where(front, gap - np.abs(points[:, 0] - middle), -1.0))
        return np.asarray(gone)

    def _limbs(self, faces: Ints, legs: bool = False) -> tuple[Limb, Limb]:
        both = []
        names = ("upper-leg", "knee", "ankle") if legs else ("shoulder", "elbow", "hand")
        for sign, side in ((1.0, "l"), (-1.0, "r")):
            own = (self._leg + self._foot if legs else self._arm) * (np.sign(self._body[:, 0]) == sign)
            share = self._fine(faces, 1, np.repeat(own[:, None], 3, 1)).points[:, 0]
            start, bend, end = (self._joint(f"joint-{side}-{name}") for name in names)
            both.append(Limb(start, bend, end, share.clip(0.0, 1.0)))
        return both[0], both[1]

    def _hung(self, garment: Garment, seed: int, faces: Ints, line: Neckline, over: Garment | None) -> None:
        skin = self._fine(faces, 1)
        hang = Hang(garment.ease, garment.slack, garment.sleeve_slack, garment.folds)
        limbs = self._limbs(faces)
        points, slack = draping.drape(skin, limbs, self.neck.foot, hang)
        angle, level = self.neck.coordinates(points)
        near, normal = self.neck.surface(angle, level.clip(-0.2, 0.06))
        pinned = smooth_step(level, -0.07, -0.03) * smooth_step(np.hypot(*(points - self.neck.foot).T[:2]), 0.12, 0.09)
        points = points + pinned[:, None] * (near + garment.ease * normal - points)
        points = clothing.relax(points, skin.quads, 2)
        fine = self._stage.subdivide(points, skin.quads, skin.texture, skin.quads, 2)
        # subdivision is linear: what vertices have is made finer as their places are
        has = np.stack([slack, limbs[0].share, limbs[1].share], 1)
        loose, *shares = self._stage.subdivide(has, skin.quads, skin.texture, skin.quads, 2).points.T
        limbs = (replace(limbs[0], share=shares[0].clip(0.0, 1.0)), replace(limbs[1], share=shares[1].clip(0.0, 1.0)))
        sheet = draping.creased(fine.points, fine.quads, limbs, loose, hang, seed)
        if self._worn is not None:
            sheet = self._worn.outside(sheet, 0.0045, 0.03)
        self._worn = Body(Surface(sheet, vertex_normals(sheet, fine.quads), fine.texture, fine.quads), 1)
        lies = Neck(points, skin.quads, self.neck.foot)
        hem = self._joint("joint-pelvis")[2] - garment.hem
        sleeves = limbs[0].share + limbs[1].share > 0.3
        gone = np.maximum(self._gone(garment, sheet, lies), np.where(sleeves, -1.0, hem - sheet[:, 2]))
        if over is not None:  # what is worn over it hides the rest, and nothing can poke through
            gone = np.maximum(gone, -self._gone(over, sheet) - 0.008)
        cut, quads = draping.trim(sheet, fine.quads, gone)
        row, column = draping.thread(fine.points, limbs, self.neck.foot)
        cloth = self._stage.cloth(garment.kind, garment.colour, garment.weave_per_metre, garment.fuzz, garment.pattern)
        thick = garment.thick if over is None else 0.0
        self._stage.add_mesh(garment.kind, cut, quads, cloth, thick=thick, row=row, column=column)
        self._collar(garment, lies, cloth, sheet, over)

    def _trousers(self, garment: Garment, seed: int) -> None:
        faces = self._trouser_faces()
        skin = self._fine(faces, 1)
        points = clothing.relax(skin.points, skin.quads, 6)
        points = points + garment.ease * vertex_normals(points, skin.quads)
        both = self._limbs(faces, legs=True)
        for limb in both:
            points = draping.tube(points, limb, garment.slack, 0.09)
        # over the ankles, down to the shoes
        ankle = both[0].wrist[2]
        points[:, 2] -= 0.16 * smooth_step(points[:, 2], ankle + 0.32, ankle + 0.02)
        points = clothing.relax(points, skin.quads, 3)
        surface = self._stage.subdivide(points, skin.quads, skin.texture, skin.quads, 2)
        grain = noise(surface.points * np.array([1.0, 1.0, 0.6]), 40.0, 2, seed) * garment.folds
        sheet = surface.points + grain[:, None] * surface.normals
        sheet, quads = draping.trim(sheet, surface.quads, self.floor + 0.022 - sheet[:, 2])
        self._worn = Body(Surface(sheet, vertex_normals(sheet, quads), surface.texture, quads))
        cloth = self._stage.cloth(garment.kind, garment.colour, garment.weave_per_metre, garment.fuzz, garment.pattern)
        self._stage.add_mesh(garment.kind, sheet, quads, cloth, thick=garment.thick)

    def _collar(self, garment: Garment, lies: Neck, cloth: object, sheet: Floats, over: Garment | None) -> None:
        """What the neckline ends in, on the cloth that `lies` around the neck."""
        line = _NECKLINES[garment.neckline]
        if garment.neckline == "shirt":
            points, quads = clothing.shirt_collar(lies, line, 0.0005, 0.028, 0.035)
            self._stage.add_mesh("collar", points, quads, cloth, thick=0.0012)
            self._placket(garment, line, cloth, sheet, over)
            return
        if garment.neckline == "roll":
            points, quads = clothing.roll_neck(self.neck, line, garment.ease, 0.058)
        else:
            points, quads = clothing.band(lies, line, 0.0003, 0.018)
        rib = self._stage.cloth("rib", garment.colour, garment.weave_per_metre, garment.fuzz, "rib")
        angle, level = lies.coordinates(points)
        self._stage.add_mesh("band", points, quads, rib, row=level, column=0.075 * angle)

    def _placket(self, garment: Garment, line: Neckline, cloth: object, sheet: Floats, over: Garment | None) -> None:
        """The buttoned strip down the front of a shirt, laid on its sheet (V, 3)."""
        middle = self.neck.foot[0]
        front = sheet[(np.abs(sheet[:, 0] - middle) < 0.035) & (sheet[:, 1] < self.neck.foot[1])]
        if over is not None:
            # it ends where the other's opening gets too narrow for it
            seen = front[(np.abs(front[:, 0] - middle) > 0.015) & (self._gone(over, front) > 0.016)]
            front = front[front[:, 2] > seen[:, 2].min()]
        start, _ = self.neck.surface(np.zeros(1), self.neck.level(line, np.zeros(1)) - 0.004)
        heights = np.linspace(start[0, 2] + 0.022, front[:, 2].min() + 0.01, 70)
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
            ankle = fine.points[fine.points[:, 2] < self.floor + 0.115]
            points, quads = clothing.shoe(ankle, self.floor, 0.006)
            self._stage.add_mesh("shoe", points, quads, leather, thick=0.002)
            points, quads = clothing.hull_sole(ankle[ankle[:, 2] < self.floor + 0.06], self.floor - 0.022, 0.03, 0.009)
            self._stage.add_mesh("sole", points, quads, sole)
