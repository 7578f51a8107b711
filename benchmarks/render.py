"""Frames per second of `visavis render`: voice decoding, listening, drawing and H.264 together.

    python benchmarks/render.py [--seconds 20] [--keep]

JSON keys: fps_512, fps_1024 (whole programs, start-up apart), and the share of each stage.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from record import report

from visavis_models.avatar import Avatar
from visavis_models.chunk import FRAME_RATE_HZ
from visavis_models.motion import MotionWindow
from visavis_models.portrait.analysis import analyse
from visavis_models.portrait.library import AvatarLibrary
from visavis_server.render_file import render_file
from visavis_server.video_file import VideoFile
from visavis_server.voice_file import VoiceFile
from visavis_server.wiring import default_renderer, listener_maker

SPEECH = Path(__file__).resolve().parents[1] / "tests" / "data" / "speech_en.flac"


def speech(seconds: float, folder: Path) -> Path:
    """The test sentence, over and over, as a wav file."""
    import wave

    voice = np.concatenate([chunk.playback for chunk in VoiceFile(SPEECH).chunks()])
    path = folder / "speech.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(48000)
        out.writeframes(np.resize(voice, int(seconds * 48000)).tobytes())
    return path


def square_avatar(library: AvatarLibrary, side_px: int) -> Avatar:
    """A person who ships, on a canvas of exactly this size: enlarged if need be, for drawing costs the same."""
    photo = library.get("elena").photo
    picture = Image.fromarray(photo).resize((side_px, side_px), Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    picture.save(packed, "PNG")
    return analyse(packed.getvalue(), "Elena")


def stage_shares(avatar: Avatar, long_side_px: int, audio: Path) -> dict[str, float]:
    """Milliseconds per frame of each stage alone."""
    renderer, listener = default_renderer(), listener_maker()(1)
    state = renderer.open(avatar, long_side_px)
    chunks = list(VoiceFile(audio).chunks())[:250]
    windows: list[MotionWindow] = []
    begun = time.perf_counter()
    for chunk in chunks:
        window = listener.push(chunk)
        if window is not None:
            windows.append(window)
    listen_ms = (time.perf_counter() - begun) * 1000 / len(chunks)
    times, pictures = [], []
    for window in windows:
        begun = time.perf_counter()
        pictures.append(renderer.render([state], [window])[0][0])
        times.append((time.perf_counter() - begun) * 1000)
    with tempfile.TemporaryDirectory() as folder:
        height, width = pictures[0].shape[:2]
        begun = time.perf_counter()
        with VideoFile(Path(folder) / "x.mp4", width, height) as video:
            for picture, chunk in zip(pictures, chunks, strict=False):
                video.write(picture, chunk.playback)
        encode_ms = (time.perf_counter() - begun) * 1000 / len(pictures)
    return {
        "listen_ms": listen_ms,
        "draw_ms_p50": statistics.median(times),
        "draw_ms_p95": float(np.percentile(times, 95)),
        "encode_ms": encode_ms,
    }


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--seconds", type=float, default=20.0, help="length of the video")
    ask.add_argument("--rounds", type=int, default=3, help="rounds; the median is reported")
    ask.add_argument("--keep", action="store_true", help="write the record under benchmarks/results/")
    args = ask.parse_args()
    figures: dict[str, float | int | str] = {}
    with tempfile.TemporaryDirectory() as folder:
        audio = speech(args.seconds, Path(folder))
        library = AvatarLibrary(Path(folder) / "avatars")
        for side_px in (512, 1024):
            avatar = square_avatar(library, side_px)
            renderer = default_renderer()
            renderer.open(avatar, side_px)
            rounds = []
            for _ in range(args.rounds):
                done = render_file(
                    avatar,
                    audio,
                    Path(folder) / "out.mp4",
                    renderer=renderer,
                    listener=listener_maker()(1),
                    long_side_px=side_px,
                )
                rounds.append(done.fps)
            figures[f"fps_{side_px}"] = round(statistics.median(rounds), 1)
            figures[f"fps_{side_px}_least"] = round(min(rounds), 1)
            figures[f"size_{side_px}"] = f"{avatar.id} {done.width}x{done.height}"
            for key, value in stage_shares(avatar, side_px, audio).items():
                figures[f"{key}_{side_px}"] = round(value, 2)
    figures["frames"] = int(args.seconds * FRAME_RATE_HZ)
    report("render", figures, keep=args.keep)


if __name__ == "__main__":
    main()
