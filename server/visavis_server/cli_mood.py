"""What `render` and `motion` share about moods: their options, and a listener that heeds them.

Knows nothing of how feelings are shown. Heavy modules are imported when they are needed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from visavis_models.errors import BadInput
from visavis_models.mood import EMOTIONS, Feeling, Mood, read_feeling

if TYPE_CHECKING:
    from visavis_models.chunk import Chunk
    from visavis_models.listening import Listener
    from visavis_models.motion import MotionWindow

Emotions = Annotated[
    list[str] | None,
    typer.Option(
        "--emotion",
        help=f"One of {', '.join(EMOTIONS)}; with a strength, happy:0.6, and a time from which on it holds, 12.5=sad. "
        "May be repeated.",
        metavar="[SECONDS=]NAME[:STRENGTH]",
    ),
]
Preset = Annotated[
    str | None, typer.Option("--preset", help="A manner: newsreader, friend or teacher.", metavar="NAME")
]
FromVoice = Annotated[
    bool, typer.Option("--emotion-from-voice", help="Show what the voice sounds like, where that is clear.")
]


@dataclass(frozen=True, slots=True)
class Cue:
    """From this frame on the voice is said so."""

    frame: int
    feeling: Feeling | None = None
    """None: what was felt before."""
    speaker: int | None = None
    """None: whoever spoke before."""

    def told(self, chunk: Chunk) -> Chunk:
        """A chunk that is said so."""
        if self.feeling is not None:
            chunk = replace(chunk, feeling=self.feeling)
        return chunk if self.speaker is None else replace(chunk, speaker=self.speaker)


def read_cue(text: str) -> Cue:
    """What `--emotion` says.

    Raises:
        BadInput: `bad_emotion`, `bad_strength` or `bad_usage`.
    """
    frame, felt = read_time(text, "--emotion", "Give happy, happy:0.6 or 12.5=happy:0.6.")
    name, colon, strength = felt.partition(":")
    try:
        much = float(strength) if colon else 1.0
    except ValueError:
        raise unread(text, "--emotion", "Give happy, happy:0.6 or 12.5=happy:0.6.") from None
    return Cue(frame, read_feeling(name, much))


def read_time(text: str, option: str, remedy: str) -> tuple[int, str]:
    """The frame from which on a cue holds, and what it says, of `12.5=happy` or `happy`.

    Raises:
        BadInput: `bad_usage`.
    """
    from visavis_models.chunk import CHUNK_MS

    time_s, _, said = text.rpartition("=")
    try:
        at_s = float(time_s or 0.0)
    except ValueError:
        raise unread(text, option, remedy) from None
    if not 0.0 <= at_s <= 86_400.0:
        raise unread(text, option, remedy)
    return round(at_s * 1000 / CHUNK_MS), said


def unread(text: str, option: str, remedy: str) -> BadInput:
    """What is told of an option that cannot be read."""
    return BadInput("bad_usage", f"{option} {text[:60]} cannot be read.", remedy)


class CuedListener:
    """A listener that is told what is said how, and by whom. Implements `MoodyListener`.

    Args:
        listener: hears and performs.
        cues: from its frame on each holds until the next; all of one kind.
    """

    def __init__(self, listener: Listener, cues: Sequence[Cue]) -> None:
        self._listener = listener
        self._cues = sorted(cues, key=lambda cue: cue.frame)
        self._frames = [cue.frame for cue in self._cues]

    @property
    def lookahead_ms(self) -> int:
        """See `Listener`."""
        return self._listener.lookahead_ms

    @property
    def hears_other(self) -> bool:
        """See `Listener`."""
        return self._listener.hears_other

    @property
    def heard(self) -> Any:
        """What the voice said of the newest motion, if the listener tells."""
        return getattr(self._listener, "heard", None)

    def push(self, chunk: Chunk) -> MotionWindow | None:
        """Hear one chunk as it is said; see `Listener`."""
        cue = bisect_right(self._frames, chunk.index) - 1
        return self._listener.push(chunk if cue < 0 else self._cues[cue].told(chunk))

    def interrupt(self, last_shown: int | None = None, next_shown: int | None = None) -> MotionWindow | None:
        """See `Listener`."""
        return self._listener.interrupt(last_shown, next_shown)

    def set_listening(self, on: bool) -> None:
        """See `Listener`."""
        self._listener.set_listening(on)

    def set_mood(self, mood: Mood) -> None:
        """See `MoodyListener`."""
        from visavis_models.listening import MoodyListener

        if isinstance(self._listener, MoodyListener):
            self._listener.set_mood(mood)


def in_mood(listener: Listener, emotions: Sequence[str] | None, preset: str | None, from_voice: bool) -> Listener:
    """A listener that heeds these options; without any, itself.

    Raises:
        BadInput: `bad_emotion`, `bad_strength`, `bad_usage`, `bad_preset`.
    """
    from visavis_models.behaviour.presets import preset_of
    from visavis_models.listening import MoodyListener

    cues = [read_cue(text) for text in emotions or ()]
    preset_of(preset or "")
    if not (cues or preset or from_voice):
        return listener
    if not isinstance(listener, MoodyListener):
        raise BadInput("bad_usage", "Moods are not for this listener.", "Leave --emotion and --preset out.")
    # One that holds from the beginning is the mood, which a feeling of the voice's own goes before.
    first = next((cue.feeling for cue in cues if cue.frame == 0 and cue.feeling is not None), Feeling())
    listener.set_mood(Mood(first, from_voice, preset or ""))
    return CuedListener(listener, cues) if any(cue.frame for cue in cues) else listener
