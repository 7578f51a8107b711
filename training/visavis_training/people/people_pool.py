"""People kept ready to be drawn: shaped, painted and dressed once, used for many steps, a few exchanged at a time.

Who is in the pool at a step follows from seed and step alone, bit for bit: people are always made in the same groups.
Knows nothing of motion, cameras or light.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from visavis_training.people.anatomy import REGIONS, Anatomy
from visavis_training.people.dressing import Maker, all_makers, dress, padded
from visavis_training.people.frame_labels import Surface
from visavis_training.people.look_sheet import mesh_of
from visavis_training.people.materials import Looks
from visavis_training.people.mouth_textures import CELL_PX, ROWS_PX, MouthTextures
from visavis_training.people.picture import Painter
from visavis_training.people.sampling import Identity, sample
from visavis_training.people.tensor_trees import put, room_for
from visavis_training.people.worn import Things, Wearer, Worn

_ROUND = 1024
"""Room for things grows in such steps, so that it seldom does."""
_CENTRAL = (5, 6)
"""The two upper teeth in the middle, counted from the person's right."""


@dataclass(frozen=True, slots=True)
class Studio:
    """What it takes to make and draw anybody; one for a device."""

    anatomy: Anatomy
    painter: Painter
    surface: Surface
    wearer: Wearer
    makers: Sequence[Maker]
    """Of what people wear; none: they are bald, in a painted shirt."""

    @classmethod
    def of(cls, anatomy: Anatomy, texels: int = 512, makers: Sequence[Maker] | None = None) -> Studio:
        """Lay out what painting needs, some seconds.

        Args:
            anatomy: of everybody; its device is where all is done.
            texels: on a side of the skin's chart.
            makers: of what people wear; all that there are if None.
        """
        device = torch.device(anatomy.device)
        with torch.no_grad():
            painter = Painter.of(mesh_of(anatomy, device), texels)
        surface = Surface.of(anatomy, device, without=(REGIONS.index("lashes"),))
        return cls(anatomy, painter, surface, Wearer.of(anatomy), all_makers() if makers is None else makers)


@dataclass(frozen=True, slots=True)
class People:
    """B people, ready to be posed and drawn."""

    identity: Identity
    neutral: Tensor
    """float32 (B, V, 3)"""
    joints: Tensor
    """float32 (B, 2, 3)"""
    looks: Looks
    tooth_rgb: Tensor
    """float32 (B, 3), linear light: what an upper front tooth reflects."""
    worn: Worn | None
    """What they wear; None where there are no makers."""

    @classmethod
    def of(cls, seeds: Tensor, studio: Studio) -> People:
        """The people of seeds int64 (B,)."""
        anatomy = studio.anatomy
        identity = sample(seeds, anatomy.identity_names)
        neutral = anatomy.shape(identity.coefficients)
        looks = studio.painter.looks(identity.seeds, identity.age_years, identity.male, identity.origins)
        joints = anatomy.joints(identity.coefficients)
        worn = None
        if studio.makers:
            things = dress(anatomy, neutral, identity, looks.person, studio.makers)
            things = padded(things, *(-(-n // _ROUND) * _ROUND for n in (things.points.shape[1], things.kind.shape[1])))
            worn = Worn.of(neutral, studio.wearer, things)
        return cls(identity, neutral, joints, looks, tooth_shade(looks.mouth), worn)

    def with_room(self, points: int, triangles: int, studio: Studio) -> People:
        """The same people with room for so many points and triangles of things."""
        if self.worn is None:
            return self
        things: Things = padded(self.worn.things, points, triangles)
        if things is self.worn.things:
            return self
        return replace(self, worn=Worn.of(self.neutral, studio.wearer, things))

    @property
    def room(self) -> tuple[int, int]:
        """Points and triangles that things have room for."""
        return (0, 0) if self.worn is None else (self.worn.things.points.shape[1], self.worn.things.kind.shape[1])


def tooth_shade(mouth: MouthTextures) -> Tensor:
    """(B, 3) linear reflectance of the upper central incisors, their middles without edges, gums and gaps."""
    first, last = _CENTRAL[0] * CELL_PX, (_CENTRAL[1] + 1) * CELL_PX
    teeth = mouth.arches[:, 0, :, ROWS_PX * 6 // 10 : ROWS_PX * 8 // 10, first:last]
    enamel = teeth[:, 3] * (teeth[:, :3].mean(1) > 0.05)
    return (teeth[:, :3] * enamel[:, None]).sum((2, 3)) / enamel.sum((1, 2)).clamp(min=1e-3)[:, None]


class PeoplePool:
    """`size` people in groups; one group is exchanged for new people every `keep_steps` steps.

    Args:
        studio: makes them.
        seed: two pools of one seed hold the same people at the same step; pools of other seeds share nobody.
        size: how many; a multiple of `group`.
        group: how many are made together, at least 2.
        keep_steps: after how many steps a group is exchanged.
    """

    def __init__(self, studio: Studio, seed: int, size: int, group: int = 2, keep_steps: int = 1) -> None:
        if group < 2 or size % group or keep_steps < 1:
            raise ValueError(f"a pool of {size} people in groups of {group}, kept {keep_steps} steps: cannot be")
        self.studio, self.seed, self.size, self.group, self.keep_steps = studio, seed, size, group, keep_steps
        self._held = [-1] * (size // group)
        self._people: People | None = None

    @property
    def held(self) -> People | None:
        """The people of the last call; None before the first."""
        return self._people

    def at(self, step: int) -> People:
        """The pool's people at a step >= 0; makes those that are new since the last call."""
        groups = len(self._held)
        newest = step // self.keep_steps
        for number in range(newest, newest + groups):
            place = number % groups
            if self._held[place] != number:
                self._exchange(place, number)
        assert self._people is not None
        return self._people

    def seeds_of(self, number: int) -> Tensor:
        """int64 (group,): the seeds of the people of a group that will be or was made."""
        first = (self.seed << 32) + number * self.group
        return torch.arange(first, first + self.group, device=self.studio.anatomy.device)

    def _exchange(self, place: int, number: int) -> None:
        with torch.no_grad():
            people = People.of(self.seeds_of(number), self.studio)
            if self._people is None:
                self._people = room_for(people, self.group, self.size, (Wearer,))
            points, triangles = (max(a, b) for a, b in zip(people.room, self._people.room, strict=True))
            self._people = self._people.with_room(points, triangles, self.studio)
            people = people.with_room(points, triangles, self.studio)
            put(self._people, people, place * self.group, self.group, (Wearer,))
        self._held[place] = number
