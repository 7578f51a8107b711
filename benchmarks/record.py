"""How benchmark programs report: a table, then one last line of JSON, kept under benchmarks/results if wished."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("numpy", "numba", "opencv-python-headless", "openvino", "onnxruntime", "av", "aiortc")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:  # training has fewer
        return None


def machine() -> dict[str, Any]:
    """Hardware and versions that a figure depends on."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    return {
        "cpu": cpu,
        "cores": psutil.cpu_count(logical=True),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def report(name: str, figures: dict[str, Any], *, keep: bool) -> None:
    """Print a table and the JSON line; with `keep`, write both under results/ with today's date."""
    where = machine()
    print(f"\n{name} on {where['cores']} x {where['cpu']}, Python {where['python']}")
    for key, value in figures.items():
        shown = f"{value:.1f}" if isinstance(value, float) else str(value)
        print(f"  {key:<28}{shown:>14}")
    record = {"benchmark": name, **figures, "machine": where}
    if keep:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-{name}.json"
        path.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record), flush=True)
