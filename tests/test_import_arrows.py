"""Layers import one way only: server and trt_build use models; nothing in the product imports training."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {
    "models/visavis_models": {"visavis_models"},
    "server/visavis_server": {"visavis_server", "visavis_models"},
    "trt_build/visavis_trt": {"visavis_trt", "visavis_models"},
    "training/visavis_training": {"visavis_training", "visavis_models"},
}
HEAVY = {"torch", "onnx", "tensorrt", "flash_attn", "bpy"}
NETWORKS = (
    "models/visavis_models/diffusion/networks",
    "models/visavis_models/engines/gpu",
    "models/visavis_models/device",
    "server/visavis_server/provenance/device_finish.py",
)
"""Torch modules: imported by training, export, the engines of NVIDIA cards and what draws there, where asked for."""
BUILD_COMMAND = "server/visavis_server/cli_build.py"
"""The one part of the server that knows the builder of engines: the command `visavis build`."""


def allowed(folder: str, path: Path) -> set[str]:
    builds = path == ROOT / BUILD_COMMAND
    return ALLOWED[folder] | {"visavis_trt"} if builds else ALLOWED[folder]


def lies_apart(path: Path) -> bool:
    return any(folder in path.as_posix() for folder in NETWORKS)


def imported(path: Path, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative imports hide the layer"
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("folder", ALLOWED)
def test_every_layer_imports_only_what_lies_below_it(folder: str) -> None:
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    wrong = {
        str(path.relative_to(ROOT)): names
        for path in files
        if (names := {n for n in imported(path) if n.startswith("visavis_")} - allowed(folder, path))
    }
    assert not wrong


@pytest.mark.parametrize("folder", ["models/visavis_models", "server/visavis_server"])
def test_the_cpu_path_needs_no_heavy_package(folder: str) -> None:
    wrong = {
        str(path.relative_to(ROOT)): names
        for path in (ROOT / folder).rglob("*.py")
        if not lies_apart(path) and (names := imported(path, top_level_only=True) & HEAVY)
    }
    assert not wrong


def test_nothing_in_the_product_imports_torch_modules_unasked() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for folder in ("models/visavis_models", "server/visavis_server")
        for path in (ROOT / folder).rglob("*.py")
        if not lies_apart(path)
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith(("visavis_models.diffusion.networks", "visavis_models.engines.gpu"))
    ]
    assert not wrong
