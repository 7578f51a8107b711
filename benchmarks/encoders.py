"""Which encoder, how fast, how big the picture: what each costs and how it looks at the rates that links carry.

    python benchmarks/encoders.py [--seconds 8] [--keep]

A person who ships speaks the test sentence (`warp`, 512 px); what was drawn is encoded at 25 frames per second on one
thread by our own encoders. Quality is SSIM of luma at full size, worst tenth of the pictures after the first second.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from aiortc.codecs import depayload
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from numpy.typing import NDArray
from record import report
from render import SPEECH
from skimage.metrics import structural_similarity

from visavis_models.portrait.library import AvatarLibrary
from visavis_server.media import Published
from visavis_server.rtc import encoders
from visavis_server.rtc.encoders import H264Encoder, PictureEncoder, Vp8Encoder
from visavis_server.rtc.tracks import FrameMaker
from visavis_server.voice_file import VoiceFile
from visavis_server.wiring import default_renderer, listener_maker

RATES_KBPS = (40, 60, 80, 120, 200, 300, 600, 1200)
SCALES = (1.0, 0.75, 0.5)


def spoken(seconds: float) -> list[NDArray[np.uint8]]:
    """What `warp` draws of Elena saying the test sentence: uint8 (H, W, 3) RGB pictures."""
    renderer, listener = default_renderer(), listener_maker()(1)
    with tempfile.TemporaryDirectory() as folder:
        state = renderer.open(AvatarLibrary(Path(folder)).get("elena"), 512)
    shown: list[NDArray[np.uint8]] = []

    def chunks() -> Iterator[Any]:
        while True:
            yield from VoiceFile(SPEECH).chunks()

    for chunk in chunks():
        window = listener.push(chunk)
        if window is not None:
            shown += list(renderer.render([state], [window])[0])
        if len(shown) >= 25 * seconds:
            return shown
    return shown


def measure(
    make: Callable[[], PictureEncoder], pictures: list[NDArray[np.uint8]], bps: int, scale: float
) -> dict[str, float]:
    """One encoder at one rate and size."""
    encoder, maker = make(), FrameMaker()
    decoder: Any = av.CodecContext.create("h264" if encoder.name == "H264" else "vp8", "r")
    codec = RTCRtpCodecParameters(mimeType=f"video/{encoder.name}", clockRate=90000, payloadType=97)
    height, width = pictures[0].shape[:2]
    small = (round(width * scale) & ~1, round(height * scale) & ~1)
    costs_ms, sizes, likeness = [], [], []
    for index, picture in enumerate(pictures):
        fitted = picture if scale == 1.0 else cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        frame = maker.frame(Published(index, np.asarray(fitted, np.uint8), np.zeros(1920, np.int16), False, 0))
        begun_s = time.thread_time()
        payloads = encoder.encode(frame, bps, keyframe=False)
        costs_ms.append(1000 * (time.thread_time() - begun_s))
        sizes.append(sum(map(len, payloads)))
        data = b"".join(depayload(codec, payload) for payload in payloads)
        for decoded in decoder.decode(av.Packet(data)) if data else []:
            if index >= 25 and index % 3 == 0:
                luma = decoded.to_ndarray(format="gray8")
                luma = cv2.resize(luma, (width, height), interpolation=cv2.INTER_LINEAR)
                truth = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV)[:, :, 0].astype(np.float32) * (219 / 255) + 16
                seen = luma.astype(np.float32)
                likeness.append(structural_similarity(truth, seen, data_range=219.0))  # type: ignore[no-untyped-call]
    return {
        "ms": round(float(np.mean(costs_ms)), 2),
        "ms_p95": round(float(np.percentile(costs_ms, 95)), 2),
        "kbps": round(8 * sum(sizes[25:]) / 1000 / ((len(pictures) - 25) / 25)),
        "first_kb": round(sizes[0] / 1000, 1),
        "ssim_p10": round(float(np.percentile(likeness, 10)), 4),
    }


def main() -> None:
    """Measure and print."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--seconds", type=float, default=8.0)
    ask.add_argument("--keep", action="store_true", help="write the record under benchmarks/results/")
    wanted = ask.parse_args()
    pictures = spoken(wanted.seconds)
    kinds: dict[str, Callable[[], PictureEncoder]] = {
        "x264 ultrafast": lambda: H264Encoder("ultrafast"),
        "x264 superfast": lambda: H264Encoder("superfast"),
        "x264 veryfast": lambda: H264Encoder("veryfast"),
        "VP8 realtime -6": Vp8Encoder,
    }
    rows = []
    print(f"{'encoder':<18}{'kbit/s':>7}{'scale':>7}{'ms':>8}{'p95':>7}{'got':>7}{'first kB':>10}{'SSIM p10':>10}")
    for name, make in kinds.items():
        for kbps in RATES_KBPS:
            for scale in SCALES if name.endswith(("superfast", "-6")) else (1.0,):
                got = measure(make, pictures, 1000 * kbps, scale)
                rows.append({"encoder": name, "asked_kbps": kbps, "scale": scale, **got})
                shown = (kbps, scale, *got.values())
                print(f"{name:<18}" + "".join(f"{v:>{w}}" for v, w in zip(shown, (7, 7, 8, 7, 7, 10, 10), strict=True)))
    nvenc = encoders.hardware_opens()
    report("encoders", {"size_px": pictures[0].shape[0], "nvenc": nvenc, "rows": rows}, keep=wanted.keep)


if __name__ == "__main__":
    main()
