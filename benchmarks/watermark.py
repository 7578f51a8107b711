"""Finds the watermark after calls, looks for it where it is not, and measures what it costs.

    python benchmarks/watermark.py [--seconds 10] [--unmarked 10000] [--keep]

Every avatar that ships speaks. Marked clips: its pictures, marked, sent by the server's own H.264 and VP8 at 500
kbit/s, decoded, and handled in several ways; 4 s clips that begin half a second apart (so they overlap). Unmarked
clips: the same pictures without the mark, plain and coded, and photos seen through a moving window; each clip another
place, size, time and side of one of them, every tenth frame of 4 s.

JSON keys: detected (share, H.264 and VP8 at 500 kbit/s and 75 %), detected_by_handling, clips, unmarked, false_alarms,
highest_unmarked, threshold, false_alarm_bound (from a Gumbel fit to the unmarked scores), psnr_db (worst frame),
mark_ms_512, mark_ms_1024, share_of_drawing.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from record import report
from scipy import stats
from watermark_clips import CLIP_FRAMES, HANDLINGS, Luma, coded, luma, photos, somewhere, speaking

from visavis_models.chunk import FRAME_RATE_HZ
from visavis_server.provenance.watermark import marked
from visavis_server.provenance.watermark_detection import THRESHOLD, Evidence

BPS = 500_000
REQUIRED = "75 %"
_EVERY = 10
_PART = 100
_SOURCES: list[Luma] = []
"""Of unmarked clips; another process has them by being forked."""
_CLIP_STEP = FRAME_RATE_HZ // 2


def score(frames: list[Luma]) -> float:
    evidence = Evidence()
    for frame in frames:
        evidence.add(np.ascontiguousarray(frame))
    return evidence.finding().score


def psnr_db(pictures: NDArray[np.uint8], others: NDArray[np.uint8]) -> float:
    """Of the worst picture."""
    errors = [np.mean((a.astype(np.float32) - b) ** 2) for a, b in zip(pictures, others, strict=True)]
    return float(10 * np.log10(255**2 / max(errors)))


def mark_ms(picture: NDArray[np.uint8], side_px: int) -> float:
    """Milliseconds a frame, the quickest of ten tries."""
    frames = np.stack([np.asarray(cv2.resize(picture, (side_px, side_px)), np.uint8)] * 8)
    marked(frames)
    took = []
    for _ in range(10):
        begun_s = time.perf_counter()
        marked(frames)
        took.append((time.perf_counter() - begun_s) * 1000 / len(frames))
    return min(took)


def false_alarm_bound(scores: list[float]) -> float:
    """How often an unmarked clip would reach the threshold, if scores go on as they do up to the highest seen."""
    place, spread = stats.gumbel_r.fit(scores)
    return float(stats.gumbel_r.sf(THRESHOLD, place, spread))


def unmarked_scores(first: int, count: int) -> list[float]:
    """Scores of the clips with these numbers: each is drawn by a seed of its own."""
    cv2.setNumThreads(1)
    scores = []
    for number in range(first, first + count):
        clip = somewhere(_SOURCES[number % len(_SOURCES)], np.random.default_rng([20261123, number]), _EVERY)
        scores.append(score(clip))
    return scores


def marked_scores(name: str, with_mark: NDArray[np.uint8], found: dict[str, list[float]]) -> None:
    """Adds the scores of one avatar's clips by codec and handling."""
    for codec in ("H264", "VP8"):
        seen, kbps = coded(with_mark, codec, BPS)
        frames = [luma(picture) for picture in seen]
        for way, handle in HANDLINGS.items():
            starts = range(0, len(frames) - CLIP_FRAMES + 1, _CLIP_STEP if way == REQUIRED else CLIP_FRAMES)
            here = [score(handle(frames[start : start + CLIP_FRAMES])) for start in starts]
            found.setdefault(f"{codec}, {way}", []).extend(here)
            told = f"{name:<10} {codec:<4} {kbps:4.0f} kbit/s  {way:<20} {min(here):5.1f} to {max(here):5.1f}"
            print(told, flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=10.0)
    options.add_argument("--unmarked", type=int, default=10_000)
    options.add_argument("--keep", action="store_true")
    chosen = options.parse_args()
    cv2.setNumThreads(1)
    shown: dict[str, NDArray[np.uint8]] = {}
    _SOURCES.extend(grey[None] for _, grey in photos())
    drawing_ms = []
    begun_s = time.perf_counter()
    for name, pictures in speaking(chosen.seconds, 512):
        drawing_ms.append((time.perf_counter() - begun_s) * 1000 / len(pictures))
        shown[name] = pictures
        begun_s = time.perf_counter()
    cost_ms = {side: mark_ms(shown["samuel"][0], side) for side in (512, 1024)}
    for pictures in shown.values():
        plain, _ = coded(pictures, "H264", BPS)
        _SOURCES.extend(np.stack([luma(picture) for picture in frames]) for frames in (pictures, plain))
    found: dict[str, list[float]] = {}
    unmarked: list[float] = []
    worst_db = 99.0
    with ProcessPoolExecutor(2, get_context("fork")) as other:
        parts = [
            other.submit(unmarked_scores, first, min(_PART, chosen.unmarked - first))
            for first in range(0, chosen.unmarked, _PART)
        ]
        for name, pictures in shown.items():
            with_mark = marked(pictures)
            worst_db = min(worst_db, psnr_db(pictures, with_mark))
            marked_scores(name, with_mark, found)
        for part in as_completed(parts):
            unmarked += part.result()
            print(f"{len(unmarked)} unmarked clips, highest {max(unmarked):.2f}", flush=True)
    print("\nunmarked: " + ", ".join(f"{q} %: {np.percentile(unmarked, q):.2f}" for q in (1, 50, 99, 99.9, 100)))
    shares = {way: float(np.mean(np.array(scores) >= THRESHOLD)) for way, scores in found.items()}
    required = [score for way, scores in found.items() if way.endswith(REQUIRED) for score in scores]
    figures: dict[str, Any] = {
        "detected": float(np.mean(np.array(required) >= THRESHOLD)),
        "lowest_detected": min(required),
        "clips": len(required),
        "threshold": THRESHOLD,
        "unmarked": len(unmarked),
        "false_alarms": int(np.sum(np.array(unmarked) >= THRESHOLD)),
        "highest_unmarked": max(unmarked, default=0.0),
        "false_alarm_bound": false_alarm_bound(unmarked) if unmarked else None,
        "psnr_db": worst_db,
        "mark_ms_512": cost_ms[512],
        "mark_ms_1024": cost_ms[1024],
        "share_of_drawing": cost_ms[512] / float(np.median(drawing_ms)),
        "detected_by_handling": shares,
        "lowest_by_handling": {way: round(min(scores), 2) for way, scores in found.items()},
        "unmarked_sources": len(_SOURCES),
    }
    report("watermark", figures, keep=chosen.keep)


if __name__ == "__main__":
    main()
