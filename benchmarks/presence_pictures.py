"""Pictures of a presence: what drawing costs with and without it, and how still the background stays.

Knows nothing of how motion comes about.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from picture_measures import psnr_db

from visavis_models.avatar import Avatar
from visavis_models.chunk import FRAME_RATE_HZ
from visavis_models.motion import MotionWindow
from visavis_models.rendering import MattingRenderer, Renderer

_STEP = 8
_EDGE = 0.01
"""Soft edges of the person, as a share of the picture's long side."""


def still_background(avatar: Avatar, renderer: MattingRenderer[Any], motion: MotionWindow, frames: int) -> float:
    """PSNR in dB of the background against the photo: the worst of so many frames, spread over the motion.

    Background is what neither the photo nor the frame shows the person in, nor their soft edges.
    """
    state = renderer.open(avatar)
    edge = round(_EDGE * max(avatar.photo.shape[:2]))
    grown = cv2.dilate(avatar.matte, np.ones((2 * edge + 1, 2 * edge + 1), np.uint8))
    found = []
    for row in np.linspace(0, len(motion) - 1, frames).round().astype(int):
        cover = np.zeros((1, *avatar.matte.shape), np.uint8)
        picture = renderer.render_with_mattes([state], [motion.rows(row, row + 1)], [cover])[0]
        still = (grown == 0) & (cv2.dilate(cover[0], np.ones((2 * edge + 1, 2 * edge + 1), np.uint8)) == 0)
        found.append(psnr_db(_floats(picture), _floats(avatar.photo[None]), still[None]))
    return min(found)


def _floats(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """As `picture_measures` takes them: (N, 3, h, w), -1..1."""
    return np.asarray(pictures.transpose(0, 3, 1, 2) / np.float32(127.5) - np.float32(1.0), np.float32)


def drawing_ms(
    avatar: Avatar, renderer: Renderer[Any], motions: Sequence[MotionWindow], rounds: int = 5
) -> list[float]:
    """Milliseconds of processor time a frame of each motion takes at 512 px: medians of so many rounds, in turns."""
    state = renderer.open(avatar, 512)
    times: list[list[float]] = [[] for _ in motions]
    for turn in range(rounds + 1):
        for motion, taken in zip(motions, times, strict=True):
            begun_s = time.process_time()
            for start in range(0, 2 * FRAME_RATE_HZ, _STEP):
                renderer.render([state], [motion.rows(start, start + _STEP)])
            if turn:  # the first one warms up
                taken.append((time.process_time() - begun_s) * 1000 / (2 * FRAME_RATE_HZ))
    return [statistics.median(taken) for taken in times]
