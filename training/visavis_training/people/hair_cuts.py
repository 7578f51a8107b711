"""Haircuts that people wear, chosen by age, sex and origin, each varied by the person's seed.

A cut is a row of numbers for `hair_growth.grow`; a person's own are drawn round it. Knows nothing of colours or of how
strands grow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from visavis_training.people.chance import Chance, step
from visavis_training.people.hairdo import Hairdo


@dataclass(frozen=True, slots=True)
class Group:
    """Strands that grow on one part of the scalp: `where` "all", "upper" or "lower", `count` of them of `points`."""

    where: str
    count: int
    points: int


LAYOUTS: dict[str, tuple[Group, ...]] = {
    "short": (Group("all", 5600, 3),),
    "duo": (Group("upper", 1000, 7), Group("lower", 2600, 3)),
    "mid": (Group("upper", 1000, 7), Group("lower", 1200, 5)),
    "puff": (Group("all", 1560, 7),),
    "long": (Group("upper", 740, 11), Group("lower", 290, 11)),
    "curly": (Group("upper", 380, 18), Group("lower", 210, 18)),
    "tied": (Group("upper", 470, 11), Group("lower", 330, 11)),
}
"""How strands are shared out; tied hair has `TAIL_STRANDS` more."""
TAIL_STRANDS = 220
NO_LEVEL = 9.0

Comb = tuple[float, float, float, float, float]
_DOWN: Comb = (0.0, 0.25, 1.0, 0.15, 0.0)
_OUT: Comb = (0.0, 0.0, 0.0, 1.0, 0.0)
_GROWN: Comb = (0.25, 0.0, 0.1, 0.7, 0.7)


@dataclass(frozen=True, slots=True)
class Cut:
    """A haircut; lengths in dm. See `Hairdo` for what the numbers do.

    `share` among women and men, `by_origin` how usual among people of African, Asian and European descent (their
    hair's own curl decides), `years` from and to when it is worn.
    """

    name: str
    layout: str
    share: tuple[float, float]
    by_origin: tuple[float, float, float]
    years: tuple[float, float]
    length: tuple[float, float, float, float]
    comb: tuple[Comb, Comb, Comb, Comb]
    parting: tuple[float, ...] = (0.0,)
    fade: float = 0.0
    fade_top: float = -0.75
    volume: float = 0.10
    gravity: float = 3.0
    cling: float = 0.5
    fringe: float = 0.0
    fringe_over: float = 0.06
    open: float = 0.95
    level: float = NO_LEVEL
    uneven: float = 0.15
    clump: float = 0.3
    clump_size: int = 2
    puff: float = 0.0
    curl: float = 0.0
    wave: float = 0.5
    ramp: float = 0.3
    stray: float = 0.04
    width: float = 0.012
    tie: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tail: float = 0.0
    bun: float = 0.0


_ALL, _STRAIGHT, _LOOSE, _KINKY = (1.0, 1.0, 1.0), (0.06, 1.0, 1.0), (0.25, 0.35, 1.0), (1.0, 0.02, 0.02)
_ANY = (0.0, 120.0)
_AHEAD: Comb = (1.0, 0.0, 0.0, 0.45, 0.25)
_BACK: Comb = (-1.0, 0.0, 0.0, 0.35, 0.0)
_ASIDE: Comb = (-0.15, 1.0, 0.1, 0.25, 0.0)
_CENTRE: Comb = (-0.35, 1.0, 0.2, 0.15, 0.0)
_SIDE: Comb = (0.0, 0.1, 1.0, 0.15, 0.0)
_SIDE_BACK: Comb = (-0.5, 0.0, 0.7, 0.15, 0.0)

CUTS: tuple[Cut, ...] = (
    Cut("shaven", "short", (0.1, 5.0), _ALL, (22, 120), (0.012,) * 4, (_GROWN,) * 4, volume=0.01, gravity=0.0,
        cling=0.0, width=0.005),
    Cut("buzz", "short", (0.5, 9.0), (1.6, 0.8, 0.9), _ANY, (0.07, 0.07, 0.055, 0.055), (_GROWN,) * 4, volume=0.05,
        gravity=0.0, cling=0.0, width=0.008, fade=0.5, stray=0.10),
    Cut("crop", "short", (0.5, 14.0), (0.25, 1.2, 1.0), _ANY, (0.24, 0.24, 0.12, 0.12),
        ((0.9, 0.15, 0.0, 0.75, 0.2), (0.8, 0.1, 0.0, 0.7, 0.5), _SIDE, _SIDE), volume=0.13, gravity=0.6, cling=0.12,
        fade=0.6, clump=0.45, uneven=0.3, stray=0.12, fringe=1.0, width=0.011),
    Cut("caesar", "short", (0.2, 4.0), (0.15, 1.3, 1.0), _ANY, (0.34, 0.36, 0.12, 0.12), (_AHEAD, _AHEAD, _SIDE, _SIDE),
        volume=0.12, gravity=1.6, cling=0.35, fade=0.6, clump=0.5, fringe=1.0, fringe_over=0.28, stray=0.07,
        uneven=0.2, width=0.013),
    Cut("side part", "duo", (0.2, 11.0), (0.05, 0.9, 1.0), (16, 120), (0.80, 0.72, 0.20, 0.16),
        ((-0.25, 1.0, 0.0, 0.55, 0.0), (-0.25, 1.0, 0.0, 0.4, 0.0), _SIDE_BACK, _SIDE), parting=(-0.34, 0.34),
        volume=0.20, gravity=1.6, cling=0.55, fade=0.45, clump=0.4, clump_size=2, uneven=0.12, width=0.013),
    Cut("quiff", "duo", (0.2, 8.0), (0.06, 1.0, 1.0), (16, 60), (0.75, 0.62, 0.12, 0.10),
        ((-0.75, 0.15, 0.0, 0.8, 0.0), (-0.9, 0.15, 0.0, 0.4, 0.0), _SIDE_BACK, _SIDE), volume=0.32, gravity=1.2,
        cling=0.42, fade=0.6, clump=0.45, uneven=0.12, width=0.013),
    Cut("slick back", "mid", (0.6, 5.0), (0.05, 0.9, 1.0), (18, 90), (1.05, 0.95, 0.5, 0.35),
        (_BACK, _BACK, (-1.0, 0.0, 0.25, 0.1, 0.0), _SIDE), volume=0.13, gravity=1.0, cling=0.75, clump=0.45, fade=0.2,
        width=0.014, stray=0.02),
    Cut("undercut", "duo", (0.5, 5.0), (0.05, 1.2, 1.0), (16, 45), (1.15, 1.0, 0.06, 0.06),
        ((0.1, 1.0, 0.0, 0.6, 0.0), (-0.1, 1.0, 0.0, 0.35, 0.0), _SIDE, _SIDE), parting=(-0.42, 0.42), volume=0.22,
        gravity=2.6, cling=0.5, fade=0.3, fade_top=-0.9, clump=0.4, width=0.013),
    Cut("curtains", "mid", (0.4, 5.0), (0.03, 1.4, 0.8), (16, 45), (1.15, 1.0, 0.62, 0.5),
        ((-0.05, 1.0, 0.0, 0.75, 0.0), _CENTRE, _SIDE, _SIDE), parting=(0.0, -0.1, 0.1), volume=0.22, gravity=5.0,
        cling=0.45, open=0.72, fade=0.3, clump=0.4, width=0.014),
    Cut("tousled", "mid", (0.6, 8.0), (0.1, 1.0, 1.2), (16, 70), (0.72, 0.68, 0.36, 0.34),
        ((0.45, 0.55, 0.0, 0.6, 0.2), (0.3, 0.4, 0.0, 0.5, 0.6), _SIDE, _SIDE), parting=(-0.3, 0.3), volume=0.22,
        gravity=3.2, cling=0.4, fringe=1.0, fringe_over=0.22, curl=0.035, wave=0.55, clump=0.55, fade=0.2, uneven=0.35,
        stray=0.09, width=0.016),
    Cut("curly top", "duo", (0.5, 6.0), (1.0, 0.15, 0.7), (16, 60), (0.75, 0.70, 0.10, 0.08),
        ((0.5, 0.2, 0.0, 0.8, 0.3), (0.2, 0.1, 0.0, 0.9, 0.5), _SIDE, _SIDE), volume=0.34, gravity=2.0, cling=0.25,
        fringe=1.0, fringe_over=0.30, curl=0.085, wave=0.26, ramp=0.2, clump=0.7, clump_size=1, fade=0.6, uneven=0.3,
        stray=0.09, width=0.024),
    Cut("afro short", "puff", (2.0, 6.0), _KINKY, _ANY, (0.30, 0.32, 0.20, 0.20), (_OUT,) * 4, volume=0.3, gravity=0.0,
        cling=0.0, puff=1.0, curl=0.016, wave=0.10, fade=0.5, uneven=0.15, width=0.022),
    Cut("afro", "puff", (6.0, 2.5), _KINKY, (16, 75), (0.70, 0.85, 0.75, 0.70), (_OUT,) * 4, volume=0.9, gravity=0.0,
        cling=0.0, puff=1.0, curl=0.028, wave=0.15, uneven=0.15, width=0.032),
    Cut("twists", "curly", (3.0, 3.0), _KINKY, (16, 55), (0.7, 0.7, 0.55, 0.5),
        ((0.4, 0.1, 0.0, 1.0, 0.2), (0.0, 0.2, 0.0, 1.0, 0.3), (0.0, 0.0, 0.5, 0.8, 0.0), (0.0, 0.0, 0.5, 0.8, 0.0)),
        volume=0.4, gravity=3.5, cling=0.1, curl=0.045, wave=0.12, ramp=0.15, clump=0.92, clump_size=1, uneven=0.2,
        stray=0.02, width=0.034, fringe=1.0, fringe_over=0.2),
    Cut("locs", "curly", (4.0, 2.0), _KINKY, (16, 65), (2.2, 2.3, 2.1, 2.0), (_CENTRE, _CENTRE, _DOWN, _DOWN),
        parting=(0.0, -0.3, 0.3), volume=0.22, gravity=5.0, cling=0.45, open=0.88, curl=0.02, wave=0.12, ramp=0.05,
        clump=0.97, clump_size=1, uneven=0.25, stray=0.012, width=0.050),
    Cut("braids", "curly", (8.0, 0.8), _KINKY, (16, 55), (3.4, 3.4, 3.2, 3.0), (_CENTRE, _CENTRE, _DOWN, _DOWN),
        parting=(0.0, -0.25, 0.25), volume=0.16, gravity=6.0, cling=0.6, open=0.9, curl=0.012, wave=0.11, ramp=0.02,
        clump=0.98, clump_size=1, uneven=0.1, stray=0.006, width=0.034),
    Cut("pixie", "mid", (6.0, 0.4), (0.15, 0.8, 1.0), (18, 90), (0.72, 0.62, 0.34, 0.28),
        ((0.35, 1.0, 0.0, 0.35, 0.0), (0.15, 0.7, 0.0, 0.4, 0.4), (0.35, 0.0, 1.0, 0.1, 0.0), _SIDE),
        parting=(-0.32, 0.32), volume=0.17, gravity=3.0, cling=0.55, fringe=1.0, fringe_over=0.10, clump=0.5,
        uneven=0.25, stray=0.06, width=0.014),
    Cut("set waves", "mid", (7.0, 0.0), (0.3, 1.0, 1.0), (55, 120), (0.9, 0.8, 0.6, 0.5),
        ((-0.4, 0.5, 0.0, 0.8, 0.2), (-0.1, 0.4, 0.0, 0.7, 0.5), (-0.3, 0.0, 0.6, 0.4, 0.0), _SIDE),
        parting=(-0.3, 0.3), volume=0.34, gravity=2.0, cling=0.4, curl=0.075, wave=0.45, clump=0.7, clump_size=1,
        uneven=0.25, stray=0.06, width=0.022),
    Cut("bob", "long", (9.0, 0.2), (0.1, 1.2, 1.0), (16, 90), (2.1, 2.2, 1.7, 1.5), (_CENTRE, _CENTRE, _DOWN, _DOWN),
        parting=(0.0, -0.3, 0.3, 0.22), volume=0.22, gravity=7.0, cling=0.45, open=0.86, level=0.72, clump=0.12,
        uneven=0.10, width=0.022),
    Cut("bob with fringe", "long", (6.0, 0.0), (0.08, 1.5, 0.9), (16, 80), (1.2, 2.0, 1.7, 1.5),
        ((1.0, 0.25, 0.0, 0.35, 0.0), (0.0, 1.0, 0.1, 0.2, 0.0), _DOWN, _DOWN), volume=0.22, gravity=7.0, cling=0.45,
        open=0.90, level=0.66, fringe=1.0, fringe_over=0.02, clump=0.12, uneven=0.08, width=0.022, stray=0.02),
    Cut("shoulder straight", "long", (10.0, 0.6), (0.1, 1.3, 1.0), (16, 75), (2.7, 2.8, 2.3, 2.0),
        (_CENTRE, _CENTRE, _DOWN, _DOWN), parting=(0.0, 0.0, -0.25, 0.25), volume=0.17, gravity=8.0, cling=0.5,
        open=0.86, level=1.45, clump=0.15, uneven=0.15, width=0.022, stray=0.02),
    Cut("shoulder wavy", "curly", (10.0, 0.5), _LOOSE, (16, 80), (2.7, 2.8, 2.3, 2.0),
        (_CENTRE, _CENTRE, _DOWN, _DOWN), parting=(0.0, -0.28, 0.28), volume=0.26, gravity=7.0, cling=0.4, open=0.88,
        level=1.45, clump=0.45, clump_size=1, curl=0.075, wave=0.75, ramp=0.35, uneven=0.2, width=0.030, stray=0.03),
    Cut("curly bob", "curly", (6.0, 1.2), (1.0, 0.15, 0.7), (16, 75), (1.7, 1.7, 1.4, 1.2),
        ((-0.2, 0.9, 0.0, 0.6, 0.0), (-0.2, 0.8, 0.0, 0.6, 0.2), (0.0, 0.2, 0.8, 0.5, 0.0), (0.0, 0.2, 0.8, 0.5, 0.0)),
        parting=(0.0, -0.28, 0.28), volume=0.45, gravity=4.5, cling=0.25, open=0.98, level=0.95, clump=0.72,
        clump_size=1, curl=0.10, wave=0.30, ramp=0.15, uneven=0.3, width=0.034, stray=0.05),
    Cut("long straight", "long", (10.0, 1.0), (0.15, 1.5, 1.0), (16, 65), (4.2, 4.3, 3.8, 3.4),
        (_CENTRE, _CENTRE, _DOWN, _DOWN), parting=(0.0, 0.0, -0.22, 0.22), volume=0.16, gravity=9.0, cling=0.5,
        open=0.87, clump=0.18, uneven=0.2, width=0.024, stray=0.02),
    Cut("long with fringe", "long", (4.0, 0.0), (0.1, 1.6, 0.8), (16, 50), (1.2, 4.0, 3.7, 3.3),
        ((1.0, 0.25, 0.0, 0.35, 0.0), (0.0, 1.0, 0.1, 0.2, 0.0), _DOWN, _DOWN), volume=0.17, gravity=9.0, cling=0.5,
        open=0.92, fringe=1.0, fringe_over=0.03, clump=0.15, uneven=0.15, width=0.024, stray=0.02),
    Cut("long wavy", "curly", (9.0, 0.8), _LOOSE, (16, 65), (4.0, 4.1, 3.6, 3.2), (_CENTRE, _CENTRE, _DOWN, _DOWN),
        parting=(0.0, -0.25, 0.25), volume=0.24, gravity=8.0, cling=0.42, open=0.88, clump=0.45, clump_size=1,
        curl=0.085, wave=0.85, ramp=0.4, uneven=0.2, width=0.032, stray=0.03),
    Cut("long curly", "curly", (5.0, 0.5), (0.8, 0.1, 0.7), (16, 60), (3.2, 3.2, 2.9, 2.6),
        ((-0.25, 1.0, 0.1, 0.5, 0.0), _CENTRE, (0.0, 0.3, 0.9, 0.4, 0.0), (0.0, 0.3, 0.9, 0.4, 0.0)),
        parting=(0.0, -0.28, 0.28), volume=0.42, gravity=6.0, cling=0.3, open=0.95, clump=0.75, clump_size=1,
        curl=0.11, wave=0.36, ramp=0.2, uneven=0.25, width=0.036, stray=0.05),
    Cut("bun", "tied", (7.0, 1.0), (0.7, 1.0, 0.9), (16, 120), (1.9, 1.8, 1.7, 1.5),
        ((-1.0, 0.15, 0.0, 0.3, 0.0), (-1.0, 0.0, 0.0, 0.25, 0.0), (-1.0, 0.0, -0.3, 0.1, 0.0),
         (0.0, 0.0, -1.0, 0.1, 0.0)), volume=0.08, gravity=0.0, cling=0.85, clump=0.3, width=0.024, stray=0.012,
        tie=(0.0, -0.95, 1.55), bun=0.24),
    Cut("ponytail", "tied", (8.0, 0.8), (0.6, 1.1, 1.0), (16, 70), (2.0, 1.9, 1.7, 1.5),
        ((-1.0, 0.2, 0.0, 0.3, 0.0), (-1.0, 0.0, 0.0, 0.25, 0.0), (-1.0, 0.0, 0.1, 0.1, 0.0),
         (0.0, 0.0, -0.6, 0.1, 0.0)), volume=0.08, gravity=0.0, cling=0.85, clump=0.3, width=0.024, stray=0.012,
        tie=(0.0, -0.70, 1.70), tail=2.4),
    Cut("low tie", "tied", (6.0, 0.8), (0.7, 1.0, 1.0), (18, 120), (2.2, 2.1, 1.7, 1.4),
        ((-0.6, 0.9, 0.1, 0.15, 0.0), (-0.5, 0.9, 0.2, 0.15, 0.0), (-0.8, 0.0, 0.6, 0.1, 0.0),
         (0.0, 0.0, 0.8, 0.1, 0.0)), parting=(0.0, -0.28, 0.28), volume=0.10, gravity=0.6, cling=0.8, clump=0.35,
        width=0.024, stray=0.015, tie=(0.0, 0.15, 1.52), tail=1.8),
)  # fmt: skip
CUT_NAMES = tuple(cut.name for cut in CUTS)
_VARIES = {"volume": 0.22, "gravity": 0.2, "curl": 0.25, "wave": 0.22, "width": 0.12, "clump": 0.2, "uneven": 0.25,
           "stray": 0.25, "fade": 0.25, "open": 0.05, "tail": 0.25, "bun": 0.15}  # fmt: skip
_SHARES = {"clump": 0.985, "fade": 0.97, "cling": 0.9, "uneven": 0.6}


def _table(get: Any, device: torch.device) -> Tensor:
    return torch.tensor([get(cut) for cut in CUTS], dtype=torch.float32, device=device)


def choose(chance: Chance, age_years: Tensor, male: Tensor, origins: Tensor) -> Tensor:
    """int64 (B,) rows of `CUTS` as people of this age (B,), sex (B,) 0..1 and origins (B, 3) wear them."""
    device = age_years.device
    share = _table(lambda cut: cut.share, device)
    man = step(male, 0.25, 0.75)[:, None]
    weight = (1 - man) * share[:, 0] + man * share[:, 1]
    # a head's hair has one kind of curl: of mixed people one forebear's hair, not the mean of both
    heir = (chance.uniform("hair heir")[:, None] > origins.cumsum(1)).sum(1).clamp(max=2)
    weight = weight * _table(lambda cut: cut.by_origin, device).T[heir]
    years = _table(lambda cut: cut.years, device)
    age = age_years[:, None]
    worn = torch.sigmoid((age - years[:, 0] + 2) / 3) * torch.sigmoid((years[:, 1] + 6 - age) / 6)
    # long hair grows rarer with age
    long = _table(lambda cut: float(cut.length[1] > 2.5 and not any(cut.tie)), device)
    weight = weight * worn * (1 - long * ((age - 40) / 45).clamp(0, 0.9))
    edges = weight.cumsum(1)
    return (edges < chance.uniform("haircut")[:, None] * edges[:, -1:]).sum(1).clamp(max=len(CUTS) - 1)


def hairdo(chance: Chance, cut: Tensor) -> Hairdo:
    """Haircuts `cut` (B,), rows of `CUTS`, as these people wear them."""
    device = cut.device

    def row(name: str) -> Tensor:
        value = _table(lambda c: getattr(c, name), device)[cut]
        if name in _VARIES:
            value = value * chance.normal(f"cut {name}", 0.0, _VARIES[name]).exp()
        return value.clamp(max=_SHARES[name]) if name in _SHARES else value

    partings = torch.tensor([(c.parting * 4)[:4] for c in CUTS], device=device)[cut]
    choice = (chance.uniform("parting") * 4).long().clamp(max=3)
    parting = partings.gather(1, choice[:, None])[:, 0] + chance.normal("parting place", 0.0, 0.03)
    length = row("length") * chance.normal("cut length", 0.0, 0.13).exp()[:, None]
    comb = row("comb") + chance.normal("comb", 0.0, 0.10, 20).reshape(-1, 4, 5)
    level = row("level") + chance.normal("cut level", 0.0, 0.12)
    tie = row("tie")
    tied = (tie.abs().sum(1) > 0).to(torch.float32)
    place = chance.normal("tie", 0.0, 0.06, 2)
    tie = tie + tied[:, None] * torch.stack([torch.zeros_like(level), place[:, 0], 0.3 * place[:, 1]], 1)
    return Hairdo(
        length=length, comb=comb, parting=parting, fade=row("fade"),
        fade_top=row("fade_top") + chance.normal("fade top", 0.0, 0.08), volume=row("volume"), gravity=row("gravity"),
        cling=row("cling"), fringe=row("fringe"),
        fringe_over=row("fringe_over") * chance.uniform("fringe length", 0.5, 1.6), open=row("open"), level=level,
        uneven=row("uneven"), clump=row("clump"), clump_size=row("clump_size"), puff=row("puff"), curl=row("curl"),
        wave=row("wave"), ramp=row("ramp"), stray=row("stray"), width=row("width"), tie=tie, tied=tied,
        tail=row("tail"), bun=row("bun"),
    )  # fmt: skip
