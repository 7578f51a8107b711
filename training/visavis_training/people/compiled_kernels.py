"""Compiles one source of kernels for where the tensors are: NVRTC (or nvcc) for CUDA, g++ for the CPU.

The GPU's code is made in memory in about a second; the CPU's is kept in the user's cache folder under the hash of its
source. Nothing here waits for the GPU. Knows nothing of what the kernels do.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from visavis_models.errors import EngineError

if TYPE_CHECKING:  # the CPU's kernels run on numpy arrays where there is no torch
    import torch

THREADS = 256
"""Threads of a block."""
MOST_BLOCKS = 1 << 16
"""More work than this many blocks hold is shared out by the kernels' own loops."""

_CPU_FLAGS = ("-x", "c++", "-O2", "-fPIC", "-shared", "-ffp-contract=off")
_GPU_FLAGS = ("--fmad=false", "--std=c++17")
"""Without fused multiply-add CPU and GPU round alike."""


class Kernels(Protocol):
    """The kernels of one source, ready to run on one device."""

    def launch(self, name: str, count: int, *arguments: Any, blocks: int | None = None) -> None:
        """Run kernel `name` for `count` items.

        Args:
            name: a kernel of the source.
            count: the kernel's first argument, a 64-bit integer.
            arguments: the others in order: contiguous tensors or numpy arrays (or None) become pointers, int 32-bit
                integers, float 32-bit floats.
            blocks: how many blocks to start on a GPU; as many as `count` items need if not said.
        """
        ...


def _value(argument: Any) -> Any:
    """The C value of one argument."""
    if argument is None:
        return ctypes.c_void_p(None)
    if isinstance(argument, int):
        return ctypes.c_int32(int(argument))
    if isinstance(argument, float):
        return ctypes.c_float(argument)
    of_numpy = isinstance(argument, np.ndarray)
    if not (argument.flags.c_contiguous if of_numpy else argument.is_contiguous()):
        raise ValueError(f"a kernel was given an array of shape {tuple(argument.shape)} that is not contiguous")
    return ctypes.c_void_p(argument.ctypes.data if of_numpy else argument.data_ptr())


class CpuKernels:
    """Kernels as plain loops of a shared library made by g++."""

    def __init__(self, source: Path) -> None:
        self.library = ctypes.CDLL(str(cpu_library(source)))

    def launch(self, name: str, count: int, *arguments: Any, blocks: int | None = None) -> None:
        """See `Kernels.launch`; `blocks` means nothing here."""
        kernel = getattr(self.library, name)
        kernel.restype = None
        kernel(ctypes.c_int64(count), *map(_value, arguments))


class CudaKernels:
    """Kernels loaded into one GPU through the driver; they run on torch's current stream of that GPU."""

    def __init__(self, code: bytes, device: torch.device, driver: Any, stream: Callable[[], int]) -> None:
        """Load `code` into the context that is current now.

        Args:
            code: machine code for this GPU.
            device: for messages.
            driver: libcuda.
            stream: says where to run, at every launch.
        """
        self._driver, self._stream, self._device = driver, stream, device
        self._code = code  # the driver may read it later
        self._module, self._context = ctypes.c_void_p(), ctypes.c_void_p()
        self._functions: dict[str, ctypes.c_void_p] = {}
        self._check(driver.cuCtxGetCurrent(ctypes.byref(self._context)), "cuCtxGetCurrent")
        self._check(driver.cuModuleLoadData(ctypes.byref(self._module), self._code), "cuModuleLoadData")

    def launch(self, name: str, count: int, *arguments: Any, blocks: int | None = None) -> None:
        """See `Kernels.launch`."""
        if name not in self._functions:
            function = ctypes.c_void_p()
            found = self._driver.cuModuleGetFunction(ctypes.byref(function), self._module, name.encode())
            self._check(found, f"cuModuleGetFunction({name})")
            self._functions[name] = function
        if blocks is None:
            blocks = min((count + THREADS - 1) // THREADS, MOST_BLOCKS)
        if not blocks:
            return
        values = [ctypes.c_int64(count), *map(_value, arguments)]
        places = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        shape = [ctypes.c_uint(n) for n in (blocks, 1, 1, THREADS, 1, 1, 0)]
        stream = ctypes.c_void_p(self._stream())
        # This thread may be new, or be busy with another GPU.
        self._check(self._driver.cuCtxPushCurrent_v2(self._context), "cuCtxPushCurrent")
        launched = self._driver.cuLaunchKernel(self._functions[name], *shape, stream, places, None)
        self._check(self._driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p())), "cuCtxPopCurrent")
        self._check(launched, f"cuLaunchKernel({name})")

    def _check(self, code: int, call: str) -> None:
        if code:
            raise EngineError(
                "cuda_driver",
                f"{call} failed on {self._device} with CUDA error {code}.",
                "Look the number up in cuda.h.",
            )


