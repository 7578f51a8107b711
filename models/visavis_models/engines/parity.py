"""Whether an engine computes what the reference does, on one recorded window of a portrait that ships.

The reference is ONNX Runtime on the processor, in 32 bits. A window is drawn and recorded once for each set of
networks, with all that went in and out of each of them, and kept beside the engines; checking costs one run of each.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visavis_models.diffusion.engine_networks import PARTS, EngineNetworks
from visavis_models.diffusion.sizes import SIZES, RendererSize
from visavis_models.diffusion.window_networks import WindowNetworks
from visavis_models.engine import Engine
from visavis_models.engines.choice import open_engine
from visavis_models.engines.network_profiles import LISTENER, profiles_of
from visavis_models.errors import EngineError, WeightsError

LEAST_LIKENESS_DB = {"fp32": 40.0, "fp16": 40.0, "int8": 28.0}
"""Of an engine's answer, by its precision: how far its error lies below what varies in the reference's. A denoiser of 8
bits comes to 34 dB; pictures, of which it makes a part, then keep 50."""
_AVATAR = "maya"
_MEASURED = ("maya", "samuel", "amara", "jun")
_FRAMES = 2
_WINDOWS = 8
_CHUNKS = 30

Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """What went into one network, and what the reference made of it."""

    inputs: Arrays
    outputs: Arrays


def likeness_db(found: Mapping[str, NDArray[Any]], wanted: Mapping[str, NDArray[Any]]) -> float:
    """How alike answers are, of the output that is least so: 40 dB is an error of one hundredth of what varies.

    Answers that are not finite, or of other shapes, are not alike at all: minus infinity.
    """
    least = float("inf")
    for name, want in wanted.items():
        got = found.get(name)
        if got is None or got.shape != want.shape or not np.isfinite(got).all():
            return float("-inf")
        error = float(np.square(got - want, dtype=np.float64).mean())
        varies = float(want.astype(np.float64).var())
        least = min(least, 10 * np.log10(max(varies, 1e-12) / max(error, 1e-20)))
    return least


def check_parity(engine: Engine, runs: Mapping[str, RecordedRun], precision: str = "fp16") -> float:
    """How alike an engine's answers are to the reference's, in dB.

    Args:
        engine: of one network.
        runs: of that network, by what they are of: `mouth`, `eye`, `voice`.
        precision: what it computes in.

    Raises:
        EngineError: they are not alike enough, or it cannot run them.
    """
    least, wanted = float("inf"), LEAST_LIKENESS_DB[precision]
    for purpose, run in runs.items():
        found = likeness_db(engine.run(run.inputs), run.outputs)
        if not found >= wanted:
            raise EngineError(
                "engine_parity",
                f"{engine.name} does not compute what the reference does: {found:.0f} dB for {purpose}, "
                f"less than {wanted:.0f}.",
                "Build its engines again with `visavis build`; if that does not help, report it with the card's name.",
            )
        least = min(least, found)
    return least


def recorded_runs(graph: Path, folder: Path) -> dict[str, RecordedRun]:
    """The recorded window of one network; recorded now if it never was.

    Args:
        graph: its ONNX file, beside those of the other networks of its size.
        folder: where recordings are kept; one that cannot be written to is no harm.

    Raises:
        EngineError: the reference cannot run it.
        WeightsError: another network of its size is missing.
        KeyError: none of our networks is called that.
    """
    kept = _file_of(graph, folder)
    found = _read(kept)
    if found:
        return found
    made = _recorded_voice(graph) if graph.stem == LISTENER else _recorded_window(graph)
    for file, runs in made.items():
        _write(_file_of(file, folder), runs)
    return made[graph]


def measured_inputs(graph: Path) -> list[Arrays]:
    """What goes into one of the renderer's networks while several people speak and blink: how large its numbers are.

    Args:
        graph: its ONNX file, beside those of the other networks of its size.

    Raises:
        EngineError, WeightsError: see `recorded_runs`.
    """
    size, files = _networks_beside(graph)
    return _measured(size, files)[PARTS[files.index(graph)]]


@lru_cache(maxsize=1)  # a size's networks draw together, and are asked for one after another
def _measured(size: RendererSize, files: tuple[Path, ...]) -> dict[str, list[Arrays]]:
    networks, found = _RecordedNetworks(size, files), dict[str, list[Arrays]]()
    for part, recorder in networks.recorders.items():
        found[part] = recorder.every = []
    for avatar in _MEASURED:
        _draw(networks, avatar, _WINDOWS)
    return found


class _Recorder:
    """An engine that remembers the last run of each of some shapes."""

    def __init__(self, engine: Engine, network: str) -> None:
        self._engine, self._profiles = engine, profiles_of(network)
        self.runs: dict[str, RecordedRun] = {}
        self.every: list[Arrays] | None = None
        """What went into all runs, if a list is there for it."""

    @property
    def name(self) -> str:
        """See `Engine`."""
        return self._engine.name

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """See `Engine`."""
        outputs = self._engine.run(inputs)
        if self.every is not None:
            self.every.append(_copied(inputs))
        shapes = {name: array.shape for name, array in inputs.items()}
        for purpose, profile in self._profiles.items():
            if profile.admits(shapes):
                self.runs[purpose] = RecordedRun(_copied(inputs), _copied(outputs))  # who asked may write in them
        return outputs


def _copied(arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    return {name: np.array(array, np.float32) for name, array in arrays.items()}


class _RecordedNetworks(EngineNetworks):
    def __init__(self, size: RendererSize, files: tuple[Path, ...]) -> None:
        super().__init__(size, files, "onnxruntime")
        self.recorders = {
            part: _Recorder(self._engines[part], file.stem) for part, file in zip(PARTS, files, strict=True)
        }
        self._engines = dict(self.recorders)


def _networks_beside(graph: Path) -> tuple[RendererSize, tuple[Path, ...]]:
    size = next(size for size in SIZES.values() if graph.stem.startswith(f"renderer_{size.name}_"))
    files = tuple(graph.with_name(f"renderer_{size.name}_{part}.onnx") for part in PARTS)
    if not all(file.is_file() for file in files):
        raise WeightsError("weights_missing", f"{graph.parent} lacks networks of {size.name}.", "Export all of them.")
    return size, files


def _draw(networks: WindowNetworks, avatar: str, windows: int) -> None:
    """Let somebody speak and blink."""
    from visavis_models.arkit import ARKIT
    from visavis_models.diffusion.guard import UNLIMITED
    from visavis_models.diffusion.renderer import DiffusionRenderer
    from visavis_models.motion import rest_motion
    from visavis_models.portrait.storage import load_avatar
    from visavis_models.weights import weights_folder

    renderer = DiffusionRenderer(networks, limits=UNLIMITED)
    state = renderer.open(load_avatar(weights_folder() / "gallery" / avatar, builtin=True))
    for first in range(0, windows * _FRAMES, _FRAMES):  # later windows listen to earlier ones
        window = rest_motion(_FRAMES, first)
        time = np.arange(first + 1, first + _FRAMES + 1, dtype=np.float32)
        for name, most, pace in (
            ("jawOpen", 0.8, 1.0), ("mouthPucker", 0.6, 0.6), ("eyeBlinkLeft", 0.95, 0.9), ("eyeBlinkRight", 0.95, 0.9),
            ("mouthSmileLeft", 0.6, 0.7), ("mouthSmileRight", 0.6, 0.7),
        ):  # fmt: skip
            window.face[:, ARKIT[name]] = most * (0.5 - 0.5 * np.cos(pace * time))
        window.head[:, 1] = 0.15 * np.sin(time / 5)
        renderer.render([state], [window])


def _recorded_window(graph: Path) -> dict[Path, dict[str, RecordedRun]]:
    size, files = _networks_beside(graph)
    networks = _RecordedNetworks(size, files)
    _draw(networks, _AVATAR, 2)
    return {file: networks.recorders[part].runs for part, file in zip(PARTS, files, strict=True)}


def _recorded_voice(graph: Path) -> dict[Path, dict[str, RecordedRun]]:
    """A hum that rises and is loud and soft by turns, far enough into it that the network remembers something."""
    from visavis_models.chunk import CHUNK_SAMPLES, LISTENING_RATE_HZ
    from visavis_models.voice.encoder import SpeechEncoder
    from visavis_models.voice.features import HOPS_PER_CHUNK, features_of

    time_s = np.arange(_CHUNKS * CHUNK_SAMPLES) / LISTENING_RATE_HZ
    hum = sum(np.sin(2 * np.pi * k * (100 + 40 * time_s) * time_s) / k for k in range(1, 20))
    loud = 0.1 * (0.5 - 0.5 * np.cos(2 * np.pi * 3 * time_s))
    heard = features_of((loud * hum).astype(np.float32)).reshape(_CHUNKS, 1, HOPS_PER_CHUNK, -1)
    recorder = _Recorder(open_engine(graph, "onnxruntime"), graph.stem)
    encoder = SpeechEncoder(recorder)
    state = encoder.initial_state()[None]
    for chunk in heard:
        _, state = encoder.run(chunk, state)
    return {graph: recorder.runs}


def _file_of(graph: Path, folder: Path) -> Path:
    digest = hashlib.sha256(graph.read_bytes()).hexdigest()
    return folder / f"{graph.stem}-{digest[:16]}.window.safetensors"


def _read(file: Path) -> dict[str, RecordedRun]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(file)
    except (OSError, SafetensorError):
        return {}
    runs: dict[str, RecordedRun] = {}
    for name, array in arrays.items():
        purpose, side, called = name.split("/", 2)
        run = runs.setdefault(purpose, RecordedRun({}, {}))
        (run.inputs if side == "in" else run.outputs)[called] = array
    return runs


def _write(file: Path, runs: Mapping[str, RecordedRun]) -> None:
    from safetensors.numpy import save_file

    arrays = {
        f"{purpose}/{side}/{name}": np.ascontiguousarray(array)
        for purpose, run in runs.items()
        for side, given in (("in", run.inputs), ("out", run.outputs))
        for name, array in given.items()
    }
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(arrays, part)
        part.replace(file)
    except OSError:
        part.unlink(missing_ok=True)  # it is recorded again next time
