"""The contract of every listener: voice in, motion windows out."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from visavis_models.chunk import Chunk
from visavis_models.mood import Mood
from visavis_models.motion import MotionWindow


class Listener(Protocol):
    """Hears one voice and says what face, head and body do. One instance a session; used by one thread at a time."""

    @property
    def lookahead_ms(self) -> int:
        """How much future voice a motion waits for: a multiple of 40."""
        ...

    @property
    def hears_other(self) -> bool:
        """Somebody speaks to the avatar, by what is heard in `Chunk.other`; `set_listening` may tell more."""
        ...

    def push(self, chunk: Chunk) -> MotionWindow | None:
        """Hear one chunk; chunks come in order.

        Returns:
            The motions that became certain, in order and without gaps, or None while the look-ahead fills: motion of
            frame k is returned by the push of chunk `k + lookahead_ms / 40`.
        """
        ...

    def interrupt(self, last_shown: int | None = None, next_shown: int | None = None) -> MotionWindow | None:
        """The speaker was cut off: forget the voice heard so far.

        The mouth closes softly within 200 ms; frame numbering goes on.

        Args:
            last_shown: the last frame that was seen, from whose motion the mouth closes: of what was heard after it
                nothing is shown any more. None: the newest one.
            next_shown: the first frame that can still be drawn in time; None: nothing is drawn again.

        Returns:
            What is to be shown of the frames from `next_shown` on whose motions were returned already, or None if there
            is none of them or nothing to be changed.
        """
        ...

    def set_listening(self, on: bool) -> None:
        """Somebody else speaks to the avatar (or stopped): attend to them while silent, even where unheard."""
        ...


@runtime_checkable
class MoodyListener(Listener, Protocol):
    """One that can be told how to be. It heeds `Chunk.feeling` too, before the mood."""

    def set_mood(self, mood: Mood) -> None:
        """Be like this from the next motion on; faces ease into it.

        Raises:
            BadInput: `bad_preset`.
        """
        ...
