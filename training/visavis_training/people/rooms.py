"""Rooms that people stand in: walls, windows, furniture and leaves as one coloured mesh, and the lamps that light it.

Metres; the person stands at the origin of the floor and faces -y, where the camera is. Everything is seen out of focus,
so shapes are plain and what counts is how light and colour are spread. Numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from visavis_training.people.surface import Floats, Ints

Colour = tuple[float, float, float]
Place = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Lamp:
    """A rectangular lamp: place and target relative to the eyes (metres), size (metres), watts, linear colour."""

    place: Place
    size: tuple[float, float]
    watts: float
    colour: Colour = (1.0, 0.97, 0.93)
    target: Place = (0.0, 0.0, -0.05)


@dataclass(slots=True)
class Room:
    """What stands around a person.

    `points` (V, 3), `quads` (Q, 4), per vertex `colour` (V, 3) linear, `roughness` (V,) and `glow` (V,) emitted light.
    `sky` is the even light from outside; lamps light the person.
    """

    lamps: tuple[Lamp, ...]
    sky: Colour = (0.10, 0.105, 0.11)
    sun: tuple[Place, float, Colour] | None = None
    _points: list[Floats] = field(default_factory=list)
    _quads: list[Ints] = field(default_factory=list)
    _paint: list[Floats] = field(default_factory=list)
    _count: int = 0

    def arrays(self) -> tuple[Floats, Ints, Floats, Floats, Floats]:
        """Points, quads, colour, roughness and glow."""
        paint = np.concatenate(self._paint)
        return np.concatenate(self._points), np.concatenate(self._quads), paint[:, :3], paint[:, 3], paint[:, 4]

    def add(self, points: Floats, quads: Ints, colour: Colour, roughness: float = 0.6, glow: float = 0.0) -> None:
        """Add quads of one colour."""
        self._points.append(points)
        self._quads.append(quads + self._count)
        self._paint.append(np.tile((*colour, roughness, glow), (len(points), 1)))
        self._count += len(points)

    def box(
        self, centre: Place, size: Place, colour: Colour, roughness: float = 0.6, glow: float = 0.0, turn: float = 0.0
    ) -> None:
        """A box, turned about its upright axis by `turn` radians."""
        corners = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]) * size
        cosine, sine = np.cos(turn), np.sin(turn)
        corners = corners @ np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]]) + centre
        sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
        self.add(corners, np.array(sides), colour, roughness, glow)

    def shell(self, half_width: float, depth: float, wall: Colour, floor: Colour, ceiling: Colour | None) -> None:
        """Floor, back wall, side walls and maybe a ceiling; open behind the camera."""
        self.box((0, depth + 0.05, 1.4), (2 * half_width + 0.2, 0.1, 2.9), wall, 0.9)
        self.box((0, depth / 2 - 1.6, -0.05), (2 * half_width + 0.2, depth + 3.4, 0.1), floor, 0.35)
        for side in (-1, 1):
            self.box((side * (half_width + 0.05), depth / 2 - 0.3, 1.4), (0.1, depth + 0.8, 2.9), wall, 0.9)
            self.box((side * (half_width - 0.01), depth / 2, 0.06), (0.02, depth, 0.12), (0.7, 0.69, 0.66), 0.5)
        self.box((0, depth - 0.01, 0.06), (2 * half_width, 0.02, 0.12), (0.7, 0.69, 0.66), 0.5)
        if ceiling is not None:
            self.box((0, depth / 2 - 0.8, 2.8), (2 * half_width, depth + 1.8, 0.1), ceiling, 0.9)

    def window(self, x: float, y: float, z: float, width: float, height: float, glow: float, seed: int = 0) -> None:
        """A bright window in the back wall with bars, and blurred green below the sky."""
        chance = np.random.default_rng(seed)
        self.box((x, y, z), (width, 0.02, height), (0.80, 0.90, 1.0), 0.5, glow)
        for _ in range(110):
            reach, turn = chance.uniform(0.05, 0.16), chance.uniform(0, np.pi)
            middle = np.array(
                [x + chance.uniform(-0.45, 0.45) * width, y - 0.02, z + (chance.random() ** 1.5 - 0.46) * height * 0.9]
            )
            long = np.array([np.cos(turn), 0.0, np.sin(turn)]) * reach
            wide = np.array([-np.sin(turn), 0.0, np.cos(turn)]) * reach * 0.55
            corners = np.array([-long, -wide, long, wide]) + middle
            green = chance.uniform(0.16, 0.45)
            self.add(corners, np.array([[0, 1, 2, 3]]), (0.66 * green, green, 0.42 * green), 0.5, 0.6 * glow)
        for share in (-0.5, 0.0, 0.5):
            self.box((x + share * width, y - 0.05, z), (0.055, 0.06, height + 0.06), (0.75, 0.74, 0.71))
        for share in (-0.5, 0.18, 0.5):
            self.box((x, y - 0.05, z + share * height), (width + 0.06, 0.06, 0.055), (0.75, 0.74, 0.71))

    def curtain(self, x: float, y: float, width: float, colour: Colour, top: float = 2.5) -> None:
        """Cloth in folds from `top` to the floor."""
        across = np.linspace(0, 1, 60)
        wave = 0.035 * np.sin(across * 2 * np.pi * width / 0.11) + 0.02 * np.sin(across * 17)
        low = np.stack([x + (across - 0.5) * width, y + wave, 0 * across + 0.02], 1)
        points = np.concatenate([low, low + (0, 0, top)])
        k = np.arange(59)
        self.add(points, np.stack([k, k + 1, k + 61, k + 60], 1), colour, 0.95)

    def books(self, left: float, right: float, y: float, z: float, height: float, chance: np.random.Generator) -> None:
        """A row of books on a shelf."""
        x = left
        while x < right:
            width, tall = chance.uniform(0.016, 0.048), height * chance.uniform(0.62, 0.95)
            if chance.random() > 0.09:
                base = np.array(_SPINES[chance.integers(len(_SPINES))]) * chance.uniform(0.5, 1.15)
                lean = (x + width / 2, y + chance.uniform(0.0, 0.04), z + tall / 2)
                self.box(lean, (width * 0.94, 0.2, tall), (base[0], base[1], base[2]), 0.55)
            x += width

    def plant(
        self, x: float, y: float, height: float, spread: float, seed: int, pot: Colour = (0.5, 0.46, 0.4)
    ) -> None:
        """A leafy plant in a pot."""
        chance = np.random.default_rng(seed)
        self.box((x, y, 0.16), (0.30, 0.30, 0.32), pot, 0.7, turn=0.4)
        self.leaves((x, y, 0.3 + height / 2), (spread, spread, height), 150, 0.13, chance)

    def leaves(self, centre: Place, size: Place, count: int, length: float, chance: np.random.Generator) -> None:
        """A cloud of leaves in an ellipsoid."""
        for _ in range(count):
            away = chance.normal(0, 0.34, 3).clip(-0.6, 0.6)
            middle = np.array(centre) + away * size
            along, across = chance.normal(size=3), chance.normal(size=3)
            along /= np.linalg.norm(along)
            across -= (across @ along) * along
            across /= np.linalg.norm(across)
            long = length * chance.uniform(0.6, 1.3)
            corners = np.array([-along, 0.45 * across, along, -0.45 * across]) * long * 0.5 + middle
            tone = chance.uniform(0.4, 1.2)
            self.add(corners, np.array([[0, 1, 2, 3]]), (0.10 * tone, 0.22 * tone, 0.055 * tone), 0.45)

    def picture(self, x: float, y: float, z: float, width: float, height: float, seed: int) -> None:
        """A framed print of a few flat shapes."""
        chance = np.random.default_rng(seed)
        self.box((x, y - 0.02, z), (width, 0.04, height), (0.04, 0.035, 0.03), 0.4)
        self.box((x, y - 0.045, z), (0.9 * width, 0.01, 0.92 * height), (0.72, 0.70, 0.65), 0.6)
        for k in range(5):
            part = chance.uniform(0.15, 0.45, 2)
            where = chance.uniform(-0.2, 0.2, 2)
            tone = np.array(_SPINES[chance.integers(len(_SPINES))])
            self.box(
                (x + where[0] * width, y - 0.052 - 0.002 * k, z + where[1] * height),
                (part[0] * width, 0.002, part[1] * height),
                (tone[0], tone[1], tone[2]),
                0.6,
            )


_SPINES: tuple[Colour, ...] = (
    (0.30, 0.07, 0.05), (0.06, 0.11, 0.19), (0.50, 0.43, 0.30), (0.09, 0.15, 0.09), (0.55, 0.52, 0.46),
    (0.33, 0.20, 0.09), (0.04, 0.04, 0.045), (0.16, 0.22, 0.26), (0.42, 0.27, 0.07), (0.22, 0.11, 0.12),
)  # fmt: skip


def living() -> Room:
    """A daylit living room: window to one side behind, sofa, plant, prints."""
    room = Room(
        (
            Lamp((-1.35, -0.75, 0.45), (1.1, 1.5), 62.0, (0.95, 0.98, 1.0)),
            Lamp((1.3, 1.1, 0.5), (0.5, 1.2), 18.0, (0.97, 0.98, 1.0)),
            Lamp((0.7, -1.5, 0.2), (1.4, 1.4), 7.0, (1.0, 0.95, 0.88)),
        ),
        (0.10, 0.10, 0.10),
    )
    room.shell(2.6, 3.4, (0.62, 0.58, 0.52), (0.30, 0.19, 0.11), (0.75, 0.74, 0.72))
    room.window(1.1, 3.38, 1.62, 1.3, 1.5, 1.8, 4)
    room.curtain(0.22, 3.25, 0.42, (0.66, 0.62, 0.55))
    room.curtain(2.0, 3.25, 0.42, (0.66, 0.62, 0.55))
    room.box((-1.2, 2.7, 0.24), (1.9, 0.9, 0.42), (0.13, 0.19, 0.20), 0.9)
    room.box((-1.2, 3.1, 0.66), (1.9, 0.22, 0.55), (0.12, 0.175, 0.185), 0.9)
    for x, tone in ((-1.75, (0.50, 0.24, 0.08)), (-1.1, (0.52, 0.49, 0.42)), (-0.72, (0.16, 0.10, 0.08))):
        room.box((x, 2.88, 0.68), (0.42, 0.14, 0.40), tone, 0.95, turn=0.1)
    room.picture(-1.55, 3.4, 1.72, 0.52, 0.68, 3)
    room.picture(-0.88, 3.4, 1.66, 0.40, 0.52, 8)
    room.plant(-2.15, 2.2, 1.1, 0.7, 5)
    return room


def library() -> Room:
    """A wall of books with a lamp on a shelf; evening light."""
    room = Room(
        (
            Lamp((1.15, -0.85, 0.40), (0.8, 1.0), 46.0, (1.0, 0.90, 0.77)),
            Lamp((-1.2, 0.95, 0.45), (0.35, 0.9), 15.0, (1.0, 0.86, 0.68)),
            Lamp((-1.1, -1.3, 0.0), (1.2, 1.2), 6.5, (0.82, 0.91, 1.0)),
        ),
        (0.045, 0.05, 0.06),
    )
    room.shell(2.4, 2.6, (0.22, 0.17, 0.13), (0.16, 0.085, 0.045), (0.3, 0.28, 0.25))
    chance = np.random.default_rng(12)
    wood = (0.16, 0.085, 0.04)
    for row in range(8):
        room.box((0, 2.42, 0.10 + 0.34 * row), (4.6, 0.30, 0.028), wood, 0.4)
        room.books(-2.2, 2.2, 2.42, 0.115 + 0.34 * row, 0.29, chance)
    for x in (-1.9, -0.95, 0.0, 0.95, 1.9):
        room.box((x, 2.42, 1.3), (0.03, 0.31, 2.6), wood, 0.4)
    room.box((1.02, 1.95, 0.45), (0.5, 0.4, 0.9), wood, 0.4)
    room.box((1.02, 1.95, 1.10), (0.03, 0.03, 0.4), (0.3, 0.22, 0.1), 0.3)
    room.box((1.02, 1.95, 1.40), (0.26, 0.26, 0.24), (1.0, 0.72, 0.40), 0.8, 3.4, 0.5)
    return room


def office() -> Room:
    """An open office by day: ceiling lights, monitors, glass wall with a bright far side."""
    room = Room(
        (
            Lamp((-0.9, -0.95, 0.75), (1.2, 0.8), 44.0, (1.0, 0.99, 0.96)),
            Lamp((1.35, 0.5, 0.35), (0.5, 1.3), 26.0, (0.90, 0.96, 1.0)),
            Lamp((0.9, -1.4, -0.1), (1.2, 1.0), 7.0, (0.95, 0.97, 1.0)),
        ),
        (0.10, 0.105, 0.11),
    )
    room.shell(3.2, 5.2, (0.56, 0.58, 0.58), (0.14, 0.15, 0.16), (0.7, 0.7, 0.7))
    for x, y in ((-1.5, 2.2), (0.3, 2.2), (2.0, 2.2), (-1.5, 4.0), (0.3, 4.0), (2.0, 4.0)):
        room.box((x, y, 2.73), (0.9, 0.28, 0.02), (1.0, 1.0, 0.97), 0.5, 5.0)
    for x in (-2.4, -1.2, 0.0, 1.2):
        room.window(x, 5.15, 1.55, 1.05, 1.7, 1.25, int(10 + x * 3))
    for x, y in ((-1.5, 2.9), (0.85, 3.3), (1.9, 2.4)):
        room.box((x, y, 0.72), (1.3, 0.65, 0.04), (0.55, 0.48, 0.38), 0.4)
        room.box((x - 0.25, y, 1.05), (0.58, 0.03, 0.36), (0.015, 0.016, 0.018), 0.2)
        room.box((x - 0.25, y - 0.02, 1.05), (0.55, 0.005, 0.33), (0.25, 0.42, 0.62), 0.3, 0.5)
        room.box((x + 0.3, y - 0.7, 0.62), (0.46, 0.1, 0.62), (0.03, 0.032, 0.036), 0.8, turn=0.3)
    room.plant(2.3, 3.4, 1.3, 0.85, 9, (0.7, 0.7, 0.68))
    room.plant(-2.5, 4.2, 1.2, 0.8, 2, (0.7, 0.7, 0.68))
    room.box((2.2, 4.9, 1.4), (1.1, 0.05, 1.9), (0.08, 0.20, 0.24), 0.8)
    return room


def cafe() -> Room:
    """A café in the evening: brick, shelves of bottles, bulbs."""
    room = Room(
        (
            Lamp((-1.05, -0.9, 0.30), (0.9, 1.2), 46.0, (1.0, 0.93, 0.84)),
            Lamp((1.0, 0.9, 0.55), (0.35, 0.7), 24.0, (1.0, 0.78, 0.52)),
            Lamp((1.2, -1.1, -0.1), (1.1, 1.1), 5.0, (0.80, 0.90, 1.0)),
        ),
        (0.05, 0.05, 0.055),
    )
    room.shell(2.8, 3.8, (0.20, 0.10, 0.07), (0.10, 0.07, 0.05), (0.08, 0.075, 0.07))
    chance = np.random.default_rng(4)
    for row in range(34):
        for column in range(22):
            tone = chance.uniform(0.65, 1.2)
            x = -2.7 + 0.255 * column + 0.127 * (row % 2)
            room.box((x, 3.78, 0.04 + 0.083 * row), (0.24, 0.03, 0.07), (0.30 * tone, 0.135 * tone, 0.085 * tone), 0.85)
    room.box((0.9, 3.2, 0.55), (2.6, 0.6, 1.1), (0.11, 0.06, 0.035), 0.45)
    room.box((0.9, 3.2, 1.12), (2.8, 0.75, 0.05), (0.30, 0.17, 0.08), 0.3)
    for z in (1.62, 2.05):
        room.box((1.0, 3.6, z), (2.2, 0.26, 0.03), (0.26, 0.15, 0.07), 0.4)
        for k in range(22):
            glass = np.array([(0.12, 0.20, 0.08), (0.35, 0.17, 0.04), (0.45, 0.44, 0.40), (0.05, 0.07, 0.07)][k % 4])
            room.box(
                (0.0 + 0.095 * k, 3.58, z + 0.14),
                (0.06, 0.06, chance.uniform(0.16, 0.27)),
                (glass[0], glass[1], glass[2]),
                0.2,
            )
    for x, y, z in ((-1.3, 2.6, 2.05), (-0.55, 3.0, 1.98), (0.45, 2.7, 2.1), (1.25, 2.9, 2.0), (1.9, 2.3, 2.1)):
        room.box((x, y, z), (0.09, 0.09, 0.11), (1.0, 0.62, 0.25), 0.5, 22.0)
        room.box((x, y, z + 0.4), (0.012, 0.012, 0.68), (0.02, 0.02, 0.02))
    room.plant(-2.1, 2.9, 1.2, 0.8, 3, (0.3, 0.14, 0.08))
    return room


def garden() -> Room:
    """Outdoors late in the day: hedges, trees, a path; low sun from behind and open sky."""
    room = Room(
        (
            Lamp((0.9, -1.3, 0.9), (2.2, 2.0), 62.0, (0.90, 0.95, 1.0)),
            Lamp((-1.1, -1.0, -0.2), (1.2, 1.2), 8.0, (1.0, 0.95, 0.82)),
        ),
        (0.50, 0.58, 0.70),
        ((-1.2, 1.5, 1.25), 3.0, (1.0, 0.80, 0.55)),
    )
    chance = np.random.default_rng(21)
    room.box((0, 15.0, 2.2), (44, 0.2, 4.4), (0.030, 0.055, 0.018), 0.95)
    room.box((-2.6, 5.6, 0.8), (3.4, 0.3, 1.7), (0.028, 0.05, 0.018), 0.95)
    room.box((2.8, 6.1, 0.75), (3.0, 0.3, 1.6), (0.028, 0.05, 0.018), 0.95)
    room.box((0, 9, -0.05), (40, 28, 0.1), (0.10, 0.16, 0.045), 0.9)
    room.box((0.9, 7, 0.0), (1.3, 20, 0.02), (0.42, 0.37, 0.30), 0.9, turn=0.16)
    for x, y, z, wide, tall, count in (
        (-2.4, 5.0, 1.0, 3.0, 2.0, 700), (2.7, 5.5, 0.9, 2.6, 1.9, 600), (-4.5, 9, 2.6, 4.5, 4.4, 750),
        (0.6, 11, 2.0, 4.0, 3.6, 700), (5.0, 10, 2.8, 4.5, 4.8, 750), (-1.2, 8.0, 0.6, 2.6, 1.0, 350),
        (2.0, 14, 3.2, 7.0, 5.0, 700), (-7.0, 14, 3.4, 8.0, 6.0, 700),
    ):  # fmt: skip
        room.leaves((x, y, z), (wide, 1.4, tall), count, 0.09 + 0.012 * y, chance)
    for x, y in ((-4.4, 9.2), (5.1, 10.2)):
        room.box((x, y, 1.0), (0.3, 0.3, 2.2), (0.10, 0.07, 0.05), 0.9)
    for _ in range(40):
        tone = np.array([(0.7, 0.25, 0.30), (0.75, 0.6, 0.2), (0.7, 0.68, 0.62)][chance.integers(3)])
        place = (chance.uniform(-2.6, -0.9), 4.6, chance.uniform(0.6, 1.6))
        room.box(place, (0.07, 0.07, 0.06), (tone[0], tone[1], tone[2]), 0.8, turn=chance.uniform(0, 3))
    return room


def studio() -> Room:
    """A photographer's paper backdrop lit unevenly, one soft box."""
    room = Room(
        (
            Lamp((-0.85, -0.95, 0.55), (0.9, 1.2), 46.0, (1.0, 0.98, 0.95)),
            Lamp((0.9, 0.7, 0.45), (0.25, 1.0), 16.0, (1.0, 0.97, 0.92)),
            Lamp((0.35, 0.7, -0.5), (0.5, 0.5), 13.0, (1.0, 0.96, 0.92), (0.25, 2.0, 0.1)),
            Lamp((0.8, -1.2, -0.1), (1.0, 1.3), 5.0),
        ),
        (0.05, 0.05, 0.052),
    )
    sweep = np.linspace(0, np.pi / 2, 24)
    profile = np.concatenate(
        [
            [(-2.5, 0.0)],
            np.stack([1.0 + 0.9 * np.sin(sweep), 0.9 * (1 - np.cos(sweep))], 1),
            [(1.9, 3.2)],
        ]
    )
    points = np.concatenate([np.insert(profile, 0, x, axis=1) for x in (-2.6, 2.6)])
    k, n = np.arange(len(profile) - 1), len(profile)
    room.add(points, np.stack([k, k + 1, k + 1 + n, k + n], 1), (0.20, 0.235, 0.25), 0.95)
    return room


