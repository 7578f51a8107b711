"""A bad network between a test's browser and the peer: the benchmark's link, in this process and without privileges."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from network_link import Conditions, Link  # noqa: E402

from rtc_loopback import Browser  # noqa: E402

__all__ = ["Conditions", "Link", "spoil"]


def spoil(browser: Browser, down: Conditions, up: Conditions | None = None, seed: int = 1) -> tuple[Link, Link]:
    """From now on media reaches and leaves this browser as such a network would let it; gives both directions.

    Connectivity checks pass untouched.
    """
    loop, links = asyncio.get_running_loop(), (Link(down, seed), Link(up or Conditions(), seed + 1))
    take, send, ice = browser.ice.data_received, browser.dtls.transport._send, browser.ice

    def received(data: bytes, component: int) -> None:
        now_s = time.monotonic()
        at_s = links[0].carry(len(data) + 28, now_s)
        if at_s is not None:
            loop.call_later(at_s - now_s, take, data, component)

    async def sent(data: bytes) -> None:
        now_s = time.monotonic()
        at_s = links[1].carry(len(data) + 28, now_s)
        if at_s is not None:
            loop.call_later(at_s - now_s, lambda: ice._closing or asyncio.ensure_future(send(data)))

    browser.ice.data_received, browser.dtls.transport._send = received, sent
    return links
