"""What a frame of the diffusion renderer costs, stage by stage, in a stream of speech.

    python benchmarks/diffusion_stages.py [--avatar elena] [--side 512] [--new 4] [--steps 1] [--folder EXPORTED]
        [--unguarded] [--keep]

The test sentence as the listener moves it, blinks and all, in windows of some new frames. All figures are
milliseconds of one processor core for a frame of the video (the thread's own time; OMP_NUM_THREADS=1 keeps it one).
JSON keys: `frame_ms_p50` and `_p95` (all of it, by window), and the mean of each stage: `pose_ms`, `maps_ms`,
`networks_ms`, `guard_ms`, `warp_ms`, `lay_ms`, `rest_ms`; `reanchored` and `fallback`, windows that the guard refused.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from record import report

from visavis_models.diffusion import renderer as stages
from visavis_models.diffusion.compositing import Patch
from visavis_models.diffusion.engine_networks import EngineNetworks, files_in, shipped_files
from visavis_models.diffusion.guard import UNLIMITED
from visavis_models.diffusion.renderer import DiffusionRenderer
from visavis_models.diffusion.settings import RenderingSettings
from visavis_models.diffusion.sizes import COMPACT
from visavis_models.diffusion.windows import WindowMaker
from visavis_models.motion import join_windows
from visavis_models.portrait.library import AvatarLibrary
from visavis_server.voice_file import VoiceFile
from visavis_server.wiring import listener_maker

SPEECH = Path(__file__).resolve().parents[1] / "tests" / "data" / "speech_en.flac"
_STAGES: tuple[tuple[Any, str, str], ...] = (
    (stages, "pose", "pose"),
    (stages, "region_window", "maps"),
    (WindowMaker, "make", "networks"),
    (stages, "window_refusal", "guard"),
    (stages, "draw_person", "warp"),
    (stages, "paint_openings", "warp"),
    (Patch, "of", "lay"),
    (Patch, "lay", "lay"),
)


def watched(spent_ms: dict[str, float]) -> None:
    """From now on, add what each stage takes of this thread's time."""

    def timed(call: Callable[..., Any], stage: str) -> Callable[..., Any]:
        @wraps(call)
        def run(*args: Any, **more: Any) -> Any:
            begun = time.thread_time()
            try:
                return call(*args, **more)
            finally:
                spent_ms[stage] += (time.thread_time() - begun) * 1000

        return run

    for owner, name, stage in _STAGES:
        setattr(owner, name, timed(getattr(owner, name), stage))


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--avatar", default="elena", help="one that ships")
    ask.add_argument("--side", type=int, default=512, help="long side of the picture in px")
    ask.add_argument("--new", type=int, default=4, help="new frames of a window")
    ask.add_argument("--steps", type=int, default=1, help="of the flow")
    ask.add_argument("--folder", type=Path, help="of exported networks; by default those that ship")
    ask.add_argument("--unguarded", action="store_true", help="refuse nothing: for networks that are not trained")
    ask.add_argument("--keep", action="store_true", help="write the record under benchmarks/results/")
    args = ask.parse_args()
    networks = EngineNetworks(COMPACT, files_in(args.folder, COMPACT) if args.folder else shipped_files(COMPACT))
    renderer = DiffusionRenderer(networks, RenderingSettings(steps=args.steps), UNLIMITED if args.unguarded else None)
    listener = listener_maker()(1)
    heard = [w for chunk in VoiceFile(SPEECH).chunks() if (w := listener.push(chunk)) is not None]
    motion = join_windows(heard)
    with tempfile.TemporaryDirectory() as folder:
        avatar = AvatarLibrary(Path(folder) / "avatars").get(args.avatar)
    begun = time.perf_counter()
    state = renderer.open(avatar, args.side)
    open_s = time.perf_counter() - begun
    renderer.render([renderer.open(avatar, args.side)], [motion.rows(0, args.new)])
    spent_ms: dict[str, float] = defaultdict(float)
    watched(spent_ms)
    windows_ms = []
    for start in range(0, len(motion) - args.new + 1, args.new):
        begun = time.thread_time()
        renderer.render([state], [motion.rows(start, start + args.new)])
        windows_ms.append((time.thread_time() - begun) * 1000)
    frames = len(windows_ms) * args.new
    figures: dict[str, Any] = {
        "networks": networks.name, "size": "x".join(map(str, state.size)), "new_frames": args.new, "steps": args.steps,
        "frame_ms_p50": round(float(np.median(windows_ms)) / args.new, 2),
        "frame_ms_p95": round(float(np.quantile(windows_ms, 0.95)) / args.new, 2),
        "open_s": round(open_s, 2),
    }  # fmt: skip
    for _, _, stage in _STAGES:
        figures[f"{stage}_ms"] = round(spent_ms[stage] / frames, 2)
    figures["rest_ms"] = round((sum(windows_ms) - sum(spent_ms.values())) / frames, 2)
    figures["reanchored"] = sum(renderer.counts.reanchored.values())
    figures["fallback"] = sum(renderer.counts.fallback.values())
    report("diffusion_stages", figures, keep=args.keep)


if __name__ == "__main__":
    main()
