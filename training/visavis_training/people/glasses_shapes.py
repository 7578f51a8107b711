"""Kinds of glasses, and the outlines of their lenses.

Sizes are those opticians name: lens width and height, bridge, rim. Knows nothing of faces.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from visavis_training.people.chance import Chance


@dataclass(frozen=True, slots=True)
class Style:
    """One kind; lengths in dm, halves where said."""

    name: str
    women: float
    men: float
    """How many of a hundred women and men who wear glasses wear these, when young."""
    old: float
    """How much more usual they are among the old."""
    power: float
    """Of the superellipse: 2 is round, more is squarer."""
    tall: float
    """Lens height over its width."""
    width: float
    """Of the front over the face's."""
    taper: float
    """How much narrower the lens is below."""
    droop: float
    """How far its lower half hangs to the outside."""
    lift: float
    """How far its upper outer corner rises, as a share of its height."""
    rim_top: float
    rim_bottom: float
    """Half widths of the rim as seen from the front."""
    rim_depth: float
    """Half depth."""
    metal: float
    """Share of metal frames."""
    pads: float
    """1: nose pads on arms."""
    bar: float
    """1: a second bar over the bridge."""
    bridge: float
    """Half width of the bridge."""
    temple: float
    """Half height of the temples at the hinge."""
    low: float
    """How far the lenses' middles lie under the eyes'."""


STYLES = (
    Style("round", 14, 13, 1.0, 2.05, 0.92, 0.88, 0.0, 0.0, 0.0, 0.0075, 0.0075, 0.01, 0.8, 1, 0, 0.0075, 0.014, 0.03),
    Style("panto", 14, 12, 0.9, 2.35, 0.86, 0.91, 0.1, 0.0, 0.02, 0.015, 0.0125, 0.016, 0.1, 0, 0, 0.019, 0.026, 0.03),
    Style("square", 16, 22, 1.0, 3.6, 0.7, 0.93, 0.06, 0.0, 0.02, 0.014, 0.0115, 0.016, 0.25, 0, 0, 0.016, 0.026, 0.03),
    Style("thick", 12, 14, 0.6, 3.20, 0.78, 0.96, 0.09, 0.0, 0.06, 0.024, 0.019, 0.02, 0.0, 0, 0, 0.023, 0.038, 0.03),
    Style("cat", 14, 0, 0.9, 2.80, 0.68, 0.96, 0.12, 0.0, 0.24, 0.019, 0.0125, 0.016, 0.05, 0, 0, 0.017, 0.028, 0.03),
    Style("aviator", 4, 10, 1.0, 2.50, 0.86, 0.95, 0.12, 0.1, 0.0, 0.006, 0.006, 0.008, 1.00, 1, 1, 0.007, 0.012, 0.07),
    Style("rimless", 8, 8, 1.8, 2.90, 0.66, 0.9, 0.04, 0.0, 0.0, 0.003, 0.003, 0.009, 1.00, 1, 0, 0.007, 0.012, 0.03),
    Style("half_rim", 8, 13, 1.4, 3.2, 0.62, 0.91, 0.06, 0.0, 0.02, 0.012, 0.003, 0.012, 0.6, 1, 0, 0.009, 0.018, 0.03),
    Style("reading", 3, 3, 5.0, 3.00, 0.52, 0.85, 0.04, 0.0, 0.0, 0.009, 0.0085, 0.011, 0.5, 1, 0, 0.009, 0.016, 0.11),
)  # fmt: skip
"""Round, panto and square of any material; thick wayfarers; cat eyes; aviators; rimless; half rims; reading glasses."""
NAMES = tuple(style.name for style in STYLES)


