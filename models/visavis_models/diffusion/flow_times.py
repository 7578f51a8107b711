"""When the steps of a flow begin: shared by training and by whatever runs exported networks. Pure."""

from __future__ import annotations


def steps_of(count: int) -> tuple[float, ...]:
    """Flow times at which `count` steps begin, and 1 at the end. The first steps are longer: details come late.

    Raises:
        ValueError: fewer than one step.
    """
    if count < 1:
        raise ValueError(f"{count} steps: at least one is needed")
    return tuple(1 - (1 - k / count) ** 1.5 if k < count else 1.0 for k in range(count + 1))
