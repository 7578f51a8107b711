"""Blinks and gaze. Knows nothing of voices or pictures.

Blinks: 17 a minute at rest, 26 in conversation (Bentivoglio et al. 1997; between people 8 to 21 and 10 to 32: Doughty
2001); each lasts 100 to 400 ms (Schiffman 1990), about 200 (Caffier et al. 2003), and opens twice as slowly as it
closes (Evinger et al. 1991). People blink at the ends of phrases, their own and, a quarter to half a second later,
those of whom they watch (Nakano and Kitazawa 2010), and with large movements of the eyes (Evinger et al. 1994).

Gaze: at the partner 75 % of the time while listening and 40 % while talking (Argyle and Cook 1976); in "Eyes Alive"
(Lee, Badler and Badler 2002) 3.1 s at the partner and 0.9 s away while talking. On a call that second measure looks
natural and the first one shy. Who begins a long utterance looks away, and back towards its end (Kendon 1967). Mutual
looks of 3.3 s are liked best (Binetti et al. 2016). Saccades last 21 ms and 2.2 ms more a degree (Carpenter 1988):
one or two frames; fixations on a face 250 to 500 ms, on eyes and mouth.
"""

from __future__ import annotations

import math

import numpy as np

from visavis_models.arkit import ARKIT
from visavis_models.behaviour.easing import FRAME_S
from visavis_models.behaviour.states import Moment

_DEG = math.pi / 180.0
_COEFFICIENT_SIDE, _COEFFICIENT_UP, _COEFFICIENT_DOWN = 1.81, 3.68, 2.50
"""What a unit of the sine of an eye's turn is in ARKit's coefficients: how far the model's irises go at 1, against 10.5
mm from the eye's centre of rotation to its iris."""
_MEAN_WAIT_S = {"speaking": 4.6, "listening": 5.4, "idle": 5.4}


