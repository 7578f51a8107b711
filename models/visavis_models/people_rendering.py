"""Draws pictures of several people with a renderer of one: everybody is drawn alone, and laid over those behind them.

A renderer draws a person over the background and tells how much of each pixel is the person; that is all it takes to
put another background behind them. Knows nothing of how a person is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar
from visavis_models.motion import MotionWindow, rest_motion
from visavis_models.rendering import (
    AdjustableRenderer,
    Drawn,
    ForgetfulRenderer,
    GuardCounts,
    GuardedRenderer,
    MattingRenderer,
    PipelinedRenderer,
    Renderer,
)

_Bytes = NDArray[np.uint8]
_LAY = "void(u1[:,:,::1], u1[:,::1], u1[:,:,::1], u1[:,:,::1], u1[:,::1])"


@numba.njit(_LAY, nogil=True, cache=True)
def _lay(picture, cover, plate, out, total):  # type: ignore[no-untyped-def]
    # A pixel is c · person + (1 - c) · plate: with another background it differs by (1 - c) · (background - plate).
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            c = np.int32(cover[y, x])
            if c == 0:
                continue
            if c == 255:
                total[y, x] = 255
                for k in range(3):
                    out[y, x, k] = picture[y, x, k]
                continue
            rest = np.int32(255) - c
            total[y, x] = np.uint8(255 - (rest * np.int32(255 - total[y, x]) + 127) // 255)
            for k in range(3):
                value = np.int32(picture[y, x, k]) * 255 + rest * (np.int32(out[y, x, k]) - np.int32(plate[y, x, k]))
                value = (value + 127) // 255
                out[y, x, k] = 0 if value < 0 else 255 if value > 255 else value


@dataclass(frozen=True, slots=True)
class GroupState:
    """One session's hold on a picture of several people."""

    people: tuple[Any, ...]
    """The inner renderer's state of each, by number."""
    plates: tuple[_Bytes, ...]
    """What the inner renderer draws behind each, uint8 (H, W, 3)."""
    plate: _Bytes
    """What is seen where nobody is, uint8 (H, W, 3)."""


class PeopleRenderer:
    """Draws everybody in a picture. Implements `MattingRenderer`.

    Args:
        inner: draws one person, and tells them from the background.
    """

    def __init__(self, inner: MattingRenderer[Any]) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        """Of the inner renderer."""
        return self._inner.name

    def open(self, avatar: Avatar, long_side_px: int | None = None) -> Any:
        """See `Renderer.open`; of a picture of one person, the inner renderer's own state."""
        if not avatar.others:
            return self._inner.open(avatar, long_side_px)
        states = tuple(self._inner.open(person, long_side_px) for person in avatar.people)
        plates = tuple(np.ascontiguousarray(self._inner.plate(state)) for state in states)
        return GroupState(states, plates, _common_plate(avatar.plate, plates))

    def forget(self, avatar_id: str) -> None:
        """See `ForgetfulRenderer`."""
        if isinstance(self._inner, ForgetfulRenderer):
            self._inner.forget(avatar_id)

    def render(self, states: Sequence[Any], windows: Sequence[MotionWindow]) -> list[_Bytes]:
        """See `Renderer.render`."""
        if not any(isinstance(state, GroupState) for state in states):
            return self._inner.render(states, windows)
        return self.render_with_mattes(states, windows, [None] * len(states))

    def plate(self, state: Any) -> _Bytes:
        """See `MattingRenderer.plate`."""
        return state.plate if isinstance(state, GroupState) else self._inner.plate(state)

    def render_with_mattes(
        self, states: Sequence[Any], windows: Sequence[MotionWindow], mattes: Sequence[_Bytes | None]
    ) -> list[_Bytes]:
        """See `MattingRenderer.render_with_mattes`. The people of all states are drawn in one batch."""
        alone: list[tuple[Any, MotionWindow, _Bytes | None]] = []
        places = []
        for state, window, matte in zip(states, windows, mattes, strict=True):
            begin = len(alone)
            if isinstance(state, GroupState):
                for number, one in enumerate(state.people):
                    cover = np.empty((len(window), *state.plate.shape[:2]), np.uint8)
                    alone.append((one, _motion_of(window, number), cover))
            else:
                alone.append((state, window.people[0], matte))
            places.append(slice(begin, len(alone)))
        drawn = self._inner.render_with_mattes(*zip(*alone, strict=True)) if alone else []
        return [
            _together(state, drawn[place], [cover for _, _, cover in alone[place]], matte)
            if isinstance(state, GroupState)
            else drawn[place.start]
            for state, place, matte in zip(states, places, mattes, strict=True)
        ]


