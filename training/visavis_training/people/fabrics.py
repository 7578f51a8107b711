"""Cloth: colours and patterns that people really wear, weaves with their relief, and how cloth takes light.

A coat has a row of numbers for each part of an outfit (`OUTER` .. `LEGS`); `shade_cloth` is what the drawing of worn
things calls. Batched torch. Knows nothing of the shapes of garments.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.chance import Chance
from visavis_training.people.cloth_colours import BRIGHTEST, PALETTES, linear_colour
from visavis_training.people.fusing import fused
from visavis_training.people.wardrobe import STYLES, Outfit
from visavis_training.people.worn_shading import Spots, noise_tile

OUTER, INNER, OUTER_TRIM, INNER_TRIM, TIE, BUTTON, LEGS = range(7)
SLOTS = 8
"""Parts of an outfit are told apart by (number + 0.5) / `SLOTS` in the third channel of their texture."""
PATTERNS = ("plain", "hoops", "pinstripes", "checks", "print", "heather", "diagonal", "dots", "tartan")
WEAVES = ("jersey", "knit", "rib", "twill", "leather", "satin", "wool", "poplin", "fleece")


@dataclass(frozen=True, slots=True)
class Fabric:
    """What a cloth is like."""

    weave: str
    palette: str
    patterns: tuple[str, ...]
    """What it carries where it is not plain."""
    roughness: tuple[float, float] = (0.75, 0.9)
    sheen: tuple[float, float] = (0.02, 0.06)
    mirror: tuple[float, float] = (0.015, 0.025)
    thread_dm: tuple[float, float] = (0.012, 0.016)
    relief: float = 0.15
    wrinkles: float = 1.0


FABRICS: dict[str, Fabric] = {
    "jersey": Fabric("jersey", "casual", ("hoops", "hoops", "heather", "print", "heather")),
    "pique": Fabric("poplin", "casual", ("hoops", "heather"), thread_dm=(0.018, 0.024), relief=0.3, wrinkles=0.7),
    "rib": Fabric("rib", "casual", ("heather",), thread_dm=(0.035, 0.05), relief=0.5, wrinkles=0.4),
    "poplin": Fabric("poplin", "shirt", ("pinstripes", "checks", "pinstripes", "dots", "tartan"), (0.6, 0.75),
                     thread_dm=(0.006, 0.008), relief=0.1, wrinkles=1.35),
    "flannel": Fabric("fleece", "strong", ("tartan", "checks"), sheen=(0.06, 0.1)),
    "viscose": Fabric("poplin", "casual", ("print", "dots", "print", "pinstripes"), (0.5, 0.65),
                      thread_dm=(0.006, 0.008), relief=0.1, wrinkles=1.1),
    "satin": Fabric("satin", "soft", ("dots", "print"), (0.30, 0.42), (0.0, 0.02), (0.05, 0.09), (0.006, 0.008), 0.05,
                    1.2),
    "denim": Fabric("twill", "denim", ("plain",), (0.75, 0.85), (0.02, 0.04), thread_dm=(0.013, 0.017), relief=0.4,
                    wrinkles=1.1),
    "canvas": Fabric("twill", "workwear", ("plain",), (0.7, 0.8), thread_dm=(0.01, 0.014), relief=0.25, wrinkles=0.9),
    "leather": Fabric("leather", "leather", ("plain",), (0.36, 0.52), (0.0, 0.01), (0.035, 0.05), (0.05, 0.08), 0.35,
                      1.3),
    "knit": Fabric("knit", "knitwear", ("hoops", "heather", "heather"), sheen=(0.05, 0.1), thread_dm=(0.032, 0.06),
                   relief=0.7, wrinkles=0.3),
    "fine_knit": Fabric("knit", "knitwear", ("heather", "hoops"), sheen=(0.04, 0.08), thread_dm=(0.014, 0.024),
                        relief=0.5, wrinkles=0.6),
    "fleece": Fabric("fleece", "casual", ("heather", "heather", "plain"), sheen=(0.05, 0.09), wrinkles=0.6),
    "worsted": Fabric("wool", "suiting", ("pinstripes", "tartan", "heather"), (0.7, 0.8), thread_dm=(0.008, 0.012),
                      relief=0.2, wrinkles=0.45),
    "tweed": Fabric("wool", "tweed", ("heather", "tartan"), sheen=(0.04, 0.07), thread_dm=(0.02, 0.028), relief=0.6,
                    wrinkles=0.35),
    "silk": Fabric("satin", "ties", ("diagonal", "dots", "diagonal", "print"), (0.34, 0.45), (0.0, 0.02),
                   (0.035, 0.06), (0.008, 0.011), 0.25, 0.25),
    "button": Fabric("jersey", "buttons", ("plain",), (0.25, 0.4), (0.0, 0.0), (0.04, 0.05), relief=0.0, wrinkles=0.0),
}  # fmt: skip

_RIBBED = ("jersey", "knit", "fine_knit", "fleece")
"""Fabrics whose bands are knitted in ribs."""


@lru_cache(maxsize=4)
def _palettes(device: torch.device) -> tuple[Tensor, Tensor]:
    """(fabrics, colours, 3) and the cumulated shares (fabrics, colours)."""
    most = max(len(p) for p in PALETTES.values())
    colours = torch.zeros(len(FABRICS), most, 3)
    shares = torch.zeros(len(FABRICS), most)
    for row, fabric in enumerate(FABRICS.values()):
        for column, (code, share) in enumerate(PALETTES[fabric.palette]):
            colours[row, column] = torch.tensor(linear_colour(code))
            shares[row, column] = share
    return colours.to(device), (shares.cumsum(1) / shares.sum(1, keepdim=True)).to(device)


@lru_cache(maxsize=4)
def _numbers(device: torch.device) -> dict[str, Tensor]:
    """Numbers of the fabrics, a row each."""
    fabrics = list(FABRICS.values())
    most = max(len(f.patterns) for f in fabrics)
    ranges = torch.tensor([[f.roughness, f.sheen, f.mirror, f.thread_dm] for f in fabrics])
    patterns = [[PATTERNS.index(f.patterns[k % len(f.patterns)]) for k in range(most)] for f in fabrics]
    found = {
        "weave": torch.tensor([WEAVES.index(f.weave) for f in fabrics]),
        "ranges": ranges,
        "patterns": torch.tensor(patterns),
        "relief": torch.tensor([f.relief for f in fabrics]),
        "wrinkles": torch.tensor([f.wrinkles for f in fabrics]),
    }
    return {name: value.to(device) for name, value in found.items()}


@lru_cache(maxsize=4)
def _choices(device: torch.device) -> tuple[Tensor, Tensor]:
    """Cumulated shares of fabrics (styles, fabrics) and the chance of plain cloth (styles,)."""
    names = list(FABRICS)
    shares = torch.zeros(len(STYLES), len(names))
    for row, style in enumerate(STYLES.values()):
        for name, share in style.fabrics.items():
            shares[row, names.index(name)] = share
    plain = torch.tensor([style.plain for style in STYLES.values()])
    return (shares.cumsum(1) / shares.sum(1, keepdim=True)).to(device), plain.to(device)


def sample_coat(outfit: Outfit, chance: Chance) -> dict[str, Tensor]:
    """The cloth of every part of B people's outfits: numbers (B, 7, ...) by name."""
    device = chance.seeds.device
    shares, plain = _choices(device)
    names = list(FABRICS)
    parts: dict[int, dict[str, Tensor]] = {}
    for slot, garment, name in ((OUTER, outfit.outer, "outer"), (INNER, outfit.inner, "inner")):
        style = garment.style.clamp(min=0)
        drawn = chance.uniform(f"{name} fabric")[:, None]
        fabric = torch.searchsorted(shares[style], drawn).clamp(max=len(names) - 1)[:, 0]
        parts[slot] = _cloth(fabric, plain[style], chance, name)
        trim = dict(parts[slot])
        # bands of jersey and knitwear are ribbed and plain
        ribbed = torch.isin(fabric, torch.tensor([names.index(n) for n in _RIBBED], device=device))
        trim["weave"] = torch.where(ribbed, torch.full_like(trim["weave"], WEAVES.index("rib")), trim["weave"])
        trim["thread"] = torch.where(ribbed, trim["thread"].clamp(min=0.022), trim["thread"])
        trim["relief"] = torch.where(ribbed, trim["relief"].clamp(min=0.45), trim["relief"])
        trim["wrinkles"] = trim["wrinkles"] * 0.4
        calm = ribbed & ~torch.isin(trim["pattern"], torch.tensor([0, 5], device=device))
        trim["pattern"] = torch.where(calm, torch.zeros_like(trim["pattern"]), trim["pattern"])
        contrast = (chance.uniform(f"{name} ringer") < 0.06) & ribbed
        trim["ground"] = torch.where(contrast[:, None], trim["second"], trim["ground"])
        parts[slot + 2] = trim
    whole = torch.ones_like(plain[:1]).expand(len(outfit.tie))
    parts[TIE] = _cloth(torch.full_like(outfit.outer.style, names.index("silk")), whole * 0.25, chance, "tie")
    parts[BUTTON] = _cloth(torch.full_like(outfit.outer.style, names.index("button")), whole, chance, "button")
    below = torch.tensor([names.index(n) for n in ("denim", "denim", "canvas", "worsted")], device=device)
    parts[LEGS] = _cloth(below[chance.pick("legs", (1.0, 1.0, 1.0, 1.0))], whole, chance, "legs")
    keys = parts[OUTER].keys()
    return {key: torch.stack([parts[slot][key] for slot in range(LEGS + 1)], 1) for key in keys}


