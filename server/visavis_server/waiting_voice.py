"""What a studio's owner thread has before it: the voice that waits for each session's next step, and whose turn it is.

Everything here is called under the studio's condition. Knows nothing of threads, renderers or clocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from visavis_models.chunk import CHUNK_MS, Chunk
from visavis_server.batching import Due, gathered, quiet_start
from visavis_server.load import StepCost
from visavis_server.quality import Quality
from visavis_server.session import Session

_MAX_PENDING_CHUNKS = 250
"""10 s of voice not yet listened to: the device has stopped answering, and the session is ended."""
MOST_UNDER_WAY = 2
"""Batches that a device may have begun: one is computed while the next one is made ready."""


@dataclass(slots=True)
class WaitingVoice:
    """The chunks of every session that were not listened to yet."""

    chunks: dict[Session, list[Chunk]] = field(default_factory=dict)
    first_steps: dict[Session, int] = field(default_factory=dict)
    """How many chunks the first step of a new session takes, so that later ones fall where there is room."""
    held: dict[str, Quality] = field(default_factory=dict)
    """What every session is given, by its id; replaced, never changed."""
    under_way: list[frozenset[Session]] = field(default_factory=list)
    """Batches that a device works at: nobody's next window is begun before the one before is there."""

    def put(self, session: Session, chunk: Chunk) -> bool:
        """Take a chunk; False if the device has stopped answering: all that waited is gone then."""
        chunks = self.chunks.setdefault(session, [])
        chunks.append(chunk)
        if len(chunks) <= _MAX_PENDING_CHUNKS:
            return True
        chunks.clear()
        return False

    def leave(self, session: Session) -> None:
        """A session is over."""
        self.chunks.pop(session, None)
        self.first_steps.pop(session, None)

    def step_of(self, session: Session) -> int:
        """How many chunks its next step waits for."""
        return self.first_steps.get(session, session.frames_per_step)

    def welcome(
        self, session: Session, quality: Quality, others: Iterable[Session], costs: Mapping[str, StepCost]
    ) -> None:
        """Choose how many chunks the first step of a new session takes."""
        upcoming = []
        for other in others:
            held = self.held.get(other.id)
            if held is not None:
                upcoming.append((self.step_of(other) - len(self.chunks.get(other, ())), held))
        self.first_steps[session] = quiet_start(upcoming, quality, costs)

    def due(self) -> list[Session]:
        """Whose next window can be drawn."""
        if len(self.under_way) >= MOST_UNDER_WAY:
            return []
        drawn = frozenset[Session]().union(*self.under_way)
        return [
            s
            for s, chunks in self.chunks.items()
            if len(chunks) >= self.step_of(s) and s.id in self.held and s not in drawn
        ]

    def take_batch(self, costs: Mapping[str, StepCost], slowness: float) -> dict[Session, list[Chunk]]:
        """The voice of those whose windows are drawn next, together; the others' turn is right after."""
        due = []
        for session in self.due():
            chunks, lookahead = self.chunks[session], session.performance.listener.lookahead_ms // CHUNK_MS
            ticks_left = chunks[0].index - lookahead - session.next_frame
            due.append(Due(session, self.held[session.id], ticks_left, len(chunks)))
        return {each.key: self._taken(each) for each in gathered(due, costs, slowness)}

    def _taken(self, due: Due[Session]) -> list[Chunk]:
        first = self.first_steps.pop(due.key, None)
        chunks = self.chunks[due.key]
        count = due.taken if first is None or due.waiting > due.quality.frames_per_step else first
        taken, self.chunks[due.key] = chunks[:count], chunks[count:]
        return taken
