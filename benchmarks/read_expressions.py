"""How well expressions can be read off what the renderer shows: curves in, curves out; a table and a line of JSON.

    python benchmarks/read_expressions.py [--avatars maya jun ...] [--size 512] [--keep]

Each unit, or both sides of one, rises and falls in turn; the head turns and travels a little meanwhile. The pictures
are read as a stranger's video would be: without the portrait, without the motion. `correlation` is of the curves over
the whole clip, `height` the mean read at full strength, `leak` the mean read while other units move.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from record import report

from visavis_models.arkit import ARKIT, ARKIT_NAMES
from visavis_models.face.motion_of_pictures import motion_of_pictures
from visavis_models.motion import HEAD_NAMES, MotionWindow, rest_motion
from visavis_models.portrait.storage import load_avatar
from visavis_models.warp import WarpRenderer
from visavis_models.weights import weights_folder

UNITS: tuple[tuple[str, ...], ...] = (
    ("jawOpen",), ("mouthFunnel",), ("mouthPucker",), ("mouthSmileLeft", "mouthSmileRight"),
    ("mouthFrownLeft", "mouthFrownRight"), ("mouthStretchLeft", "mouthStretchRight"),
    ("mouthUpperUpLeft", "mouthUpperUpRight"), ("mouthLowerDownLeft", "mouthLowerDownRight"),
    ("mouthRollLower", "mouthRollUpper"), ("mouthPressLeft", "mouthPressRight"), ("mouthShrugLower",), ("mouthLeft",),
    ("mouthRight",), ("jawLeft",), ("jawRight",), ("eyeBlinkLeft", "eyeBlinkRight"), ("eyeBlinkLeft",),
    ("eyeSquintLeft", "eyeSquintRight"), ("eyeWideLeft", "eyeWideRight"), ("browInnerUp",),
    ("browDownLeft", "browDownRight"), ("browOuterUpLeft", "browOuterUpRight"), ("noseSneerLeft", "noseSneerRight"),
    ("cheekSquintLeft", "cheekSquintRight"), ("cheekPuff",), ("eyeLookUpLeft", "eyeLookUpRight"),
    ("eyeLookDownLeft", "eyeLookDownRight"), ("eyeLookOutLeft", "eyeLookInRight"), ("eyeLookInLeft", "eyeLookOutRight"),
)  # fmt: skip
_RISE = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0], np.float32)
_REST_FRAMES = 12


def sent_motion() -> MotionWindow:
    """Every unit in turn, with rest before it all, and a head that moves slowly."""
    frames = _REST_FRAMES + len(UNITS) * len(_RISE)
    motion = rest_motion(frames)
    for k, names in enumerate(UNITS):
        rows = slice(_REST_FRAMES + k * len(_RISE), _REST_FRAMES + (k + 1) * len(_RISE))
        for name in names:
            motion.face[rows, ARKIT[name]] = _RISE * (0.6 if name == "jawOpen" else 1.0)
    seconds = np.arange(frames) / 25
    motion.head[:, HEAD_NAMES.index("yaw")] = 0.10 * np.sin(2 * np.pi * seconds / 5.3)
    motion.head[:, HEAD_NAMES.index("pitch")] = 0.06 * np.sin(2 * np.pi * seconds / 3.7)
    motion.head[:, HEAD_NAMES.index("x")] = 0.05 * np.sin(2 * np.pi * seconds / 6.1)
    return motion


def read_back(avatar: str, size_px: int) -> tuple[MotionWindow, MotionWindow]:
    """Sent and read motion of one of the avatars that ship."""
    renderer = WarpRenderer()
    state = renderer.open(load_avatar(weights_folder() / "gallery" / avatar), size_px)
    sent = sent_motion()
    pictures = (
        picture
        for start in range(0, len(sent), 8)
        for picture in renderer.render([state], [sent.rows(start, min(start + 8, len(sent)))])[0]
    )
    return sent, motion_of_pictures(pictures).window


def figures(sent: NDArray[np.float32], read: NDArray[np.float32]) -> dict[str, list[float]]:
    """Of curves (T, 52): by unit correlation, height, leak; only units that were sent."""
    found = {}
    for k, name in enumerate(ARKIT_NAMES):
        if sent[:, k].any():
            full = sent[:, k] >= 0.99 * sent[:, k].max()
            together = np.corrcoef(sent[:, k], read[:, k])[0, 1]
            values = (together, read[full, k].mean(), read[sent[:, k] == 0, k].mean())
            found[name] = [round(float(value), 3) for value in values]
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--avatars", nargs="+", default=["maya", "samuel", "jun", "elena", "astronaut"])
    parser.add_argument("--size", type=int, default=512, help="long side of the pictures, px")
    parser.add_argument("--keep", action="store_true", help="write the figures under results/")
    asked = parser.parse_args()
    pairs = [read_back(name, asked.size) for name in asked.avatars]
    sent, read = (np.concatenate([pair[k].face for pair in pairs]) for k in (0, 1))
    found = figures(sent, read)
    print(f"{'unit':<22}{'correlation':>12}{'height':>8}{'leak':>8}")
    for name, values in found.items():
        print(f"{name:<22}{values[0]:>12.3f}{values[1]:>8.3f}{values[2]:>8.3f}")
    heads = [np.concatenate([pair[k].head for pair in pairs]) for k in (0, 1)]
    head = {n: round(float(np.corrcoef(heads[0][:, i], heads[1][:, i])[0, 1]), 3) for i, n in enumerate(HEAD_NAMES[:4])
            if heads[0][:, i].any()}  # fmt: skip
    print(f"head: {head}")
    middle = round(float(np.median([values[0] for values in found.values()])), 3)
    figures_kept = {"avatars": " ".join(asked.avatars), "size_px": asked.size, "median_correlation": middle}
    report("read_expressions", figures_kept | {"head_correlation": head, "units": found}, keep=asked.keep)


if __name__ == "__main__":
    main()
