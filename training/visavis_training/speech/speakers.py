"""Many speakers at work at once: processes that each hold a Kokoro and share the machine's cores or its one GPU.

Takes rows of the plan and gives back each with its sound and the times of its phones, in whatever order they are done.
What an utterance or even a whole process does wrong costs that utterance only. Knows nothing of files.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from visavis_training.speech.kokoro import SAMPLE_RATE_HZ, Kokoro, Utterance
from visavis_training.speech.phones import Phone, phones_of_tokens

CORPUS_RATE_HZ = 16_000
_PEAK = 0.5
_SILENT_PEAK = 0.03
_AHEAD = 3
"""Rows given to a process before it has answered: enough that it never waits for the next."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spoken:
    """One row of the plan, spoken."""

    row: Row
    """The plan's row; `tokens` as they were spoken."""
    samples: NDArray[np.int16]
    """int16 (N,) at 16 kHz; the loudest sample is at half of the scale."""
    phones: list[Phone]
    """Gapless from 0 to the end, the voice's own times."""


class Voice(Protocol):
    """What speaks: `Kokoro`, or something like it."""

    def speak(self, phones: str, voice: str, speed: float = 1.0) -> Utterance:
        """Synthesise one utterance."""
        ...


def open_kokoro(folder: Path, device: str) -> Voice:
    """A Kokoro that keeps to one thread of the CPU."""
    kokoro = Kokoro(folder, threads=1, device=device)
    if device != "cpu":
        import torch

        torch.set_num_threads(1)
    return kokoro


def spoken(row: Row, kokoro: Voice) -> Spoken:
    """Speak one row of the plan (`tokens`, `voice`, `speed`).

    Raises:
        ValueError: its symbols or its voice cannot be spoken.
        FileNotFoundError: there is no such voice.
    """
    from scipy.signal import resample_poly

    said = kokoro.speak(row["tokens"], row["voice"], row["speed"])
    wide = resample_poly(said.samples, CORPUS_RATE_HZ // 8000, SAMPLE_RATE_HZ // 8000)
    peak = float(np.abs(wide).max())
    if not np.isfinite(peak) or peak < _SILENT_PEAK:
        raise ValueError("the voice said nothing")
    samples = np.round(wide * (32767 * _PEAK / peak)).astype(np.int16)
    phones = phones_of_tokens(said.tokens, [float(edge) for edge in said.edges_s], len(samples) / CORPUS_RATE_HZ)
    return Spoken({**row, "tokens": said.tokens}, samples, phones)


def _say_to_stderr(row: Row, why: str) -> None:
    print(f"utterance {row.get('id')} is left out: {why}", file=sys.stderr)


def speak_many(
    rows: Iterable[Row],
    folder: Path,
    device: str = "cpu",
    processes: int = 1,
    failed: Callable[[Row, str], None] = _say_to_stderr,
    opened: Callable[[Path, str], Voice] = open_kokoro,
) -> Iterator[Spoken]:
    """Speak rows of the plan in several processes; at most a few rows for each process are in memory at a time.

    Args:
        rows: taken one by one as there is room for them.
        folder: what `Kokoro` is made from.
        device: what `Kokoro` runs on; on "cuda" the processes share one GPU.
        processes: how many.
        failed: told of each row that could not be spoken, and why.
        opened: makes the voice from `folder` and `device`, called once in each process; a function of a module.

    Yields:
        What was spoken, in the order in which it is done.

    Raises:
        RuntimeError: every process has ended; the message says what the last one said.
    """
    waiting = iter(rows)
    again: deque[Row] = deque()
    with _one_context_for_all(device):
        team = [_Speaker(opened, folder, device) for _ in range(processes)]
        try:
            exhausted = False
            last_words = ""
            while True:
                for speaker in team:
                    while len(speaker.given) < _AHEAD and not (exhausted and not again):
                        row = again.popleft() if again else next(waiting, None)
                        if row is None:
                            exhausted = True
                        elif not speaker.give(row):
                            again.append(row)
                            break
                busy = {speaker.connection: speaker for speaker in team if speaker.given}
                if not busy:
                    if again and not team:
                        raise RuntimeError(f"every speaking process has ended: {last_words}")
                    if exhausted and not again:
                        return
                    continue
                for connection in wait(list(busy)):
                    speaker = busy[connection]  # type: ignore[index]
                    try:
                        answer = speaker.connection.recv()
                    except (EOFError, OSError):
                        last_words = speaker.ended()
                        team.remove(speaker)
                        if speaker.ready and speaker.given:
                            failed(speaker.given.popleft(), last_words)
                        again.extend(speaker.given)
                        if not team:
                            raise RuntimeError(f"every speaking process has ended: {last_words}") from None
                        continue
                    if answer == "ready":
                        speaker.ready = True
                        continue
                    row = speaker.given.popleft()
                    if isinstance(answer, Spoken):
                        yield answer
                    else:
                        failed(row, answer)
        finally:
            for speaker in team:
                speaker.close()


class _Speaker:
    """A process and the rows it has been given, oldest first."""

    def __init__(self, opened: Callable[[Path, str], Voice], folder: Path, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.given: deque[Row] = deque()
        self.ready = False
        self.process: SpawnProcess = context.Process(target=_serve, args=(theirs, opened, folder, device), daemon=True)
        self.process.start()
        theirs.close()

    def give(self, row: Row) -> bool:
        try:
            self.connection.send(row)
        except OSError:
            if not self.given:  # nobody will wait for an answer: leave the row to be found with the process
                self.given.append(row)
                return True
            return False
        self.given.append(row)
        return True

    def ended(self) -> str:
        self.process.join(5)
        return f"its process ended with {self.process.exitcode}"

    def close(self) -> None:
        self.connection.close()
        self.process.join(2)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join()


def _serve(connection: Connection, opened: Callable[[Path, str], Voice], folder: Path, device: str) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    voice = opened(folder, device)
    try:
        connection.send("ready")
        while True:
            row = connection.recv()
            try:
                answer: Spoken | str = spoken(row, voice)
            except (ValueError, OSError, KeyError) as error:
                answer = str(error) or repr(error)
            except RuntimeError as error:  # torch's: memory, a shape
                traceback.print_exc()
                answer = str(error)
            connection.send(answer)
    except (EOFError, OSError, KeyboardInterrupt):
        return  # nobody listens any more


@contextmanager
def _one_context_for_all(device: str) -> Iterator[None]:
    """Let processes run on an NVIDIA GPU side by side instead of in turns (CUDA MPS), where the machine allows it."""
    if not device.startswith("cuda") or "CUDA_MPS_PIPE_DIRECTORY" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="mps-") as folder:
        settings = {"CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        try:
            subprocess.run(
                ["nvidia-cuda-mps-control", "-d"], env={**os.environ, **settings}, check=True, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError):
            yield  # in turns, then
            return
        os.environ.update(settings)
        try:
            yield
        finally:
            for name in settings:
                del os.environ[name]
            subprocess.run(
                ["nvidia-cuda-mps-control"], input=b"quit\n", env={**os.environ, **settings}, capture_output=True
            )
