"""How like the renderer's pictures stay with fewer bits: 16, and 8 (int8 and fp8) for all networks or one of them.

    python benchmarks/engine_precision.py --folder EXPORTED [--size compact] [--steps 1] [--keep]

Needs torch and onnx, no card: numbers are rounded as such an engine rounds them (weights by output channel, what goes
into products by the largest number of the first window), products and sums stay exact. Windows are those that engines
are compared on, see `sample_windows`; an engine may be used from 40 dB on. JSON key: `rows`, by precision and networks
the dB of mouths and eyes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from record import report

from visavis_models.diffusion.engine_networks import PARTS, EngineNetworks, files_in
from visavis_models.diffusion.sizes import SIZES, RendererSize
from visavis_models.engine import Engine
from visavis_models.engines.gpu.device_engine import DeviceEngine
from visavis_models.engines.gpu.onnx_graph import Graph, Node, graph_of
from visavis_models.engines.gpu.program import program_of
from visavis_models.engines.gpu.torch_engine import open_torch
from visavis_training.renderer.sample_windows import likeness_db, sample_crops

_PRODUCTS = frozenset(("Conv", "ConvTranspose", "Gemm", "MatMul"))
_LARGEST = {"int8": 127.0, "fp8": 448.0}
_FLOAT8, _FLOAT32 = 17, 1
_FEW = 64
"""Products with fewer weights, or of two arrays of which none is a weight, stay as they are."""


class RoundedRunner:
    """See `device_engine.Runner`: a graph whose products take numbers of 8 bits."""

    name = "torch rounded"

    def __init__(self, graph: Graph, kind: str) -> None:
        self._graph, self._kind = graph, kind
        self._weights = {weight for node in self._products() if (weight := self._weight_of(node))}
        self._ranges: dict[str, float] = {}
        self._rounded: Graph | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """See `Runner`."""
        return tuple(self._graph.inputs)

    def ready(self, shapes: Mapping[str, tuple[int, ...]]) -> Any:
        """The first run of a network measures what goes into its products; later ones are rounded by that."""
        names, outputs = self.inputs, list(self._graph.outputs)
        asked = sorted({node.inputs[0] for node in self._products()} - set(names) - set(self._graph.constants))
        watched = Graph(self._graph.nodes, self._graph.constants, list(names), asked)
        programs: list[Any] = [program_of(watched, shapes, torch.device("cpu"))]

        def forward(given: Mapping[str, Any]) -> dict[str, Any]:
            values = [given[name] for name in names]
            if programs:
                found = dict(zip(asked, programs.pop()(*values), strict=True)) | dict(given)
                for name, tensor in found.items():
                    self._ranges[name] = max(self._ranges.get(name, 1e-6), float(tensor.abs().max()))
                rounded = program_of(self._with_rounding(), shapes, torch.device("cpu"))
                forward.program = rounded  # type: ignore[attr-defined]
            made = forward.program(*values)  # type: ignore[attr-defined]
            return dict(zip(outputs, made, strict=True))

        return forward

    def settled(self) -> None:
        """See `Runner`: nothing is kept."""

    def _products(self) -> list[Node]:
        return [node for node in self._graph.nodes if node.op in _PRODUCTS]

    def _weight_of(self, node: Node) -> str | None:
        name = node.inputs[1]
        array = self._graph.constants.get(name)
        return name if array is not None and array.ndim >= 2 and array.size >= _FEW else None

    def _with_rounding(self) -> Graph:
        constants, nodes = dict(self._graph.constants), list[Node]()
        for node in self._graph.nodes:
            weight = self._weight_of(node) if node.op in _PRODUCTS else None
            if weight is None:
                nodes.append(node)
                continue
            constants[f"{weight} rounded"] = self._rounded_weight(node, constants[weight])
            nodes += self._roundings(node.inputs[0], node.outputs[0], constants)
            nodes.append(Node(node.op, [f"{node.outputs[0]} in", f"{weight} rounded", *node.inputs[2:]], node.outputs,
                              node.attributes))  # fmt: skip
        return Graph(nodes, constants, self._graph.inputs, self._graph.outputs)

    def _rounded_weight(self, node: Node, weight: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        channel = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0 if node.attributes.get("transB") else 1}.get(node.op, -1)
        others = tuple(axis for axis in range(weight.ndim) if axis != channel % weight.ndim)
        scale = np.maximum(np.abs(weight).max(others, keepdims=True), 1e-8) / _LARGEST[self._kind]
        if self._kind == "int8":
            return np.asarray(np.round(weight / scale) * scale, np.float32)
        eighths = torch.from_numpy((weight / scale).astype(np.float32)).to(torch.float8_e4m3fn).float().numpy()
        return np.asarray(eighths * scale, np.float32)

    def _roundings(self, value: str, told: str, constants: dict[str, Any]) -> list[Node]:
        scale, most = np.float32(self._ranges[value] / _LARGEST[self._kind]), np.float32(_LARGEST[self._kind])
        constants |= {f"{told} {name}": np.array(x) for name, x in (("scale", scale), ("least", -most), ("most", most))}
        limits = [f"{told} even", f"{told} least", f"{told} most"]
        nodes = [Node("Div", [value, f"{told} scale"], [limits[0]]), Node("Clip", limits, [f"{told} cut"])]
        if self._kind == "int8":
            nodes.append(Node("Round", [f"{told} cut"], [f"{told} whole"]))
        else:
            nodes.append(Node("Cast", [f"{told} cut"], [f"{told} eight"], {"to": _FLOAT8}))
            nodes.append(Node("Cast", [f"{told} eight"], [f"{told} whole"], {"to": _FLOAT32}))
        return [*nodes, Node("Mul", [f"{told} whole", f"{told} scale"], [f"{told} in"])]


class MixedNetworks(EngineNetworks):
    """Networks of which some run with fewer bits."""

    def __init__(self, size: RendererSize, files: tuple[Path, ...], engines: dict[str, Engine]) -> None:
        super().__init__(size, files, "onnxruntime")
        self._engines |= engines


def folded(file: Path) -> Graph:
    """A graph whose weights are constants: they are stored in 16 bits and cast when it is opened."""
    graph = graph_of(onnx.load(str(file)))
    constants, left = dict(graph.constants), list[Node]()
    for node in graph.nodes:
        if node.op == "Cast" and node.inputs[0] in constants and node.attributes["to"] == _FLOAT32:
            constants[node.outputs[0]] = constants[node.inputs[0]].astype(np.float32)
        else:
            left.append(node)
    return Graph(left, constants, graph.inputs, graph.outputs)


def engine_of(file: Path, kind: str) -> Engine:
    """A network in a precision."""
    if kind == "fp16":
        return open_torch(file, "cpu", "fp16")
    return DeviceEngine(RoundedRunner(folded(file), kind), torch.device("cpu"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=tuple(SIZES), default="compact")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--kinds", default="fp16,fp8,int8")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    size = SIZES[args.size]
    files = files_in(args.folder, size)
    path_of = dict(zip(PARTS, files, strict=True))
    truth = sample_crops(EngineNetworks(size, files, "onnxruntime"), args.steps)
    rows: dict[str, dict[str, float]] = {}
    for kind in args.kinds.split(","):
        for parts in (PARTS, *((part,) for part in PARTS)):
            engines = {part: engine_of(path_of[part], kind) for part in parts}
            made = sample_crops(MixedNetworks(size, files, engines), args.steps)
            name = f"{kind} {'all' if parts == PARTS else parts[0]}"
            rows[name] = {region: round(db, 1) for region, db in likeness_db(made, truth).items()}
            print(f"{name:<16} {json.dumps(rows[name])}", flush=True)
    report("engine_precision", {"size": size.name, "steps": args.steps, "rows": rows}, keep=args.keep)


if __name__ == "__main__":
    main()
