"""What is chosen by hand about a person who is photographed: shape, skin, eyes, hair, clothes, room, frame. No code."""

from __future__ import annotations

from dataclasses import dataclass

from visavis_training.people.eyes import Iris
from visavis_training.people.identity import Shape
from visavis_training.people.photograph import Grade
from visavis_training.people.skin import Complexion

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Hairdo:
    """A cut and a colour: style is buzz, crop, tied, fall or afro; beard and brow are 0..1; lengths in metres.

    `part` is where hair parts, metres to the person's left (crop: negative combs forward); `length` and `wave` are what
    the style says; `tuck` 0..1 turns the ends in.
    """

    style: str
    melanin: float
    redness: float
    grey: float = 0.0
    recede: float = 0.0
    beard: float = 0.0
    beard_length: float = 0.006
    beard_grey: float = 0.0
    brow: float = 0.6
    length: float = 0.04
    wave: float = 0.0
    part: float = 0.02
    tuck: float = 0.0


@dataclass(frozen=True, slots=True)
class Garment:
    """One thing worn. Colours in linear light, metres.

    kind names it (top, cardigan, trousers, shoes); neckline is crew, vee, wide, shirt or roll;
    `hem` is how far below the hip joint it ends; `sleeve` the share of the forearm it covers, 1 to the wrist;
    `open_front` half the gap. Cloth hangs off the body by `slack` at the waist, `sleeve_slack` on the
    arms, and has folds so high. Of two tops the first is worn below the second.
    """

    kind: str
    colour: Colour
    neckline: str = "crew"
    weave_per_metre: float = 900.0
    pattern: str = "plain"
    fuzz: float = 0.15
    ease: float = 0.010
    slack: float = 0.012
    sleeve_slack: float = 0.007
    folds: float = 0.004
    thick: float = 0.0016
    hem: float = 0.06
    sleeve: float = 1.0
    open_front: float = 0.0
    button: Colour = (0.6, 0.58, 0.54)


@dataclass(frozen=True, slots=True)
class Framing:
    """What the camera sees: pixels' aspect (width / height), metres of width, how far below the eyes it aims, lens.

    `yaw` turns the camera around the person, `rise` lifts it above the eyes, metres.
    """

    aspect: float
    width: float
    below_eyes: float
    distance: float = 1.5
    f_stop: float = 4.0
    yaw: float = 0.0
    rise: float = 0.02
    aside: float = 0.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """One person."""

    seed: int
    shape: Shape
    complexion: Complexion
    iris: Iris
    hairdo: Hairdo
    outfit: tuple[Garment, ...]
    room: str
    framing: Framing
    grade: Grade = Grade()
