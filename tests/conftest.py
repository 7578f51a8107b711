"""Every async test fails when it leaves a task or a thread of ours behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

CATEGORIES = {"unit", "weights", "e2e", "browser"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not CATEGORIES & {mark.name for mark in item.iter_markers()}:
            raise pytest.UsageError(f"{item.nodeid}: mark the module with one of {sorted(CATEGORIES)}")


@pytest_asyncio.fixture(autouse=True)
async def no_leaked_tasks(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Tasks and threads that a test started are gone when it ends."""
    before, older = asyncio.all_tasks(), set(threading.enumerate())  # what another test left has been told there
    yield
    for _ in range(50):
        leaked = asyncio.all_tasks() - before - {asyncio.current_task()}
        threads = [t for t in threading.enumerate() if t.name.startswith("visavis") and t not in older]
        if not leaked and not threads:
            return
        await asyncio.sleep(0.02)
    assert not leaked, f"leaked tasks: {leaked}"
    assert not threads, f"leaked threads: {threads}"