class Blinks:
    """Says how far the lids are shut."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._age_s = -1.0
        self._times_s = (0.09, 0.04, 0.2)
        self._strength = 1.0
        self._since_s = 0.0
        self._wait_s = float(rng.uniform(0.8, 3.0))
        self._planned_s = -1.0

    def step(self, now: Moment, jumped: bool) -> float:
        """Closure 0..1 of the next frame.

        Args:
            now: what goes on.
            jumped: the eyes have just gone a long way.
        """
        if self._age_s >= 0.0:
            return self._closing()
        self._since_s += FRAME_S * now.manner.blink_rate_scale
        if self._planned_s < 0.0:
            self._planned_s = self._invited(now, jumped)
        elif self._planned_s >= 0.0:
            self._planned_s -= FRAME_S
            if self._planned_s < 0.0:
                return self._begin(now)
        return self._begin(now) if self._since_s >= self._wait_s and self._planned_s < 0.0 else 0.0

    def _invited(self, now: Moment, jumped: bool) -> float:
        """In how many seconds to blink because the moment is good; less than 0: it is not."""
        ripe = self._since_s > 0.45 * self._wait_s and now.manner.blink_rate_scale > 0.0
        if not ripe:
            return -1.0
        if now.rhythm.phrase_ended or now.turn_ended or jumped:
            return float(self._rng.uniform(0.0, 0.15)) if self._rng.random() < 0.6 else -1.0
        if now.other.phrase_ended:
            return float(self._rng.uniform(0.1, 0.35)) if self._rng.random() < 0.5 else -1.0
        return -1.0

    def _begin(self, now: Moment) -> float:
        state = "speaking" if now.speaking > 0.5 else "listening" if now.listening > 0.5 else "idle"
        again = self._rng.random() < 0.05  # one in twenty is a double blink
        wait_s = self._rng.lognormal(math.log(_MEAN_WAIT_S[state]) - 0.1, 0.45)
        self._wait_s = 0.12 if again else float(np.clip(wait_s, 1.0, 9.0))
        self._since_s, self._planned_s = 0.0, -1.0
        self._times_s = (
            float(self._rng.uniform(0.09, 0.12)), float(self._rng.uniform(0.03, 0.06)),
            float(self._rng.uniform(0.13, 0.21)),
        )  # fmt: skip
        self._strength = float(self._rng.uniform(0.94, 1.0))
        self._age_s = float(self._rng.uniform(-FRAME_S, 0.0))  # it began between the last frame and this one
        return self._closing()

    def _closing(self) -> float:
        close_s, hold_s, open_s = self._times_s
        self._age_s += FRAME_S
        if self._age_s < close_s:
            share = 0.5 - 0.5 * math.cos(math.pi * self._age_s / close_s)
        elif self._age_s < close_s + hold_s:
            share = 1.0
        else:
            left = 1.0 - (self._age_s - close_s - hold_s) / open_s
            if left <= 0.0:
                self._age_s = -1.0
                return 0.0
            share = left * left * (3.0 - 2.0 * left)
        return share * self._strength


class Gaze:
    """Says where the eyes look: at the viewer's eyes and mouth, and away now and then. Degrees, of the viewer."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._right = self._up = 0.0
        self._goal = (0.0, 0.0)
        self._fixation_s = 0.4
        self._away = False
        self._period_s = 1.5
        self.jumped = False
        """A large saccade began in this frame."""

    @property
    def goal(self) -> tuple[float, float]:
        """Where the eyes are bound, to the picture's right and up."""
        return self._goal

    def step(self, now: Moment) -> tuple[float, float]:
        """Where the eyes look, to the picture's right and up."""
        self.jumped = False
        pace = math.sqrt(now.manner.tempo)
        self._period_s -= FRAME_S * pace
        self._fixation_s -= FRAME_S * pace
        self._answer(now)
        if self._period_s <= 0.0:
            self._turn(not self._away and self._share(now) < 1.0, now)
        elif self._fixation_s <= 0.0:
            self._refix()
        self._move()
        return self._right, self._up

    def _answer(self, now: Moment) -> None:
        """Looks that turns of the conversation ask for."""
        if self._away and (now.attends or now.turn_ended or now.other.phrase_ended):
            self._turn(False, now)
        elif self._away and now.rhythm.phrase_ended and self._rng.random() < 0.5:
            self._turn(False, now)
        elif not self._away and now.rhythm.phrase_began and self._rng.random() < 0.22 * self._aversion(now):
            self._turn(True, now)

    def _aversion(self, now: Moment) -> float:
        """How gladly this manner looks away: 1 usually, 0 never."""
        return min(2.0, (1.0 - self._share(now)) / 0.28)

    def _share(self, now: Moment) -> float:
        wanted = now.manner.gaze_on_viewer + 0.03 * now.listening
        return min(max(wanted, 0.02), 1.0)

    def _turn(self, away: bool, now: Moment) -> None:
        """Look away, or back."""
        self._away = away
        share = self._share(now)
        away_s = 0.9 if now.speaking > 0.5 else 0.8 if now.listening > 0.5 else 1.3
        if away:
            longest_s = 1.2 if now.listening > 0.5 else 3.0  # longer ones say that somebody does not listen
            self._period_s = float(np.clip(self._rng.gamma(3.0, away_s / 3.0), 0.3, longest_s))
            angle = self._direction(now)
            size = float(self._rng.uniform(7.5, 14.0))
            self._aim(size * math.cos(angle), size * 0.62 * math.sin(angle))
            if abs(self._goal[1]) > 7.0 or np.hypot(*self._goal) < 6.0:
                self._aim(math.copysign(7.5, self._goal[0]), self._goal[1] * 0.7)
        else:
            mean_s = away_s * share / max(1.0 - share, 0.01)
            self._period_s = float(np.clip(self._rng.gamma(2.0, mean_s / 2.0), 0.5, 40.0))
            self._refix()

    def _direction(self, now: Moment) -> float:
        """Aside and down most of the time; thinking speakers look up too (radians, 0 is to the right)."""
        side = 0.0 if self._rng.random() < 0.5 else math.pi
        tilt = float(self._rng.normal(0.1 if now.speaking > 0.5 else -0.35, 0.5))
        return side + tilt if side == 0.0 else side - tilt

    def _refix(self) -> None:
        """The next place of the face that is looked at, or a small look about while away."""
        self._fixation_s = float(np.clip(self._rng.gamma(2.5, 0.22), 0.16, 1.6))
        if self._away:
            self._aim(
                self._goal[0] + float(self._rng.normal(0.0, 0.8)), self._goal[1] + float(self._rng.normal(0.0, 0.5))
            )
            return
        place = self._rng.random()
        side, down = (-1.1, 0.0) if place < 0.4 else (1.1, 0.0) if place < 0.8 else (0.0, -1.6)
        self._aim(side + float(self._rng.normal(0.0, 0.35)), down + float(self._rng.normal(0.2, 0.3)))

    def _aim(self, right: float, up: float) -> None:
        self.jumped = math.hypot(right - self._right, up - self._up) > 6.0
        self._goal = (right, up)

    def _move(self) -> None:
        """One frame covers most of a saccade, the longer it is the less; the next one the rest."""
        right, up = self._goal[0] - self._right, self._goal[1] - self._up
        share = min(1.0, FRAME_S / (0.021 + 0.0022 * math.hypot(right, up) + 0.015))
        if math.hypot(right, up) < 0.3:
            share = 1.0
        self._right += share * right
        self._up += share * up


def draw_eyes(
    face: np.ndarray[tuple[int], np.dtype[np.float32]],
    lids: float,
    looks_deg: tuple[float, float],
    head: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> None:
    """Write lids and gaze into one row of ARKit coefficients, in place.

    Args:
        face: float32 (52,).
        lids: closure 0..1.
        looks_deg: gaze to the picture's right, which is the person's own left, and up, of the viewer.
        head: float64 (6,), `HEAD_NAMES`: eyes hold on to what they look at while it turns (vestibulo-ocular reflex).
    """
    right = math.sin(looks_deg[0] * _DEG - head[1]) * _COEFFICIENT_SIDE
    rise = math.sin(looks_deg[1] * _DEG + head[0])
    up = rise * (_COEFFICIENT_UP if rise > 0.0 else _COEFFICIENT_DOWN)
    face[ARKIT["eyeBlinkLeft"]] = lids
    face[ARKIT["eyeBlinkRight"]] = lids
    face[ARKIT["eyeLookOutLeft" if right > 0 else "eyeLookInLeft"]] = abs(right)
    face[ARKIT["eyeLookInRight" if right > 0 else "eyeLookOutRight"]] = abs(right)
    for side in ("Left", "Right"):
        face[ARKIT[("eyeLookUp" if up > 0 else "eyeLookDown") + side]] = abs(up)
