"""The one thread that may use a device: does what is due, and errands in between. Knows nothing of devices."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

_log = logging.getLogger(__name__)
Batch = TypeVar("Batch")


@dataclass(slots=True)
class OwnerThread(Generic[Batch]):
    """Runs from the first `start` until `aclose`.

    Args:
        name: for people.
        due: whether there is work; asked under `condition`.
        take: what is done next, taken from those who wait; under `condition`, after `due`.
        do: does it; what it raises is logged, and ends nothing.
    """

    name: str
    due: Callable[[], bool]
    take: Callable[[], Batch]
    do: Callable[[Batch], None]
    condition: threading.Condition = field(default_factory=threading.Condition)
    """Guards whatever `due` and `take` look at; notify it when there may be work."""
    errands: list[tuple[Callable[[], Any], Future[Any]]] = field(default_factory=list)
    _thread: threading.Thread | None = None
    _closed: bool = False

    @property
    def running(self) -> bool:
        """It was started."""
        return self._thread is not None

    def start(self) -> None:
        """Begin; a thread that runs goes on."""
        if self._thread is None:
            self._closed = False
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            self._thread.start()

    def post(self, call: Callable[[], Any]) -> Future[Any]:
        """Have something run by the thread between two batches; from any thread."""
        done: Future[Any] = Future()
        with self.condition:
            self.errands.append((call, done))
            self.condition.notify()
        return done

    async def aclose(self) -> None:
        """End it once its batch is done; errands that wait are cancelled. Idempotent."""
        with self.condition:
            self._closed = True
            self.condition.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def _run(self) -> None:
        while True:
            with self.condition:
                self.condition.wait_for(lambda: self._closed or self.errands or self.due())
                if self._closed:
                    for _, done in self.errands:
                        done.cancel()
                    self.errands.clear()
                    return
                errands, self.errands = self.errands, []
                batch = self.take() if self.due() else None
            for call, done in errands:
                _run_errand(call, done)
            if batch is not None:
                try:
                    self.do(batch)
                except Exception:  # a defect of ours: whoever waited for this batch goes without, the rest goes on
                    _log.exception("a batch failed")


def _run_errand(call: Callable[[], Any], done: Future[Any]) -> None:
    if not done.set_running_or_notify_cancel():
        return
    try:
        done.set_result(call())
    except BaseException as error:  # handed to whoever waits for it
        done.set_exception(error)
