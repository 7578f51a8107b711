"""`visavis serve` that can be made to stall, and tells once a second what it thinks of the link. For benchmarks only.

    python benchmarks/network_server.py FACTS serve --host ...      (FACTS: a file for lines of JSON)

SIGUSR1: the render stands still for 1 s. SIGUSR2: the event loop does.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from visavis_models.warp.renderer import WarpRenderer
from visavis_server.cli import app
from visavis_server.rtc.peer import Peer
from visavis_server.rtc.stats import PeerStats

STALL_S = 1.0
_render_stalls: list[float] = []


def _stall_render(*_: object) -> None:
    _render_stalls.append(STALL_S)


def _stall_loop(*_: object) -> None:
    """Signals are handled between two steps of the main thread, where the event loop runs."""
    time.sleep(STALL_S)


def main() -> None:
    """Prepare and serve."""
    facts = Path(sys.argv.pop(1)).open("a", buffering=1)
    plain_render, plain_stats = WarpRenderer.render, Peer.stats

    def render(self: WarpRenderer, *args: Any) -> Any:
        if _render_stalls:
            time.sleep(_render_stalls.pop())
        return plain_render(self, *args)

    def stats(self: Peer) -> PeerStats:
        told = plain_stats(self)
        facts.write(json.dumps({"at_s": time.time(), **asdict(told)}) + "\n")
        return told

    WarpRenderer.render = render  # type: ignore[method-assign, assignment]
    Peer.stats = stats  # type: ignore[method-assign]
    signal.signal(signal.SIGUSR1, _stall_render)
    signal.signal(signal.SIGUSR2, _stall_loop)
    app()


if __name__ == "__main__":
    main()
