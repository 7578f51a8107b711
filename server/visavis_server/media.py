"""What leaves a session 25 times a second, and what takes it away."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from visavis_models.matte import Matte

if TYPE_CHECKING:
    from visavis_server.tracing.window_trace import FrameTrace


@dataclass(frozen=True, slots=True)
class Published:
    """One tick of the media clock: a picture and exactly the 40 ms of voice that it shows."""

    index: int
    """Tick of the session's clock, from 0, without gaps. Presentation time is `index * 40 ms` for both media."""
    picture: NDArray[np.uint8]
    """uint8 (H, W, 3) RGB. The same array object as the tick before when a frame is shown again."""
    voice: NDArray[np.int16]
    """int16 (1920,): 40 ms, mono at 48 kHz."""
    repeated: bool
    """The frame was late and the last good one is shown again."""
    epoch: int
    """How many interruptions came before it."""
    matte: Matte | None = None
    """What of the picture is the person; None unless somebody asked for it."""
    skipped_ticks: int = 0
    """How many ticks later than its index it is shown: the machine stood still, or the session has grown slower."""
    trace: FrameTrace | None = field(default=None, compare=False)
    """Told what becomes of it, where its window is traced."""
    planes: NDArray[np.uint8] | None = None
    """uint8 (1.5 H, W): the picture as I420, where whoever drew it has converted it already."""

    @property
    def moment(self) -> int:
        """The tick of real time at which it is shown: what live receivers go by. Two may have the same.

        A receiver that waits through a gap which its timestamps do not have thinks that packets have become so much
        later, and delays everything for many seconds: voice first, and pictures after it.
        """
        return self.index + self.skipped_ticks


class MediaSink(Protocol):
    """Takes what a session publishes: a WebRTC peer, a file, a stream."""

    def publish(self, item: Published) -> None:
        """Take one tick. Called on the event loop; must not block, and drops its own oldest when it cannot keep up."""
        ...
