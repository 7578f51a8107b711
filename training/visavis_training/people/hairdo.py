"""What a haircut is in numbers, for many people at once.

Knows nothing of which cuts people wear or of how hair grows.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

PARTS = ("fringe", "top", "side", "back")
COMB = ("forward", "aside", "down", "out", "whorl")


@dataclass(frozen=True, slots=True)
class Hairdo:
    """Haircuts of B people in numbers: float32 (B,) unless said, dm.

    `length` (B, 4) by `PARTS`; `comb` (B, 4, 5) weights of `COMB` by `PARTS`; `parting` canonical x of the parting;
    `fade` 0..1 how much shorter the sides' lowest hair is and `fade_top` canonical y where that ends; `volume` how
    high the outermost strands lie over the skin; `gravity` how fast strands turn down, per dm; `cling` 0..1 how
    closely they follow the skull; `fringe` 0..1 whether the front may fall over the forehead, `fringe_over` how far
    over the brows it is cut; `open` half the angle, radians, that the face is kept free by; `level` canonical y of a
    straight cut (large if none); `uneven` 0..1 spread of lengths; `clump` 0..1 how strands gather and `clump_size` 0,
    1 or 2 (finest); `puff` 0 or 1, whether strands are tufts in a cloud that stands off the head; `curl` radius and
    `wave` length of curls, `ramp` share of the strand before they are full;
    `stray` how far tips wander; `width` of strips; `tie` (B, 3) canonical place where hair is tied, `tied` 0 or 1;
    `tail` length behind the tie; `bun` radius of a knot there (0 none).
    """

    length: Tensor
    comb: Tensor
    parting: Tensor
    fade: Tensor
    fade_top: Tensor
    volume: Tensor
    gravity: Tensor
    cling: Tensor
    fringe: Tensor
    fringe_over: Tensor
    open: Tensor
    level: Tensor
    uneven: Tensor
    clump: Tensor
    clump_size: Tensor
    puff: Tensor
    curl: Tensor
    wave: Tensor
    ramp: Tensor
    stray: Tensor
    width: Tensor
    tie: Tensor
    tied: Tensor
    tail: Tensor
    bun: Tensor

    def rows(self, index: Tensor) -> Hairdo:
        """People `index` (N,)."""
        return Hairdo(*(getattr(self, name)[index] for name in self.__slots__))
