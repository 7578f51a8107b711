"""What it costs to draw the diffusion renderer's maps: driving the rig, strokes, and the maps of mouth and eyes.

    python benchmarks/maps.py [--avatar astronaut] [--frames 4] [--rounds 5] [--size compact] [--keep]

The test sentence as the listener moves it, in windows of some frames. All figures are milliseconds of one processor
core for a frame of the video (the thread's own time: what else the machine does hardly counts; OMP_NUM_THREADS=1
keeps it one thread). JSON keys: mouth_maps_ms_p50/_p95, eye_maps_ms_p50/_p95 (one eye), strokes_ms_p50/_p95 (all three
crops), drive_ms_p50/_p95 (rig and skull, once for all crops), frame_ms_p50/_p95 (all of it, with both eyes).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from record import report

from visavis_models.avatar import Avatar
from visavis_models.diffusion.crops import MOUTH, REGIONS
from visavis_models.diffusion.drawing import draw_maps
from visavis_models.diffusion.maps import MAP_CHANNELS
from visavis_models.diffusion.sizes import SIZES, RendererSize
from visavis_models.diffusion.strokes import strokes_of
from visavis_models.face.rig import FaceRig
from visavis_models.portrait.library import AvatarLibrary
from visavis_server.voice_file import VoiceFile
from visavis_server.wiring import listener_maker

SPEECH = Path(__file__).resolve().parents[1] / "tests" / "data" / "speech_en.flac"
Floats = NDArray[np.float32]


def spoken_motion() -> tuple[Floats, Floats]:
    """Face (T, 52) and head (T, 6) of the test sentence."""
    listener = listener_maker()(1)
    windows = [window for chunk in VoiceFile(SPEECH).chunks() if (window := listener.push(chunk)) is not None]
    return np.concatenate([w.face for w in windows]), np.concatenate([w.head for w in windows])


def timed_windows(
    avatar: Avatar, motion: tuple[Floats, Floats], frames: int, size: RendererSize, rounds: int
) -> dict[str, list[float]]:
    """Milliseconds a frame of each step, one entry for each window."""
    rig = FaceRig.fit(avatar)
    room = {r.name: np.empty((frames, MAP_CHANNELS, *r.size_px(size.mouth_px)), np.float32) for r in REGIONS}
    times: dict[str, list[float]] = defaultdict(list)

    def lap(step: str, begun: float) -> float:
        now = time.thread_time()
        times[step].append((now - begun) * 1000 / frames)
        return now

    for start in range(0, rounds * (len(motion[0]) // frames) * frames, frames):
        at = np.arange(start, start + frames) % len(motion[0])
        face, head = motion[0][at], motion[1][at]
        begun = now = time.thread_time()
        driven, skull = rig.drive(face, head), rig.head_transform(head)
        now = lap("drive", now)
        strokes = [strokes_of(rig, avatar.landmarks, driven, skull, r, size.mouth_px) for r in REGIONS]
        now = lap("strokes", now)
        for region, there in zip(REGIONS, strokes, strict=True):
            draw_maps(there, region, room[region.name])
            now = lap("mouth_maps" if region is MOUTH else "eye_maps", now)
        lap("frame", begun)
    return times


def main() -> None:
    """Measure and report."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--avatar", default="astronaut", help="who of the gallery")
    ask.add_argument("--frames", type=int, default=4, help="new frames of a window")
    ask.add_argument("--rounds", type=int, default=5, help="how often the sentence is drawn")
    ask.add_argument("--size", choices=sorted(SIZES), default="compact", help="of the renderer's networks")
    ask.add_argument("--keep", action="store_true", help="write the record under results/")
    args = ask.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        avatar = AvatarLibrary(Path(folder)).get(args.avatar)
    motion, size = spoken_motion(), SIZES[args.size]
    timed_windows(avatar, motion, args.frames, size, 1)
    times = timed_windows(avatar, motion, args.frames, size, args.rounds)
    figures: dict[str, float | int | str] = {"avatar": args.avatar, "size": args.size, "frames": args.frames}
    figures["windows"] = len(times["frame"])
    for step, values in times.items():
        figures[f"{step}_ms_p50"] = round(float(np.median(values)), 3)
        figures[f"{step}_ms_p95"] = round(float(np.percentile(values, 95)), 3)
    report("maps", figures, keep=args.keep)


if __name__ == "__main__":
    main()
