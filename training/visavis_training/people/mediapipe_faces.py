"""Finds faces with MediaPipe itself. A program for MediaPipe's own environment: imports numpy and mediapipe only.

    MEDIAPIPE_ENVIRONMENT/bin/python mediapipe_faces.py PICTURES.npz... OUT.npy

Writes float32 (N, 478, 3) px for the pictures of all files in order; not a number where it finds no face.
"""

from __future__ import annotations

import sys
from importlib import import_module

import numpy as np


def main() -> None:
    """Command line."""
    *files, out = sys.argv[1:]
    rows: list[np.ndarray] = []
    mediapipe = import_module("mediapipe")
    options = {"static_image_mode": True, "refine_landmarks": True, "max_num_faces": 1}
    with mediapipe.solutions.face_mesh.FaceMesh(**options) as detector:
        for file in files:
            with np.load(file) as shard:
                pictures = shard["pictures"]
            for picture in pictures:
                height, width = picture.shape[:2]
                faces = detector.process(picture).multi_face_landmarks
                if faces:
                    found = faces[0].landmark
                    rows.append(np.array([[p.x * width, p.y * height, p.z * width] for p in found]))
                else:
                    rows.append(np.full((478, 3), np.nan))
    np.save(out, np.array(rows, np.float32))


if __name__ == "__main__":
    main()
