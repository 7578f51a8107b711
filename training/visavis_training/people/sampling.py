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

    ages = _age_shares(age)
    for sex, sex_share in (("female", 1 - male), ("male", male)):
        for stage, age_share in ages.items():
            for o, origin in enumerate(ORIGINS):
                values[:, index[f"macrodetails/{origin}-{sex}-{stage}"]] = sex_share * age_share * origins[:, o]
            for m, muscle_share in zip(_LEVELS, _level_shares(muscle), strict=True):
                for w, weight_share in zip(_LEVELS, _level_shares(weight), strict=True):
                    name = f"macrodetails/universal-{sex}-{stage}-{m}muscle-{w}weight"
                    values[:, index[name]] = sex_share * age_share * muscle_share * weight_share

    _sample_features(values, chance, names, weight, age)
    show, crooked = _sample_teeth(values, chance, index)
    return Identity(chance.seeds, age, male, origins, weight, muscle, crooked, show, values)


def _sample_features(values: Tensor, chance: Chance, names: tuple[str, ...], weight: Tensor, age: Tensor) -> None:
    budgets: dict[str, list[tuple[_Feature, Tensor]]] = {}
    for feature in _features(names):
        key = f"{feature.folder}/{feature.stem}"
        amount = chance.normal(key, 0.0, feature.deviation)
        if feature.side:  # both sides alike but for a little
            amount = amount + chance.normal(f"{key}/{feature.side}", 0.0, 0.16 * feature.deviation)
        if feature.negative < 0:  # one-sided shapes are for few people
            amount = amount.abs() * chance.happens(f"{key}?", 0.22)
        if "double" in feature.stem:
            amount = amount.abs() * 0.3 + 0.5 * weight.clamp(min=0) + 0.2 * ((age - 50) / 35).clamp(min=0)
        if "eye-bag" in feature.stem and "height" not in feature.stem:
            amount = amount + 0.3 * ((age - 45) / 40).clamp(min=0)
        budgets.setdefault(feature.folder, []).append((feature, amount))
    for folder, amounts in budgets.items():
        stacked = torch.stack([amount for _, amount in amounts], 1)
        total = stacked.square().sum(1).sqrt()
        limit = _BUDGET[folder]
        # beyond half of the budget growth slows down and never passes it
        soft = torch.where(
            total > limit / 2, limit / 2 + limit / 2 * torch.tanh((total - limit / 2) / (limit / 2)), total
        )
        stacked = stacked * (soft / total.clamp(min=1e-6))[:, None]
        for column, (feature, _) in enumerate(amounts):
            amount = stacked[:, column].clamp(-0.85, 0.85)
            values[:, feature.positive] = amount.clamp(min=0)
            if feature.negative >= 0:
                values[:, feature.negative] = (-amount).clamp(min=0)
    uneven = chance.uniform("uneven", 0.05, 0.28)
    for column, name in enumerate(names):
        if name.startswith("asym/"):
            values[:, column] = chance.normal(name).abs() * uneven * chance.happens(f"{name}?", 0.4)


def _sample_teeth(values: Tensor, chance: Chance, index: dict[str, int]) -> tuple[Tensor, Tensor]:
    crooked = chance.normal("crooked", 0.0, 0.6).exp()
    width, narrow = chance.normal("tooth width", 0.0, 0.045), chance.normal("arch", 0.0, 0.04)
    for arch in ("upper", "lower"):
        values[:, index[f"teeth/{arch}-width"]] = width + chance.normal(f"{arch} width", 0.0, 0.015)
        values[:, index[f"teeth/{arch}-narrow"]] = narrow + chance.normal(f"{arch} narrow", 0.0, 0.015)
        values[:, index[f"teeth/{arch}-height"]] = chance.normal(f"{arch} height", 0.0, 0.07)
        # most are under a millimetre
        gap = (0.004 + 0.024 * chance.uniform(f"{arch} gap") ** 2.5) * chance.happens(f"{arch} gap?", 0.14)
        values[:, index[f"teeth/{arch}-gap"]] = gap
        values[:, index[f"teeth/{arch}-canine"]] = chance.normal(f"{arch} canine", 0.004, 0.004)
        for name, deviation in (("raised", 0.0028), ("forward", 0.0035), ("turned", 0.010)):
            for tooth in range(1, 11):
                amount = chance.normal(f"{arch} {name} {tooth}", 0.0, deviation) * crooked.clamp(0.3, 2.3)
                values[:, index[f"teeth/{arch}-{name}{tooth}"]] = amount
    show = chance.normal("tooth show", 0.045, 0.0105).clamp(0.015, 0.075)
    values[:, index[SHOW]] = show
    return show, crooked
