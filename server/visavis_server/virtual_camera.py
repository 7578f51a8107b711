"""A virtual camera of this machine (v4l2loopback, OBS): what other programs choose as their camera shows the avatar.

Through pyvirtualcam, which is under the GPL and therefore an extra of its own. Pictures only, for cameras carry no
sound. Knows nothing of sessions.
"""

from __future__ import annotations

import importlib
import logging
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import FRAME_RATE_HZ
from visavis_models.errors import EngineError
from visavis_server.media import Published

_log = logging.getLogger(__name__)

_REPEAT_S = 0.5
"""A program that reads the camera gets a picture at least so often, whether an avatar is there or not."""
_REOPEN_S = 5.0


class CameraDevice(Protocol):
    """What is used of `pyvirtualcam.Camera`."""

    @property
    def device(self) -> str:
        """Its name in other programs, or its path."""
        ...

    def send(self, frame: NDArray[np.uint8]) -> None:
        """Show this, uint8 (H, W, 3) RGB, until the next one."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


class VirtualCamera:
    """One camera; a `MediaSink`. Pictures are fitted into its size, with black bars where they do not fill it.

    Its thread draws and sends; when it cannot keep up, the newest picture counts and the others are dropped.

    Args:
        device: path or name; `auto` takes the first one there is.
        width: of what other programs see, even.
        height: even.

    Raises:
        EngineError: `camera_not_installed`, `no_camera`.
    """

    def __init__(self, device: str, width: int, height: int) -> None:
        self._open = _opener(device, width, height)
        self._camera: CameraDevice | None = self._open()
        self.device = self._camera.device
        """The camera's name or path."""
        self.size = width, height
        self.sent = 0
        """Pictures shown, those that were repeated for want of new ones too."""
        self.dropped = 0
        """Pictures never shown, because newer ones had come."""
        self.broken = 0
        """How often the camera could not be written."""
        self._newest: NDArray[np.uint8] | None = None
        self._canvas: NDArray[np.uint8] = np.zeros((height, width, 3), np.uint8)
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="visavis camera", daemon=True)
        self._thread.start()

    def publish(self, item: Published) -> None:
        """Show this tick's picture; see `MediaSink`."""
        self.show(item.picture)

    def show(self, picture: NDArray[np.uint8]) -> None:
        """Show this picture, uint8 (H, W, 3) RGB of any size, until the next one comes."""
        with self._changed:
            self.dropped += self._newest is not None
            self._newest = picture
            self._changed.notify()

    def clear(self) -> None:
        """Nobody is there: black."""
        self.show(np.zeros((2, 2, 3), np.uint8))

    def close(self) -> None:
        """Let the camera go. Waits for its thread: milliseconds. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._newest is not None, _REPEAT_S)
                if self._closed:
                    break
                picture, self._newest = self._newest, None
            if picture is not None:
                fit_into(self._canvas, picture)
            self._send()
        if self._camera is not None:
            self._camera.close()

    def _send(self) -> None:
        if self._camera is None:
            return
        try:
            self._camera.send(self._canvas)
            self.sent += 1
        except Exception as error:  # the module was unloaded, OBS was closed: calls go on, and it may come back
            self.broken += 1
            _log.error("virtual camera is lost", extra={"camera": self.device, "reason": str(error)})
            with suppress(Exception):  # it is gone already
                self._camera.close()
            self._camera = None
            self._reopen()

    def _reopen(self) -> None:
        while self._camera is None:
            with self._changed:
                if self._changed.wait_for(lambda: self._closed, _REOPEN_S):
                    return
            try:
                self._camera = self._open()
                _log.warning("virtual camera is back", extra={"camera": self._camera.device})
            except EngineError as error:
                _log.debug("virtual camera is still away: %s", error.message)


def fit_into(canvas: NDArray[np.uint8], picture: NDArray[np.uint8]) -> None:
    """Draw a picture into the middle of a canvas, whole and as large as it fits; the rest becomes black.

    Args:
        canvas: uint8 (H, W, 3), changed in place.
        picture: uint8 (h, w, 3).
    """
    height, width = canvas.shape[:2]
    scale = min(height / picture.shape[0], width / picture.shape[1])
    high, wide = (
        max(1, min(full, round(part * scale))) for full, part in zip((height, width), picture.shape, strict=False)
    )
    top, left = (height - high) // 2, (width - wide) // 2
    canvas[:top] = canvas[top + high :] = 0
    canvas[:, :left] = canvas[:, left + wide :] = 0
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas[top : top + high, left : left + wide] = cv2.resize(picture, (wide, high), interpolation=way)


def _opener(device: str, width: int, height: int) -> Callable[[], CameraDevice]:
    try:
        module: Any = importlib.import_module("pyvirtualcam")
    except ImportError as error:
        remedy = "Install it: pip install 'visavis[camera]'. It is under the GPL, so it does not come with visavis."
        raise EngineError("camera_not_installed", "A virtual camera needs pyvirtualcam.", remedy) from error

    def open_camera() -> CameraDevice:
        try:
            camera: CameraDevice = module.Camera(
                width, height, FRAME_RATE_HZ, fmt=module.PixelFormat.RGB, device=None if device == "auto" else device
            )
        except (RuntimeError, OSError, ValueError) as error:
            which = "this machine has no virtual camera" if device == "auto" else f"camera {device} cannot be used"
            reason = " ".join(str(error).split())
            raise EngineError("no_camera", f"It seems that {which}: {reason}", _remedy()) from error
        return camera

    return open_camera


def _remedy(platform: str = sys.platform) -> str:
    if platform.startswith("linux"):
        return (
            "Install v4l2loopback (Debian: apt install v4l2loopback-dkms) and load it: "
            "modprobe v4l2loopback video_nr=10 card_label=visavis exclusive_caps=1; then give --camera /dev/video10."
        )
    return "Install OBS, start its virtual camera once and stop it; then give --camera auto."