class SteeredPeopleRenderer(PeopleRenderer):
    """The same for an inner renderer that judges its own pictures and can be told to do with less."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._steered: Any = inner

    @property
    def counts(self) -> GuardCounts:
        """See `GuardedRenderer`."""
        counts: GuardCounts = self._steered.counts
        return counts

    @property
    def ways(self) -> tuple[str, ...]:
        """See `AdjustableRenderer`."""
        ways: tuple[str, ...] = self._steered.ways
        return ways

    @property
    def way(self) -> str:
        """See `AdjustableRenderer`."""
        return str(self._steered.way)

    @property
    def fewest_frames(self) -> int:
        """See `AdjustableRenderer`."""
        return int(self._steered.fewest_frames)

    def take(self, way: str, state: Any = None) -> None:
        """See `AdjustableRenderer`; everybody in a picture is drawn in its way."""
        for one in state.people if isinstance(state, GroupState) else (state,):
            self._steered.take(way, one)


class PipelinedPeopleRenderer(SteeredPeopleRenderer):
    """The same for one that begins a batch while the one before is on its way: pictures of one person go with it."""

    def begin(
        self, states: Sequence[Any], windows: Sequence[MotionWindow], mattes: Sequence[bool]
    ) -> Future[list[Drawn]]:
        """See `PipelinedRenderer`; people of one picture are waited for, and laid over each other by the host."""
        alone = [k for k, state in enumerate(states) if not isinstance(state, GroupState)]
        found: dict[int, Drawn] = {}
        groups = [k for k in range(len(states)) if k not in alone]
        if groups:
            covers = [
                np.empty((len(windows[k]), *states[k].plate.shape[:2]), np.uint8) if mattes[k] else None for k in groups
            ]
            drawn = self.render_with_mattes([states[k] for k in groups], [windows[k] for k in groups], covers)
            found = {k: Drawn(shown, None, cover) for k, shown, cover in zip(groups, drawn, covers, strict=True)}
        done: Future[list[Drawn]] = Future()

        def join(begun: Future[list[Drawn]]) -> None:
            error = begun.exception()
            if error is not None:
                done.set_exception(error)
                return
            found.update(zip(alone, begun.result(), strict=True))
            done.set_result([found[k] for k in range(len(states))])

        if alone:
            single = [windows[k].people[0] for k in alone]
            self._steered.begin([states[k] for k in alone], single, [mattes[k] for k in alone]).add_done_callback(join)
        else:
            done.set_result([found[k] for k in range(len(states))])
        return done


def for_people(renderer: Renderer[Any]) -> Renderer[Any]:
    """A renderer that draws everybody in a picture, if this one can tell a person from the background; else itself."""
    if not isinstance(renderer, MattingRenderer):
        return renderer
    steered = isinstance(renderer, GuardedRenderer) and isinstance(renderer, AdjustableRenderer)
    if steered and isinstance(renderer, PipelinedRenderer):
        return PipelinedPeopleRenderer(renderer)
    return SteeredPeopleRenderer(renderer) if steered else PeopleRenderer(renderer)


def _motion_of(window: MotionWindow, number: int) -> MotionWindow:
    people = window.people
    return people[number] if number < len(people) else rest_motion(len(window), window.first_frame)


def _common_plate(whole: _Bytes, plates: Sequence[_Bytes]) -> _Bytes:
    """The background with what each person's preparation took out of it: stray hair round themselves."""
    height, width = plates[0].shape[:2]
    raw = whole
    if whole.shape[:2] != (height, width):
        raw = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    common = raw.copy()
    for plate in plates:
        changed = (plate != raw).any(-1)
        common[changed] = plate[changed]
    return common


def _together(
    state: GroupState, drawn: Sequence[_Bytes], covers: Sequence[_Bytes | None], matte: _Bytes | None
) -> _Bytes:
    """Everybody over the background, who is in front last: uint8 (T, H, W, 3)."""
    frames = np.empty_like(drawn[0])
    total = np.zeros(drawn[0].shape[:3], np.uint8) if matte is None else matte
    for t, frame in enumerate(frames):
        np.copyto(frame, state.plate)
        total[t] = 0
        for number in range(len(drawn) - 1, -1, -1):
            cover = covers[number]
            assert cover is not None
            _lay(drawn[number][t], cover[t], state.plates[number], frame, total[t])
    return frames
