"""When a call ends by itself: a pure function of when things happened in it. Knows nothing of calls."""

from __future__ import annotations

from dataclasses import dataclass

from visavis_server.settings import SessionSettings


@dataclass(slots=True)
class CallTimes:
    """When things happened in a call, by `time.monotonic()`."""

    opened_s: float
    active_s: float
    """The last moment at which somebody spoke or asked for something."""
    joined: bool = False
    alone_s: float | None = None
    """The moment at which the last of its guests left; None: there was none, or somebody is there."""
    lasting: bool = False
    """Only the operator or an error ends it."""


def expires_at_s(times: CallTimes, limits: SessionSettings) -> float | None:
    """The moment at which a call ends by itself if nothing more happens; None: never."""
    if times.lasting:
        return None
    moments = []
    if not times.joined:
        alone_s = times.opened_s if times.alone_s is None else times.alone_s
        moments.append(alone_s + limits.join_timeout_s)
    if limits.idle_timeout_s > 0:
        moments.append(times.active_s + limits.idle_timeout_s)
    if limits.max_age_s > 0:
        moments.append(times.opened_s + limits.max_age_s)
    return min(moments, default=None)
