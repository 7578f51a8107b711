"""Turns MediaPipe's Apache-2.0 networks (tflite, out of its wheel) into ONNX for OpenVINO and ONNX Runtime.

    python -m visavis_training.mediapipe_models FOLDER_OF_THE_UNPACKED_WHEEL

writes weights/portrait/*.onnx and prints their entries for weights/manifest.toml. Needs `onnx` and `tflite` from PyPI,
which the product does not. Constants keep the half precision in which the tflite files store them. The face mesh's
three custom operators become standard ONNX, and its six outputs are joined to the 478 points that MediaPipe documents.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import onnx

from visavis_training.mesh_refinement import join_face_mesh
from visavis_training.onnx_conversion import GraphConversion
from visavis_training.tflite_reading import read_tflite

_WEIGHTS = Path(__file__).resolve().parents[2] / "weights"
_MODULES = Path("mediapipe/modules")
_SOURCE = "PyPI mediapipe 0.10.21, {}; python -m visavis_training.mediapipe_models"


@dataclass(frozen=True, slots=True)
class NetworkRecipe:
    """One network: where it comes from and which of its outputs are kept."""

    name: str
    file: str
    """Inside the wheel's `mediapipe/modules`."""
    outputs: dict[str, str]
    """tflite name to ONNX name of the outputs to keep; others, and what only they need, are dropped."""


RECIPES = (
    NetworkRecipe(
        "face_detection_near",
        "face_detection/face_detection_short_range.tflite",
        {"regressors": "boxes", "classificators": "scores"},
    ),
    NetworkRecipe(
        "face_detection_far",
        "face_detection/face_detection_full_range_sparse.tflite",
        {"Identity": "boxes", "Identity_1": "scores"},
    ),
    NetworkRecipe(
        "face_mesh",
        "face_landmark/face_landmark_with_attention.tflite",
        {
            "output_mesh_identity": "mesh",
            "output_lips": "lips",
            "output_left_eye": "left_eye",
            "output_right_eye": "right_eye",
            "output_left_iris": "left_iris",
            "output_right_iris": "right_iris",
            "conv_faceflag": "score",
        },
    ),
    NetworkRecipe(
        "body_points",
        "pose_landmark/pose_landmark_full.tflite",
        {"Identity": "points", "Identity_1": "score", "Identity_2": "mask"},
    ),
    NetworkRecipe("person_mask", "selfie_segmentation/selfie_segmentation.tflite", {"activation_10": "mask"}),
)


def convert(recipe: NetworkRecipe, wheel: Path) -> onnx.ModelProto:
    """The network as a checked ONNX model with one input, `image`, float32 (1, H, W, 3)."""
    conversion = GraphConversion(read_tflite(wheel / _MODULES / recipe.file), recipe.outputs)
    conversion.run()
    if recipe.name == "face_mesh":
        join_face_mesh(conversion)
    return conversion.model()


def main() -> None:
    """Convert all networks."""
    wheel = Path(sys.argv[1])
    (_WEIGHTS / "portrait").mkdir(parents=True, exist_ok=True)
    for recipe in RECIPES:
        content = convert(recipe, wheel).SerializeToString(deterministic=True)
        file = f"portrait/{recipe.name}.onnx"
        (_WEIGHTS / file).write_bytes(content)
        print(f'\n[{recipe.name}]\nfile = "{file}"\nversion = "mediapipe-0.10.21"')
        print(f'source = "{_SOURCE.format(recipe.file)}"')
        print(f'sha256 = "{hashlib.sha256(content).hexdigest()}"\nbytes = {len(content)}\nlicence = "Apache-2.0"')


if __name__ == "__main__":
    main()
