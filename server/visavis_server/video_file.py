"""Writes what is published into an MP4: H.264 and AAC, picture k at exactly `k * 40 ms`. Knows nothing of avatars."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from visavis_models.chunk import FRAME_RATE_HZ, PLAYBACK_RATE_HZ, PLAYBACK_SAMPLES
from visavis_models.errors import BadRequest


class VideoFile:
    """An MP4 being written. It appears under its name only when it is whole.

    Args:
        path: ends in `.mp4`.
        width_px: even.
        height_px: even.
        crf: x264's constant rate factor; 18 is visually near lossless.
        preset: x264's preset.

    Raises:
        BadRequest: `bad_output`, here or from any method: the file cannot be written.
    """

    def __init__(self, path: Path, width_px: int, height_px: int, crf: int = 18, preset: str = "veryfast") -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")
        # Fast start puts the index first, so that a browser can play while it downloads.
        with _errors_said(path):
            self._box = av.open(str(self._part), "w", format="mp4", options={"movflags": "+faststart"})
        video = self._box.add_stream("libx264", rate=FRAME_RATE_HZ)
        video.width, video.height, video.pix_fmt = width_px, height_px, "yuv420p"
        video.options = {"crf": str(crf), "preset": preset, "profile": "high"}
        video.codec_context.color_range = 1
        video.codec_context.colorspace = 5
        video.time_base = Fraction(1, FRAME_RATE_HZ)
        audio = self._box.add_stream("aac", rate=PLAYBACK_RATE_HZ, layout="mono")
        audio.bit_rate = 128_000
        self._video, self._audio = video, audio
        self._count = 0

    def write(self, picture: NDArray[np.uint8], voice: NDArray[np.int16]) -> None:
        """Append one tick.

        Args:
            picture: uint8 (H, W, 3) RGB.
            voice: int16 (1920,) at 48 kHz.
        """
        planes = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)
        image = av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")
        image.pts, image.time_base = self._count, Fraction(1, FRAME_RATE_HZ)
        sound = av.AudioFrame.from_ndarray(voice[None], format="s16", layout="mono")
        sound.sample_rate, sound.pts = PLAYBACK_RATE_HZ, self._count * PLAYBACK_SAMPLES
        sound.time_base = Fraction(1, PLAYBACK_RATE_HZ)
        with _errors_said(self._path):
            self._box.mux(self._video.encode(image))
            self._box.mux(self._audio.encode(sound))
        self._count += 1

    def finish(self) -> None:
        """Write what the encoders hold and give the file its name."""
        with _errors_said(self._path):
            self._box.mux(self._video.encode(None))
            self._box.mux(self._audio.encode(None))
            self._box.close()
            os.replace(self._part, self._path)

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            with suppress(FFmpegError, OSError):  # a box that could not be written cannot be closed well either
                self._box.close()
            self._part.unlink(missing_ok=True)


@contextmanager
def _errors_said(path: Path) -> Iterator[None]:
    try:
        yield
    except (FFmpegError, OSError) as error:
        raise BadRequest(
            "bad_output",
            f"{path} cannot be written: {error.strerror}.",
            "Make room or allow writing there, or choose another folder.",
        ) from error
