"""What a worker is told when it is started. Knows nothing of processes."""

from __future__ import annotations

import math
import pickle
from dataclasses import dataclass, replace
from pathlib import Path

from visavis_server.settings import CameraSettings, Settings, ShowSettings


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """One worker."""

    number: int
    """From 1 on."""
    address: str
    """Path of the socket at which it answers the front."""
    settings: Settings
    card: str = ""
    """For CUDA_VISIBLE_DEVICES; empty: leave that as it is."""

    def packed(self) -> bytes:
        """For `unpacked` in the worker. Only ever sent from a front to its own child through a pipe."""
        return pickle.dumps(self)

    @staticmethod
    def unpacked(data: bytes) -> WorkerPlan:
        """What `packed` made."""
        plan = pickle.loads(data)
        assert isinstance(plan, WorkerPlan)
        return plan


def plans(settings: Settings, count: int, folder: Path, cards: list[str]) -> list[WorkerPlan]:
    """The workers of a server.

    Places are shared out. What the server does for itself (its show, automatic outputs) the first one does.

    Args:
        settings: of the whole server.
        count: of workers.
        folder: for their sockets; only this user may enter it.
        cards: of this machine, as CUDA names them; each worker has one, in turn. Empty: none.
    """
    places = math.ceil(settings.capacity / count)
    made = []
    for number in range(1, count + 1):
        own = replace(
            settings,
            server=replace(settings.server, tls="off", tls_cert=None, tls_key=None),  # that is the front's
            sessions=replace(settings.sessions, capacity=places),
            camera=CameraSettings(),
        )
        if number > 1:
            targets = tuple(replace(target, automatic=False) for target in settings.outputs.targets)
            own = replace(
                own,
                shows=ShowSettings(folder=settings.shows.folder, token=settings.shows.token),
                outputs=replace(settings.outputs, targets=targets),
            )
        card = cards[(number - 1) % len(cards)] if cards else ""
        made.append(WorkerPlan(number, str(folder / f"{number}.sock"), own, card))
    return made
