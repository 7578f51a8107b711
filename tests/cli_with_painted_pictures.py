"""The command line as a program of its own, with painted facts instead of drawn faces: see `stage_fakes`."""

from __future__ import annotations

from stage_fakes import LoudnessListener, PaintingRenderer
from visavis_server import wiring
from visavis_server.cli import main

if __name__ == "__main__":
    setattr(wiring, "default_renderer", lambda *_: PaintingRenderer())  # noqa: B010 - a type checker knows that it is a function
    setattr(wiring, "listener_maker", lambda engine_kind=None, mouth_only=False: LoudnessListener)  # noqa: B010
    main()