def _cloth(fabric: Tensor, plain: Tensor, chance: Chance, name: str) -> dict[str, Tensor]:
    """Numbers (B, ...) of fabrics (B,)."""
    n = _numbers(fabric.device)
    colours, shares = _palettes(fabric.device)
    people = torch.arange(len(fabric), device=fabric.device)

    def colour(purpose: str) -> Tensor:
        picked = torch.searchsorted(shares[fabric], chance.uniform(f"{name} {purpose}")[:, None])
        picked = picked.clamp(max=shares.shape[1] - 1)[:, 0]
        found = colours[fabric, picked]
        tint = (
            chance.normal(f"{name} {purpose} tint", 0.0, 0.10, 3)
            + chance.normal(f"{name} {purpose} light", 0, 0.12)[:, None]
        )
        return (found * tint.exp()).clamp(0.012, BRIGHTEST)

    ranges = n["ranges"][fabric]
    drawn = ranges[..., 0] + (ranges[..., 1] - ranges[..., 0]) * chance.uniform(name + " cloth", 0, 1, 4)
    which = (chance.uniform(name + " which") * n["patterns"].shape[1]).long().clamp(max=n["patterns"].shape[1] - 1)
    pattern = torch.where(chance.uniform(name + " plain?") < plain, 0, n["patterns"][fabric, which])
    ground, second, third = colour("ground"), colour("second"), colour("third")
    # patterns need a second colour that can be told from the first
    light = ground.mean(1, keepdim=True)
    near = (second - ground).abs().mean(1, keepdim=True) < 0.12
    second = torch.where(near, torch.where(light > 0.25, ground * 0.12 + 0.01, ground * 0.3 + 0.45), second)
    del people
    return {
        "ground": ground,
        "second": second,
        "third": third,
        "pattern": pattern,
        "period": chance.uniform(name + " period", 0.0, 1.0),
        "weave": n["weave"][fabric],
        "roughness": drawn[:, 0],
        "sheen": drawn[:, 1],
        "mirror": drawn[:, 2],
        "thread": drawn[:, 3],
        "relief": n["relief"][fabric],
        "wrinkles": n["wrinkles"][fabric],
        "shift": chance.uniform(name + " shift", 0.0, 20.0, 2),
    }


