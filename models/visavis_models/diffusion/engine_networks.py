"""The renderer's networks from exported files, run by this machine's engines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from visavis_models.diffusion.graph_shapes import axis_lengths, graphs_of, shapes
from visavis_models.diffusion.sizes import RendererSize
from visavis_models.diffusion.window_networks import Features, Floats, Told
from visavis_models.engine import CardEngine, Engine, RecordingEngine
from visavis_models.engines import open_engine
from visavis_models.errors import EngineError, WeightsError
from visavis_models.weights import manifest, weight_file

PARTS = ("appearance", "stem", "denoiser", "decoder")
_ENGINES = ("onnxruntime", "openvino")
"""ONNX Runtime first: a tenth to a half faster on these graphs, and opened seven times as fast; see
benchmarks/renderer_engines.py."""


def weight_names(size: RendererSize) -> tuple[str, ...]:
    """What the manifest calls the networks of a size, in the order of `PARTS`."""
    return tuple(f"renderer_{size.name}_{part}" for part in PARTS)


def networks_ship(size: RendererSize) -> bool:
    """Whether the manifest has all networks of a size.

    Raises:
        WeightsError: there is no manifest, or it is wrong.
    """
    return all(name in manifest() for name in weight_names(size))


def shipped_files(size: RendererSize) -> tuple[Path, ...]:
    """The files of the networks that ship, in the order of `PARTS`.

    Raises:
        WeightsError: one is missing or altered.
    """
    return tuple(weight_file(name) for name in weight_names(size))


def files_in(folder: Path, size: RendererSize) -> tuple[Path, ...]:
    """The files of networks that somebody exported into a folder, in the order of `PARTS`.

    Raises:
        WeightsError: one is missing.
    """
    paths = tuple(folder / f"{name}.onnx" for name in weight_names(size))
    for path in paths:
        if not path.is_file():
            raise WeightsError(
                "weights_missing", f"The network {path} is missing.", "Export all four networks into that folder."
            )
    return paths


class EngineNetworks:
    """See `WindowNetworks`.

    Args:
        size: of the networks.
        files: of their parts, in the order of `PARTS`.
        kind: one of `engines.ENGINE_KINDS`; None takes the best that works here.
        threads: CPU threads for one forward pass.

    Raises:
        EngineError: no engine can run them, or they are other networks.
    """

    def __init__(self, size: RendererSize, files: tuple[Path, ...], kind: str | None = None, threads: int = 1) -> None:
        self.size = size
        self._engines: dict[str, Engine] = {
            part: open_engine(path, kind, threads, _ENGINES) for part, path in zip(PARTS, files, strict=True)
        }
        self._try()

    def _try(self) -> None:
        """Run the smallest window once: files of other networks, or of other maps, are found out now, not in a call."""
        lengths = axis_lengths(self.size, self.size.eye_px, avatars=1, new_frames=1, shown_frames=1)
        for part, graph in graphs_of(self.size).items():
            given = {name: np.zeros(shape, np.float32) for name, shape in shapes(graph.inputs, lengths).items()}
            made = {name: array.shape for name, array in self._engines[part].run(given).items()}
            if made != shapes(graph.outputs, lengths):
                message = f"The network {part} of {self.size.name} makes {made}, which is not what is drawn with."
                raise EngineError("engine_network", message, "Use networks that were exported by this version.")

    @property
    def name(self) -> str:
        """Size and engine."""
        return f"{self.size.name} on {self._engines['denoiser'].name}"

    @property
    def engines(self) -> Mapping[str, Engine]:
        """What runs each of `PARTS`."""
        return self._engines

    @property
    def on_card(self) -> bool:
        """Whether all of them run on a card."""
        return all(isinstance(engine, CardEngine) and engine.on_card for engine in self._engines.values())

    @property
    def records(self) -> bool:
        """Whether engines prepare every shape that they are to run; see `BatchSizes`."""
        return any(isinstance(engine, RecordingEngine) and engine.records for engine in self._engines.values())

    def _run(self, part: str, inputs: dict[str, Floats]) -> list[Floats]:
        return [np.asarray(array, np.float32) for array in self._engines[part].run(inputs).values()]

    def appearance(self, reference: Floats) -> Floats:
        """See `WindowNetworks.appearance`."""
        return self._run("appearance", {"reference": reference})[0]

    def stem(self, maps: Floats) -> Features:
        """See `WindowNetworks.stem`."""
        found = self._engines["stem"].run({"maps": maps})
        return Features(*(np.asarray(found[name], np.float32) for name in ("half", "quarter", "eighth")))

    def velocity(self, latents: Floats, time: Floats, told: Told) -> Floats:
        """See `WindowNetworks.velocity`."""
        inputs = {
            "latents": latents, "time": time, "eighth": told.eighth, "motion": told.motion, "shade": told.shade,
            "tokens": told.tokens, "shown": told.shown, "shown_eighth": told.shown_eighth, "known": told.known,
        }  # fmt: skip
        return self._run("denoiser", inputs)[0]

    def decode(self, latents: Floats, features: Features, maps: Floats) -> Floats:
        """See `WindowNetworks.decode`."""
        inputs = {
            "latents": latents, "half": features.half, "quarter": features.quarter, "eighth": features.eighth,
            "maps": maps,
        }  # fmt: skip
        return self._run("decoder", inputs)[0]
