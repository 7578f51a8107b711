"""Builds one engine from one ONNX graph, and says what became of its layers. Knows neither caches nor our networks.

Types are taken as the graph writes them (`half_precision` made it compute in 16 bits before). TensorRT-RTX needs no
card: its engines carry what each of its kinds of cards needs and are finished on the card that loads them.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from visavis_models.engines.nvidia import RTX_CARDS, Library
from visavis_models.engines.shape_profile import ShapeProfile
from visavis_models.errors import EngineError

_log = logging.getLogger(__name__)

HEAVY_LAYERS = frozenset({"CONVOLUTION", "DECONVOLUTION", "MATRIX_MULTIPLY", "SOFTMAX", "POOLING", "ATTENTION"})
"""Layers that cost; they are meant to compute in 16 bits."""


@dataclass(frozen=True, slots=True)
class LayerReport:
    """What an engine's network consists of."""

    types: dict[tuple[str, str], int] = field(default_factory=dict)
    """How many layers of a kind answer in a type."""
    plugins: tuple[str, ...] = ()
    """Names of layers that need code besides the library's."""

    @property
    def heavy_in_32_bits(self) -> int:
        """Costly layers that compute in 32 bits."""
        return sum(count for (kind, given), count in self.types.items() if kind in HEAVY_LAYERS and given == "FLOAT")

    @property
    def heavy(self) -> int:
        """Costly layers."""
        return sum(count for (kind, _), count in self.types.items() if kind in HEAVY_LAYERS)


@dataclass(frozen=True, slots=True)
class BuiltEngine:
    """An engine as bytes, and what it consists of."""

    content: bytes
    layers: LayerReport


class _Log:
    """Hands the library's messages to ours."""

    @staticmethod
    def of(library: Any) -> Any:
        levels = {
            library.ILogger.INTERNAL_ERROR: logging.ERROR,
            library.ILogger.ERROR: logging.ERROR,
            library.ILogger.WARNING: logging.WARNING,
            library.ILogger.INFO: logging.DEBUG,
            library.ILogger.VERBOSE: logging.DEBUG,
        }

        class Handed(library.ILogger):  # type: ignore[misc]
            def __init__(self) -> None:
                library.ILogger.__init__(self)
                self.failures: list[str] = []

            def log(self, severity: Any, message: str) -> None:
                level = levels.get(severity, logging.DEBUG)
                if level == logging.ERROR:
                    self.failures.append(message)
                _log.log(level, "engine builder says", extra={"said": message})

        return Handed()


def build_engine(graph: bytes, profile: ShapeProfile, with_library: Library) -> BuiltEngine:
    """Build an engine.

    Args:
        graph: an ONNX file.
        profile: shapes of its inputs.
        with_library: whose engine it is to be.

    Raises:
        EngineError: the library cannot read the graph, or cannot build it here.
    """
    name, library = with_library.backend, with_library.module
    log = _Log.of(library)
    try:
        builder = library.Builder(log)
        network = builder.create_network(1 << int(library.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = library.OnnxParser(network, log)
        if not parser.parse(graph):
            told = "; ".join(parser.get_error(k).desc() for k in range(parser.num_errors))
            raise EngineError("engine_graph", f"{name} cannot read the graph: {told}.", "Export the networks again.")
        config = builder.create_builder_config()
        config.add_optimization_profile(_filled(builder.create_optimization_profile(), network, profile))
        if name == "tensorrt-rtx":
            config.num_compute_capabilities = len(RTX_CARDS)
            for k, card in enumerate(RTX_CARDS):
                config.set_compute_capability(getattr(library.ComputeCapability, card), k)
        layers = inspect_layers(network, library)
        built = builder.build_serialized_network(network, config)
    except (RuntimeError, TypeError, ValueError) as error:  # TypeError: a builder that found no driver is none
        raise _failed(name, str(error), log.failures) from error
    if built is None:
        raise _failed(name, "", log.failures)
    return BuiltEngine(bytes(built), layers)


def _failed(backend: str, message: str, failures: list[str]) -> EngineError:
    told = "; ".join(dict.fromkeys([*failures, *([message] if message else [])])) or "it does not say why"
    return EngineError("engine_build", f"{backend} could not build the engine: {told}.", "Run `visavis doctor`.")


def _filled(shapes: Any, network: Any, profile: ShapeProfile) -> Any:
    given = {network.get_input(k).name: network.get_input(k) for k in range(network.num_inputs)}
    if set(given) != set(profile.most):
        raise EngineError(
            "engine_inputs", f"The graph takes {sorted(given)}, not {sorted(profile.most)}.", "Export it again."
        )
    for name, fixed in profile.fixed.items():
        given[name].shape = fixed
        shapes.set_shape(name, profile.least[name], profile.usual[name], profile.most[name])
    return shapes


def inspect_layers(network: Any, library: Any) -> LayerReport:
    """Count a parsed network's layers by kind and by the type that they answer in."""
    types: Counter[tuple[str, str]] = Counter()
    plugins = []
    for k in range(network.num_layers):
        layer = network.get_layer(k)
        kind = str(layer.type).rsplit(".", 1)[-1]
        if "PLUGIN" in kind:
            plugins.append(layer.name)
        if layer.num_outputs:
            types[kind, str(layer.get_output(0).dtype).rsplit(".", 1)[-1]] += 1
    return LayerReport(dict(types), tuple(plugins))
