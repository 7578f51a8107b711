"""Clips for `watermark.py`: what the shipped avatars speak, and what codecs, scalers and croppers make of it.

Knows nothing of the watermark.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray
from render import SPEECH

from visavis_models.chunk import FRAME_RATE_HZ
from visavis_models.portrait.library import AvatarLibrary
from visavis_server.motion_player import Soundtrack
from visavis_server.pipeline import Performance
from visavis_server.render_file import performed
from visavis_server.rtc.encoders import H264Encoder, Vp8Encoder
from visavis_server.voice_file import VoiceFile
from visavis_server.wiring import default_renderer, listener_maker

CLIP_FRAMES = 4 * FRAME_RATE_HZ
Luma = NDArray[np.uint8]
_STILLS = (
    "camera", "coffee", "chelsea", "brick", "grass", "gravel", "page", "text", "rocket", "coins", "moon", "clock",
    "checkerboard", "immunohistochemistry", "colorwheel", "retina", "hubble_deep_field",
)  # fmt: skip


def speaking(seconds: float, long_side_px: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Every avatar that ships, speaking, without marks: its id and uint8 (T, H, W, 3) RGB."""
    renderer = default_renderer()
    with tempfile.TemporaryDirectory() as folder:
        library = AvatarLibrary(Path(folder))
        for seed, entry in enumerate(library.list()):
            state = renderer.open(library.get(entry.id), long_side_px)
            sound = Soundtrack(VoiceFile(SPEECH), round(seconds * FRAME_RATE_HZ))
            ticks = performed(renderer, Performance(listener_maker()(seed), state), sound)
            shown = islice((picture for picture, _ in ticks), round(seconds * FRAME_RATE_HZ))
            yield entry.id, np.stack(list(shown))


def photos() -> Iterator[tuple[str, Luma]]:
    """Pictures of things: photos, textures, print, drawings."""
    for name in _STILLS:
        try:
            picture = np.asarray(getattr(skimage.data, name)())
        except Exception as error:  # some of them are not in every installation
            print(f"without {name}: {error}")
            continue
        grey = (
            picture if picture.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(picture[..., :3]), cv2.COLOR_RGB2GRAY)
        )
        yield name, np.asarray(grey if grey.dtype == np.uint8 else 255 * grey, np.uint8)


def coded(pictures: NDArray[np.uint8], codec: str, bps: int) -> tuple[list[NDArray[np.uint8]], float]:
    """What a viewer sees of pictures that the server's own encoder sends, uint8 (H, W, 3) RGB each, and the kbit/s."""
    encoder = H264Encoder() if codec == "H264" else Vp8Encoder()
    decoder = av.CodecContext.create("h264" if codec == "H264" else "vp8", "r")
    seen: list[NDArray[np.uint8]] = []
    sent = 0
    for index, picture in enumerate(pictures):
        height, width = picture.shape[0] & ~1, picture.shape[1] & ~1
        planes = cv2.cvtColor(np.ascontiguousarray(picture[:height, :width]), cv2.COLOR_RGB2YUV_I420)
        frame = av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")
        frame.pts, frame.time_base = index * 3600, Fraction(1, 90_000)
        data = encoder._bitstream(frame, bps, keyframe=index == 0)
        sent += len(data)
        if data:
            shown = decoder.decode(av.Packet(data))
            seen += [np.asarray(image.to_ndarray(format="rgb24"), np.uint8) for image in shown]
    return seen, sent * 8 * FRAME_RATE_HZ / len(pictures) / 1000


def luma(picture: NDArray[np.uint8]) -> Luma:
    """What a detector looks at."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def scaled(frames: Sequence[Luma], share: float) -> list[Luma]:
    """Smaller pictures."""
    size = round(frames[0].shape[1] * share), round(frames[0].shape[0] * share)
    return [np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8) for frame in frames]


def cropped(frames: Sequence[Luma], share: float) -> list[Luma]:
    """The middle, so much of each side."""
    height, width = frames[0].shape
    y, x = (round(side * (1 - share) / 2) for side in (height, width))
    return [np.ascontiguousarray(frame[y : height - y, x : width - x]) for frame in frames]


def on_wide_canvas(frames: Sequence[Luma]) -> list[Luma]:
    """In the middle of a black 1280x720."""
    height, width = frames[0].shape
    share = min(1280 / width, 720 / height)
    size = round(width * share), round(height * share)
    x, y = (1280 - size[0]) // 2, (720 - size[1]) // 2
    out = []
    for frame in frames:
        canvas = np.full((720, 1280), 16, np.uint8)
        canvas[y : y + size[1], x : x + size[0]] = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
        out.append(canvas)
    return out


HANDLINGS: dict[str, Callable[[Sequence[Luma]], list[Luma]]] = {
    "as sent": list,
    "75 %": functools.partial(scaled, share=0.75),
    "50 %": functools.partial(scaled, share=0.5),
    "middle 80 %": functools.partial(cropped, share=0.8),
    "1280x720, letterbox": on_wide_canvas,
}


def somewhere(source: Luma, rng: np.random.Generator, every: int) -> list[Luma]:
    """A clip of unmarked frames, uint8 (T, H, W): another place, size, time and side each time.

    Args:
        source: (T, H, W); one frame is looked at through a window that moves.
        rng: chooses.
        every: take each so manieth frame: the others show the same.
    """
    height, width = source.shape[1:]
    share, size = rng.uniform(0.5, 1.0), rng.uniform(0.5, 1.2)
    window = np.array([int(height * share), int(width * share)])
    room = np.array([height, width]) - window
    start, mirrored = rng.integers(0, room + 1), rng.random() < 0.5
    end = rng.integers(0, room + 1) if len(source) == 1 else start
    first = int(rng.integers(0, max(1, len(source) - CLIP_FRAMES + 1)))
    out = []
    for step in range(0, CLIP_FRAMES, every):
        y, x = np.rint(start + (end - start) * step / CLIP_FRAMES).astype(int)
        part = source[min(first + step, len(source) - 1), y : y + window[0], x : x + window[1]]
        part = part[:, ::-1] if mirrored else part
        out.append(np.asarray(cv2.resize(part, None, fx=size, fy=size, interpolation=cv2.INTER_AREA), np.uint8))
    return out
