"""Makes the next batches of people while the current one is trained on: a thread with its own queue on the GPU.

Order and content stay those of the stream. Knows nothing of what a batch holds.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import torch

from visavis_training.people.people_stream import PeopleBatch, PeopleStream
from visavis_training.people.tensor_trees import tensors

_LOOKS_AGAIN_S = 0.2


class Ahead:
    """Batches of a stream, made ahead of time. Use it as a context manager, or call `close`.

    Args:
        stream: is this object's own from now on.
        depth: how many batches wait ready; each takes its memory.
    """

    def __init__(self, stream: PeopleStream, depth: int = 1) -> None:
        self.step = stream.step
        """Of the batch that comes next: what a checkpoint keeps."""
        self._stream = stream
        self._device = torch.device(stream.studio.anatomy.device)
        self._before: Any = None
        if self._device.type == "cuda":
            self._before = torch.cuda.current_stream(self._device).record_event()
        self._ready: queue.Queue[tuple[PeopleBatch | BaseException, Any]] = queue.Queue(depth)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="visavis-people", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            if self._device.type == "cuda":
                torch.cuda.set_device(self._device)
                side = torch.cuda.Stream(self._device)
                # the studio, and people of batches made before, may still be in the making on the caller's queue
                side.wait_event(self._before)
                for tensor in self._stream.kept():
                    tensor.record_stream(side)  # exchanged people's memory is not given away while read here
                try:
                    with torch.cuda.stream(side):
                        self._fill(side)
                finally:
                    side.synchronize()  # whoever closes this may free what is read here
            else:
                self._fill(None)
        except BaseException as error:  # told to whoever waits for the batch
            self._hand_over(error, None)

    def _fill(self, side: Any) -> None:
        while not self._stopping.is_set():
            batch = next(self._stream)
            self._hand_over(batch, None if side is None else side.record_event())

    def _hand_over(self, made: PeopleBatch | BaseException, done: Any) -> None:
        while not self._stopping.is_set():
            try:
                self._ready.put((made, done), timeout=_LOOKS_AGAIN_S)
                return
            except queue.Full:
                continue

    def __iter__(self) -> Iterator[PeopleBatch]:
        return self

    def __next__(self) -> PeopleBatch:
        """The next batch, ready for the current CUDA stream.

        Raises:
            RuntimeError: this was closed.
            BaseException: whatever stopped the making of batches.
        """
        while True:
            if self._stopping.is_set():
                raise RuntimeError("no batches are made any more: this was closed")
            try:
                made, done = self._ready.get(timeout=_LOOKS_AGAIN_S)
                break
            except queue.Empty:
                continue
        if isinstance(made, BaseException):
            self.close()
            raise made
        if done is not None:
            current = torch.cuda.current_stream(self._device)
            current.wait_event(done)
            for tensor in tensors(made):
                tensor.record_stream(current)  # its memory is not given to the other stream while in use here
        self.step = made.step + 1
        return made

    def close(self) -> None:
        """Stop making batches; waits for the one that is being made."""
        self._stopping.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
