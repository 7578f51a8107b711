"""A photo and a sound file, or recorded motion, become a video file: the live pipeline, run as fast as it can.

Two threads work side by side, joined by a short queue: one decodes, listens and draws; the caller's encodes.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar
from visavis_models.chunk import CHUNK_MS, FRAME_RATE_HZ, Chunk, silent_chunk
from visavis_models.errors import BadRequest
from visavis_models.listening import Listener
from visavis_models.rendering import Renderer
from visavis_server.motion_player import Soundtrack
from visavis_server.pipeline import Performance, Work, advance
from visavis_server.video_file import VideoFile
from visavis_server.voice_file import VoiceFile

_FRAMES_PER_STEP = 8
_QUEUE_FRAMES = 32


@dataclass(frozen=True, slots=True)
class RenderReport:
    """What came of a rendering."""

    frames: int
    duration_s: float
    """Length of the video."""
    took_s: float
    width: int
    height: int
    notes: tuple[str, ...] = ()
    """What its user should know of it."""

    @property
    def fps(self) -> float:
        """Frames made per second of work."""
        return self.frames / self.took_s


def render_file(
    avatar: Avatar,
    audio_path: Path | None,
    out_path: Path,
    *,
    renderer: Renderer[Any],
    listener: Listener,
    long_side_px: int | None = None,
    least_frames: int = 0,
    finish: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None,
    sign: Callable[[Path], str | None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> RenderReport:
    """Render a talking video as long as the voice, rounded up to whole frames, or longer.

    Args:
        avatar: who speaks.
        audio_path: the voice; anything that FFmpeg decodes. None is silent: give `least_frames`.
        out_path: ends in `.mp4`; replaced when it exists, and only when all went well.
        renderer: draws.
        listener: hears; must be fresh.
        long_side_px: size of the video; None keeps the avatar's canvas.
        least_frames: the video is at least that long; silence follows the voice.
        finish: see `Performance`.
        sign: is given the finished file; what it answers is a note.
        on_progress: called with (frames done, frames expected) from the calling thread.

    Raises:
        BadVoice: the sound cannot be used.
        BadRequest: `bad_output`: the video cannot be written there.
    """
    if out_path.suffix.lower() != ".mp4":
        raise BadRequest("bad_output", f"{out_path.name} is not an MP4.", "Give the output a name that ends in .mp4.")
    if not out_path.parent.is_dir():
        raise BadRequest("bad_output", f"There is no folder {out_path.parent}.", "Make the folder first.")
    voice = VoiceFile(audio_path) if audio_path is not None else None
    sound = Soundtrack(voice, least_frames)
    state = renderer.open(avatar, long_side_px)
    begun_s = time.perf_counter()
    performance = Performance(listener, state, finish=finish)
    with closing(_ahead(performed(renderer, performance, sound))) as ticks:
        first = next(ticks)
        height, width = first[0].shape[:2]
        with VideoFile(out_path, width, height) as video:
            video.write(*first)
            frames = 1
            for frames, (picture, samples) in enumerate(ticks, 2):
                video.write(picture, samples)
                if on_progress is not None:
                    on_progress(frames, max(frames, sound.chunks_expected))
    took_s = time.perf_counter() - begun_s
    unsigned = sign(out_path) if sign is not None else None
    notes = tuple(note for note in (voice.broken_note if voice is not None else None, unsigned) if note)
    return RenderReport(frames, frames / FRAME_RATE_HZ, took_s, width, height, notes)


Tick = tuple[NDArray[np.uint8], NDArray[np.int16]]


def performed(renderer: Renderer[Any], performance: Performance, voice: VoiceFile | Soundtrack) -> Iterator[Tick]:
    """Every picture with its own 40 ms of voice; silence after the end brings out what the look-ahead holds."""
    voices: dict[int, NDArray[np.int16]] = {}
    chunks, count = voice.chunks(), 0
    while True:
        part = list(islice(chunks, _FRAMES_PER_STEP))
        last = len(part) < _FRAMES_PER_STEP
        voices.update((chunk.index, chunk.playback) for chunk in part)
        count += len(part)
        if last:
            part += _tail(count, performance.listener.lookahead_ms)
        for result in advance(renderer, [Work(performance, part)]):
            if isinstance(result, Exception):
                raise result
            for frame in result:
                yield frame.picture, voices.pop(frame.index)
        if last:
            return


def _tail(first: int, lookahead_ms: int) -> list[Chunk]:
    return [silent_chunk(first + i) for i in range(lookahead_ms // CHUNK_MS)]


def _ahead(ticks: Iterator[Tick]) -> Generator[Tick, None, None]:
    """Run an iterator in a thread of its own, some frames ahead; its errors come out here."""
    ready: queue.Queue[Tick | BaseException | None] = queue.Queue(_QUEUE_FRAMES)
    stop = threading.Event()

    def put(item: Tick | BaseException | None) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for tick in ticks:
                if not put(tick):
                    return
            put(None)
        except BaseException as error:  # handed to the reader
            put(error)

    thread = threading.Thread(target=work, name="visavis render", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
