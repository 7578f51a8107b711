"""A long call of one portrait, each window fed with what the one before made: what has changed at its end.

The last minute's motion is exactly the first's, so that nothing but drift can tell the two apart; in between, the
listener goes on hearing the same sentences with other blinks and movements.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from picture_features import feature_distance
from picture_measures import drift, psnr_db, region_of, sharpness
from picture_portraits import Scene

from visavis_models.avatar import Avatar
from visavis_models.chunk import CHUNK_SAMPLES, FRAME_RATE_HZ, PLAYBACK_SAMPLES, Chunk
from visavis_models.diffusion.maps import REFERENCE_MAPS
from visavis_models.diffusion.renderer import DiffusionRenderer
from visavis_models.motion import MotionWindow, join_windows
from visavis_models.performer import Performer

Floats = NDArray[np.float32]
_EVERY = 12
"""Of the frames compared."""
_PERFORMED_S = 300
_PAUSE_S = 0.6
_FOR_EYES = 5


def performed(voices: Sequence[Floats], seconds: float, seed: int = 0) -> MotionWindow:
    """What somebody does who says these sentences (float32, 16 kHz) again and again."""
    listener, silent = Performer(seed), np.zeros(PLAYBACK_SAMPLES, np.int16)
    pause = np.zeros(int(_PAUSE_S * 16_000), np.float32)
    once = np.concatenate([part for voice in voices for part in (voice, pause)])
    frames, found = round(seconds * FRAME_RATE_HZ), []
    samples = np.resize(once, (frames + 50) * CHUNK_SAMPLES).reshape(-1, CHUNK_SAMPLES)
    for index, chunk in enumerate(samples):
        window = listener.push(Chunk(index, chunk, silent))
        if window is not None:
            found.append(window)
        if len(found) == frames:
            break
    return join_windows(found)


@dataclass(frozen=True, slots=True)
class LongCall:
    """Its motion: `frames` in all, those of a short performance again and again, the last `compared` as the first."""

    performance: MotionWindow
    frames: int
    compared: int

    def windows(self, new: int) -> Iterator[MotionWindow]:
        """In order, of `new` frames or fewer."""
        many, last = len(self.performance), self.frames - self.compared
        start = 0
        while start < self.frames:
            place = start % many if start < last else start - last
            stop = min(start + new, last if start < last else self.frames, start + many - place)
            part = self.performance.rows(place, place + stop - start)
            yield MotionWindow(start, part.face, part.head, part.body, part.speaking)
            start = stop


def long_call(voices: Sequence[Floats], minutes: float) -> LongCall:
    """A call of so many minutes; compared are its first and last minute, or quarter if it is shorter than four."""
    frames = round(60 * minutes * FRAME_RATE_HZ)
    compared = min(60 * FRAME_RATE_HZ, frames // 4)
    return LongCall(performed(voices, min(_PERFORMED_S, 60 * minutes)), frames, compared)


@dataclass(frozen=True, slots=True)
class HourFigures:
    """What is said of a long call."""

    keys: dict[str, float]
    beside: dict[str, Any]
    first: NDArray[np.uint8]
    """uint8 (k, H, W, 3): pictures of the first minute, for eyes."""
    last: NDArray[np.uint8]
    """The same of the last."""


def hour_figures(renderer: DiffusionRenderer, avatar: Avatar, call: LongCall, side_px: int, new: int) -> HourFigures:
    """Draw the whole call and compare its ends around the mouth.

    Identity is the distance of features between the mouth and the photo's own; sharpness and colour are means around
    the mouth, colour the one of red, green, blue that changes most.
    """
    state, began = renderer.open(avatar, side_px), time.monotonic()
    before = sum(renderer.counts.reanchored.values()), sum(renderer.counts.fallback.values())
    kept: dict[int, NDArray[np.uint8]] = {}
    last_from = call.frames - call.compared
    for window in call.windows(new):
        frames = renderer.render([state], [window])[0]
        for k, frame in enumerate(frames):
            index = window.first_frame + k
            place = index if index < call.compared else index - last_from
            if (index < call.compared or index >= last_from) and place % _EVERY == 0:
                kept[index] = frame.copy()
    seconds = time.monotonic() - began
    rows = sorted(k for k in kept if k < call.compared)
    motion = join_windows([_single(call.performance, k, n) for n, k in enumerate(rows)])
    scene = Scene.of(avatar, motion, side_px, renderer.networks.size)
    maps, reference = scene.mouth_maps()
    soft = region_of(maps)
    photo = np.repeat(reference[None, REFERENCE_MAPS["photo"]], len(rows), 0)
    ends = [np.stack([kept[k + shift] for k in rows]) for shift in (0, last_from)]
    crops = [scene.mouths(frames) for frames in ends]
    whose = [
        np.array([feature_distance(c[k, None], photo[k, None], soft[k, None]) for k in range(len(c))]) for c in crops
    ]
    sharp = [np.array([sharpness(c[k, None], soft[k, None] > 0.5) for k in range(len(c))]) for c in crops]
    colour = [127.5 + 127.5 * np.stack([c[:, k][soft > 0.5] for k in range(3)]).mean(1) for c in crops]
    middle = np.linspace(0, len(rows) - 1, _FOR_EYES).round().astype(int)
    reanchored, fallback = sum(renderer.counts.reanchored.values()), sum(renderer.counts.fallback.values())
    return HourFigures(
        {
            "drift_identity": drift(whose[0], whose[1]),
            "drift_sharpness": drift(sharp[0], sharp[1]),
            "drift_colour": max(drift(a, b) for a, b in zip(colour[0], colour[1], strict=True)),
        },
        {
            "minutes": call.frames / FRAME_RATE_HZ / 60,
            "compared_s": call.compared / FRAME_RATE_HZ,
            "frames_compared": len(rows),
            "same_motion_psnr_db": psnr_db(crops[1], crops[0], soft > 0.5),
            "reanchored_windows": reanchored - before[0],
            "windows_left_to_warp": fallback - before[1],
            "frames_per_s": call.frames / seconds,
        },
        ends[0][middle], ends[1][middle],
    )  # fmt: skip


def _single(motion: MotionWindow, row: int, frame: int) -> MotionWindow:
    part = motion.rows(row, row + 1)
    return MotionWindow(frame, part.face, part.head, part.body, part.speaking)
