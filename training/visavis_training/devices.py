"""Chooses where to train, and says no instead of carrying on a hundred times slower where a GPU was meant.

A GPU can be there and yet refuse: another process may have crashed a shared one (CUDA's MPS), and torch then speaks of
none. Knows nothing of what is trained.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from visavis_models.errors import EngineError

_DEVICE_FILES = Path("/dev")


def saved_on(file: Path) -> str:
    """The device of what torch saved in a file: "cuda" where any of it was on a GPU, else "cpu"."""
    found: set[str] = set()

    def noted(storage: Any, location: str) -> Any:
        found.add(location.split(":")[0])
        return storage

    torch.load(file, map_location=noted, weights_only=True)
    return "cuda" if "cuda" in found else "cpu"


def chosen_device(asked: str | None = None, resumed: Path | None = None) -> str:
    """Where to train: where one asks, else where the resumed run was, else on a GPU if there is one, else on the CPU.

    Args:
        asked: such as "cuda", "cuda:1" or "cpu"; None leaves it open.
        resumed: file that torch saved of the run that goes on.

    Raises:
        EngineError: a GPU was asked for, was used before, or is in this machine, but cannot be used; or a run would go
            on with another kind of device, whose random numbers do not go on.
    """
    before = None if resumed is None else saved_on(resumed)
    if asked is not None and before is not None and torch.device(asked).type != before:
        raise EngineError(
            "other_device",
            f"The run in {resumed} was on {before} and cannot go on on {asked}: its random numbers are {before}'s.",
            f"Say --device {before}, or begin anew without --resume.",
        )
    wanted = asked or before or ("cuda" if _gpu_is_there() else "cpu")
    if torch.device(wanted).type != "cuda":
        return wanted
    why = _refusal(wanted)
    if why is not None:
        reason = "it was asked for" if asked else "the resumed run was on it" if before else "this machine has a GPU"
        raise EngineError(
            "no_cuda",
            f"{wanted} cannot be used, although {reason}: {why}.",
            "If a shared GPU (MPS) is not ready, wait until every process on it has ended and try again; "
            "to train on the CPU all the same, say --device cpu.",
        )
    return wanted


def _gpu_is_there() -> bool:
    """Whether a GPU can be used, or would be but for a fault: torch calls both a faulty GPU and no GPU unavailable."""
    if torch.cuda.is_available():
        return True
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return bool(torch.version.cuda) and not hidden and any(_DEVICE_FILES.glob("nvidia[0-9]*"))


def _refusal(device: str) -> str | None:
    """Why a GPU cannot be used, in its own words; None if it can."""
    try:
        torch.zeros(1, device=device).add_(1).cpu()
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        return str(error).splitlines()[0].rstrip(".")
    return None
