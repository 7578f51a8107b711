"""For which shapes of its inputs an engine is built. Knows no library and no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ShapeProfile:
    """Shapes of every input of a graph."""

    least: dict[str, Shape]
    usual: dict[str, Shape]
    """What the engine is fastest at."""
    most: dict[str, Shape]

    @property
    def fixed(self) -> dict[str, Shape]:
        """What the engine's inputs look like: -1 where a length is free."""
        return {
            name: tuple(a if a == b else -1 for a, b in zip(shape, self.most[name], strict=True))
            for name, shape in self.least.items()
        }

    def admits(self, shapes: Mapping[str, Shape]) -> bool:
        """Whether inputs of these shapes can be run."""
        return set(shapes) == set(self.most) and all(
            len(shape) == len(self.most[name])
            and all(a <= b <= c for a, b, c in zip(self.least[name], shape, self.most[name], strict=True))
            for name, shape in shapes.items()
        )

    def as_text(self) -> str:
        """The same text for the same profile; part of a cache's key."""
        return ";".join(f"{name}:{self.least[name]}:{self.usual[name]}:{self.most[name]}" for name in sorted(self.most))