def kitchen() -> Room:
    """A bright kitchen: cupboards, tiles, a wooden counter, a window."""
    room = Room(
        (
            Lamp((1.3, -0.75, 0.35), (1.1, 1.4), 58.0, (0.97, 0.98, 1.0)),
            Lamp((-1.2, 0.95, 0.55), (0.4, 0.9), 14.0, (1.0, 0.93, 0.82)),
            Lamp((-0.9, -1.4, 0.1), (1.2, 1.2), 8.0, (1.0, 0.96, 0.90)),
        ),
        (0.10, 0.10, 0.10),
    )
    room.shell(2.4, 3.0, (0.60, 0.60, 0.56), (0.33, 0.24, 0.16), (0.75, 0.75, 0.73))
    for k, x in enumerate(np.arange(-2.1, 2.2, 0.6)):
        room.box((x, 2.75, 0.43), (0.58, 0.5, 0.84), (0.13, 0.20, 0.19), 0.4)
        room.box((x + 0.2, 2.48, 0.7), (0.02, 0.02, 0.16), (0.5, 0.42, 0.25), 0.3)
        if k not in (5, 6):
            room.box((x, 2.82, 1.95), (0.58, 0.36, 0.72), (0.62, 0.61, 0.57), 0.4)
            room.box((x + 0.2, 2.63, 1.68), (0.02, 0.02, 0.12), (0.5, 0.42, 0.25), 0.3)
    room.box((0, 2.70, 0.88), (4.6, 0.66, 0.05), (0.42, 0.25, 0.12), 0.35)
    for x in np.arange(-2.25, 2.3, 0.155):
        for z in np.arange(0.98, 1.58, 0.085):
            tone = 0.60 + 0.05 * np.sin(37.0 * x + 91.0 * z)
            room.box((float(x), 2.98, float(z)), (0.147, 0.02, 0.077), (tone, tone, 0.95 * tone), 0.12)
    room.window(1.25, 2.97, 1.75, 0.9, 1.0, 1.9, 6)
    for x, tone, tall in ((-1.7, (0.5, 0.3, 0.1), 0.2), (-1.5, (0.6, 0.58, 0.5), 0.14), (-0.2, (0.12, 0.2, 0.3), 0.22)):
        room.box((x, 2.65, 0.92 + tall / 2), (0.12, 0.12, tall), tone, 0.3, turn=0.5)
    room.leaves((-0.75, 2.7, 1.18), (0.35, 0.3, 0.4), 90, 0.09, np.random.default_rng(8))
    room.box((-0.75, 2.7, 0.98), (0.15, 0.15, 0.16), (0.55, 0.28, 0.17), 0.8)
    return room