def _noise(lattice: Tensor, place: Tensor) -> Tensor:
    """(n,) 0..1 smooth noise of a bump to the unit at places (n, 2), out of a `noise_tile`."""
    base = place.floor()
    part = place - base
    place = base + part * part * (3 - 2 * part)
    grid = torch.remainder(place, 64) * (2 / 64) - 1
    # no place lies beyond the border; filled with zeros there this would be cuDNN's, which nothing can be fused with
    found = functional.grid_sample(lattice, grid[None, None], align_corners=True, padding_mode="border")
    return found[0, 0, 0]


def _bars(x: Tensor, share: float | Tensor, blur: Tensor) -> Tensor:
    """(n,) how much of a sample of width `blur` lies on bars that fill `share` of each unit of x."""

    def below(at: Tensor) -> Tensor:
        whole = at.floor()
        return whole * share + torch.minimum(at - whole, torch.as_tensor(share, device=x.device).expand_as(at))

    width = blur.clamp(min=1e-3)
    return ((below(x + width / 2) - below(x - width / 2)) / width).clamp(0, 1)


def _mixed(one: Tensor, other: Tensor, share: Tensor) -> Tensor:
    return one + (other - one) * share[:, None]


@fused
def _colour(cloth: dict[str, Tensor], uv: Tensor, blur_dm: Tensor) -> Tensor:
    """(n, 3) reflectance of patterns at (n, 2) dm on the cloth; a sample spans `blur_dm` (n,)."""
    u, v = uv.unbind(1)
    ground, second, third = cloth["ground"], cloth["second"], cloth["third"]
    pattern, size = cloth["pattern"], cloth["period"]
    colour = ground
    hoop = 0.25 + 0.65 * size**2

    def use(name: str, made: Tensor) -> None:
        nonlocal colour
        colour = torch.where((pattern == PATTERNS.index(name))[:, None], made, colour)

    use("hoops", _mixed(ground, second, _bars(v / hoop, 0.25 + 0.3 * torch.frac(size * 7), blur_dm / hoop)))
    pin = 0.06 + 0.16 * size
    use("pinstripes", _mixed(ground, second, 0.75 * _bars(u / pin, 0.12 + 0.3 * torch.frac(size * 5), blur_dm / pin)))
    check = 0.07 + 0.2 * size
    across, down = (_bars(x / check, 0.5, blur_dm / check) for x in (u, v))
    use("checks", _mixed(ground, second, 0.5 * (across + down)))
    plaid = 0.7 + 0.8 * size
    bands = [
        0.5 * (_bars(x / plaid, 0.42, blur_dm / plaid) + _bars(y / plaid, 0.42, blur_dm / plaid))
        for x, y in ((u, v),)
    ][0]  # fmt: skip
    lines = torch.maximum(
        _bars(u / plaid + 0.3, 0.035, blur_dm / plaid), _bars(v / plaid + 0.3, 0.035, blur_dm / plaid)
    )
    use("tartan", _mixed(_mixed(ground, second, bands * 0.8), third, 0.7 * lines))
    slant = 0.35 + 0.5 * size
    use("diagonal", _mixed(_mixed(ground, second, _bars((u + v) / slant, 0.32, blur_dm / slant)), third,
                           0.8 * _bars((u + v) / slant + 0.5, 0.07, blur_dm / slant)))  # fmt: skip
    step = (0.12 + 0.22 * size)[:, None]
    cell = uv / step
    odd = torch.stack([0.5 * torch.remainder(cell[:, 1].floor(), 2.0), torch.zeros_like(u)], 1)
    local = torch.frac(torch.frac(cell + odd) + 1.0) - 0.5
    away = local.norm(dim=1) - 0.22
    soft = (blur_dm / step[:, 0]).clamp(min=0.02)
    dot = (0.5 - away / soft).clamp(0, 1) * (1 - soft).clamp(0, 1) + 0.152 * soft.clamp(0, 1)
    use("dots", _mixed(ground, second, dot))
    use("print", _print(cloth, uv, blur_dm))
    lattice = cloth["lattice"]
    fine = _noise(lattice, uv * uv.new_tensor([90.0, 26.0])) + _noise(lattice, uv * uv.new_tensor([31.0, 95.0])) - 1.0
    strength = (0.02 / blur_dm.clamp(min=0.004)).clamp(0.25, 1.0)
    use("heather", ground * (1 + 0.3 * strength * fine)[:, None] + 0.02 * fine[:, None].clamp(min=0))
    return colour.clamp(0.008, BRIGHTEST)


