"""Idle, listening, speaking: what goes on, eased, with the moments at which people do something. Knows of no face.

A state is never switched: each has a weight, and weights follow in about half a second, about the time in
which people take up another posture at a change of turns.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from visavis_models.behaviour.easing import Follower
from visavis_models.behaviour.manner import NEUTRAL, Manner
from visavis_models.behaviour.other_side import OtherVoice
from visavis_models.behaviour.prosody import Prosody, Rhythm

_ANEW_AFTER = 75
"""3 s: who goes on after a shorter pause had not ended."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What goes on in one frame."""

    speaking: bool
    """The avatar speaks."""
    listening: bool
    """Somebody speaks to the avatar, as somebody says who should know."""
    energy: float
    """Loudness of the avatar's own voice, 0..1."""
    pitch_hz: float = 0.0
    """Of the avatar's own voice; 0 where it does not sound."""
    other: OtherVoice = field(default_factory=OtherVoice)
    """What is heard of the other side."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame, as bodies see it."""

    speaking: float
    """How far the avatar is in the state of speaking, 0..1, eased."""
    listening: float
    """Likewise; the rest up to 1 is idle."""
    sounding: float
    """How much voice there is just now: 0 in a pause, 1 in the midst of a phrase; quicker than the states."""
    rhythm: Rhythm
    """Of the avatar's own voice."""
    other: Rhythm
    """Of the other side's; empty while the avatar speaks itself."""
    turn_taken: bool = False
    """The avatar begins to speak."""
    turn_ended: bool = False
    """The avatar has ended."""
    attends: bool = False
    """It begins to listen, after some time in which nobody spoke to it."""
    released: bool = False
    """The other side has ended."""
    told_only: bool = False
    """It listens, but nothing is heard of the other side: their rhythm is unknown."""
    manner: Manner = NEUTRAL

    @property
    def idle(self) -> float:
        """How far it is in neither state."""
        return max(0.0, 1.0 - self.speaking - self.listening)


class States:
    """What one avatar does, frame by frame."""

    def __init__(self) -> None:
        self._prosody = Prosody()
        self._speaking = Follower(0.7)
        self._listening = Follower(0.9)
        self._sounding = Follower(0.35)
        self._was_speaking = False
        self._was_listening = False
        self._since_heard = 1000
        self._since_listened = 1000

    def step(self, now: Situation, manner: Manner) -> Moment:
        """The next frame."""
        rhythm = self._prosody.step(now.energy, now.pitch_hz)
        listening = (now.listening or now.other.speaking) and not now.speaking
        self._since_heard = 0 if now.other.rhythm.sounding else self._since_heard + 1
        moment = Moment(
            speaking=self._speaking.step(float(now.speaking)),
            listening=self._listening.step(float(listening)),
            sounding=self._sounding.step(float(now.speaking and rhythm.sounding)),
            rhythm=rhythm,
            other=now.other.rhythm if not now.speaking else Rhythm(),
            turn_taken=now.speaking and not self._was_speaking,
            turn_ended=self._was_speaking and not now.speaking,
            attends=listening and self._since_listened > _ANEW_AFTER,
            released=self._was_listening and not listening and not now.speaking,
            told_only=listening and self._since_heard > 125,
            manner=manner,
        )
        self._was_speaking, self._was_listening = now.speaking, listening
        self._since_listened = 0 if listening else self._since_listened + 1
        return moment
