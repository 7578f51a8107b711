from __future__ import annotations

import asyncio

import pytest

from visavis_server.channel import Channel, Closed, Full, Overflow

pytestmark = pytest.mark.unit


def channel(overflow: Overflow, items: int = 2) -> Channel[int]:
    return Channel(items * 40, 40, overflow)


async def test_a_full_channel_drops_its_oldest_and_counts_it() -> None:
    frames = channel(Overflow.DROP_OLDEST)
    for i in range(5):
        frames.offer(i)
    assert frames.dropped == 3
    assert [await frames.take(), await frames.take()] == [3, 4]


async def test_a_full_channel_rejects() -> None:
    sessions = channel(Overflow.REJECT, 1)
    await sessions.push(1)
    with pytest.raises(Full):
        await sessions.push(2)


async def test_a_full_channel_makes_its_sender_wait_and_loses_nothing() -> None:
    voice = channel(Overflow.BLOCK)

    async def send() -> None:
        for i in range(20):
            await voice.push(i)
        voice.close()

    sender = asyncio.create_task(send())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(voice) == 2
    assert [item async for item in voice] == list(range(20))
    await sender


async def test_a_cancelled_reader_loses_no_item() -> None:
    frames = channel(Overflow.DROP_OLDEST)
    reader = asyncio.create_task(frames.take())
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    frames.offer(7)
    assert await frames.take() == 7


async def test_a_closed_channel_gives_what_it_holds_then_ends() -> None:
    frames = channel(Overflow.DROP_OLDEST)
    frames.offer(1)
    frames.close()
    assert await frames.take() == 1
    with pytest.raises(Closed):
        await frames.take()
    with pytest.raises(Closed):
        frames.offer(2)


def test_a_channel_too_small_for_one_item_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        Channel(30, 40, Overflow.BLOCK)
