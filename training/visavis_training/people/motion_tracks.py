"""Motion tracks: many scenes of face, head and body in one record, to cut windows from, in memory and on disk.

Knows nothing of where motion comes from or what is drawn with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from visavis_models.errors import StorageError
from visavis_models.motion import MotionWindow
from visavis_training.people.poses import BODY_COUNT


@dataclass(frozen=True, slots=True)
class Tracks:
    """Motion of S scenes, one after another, T frames in all, 25 a second."""

    face: Tensor
    """float16 (T, 52), ARKit."""
    head: Tensor
    """float16 (T, 6), see `visavis_models.motion.HEAD_NAMES`."""
    body: Tensor
    """float16 (T, 5), the first of `visavis_models.motion.BODY_NAMES`."""
    speaking: Tensor
    """uint8 (T,)."""
    starts: Tensor
    """int64 (S + 1,): where each scene begins, and T."""

    def __len__(self) -> int:
        return len(self.face)

    @classmethod
    def of(cls, windows: Sequence[MotionWindow]) -> Tracks:
        """Of one motion window a scene."""
        arrays = {
            name: torch.from_numpy(np.concatenate([getattr(w, name) for w in windows]))
            for name in ("face", "head", "body", "speaking")
        }
        starts = torch.tensor([0, *np.cumsum([len(w) for w in windows]).tolist()])
        body = arrays["body"][:, :BODY_COUNT]
        return cls(arrays["face"].half(), arrays["head"].half(), body.half(), arrays["speaking"].byte(), starts)

    @classmethod
    def join(cls, parts: Sequence[Tracks]) -> Tracks:
        """All scenes of all parts in order.

        Raises:
            ValueError: there is no part.
        """
        if not parts:
            raise ValueError("no tracks to join")
        ends = np.cumsum([0, *(len(p) for p in parts)])
        starts = torch.cat([p.starts[:-1] + int(end) for p, end in zip(parts, ends[:-1], strict=True)])
        whole = {n: torch.cat([getattr(p, n) for p in parts]) for n in ("face", "head", "body", "speaking")}
        return cls(**whole, starts=torch.cat([starts, torch.tensor([int(ends[-1])])]))

    def to(self, device: torch.device | str) -> Tracks:
        """On another device."""
        return Tracks(*(getattr(self, name).to(device) for name in self.__slots__))

    def save(self, path: Path, note: dict[str, object]) -> None:
        """Write one safetensors file that is there wholly or not at all, with a `note` of how it was made."""
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        tensors = {name: getattr(self, name).contiguous().cpu() for name in self.__slots__}
        save_file(tensors, partial, {"note": json.dumps(note, sort_keys=True)})
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> tuple[Tracks, dict[str, object]]:
        """What `save` wrote, and its note.

        Raises:
            StorageError: the file is not such a one.
        """
        try:
            with safe_open(path, "pt") as stored:
                note: dict[str, object] = json.loads((stored.metadata() or {})["note"])
                return cls(*(stored.get_tensor(name) for name in cls.__slots__)), note
        except Exception as error:
            raise StorageError(
                "tracks_broken", f"{path} does not hold motion tracks: {error}.", "Make it again with people.sequences."
            ) from error

    def windows(self, place: Tensor, frames: int, every: int = 1) -> Tensor:
        """Rows int64 (P, frames) of windows that lie within one scene each.

        Args:
            place: float32 (P,), 0..1: where, evenly over all windows that there are.
            frames: of each window.
            every: rows from one of its frames to the next.

        Raises:
            ValueError: no scene is that long.
        """
        length = (frames - 1) * every + 1
        counts = (self.starts.diff() - length + 1).clamp(min=0)
        ends = counts.cumsum(0)
        if int(counts.max()) == 0:
            raise ValueError(f"no scene has {length} frames")
        chosen = (place.double() * ends[-1]).long().clamp(max=ends[-1] - 1)
        scene = torch.searchsorted(ends, chosen, right=True)
        first = self.starts[scene] + chosen - (ends[scene] - counts[scene])
        return first[:, None] + torch.arange(frames, device=place.device) * every
