"""What people put on: collects the makers of hair, glasses, jewels and clothes that there are, each by its own seed.

Knows nothing of how the things are made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from visavis_training.people.anatomy import Anatomy
from visavis_training.people.beards import wear_beard
from visavis_training.people.garments import clothe
from visavis_training.people.glasses import make_glasses
from visavis_training.people.hairdressing import wear_hair
from visavis_training.people.hats import wear_hat
from visavis_training.people.jewellery import make_jewellery
from visavis_training.people.sampling import Identity
from visavis_training.people.skin_textures import Person
from visavis_training.people.worn import Things

Maker = Callable[[Anatomy, Tensor, Identity, Person], Things]
"""(anatomy, neutral (B, V, 3), who they are, how they look) → what they wear of one kind."""


def all_makers() -> tuple[Maker, ...]:
    """All that there are, in the order in which things are put on."""
    return (clothe, wear_hair, wear_beard, wear_hat, make_glasses, make_jewellery)


def dress(anatomy: Anatomy, neutral: Tensor, identity: Identity, person: Person, makers: Sequence[Maker]) -> Things:
    """Everything that B people wear.

    Args:
        anatomy: of everybody.
        neutral: float32 (B, V, 3) of `Anatomy.shape`.
        identity: who they are; its seeds decide what they wear.
        person: how they look.
        makers: of what they wear; clothes are left out where the anatomy has no arms (level "head").
    """
    armless = "left_elbow" not in anatomy.body_point_names
    asked = [maker for maker in makers if not (armless and maker is clothe)]
    things = [maker(anatomy, neutral, identity, person) for maker in asked]
    return Things.together(things) if things else Things.nothing(len(identity), neutral.device)


def padded(things: Things, points: int, triangles: int) -> Things:
    """The same with room for at least `points` and `triangles` each, so that people of any batch lie side by side."""
    more_points = max(0, points - things.points.shape[1])
    more_triangles = max(0, triangles - things.triangles.shape[1])
    if not more_points and not more_triangles:
        return things
    people, device = len(things), things.points.device

    def longer(values: Tensor, more: int, value: float) -> Tensor:
        rest = torch.full((people, more, *values.shape[2:]), value, dtype=values.dtype, device=device)
        return torch.cat([values, rest], 1)

    return Things(
        longer(things.points, more_points, 0.0), longer(things.triangles, more_triangles, -1),
        longer(things.kind, more_triangles, 0), longer(things.texture, more_points, 0.0),
        longer(things.tangent, more_points, 0.0), longer(things.rigid, more_points, 1.0), things.coats, things.covers,
        None if things.seats is None else longer(things.seats, more_points, 0.0),
    )  # fmt: skip
