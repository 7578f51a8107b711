"""Who wears what: styles of garments as ranges of measures, and the outfits that people of an age and sex choose.

Everything follows from the seed. Habits of the sexes shift chances, they forbid nothing. Knows nothing of meshes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from visavis_training.people.chance import Chance
from visavis_training.people.cloth_layers import Cut
from visavis_training.people.collars import NECKPIECES, FrontStyle, NeckStyle

Range = tuple[float, float]
_NEVER: Range = (-9.0, -9.0)


@dataclass(frozen=True, slots=True)
class Style:
    """A garment; measures in dm (as in `Cut`, `NeckStyle`, `FrontStyle`) are drawn from their ranges."""

    fabrics: dict[str, float]
    """Shares of the fabrics it is made of, by name in `fabrics.FABRICS`."""
    back: Range = (0.0, 0.06)
    side: Range = (0.07, 0.14)
    front: Range = (0.12, 0.26)
    vee: float = 0.0
    open_top: Range = _NEVER
    open_slope: Range = (0.0, 0.0)
    sleeve: Range = (1.3, 2.0)
    ease: Range = (0.05, 0.075)
    loose: Range = (0.04, 0.16)
    folds: Range = (0.04, 0.09)
    neck: str = "band"
    height: Range = (0.15, 0.22)
    leaf: Range = (0.0, 0.0)
    point: Range = (0.0, 0.0)
    spread: Range = (0.0, 0.0)
    gap: Range = (0.0, 0.0)
    thick: Range = (0.016, 0.024)
    lapel: Range = (0.0, 0.0)
    band: Range = (0.0, 0.0)
    bottom: Range = (6.0, 6.0)
    placket: Range = (0.0, 0.0)
    placket_bottom: Range = (6.0, 6.0)
    buttons: Range = (0.0, 0.0)
    first: Range = (0.15, 0.2)
    apart: Range = (0.75, 0.9)
    cuff: Range = (0.15, 0.25)
    plain: float = 0.75
    """Chance that the cloth has one colour."""
    under: tuple[str, ...] = ()
    """Styles worn below it, one of which is chosen."""
    chances: tuple[float, float] = (0.0, 0.0)
    """How often women and men choose it."""
    years: Range = (0.0, 200.0)
    """Mostly worn between these ages."""
    extras: tuple[str, ...] = field(default=())


_COTTON = {"jersey": 1.0}
_LONG: Range = (3.45, 3.6)
_LINEN: Range = (0.016, 0.022)

STYLES: dict[str, Style] = {
    "tee": Style(_COTTON, chances=(0.9, 1.5), plain=0.6),
    "long_tee": Style(_COTTON, sleeve=_LONG, chances=(0.35, 0.35), plain=0.5),
    "v_tee": Style(_COTTON, front=(0.5, 0.85), side=(0.12, 0.25), vee=1.0, height=(0.12, 0.18), chances=(0.45, 0.4)),
    "scoop": Style(_COTTON, front=(0.55, 0.95), side=(0.25, 0.45), back=(0.1, 0.3), height=(0.08, 0.14),
                   ease=(0.05, 0.07), loose=(0.0, 0.08), folds=(0.03, 0.05), chances=(0.5, 0.03)),
    "tank": Style({"jersey": 0.8, "rib": 0.2}, front=(0.6, 1.0), side=(0.35, 0.5), back=(0.25, 0.5),
                  sleeve=(-0.55, -0.3), height=(0.06, 0.09), ease=(0.05, 0.07), loose=(0.0, 0.08),
                  folds=(0.02, 0.05), chances=(0.35, 0.15), years=(0, 55)),
    "polo": Style({"pique": 1.0}, front=(0.35, 0.6), vee=1.0, height=(0.2, 0.26), leaf=(0.34, 0.42),
                  point=(0.42, 0.55), spread=(0.15, 0.3), gap=(0.3, 0.45), placket=(0.13, 0.16),
                  placket_bottom=(2.9, 3.3), buttons=(2, 3), first=(0.1, 0.16), apart=(0.38, 0.45),
                  chances=(0.15, 0.5), neck="shirt", thick=_LINEN),
    "shirt": Style({"poplin": 0.75, "denim": 0.12, "flannel": 0.13}, front=(0.08, 0.12), side=(0.05, 0.09),
                   height=(0.30, 0.38), leaf=(0.34, 0.42), point=(0.62, 0.85), spread=(0.2, 0.5), gap=(0.05, 0.09),
                   placket=(0.14, 0.18), buttons=(5.6, 6.0), first=(0.22, 0.3), sleeve=_LONG, folds=(0.05, 0.10),
                   loose=(0.08, 0.2), chances=(0.3, 0.55), plain=0.5, neck="shirt", thick=_LINEN),
    "open_shirt": Style({"poplin": 0.65, "denim": 0.15, "flannel": 0.2}, front=(0.5, 0.95), side=(0.06, 0.1), vee=1.0,
                        height=(0.26, 0.34), leaf=(0.34, 0.42), point=(0.5, 0.7), spread=(0.1, 0.25),
                        gap=(0.42, 0.6), placket=(0.14, 0.18), buttons=(5.6, 6.0), first=(0.12, 0.2), sleeve=_LONG,
                        folds=(0.05, 0.10), loose=(0.08, 0.2), chances=(0.5, 0.8), plain=0.45, neck="shirt",
                        thick=_LINEN),
    "short_shirt": Style({"poplin": 0.8, "viscose": 0.2}, front=(0.4, 0.8), side=(0.06, 0.1), vee=1.0,
                         height=(0.2, 0.28), leaf=(0.34, 0.42), point=(0.5, 0.65), spread=(0.1, 0.2),
                         gap=(0.42, 0.6), placket=(0.14, 0.18), buttons=(5.6, 6.0), first=(0.12, 0.2),
                         sleeve=(1.5, 2.1), folds=(0.05, 0.10), chances=(0.15, 0.3), plain=0.35, neck="shirt",
                         thick=_LINEN),
    "blouse": Style({"satin": 0.35, "viscose": 0.65}, front=(0.55, 1.0), side=(0.12, 0.25), vee=1.0,
                    height=(0.05, 0.08), sleeve=(2.2, 3.5), placket=(0.10, 0.14), buttons=(0, 5), first=(0.1, 0.2),
                    loose=(0.08, 0.25), folds=(0.05, 0.10), chances=(0.8, 0.0), plain=0.55),
    "collar_blouse": Style({"satin": 0.4, "viscose": 0.6}, front=(0.4, 0.8), side=(0.08, 0.15), vee=1.0,
                           height=(0.16, 0.24), leaf=(0.32, 0.45), point=(0.45, 0.7), spread=(0.1, 0.3),
                           gap=(0.4, 0.55), placket=(0.10, 0.14), buttons=(4.6, 6), first=(0.1, 0.2), sleeve=_LONG,
                           folds=(0.05, 0.09), chances=(0.5, 0.0), plain=0.55, neck="shirt", thick=_LINEN),
    "jumper": Style({"knit": 0.65, "fine_knit": 0.35}, side=(0.08, 0.16), front=(0.18, 0.34), sleeve=_LONG,
                    ease=(0.08, 0.13), loose=(0.1, 0.25), folds=(0.06, 0.12), height=(0.2, 0.28), thick=(0.028, 0.04),
                    chances=(0.8, 0.8), plain=0.7),
    "v_jumper": Style({"knit": 0.4, "fine_knit": 0.6}, side=(0.12, 0.2), front=(0.75, 1.15), vee=1.0, sleeve=_LONG,
                      ease=(0.07, 0.11), loose=(0.1, 0.2), folds=(0.05, 0.10), height=(0.14, 0.2),
                      thick=(0.024, 0.034), under=("shirt", "open_shirt", "tee"), chances=(0.2, 0.35), plain=0.8,
                      years=(25, 200)),
    "turtleneck": Style({"knit": 0.4, "fine_knit": 0.6}, side=(0.06, 0.1), front=(0.08, 0.14), sleeve=_LONG,
                        ease=(0.06, 0.11), loose=(0.04, 0.15), folds=(0.04, 0.08), neck="turtle",
                        height=(0.72, 0.95), thick=(0.022, 0.034), chances=(0.45, 0.25), plain=0.9),
    "hoodie": Style({"fleece": 1.0}, side=(0.1, 0.16), front=(0.28, 0.42), vee=0.6, sleeve=_LONG, ease=(0.10, 0.15),
                    loose=(0.15, 0.3), folds=(0.08, 0.15), neck="hood", gap=(0.06, 0.16), thick=(0.03, 0.04),
                    chances=(0.4, 0.6), years=(0, 55), plain=0.95, extras=("strings",)),
    "zip_hoodie": Style({"fleece": 1.0}, side=(0.1, 0.16), front=(0.4, 0.5), sleeve=_LONG, ease=(0.11, 0.16),
                        loose=(0.15, 0.3), folds=(0.08, 0.14), neck="hood", gap=(0.55, 0.7), thick=(0.03, 0.04),
                        open_top=(0.34, 0.5), open_slope=(-0.16, 0.02), band=(0.07, 0.09), under=("tee", "v_tee"),
                        chances=(0.25, 0.35), years=(0, 60), plain=1.0),
    "suit": Style({"worsted": 0.9, "tweed": 0.1}, back=(0.02, 0.06), side=(0.14, 0.2), front=(0.45, 0.5),
                  sleeve=_LONG, ease=(0.10, 0.13), loose=(0.1, 0.2), folds=(0.03, 0.05), neck="lapel_collar",
                  height=(0.3, 0.36), leaf=(0.36, 0.44), point=(0.4, 0.44), spread=(0.0, 0.1), gap=(0.74, 0.82),
                  thick=(0.024, 0.03), open_top=(0.60, 0.68), open_slope=(-0.25, -0.21), lapel=(0.62, 0.85),
                  bottom=(4.0, 4.3), under=("shirt", "shirt", "shirt", "open_shirt", "tee", "turtleneck"),
                  chances=(0.25, 0.9), years=(22, 200), plain=0.75, extras=("tie",)),
    "blazer": Style({"worsted": 0.7, "tweed": 0.3}, back=(0.02, 0.06), side=(0.14, 0.2), front=(0.45, 0.5),
                    sleeve=_LONG, ease=(0.09, 0.12), loose=(0.06, 0.15), folds=(0.03, 0.05), neck="lapel_collar",
                    height=(0.28, 0.34), leaf=(0.34, 0.42), point=(0.4, 0.44), spread=(0.0, 0.1), gap=(0.74, 0.82),
                    thick=(0.022, 0.028), open_top=(0.60, 0.72), open_slope=(-0.24, -0.2), lapel=(0.5, 0.8),
                    bottom=(4.1, 4.4), under=("blouse", "scoop", "tee", "open_shirt", "collar_blouse", "turtleneck"),
                    chances=(0.6, 0.3), years=(20, 200), plain=0.75),
    "jacket": Style({"denim": 0.4, "leather": 0.25, "canvas": 0.35}, side=(0.1, 0.16), front=(0.4, 0.45),
                    sleeve=_LONG, ease=(0.10, 0.14), loose=(0.1, 0.2), folds=(0.05, 0.09), height=(0.3, 0.36),
                    leaf=(0.44, 0.55), point=(0.55, 0.7), spread=(0.2, 0.35), gap=(0.62, 0.75), neck="shirt",
                    thick=(0.022, 0.028), open_top=(0.40, 0.58), open_slope=(-0.03, 0.12), band=(0.26, 0.34),
                    under=("tee", "tee", "v_tee", "long_tee"), chances=(0.4, 0.5), plain=0.97),
    "cardigan": Style({"knit": 0.6, "fine_knit": 0.4}, side=(0.12, 0.2), front=(0.4, 0.45), sleeve=_LONG,
                      ease=(0.09, 0.13), loose=(0.1, 0.25), folds=(0.06, 0.1), height=(0.18, 0.24), gap=(0.46, 0.56),
                      thick=(0.026, 0.034), open_top=(0.42, 0.6), open_slope=(-0.12, 0.08), band=(0.22, 0.3),
                      under=("tee", "scoop", "v_tee", "blouse"), chances=(0.5, 0.12), plain=0.9),
    "dress": Style({"viscose": 0.6, "jersey": 0.3, "satin": 0.1}, front=(0.3, 0.9), side=(0.3, 0.55),
                   back=(0.15, 0.4), sleeve=(0.8, 2.0), height=(0.04, 0.06), ease=(0.05, 0.07), loose=(0.0, 0.05),
                   folds=(0.03, 0.06), chances=(0.45, 0.0), plain=0.4),
    "strap_dress": Style({"viscose": 0.6, "jersey": 0.3, "satin": 0.1}, front=(0.6, 1.1), side=(0.4, 0.55), vee=0.7,
                         back=(0.3, 0.6), sleeve=(-0.5, -0.25), height=(0.04, 0.06), ease=(0.05, 0.07),
                         loose=(0.0, 0.05), folds=(0.02, 0.05), chances=(0.4, 0.0), plain=0.45, years=(0, 65)),
}  # fmt: skip
NAMES = tuple(STYLES)


@dataclass(frozen=True, slots=True)
class Garment:
    """One layer of B people's outfits."""

    style: Tensor
    """int64 (B,), row of `NAMES`; -1 nobody's."""
    cut: Cut
    neck: NeckStyle
    front: FrontStyle
    measures: dict[str, Tensor]
    """The other measures of `Style`, (B,) each."""


