"""Windows of many sessions that a device works at together: begun without waiting, and judged when they are there.

Where the device fails the host draws as `warp` does. Knows nothing of who asked for them.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from visavis_models.device.canvas import DeviceFinish
from visavis_models.device.transfer import Shipment
from visavis_models.device.windows import on_device
from visavis_models.device.work import DeviceWork
from visavis_models.diffusion.guard import CropFacts, facts_of, window_refused
from visavis_models.diffusion.memory import RegionMemory, ShownCrop
from visavis_models.diffusion.recovery import keep_going
from visavis_models.diffusion.windows import Draft, RegionWindow
from visavis_models.rendering import Drawn
from visavis_models.warp.renderer import draw_frames, draw_matte, draw_person

if TYPE_CHECKING:
    from visavis_models.device.renderer import DeviceRenderer

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class DeviceBatch:
    """Windows of many sessions that the device works at."""

    renderer: DeviceRenderer
    works: list[DeviceWork]
    finish_with: DeviceFinish | None
    video: bool
    shipment: Shipment | None = None
    asked: list[tuple[DeviceWork, str, RegionWindow]] = field(default_factory=list)
    """In the order in which their figures come."""
    before: list[RegionMemory] = field(default_factory=list)
    """Of each, what its region remembered."""

    @classmethod
    def start(
        cls, renderer: DeviceRenderer, works: list[DeviceWork], finish: DeviceFinish | None, video: bool
    ) -> DeviceBatch:
        """Begin; nobody waits for the device."""
        batch = cls(renderer, works, finish, video)
        with torch.inference_mode():
            try:
                batch._begin()
            except (torch.OutOfMemoryError, RuntimeError) as error:
                batch._failed(error)
        return batch

    @property
    def ready(self) -> bool:
        """See `Started`."""
        return self.shipment is None or self.shipment.ready

    def finish(self) -> list[Drawn]:
        """See `Started`: those that the guard refuses are made again now."""
        with torch.inference_mode():
            if self.shipment is None:
                return [_by_the_host(work) for work in self.works]
            try:
                return self._finished(self.shipment)
            except (torch.OutOfMemoryError, RuntimeError) as error:
                self._failed(error)
                return [_by_the_host(work) for work in self.works]

    def _begin(self) -> None:
        renderer = self.renderer
        asked = [(work, name, window) for work in self.works for name, window in work.job.windows.items()]
        brought = on_device([a[2] for a in asked], [a[0].kept.on_device for a in asked], renderer.device)
        asked = [(work, name, window) for (work, name, _), window in zip(asked, brought, strict=True)]
        for work, name, window in asked:
            work.job.windows[name] = window
        drafts = renderer.take_drafts([(work.job, window) for work, _, window in asked])
        renderer.count_windows(len(asked))
        sums: list[torch.Tensor] = []
        kinds: dict[tuple[int, ...], list[tuple[RegionWindow, Draft, ShownCrop | None]]] = {}
        made: list[tuple[tuple[int, ...], DeviceWork, str, RegionWindow, Draft]] = []
        for (work, name, window), draft in zip(asked, drafts, strict=True):
            if draft is None:
                renderer.recover([(work.job, name, "engine")])
                continue
            kind = tuple(window.maps.shape[2:])
            memory = work.job.state.regions[name]
            kinds.setdefault(kind, []).append((window, draft, renderer.newest_before(window, memory)))
            made.append((kind, work, name, window, draft))
        for kind, of in kinds.items():
            sums.append(renderer.facts(of))
            self.asked += [(work, name, window) for shape, work, name, window, _ in made if shape == kind]
        for work, name, _ in self.asked:
            memory = work.job.state.regions[name]
            self.before.append(replace(memory, latents=deque(memory.latents, memory.latents.maxlen)))
        over = renderer.settings.cross_fade_frames
        for _, work, name, window, draft in made:
            work.job.shown[name] = keep_going(window, draft, work.job.state.regions[name], over)
        self.shipment = renderer.compose(self.works, self.finish_with, self.video, sums)

    def _finished(self, shipment: Shipment) -> list[Drawn]:
        arrays = shipment.arrays()
        drawn, rest = _drawn(self.works, arrays, self.finish_with is not None, self.video)
        rows = iter([row for sums in rest for row in sums])
        refused: list[tuple[DeviceWork, str, str]] = []
        for (work, name, window), memory in zip(self.asked, self.before, strict=True):
            facts: list[CropFacts] = [facts_of(next(rows)) for _ in range(len(window))]
            reason = window_refused(facts, window.motion, self.renderer.limits)
            if reason is not None:
                work.job.state.regions[name] = memory
                work.job.shown.pop(name)
                refused.append((work, name, reason))
        if not refused:
            return drawn
        self.renderer.recover([(work.job, name, reason) for work, name, reason in refused])
        again = [work for work in self.works if any(work is each[0] for each in refused)]
        arrays = self.renderer.compose(again, self.finish_with, self.video).arrays()
        anew = dict(
            zip(map(id, again), _drawn(again, arrays, self.finish_with is not None, self.video)[0], strict=True)
        )
        return [anew.get(id(work), shown) for work, shown in zip(self.works, drawn, strict=True)]

    def _failed(self, error: BaseException) -> None:
        """The device cannot: the host draws without networks, and everybody's streams begin anew."""
        _log.error("the card cannot put pictures together; warp draws", extra={"error": str(error).split("\n")[0]})
        self.shipment = None
        for work in self.works:
            for memory in work.job.state.regions.values():
                memory.forget()


def _drawn(
    works: Sequence[DeviceWork], arrays: Sequence[NDArray[Any]], finished: bool, video: bool
) -> tuple[list[Drawn], list[NDArray[Any]]]:
    """Windows as they came, and what came behind them."""
    found, rest = [], list(arrays)
    for work in works:
        pictures = rest.pop(0)
        planes = rest.pop(0) if video else None
        found.append(Drawn(pictures, planes, rest.pop(0) if work.drawing.matte else None, finished))
    return found, rest


def _by_the_host(work: DeviceWork) -> Drawn:
    """A window as `warp` draws it."""
    pictures, covers = draw_frames(work.still, work.posed), None
    if work.drawing.matte:
        covers = np.empty(pictures.shape[:3], np.uint8)
        spare = np.empty_like(pictures[0])
        for t, cover in enumerate(covers):
            draw_matte(work.still, draw_person(work.still, work.posed, t, spare), cover)
    return Drawn(pictures, None, covers, False)
