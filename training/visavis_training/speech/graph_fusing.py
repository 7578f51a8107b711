"""Joins nodes of a float graph that a GPU does faster as one: products of one input, normalisations, periodic units.

A GPU spends most of a small network's time on starting kernels, so fewer nodes is faster. Works on names alone.
"""

from __future__ import annotations

import numpy as np

from visavis_models.engines.gpu.onnx_graph import Graph, Links, Node, prune


def fuse(graph: Graph) -> Graph:
    """The same graph with fewer, larger nodes.

    New kinds of node: `Linears` (x, weight, bias; attribute `sizes`: how the last axis is cut into the outputs),
    `Standardise` (x[, gain, offset]; `axes`, `epsilon`), `Snake` (x, alpha, inverse): x + inverse * sin(alpha x)², and
    `Angle` (y, x), the angle of a complex number.
    """
    return _join_products(_join_angles(_join_snakes(_join_normalisations(graph))))


def _join_products(graph: Graph) -> Graph:
    by_input: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if node.op == "Linear":
            by_input.setdefault(node.inputs[0], []).append(node)
    constants = dict(graph.constants)
    joined: dict[int, Node] = {}
    gone: set[int] = set()
    for value, nodes in by_input.items():
        if len(nodes) < 2:
            continue
        weights = [constants[node.inputs[1]] for node in nodes]
        biases = [
            constants[n.inputs[2]] if len(n.inputs) > 2 else np.zeros(w.shape[1], np.float32)
            for n, w in zip(nodes, weights, strict=True)
        ]
        name = f"{nodes[0].outputs[0]} joined"
        constants[f"{name} weight"], constants[f"{name} bias"] = np.concatenate(weights, 1), np.concatenate(biases)
        sizes = [weight.shape[1] for weight in weights]
        outputs = [node.outputs[0] for node in nodes]
        joined[id(nodes[0])] = Node("Linears", [value, f"{name} weight", f"{name} bias"], outputs, {"sizes": sizes})
        gone.update(id(node) for node in nodes[1:])
    kept = [joined.get(id(node), node) for node in graph.nodes if id(node) not in gone]
    return prune(Graph(kept, constants, graph.inputs, graph.outputs))


def _join_normalisations(graph: Graph) -> Graph:
    links = Links(graph)
    joined: dict[int, Node] = {}
    for mean in graph.nodes:
        if mean.op != "ReduceMean" or len(mean.inputs) < 2:
            continue
        value = mean.inputs[0]
        axes = links.constant(mean.inputs[1])
        centred = links.only_taker(mean.outputs[0], "Sub")
        if axes is None or centred is None or centred.inputs != [value, mean.outputs[0]]:
            continue
        difference = centred.outputs[0]
        takers = links.takers.get(difference, [])
        squared = next((n for n in takers if n.op == "Mul" and n.inputs == [difference, difference]), None)
        divided = next((n for n in takers if n.op == "Div" and n.inputs[0] == difference), None)
        if squared is None or divided is None or len({id(n) for n in takers}) != 2:
            continue
        variance = links.only_taker(squared.outputs[0], "ReduceMean")
        lifted = links.only_taker(variance.outputs[0], "Add") if variance is not None else None
        root = links.only_taker(lifted.outputs[0], "Sqrt") if lifted is not None else None
        if variance is None or lifted is None or root is None or divided.inputs[1] != root.outputs[0]:
            continue
        epsilon = links.constant(links.other(lifted, variance.outputs[0]))
        again = links.constant(variance.inputs[1])
        if epsilon is None or epsilon.size != 1 or again is None or not np.array_equal(axes, again):
            continue
        attributes = {"axes": [int(axis) for axis in axes.reshape(-1)], "epsilon": float(epsilon.reshape(-1)[0])}
        last, inputs = divided, [value]
        gained = links.only_taker(divided.outputs[0], "Mul")
        offset = links.only_taker(gained.outputs[0], "Add") if gained is not None else None
        if gained is not None and offset is not None:
            last = offset
            inputs += [links.other(gained, divided.outputs[0]), links.other(offset, gained.outputs[0])]
        joined[id(last)] = Node("Standardise", inputs, last.outputs, attributes)
    nodes = [joined.get(id(node), node) for node in graph.nodes]
    return prune(Graph(nodes, graph.constants, graph.inputs, graph.outputs))


def _join_snakes(graph: Graph) -> Graph:
    links = Links(graph)
    joined: dict[int, Node] = {}
    for wave in graph.nodes:
        if wave.op != "Sin":
            continue
        phase = links.made_by(wave.inputs[0], "Mul")
        squared = links.only_taker(wave.outputs[0], "Pow")
        exponent = links.constant(squared.inputs[1]) if squared is not None else None
        scaled = links.only_taker(squared.outputs[0], "Mul") if squared is not None else None
        added = links.only_taker(scaled.outputs[0], "Add") if scaled is not None else None
        if phase is None or squared is None or scaled is None or added is None:
            continue
        value = links.other(added, scaled.outputs[0])
        inverse = links.other(scaled, squared.outputs[0])
        if exponent is None or exponent.size != 1 or float(exponent.reshape(-1)[0]) != 2.0 or value not in phase.inputs:
            continue
        alpha = links.other(phase, value)
        if links.constant(alpha) is not None and links.constant(inverse) is not None:
            joined[id(added)] = Node("Snake", [value, alpha, inverse], added.outputs)
    nodes = [joined.get(id(node), node) for node in graph.nodes]
    return prune(Graph(nodes, graph.constants, graph.inputs, graph.outputs))


def _join_angles(graph: Graph) -> Graph:
    """Find `atan(y / x)` with half a turn added or taken away where x is negative.

    The pattern gives a negative number minus half a turn, and `atan2` plus half a turn, as the networks that it is
    exported from learned it. Kokoro hears the difference in every voiceless sound.
    """
    links = Links(graph)
    joined: dict[int, Node] = {}
    for angle in graph.nodes:
        if angle.op != "Atan" or (ratio := links.made_by(angle.inputs[0], "Div")) is None:
            continue
        y, x = ratio.inputs
        takers = links.takers.get(angle.outputs[0], [])
        last = next((n for n in takers if n.op == "Where" and n.inputs[2] == angle.outputs[0]), None)
        turned = links.made_by(last.inputs[1], "Where") if last is not None else None
        below = links.made_by(last.inputs[0], "Less") if last is not None else None
        above = links.made_by(turned.inputs[0], "Greater") if turned is not None else None
        if last is None or turned is None or below is None or above is None:
            continue
        sides = links.made_by(turned.inputs[1], "Add"), links.made_by(turned.inputs[2], "Sub")
        zeros = [links.constant(test.inputs[1]) for test in (below, above)]
        halves = [links.constant(side.inputs[1]) if side is not None else None for side in sides]
        if below.inputs[0] != x or above.inputs[0] != y or any(z is None or np.any(z != 0) for z in zeros):
            continue
        if all(half is not None and np.allclose(half, np.pi) for half in halves):
            joined[id(last)] = Node("Angle", [y, x], last.outputs)
    nodes = [joined.get(id(node), node) for node in graph.nodes]
    return prune(Graph(nodes, graph.constants, graph.inputs, graph.outputs))
