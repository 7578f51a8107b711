"""Thirty calls leave no task, thread, socket or peer behind."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import threading
import weakref

import psutil
import pytest

from rtc_loopback import Browser, connect, play
from visavis_server.rtc import Peer, heap

pytestmark = pytest.mark.e2e

CYCLES = 30
WARM = 6


async def _cycle(n: int) -> weakref.ref[Peer]:
    peer, browser = Peer(on_voice=lambda *_: None, on_closed=lambda _: None), Browser.open()
    await connect(peer, browser)
    await play(peer, range(3))
    ends = [peer.close, browser.close]
    for end in ends if n % 2 else reversed(ends):
        await end()
    await peer.close()
    return weakref.ref(peer)


def _held() -> tuple[int, int, int]:
    """Descriptors, threads (without the event loop's own pool, which stays), tasks."""
    threads = [thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")]
    return psutil.Process().num_fds(), len(threads), len(asyncio.all_tasks())


async def test_thirty_calls_leave_nothing_behind() -> None:
    warm = [await _cycle(n) for n in range(WARM)]  # what is loaded once, and what the allocator keeps
    await asyncio.sleep(0.1)
    before, memory_bytes = _held(), psutil.Process().memory_info().rss
    peers = warm + [await _cycle(n) for n in range(CYCLES - WARM)]
    for _ in range(20):  # aiortc's own last callbacks hold the newest peer for a moment
        await asyncio.sleep(0.1)
        gc.collect()
        if not any(peer() for peer in peers):
            break
    after = _held()
    assert psutil.Process().memory_info().rss < 1.15 * memory_bytes
    assert all(now <= then for now, then in zip(after, before, strict=True)), (before, after)
    assert [peer for peer in peers if peer() is not None] == []


def test_where_the_heap_cannot_be_trimmed_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    heap._trim.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    heap.give_back()
    heap._trim.cache_clear()
