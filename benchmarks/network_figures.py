"""What one call's readings come to: frames, freezes, offset, lag, recovery, and whether it ended well. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NTP_TO_UNIX_MS = 2_208_988_800_000
GOOD_FPS = 20.0
DEAD_FPS = 8.0
LAGGING_MS = 1500.0
"""Beyond the way itself: nobody can talk like that."""
GROWING_MS = 500.0
WINDOW_MS = 1000.0
SETTLED_S = 5.0

Reading = dict[str, Any]
Numbers = NDArray[np.float64]


def _series(readings: list[Reading], kind: str, name: str) -> tuple[Numbers, Numbers]:
    """Times in ms and values of one statistic, where it is known."""
    pairs = [(r["at_ms"], r[kind][name]) for r in readings if name in r.get(kind, {})]
    both = np.array(pairs, float).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def rates(readings: list[Reading], kind: str, name: str, factor: float = 1.0) -> tuple[Numbers, Numbers]:
    """A counter's growth per second over sliding windows of a second: their ends in ms, and rates."""
    at_ms, counts = _series(readings, kind, name)
    if at_ms.size < 2:
        return np.zeros(0), np.zeros(0)
    before = np.interp(at_ms - WINDOW_MS, at_ms, counts)
    whole = at_ms - WINDOW_MS >= at_ms[0]
    return at_ms[whole], factor * (counts - before)[whole] / (WINDOW_MS / 1000)


def offsets_ms(readings: list[Reading]) -> Numbers:
    """Picture less voice as they play, ms; positive: the picture is ahead."""
    found = []
    for reading in readings:
        picture, voice = (reading.get(kind, {}).get("estimatedPlayoutTimestamp", 0) for kind in ("video", "audio"))
        if picture > 0 and voice > 0:
            found.append(picture - voice)
    return np.array(found, float)


def lags_ms(readings: list[Reading]) -> tuple[Numbers, Numbers]:
    """Times, and how long after it left the session the picture plays, ms. Both clocks are this machine's."""
    at_ms, played_ms = _series(readings, "video", "estimatedPlayoutTimestamp")
    known = played_ms > 0
    return at_ms[known], (at_ms - (played_ms - NTP_TO_UNIX_MS))[known]


def recovery_s(readings: list[Reading], since_ms: float, way_ms: float) -> float | None:
    """How long after a change the picture runs again at 20 fps with no more lag than half a second; None: never.

    It must then stay so for two seconds.
    """
    at_ms, fps = rates(readings, "video", "framesDecoded")
    lag_at_ms, lag_ms = lags_ms(readings)
    if at_ms.size == 0 or lag_at_ms.size == 0:
        return None
    lag_ms = np.interp(at_ms, lag_at_ms, lag_ms)
    good = (fps >= GOOD_FPS) & (lag_ms < way_ms + 500.0)
    after = at_ms >= since_ms
    for n in np.nonzero(after)[0]:
        held = after & (at_ms >= at_ms[n]) & (at_ms <= at_ms[n] + 2000.0)
        if good[held].all():
            return max(0.0, float(at_ms[n] - since_ms) / 1000)
    return None


def figures(readings: list[Reading], way_ms: float) -> dict[str, Any]:
    """One cell; the first five seconds count for nothing but freezes."""
    live = [r for r in readings if "video" in r]
    if len(live) < 20:
        return {"verdict": "dead"}
    settled = [r for r in live if r["at_ms"] >= live[0]["at_ms"] + 1000 * SETTLED_S]
    _, fps = rates(settled, "video", "framesDecoded")
    _, kbps = rates(settled, "video", "bytesReceived", 0.008)
    _, lag_ms = lags_ms(settled)
    offset_ms = offsets_ms(settled)
    last, first = live[-1]["video"], settled[0]["video"] if settled else {}
    voice, voice_first = live[-1].get("audio", {}), settled[0].get("audio", {}) if settled else {}
    heard = voice.get("totalSamplesReceived", 0) - voice_first.get("totalSamplesReceived", 0)
    concealed = voice.get("concealedSamples", 0) - voice_first.get("concealedSamples", 0)
    return {
        "verdict": verdict(fps, lag_ms, way_ms),
        "fps": _median(fps),
        "fps_p5": round(float(np.percentile(fps, 5)), 1) if fps.size else None,
        "freezes": last.get("freezeCount"),
        "frozen_s": round(last.get("totalFreezesDuration", 0.0), 1),
        "frozen_settled_s": round(last.get("totalFreezesDuration", 0.0) - first.get("totalFreezesDuration", 0.0), 1),
        "kbps": _median(kbps, 0),
        "lag_ms": _median(lag_ms, 0),
        "av_offset_p50_ms": _median(offset_ms, 0),
        "av_offset_p95_ms": round(float(np.percentile(np.abs(offset_ms), 95))) if offset_ms.size else None,
        "voice_concealed": round(concealed / heard, 3) if heard else None,
        "width": last.get("frameWidth"),
        "keyframes": last.get("keyFramesDecoded"),
    }


def verdict(fps: Numbers, lag_ms: Numbers, way_ms: float) -> str:
    """How the call ended: "well", "dead" (few frames) or "lagging" (late, or ever later)."""
    if fps.size < 10 or float(np.median(fps[-30:])) < DEAD_FPS:
        return "dead"
    if lag_ms.size >= 30:
        begun, ended = float(np.median(lag_ms[:30])), float(np.median(lag_ms[-30:]))
        if ended > way_ms + LAGGING_MS or (ended > begun + GROWING_MS and ended > way_ms + GROWING_MS):
            return "lagging"
    return "well"


def trend_ms_per_h(at_s: Numbers, offset_ms: Numbers) -> float | None:
    """The slope of offsets over time, robust against stalls: of medians of 30 s."""
    if at_s.size < 100 or at_s[-1] - at_s[0] < 120:
        return None
    edges = np.arange(at_s[0], at_s[-1], 30.0)
    medians = [(edge, np.median(offset_ms[(at_s >= edge) & (at_s < edge + 30)])) for edge in edges[:-1]]
    times, values = np.array(medians, float).T
    return float(np.polyfit(times / 3600, values, 1)[0])


def _median(values: Numbers, digits: int = 1) -> float | None:
    return round(float(np.median(values)), digits) if values.size else None
