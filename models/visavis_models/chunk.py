"""The unit of voice: 40 ms, once at the rate at which networks listen and once at the rate at which people do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visavis_models.mood import Feeling

FRAME_RATE_HZ = 25
CHUNK_MS = 40
LISTENING_RATE_HZ = 16_000
CHUNK_SAMPLES = LISTENING_RATE_HZ * CHUNK_MS // 1000  # 640
PLAYBACK_RATE_HZ = 48_000
PLAYBACK_SAMPLES = PLAYBACK_RATE_HZ * CHUNK_MS // 1000  # 1920


@dataclass(frozen=True, slots=True)
class Chunk:
    """40 ms of one voice.

    Frame `index` of the video shows this chunk and is published together with it.
    """

    index: int
    """Position on the media clock: the chunk covers `[index * 40 ms, (index + 1) * 40 ms)`."""
    samples: NDArray[np.float32]
    """float32 (640,), -1..1, mono at 16 kHz: what the listener hears."""
    playback: NDArray[np.int16]
    """int16 (1920,), mono at 48 kHz: the same 40 ms as they are published."""
    epoch: int = 0
    """How many interruptions came before it."""
    arrived_s: float = 0.0
    """`time.monotonic()` when its last sample reached this process; 0 for files."""
    feeling: Feeling | None = None
    """With what feeling it is said; None: nobody told, the session's mood holds."""
    other: NDArray[np.float32] | None = None
    """What somebody says to the avatar in the same 40 ms, float32 (640,) at 16 kHz; None: nothing is heard of them."""
    speaker: int = 0
    """Who says it, where more than one is in the picture; see `Avatar.people`."""


def silent_chunk(index: int, epoch: int = 0, arrived_s: float = 0.0) -> Chunk:
    """A chunk of digital silence."""
    return Chunk(index, np.zeros(CHUNK_SAMPLES, np.float32), np.zeros(PLAYBACK_SAMPLES, np.int16), epoch, arrived_s)
