"""Which parts make up the product: the one place that names the renderer and the listener that ship.

Imports are inside the functions, so that `visavis --help` need not load the networks' libraries.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visavis_models.errors import VisavisError
from visavis_models.listening import Listener
from visavis_models.rendering import Renderer
from visavis_server.provenance_settings import ProvenanceSettings
from visavis_server.settings import DrawingSettings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RendererChoice:
    """Which renderer draws."""

    name: str
    """`diffusion` or `warp`."""
    why: str
    """For people."""
    forced: bool = False
    """The operator wants this one and no other."""


def renderer_choice(drawing: DrawingSettings) -> RendererChoice:
    """Which renderer the settings and the weights that ship come to. Loads no network."""
    from visavis_models.diffusion.engine_networks import networks_ship
    from visavis_models.diffusion.sizes import COMPACT

    if drawing.renderer != "auto":
        return RendererChoice(drawing.renderer, "chosen by drawing.renderer", True)
    if drawing.networks is not None:
        return RendererChoice("diffusion", f"with the networks in {drawing.networks}")
    if networks_ship(COMPACT):
        return RendererChoice("diffusion", "the best one that ships")
    return RendererChoice("warp", "networks for diffusion do not ship with this version")


def default_renderer(
    drawing: DrawingSettings | None = None, provenance: ProvenanceSettings | None = None
) -> Renderer[Any]:
    """The renderer that users see.

    Args:
        drawing: how pictures are made.
        provenance: the marks that a renderer lays on that makes its pictures on a card; None: none.

    Raises:
        VisavisError: the operator chose one that cannot run here.
    """
    from visavis_server.compiled_code import room_for_compiled_code

    drawing = drawing or DrawingSettings()
    choice = renderer_choice(drawing)
    with room_for_compiled_code():
        from visavis_models.people_rendering import for_people
        from visavis_models.warp.renderer import WarpRenderer

        if choice.name == "diffusion":
            try:
                return for_people(_diffusion(drawing, provenance))
            except VisavisError as error:
                if choice.forced or drawing.engine != "auto":
                    raise
                _log.warning("diffusion cannot run here, warp draws", extra={"reason": error.message})
    return for_people(WarpRenderer())


def _diffusion(drawing: DrawingSettings, provenance: ProvenanceSettings | None) -> Renderer[Any]:
    from visavis_models.diffusion.batch_sizes import BatchSizes
    from visavis_models.diffusion.engine_networks import EngineNetworks, files_in, shipped_files
    from visavis_models.diffusion.renderer import DiffusionRenderer
    from visavis_models.diffusion.settings import RenderingSettings
    from visavis_models.diffusion.sizes import COMPACT

    files = shipped_files(COMPACT) if drawing.networks is None else files_in(drawing.networks, COMPACT)
    kind = None if drawing.engine == "auto" else drawing.engine
    networks = EngineNetworks(COMPACT, files, kind, drawing.threads)
    settings = RenderingSettings(steps=drawing.steps, overlap_frames=drawing.overlap_frames, eyes=drawing.lids)
    batches = BatchSizes() if networks.records else None
    if batches is not None:
        batches.record(networks, settings.overlap_frames)
        _log.info("batches recorded", extra={"shapes": len(batches.recorded), "ms": sum(batches.recorded.values())})
    if drawing.pictures == "processor" or not networks.on_card:
        return DiffusionRenderer(networks, settings, batches=batches)
    from visavis_models.device.networks import EnginesOnDevice
    from visavis_models.device.renderer import DeviceRenderer
    from visavis_server.provenance.device_finish import device_finish_of

    marks = None if provenance is None else device_finish_of(provenance.watermark, provenance.badge)
    threads = min(8, max(1, (os.cpu_count() or 2) // 2))
    return DeviceRenderer(EnginesOnDevice(networks), settings, batches=batches, finish=marks, threads=threads)


def finish_for(provenance: ProvenanceSettings) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None:
    """What every drawn picture gets before anybody sees it; None: nothing. The log tells of pictures without marks."""
    from visavis_server.compiled_code import room_for_compiled_code

    if not (provenance.watermark and provenance.credentials):
        _log.warning("pictures or files are not marked as made", extra={"because": provenance.off_because})
    with room_for_compiled_code():
        from visavis_server.provenance.finish import finish_of

        return finish_of(provenance.watermark, provenance.badge)


def listener_maker(engine_kind: str | None = None, mouth_only: bool = False) -> Callable[[int], Listener]:
    """What makes the listener of a session from a seed.

    Args:
        engine_kind: which engine runs its network; None takes the best that works here.
        mouth_only: only what the voice says moves: no blinks, no head, no breath.
    """
    from visavis_models.performer import Performer

    return lambda seed: Performer(seed, engine_kind, mouth_only)
