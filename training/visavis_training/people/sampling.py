"""Who a person is: age, sex, origin, build, features and teeth from a seed, and the identity coefficients they make.

The same seed gives the same person in any batch on any device. Distributions are wide but kept from caricature: the
features of one part of the face share a budget. Knows nothing of meshes beyond the names of their coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from visavis_training.people.anatomy_building import SHOW
from visavis_training.people.chance import Chance

Tensor = Any

ORIGINS = ("african", "asian", "caucasian")
SEXES = ("female", "male")
YOUNGEST_YEARS, OLDEST_YEARS = 16.0, 85.0
_LEVELS = ("min", "average", "max")
_OPPOSITES = (
    ("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"), ("concave", "convex"),
    ("compress", "uncompress"),
)  # fmt: skip
_DEVIATION = {
    "nose": 0.26, "mouth": 0.22, "chin": 0.26, "cheek": 0.34, "eyes": 0.24, "head": 0.20, "forehead": 0.32,
    "eyebrows": 0.34, "ears": 0.36, "neck": 0.20, "torso": 0.20,
}  # fmt: skip
_BUDGET = {
    "nose": 0.94, "mouth": 0.78, "chin": 0.61, "cheek": 0.66, "eyes": 0.78, "head": 0.61, "forehead": 0.49,
    "eyebrows": 0.49, "ears": 0.82, "neck": 0.41, "torso": 0.41,
}  # fmt: skip
"""The most that the features of one part may depart together (root of the sum of squares)."""
_CALMED = {
    "trans": 0.5, "scale": 0.6, "eye-scale": 0.5, "head-scale": 0.8, "prognathism": 0.6, "hump": 0.8, "push": 0.5,
    "eye-corner": 0.7, "head-age": 0.5, "compression": 0.5, "prominent": 0.7, "jaw-drop": 0.7, "greek": 0.6,
    "head-angle": 0.6, "laugh-lines": 0.6, "epicanthus": 0.7, "eye-height": 0.8, "lowerlip-height": 0.8,
}  # fmt: skip
_LEFT_OUT = ("pointed", "ear-shape-triangle", "ear-shape-square", "neck-trans", "neck-scale-vert")


@dataclass(frozen=True, slots=True)
class Identity:
    """People; every field has one row a person."""

    seeds: Tensor
    """int64 (B,)"""
    age_years: Tensor
    """float32 (B,), 16..85"""
    male: Tensor
    """float32 (B,), 0 woman to 1 man; most people are near an end."""
    origins: Tensor
    """float32 (B, 3), shares of `ORIGINS`, sum 1."""
    weight: Tensor
    """float32 (B,), -1 thin to 1 heavy"""
    muscle: Tensor
    """float32 (B,), -1 to 1"""
    crooked: Tensor
    """float32 (B,), how irregular the teeth are; 1 is usual."""
    tooth_show_dm: Tensor
    """float32 (B,), how far the upper teeth reach below the lip at jawOpen 0.3."""
    coefficients: Tensor
    """float32 (B, N) for `Anatomy.shape`."""

    def __len__(self) -> int:
        return len(self.seeds)

    def rows(self) -> list[dict[str, object]]:
        """What a manifest says of each person, ready for JSON; the seed alone gives all of it again."""
        return [
            {
                "seed": int(self.seeds[i]),
                "age_years": round(float(self.age_years[i]), 1),
                "male": round(float(self.male[i]), 3),
                "origins": {o: round(float(self.origins[i, k]), 3) for k, o in enumerate(ORIGINS)},
                "weight": round(float(self.weight[i]), 3),
                "muscle": round(float(self.muscle[i]), 3),
                "tooth_show_dm": round(float(self.tooth_show_dm[i]), 4),
            }
            for i in range(len(self))
        ]


@dataclass(frozen=True, slots=True)
class _Feature:
    """One way in which features vary: a coefficient for its negative side (or none) and one for its positive side."""

    folder: str
    stem: str
    side: str
    """l, r or empty."""
    negative: int
    positive: int
    deviation: float


@lru_cache(maxsize=8)
def _features(names: tuple[str, ...]) -> tuple[_Feature, ...]:
    index = {name: i for i, name in enumerate(names)}
    found: list[_Feature] = []
    taken: set[str] = set()
    for name in names:
        folder, _, stem = name.partition("/")
        if folder not in _DEVIATION or name in taken or any(word in stem for word in _LEFT_OUT):
            continue
        deviation = _DEVIATION[folder]
        for word, factor in _CALMED.items():
            if word in stem:
                deviation *= factor
        side = stem[0] if stem[:2] in ("l-", "r-") else ""
        bare = stem[2:] if side else stem
        last = bare.rpartition("-")[2]
        pair = next((p for p in _OPPOSITES if last in p), None)
        other = ""
        if pair:
            other = name[: len(name) - len(last)] + pair[1 - pair.index(last)]
        if pair and other in index:
            negative, positive = (name, other) if last == pair[0] else (other, name)
            taken |= {name, other}
            common = bare.rpartition("-")[0]
            found.append(_Feature(folder, common, side, index[negative], index[positive], deviation))
        else:
            found.append(_Feature(folder, bare, side, -1, index[name], deviation))
    return tuple(found)


@lru_cache(maxsize=64)
def _columns(columns: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(columns, device=device)


def _age_shares(age_years: Tensor) -> dict[str, Tensor]:
    child = ((25 - age_years) / 30).clamp(0, 0.3)
    old = ((age_years - 25) / 65).clamp(0, 1)
    return {"child": child, "young": 1 - child - old, "old": old}


def _level_shares(value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return (-value).clamp(min=0), 1 - value.abs(), value.clamp(min=0)


def sample(seeds: Tensor, names: tuple[str, ...]) -> Identity:
    """The people of these seeds.

    Args:
        seeds: int64 (B,).
        names: `Anatomy.identity_names`.
    """
    chance = Chance(seeds)
    device = chance.seeds.device
    # triangular: more people in the middle of life, few at either end
    age = YOUNGEST_YEARS + (OLDEST_YEARS - YOUNGEST_YEARS) * (
        0.72 * chance.uniform("age") + 0.28 * chance.uniform("age more") * chance.uniform("age most")
    ).clamp(0, 1)
    age = torch.where(
        chance.happens("any age", 0.2) > 0, chance.uniform("age plain", YOUNGEST_YEARS, OLDEST_YEARS), age
    )
    male = torch.sigmoid(chance.normal("sex", 0.0, 1.0) + 3.2 * torch.sign(chance.uniform("sex side", -1, 1)))
    male = torch.where(chance.happens("between sexes", 0.12) > 0, chance.uniform("sex between"), male)
    # Dirichlet(0.45) through its gamma variables, approximated by powers of exponentials
    gamma = (-chance.uniform("origins", 1e-4, 1.0 - 1e-4, 3).log()) ** 2.2
    origins = gamma / gamma.sum(1, keepdim=True)
    weight = chance.normal("weight", 0.03, 0.36).clamp(-0.75, 0.85)
    muscle = chance.normal("muscle", 0.0, 0.35).clamp(-0.8, 0.8) - 0.15 * ((age - 60) / 25).clamp(min=0)
    values = torch.zeros(len(seeds), len(names), device=device)
    index = {name: i for i, name in enumerate(names)}

    stages, sexes = _age_shares(age), (1 - male, male)
    kinds = torch.stack([sex * stage for sex in sexes for stage in stages.values()], 1)
    builds = torch.stack(_level_shares(muscle), 1)[:, :, None] * torch.stack(_level_shares(weight), 1)[:, None]
    by_origin = tuple(
        index[f"macrodetails/{origin}-{sex}-{stage}"] for sex in SEXES for stage in stages for origin in ORIGINS
    )
    by_build = tuple(
        index[f"macrodetails/universal-{sex}-{stage}-{m}muscle-{w}weight"]
        for sex in SEXES
        for stage in stages
        for m in _LEVELS
        for w in _LEVELS
    )
    values[:, _columns(by_origin, device)] = (kinds[:, :, None] * origins[:, None]).flatten(1)
    values[:, _columns(by_build, device)] = (kinds[:, :, None] * builds.flatten(1)[:, None]).flatten(1)

    _sample_features(values, chance, names, weight, age)
    show, crooked = _sample_teeth(values, chance, index)
    return Identity(chance.seeds, age, male, origins, weight, muscle, crooked, show, values)


@dataclass(frozen=True, slots=True)
class _FeatureTable:
    """All features as columns, those of one part of the face side by side; float32 (K,) unless said."""

    common: tuple[str, ...]
    """Purposes of the chance that both sides of a face share."""
    own: tuple[str, ...]
    rare: tuple[str, ...]
    deviation: Tensor
    own_deviation: Tensor
    """0 where there is but one side."""
    one_sided: Tensor
    """bool (K,)"""
    double_chin: Tensor
    """bool (K,)"""
    eye_bag: Tensor
    """bool (K,)"""
    folder: Tensor
    """float32 (K, folders), 1 where a feature belongs to a folder."""
    budget: Tensor
    """float32 (folders,)"""
    column: Tensor
    """int64 (K,): where the positive side is written."""
    opposite: Tensor
    """int64 (O,): rows of those that have a negative side."""
    opposite_column: Tensor
    """int64 (O,)"""
    uneven: tuple[str, ...]
    uneven_column: Tensor
    """int64"""


@lru_cache(maxsize=8)
def _feature_table(names: tuple[str, ...], device: torch.device) -> _FeatureTable:
    features = _features(names)
    folders = list(dict.fromkeys(f.folder for f in features))
    keys = [f"{f.folder}/{f.stem}" for f in features]
    own = [0.16 * f.deviation if f.side else 0.0 for f in features]
    opposite = [row for row, f in enumerate(features) if f.negative >= 0]
    uneven = [column for column, name in enumerate(names) if name.startswith("asym/")]

    def told(values: list[Any]) -> Tensor:
        return torch.tensor(values, device=device)

    return _FeatureTable(
        tuple(keys),
        tuple(f"{key}/{f.side}" for key, f in zip(keys, features, strict=True)),
        tuple(f"{key}?" for key in keys),
        told([f.deviation for f in features]),
        told(own),
        told([f.negative < 0 for f in features]),
        told(["double" in f.stem for f in features]),
        told(["eye-bag" in f.stem and "height" not in f.stem for f in features]),
        told([[float(f.folder == folder) for folder in folders] for f in features]),
        told([_BUDGET[folder] for folder in folders]),
        told([f.positive for f in features]),
        told(opposite),
        told([features[row].negative for row in opposite]),
        tuple(names[column] for column in uneven),
        told(uneven),
    )


def _sample_features(values: Tensor, chance: Chance, names: tuple[str, ...], weight: Tensor, age: Tensor) -> None:
    table = _feature_table(names, values.device)
    amount = chance.normals(table.common) * table.deviation
    # both sides alike but for a little
    amount = amount + chance.normals(table.own) * table.own_deviation
    # one-sided shapes are for few people
    rare = (chance.uniforms(table.rare) < 0.22).to(torch.float32)
    amount = torch.where(table.one_sided, amount.abs() * rare, amount)
    fat = 0.5 * weight.clamp(min=0) + 0.2 * ((age - 50) / 35).clamp(min=0)
    amount = torch.where(table.double_chin, amount.abs() * 0.3 + fat[:, None], amount)
    amount = amount + table.eye_bag * (0.3 * ((age - 45) / 40).clamp(min=0))[:, None]
    total = (amount.square()[:, :, None] * table.folder).sum(1).sqrt()
    half = table.budget / 2
    # beyond half of the budget growth slows down and never passes it
    soft = torch.where(total > half, half + half * torch.tanh((total - half) / half), total)
    share = soft / total.clamp(min=1e-6)
    amount = (amount * (share[:, None] * table.folder).sum(-1)).clamp(-0.85, 0.85)
    values[:, table.column] = amount.clamp(min=0)
    values[:, table.opposite_column] = (-amount[:, table.opposite]).clamp(min=0)
    uneven = chance.uniform("uneven", 0.05, 0.28)
    happens = (chance.uniforms(tuple(f"{name}?" for name in table.uneven)) < 0.4).to(torch.float32)
    values[:, table.uneven_column] = chance.normals(table.uneven).abs() * uneven[:, None] * happens


def _sample_teeth(values: Tensor, chance: Chance, index: dict[str, int]) -> tuple[Tensor, Tensor]:
    crooked = chance.normal("crooked", 0.0, 0.6).exp()
    width, narrow = chance.normal("tooth width", 0.0, 0.045), chance.normal("arch", 0.0, 0.04)
    for arch in ("upper", "lower"):
        values[:, index[f"teeth/{arch}-width"]] = width + chance.normal(f"{arch} width", 0.0, 0.015)
        values[:, index[f"teeth/{arch}-narrow"]] = narrow + chance.normal(f"{arch} narrow", 0.0, 0.015)
        values[:, index[f"teeth/{arch}-height"]] = chance.normal(f"{arch} height", 0.0, 0.07)
        # most are under a millimetre
        gap = (0.004 + 0.024 * chance.uniform(f"{arch} gap") ** 2.5) * chance.happens(f"{arch} gap?", 0.08)
        values[:, index[f"teeth/{arch}-gap"]] = gap
        values[:, index[f"teeth/{arch}-canine"]] = chance.normal(f"{arch} canine", 0.004, 0.004)
        for name, deviation in (("raised", 0.0028), ("forward", 0.0035), ("turned", 0.010)):
            amount = chance.normals(tuple(f"{arch} {name} {tooth}" for tooth in range(1, 11))) * deviation
            columns = _columns(tuple(index[f"teeth/{arch}-{name}{tooth}"] for tooth in range(1, 11)), values.device)
            values[:, columns] = amount * crooked.clamp(0.3, 2.3)[:, None]
    show = chance.normal("tooth show", 0.045, 0.0105).clamp(0.015, 0.075)
    values[:, index[SHOW]] = show
    return show, crooked
