"""The worker processes: started, watched, started again; and who of them has room.

One that ends is started again at once, then after longer and longer pauses; one that is alive but does not answer any
more is ended first. Knows nothing of requests.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from urllib.parse import quote

from visavis_models.errors import EngineError
from visavis_server.workers.destinations import ORDER_PATH
from visavis_server.workers.local_http import WorkerGone, ask
from visavis_server.workers.plan import WorkerPlan

_log = logging.getLogger(__name__)

_READY_EVERY_S = 0.1
_LOOK_EVERY_S = 1.0
_ANSWER_S = 10.0
_MISSES = 3
_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 5.0, 15.0)
_SETTLED_S = 30.0
"""A worker that has lived for so long is started again at once when it ends."""
_LANDING_S = 3.0
"""Where others take its sessions in, they may have the machine for themselves for so long: to start takes a core."""
_LANDING_LOOK_S = 0.1
_LANDED_S = 1.0
"""From the moment at which as many have come as were lost, until they have their pictures."""
_STOP_S = 8.0


@dataclass(slots=True)
class Worker:
    """One of them."""

    plan: WorkerPlan
    process: asyncio.subprocess.Process | None = None
    ready: bool = False
    """It answers."""
    sessions: int = 0
    """When it was last asked, and those that were sent to it since."""
    sent: int = 0
    """Sessions that were ever sent to it."""
    capacity: int = 1
    stage: list[object] = field(default_factory=list)
    """What it shows, for `Orders.look` of the others."""
    starts: int = 0
    hasty_ends: int = 0
    """In a row: it ended soon after it was started."""
    started_s: float = 0.0
    misses: int = 0

    @property
    def number(self) -> int:
        """See `WorkerPlan`."""
        return self.plan.number

    def note_opened(self) -> None:
        """A session was opened there."""
        self.sessions += 1
        self.sent += 1


@dataclass(slots=True)
class Crew:
    """All workers.

    Args:
        plans: of each.
        command: that runs one; its plan comes through standard input, which stays open for as long as it is to live.
    """

    plans: Sequence[WorkerPlan]
    command: Sequence[str]
    on_lost: Callable[[Worker], None] = lambda _: None
    """Called on the event loop when one has ended by itself."""
    workers: list[Worker] = field(default_factory=list)
    _keepers: list[asyncio.Task[None]] = field(default_factory=list)
    _leaving: bool = False

    async def start(self, patience_s: float = 180.0) -> None:
        """Start all, and wait until all answer.

        Raises:
            EngineError: one ended instead; it has said why.
        """
        self.workers = [Worker(plan) for plan in self.plans]
        for worker in self.workers:
            await self._start(worker)
        try:
            async with asyncio.timeout(patience_s):
                await asyncio.gather(*(self._until_ready(worker) for worker in self.workers))
        except (TimeoutError, WorkerGone) as error:
            await self.aclose()
            raise EngineError("worker_failed", "A worker did not start.", "See what it has said above.") from error
        self._keepers = [asyncio.create_task(self._keep(w), name=f"keep worker {w.number}") for w in self.workers]

    def worker(self, number: int) -> Worker | None:
        """The one of this number, if it answers."""
        return next((w for w in self.workers if w.number == number and w.ready), None)

    def roomiest(self) -> list[Worker]:
        """Those that answer, the one with most room first."""
        ready = [worker for worker in self.workers if worker.ready]
        return sorted(ready, key=lambda w: (w.sessions / max(w.capacity, 1), w.number))

    @property
    def active(self) -> int:
        """Workers that have not ended."""
        return sum(worker.process is not None and worker.process.returncode is None for worker in self.workers)

    @property
    def draining(self) -> bool:
        """All are to end, and nobody new is let in."""
        return self._leaving

    def drain(self) -> None:
        """Let nobody new in; each ends when its last session has. Idempotent."""
        if self._leaving:
            return
        self._leaving = True
        for worker in self.workers:
            if worker.process is not None and worker.process.returncode is None:
                with suppress(ProcessLookupError):
                    worker.process.terminate()

    async def aclose(self) -> None:
        """Let all end in order; whoever does not is killed. Idempotent."""
        self._leaving = True
        for task in self._keepers:
            task.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._keepers = []
        await asyncio.gather(*(self._stop(worker) for worker in self.workers))

    async def _start(self, worker: Worker) -> None:
        with suppress(FileNotFoundError):
            os.unlink(worker.plan.address)
        environment = dict(os.environ)
        if worker.plan.card:
            environment["CUDA_VISIBLE_DEVICES"] = worker.plan.card
        # A session of its own: Ctrl+C in the terminal reaches the front alone, which lets its workers end in order.
        process = await asyncio.create_subprocess_exec(
            *self.command, stdin=asyncio.subprocess.PIPE, env=environment, start_new_session=True
        )
        assert process.stdin is not None
        packed = worker.plan.packed()
        with suppress(OSError):
            process.stdin.write(len(packed).to_bytes(8, "big") + packed)
            await process.stdin.drain()
        worker.process, worker.started_s, worker.ready, worker.misses = process, time.monotonic(), False, 0
        worker.sessions, worker.stage, worker.starts = 0, [], worker.starts + 1

    async def _until_ready(self, worker: Worker) -> None:
        while not await self._look(worker):
            if worker.process is None or worker.process.returncode is not None:
                raise WorkerGone(f"worker {worker.number} ended")
            await asyncio.sleep(_READY_EVERY_S)
        worker.ready = True

    async def _look(self, worker: Worker) -> bool:
        """Ask a worker how it is, and tell it what the others show; whether it answers."""
        sent = worker.sent
        try:
            _, answer = await self._order(worker, "POST", "look", json.dumps(self._shown_beside(worker)))
            found = json.loads(answer)
            worker.capacity, worker.stage = int(found["capacity"]), list(found["stage"])
            if worker.sent == sent:  # else the answer may be older than the newest session
                worker.sessions = int(found["sessions"])
        except (TimeoutError, WorkerGone, ValueError, KeyError):
            return False
        return True

    def _shown_beside(self, worker: Worker) -> list[object]:
        """What the other workers show, one of each in turn: what is newest everywhere comes first."""
        rows = zip_longest(*(other.stage for other in self.workers if other is not worker and other.ready))
        shown = [one for row in rows for one in row if one is not None and one not in worker.stage]
        return [one for k, one in enumerate(shown) if one not in shown[:k]]

    async def tell_removed(self, avatar: str, query: str, besides: Worker) -> None:
        """An avatar was removed through one worker: the others end what shows it, and have done so on return."""
        others = [other for other in self.workers if other.ready and other is not besides]
        orders = (self._order(other, "DELETE", f"avatars/{quote(avatar, '')}?{query}") for other in others)
        for found in await asyncio.gather(*orders, return_exceptions=True):
            if isinstance(found, BaseException):  # it sees by itself, only later
                _log.warning("worker was not told that an avatar is gone", extra={"why": repr(found)})

    async def who_knows(self, name: str, workers: Sequence[Worker]) -> list[Worker]:
        """These workers, the one first at which a session is watched under a name."""
        for worker in workers:
            with suppress(TimeoutError, WorkerGone):
                status, _ = await self._order(worker, "GET", f"names/{quote(name, '')}")
                if status == 204:
                    return [worker, *(other for other in workers if other is not worker)]
        return list(workers)

    async def _order(self, worker: Worker, method: str, what: str, body: str = "") -> tuple[int, bytes]:
        """Ask one for the front's own sake; see `Orders`."""
        headers = [(b"host", b"localhost"), (b"content-length", str(len(body.encode())).encode())]
        async with asyncio.timeout(_ANSWER_S):
            answer = await ask(worker.plan.address, method, (ORDER_PATH + what).encode(), headers, body.encode())
            try:
                return answer.status, await answer.whole()
            finally:
                await answer.close()

    async def _keep(self, worker: Worker) -> None:
        """Watch one for ever, and start it again whenever it has ended."""
        while True:
            assert worker.process is not None
            ended = asyncio.create_task(worker.process.wait())
            try:
                while not ended.done():
                    await asyncio.wait([ended], timeout=_LOOK_EVERY_S)
                    if not ended.done():
                        await self._check(worker)
            finally:
                ended.cancel()
            worker.ready = False
            if self._leaving:
                return
            lived_s = time.monotonic() - worker.started_s
            _log.error("worker has ended", extra={"worker": worker.number, "code": worker.process.returncode})
            self.on_lost(worker)
            worker.hasty_ends = 0 if lived_s >= _SETTLED_S else worker.hasty_ends + 1
            begun_s = time.monotonic()
            await self._landing(worker)
            pause_s = _PAUSES_S[min(worker.hasty_ends, len(_PAUSES_S) - 1)]
            await asyncio.sleep(begun_s + pause_s - time.monotonic())
            await self._start(worker)

    async def _landing(self, lost: Worker) -> None:
        """Wait while the sessions of a worker that has ended come to the others, if those have room for them."""
        others = [other for other in self.workers if other.ready]
        expected = min(lost.sessions, sum(max(0, other.capacity - other.sessions) for other in others))
        if expected == 0:
            return
        before = sum(other.sent for other in others)
        until_s = time.monotonic() + _LANDING_S
        while time.monotonic() < until_s and sum(other.sent for other in others) - before < expected:  # noqa: ASYNC110
            await asyncio.sleep(_LANDING_LOOK_S)
        await asyncio.sleep(min(_LANDED_S, max(0.0, until_s - time.monotonic())))

    async def _check(self, worker: Worker) -> None:
        assert worker.process is not None
        if await self._look(worker):
            if not worker.ready:
                _log.info("worker answers", extra={"worker": worker.number})
            worker.ready, worker.misses = True, 0
        elif worker.ready:
            worker.misses += 1
            if worker.misses >= _MISSES:
                _log.error("worker does not answer any more", extra={"worker": worker.number})
                with suppress(ProcessLookupError):
                    worker.process.kill()

    async def _stop(self, worker: Worker) -> None:
        process = worker.process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()  # what it lives by
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
