"""What several people in a picture, and larger pictures, cost: processor time for a frame, listening and drawing.

    python benchmarks/people.py [--image photo.jpg] [--frames 100]

Without an image two people of the gallery are put side by side. Processor time of one thread, so that a busy machine
tells much the same. Prints a table and one last line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar
from visavis_models.chunk import CHUNK_SAMPLES, Chunk, silent_chunk
from visavis_models.ensemble import listener_of_people
from visavis_models.motion import MotionWindow, join_windows
from visavis_models.performer import Performer
from visavis_models.portrait.analysis import analyse_canvas
from visavis_models.portrait.library import AvatarLibrary
from visavis_models.portrait.photo import CANVASES, decode_photo
from visavis_models.rendering import MattingRenderer
from visavis_server.settings import DrawingSettings
from visavis_server.voice_file import VoiceFile
from visavis_server.wiring import default_renderer

_VOICE = Path(__file__).resolve().parents[1] / "tests" / "data" / "speech_en.flac"
_SIZES = ((512, "standard"), (1024, "standard"), (1920, "1080p"))


def side_by_side(size: tuple[int, int], left: str = "samuel", right: str = "maya") -> NDArray[np.uint8]:
    """Two people of the gallery before the first one's wall, uint8 (H, W, 3); `size` is width and height."""
    width, height = size
    with tempfile.TemporaryDirectory() as folder:
        first, second = (AvatarLibrary(Path(folder)).get(id) for id in (left, right))
    blurred = cv2.GaussianBlur(first.plate, (0, 0), 3)
    picture = cv2.resize(blurred, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    for avatar, middle in ((first, 0.34), (second, 0.66)):
        ratio = width / 7.5 / avatar.face_width_px
        shift = middle * width - avatar.head_pose[3] * ratio, 0.42 * height - avatar.head_pose[4] * ratio
        matrix = np.array([[ratio, 0, shift[0]], [0, ratio, shift[1]]], np.float64)
        colours, cover = (
            cv2.warpAffine(layer, matrix, (width, height), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
            for layer in (avatar.foreground, avatar.matte)
        )
        alpha = (np.asarray(cover, np.float32) / np.float32(255))[..., None]
        picture = np.asarray(alpha * colours + (1 - alpha) * picture, np.float32)
    return np.ascontiguousarray(np.rint(picture), np.uint8)


def spoken(frames: int) -> list[Chunk]:
    """The test's sentence, again and again."""
    voice = np.concatenate([chunk.samples for chunk in VoiceFile(_VOICE).chunks()])
    voice = np.resize(voice, frames * CHUNK_SAMPLES)
    parts = voice.reshape(frames, CHUNK_SAMPLES)
    return [replace(silent_chunk(i), samples=np.ascontiguousarray(part)) for i, part in enumerate(parts)]


def cost_of(renderer: MattingRenderer[Any], avatar: Avatar, long_side_px: int, frames: int) -> dict[str, float]:
    """Processor time of one thread for a frame, ms."""
    listener = listener_of_people(Performer, 0, len(avatar.people))
    windows: list[MotionWindow] = []
    begun_s = time.thread_time()
    for chunk in spoken(frames):
        window = listener.push(chunk)
        if window is not None:
            windows.append(window)
    listening_ms = (time.thread_time() - begun_s) * 1000 / frames
    state = renderer.open(avatar, long_side_px)
    motion = join_windows(windows)
    renderer.render([state], [motion.rows(0, 2)])
    begun_s = time.thread_time()
    for start in range(2, len(motion) - 2, 2):
        renderer.render([state], [motion.rows(start, start + 2)])
    drawn = len(range(2, len(motion) - 2, 2)) * 2
    return {"listen_ms": listening_ms, "draw_ms": (time.thread_time() - begun_s) * 1000 / drawn}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path, help="a photo of several people")
    parser.add_argument("--frames", type=int, default=100)
    given = parser.parse_args()
    renderer = default_renderer(DrawingSettings())
    if not isinstance(renderer, MattingRenderer):
        sys.exit("this renderer cannot tell people from the background")
    rows: list[dict[str, Any]] = []
    for long_side_px, canvas in _SIZES:
        limits = CANVASES[canvas]
        if given.image is not None:
            photo = decode_photo(given.image.read_bytes(), canvas).canvas
        else:
            width = limits.long_side_px
            photo = side_by_side((width, width * 9 // 16))
        begun_s = time.thread_time()
        group = analyse_canvas(photo, "people", "people")
        analysis_s = time.thread_time() - begun_s
        for people, avatar in ((1, replace(group, others=())), (len(group.people), group)):
            cost = cost_of(renderer, avatar, long_side_px, given.frames)
            size = f"{long_side_px}×{round(long_side_px * photo.shape[0] / photo.shape[1])}"
            rows.append({"size": size, "people": people, "analysis_s": analysis_s, **cost})
            print(
                f"{size:>9}  {people} of {len(group.people)} people  listening {cost['listen_ms']:5.1f} ms  "
                f"drawing {cost['draw_ms']:6.1f} ms a frame  (analysis {analysis_s:.1f} s)",
                flush=True,
            )
    print(json.dumps({"renderer": renderer.name, "frames": given.frames, "rows": rows}, ensure_ascii=False))


if __name__ == "__main__":
    main()