def cpu_library(source: Path) -> Path:
    """The shared library of `source`, compiled now if this text was never compiled by this user.

    VISAVIS_KERNEL_FLAGS adds to the compiler's flags: with -fsanitize=address, and the compiler's libasan preloaded, a
    kernel that reads or writes outside its arrays ends the process and says where. A GPU says no more than that some
    kernel did, and that only where the memory beyond is nobody's.

    Raises:
        EngineError: there is no g++, or it refuses the source.
    """
    text = source.read_bytes()
    flags = (*_CPU_FLAGS, *os.environ.get("VISAVIS_KERNEL_FLAGS", "").split())
    name = hashlib.sha256(text + " ".join(flags).encode()).hexdigest()[:20] + ".so"
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "visavis" / "kernels"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, or one that is read-only
        folder = Path(tempfile.mkdtemp(prefix="visavis-kernels-"))
    library = folder / name
    if not library.is_file():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made = Path(scratch) / name
            _compile(["g++", *flags, str(source), "-o", str(made)])
            os.replace(made, library)  # whole or not at all, whoever else compiles
    return library


def _compile(command: Sequence[str]) -> None:
    if shutil.which(command[0]) is None:
        raise EngineError(
            "no_compiler",
            f"{command[0]} is needed to compile the rasteriser.",
            f"Install {command[0]} and put it on PATH.",
        )
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise EngineError(
            "compile_failed", f"{command[0]} refused the kernels: {done.stderr[-2000:]}", "Try another version of it."
        )


def _rtc_library() -> ctypes.CDLL | None:
    """NVRTC of torch's own CUDA version: by its name, else among installed packages, else in the toolkit."""
    import torch

    major = str(torch.version.cuda or "13").split(".")[0]
    name = f"libnvrtc.so.{major}"
    installed = [path for root in sys.path if root for path in Path(root).glob(f"nvidia/*/lib/{name}")]
    toolkit = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "lib64" / name
    for candidate in (name, *map(str, installed), str(toolkit)):
        try:
            return ctypes.CDLL(candidate)
        except OSError:
            continue
    return None


def gpu_code(source: Path, capability: tuple[int, int], library: ctypes.CDLL | None = None) -> bytes:
    """Machine code of `source` for GPUs of one compute capability, such as (9, 0).

    Args:
        source: the kernels.
        capability: major and minor.
        library: NVRTC; found by itself if not given. Where there is none, nvcc is used.

    Raises:
        EngineError: neither compiler is there, or it refuses the source.
    """
    architecture = f"sm_{capability[0]}{capability[1]}"
    rtc = library or _rtc_library()
    if rtc is None:
        with tempfile.TemporaryDirectory() as scratch:
            made = Path(scratch) / "kernels.cubin"
            _compile(["nvcc", "-cubin", f"-arch={architecture}", *_GPU_FLAGS, str(source), "-o", str(made)])
            return made.read_bytes()
    options = [option.encode() for option in (f"--gpu-architecture={architecture}", *_GPU_FLAGS)]
    program = ctypes.c_void_p()
    text = source.read_bytes()
    rtc.nvrtcCreateProgram(ctypes.byref(program), text, source.name.encode(), 0, None, None)
    failed = rtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    size = ctypes.c_size_t()
    if failed:
        rtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        rtc.nvrtcGetProgramLog(program, log)
        message = log.value.decode(errors="replace")[-2000:]
        raise EngineError("compile_failed", f"NVRTC refused the kernels ({failed}): {message}", "Update CUDA's NVRTC.")
    rtc.nvrtcGetCUBINSize(program, ctypes.byref(size))
    code = ctypes.create_string_buffer(size.value)
    rtc.nvrtcGetCUBIN(program, code)
    rtc.nvrtcDestroyProgram(ctypes.byref(program))
    return code.raw


_made: dict[tuple[Path, torch.device], Kernels] = {}


def kernels(source: Path, device: torch.device) -> Kernels:
    """The kernels of `source` for `device`, compiled at the first call in this process.

    Raises:
        EngineError: no compiler, or a device that is neither CPU nor CUDA.
    """
    import torch

    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
    if (source, device) not in _made:
        if device.type == "cpu":
            _made[source, device] = CpuKernels(source)
        elif device.type == "cuda":
            code = gpu_code(source, torch.cuda.get_device_capability(device))
            with torch.cuda.device(device):
                torch.cuda.current_stream().synchronize()  # makes torch's context the current one, once
                _made[source, device] = CudaKernels(
                    code, device, ctypes.CDLL("libcuda.so.1"), lambda: torch.cuda.current_stream(device).cuda_stream
                )
        else:
            raise EngineError("no_such_device", f"The rasteriser cannot run on {device}.", "Use the CPU or CUDA.")
    return _made[source, device]