@dataclass(frozen=True, slots=True)
class Shapes:
    """The glasses of B people; each field of `Style` that is a number, float32 (B,), varied a little."""

    kind: Tensor
    """int64 (B,), index into `STYLES`."""
    numbers: dict[str, Tensor]

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self.numbers[name]
        except KeyError:
            raise AttributeError(name) from None

    @classmethod
    def of(cls, chance: Chance, male: Tensor, age_years: Tensor) -> Shapes:
        """Whose seeds, sex (B,) and age (B,) choose them."""
        device = male.device
        names = [f.name for f in fields(Style) if f.name != "name"]
        table = {n: torch.tensor([getattr(s, n) for s in STYLES], device=device, dtype=torch.float32) for n in names}
        old = ((age_years - 40) / 30).clamp(0, 1)[:, None]
        sexes = table["women"] + male[:, None] * (table["men"] - table["women"])
        shares = sexes * (1 + old * (table["old"] - 1))
        edges = (shares / shares.sum(1, keepdim=True)).cumsum(1)
        kind = (edges < chance.uniform("glasses kind")[:, None]).sum(1).clamp(max=len(STYLES) - 1)
        return cls.like(chance, kind, table)

    @classmethod
    def like(cls, chance: Chance, kind: Tensor, table: dict[str, Tensor] | None = None) -> Shapes:
        """Of given kinds int64 (B,)."""
        if table is None:
            names = [f.name for f in fields(Style) if f.name != "name"]
            table = {n: torch.tensor([getattr(s, n) for s in STYLES], device=kind.device) for n in names}
        numbers = {name: values[kind].float() for name, values in table.items()}
        for name, spread in (("power", 0.10), ("tall", 0.06), ("rim_top", 0.12), ("rim_depth", 0.10), ("temple", 0.15)):
            numbers[name] = numbers[name] * (1 + chance.normal(f"glasses {name}", 0.0, spread / 1.5))
        numbers["rim_bottom"] = numbers["rim_bottom"] * (1 + chance.normal("glasses rim_top", 0.0, 0.08))
        numbers["width"] = numbers["width"] + chance.normal("glasses width", 0.0, 0.018)
        numbers["taper"] = numbers["taper"] + chance.normal("glasses taper", 0.0, 0.015)
        numbers["low"] = numbers["low"] + chance.normal("glasses low", 0.0, 0.012)
        metal = chance.uniform("glasses metal") < numbers["metal"]
        acetate_needs = 0.0115  # plastic breaks where it is thinner
        thin = (numbers["rim_bottom"] > 0.005) & ~metal
        for name in ("rim_top", "rim_bottom", "rim_depth"):
            numbers[name] = torch.where(thin, numbers[name].clamp(min=acetate_needs), numbers[name])
        wire = metal & (numbers["rim_bottom"] > 0.005)
        for name, most in (("rim_top", 0.0080), ("rim_bottom", 0.0070), ("rim_depth", 0.0095), ("bridge", 0.0085),
                           ("temple", 0.0150)):  # fmt: skip
            numbers[name] = torch.where(wire, numbers[name].clamp(max=most), numbers[name])
        numbers["pads"] = torch.where(metal, torch.ones_like(numbers["pads"]), numbers["pads"])
        numbers["metal"] = metal.float()
        return cls(kind, numbers)

    def rows(self, index: Tensor) -> Shapes:
        """Of people `index` (N,)."""
        return Shapes(self.kind[index], {name: value[index] for name, value in self.numbers.items()})

    def outline(self, angle: Tensor, half: Tensor) -> Tensor:
        """(B, m, 2): the lens's edge about its middle, x to the outside, y down.

        Args:
            angle: (m,) radians, 0 to the outside, a quarter turn later down.
            half: (B,) half of the lens's width.
        """
        cosine, sine = angle.cos()[None], angle.sin()[None]
        power = (2 / self.power)[:, None]
        x = cosine.sign() * cosine.abs() ** power
        y = sine.sign() * sine.abs() ** power
        lower, upper = y.clamp(min=0), (-y).clamp(min=0)
        wide = x * (1 - self.taper[:, None] * y) + self.droop[:, None] * lower * (1 - x.abs() * 0.4)
        # inside, towards the nose, the lower corner is cut
        wide = torch.where(x < 0, wide * (1 - 0.10 * lower * x.abs()), wide)
        high = y - self.lift[:, None] * upper.clamp(min=0.2) * torch.sigmoid(5 * (x - 0.35))
        return torch.stack([wide * half[:, None], high * (half * self.tall)[:, None]], -1)

    def rim(self, angle: Tensor) -> Tensor:
        """(B, m): half the rim's width at angles (m,)."""
        top = (1 - angle.sin()) / 2
        top = top * top * (3 - 2 * top)
        return self.rim_bottom[:, None] + (self.rim_top - self.rim_bottom)[:, None] * top[None]
