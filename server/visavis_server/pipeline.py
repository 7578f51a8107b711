"""Voice to pictures: the whole pipeline in one function. Read this first.

    chunks ► listen ► motion windows ► render ► frames

Live sessions and files go through the same `advance`; they differ only in who calls it, and when: the studio's owner
thread with whatever is due of all sessions at once, or the file renderer with as much as fits. Knows nothing of clocks,
sockets or threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import Chunk
from visavis_models.listening import Listener, MoodyListener
from visavis_models.matte import Matte
from visavis_models.mood import Mood
from visavis_models.motion import MotionWindow, join_windows
from visavis_models.rendering import Drawn, MattingRenderer, PipelinedRenderer, Renderer
from visavis_server.tracing.step_times import StepTimes

Given = TypeVar("Given")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one avatar."""

    index: int
    """It shows chunk `index`."""
    picture: NDArray[np.uint8]
    """uint8 (H, W, 3) RGB."""
    speaking: bool
    epoch: int
    matte: Matte | None = None
    """What of the picture is the person, if that was asked for."""
    hears_other: bool = False
    """Somebody is heard who speaks to the avatar."""
    planes: NDArray[np.uint8] | None = None
    """uint8 (1.5 H, W): the picture as I420, if the renderer has made that too."""


@dataclass(slots=True)
class Performance:
    """One avatar at work: who hears, and how it looks right now."""

    listener: Listener
    state: Any
    """What `Renderer.open` gave for the avatar."""
    epoch: int = 0
    mood: Mood = field(default_factory=Mood)
    """What the listener was told last."""
    finish: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None
    """What is done to drawn pictures, uint8 (T, H, W, 3) RGB, before anybody sees them; the same size comes out."""

    def take_mood(self, mood: Mood) -> None:
        """Be like this from the next motion on, if the listener can."""
        if mood is not self.mood:
            self.mood = mood
            if isinstance(self.listener, MoodyListener):
                self.listener.set_mood(mood)


@dataclass(frozen=True, slots=True)
class Work:
    """What one performance has to do in one step."""

    performance: Performance
    chunks: Sequence[Chunk]
    """New voice, in order."""
    first_useful_frame: int = 0
    """Earlier frames would come too late to be shown: they are not drawn, unless there is no other."""
    most_frames: int | None = None
    """Draw only this many of the newest frames: the device is overloaded."""
    matte: bool = False
    """Tell the person from the background too, if the renderer can."""
    last_shown: int | None = None
    """The newest frame that was seen: an interruption goes on from there."""
    draws: Callable[[int], bool] | None = None
    """Whether a frame is drawn, by its number; others are left out. None: all are."""
    mood: Mood | None = None
    """How the avatar is to be from now on; None: as it is."""
    attends: bool | None = None
    """Whether somebody else speaks to the avatar; None: as before."""


def advance(
    renderer: Renderer[Any],
    batch: Sequence[Work],
    hear_with: Executor | None = None,
    times: StepTimes | None = None,
) -> list[list[Frame] | Exception]:
    """One step of every performance in the batch: hear the new chunks, then draw all frames that became certain.

    Args:
        renderer: draws all of them together.
        batch: no performance twice.
        hear_with: listeners of several performances are asked at the same time by it; None: one after another.
        times: is told when what is done; None: nobody wants to know.

    Returns:
        For each work its new frames, in order (none while the listener's look-ahead fills), or what went wrong with it:
        one performance's failure does not touch another.
    """
    due, counts = _heard(batch, hear_with, times)
    drawn = iter(_draw(renderer, due, times))
    if times is not None:
        times.done_s = time.monotonic()
    return [count if isinstance(count, Exception) else _together(list(islice(drawn, count))) for count in counts]


def begin(
    renderer: PipelinedRenderer,
    batch: Sequence[Work],
    then: Callable[[list[list[Frame] | Exception]], None],
    hear_with: Executor | None = None,
    times: StepTimes | None = None,
) -> None:
    """The same as `advance`, for a renderer that goes on by itself: `then` is told what that would return.

    Args:
        renderer: draws all of them together.
        batch: no performance twice, and none that is still drawn.
        then: called once, by a thread of the renderer's, or before this returns.
        hear_with: see `advance`.
        times: see `advance`.
    """
    due, counts = _heard(batch, hear_with, times)
    found: list[list[Frame] | Exception | None] = [None] * len(due)

    def draw(rows: Sequence[int]) -> None:
        part = [due[k] for k in rows]
        states, mattes = [work.performance.state for work, _ in part], [work.matte for work, _ in part]
        try:
            drawn = renderer.begin(states, [window for _, window in part], mattes)
        except Exception as error:  # a stage boundary
            failed(rows, error)
            return
        drawn.add_done_callback(partial(shipped, rows))

    def shipped(rows: Sequence[int], drawn: Future[list[Drawn]]) -> None:
        if times is not None:
            times.drawn_s = time.monotonic()
        error = drawn.exception()
        if isinstance(error, Exception):
            failed(rows, error)
            return
        for row, each in zip(rows, drawn.result(), strict=True):
            found[row] = _attempt(partial(_shown, renderer, each), due[row])
        tell()

    def failed(rows: Sequence[int], error: Exception) -> None:
        if len(rows) > 1:  # each is tried alone: one's failure does not touch another
            for row in rows:
                draw([row])
            return
        for row in rows:
            found[row] = error
        tell()

    def tell() -> None:
        if any(each is None for each in found):
            return
        if times is not None:
            times.done_s = time.monotonic()
        rest = iter([each for each in found if each is not None])
        then([count if isinstance(count, Exception) else _together(list(islice(rest, count))) for count in counts])

    if due:
        draw(range(len(due)))
    else:
        tell()


