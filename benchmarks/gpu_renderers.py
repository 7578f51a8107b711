"""Renderers that cannot do with less, and whose time is counted: what `gpu.py` measures is their best."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from visavis_models.avatar import Avatar
from visavis_models.diffusion.renderer import DiffusionRenderer
from visavis_models.motion import MotionWindow
from visavis_models.rendering import Drawn


class Stopwatch:
    """Seconds spent, by name; by the one thread that draws."""

    def __init__(self) -> None:
        self.spent_s: defaultdict[str, float] = defaultdict(float)

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, counted."""

        def counted(*given: Any) -> Any:
            begun_s = time.perf_counter()
            try:
                return call(*given)
            finally:
                self.spent_s[name] += time.perf_counter() - begun_s

        return counted


class OneWay:
    """A renderer that cannot do with less: what is measured is its best."""

    name = "diffusion"

    def __init__(self, inner: DiffusionRenderer, watch: Stopwatch) -> None:
        self._inner = inner
        self.render = watch.timed("drawing", inner.render)

    def open(self, avatar: Avatar, long_side_px: int | None = None) -> Any:
        """See `Renderer.open`."""
        return self._inner.open(avatar, long_side_px)


class OneWayOnCard(OneWay):
    """The same for one that makes its pictures on a card: what the processor does for a batch is counted as drawing."""

    def __init__(self, inner: Any, watch: Stopwatch) -> None:
        super().__init__(inner, watch)
        self._begun = watch.timed("drawing", inner.begin)

    def begin(
        self, states: Sequence[Any], windows: Sequence[MotionWindow], mattes: Sequence[bool]
    ) -> Future[list[Drawn]]:
        """See `PipelinedRenderer.begin`."""
        begun: Future[list[Drawn]] = self._begun(states, windows, mattes)
        return begun
