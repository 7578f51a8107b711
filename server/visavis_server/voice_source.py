"""Where a session gets its voice from when it is not a microphone: something that is asked at every tick.

Knows nothing of who speaks or how the voice came here.
"""

from __future__ import annotations

from typing import Protocol

from visavis_server.voice_intake import RawChunk


class VoiceSource(Protocol):
    """Speaks for an avatar on the session's own clock. Called on the event loop; must not block."""

    def take(self, index: int) -> RawChunk | None:
        """The 40 ms of tick `index`, or None for silence. Ticks come in order, without gaps."""
        ...

    def interrupted(self, epoch: int) -> None:
        """The avatar stops speaking: what was taken but not yet published is never heard, and what waits is unwanted.

        Args:
            epoch: the new one.
        """
        ...