def _print(cloth: dict[str, Tensor], uv: Tensor, blur_dm: Tensor) -> Tensor:
    """Blossoms and leaves strewn over the cloth, one in a cell, turned at random."""
    lattice, second, third = cloth["lattice"], cloth["second"], cloth["third"]
    step = (0.28 + 0.5 * cloth["period"])[:, None]
    result = cloth["ground"]
    for layer, (tint, petals, big) in enumerate(((third, 2.0, 0.40), (second, 5.0, 0.36))):
        cell = uv / step + 0.37 * layer
        number = cell.floor()
        jitter = (
            torch.stack([_noise(lattice, number * 7.3 + 3.1 + layer), _noise(lattice, number * 5.9 + 11.7)], 1) - 0.5
        )
        local = cell - number - 0.5 - 0.3 * jitter
        turn = torch.atan2(local[:, 1], local[:, 0]) + 9 * jitter[:, 0]
        radius = big * (0.55 + 0.45 * (petals / 2 * turn).cos().abs()) * (0.8 + 0.6 * jitter[:, 1])
        soft = (blur_dm / step[:, 0]).clamp(min=0.03)
        inside = (0.5 + (radius - local.norm(dim=1)) / soft).clamp(0, 1)
        core = (0.5 + (0.09 - local.norm(dim=1)) / soft).clamp(0, 1) * layer
        result = _mixed(_mixed(result, tint, inside), third, core)
    return result


