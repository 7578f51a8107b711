"""What transparency costs: drawing the matte, laying the person beside it, encoding both, and the bits that they take.

    python benchmarks/matte.py [--avatars elena,astronaut,amara] [--long-side 512] [--seconds 4] [--renderer warp]

Times are of one CPU thread, whatever else the machine does. Bits are compared at the same quality (x264 at a constant
quantiser), since live encoders take the rate that they are given.

JSON keys, each after the avatar's id and an underscore: `draw_ms`, `draw_matte_ms`, `convert_ms`, `convert_beside_ms`,
`encode_ms`, `encode_beside_ms`, `kbps`, `kbps_beside` at quantiser 26, and `matte_error` (mean, of 255) after H.264 at
that quality.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from record import report

from visavis_models.chunk import FRAME_RATE_HZ
from visavis_models.matte import Matte
from visavis_models.motion import MotionWindow, join_windows
from visavis_models.portrait.library import AvatarLibrary
from visavis_models.rendering import MattingRenderer
from visavis_server.media import Published
from visavis_server.rtc.layouts import Layout, frames_of
from visavis_server.settings import DrawingSettings
from visavis_server.voice_file import VoiceFile
from visavis_server.wiring import default_renderer, listener_maker

SPEECH = Path(__file__).resolve().parents[1] / "tests" / "data" / "speech_en.flac"
QUANTISER = 26
ROUNDS = 6
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Encoded:
    """One layout of one performance."""

    convert_ms: float
    encode_ms: float
    kbps: float
    error: float
    """Mean error of the matte, of 255; 0 for the plain picture."""


def performance(seconds: float) -> MotionWindow:
    """What the listener makes of the test sentence."""
    listener = listener_maker()(1)
    windows = [window for chunk in VoiceFile(SPEECH).chunks() if (window := listener.push(chunk)) is not None]
    whole = join_windows(windows)
    return whole.rows(0, min(len(whole), round(seconds * FRAME_RATE_HZ)))


def quickest_ms(work: Callable[[], Made], frames: int) -> tuple[Made, float]:
    """What it makes, and the time of a frame in the quickest of some rounds: others were disturbed."""
    times = []
    for _ in range(ROUNDS):
        begun_s = time.thread_time()
        made = work()
        times.append((time.thread_time() - begun_s) * 1000 / frames)
    return made, min(times)


def encoded(items: list[Published], layout: Layout) -> Encoded:
    """Lay out and encode at a constant quality, and decode again."""
    maker = frames_of(layout)

    def convert() -> list[VideoFrame]:
        # A picture that repeats would be converted once: copies do not look like repeats.
        made = (maker.frame(item) for item in items)
        return [frame for frame in made if frame is not None]

    frames, convert_ms = quickest_ms(convert, len(items))
    codec = av.CodecContext.create("libx264", "w")
    assert isinstance(codec, VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
    codec.time_base, codec.framerate, codec.thread_count = Fraction(1, 90_000), Fraction(FRAME_RATE_HZ), 1
    codec.options = {"preset": "superfast", "tune": "zerolatency", "qp": str(QUANTISER), "profile": "baseline"}
    begun_s = time.thread_time()
    packets = [packet for frame in frames for packet in codec.encode(frame)]
    encode_ms = (time.thread_time() - begun_s) * 1000 / len(frames)
    moving = packets[1:]  # the first one is a whole picture
    kbps = sum(packet.size for packet in moving) * 8 * FRAME_RATE_HZ / len(moving) / 1000
    return Encoded(convert_ms, encode_ms, kbps, matte_error(packets, items) if layout == "side-by-side" else 0.0)


def matte_error(packets: list[Any], items: list[Published]) -> float:
    """Mean difference of the decoded matte, of 255."""
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoded = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    errors = []
    for frame, item in zip(decoded, items, strict=True):
        assert item.matte is not None
        luma = frame.to_ndarray()[: frame.height, frame.width // 2 :].astype(np.float32)
        errors.append(float(np.abs(np.clip((luma - 16) * 255 / 219, 0, 255) - item.matte.cover).mean()))
    return float(np.mean(errors))


def measure(
    renderer: MattingRenderer[Any], avatar_id: str, long_side_px: int, window: MotionWindow
) -> dict[str, float]:
    """All figures of one avatar."""
    with tempfile.TemporaryDirectory() as folder:
        avatar = AvatarLibrary(Path(folder)).get(avatar_id)
    plate = renderer.plate(renderer.open(avatar, long_side_px))
    cover = np.empty((len(window), *plate.shape[:2]), np.uint8)

    def draw(matte: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
        return renderer.render_with_mattes([renderer.open(avatar, long_side_px)], [window], [matte])[0]

    draw(None)
    _, draw_ms = quickest_ms(lambda: draw(None), len(window))
    pictures, draw_matte_ms = quickest_ms(lambda: draw(cover), len(window))
    silence = np.zeros(1920, np.int16)
    items = [Published(i, pictures[i], silence, False, 0, Matte(cover[i], plate)) for i in range(len(window))]
    plain, beside = encoded(items, "plain"), encoded(items, "side-by-side")
    return {
        "draw_ms": draw_ms,
        "draw_matte_ms": draw_matte_ms,
        "convert_ms": plain.convert_ms,
        "convert_beside_ms": beside.convert_ms,
        "encode_ms": plain.encode_ms,
        "encode_beside_ms": beside.encode_ms,
        "kbps": plain.kbps,
        "kbps_beside": beside.kbps,
        "matte_error": beside.error,
    }


def main() -> None:
    """Print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--avatars", default="elena,astronaut,amara")
    parser.add_argument("--long-side", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--renderer", default="warp", choices=("warp", "diffusion"))
    parser.add_argument("--keep", action="store_true", help="keep the record under benchmarks/results")
    wanted = parser.parse_args()
    renderer, window = default_renderer(DrawingSettings(wanted.renderer)), performance(wanted.seconds)
    assert isinstance(renderer, MattingRenderer)
    found = {name: measure(renderer, name, wanted.long_side, window) for name in wanted.avatars.split(",")}
    print(f"{'avatar':12}{'draw ms':>18}{'convert ms':>18}{'encode ms':>18}{'kbit/s':>18}{'matte error':>14}")
    for name, f in found.items():
        pairs = [
            f"{f[key]:.2f} → {f[beside]:.2f}"
            for key, beside in (
                ("draw_ms", "draw_matte_ms"),
                ("convert_ms", "convert_beside_ms"),
                ("encode_ms", "encode_beside_ms"),
            )
        ]
        bits = f"{f['kbps']:.0f} → {f['kbps_beside']:.0f}"
        print(f"{name:12}" + "".join(f"{pair:>18}" for pair in [*pairs, bits]) + f"{f['matte_error']:14.3f}")
    figures = {f"{name}_{key}": round(value, 3) for name, f in found.items() for key, value in f.items()}
    report("matte", {"renderer": renderer.name, "long_side_px": wanted.long_side, **figures}, keep=wanted.keep)


if __name__ == "__main__":
    main()
