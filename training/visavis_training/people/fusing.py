"""Fuses functions of tensors into a few kernels where that pays: on a GPU, with torch.compile.

A function marked `fused` runs as it is written on the CPU. On CUDA its first call compiles it, which takes seconds, and
what cannot be compiled runs as written, with one warning. Knows nothing of what the functions compute.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

_log = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_MOST_KINDS = 24
"""Of shapes that one function may be compiled for before it is left as it is."""


class _State:
    """What this process wants and has done."""

    on: bool | None = None
    """None: on CUDA."""
    backend: str = "inductor"
    without: frozenset[str] = frozenset()
    seconds: dict[str, float]
    failed: dict[str, str]
    left: set[str]

    def __init__(self) -> None:
        self.seconds, self.failed, self.left = {}, {}, set()


_state = _State()


def fuse(on: bool | None, backend: str = "inductor", without: Iterable[str] = ()) -> None:
    """Say for this process whether functions are fused.

    Args:
        on: always, never, or (None) where tensors are on CUDA.
        backend: of torch.compile; "eager" finds what could not be traced and compiles nothing.
        without: names, as in `fusing_failures`, of functions that run as written: trying in vain costs seconds.
    """
    _state.on, _state.backend, _state.without = on, backend, frozenset(without)


def fusing_seconds() -> dict[str, float]:
    """How long the first call of each fused function took, compiling included."""
    return dict(_state.seconds)


def fusing_failures() -> dict[str, str]:
    """What could not be compiled, and why."""
    return dict(_state.failed)


def left_as_written() -> set[str]:
    """Functions that would have been compiled, had `fuse` not been told to do without."""
    return set(_state.left)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _tensors(part)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _tensors(getattr(value, field.name))


def fused(function: Callable[Arguments, Result], least: int = 2) -> Callable[Arguments, Result]:
    """`function`, in a few kernels where this process wants that.

    It must be traceable as a whole: tensors, records and mappings of tensors in and out, no numpy, no `nonzero`, no
    branch on what a tensor says. First axes (people, pictures, samples) may have other lengths at every call without
    compiling again, but for lengths of one; a call whose first tensor has fewer than `least` rows runs as written.
    """
    name = f"{function.__module__.rsplit('.', 1)[-1]}.{function.__qualname__}"
    made: list[Callable[..., Result]] = []

    @wraps(function)
    def call(*given: Arguments.args, **named: Arguments.kwargs) -> Result:
        if _state.on is False or torch.compiler.is_compiling():
            return function(*given, **named)
        found = list(_tensors((given, named)))
        wanted = bool(found) and (found[0].is_cuda if _state.on is None else _state.on)
        if wanted and torch.is_grad_enabled():
            wanted = not any(tensor.requires_grad for tensor in found)
        rows = found[0].shape[0] if wanted and found[0].ndim else 0
        if not wanted or rows < least or name in _state.failed:
            return function(*given, **named)
        if name in _state.without:
            _state.left.add(name)
            return function(*given, **named)
        for tensor in found:
            if tensor.ndim and tensor.shape[0] > 1:
                torch._dynamo.maybe_mark_dynamic(tensor, 0)
        began = time.perf_counter()
        try:
            if not made:
                made.append(_compiled(function))
            result = made[0](*given, **named)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            result = function(*given, **named)  # what is wrong with the arguments is said here
            _state.failed[name] = f"{type(error).__name__}: {error}"
            _log.warning("%s is not fused and stays slow: %s", name, _state.failed[name].splitlines()[0])
            return result
        if name not in _state.seconds:
            _state.seconds[name] = time.perf_counter() - began
            _log.info("fused %s in %.1f s", name, _state.seconds[name])
        return result

    return call


def _compiled(function: Callable[..., Result]) -> Callable[..., Result]:
    import torch._dynamo

    settings: Any = torch._dynamo.config
    if hasattr(settings, "recompile_limit"):
        settings.recompile_limit = max(settings.recompile_limit, _MOST_KINDS)
    compiled: Callable[..., Result] = torch.compile(function, fullgraph=True, backend=_state.backend)
    return compiled