def _shown(renderer: Any, drawn: Drawn, due: tuple[Work, MotionWindow]) -> list[Frame]:
    work, window = due
    plate = None if drawn.covers is None else renderer.plate(work.performance.state)
    frames = _frames(work, window, drawn.pictures, drawn.covers, plate, drawn.finished)
    if drawn.planes is None or not (drawn.finished or work.performance.finish is None):
        return frames
    return [replace(frame, planes=planes) for frame, planes in zip(frames, drawn.planes, strict=True)]


def _heard(
    batch: Sequence[Work], hear_with: Executor | None, times: StepTimes | None
) -> tuple[list[tuple[Work, MotionWindow]], list[int | Exception]]:
    """What is to be drawn, and for each work how many runs of it, or what went wrong."""
    heard = list((map if hear_with is None else hear_with.map)(partial(_attempt, _hear), batch))
    if times is not None:
        times.heard_s = times.drawn_s = time.monotonic()
    due: list[tuple[Work, MotionWindow]] = []
    counts: list[int | Exception] = []
    for work, window in zip(batch, heard, strict=True):
        runs = [window] if isinstance(window, Exception) else _runs(work, window)
        due += [(work, run) for run in runs if isinstance(run, MotionWindow)]
        counts.append(window if isinstance(window, Exception) else len(runs))
    return due, counts


def _runs(work: Work, window: MotionWindow | None) -> list[MotionWindow]:
    """What is drawn of a window, in runs of frames without gaps; its newest frame if nothing else is."""
    if window is None:
        return []
    if work.draws is None:
        return [window]
    kept = [k for k in range(len(window)) if work.draws(window.first_frame + k)] or [len(window) - 1]
    begins = [k for at, k in enumerate(kept) if at == 0 or kept[at - 1] != k - 1]
    ends = [*(kept[kept.index(begin) - 1] + 1 for begin in begins[1:]), kept[-1] + 1]
    return [window.rows(begin, end) for begin, end in zip(begins, ends, strict=True)]


def _together(results: Sequence[list[Frame] | Exception]) -> list[Frame] | Exception:
    failed = next((result for result in results if isinstance(result, Exception)), None)
    return failed or [frame for result in results if not isinstance(result, Exception) for frame in result]


def _draw(
    renderer: Renderer[Any], due: Sequence[tuple[Work, MotionWindow]], times: StepTimes | None
) -> list[list[Frame] | Exception]:
    def draw(part: Sequence[tuple[Work, MotionWindow]]) -> list[list[Frame]]:
        states, windows = [work.performance.state for work, _ in part], [window for _, window in part]
        if not (any(work.matte for work, _ in part) and isinstance(renderer, MattingRenderer)):
            plain = renderer.render(states, windows)
            note_drawn()
            return [_frames(*one, shown) for one, shown in zip(part, plain, strict=True)]
        plates = [renderer.plate(work.performance.state) if work.matte else None for work, _ in part]
        covers = [
            None if plate is None else np.empty((len(window), *plate.shape[:2]), np.uint8)
            for plate, window in zip(plates, windows, strict=True)
        ]
        pictures = renderer.render_with_mattes(states, windows, covers)
        note_drawn()
        together = zip(part, pictures, covers, plates, strict=True)
        return [_frames(*one, shown, cover, plate) for one, shown, cover, plate in together]

    def note_drawn() -> None:
        if times is not None:
            times.drawn_s = time.monotonic()

    together = _attempt(draw, due)
    if not isinstance(together, Exception):
        return list(together)
    alone = [_attempt(draw, [one]) for one in due]
    return [result if isinstance(result, Exception) else result[0] for result in alone]


def _attempt(call: Callable[[Given], Result], given: Given) -> Result | Exception:
    try:
        return call(given)
    except Exception as error:  # a stage boundary: the caller ends the performance that it belongs to
        return error


def _hear(work: Work) -> MotionWindow | None:
    windows: list[MotionWindow] = []
    if work.attends is not None:
        work.performance.listener.set_listening(work.attends)
    if work.mood is not None:
        work.performance.take_mood(work.mood)
    for chunk in work.chunks:
        if chunk.epoch != work.performance.epoch:
            work.performance.epoch = chunk.epoch
            again = work.performance.listener.interrupt(
                work.last_shown, None if work.last_shown is None else work.first_useful_frame
            )
            windows = [] if again is None else [again]  # what was heard before is never shown as it was
        window = work.performance.listener.push(chunk)
        if window is not None:
            windows.append(window)
    if not windows:
        return None
    window = join_windows(windows)
    late = max(0, work.first_useful_frame - window.first_frame)
    if work.most_frames is not None:
        late = max(late, len(window) - work.most_frames)
    # The newest frame is drawn in any case: even if it is late, it tells what drawing costs now.
    return window.rows(min(late, len(window) - 1), len(window))


def _frames(
    work: Work,
    window: MotionWindow,
    pictures: NDArray[np.uint8],
    covers: NDArray[np.uint8] | None = None,
    plate: NDArray[np.uint8] | None = None,
    finished: bool = False,
) -> list[Frame]:
    mattes = [None if covers is None or plate is None else Matte(covers[i], plate) for i in range(len(window))]
    if work.performance.finish is not None and not finished:
        pictures = work.performance.finish(pictures)
    epoch, hears_other = work.performance.epoch, work.performance.listener.hears_other
    anyone = window.anyone_speaks
    return [
        Frame(window.first_frame + i, pictures[i], bool(anyone[i]), epoch, mattes[i], hears_other)
        for i in range(len(window))
    ]
