"""The one thread that starts work on a device and ships what it has made, in order.

While one batch is computed and copied the next one is started: at most two are under way. A card computes by itself,
and its event tells when all is there; on a processor this thread computes. Knows nothing of pictures.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

MOST_UNDER_WAY = 2
"""Batches that were started and are not shipped."""
_LOOK_S = 0.0003
"""How often a card is asked whether it is done, while it computes."""
_IDLE_S = 10.0
"""After so long without work the thread ends; the next work starts another one."""
Made = TypeVar("Made", covariant=True)
Result = TypeVar("Result")


class Started(Protocol[Made]):
    """Work that a device does."""

    @property
    def ready(self) -> bool:
        """Whether it is done: `finish` will not wait."""
        ...

    def finish(self) -> Made:
        """What came of it; called once, by the lane's thread."""
        ...


@dataclass(slots=True)
class _Task(Generic[Result]):
    start: Callable[[], Started[Result]]
    result: Future[Result]
    started: Started[Result] | None = None


@dataclass(slots=True)
class Lane:
    """Runs from the first work on, until there has been none for a while."""

    name: str
    busy_s: float = 0.0
    """How long there was work under way, in all."""
    _condition: threading.Condition = field(default_factory=threading.Condition)
    _waiting: deque[_Task[Any]] = field(default_factory=deque)
    _under_way: deque[_Task[Any]] = field(default_factory=deque)
    _thread: threading.Thread | None = None
    _closed: bool = False

    def submit(self, start: Callable[[], Started[Result]]) -> Future[Result]:
        """Have work started after all that was submitted before; from any thread.

        Args:
            start: starts it on the device and does not wait for it; called by the lane's thread.
        """
        task = _Task(start, Future())
        with self._condition:
            self._waiting.append(task)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
                self._thread.start()
            self._condition.notify()
        return task.result

    def close(self) -> None:
        """End the thread once all that was submitted is shipped; what is submitted later begins another one."""
        with self._condition:
            thread, self._closed = self._thread, True
            self._condition.notify()
        if thread is not None:
            thread.join()
        self._closed = False

    def _run(self) -> None:
        begun_s = time.perf_counter()
        while True:
            with self._condition:
                if not self._waiting and not self._under_way:
                    self.busy_s += time.perf_counter() - begun_s
                    self._condition.wait_for(lambda: bool(self._waiting) or self._closed, _IDLE_S)
                    if not self._waiting:
                        self._thread = None
                        return
                    begun_s = time.perf_counter()
                task = self._waiting.popleft() if self._waiting and len(self._under_way) < MOST_UNDER_WAY else None
            if task is not None:
                self._start(task)
            elif self._under_way and self._under_way[0].started is not None:
                if self._under_way[0].started.ready:
                    self._finish(self._under_way.popleft())
                else:
                    with self._condition:
                        self._condition.wait(_LOOK_S)

    def _start(self, task: _Task[Any]) -> None:
        if not task.result.set_running_or_notify_cancel():
            return
        try:
            task.started = task.start()
        except BaseException as error:  # handed to whoever waits for it
            task.result.set_exception(error)
        else:
            self._under_way.append(task)

    def _finish(self, task: _Task[Any]) -> None:
        assert task.started is not None
        try:
            made = task.started.finish()
        except BaseException as error:  # handed to whoever waits for it
            task.result.set_exception(error)
        else:
            task.result.set_result(made)