@dataclass(frozen=True, slots=True)
class Outfit:
    """What B people have on."""

    outer: Garment
    inner: Garment
    layered: Tensor
    """bool (B,): is there an inner garment?"""
    tie: Tensor
    """bool (B,)"""
    strings: Tensor
    """bool (B,): cords of a hood."""


_RANGES = tuple(
    name for name, kind in Style.__annotations__.items() if kind == "Range" and name != "years"
)  # fmt: skip


@lru_cache(maxsize=4)
def _table(device: torch.device) -> Tensor:
    """(styles, ranges, 2)."""
    rows = [[getattr(style, name) for name in _RANGES] for style in STYLES.values()]
    return torch.tensor(rows, dtype=torch.float32).to(device)


def garment(style: Tensor, chance: Chance, name: str) -> Garment:
    """Draw the measures of styles (B,) for people."""
    device = style.device
    table = _table(device)[style.clamp(min=0)]
    drawn = table[..., 0] + (table[..., 1] - table[..., 0]) * chance.uniform(name + " cut", 0, 1, len(_RANGES))
    m = {key: drawn[:, k] for k, key in enumerate(_RANGES)}
    vee = torch.tensor([s.vee for s in STYLES.values()], device=device)[style.clamp(min=0)]
    kinds = torch.tensor([NECKPIECES.index(s.neck) for s in STYLES.values()], device=device)[style.clamp(min=0)]
    waist = torch.full_like(vee, -99.0)
    hem = chance.uniform(name + " hem", 6.2, 6.9) - 0.1 * (1.0 if name == "inner" else 0.0)
    cut = Cut(
        m["back"], m["side"], m["front"], vee, m["open_top"], m["open_slope"], m["sleeve"], waist, hem, m["ease"],
        m["loose"], m["folds"],
    )  # fmt: skip
    neck = NeckStyle(kinds, m["height"], m["leaf"], m["point"], m["spread"], m["gap"], m["thick"])
    # a button band runs down to the hem; lapels end where the jacket closes
    closes = 1.4 - m["open_top"] / m["open_slope"].clamp(max=-1e-3)
    bottom = torch.where(m["lapel"] > 0, closes, torch.minimum(closes, torch.full_like(closes, 6.1)))
    front = FrontStyle(m["lapel"], bottom, m["band"], m["thick"], m["open_top"] > -1)
    return Garment(style, cut, neck, front, m)


