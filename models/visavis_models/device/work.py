"""What one session holds of a device, and one window of it on its way there. Knows nothing of batches."""

from __future__ import annotations

from dataclasses import dataclass

from visavis_models.device.canvas import Drawing
from visavis_models.device.person import PersonOnDevice
from visavis_models.diffusion.likeness import Likeness
from visavis_models.diffusion.renderer import DiffusionState, Job
from visavis_models.warp.renderer import Posed, Still


@dataclass(slots=True)
class KeptAvatar:
    """An avatar on the device."""

    likeness: Likeness
    """With arrays: as the renderer of the host knows it."""
    on_device: Likeness
    """With tensors."""
    person: PersonOnDevice


@dataclass(slots=True)
class DeviceState(DiffusionState):
    """One session's hold on an avatar; what it has shown lies on the device, and is free when this is."""

    kept: KeptAvatar | None = None


@dataclass(slots=True)
class DeviceWork:
    """A window of one session on its way to the device."""

    job: Job
    kept: KeptAvatar
    drawing: Drawing
    posed: Posed

    @property
    def still(self) -> Still:
        """Whom it shows."""
        return self.kept.likeness.still
