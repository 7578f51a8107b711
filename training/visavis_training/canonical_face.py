"""Takes MediaPipe's canonical face (Apache-2.0) out of its repository: the mean face, its triangles and texture map.

    python -m visavis_training.canonical_face canonical_face_model.obj geometry_pipeline_metadata_landmarks.pbtxt

Both files lie in mediapipe/modules/face_geometry/data of github.com/google-ai-edge/mediapipe. Writes
weights/portrait/canonical_face.safetensors and prints its entry for weights/manifest.toml.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

_WEIGHTS = Path(__file__).resolve().parents[2] / "weights"


def read_canonical_face(obj: str, metadata: str) -> dict[str, NDArray[np.float32] | NDArray[np.int32]]:
    """The arrays of the file.

    Returns:
        vertices_cm float32 (468, 3): x to the picture's right, y down, z away from the viewer (the axes of the canvas);
        texture float32 (468, 2): 0..1, y up; triangles int32 (898, 3); rigid_weights float32 (468,): how much each
        landmark counts when a head is fitted, 0 for most.
    """
    vertices, texture, triangles = [], [], []
    corner_to_vertex: dict[int, int] = {}
    for line in obj.splitlines():
        kind, *words = line.split() or [""]
        if kind == "v":
            vertices.append([float(word) for word in words])
        elif kind == "vt":
            texture.append([float(word) for word in words[:2]])
        elif kind == "f":
            corners = [tuple(int(number) - 1 for number in word.split("/")[:2]) for word in words]
            triangles.append([vertex for vertex, _ in corners])
            corner_to_vertex.update({vertex: place for vertex, place in corners})
    weights = np.zeros(len(vertices), np.float32)
    for index, weight in re.findall(r"landmark_id:\s*(\d+)\s*weight:\s*([\d.e-]+)", metadata):
        weights[int(index)] = float(weight)
    return {
        "vertices_cm": np.array(vertices, np.float32) * np.array([1, -1, -1], np.float32),
        "texture": np.array([texture[corner_to_vertex[vertex]] for vertex in range(len(vertices))], np.float32),
        "triangles": np.array(triangles, np.int32),
        "rigid_weights": weights,
    }


def main() -> None:
    """Write the file."""
    obj, metadata = (Path(argument).read_text("utf-8") for argument in sys.argv[1:3])
    content = save(dict(read_canonical_face(obj, metadata)))
    file = "portrait/canonical_face.safetensors"
    (_WEIGHTS / file).write_bytes(content)
    print(f'\n[canonical_face]\nfile = "{file}"\nversion = "mediapipe-2020"')
    print(
        'source = "github.com/google-ai-edge/mediapipe, face_geometry/data; python -m visavis_training.canonical_face"'
    )
    print(f'sha256 = "{hashlib.sha256(content).hexdigest()}"\nbytes = {len(content)}\nlicence = "Apache-2.0"')


if __name__ == "__main__":
    main()
