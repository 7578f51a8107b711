"""Softmax attention in the ways that a machine has, and the fastest of them for tensors of one shape, by measurement.

Queries, keys and values are float (B, heads, rows, channels); scores are not scaled: graphs of ours do that before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from visavis_models.engines.gpu.onnx_graph import Graph, Links, Node, prune

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
_ROUNDS = 5


def products(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Two products with a softmax between them."""
    return torch.softmax(q @ k.transpose(-1, -2), -1) @ v


def torchs_own(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Whatever torch thinks best."""
    return F.scaled_dot_product_attention(q, k, v, scale=1.0)


def flash(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The package flash-attn: 16 bits on a card, nothing else."""
    from flash_attn import flash_attn_func

    found: Tensor = flash_attn_func(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), softmax_scale=1.0)
    return found.transpose(1, 2)


def ways(q: Tensor) -> dict[str, Attention]:
    """Those that can be tried with such queries, by name."""
    found: dict[str, Attention] = {"products": products, "sdpa": torchs_own}
    if q.is_cuda and q.dtype in (torch.float16, torch.bfloat16) and find_spec("flash_attn") is not None:
        found["flash-attn"] = flash
    return found


@cache
def fastest(
    asked: tuple[int, ...], listened: tuple[int, ...], kind: torch.dtype, device: torch.device
) -> tuple[str, Attention]:
    """The name of the fastest way that works, and the way.

    Args:
        asked: shape of the queries.
        listened: shape of the keys and the values.
        kind: of number.
        device: where it is computed.
    """
    q, k, v = (torch.randn(shape, device=device).to(kind) for shape in (asked, listened, listened))
    found: dict[str, tuple[float, Attention]] = {}
    for name, way in ways(q).items():
        try:
            found[name] = _cost_s(way, q, k, v), way
        except (RuntimeError, ImportError, OSError):  # flash-attn is of another torch, or has no kernel for this card
            continue
    best = min(found, key=lambda name: found[name][0])
    return best, found[best][1]


def _cost_s(way: Attention, q: Tensor, k: Tensor, v: Tensor) -> float:
    def done() -> None:
        if q.is_cuda:
            torch.cuda.synchronize(q.device)

    with torch.inference_mode():
        way(q, k, v)
        costs = []
        for _ in range(_ROUNDS):
            done()
            begun_s = time.perf_counter()
            way(q, k, v)
            done()
            costs.append(time.perf_counter() - begun_s)
    return min(costs)


def attend(attributes: dict[str, Any], q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention as a node of a graph; its keys lie as (B, heads, channels, rows), ready for a product."""
    k = k.transpose(-1, -2)
    if q.is_meta or q.ndim != 4:
        return products(q, k, v)
    return fastest(tuple(q.shape), tuple(k.shape), q.dtype, q.device)[1](q, k, v)


def join_attentions(graph: Graph) -> Graph:
    """Make one node `Attention` (queries, keys, values) of each product, softmax over the last axis, and product."""
    links = Links(graph)
    joined: dict[int, Node] = {}
    for softmax in graph.nodes:
        if softmax.op != "Softmax" or softmax.attributes.get("axis", -1) != -1:
            continue
        scores = links.made_by(softmax.inputs[0], "MatMul")
        said = links.only_taker(softmax.outputs[0], "MatMul")
        if scores is None or said is None or said.inputs[0] != softmax.outputs[0]:
            continue
        if links.only_taker(scores.outputs[0], "Softmax") is softmax:
            joined[id(said)] = Node("Attention", [*scores.inputs, said.inputs[1]], said.outputs)
    return prune(
        Graph([joined.get(id(node), node) for node in graph.nodes], graph.constants, graph.inputs, graph.outputs)
    )
