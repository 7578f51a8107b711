"""Runs the front as a process: workers first, then the address; takes both down in order. Knows nothing of requests."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from visavis_server.own_program import WORKER, run_as
from visavis_server.settings import BadSetting, Settings

if TYPE_CHECKING:
    from visavis_server.own_certificate import OwnCertificate

_log = logging.getLogger(__name__)


def cards() -> list[str]:
    """The NVIDIA cards that may be used, as CUDA_VISIBLE_DEVICES names them."""
    from visavis_models.engines.nvidia import count_cards
    from visavis_models.errors import EngineError

    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        count = count_cards()
    except EngineError:
        return []
    return chosen.split(",")[:count] if chosen else [str(k) for k in range(count)]


def workers_of(settings: Settings) -> int:
    """How many workers there are to be."""
    return settings.server.workers or max(1, len(cards()))


def check_workers(settings: Settings) -> None:
    """Make sure that there can be workers, before anything slow begins.

    Raises:
        BadSetting: this system has none, or something is wanted that only one process can have.
    """
    if settings.server.workers == 1:
        return
    count = workers_of(settings)
    if count > 1 and sys.platform == "win32":
        raise BadSetting("server.workers", f"is {count}, which Windows cannot have", "Leave it at 1, or use WSL.")
    if count > 1 and settings.camera.device:
        remedy = "Serve with one worker; or show a session with OBS."
        raise BadSetting("camera.device", "needs a server of one process", remedy)


def serve_front(
    settings: Settings, sock: socket.socket, on_ready: Callable[[], None], own_certificate: OwnCertificate | None = None
) -> None:
    """Start the workers, answer for them on this socket until a signal comes, and take all down in order.

    Args:
        settings: of the whole server.
        sock: listens already.
        on_ready: called once all answer.
        own_certificate: if HTTPS is served with one that visavis has made.

    Raises:
        EngineError: a worker did not start.
    """
    from visavis_server.access.ledger import Ledger
    from visavis_server.call_server import front_server
    from visavis_server.workers.crew import Crew
    from visavis_server.workers.front import Front
    from visavis_server.workers.plan import plans

    async def run(folder: Path) -> None:
        ledger = Ledger(folder, 0)
        made = plans(settings, workers_of(settings), folder, cards())
        crew = Crew(made, run_as(WORKER), lambda lost: ledger.forget(lost.number))
        await crew.start()
        _log.info("workers answer", extra={"workers": len(crew.workers)})
        server = front_server(Front(crew), settings, on_ready, crew, own_certificate)
        try:
            await server.serve(sockets=[sock])
        finally:
            await crew.aclose()
            ledger.close()

    with tempfile.TemporaryDirectory(prefix="visavis-") as folder:
        asyncio.run(run(Path(folder)))
