"""How the diffusion renderer works on the same weights: choices made when it runs, not when it was trained."""

from __future__ import annotations

from dataclasses import dataclass, replace

FEWEST_NEW_FRAMES = 2
"""New frames of a window in a stream, at least: networks were never trained to make one alone."""
MOST_NEW_FRAMES = 8
"""New frames of a window, at most: what the networks were trained with."""


@dataclass(frozen=True, slots=True)
class RenderingSettings:
    """Choices at run time.

    Raises:
        ValueError: a number is out of range.
    """

    steps: int = 1
    """Of the flow from noise to picture: 1, 2 or 4."""
    overlap_frames: int = 4
    """Frames already shown that a window listens to."""
    new_frames: int = MOST_NEW_FRAMES
    """Longer runs of motion are cut into windows of this many new frames."""
    mouth: bool = True
    """Whether mouths are generated; else `warp` draws them."""
    eyes: bool = True
    """Whether lids that move are generated; else `warp` draws them."""
    still_below: float = 0.02
    """While coefficients around the mouth together change by less than this, and the head turns by less (radians), the
    mouth that was shown is shown on: who listens costs next to nothing. 0: never."""
    cross_fade_frames: int = 6
    """Over which what was shown before goes over into a stream that begins anew."""
    seed: int = 0
    """Of the noise that pictures begin with."""

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("steps", self.steps, 1, 16),
            ("overlap_frames", self.overlap_frames, 1, 15),
            ("new_frames", self.new_frames, 1, MOST_NEW_FRAMES),
            ("cross_fade_frames", self.cross_fade_frames, 0, 25),
        ):
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}: choose {low} to {high}")

    @property
    def way(self) -> str:
        """In words, what is generated."""
        if not self.mouth:
            return "warp"
        return f"{self.steps} step{'s' if self.steps > 1 else ''}{'' if self.eyes else ', lids by warp'}"


def cheaper_ways(settings: RenderingSettings) -> dict[str, RenderingSettings]:
    """The settings and what a machine may do instead that cannot keep up with them, by their way, the best first."""
    fewer = [replace(settings, steps=steps) for steps in (4, 2, 1) if steps < settings.steps]
    ways = [settings, *fewer]
    ways.append(replace(ways[-1], eyes=False))
    ways.append(replace(ways[-1], mouth=False, eyes=False))
    return {each.way: each for each in ways}
