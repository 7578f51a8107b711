"""What of NVIDIA is on this machine: driver and card, asked of the driver itself, and the libraries of its engines.

Imports neither torch nor TensorRT until somebody asks for them: most machines have no such card.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from visavis_models.errors import EngineError

BACKENDS = {"tensorrt-rtx": "tensorrt_rtx", "tensorrt": "tensorrt"}
"""Modules by the names that users choose; the first that is installed is taken if none is chosen."""
_PACKAGES = {"tensorrt-rtx": "tensorrt-rtx-cu13", "tensorrt": "tensorrt"}
RTX_CARDS = ("SM80", "SM86", "SM89", "SM120")
"""Kinds of cards that TensorRT-RTX builds for: Ampere, Ada, Blackwell. It has none of Hopper's."""
LEAST_DRIVER = 12000
"""The oldest driver that the libraries used here run on, as it says of itself: CUDA 12.0."""
_MAJOR, _MINOR = 75, 76
"""Of the driver's attributes of a card: its architecture."""


@dataclass(frozen=True, slots=True)
class Card:
    """An NVIDIA card."""

    name: str
    architecture: tuple[int, int]
    """Compute capability: (9, 0) for Hopper."""
    memory_bytes: int
    driver: int
    """Newest CUDA that the driver knows: 13000 for 13.0."""

    @property
    def kind(self) -> str:
        """Name and architecture."""
        return f"{self.name} {self.architecture[0]}.{self.architecture[1]}"


def count_cards(load: Callable[[str], Any] = ctypes.CDLL) -> int:
    """How many cards this process may use; at least one.

    Args:
        load: opens the driver's library by its name.

    Raises:
        EngineError: there is no driver, it is too old, or it sees no card.
    """
    return _driver(load)[2]


def _driver(load: Callable[[str], Any]) -> tuple[Any, int, int]:
    """The driver, started; the newest CUDA that it knows; and how many cards it sees."""
    try:
        driver = load("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError as error:
        raise EngineError(
            "gpu_no_driver",
            "There is no NVIDIA driver here.",
            "Install it, or let networks run on the processor: drawing.engine = auto.",
        ) from error
    _ask(driver.cuInit(0), "does not start")
    version, count = ctypes.c_int(), ctypes.c_int()
    _ask(driver.cuDriverGetVersion(ctypes.byref(version)), "does not say its version")
    if version.value < LEAST_DRIVER:
        wanted, found = (f"{v // 1000}.{v % 1000 // 10}" for v in (LEAST_DRIVER, version.value))
        raise EngineError(
            "gpu_old_driver", f"The NVIDIA driver is too old: it knows CUDA {found}.",
            f"Install a driver for CUDA {wanted} or newer.",
        )  # fmt: skip
    _ask(driver.cuDeviceGetCount(ctypes.byref(count)), "does not count its cards")
    if not count.value:
        raise EngineError("gpu_none", "The NVIDIA driver sees no card.", "Check CUDA_VISIBLE_DEVICES.")
    return driver, version.value, count.value


def find_card(load: Callable[[str], Any] = ctypes.CDLL) -> Card:
    """The first card of this machine.

    Args:
        load: opens the driver's library by its name.

    Raises:
        EngineError: there is no driver, it is too old, or it sees no card.
    """
    driver, version, _ = _driver(load)
    device, numbers = ctypes.c_int(), [ctypes.c_int(), ctypes.c_int()]
    name, memory = ctypes.create_string_buffer(256), ctypes.c_size_t()
    _ask(driver.cuDeviceGet(ctypes.byref(device), 0), "does not hand out its card")
    _ask(driver.cuDeviceGetName(name, len(name), device), "does not name its card")
    _ask(driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device), "does not know its memory")
    for attribute, number in zip((_MAJOR, _MINOR), numbers, strict=True):
        _ask(driver.cuDeviceGetAttribute(ctypes.byref(number), attribute, device), "does not know its card")
    major, minor = (number.value for number in numbers)
    return Card(name.value.decode("utf-8", "replace"), (major, minor), memory.value, version)


def _ask(answer: int, what: str) -> None:
    if answer:
        raise EngineError(
            "gpu_driver", f"The NVIDIA driver {what} (CUDA error {answer}).", "Run nvidia-smi; restart the machine."
        )


@dataclass(frozen=True, slots=True)
class Library:
    """A library that builds and runs engines."""

    backend: str
    """One of `BACKENDS`."""
    module: Any

    @property
    def version(self) -> str:
        """Engines are of one version of their library."""
        return str(self.module.__version__)

    def cards(self, find: Callable[[], Card] = find_card) -> str:
        """Which cards its engines run on: `portable:...`, or the one of this machine.

        Raises:
            EngineError: it builds for the card of this machine, and there is none.
        """
        return f"portable:{','.join(RTX_CARDS)}" if self.backend == "tensorrt-rtx" else find().kind


def import_library(backend: str | None = None, load: Callable[[str], Any] = importlib.import_module) -> Library:
    """A backend, or the first that is installed.

    Args:
        backend: one of `BACKENDS`.
        load: imports a module by its name.

    Raises:
        EngineError: there is no such backend, or it is not installed.
    """
    if backend is not None and backend not in BACKENDS:
        raise EngineError("engine_unknown", f"There is no backend {backend}.", f"Choose one of {', '.join(BACKENDS)}.")
    for name in (backend,) if backend else BACKENDS:
        try:
            return Library(name, load(BACKENDS[name]))
        except ImportError:
            continue
        except OSError as error:  # it is there, but a library of its own is not
            raise EngineError(
                "engine_builder_broken", f"{name} cannot be loaded: {error}.",
                f"Install it again: `pip install --force-reinstall {_PACKAGES[name]}`.",
            ) from error  # fmt: skip
    wanted = backend or next(iter(BACKENDS))
    raise EngineError(
        "engine_builder_missing",
        f"{' or '.join([backend] if backend else BACKENDS)} is not installed.",
        f"Install it with `pip install {_PACKAGES[wanted]}`.",
    )