def loft() -> Room:
    """A large plastered room with a wooden floor, daylight from one side; for a person standing."""
    room = Room(
        (
            Lamp((-2.0, -1.2, 0.2), (1.8, 2.6), 190.0, (0.96, 0.98, 1.0), (0.0, 0.0, -0.5)),
            Lamp((1.6, 1.2, 0.5), (0.6, 1.6), 40.0, (1.0, 0.95, 0.86), (0.0, 0.0, -0.4)),
            Lamp((1.6, -2.2, -0.2), (1.8, 1.8), 24.0, (1.0, 0.96, 0.9), (0.0, 0.0, -0.5)),
        ),
        (0.11, 0.11, 0.11),
    )
    room.shell(2.8, 2.6, (0.50, 0.48, 0.45), (0.30, 0.20, 0.12), (0.72, 0.71, 0.69))
    chance = np.random.default_rng(2)
    for k in range(40):
        x = -2.8 + 0.14 * k
        for y in np.arange(-2.8, 2.6, 1.3):
            tone = chance.uniform(0.75, 1.2)
            room.box(
                (x, y + 0.65 * (k % 2), 0.001),
                (0.136, 1.29, 0.006),
                (0.31 * tone, 0.20 * tone, 0.115 * tone),
                chance.uniform(0.3, 0.5),
            )
    room.picture(0.95, 2.6, 1.55, 0.75, 1.0, 5)
    room.plant(-1.05, 2.1, 1.3, 0.75, 7, (0.45, 0.43, 0.40))
    room.box((1.1, 2.2, 0.24), (1.1, 0.42, 0.46), (0.24, 0.14, 0.075), 0.4)
    for x, tall in ((0.75, 0.22), (0.86, 0.27), (0.98, 0.24), (1.3, 0.14)):
        room.box((x, 2.2, 0.47 + tall / 2), (0.07, 0.2, tall), (0.4 * tall + 0.1, 0.18, 0.14), 0.5)
    return room


ROOMS = {
    "living": living, "library": library, "office": office, "cafe": cafe, "garden": garden, "studio": studio,
    "kitchen": kitchen, "loft": loft,
}  # fmt: skip