@fused
def _relief(cloth: dict[str, Tensor], uv: Tensor) -> Tensor:
    """(n,) height in threads of the weave at (n, 2) dm on the cloth."""
    x, y = (uv / cloth["thread"][:, None]).unbind(1)
    weave, lattice, at = cloth["weave"], cloth["lattice"], torch.stack([x, y], 1)
    height = 0.3 * (2 * math.pi * x).cos() * (2 * math.pi * y).cos()

    def use(name: str, made: Tensor) -> None:
        nonlocal height
        height = torch.where(weave == WEAVES.index(name), made, height)

    lean = (torch.frac(x + 64.0) - 0.5).abs()
    use(
        "knit",
        0.5 * (math.pi * (torch.frac(x + 64.0) - 0.5)).cos() + 0.28 * (2 * math.pi * (1.3 * y + 1.4 * lean)).cos(),
    )
    use("rib", 0.6 * (2 * math.pi * x).cos())
    use("twill", 0.4 * (2 * math.pi * (x + y)).cos())
    use("wool", 0.9 * _noise(lattice, at) + 0.2 * (2 * math.pi * (x + y)).cos())
    use("fleece", 1.2 * _noise(lattice, at * 0.7))
    use("leather", 1.1 * (_noise(lattice, at) - 0.5).abs() + 0.5 * _noise(lattice, at * 2.7))
    use("satin", 0.1 * (2 * math.pi * y).cos())
    return height


