"""What a soak's samples come to, and a picture of them over time. Pure, but for the picture's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

WARM_UP_SHARE = 0.2
PANELS = (
    ("rss_mib", "memory, MiB"),
    ("fds", "file descriptors"),
    ("threads", "threads"),
    ("tasks", "tasks"),
    ("sessions", "sessions"),
    ("offset_p99_ms", "|picture − voice|, p99, ms"),
    ("lips_p95_ms", "speech to lips, p95, ms"),
    ("fps_per_session", "frames a second, of a session"),
)


def figures_of(samples: list[dict[str, Any]], offsets_ms: list[tuple[float, float]]) -> dict[str, Any]:
    """Growth after warming up, and the worst of what users notice."""
    found: dict[str, Any] = {"hours": round((samples[-1]["at_s"] - samples[0]["at_s"]) / 3600, 3)}
    warm = samples[int(WARM_UP_SHARE * len(samples)) :]
    at_h = np.array([one["at_s"] for one in warm]) / 3600
    for name in ("rss_mib", "fds", "threads", "tasks"):
        values = np.array([one[name] for one in warm], float)
        found[f"{name}_median"] = round(float(np.median(values)), 1)
        found[f"{name}_most"] = round(float(values.max()), 1)
        slope = np.polyfit(at_h, values, 1)[0] if len(values) > 10 else float("nan")
        found[f"{name}_slope_per_h"] = round(float(slope), 2)
    found["rss_slope_mb_per_h"] = round(found.pop("rss_mib_slope_per_h") * 1.048576, 2)
    offsets = np.abs([offset for _, offset in offsets_ms])
    for share in (50, 95, 99):
        found[f"av_offset_abs_p{share}_ms"] = round(float(np.percentile(offsets, share)), 1) if offsets.size else None
    rates = [one["fps_per_session"] for one in warm if one.get("fps_per_session") is not None]
    found["fps_per_session_median"] = round(float(np.median(rates)), 1) if rates else None
    lips = [one["lips_p95_ms"] for one in warm if one.get("lips_p95_ms") is not None]
    found["speech_to_lips_p95_ms_median"] = round(float(np.median(lips))) if lips else None
    return found


def bucket_quantile(before: dict[str, float], after: dict[str, float], share: float) -> float | None:
    """The upper bound of the histogram bucket that this share of what came since lies below; None: nothing came."""
    counts = {float(bound): count - before.get(bound, 0.0) for bound, count in after.items()}
    whole = counts.get(float("inf"), 0.0)
    if whole <= 0:
        return None
    return min(bound for bound, count in counts.items() if count >= share * whole)


def draw(log: Path, picture: Path) -> None:
    """All panels over time.

    Raises:
        SystemExit: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SystemExit("a picture needs matplotlib: pip install matplotlib") from error
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    samples = [line for line in lines if "rss_mib" in line]
    begun_s = samples[0]["at_s"]
    figure = Figure(figsize=(12, 10), dpi=80, layout="constrained")
    axes: Any = figure.subplots(4, 2, sharex=True)
    for axis, (name, title) in zip(axes.flat, PANELS, strict=True):
        pairs = [((one["at_s"] - begun_s) / 60, one[name]) for one in samples if one.get(name) is not None]
        if pairs:
            axis.plot(*zip(*pairs, strict=True), linewidth=1)
        for line in lines:
            if line.get("event") in ("stall", "worker killed"):
                axis.axvline((line["at_s"] - begun_s) / 60, color="0.85", linewidth=0.5, zorder=0)
        axis.set_title(title, fontsize=10)
        axis.set_ylim(bottom=0)
    for axis in axes[-1]:
        axis.set_xlabel("minutes")
    figure.savefig(picture)
