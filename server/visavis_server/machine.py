"""What this machine offers where the operator chose nothing: a place for data, and room for sessions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def default_data_dir(environ: Mapping[str, str], platform: str, home: Path) -> Path:
    """Where this platform's programs keep their data."""
    if platform == "win32":
        local = environ.get("LOCALAPPDATA")
        return (Path(local) if local else home / "AppData" / "Local") / "visavis"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "visavis"
    xdg = Path(environ.get("XDG_DATA_HOME", ""))
    return (
        xdg if xdg.is_absolute() else home / ".local" / "share"
    ) / "visavis"  # the XDG standard ignores relative ones


def default_capacity(cores: float) -> int:
    """Sessions that a CPU of so many cores carries at 25 fps: drawing and encoding take about one core each."""
    return max(1, int(cores))


def usable_cores() -> float:
    """CPU cores that this process may use: the machine's, less what affinity and a container's quota withhold."""
    cores = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(os.cpu_count() or 1)
    try:
        quota_us, period_us = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
        return cores if quota_us == "max" else min(cores, int(quota_us) / int(period_us))
    except (OSError, ValueError):
        return cores