@fused
def _wrinkles(uv: Tensor, lattice: Tensor) -> Tensor:
    """(n,) dm: creases finer than the mesh has, longer than they are wide."""
    bent = uv + 0.35 * torch.stack([_noise(lattice, uv * 0.9 + 5), _noise(lattice, uv * 0.9 + 31)], 1)
    first = (_noise(lattice, bent * uv.new_tensor([1.1, 2.3])) - 0.5).abs()
    second = (_noise(lattice, bent * uv.new_tensor([2.9, 1.7]) + 17) - 0.5).abs()
    third = _noise(lattice, bent * 5.3 + 41)
    return 0.055 * (0.5 - first).clamp(min=0.2) + 0.03 * (0.5 - second).clamp(min=0.25) + 0.006 * third


def shade_cloth(spots: Spots) -> Tensor:
    """Linear RGB (n, 3) of cloth: rough and soft, with sheen on its nap or the gleam of satin, leather and buttons."""
    uv = spots.texture[:, :2]
    slot = (spots.texture[:, 2] * SLOTS).floor().long().clamp(0, LEGS)
    cloth = {name: value[spots.person, slot] for name, value in spots.coat.items()}
    lattice = cloth["lattice"] = noise_tile(uv.device) if spots.tile is None else spots.tile
    button = slot == BUTTON
    placed = torch.where(button[:, None], uv, uv + cloth["shift"])
    slanted = (spots.normal * spots.towards).sum(1).clamp(0.2, 1.0)
    blur = spots.dm_per_px / slanted
    colour = _colour(cloth, placed, blur * 1.2)
    colour = torch.where(button[:, None], _button_colour(cloth["ground"], uv), colour)

    normal = spots.normal
    along = spots.tangent - (spots.tangent * normal).sum(1, keepdim=True) * normal
    along = functional.normalize(along, dim=-1)
    down = torch.linalg.cross(along, normal)
    # what is finer than a pixel cannot be seen as relief
    shown = (1.25 - 5.0 * blur / cloth["thread"]).clamp(0, 1) * cloth["relief"] * ~button
    slope = _slope(lambda at: _relief(cloth, at) * cloth["thread"], placed, cloth["thread"] * 0.12) * shown[:, None]
    creased = (
        _slope(lambda at: _wrinkles(at, lattice), placed, torch.full_like(blur, 0.02))
        * (cloth["wrinkles"] * ~button)[:, None]
    )
    both = slope + creased
    bumped = functional.normalize(normal - both[:, :1] * along - both[:, 1:] * down, dim=-1)

    facing = (bumped * spots.towards).sum(1).clamp(0, 1)
    matte = spots.matte(bumped, 0.12)
    gloss = spots.gloss(bumped, cloth["roughness"], cloth["mirror"][:, None])
    around = cloth["mirror"][:, None] * (1 + 4 * (1 - facing) ** 4)[:, None] * spots.around(spots.bent(bumped))
    nap = cloth["sheen"] * (1 - facing) ** 2.5
    return colour * matte + nap[:, None] * (0.4 + 0.6 * colour) * matte * 2.2 + gloss + around


def _button_colour(ground: Tensor, uv: Tensor) -> Tensor:
    """(n, 3): four dark holes and a rim on a disc whose radius is 1."""
    hole = (uv.abs() - 0.22).norm(dim=1) < 0.13
    rim = ((uv.norm(dim=1) - 0.72).abs() < 0.06).float()
    return torch.where(hole[:, None], ground * 0.12, ground * (1 - 0.25 * rim)[:, None])


def _slope(height: Callable[[Tensor], Tensor], uv: Tensor, step: Tensor) -> Tensor:
    """(n, 2) how a height over (n, 2) rises along u and v."""
    here = height(uv)
    rise = []
    for axis in range(2):
        moved = uv + step[:, None] * uv.new_tensor([1.0 - axis, float(axis)])
        rise.append((height(moved) - here) / step)
    return torch.stack(rise, 1)