def trousers(chance: Chance) -> Cut:
    """Of the legs of people who are seen whole."""
    nil = torch.zeros_like(chance.uniform("waist"))
    return Cut(
        nil, nil, nil, nil, nil - 9.0, nil, nil, chance.uniform("waist", 5.3, 5.7), chance.uniform("legs", 14.0, 14.4),
        chance.uniform("leg ease", 0.05, 0.10), chance.uniform("leg loose", 0.03, 0.18), nil + 0.06,
    )  # fmt: skip


def choose(chance: Chance, age_years: Tensor, male: Tensor) -> Outfit:
    """Outfits of B people.

    Args:
        chance: theirs.
        age_years: float32 (B,).
        male: float32 (B,), 0..1.
    """
    device = male.device
    chances = torch.tensor([s.chances for s in STYLES.values()], device=device)
    years = torch.tensor([s.years for s in STYLES.values()], device=device)
    weights = chances[:, 0] * (1 - male)[:, None] + chances[:, 1] * male[:, None]
    usual = (age_years[:, None] > years[:, 0]) & (age_years[:, None] < years[:, 1])
    weights = weights * torch.where(usual, 1.0, 0.12)
    edges = weights.cumsum(1) / weights.sum(1, keepdim=True)
    outer = torch.searchsorted(edges, chance.uniform("outfit")[:, None]).clamp(max=len(NAMES) - 1)[:, 0]
    most = max(len(s.under) for s in STYLES.values())
    below = torch.full((len(NAMES), most), -1)
    for row, style in enumerate(STYLES.values()):
        for slot in range(most):
            if style.under:
                below[row, slot] = NAMES.index(style.under[slot * len(style.under) // most])
    options = below.to(device)[outer]
    picked = (chance.uniform("under") * most).long().clamp(max=most - 1)
    inner = options.gather(1, picked[:, None])[:, 0]
    layered = inner >= 0
    formal = torch.tensor(["tie" in s.extras for s in STYLES.values()], device=device)[outer]
    strings = torch.tensor(["strings" in s.extras for s in STYLES.values()], device=device)[outer]
    tie = formal & (inner == NAMES.index("shirt")) & (chance.uniform("tie") < 0.12 + 0.7 * male)
    v_tie = (outer == NAMES.index("v_jumper")) & (inner == NAMES.index("shirt")) & (chance.uniform("tie") < 0.25 * male)
    return Outfit(garment(outer, chance, "outer"), garment(inner, chance, "inner"), layered, tie | v_tie, strings)
