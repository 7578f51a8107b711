"""Tries what drawing costs on this machine, and lets a renderer do with less where it is too much.

The trial draws a face that talks and blinks at the same time: what costs most. Knows nothing of sessions or clocks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from visavis_models.arkit import ARKIT
from visavis_models.motion import MotionWindow, rest_motion
from visavis_models.people_rendering import GroupState
from visavis_models.rendering import AdjustableRenderer, Renderer
from visavis_server.load import StepCost, affordable

_log = logging.getLogger(__name__)

_SHORT, _LONG = 1, 4
"""Frames of the two steps whose difference tells what a frame costs."""
_ROUNDS = 2
"""The quicker one counts: the first may compile something, or be disturbed."""


def busy_motion(frames: int, first_frame: int = 0) -> MotionWindow:
    """A face that talks while its lids move."""
    window = rest_motion(frames, first_frame)
    phase = np.arange(first_frame, first_frame + frames, dtype=np.float32)
    window.face[:, ARKIT["jawOpen"]] = 0.25 + 0.15 * np.sin(0.9 * phase)
    for side in ("Left", "Right"):
        window.face[:, ARKIT[f"eyeBlink{side}"]] = 0.5 + 0.3 * np.sin(0.5 * phase)
    return window


def step_cost(renderer: Renderer[Any], state: Any) -> StepCost:
    """What a step costs as the renderer draws now, for each face in the picture; the state's clock goes on."""
    frame, costs_ms = 0, dict.fromkeys((_SHORT, _LONG), float("inf"))
    renderer.render([state], [busy_motion(_LONG)])
    for _ in range(_ROUNDS):
        for count in costs_ms:
            frame += 10
            begun_s = time.perf_counter()
            renderer.render([state], [busy_motion(count, frame)])
            costs_ms[count] = min(costs_ms[count], (time.perf_counter() - begun_s) * 1000)
    frame_ms = max(0.0, (costs_ms[_LONG] - costs_ms[_SHORT]) / (_LONG - _SHORT))
    people = len(state.people) if isinstance(state, GroupState) else 1
    return StepCost(max(0.0, costs_ms[_SHORT] - frame_ms), frame_ms / people)


def way_costs(renderer: Renderer[Any], state: Any) -> dict[str, StepCost]:
    """What a step costs in each way that the renderer can draw, the best first; one nameless way if it has no other."""
    if not isinstance(renderer, AdjustableRenderer):
        return {"": step_cost(renderer, state)}
    costs, now = {}, renderer.way
    for way in renderer.ways:
        renderer.take(way)
        costs[way] = step_cost(renderer, state)
    renderer.take(now)
    return costs


def quicker(one: Mapping[str, StepCost], other: Mapping[str, StepCost]) -> dict[str, StepCost]:
    """Of two trials the lower costs: whatever disturbs a trial makes it dearer."""
    return {
        way: StepCost(min(cost.call_ms, other[way].call_ms), min(cost.frame_ms, other[way].frame_ms))
        for way, cost in one.items()
    }


def take_affordable_way(renderer: Renderer[Any], costs: Mapping[str, StepCost], sessions: int) -> StepCost:
    """Let the renderer draw in the best way that so many sessions can have, say so, and tell what that costs."""
    way = affordable(costs, sessions)
    if isinstance(renderer, AdjustableRenderer) and way != renderer.way:
        told = {name: f"{cost.frame_ms:.0f} ms a frame" for name, cost in costs.items()}
        _log.info("drawing differently", extra={"way": way, "sessions": sessions, "measured": str(told)})
        renderer.take(way)
    return costs[way]
