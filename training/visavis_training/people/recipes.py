"""The people themselves: everything that is chosen by hand about each. Plain values, no code."""

from __future__ import annotations

from dataclasses import dataclass

from visavis_training.people.eyes import Iris
from visavis_training.people.identity import Shape
from visavis_training.people.skin import Complexion


@dataclass(frozen=True, slots=True)
class Hairdo:
    """A cut and a colour: style is buzz, crop, tied or bob; beard and brow are 0..1; lengths in metres."""

    style: str
    melanin: float
    redness: float
    grey: float = 0.0
    recede: float = 0.0
    beard: float = 0.0
    beard_length: float = 0.006
    brow: float = 0.6


@dataclass(frozen=True, slots=True)
class Outfit:
    """A garment's neckline (crew, vee or collar), its colour in linear light, its weave and what is worn beneath."""

    neckline: str
    colour: tuple[float, float, float]
    weave_per_metre: float = 700.0
    under: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """One person."""

    seed: int
    shape: Shape
    complexion: Complexion
    iris: Iris
    hairdo: Hairdo
    outfit: Outfit
    room: str
    camera_yaw: float = 0.0
    exposure: float = 1.0


def _both(name: str, amount: float) -> dict[str, float]:
    folder, _, rest = name.partition("/")
    return {f"{folder}/l-{rest}": amount, f"{folder}/r-{rest}": amount}


SOFT_SMILE = {
    "mouthSmileLeft": 0.30,
    "mouthSmileRight": 0.26,
    "cheekSquintLeft": 0.25,
    "cheekSquintRight": 0.22,
    "eyeWideLeft": 0.15,
    "eyeWideRight": 0.15,
    "mouthPressLeft": 0.05,
    "mouthPressRight": 0.05,
}
AT_EASE = {
    "mouthSmileLeft": 0.14,
    "mouthSmileRight": 0.17,
    "eyeWideLeft": 0.22,
    "eyeWideRight": 0.20,
    "cheekSquintLeft": 0.08,
    "cheekSquintRight": 0.08,
}

PEOPLE: dict[str, Recipe] = {
    "samuel": Recipe(
        seed=11,
        shape=Shape(
            "male",
            {"african": 0.85, "caucasian": 0.15},
            age=0.14,
            expression=AT_EASE,
            head_roll=0.02,
            targets={"head/head-oval": 0.3, "chin/chin-width-incr": 0.25, "neck/neck-scale-horiz-incr": 0.2},
        ),
        complexion=Complexion(
            (150, 98, 70),
            redness=0.3,
            blotches=0.8,
            dark_circles=0.45,
            lip_redness=0.25,
            lip_depth=0.35,
            stubble=0.6,
            wrinkles=0.35,
            oil=0.9,
        ),
        iris=Iris((46, 27, 16), (72, 42, 22)),
        hairdo=Hairdo("buzz", 1.0, 0.05, recede=0.05, beard=0.8, beard_length=0.004, brow=0.8),
        outfit=Outfit("crew", (0.035, 0.055, 0.10)),
        room="window",
        camera_yaw=0.06,
        exposure=1.35,
    ),
    "maya": Recipe(
        seed=7,
        shape=Shape(
            "female",
            {"caucasian": 0.55, "asian": 0.2, "african": 0.25},
            age=0.03,
            expression=SOFT_SMILE,
            head_roll=-0.035,
            targets={"head/head-oval": 0.4},
        ),
        complexion=Complexion(
            (196, 142, 110),
            redness=0.45,
            freckles=0.12,
            blotches=0.5,
            dark_circles=0.5,
            lip_redness=0.4,
            lip_depth=0.35,
            wrinkles=0.08,
            oil=0.6,
        ),
        iris=Iris((58, 34, 18), (98, 60, 30)),
        hairdo=Hairdo("tied", 0.95, 0.3, brow=0.8),
        outfit=Outfit("vee", (0.30, 0.10, 0.055), 420.0, (0.62, 0.60, 0.55)),
        room="shelf",
        camera_yaw=-0.07,
        exposure=1.15,
    ),
    "jun": Recipe(
        seed=23,
        shape=Shape(
            "male", {"asian": 1.0}, age=0.06, expression=AT_EASE, head_roll=0.02, targets={"head/head-oval": 0.2}
        ),
        complexion=Complexion(
            (222, 178, 146),
            redness=0.4,
            blotches=0.5,
            dark_circles=0.4,
            lip_redness=0.45,
            lip_depth=0.25,
            stubble=0.22,
            wrinkles=0.15,
            oil=0.7,
        ),
        iris=Iris((44, 26, 16), (70, 42, 24)),
        hairdo=Hairdo("crop", 1.0, 0.05, brow=0.8),
        outfit=Outfit("crew", (0.42, 0.41, 0.39), 500.0),
        room="office",
        camera_yaw=0.05,
        exposure=0.90,
    ),
    "elena": Recipe(
        seed=31,
        shape=Shape(
            "female",
            {"caucasian": 1.0},
            age=0.50,
            expression=SOFT_SMILE,
            head_roll=0.03,
            targets={"torso/measure-shoulder-dist-decr": 0.7},
        ),
        complexion=Complexion(
            (232, 188, 166),
            redness=0.7,
            freckles=0.35,
            blotches=0.6,
            dark_circles=0.4,
            lip_redness=0.35,
            lip_depth=0.15,
            wrinkles=0.75,
            oil=0.4,
        ),
        iris=Iris((84, 108, 118), (132, 122, 86), limbus=0.6),
        hairdo=Hairdo("bob", 0.50, 0.3, grey=0.2, brow=0.75),
        outfit=Outfit("vee", (0.05, 0.09, 0.075), 600.0, (0.70, 0.68, 0.64)),
        room="lamp",
        camera_yaw=-0.05,
        exposure=0.95,
    ),
}
