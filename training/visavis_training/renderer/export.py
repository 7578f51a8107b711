"""Writes the trained renderer as the four ONNX graphs that ship: weights in 16 bits, computed in 32.

    python -m visavis_training.renderer.export --weights OUT/stream.safetensors --out FOLDER [--version 1]

Writes FOLDER/renderer_SIZE_PART.onnx and prints their entries of the manifest. Avatars, frames and the crop's size are
free dimensions. Fails if an engine's picture of a window drawn from a portrait that ships is not the networks' own.
"""

from __future__ import annotations

import argparse
import hashlib
import warnings
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from visavis_models.diffusion.engine_networks import PARTS, EngineNetworks
from visavis_models.diffusion.graph_shapes import Graph, axis_lengths, graphs_of, shapes
from visavis_models.diffusion.networks.graphs import graph_modules
from visavis_models.diffusion.networks.renderer_networks import RendererNetworks
from visavis_models.diffusion.networks.torch_networks import TorchNetworks
from visavis_models.diffusion.sizes import SIZES
from visavis_models.engines import ENGINE_KINDS
from visavis_training.onnx_halves import halve_weights
from visavis_training.renderer.sample_windows import likeness_db, sample_crops

LEAST_PSNR_DB = 40.0
"""Between an engine's picture of a window and torch's."""


def read_networks(weights: Path) -> tuple[RendererNetworks, dict[str, str]]:
    """Networks as `train` saved them, and what it says of them.

    Raises:
        RuntimeError: the weights are not those of the size that they name.
    """
    with safe_open(weights, "pt") as opened:
        told = dict(opened.metadata() or {})
    networks = RendererNetworks(SIZES[told["size"]])
    networks.load_state_dict({name: value.float() for name, value in load_file(weights).items()}, strict=True)
    return networks.eval(), told


def export_graph(module: nn.Module, graph: Graph, lengths: dict[str, int], file: Path) -> None:
    """Write one graph with its free dimensions, then its weights in half precision.

    Args:
        module: whose `forward` takes the graph's inputs in their order.
        graph: names and axes.
        lengths: of the axes while it is traced; any that belong together.
        file: to write.
    """
    given = tuple(torch.rand(shape) for shape in shapes(graph.inputs, lengths).values())
    free = {
        name: {place: axis.replace("/", "_") for place, axis in enumerate(axes) if isinstance(axis, str)}
        for name, axes in (*graph.inputs.items(), *graph.outputs.items())
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), given, str(file), input_names=list(graph.inputs), output_names=list(graph.outputs),
            dynamic_axes=free, opset_version=17, dynamo=False,
        )  # fmt: skip
    halve_weights(file)


def export(networks: RendererNetworks, folder: Path) -> dict[str, Path]:
    """Write all graphs of the networks; files by the graphs' names."""
    size, files = networks.size, dict[str, Path]()
    folder.mkdir(parents=True, exist_ok=True)
    graphs = graphs_of(size)
    # Numbers that differ from one another, so that no axis is taken for another or for one that is always one.
    lengths = axis_lengths(size, size.mouth_px, avatars=2, new_frames=3, shown_frames=4)
    for name, module in graph_modules(networks).items():
        files[name] = folder / f"renderer_{size.name}_{name}.onnx"
        export_graph(module, graphs[name], lengths, files[name])
    return files


def agreement_db(networks: RendererNetworks, files: dict[str, Path], steps: int = 1) -> dict[str, dict[str, float]]:
    """How like torch's pictures each engine's are, in dB by engine and region; see `sample_windows`."""
    wanted = sample_crops(TorchNetworks(networks), steps)
    paths = tuple(files[part] for part in PARTS)
    return {
        kind: likeness_db(sample_crops(EngineNetworks(networks.size, paths, kind), steps), wanted)
        for kind in ENGINE_KINDS
    }


def manifest_entry(name: str, file: Path, version: str, source: str) -> str:
    """What `weights/manifest.toml` says of a file."""
    content = file.read_bytes()
    return (
        f'[{name}]\nfile = "{file.name}"\nversion = "{version}"\nsource = "{source}"\n'
        f'sha256 = "{hashlib.sha256(content).hexdigest()}"\nbytes = {len(content)}\nlicence = "Apache-2.0"\n'
    )


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--version", default="1")
    args = parser.parse_args()
    networks, told = read_networks(args.weights)
    files = export(networks, args.out)
    poorest = LEAST_PSNR_DB
    for steps in (1, 4):
        for kind, regions in agreement_db(networks, files, steps).items():
            told_db = ", ".join(f"{region} {db:.1f} dB" for region, db in regions.items())
            print(f"{kind} against torch, {steps} steps: {told_db}")
            poorest = min(poorest, *regions.values())
    if poorest < LEAST_PSNR_DB:
        raise SystemExit(f"an engine's pictures are not the networks' own: less than {LEAST_PSNR_DB:.0f} dB")
    source = f"python -m visavis_training.renderer.export of stage {told['stage']}, {told['steps']} steps"
    for part, file in files.items():
        print(manifest_entry(f"renderer_{networks.size.name}_{part}", file, args.version, source))


if __name__ == "__main__":
    main()
