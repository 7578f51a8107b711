"""Thirty calls leave no task, thread, socket or peer behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import psutil  # type: ignore[import-untyped]
import pytest

from rtc_loopback import Browser, connect, play
from visavis_server.rtc import Peer

pytestmark = pytest.mark.e2e

CYCLES = 30


async def _cycle(n: int) -> weakref.ref[Peer]:
    peer, browser = Peer(on_voice=lambda *_: None, on_closed=lambda _: None), Browser.open()
    await connect(peer, browser)
    await play(peer, range(3))
    ends = [peer.close, browser.close]
    for end in ends if n % 2 else reversed(ends):
        await end()
    await peer.close()
    return weakref.ref(peer)


async def test_thirty_calls_leave_nothing_behind() -> None:
    process = psutil.Process()
    await _cycle(0)  # what is loaded once
    await asyncio.sleep(0.1)
    before = (process.num_fds(), threading.active_count(), len(asyncio.all_tasks()))
    peers = [await _cycle(n) for n in range(CYCLES)]
    await asyncio.sleep(0.3)
    gc.collect()
    after = (process.num_fds(), threading.active_count(), len(asyncio.all_tasks()))
    assert all(now <= then for now, then in zip(after, before, strict=True)), (before, after)
    assert [peer for peer in peers if peer() is not None] == []
