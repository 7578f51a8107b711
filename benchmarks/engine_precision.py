"""How like the renderer's pictures stay with fewer bits: 16, and 8 (int8 and fp8) for all networks or one of them.

    python benchmarks/engine_precision.py --folder EXPORTED [--size compact] [--steps 1] [--keep]

Needs torch and onnx, no card: numbers are rounded as such an engine rounds them (weights by output channel, what goes
into products by the largest number in windows of two other people), products and sums stay exact. Windows are those
that engines are compared on, see `sample_windows`; an engine may be used from 40 dB on. JSON key: `rows`, by precision
and networks the dB of mouths and eyes.
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
_MEASURED, _JUDGED = ("maya", "samuel"), "priya"
_FEW = 64
"""Products with fewer weights, or of two arrays of which none is a weight, stay as they are."""


class RoundedRunner:
    """See `device_engine.Runner`: a graph whose products take numbers of 8 bits."""

    name = "torch rounded"

    def __init__(self, graph: Graph, kind: str) -> None:
        self._graph, self._kind = graph, kind
        self._ranges: dict[str, float] = {}
        self.measures = True
        """Whether runs measure what goes into products; else they are rounded by that."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """See `Runner`."""
        return tuple(self._graph.inputs)

    def ready(self, shapes: Mapping[str, tuple[int, ...]]) -> Any:
        """See `Runner`."""
        graph, names, outputs = self._graph, self.inputs, list(self._graph.outputs)
        asked: list[str] = []
        if self.measures:
            into = {node.inputs[0] for node in graph.nodes if self._weight_of(node) is not None}
            asked = sorted(into - set(names))
            graph = Graph(graph.nodes, graph.constants, list(names), [*outputs, *asked])
        else:
            graph = self._with_rounding()
        program: Any = program_of(graph, shapes, torch.device("cpu"))

        def forward(given: Mapping[str, Any]) -> dict[str, Any]:
            found = program(*(given[name] for name in names))
            watched = zip(asked, found[len(outputs) :], strict=True)
            for name, tensor in (*watched, *given.items()):
                if self.measures:
                    self._ranges[name] = max(self._ranges.get(name, 1e-6), float(tensor.abs().max()))
            return dict(zip(outputs, found, strict=False))

        return forward

    def settled(self) -> None:
        """See `Runner`: nothing is kept."""

    def _weight_of(self, node: Node) -> str | None:
        if node.op not in _PRODUCTS:
            return None
        array = self._graph.constants.get(node.inputs[1])
        return node.inputs[1] if array is not None and array.ndim >= 2 and array.size >= _FEW else None

    def _with_rounding(self) -> Graph:
        constants, nodes = dict(self._graph.constants), list[Node]()
        for node in self._graph.nodes:
            weight = self._weight_of(node)
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


def crops_of(size: RendererSize, files: tuple[Path, ...], kind: str, parts: tuple[str, ...], steps: int) -> Any:
    """See `sample_crops`; with some of the networks in a precision."""
    path_of = dict(zip(PARTS, files, strict=True))
    if kind == "fp16":
        engines: dict[str, Engine] = {part: open_torch(path_of[part], "cpu", "fp16") for part in parts}
    else:
        runners = {part: RoundedRunner(folded(path_of[part]), kind) for part in parts}
        for measures in (True, False):
            engines = {part: DeviceEngine(runner, torch.device("cpu")) for part, runner in runners.items()}
            for runner in runners.values():
                runner.measures = measures
            if measures:
                for avatar in _MEASURED:
                    sample_crops(MixedNetworks(size, files, engines), steps, avatar=avatar)
    return sample_crops(MixedNetworks(size, files, engines), steps, avatar=_JUDGED)


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
    truth = sample_crops(EngineNetworks(size, files, "onnxruntime"), args.steps, avatar=_JUDGED)
    rows: dict[str, dict[str, float]] = {}
    for kind in args.kinds.split(","):
        for parts in (PARTS, *((part,) for part in PARTS)):
            made = crops_of(size, files, kind, parts, args.steps)
            name = f"{kind} {'all' if parts == PARTS else parts[0]}"
            rows[name] = {region: round(db, 1) for region, db in likeness_db(made, truth).items()}
            print(f"{name:<16} {json.dumps(rows[name])}", flush=True)
    report("engine_precision", {"size": size.name, "steps": args.steps, "rows": rows}, keep=args.keep)


if __name__ == "__main__":
    main()
