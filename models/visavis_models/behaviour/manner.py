"""How a person carries themselves, in a few numbers: what moods and presets ask of presence. Knows of neither."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from visavis_models.behaviour.easing import Follower

_EASES_S = 1.5


@dataclass(frozen=True, slots=True)
class Manner:
    """One way to be present. The defaults are those of a calm, friendly person on a call.

    May change at any frame: presence eases into a new manner, it never jumps.
    """

    tempo: float = 1.0
    """How quickly nods, shifts, looks and breaths follow each other and come about: 0.5 slow .. 2 hectic."""
    head_scale: float = 1.0
    """Size of all head and shoulder motion but nods: 0 still .. 2 lively."""
    gaze_on_viewer: float = 0.72
    """Share of the time in which the eyes are with the viewer while speaking, 0..1; a listener's is a little higher."""
    blink_rate_scale: float = 1.0
    """Blinks against the usual number: 0 none .. 3."""
    nod_scale: float = 1.0
    """Size and frequency of nods and of brow raises, on stresses as while listening: 0 none .. 2."""
    smile: float = 0.0
    """A standing smile on top of the usual trace of one, 0..1."""


NEUTRAL = Manner()
"""What presence does when nobody asks for anything else."""


class EasedManner:
    """Goes from one manner to the next within a second or so."""

    def __init__(self) -> None:
        self._now = NEUTRAL
        self._followers = [Follower(_EASES_S, value) for value in astuple(NEUTRAL)]

    def step(self, wanted: Manner) -> Manner:
        """The manner of the next frame."""
        if wanted == self._now:
            return wanted
        values = [follower.step(value) for follower, value in zip(self._followers, astuple(wanted), strict=True)]
        near = all(abs(value - aim) < 1e-4 for value, aim in zip(values, astuple(wanted), strict=True))
        self._now = wanted if near else Manner(*values)
        return self._now
