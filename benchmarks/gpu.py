"""How many avatars one device draws at once, and how soon: real sessions that all talk, without network and encoding.

    python benchmarks/gpu.py [--size base] [--folder EXPORTED] [--engine torch] [--sessions 1,8,16,32,48,64]
        [--seconds 20] [--canvas-px 1024] [--frames-per-step 4] [--steps 1] [--listening-processes 8]
        [--pictures card] [--drawing-threads 8] [--keep]

Without --folder the networks have weights at random: that costs as much, but the guard is told to let it pass. Every
session hears the same sentence at real time, at another place of it, and its frames are taken as they are published.
JSON keys: sessions_at_25fps (the most tried of whose frames less than 0.1 % were late), late_share (of those),
speech_to_lips_ms_p95_1 and _64 (null where not tried), first_frame_ms (a session is asked for, to its first picture),
window_ms, window_ms_p95, window_ms_p99 (one session's window, drawn alone), cold_start_s, and `runs`: of each number
of sessions frames, late_share, latencies, batches by size, and `shares`: of the device thread's time, for listening,
networks and all other drawing (with --pictures card: what the processor does before a card goes on); `load` is the
part of all time in which it worked.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gpu_renderers import OneWay, OneWayOnCard, Stopwatch
from numpy.typing import NDArray
from record import report

from visavis_models.avatar import Avatar
from visavis_models.chunk import CHUNK_MS, Chunk
from visavis_models.diffusion.batch_sizes import BatchSizes
from visavis_models.diffusion.engine_networks import EngineNetworks, files_in
from visavis_models.diffusion.guard import UNLIMITED
from visavis_models.diffusion.renderer import DiffusionRenderer
from visavis_models.diffusion.settings import RenderingSettings
from visavis_models.diffusion.sizes import SIZES, RendererSize
from visavis_models.diffusion.window_networks import Features, Told
from visavis_models.errors import Busy
from visavis_models.listening import Listener
from visavis_models.motion import MotionWindow
from visavis_models.performer import Performer
from visavis_models.portrait.storage import load_avatar
from visavis_models.warp.renderer import scaled_avatar
from visavis_models.weights import weights_folder
from visavis_server.drawing_trial import busy_motion
from visavis_server.listening.crew import ListeningCrew
from visavis_server.media import Published
from visavis_server.session import Session
from visavis_server.steering import SteeringPolicy
from visavis_server.studio import Studio, StudioSettings
from visavis_server.voice_file import VoiceFile

SPEECH = Path(__file__).resolve().parents[1] / "tests" / "data" / "speech_en.flac"
MOST_LATE = 0.001
_SETTLING_S = 4.0
_PACE_HZ = 48000
Floats = NDArray[np.float32]


class TimedNetworks:
    """Networks whose time is counted; see `WindowNetworks`."""

    def __init__(self, inner: EngineNetworks, watch: Stopwatch) -> None:
        self.inner, self.size, self.name = inner, inner.size, inner.name
        self._stem = watch.timed("networks", inner.stem)
        self._velocity = watch.timed("networks", inner.velocity)
        self._decode = watch.timed("networks", inner.decode)

    def appearance(self, reference: Floats) -> Floats:
        """See `WindowNetworks`."""
        return self.inner.appearance(reference)

    def stem(self, maps: Floats) -> Features:
        """See `WindowNetworks`."""
        found: Features = self._stem(maps)
        return found

    def velocity(self, latents: Floats, time: Floats, told: Told) -> Floats:
        """See `WindowNetworks`."""
        found: Floats = self._velocity(latents, time, told)
        return found

    def decode(self, latents: Floats, features: Features, maps: Floats) -> Floats:
        """See `WindowNetworks`."""
        found: Floats = self._decode(latents, features, maps)
        return found


class TimedListener(Performer):
    """Its listening is counted."""

    def __init__(self, seed: int, watch: Stopwatch) -> None:
        super().__init__(seed)
        self._heard = watch.timed("listening", super().push)

    def push(self, chunk: Chunk) -> MotionWindow | None:
        """See `Listener.push`."""
        found: MotionWindow | None = self._heard(chunk)
        return found


def listeners(crew: ListeningCrew | None, watch: Stopwatch) -> Callable[[int], Listener]:
    """What makes them: here and counted, or elsewhere."""
    return (lambda seed: TimedListener(seed, watch)) if crew is None else crew.listener


class Screen:
    """Counts what a session publishes."""

    def __init__(self) -> None:
        self.sent = self.late = 0
        self.first_s: float | None = None
        self.begun = asyncio.Event()

    def publish(self, item: Published) -> None:
        """See `MediaSink.publish`."""
        if self.first_s is None:
            self.first_s = time.perf_counter()
            self.begun.set()
        self.sent += 1
        self.late += item.repeated


def random_networks(folder: Path) -> Path:
    """All sizes of the renderer with weights that nobody trained, exported."""
    from visavis_models.diffusion.networks.renderer_networks import RendererNetworks
    from visavis_training.renderer.export import export

    for size in SIZES.values():
        export(RendererNetworks(size).eval(), folder)
    return folder


def large_face(canvas_px: int) -> Avatar:
    """A person who ships, on a canvas of this long side at most."""
    return scaled_avatar(load_avatar(weights_folder() / "gallery" / "elena"), canvas_px)


def window_times_ms(renderer: DiffusionRenderer, avatar: Avatar, frames: int, repeats: int) -> list[float]:
    """One session's windows, one after another, drawn alone; after a few that do not count."""
    state, spent = renderer.open(avatar), []
    for number in range(repeats + 5):
        window = busy_motion(frames, number * frames)
        begun_s = time.perf_counter()
        renderer.render([state], [window])
        spent.append(1000 * (time.perf_counter() - begun_s))
    return spent[5:]


async def talk(sessions: Sequence[Session], voice: NDArray[np.int16], until_s: float) -> None:
    """Every session hears the voice at real time, each at another place of it."""
    step = _PACE_HZ * CHUNK_MS // 2000  # 20 ms, as WebRTC brings it
    starts = np.linspace(0, len(voice), len(sessions), endpoint=False).astype(int)
    begun_s, number = time.monotonic(), 0
    while time.monotonic() < until_s:
        for session, start in zip(sessions, starts, strict=True):
            at = (start + number * step) % (len(voice) - step)
            session.hear(voice[at : at + step], _PACE_HZ, time.monotonic())
        number += 1
        await asyncio.sleep(max(0.0, begun_s + number * step / _PACE_HZ - time.monotonic()))


def percentile(values: Sequence[float], share: float) -> float | None:
    """None of nothing."""
    return round(float(np.percentile(values, share)), 1) if len(values) else None


async def run_sessions(
    renderer: OneWay,
    make_listener: Callable[[int], Listener],
    avatar: Avatar,
    count: int,
    voice: NDArray[np.int16],
    watch: Stopwatch,
    args: Any,
) -> dict[str, Any]:
    """So many sessions that talk for a while."""
    how = StudioSettings(
        frames_per_step=args.frames_per_step,
        policy=SteeringPolicy("degrade", 25.0),
        hearing_threads=args.listening_processes,
    )
    stage = Studio(renderer, make_listener, how)
    latencies: list[float] = []
    try:
        await stage.warm_up(avatar)
        sessions: list[Session] = []
        screens: list[Screen] = []
        firsts: list[float] = []
        for _ in range(count):
            asked_s = time.perf_counter()
            try:
                session = await stage.open_session(avatar)
            except Busy as error:
                return {"sessions": count, "refused_at": len(sessions), "why": error.code}
            screen = Screen()
            session.add_sink(screen)
            sessions.append(session)
            screens.append(screen)
            if len(sessions) <= 5:
                await screen.begun.wait()
                assert screen.first_s is not None
                firsts.append(1000 * (screen.first_s - asked_s))
        end_s = time.monotonic() + _SETTLING_S + args.seconds
        talking = asyncio.create_task(talk(sessions, voice, end_s))
        await asyncio.sleep(_SETTLING_S)
        for session in sessions:
            session.on_latency = latencies.append
        before = sum(s.sent for s in screens), sum(s.late for s in screens), dict(stage.figures.batches)
        watch.spent_s.clear()
        begun_s = time.perf_counter()
        await talking
        took_s = time.perf_counter() - begun_s
        sent, late = sum(s.sent for s in screens) - before[0], sum(s.late for s in screens) - before[1]
        spent = watch.spent_s
        busy_s = spent["drawing"] + spent["listening"]  # of listeners elsewhere nothing is known here
        return {
            "sessions": count,
            "frames": sent,
            "late_share": round(late / max(sent, 1), 5),
            "speech_to_lips_ms_p50": percentile(latencies, 50),
            "speech_to_lips_ms_p95": percentile(latencies, 95),
            "speech_to_lips_ms_p99": percentile(latencies, 99),
            "first_frame_ms": round(statistics.median(firsts), 1),
            "load": round(busy_s / took_s, 3),
            "shares": {
                "listening": round(spent["listening"] / max(busy_s, 1e-9), 3),
                "networks": round(spent["networks"] / max(busy_s, 1e-9), 3),
                "other drawing": round((spent["drawing"] - spent["networks"]) / max(busy_s, 1e-9), 3),
            },
            "batches": {k: n - before[2][k] for k, n in stage.figures.batches.items() if n > before[2][k]},
        }
    finally:
        await stage.aclose()


def opened(size: RendererSize, folder: Path, args: Any) -> EngineNetworks:
    """The networks on the engine that is asked for; torch on a processor where there is no card."""
    kind = None if args.engine == "auto" else args.engine
    if kind == "torch" and not has_card():
        return TorchOnProcessor(size, folder)
    return EngineNetworks(size, files_in(folder, size), kind)


class TorchOnProcessor(EngineNetworks):
    """Torch runs the networks on this machine's processor: to see that all of it works."""

    def __init__(self, size: RendererSize, folder: Path) -> None:
        from visavis_models.diffusion.engine_networks import PARTS
        from visavis_models.engines.gpu.torch_engine import open_torch

        self.size = size
        files = zip(PARTS, files_in(folder, size), strict=True)
        self._engines = {part: open_torch(path, "cpu") for part, path in files}


def on_the_card(
    networks: EngineNetworks, settings: RenderingSettings, limits: Any, batches: BatchSizes | None, threads: int
) -> DiffusionRenderer:
    """A renderer whose pictures are filled, judged, marked and converted where its networks run."""
    from visavis_models.device.networks import EnginesOnDevice
    from visavis_models.device.renderer import DeviceRenderer
    from visavis_server.provenance.device_finish import device_finish_of

    return DeviceRenderer(EnginesOnDevice(networks), settings, limits, batches, device_finish_of(True, ""), threads)


def most_unlike(one: DiffusionRenderer, other: DiffusionRenderer, avatar: Avatar) -> int:
    """By how many levels of 255 pictures of two renderers differ at most."""
    window = busy_motion(4)
    shown = [each.render([each.open(avatar)], [window])[0].astype(int) for each in (one, other)]
    return int(np.abs(shown[0] - shown[1]).max())


def has_card() -> bool:
    """Whether torch sees one."""
    import torch

    return bool(torch.cuda.is_available())


def card_facts() -> dict[str, Any]:
    """The card, and what was taken of its memory at most."""
    try:
        import torch
    except ImportError:
        return {"device": platform.machine()}
    if not torch.cuda.is_available():
        return {"device": platform.machine(), "torch": torch.__version__}
    return {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "memory_mb": round(torch.cuda.max_memory_reserved() / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=tuple(SIZES), default="base")
    parser.add_argument("--folder", type=Path, help="of exported networks; without it they are made at random")
    parser.add_argument("--engine", default="torch", help="torch, tensorrt, tensorrt-rtx, onnxruntime, openvino, auto")
    parser.add_argument("--sessions", default="1,8,16,32,48,64")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--canvas-px", type=int, default=1024)
    parser.add_argument("--frames-per-step", type=int, default=4)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--listening-processes", type=int, default=0, help="0: the one that draws listens too")
    parser.add_argument(
        "--pictures", choices=("card", "processor"), default="processor", help="what fills and marks them"
    )
    parser.add_argument("--drawing-threads", type=int, default=8, help="of the processor, where a card fills")
    parser.add_argument("--windows", type=int, default=50, help="timed one after another")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    size, watch = SIZES[args.size], Stopwatch()
    with tempfile.TemporaryDirectory() as made:
        folder = args.folder or random_networks(Path(made))
        begun_s = time.perf_counter()
        networks = opened(size, folder, args)
        settings = RenderingSettings(steps=args.steps)
        batches = BatchSizes() if networks.records else None
        if batches is not None:
            batches.record(networks, settings.overlap_frames)
        limits = None if args.folder else UNLIMITED
        on_card = args.pictures == "card"
        renderer: DiffusionRenderer = (
            on_the_card(networks, settings, limits, batches, args.drawing_threads)
            if on_card
            else DiffusionRenderer(TimedNetworks(networks, watch), settings, limits, batches)
        )
        one_way = (OneWayOnCard if on_card else OneWay)(renderer, watch)
        avatar = large_face(args.canvas_px)
        windows_ms = window_times_ms(renderer, avatar, args.frames_per_step, args.windows)
        cold_start_s = time.perf_counter() - begun_s - sum(windows_ms) / 1000
        voice = np.concatenate([chunk.playback for chunk in VoiceFile(SPEECH).chunks()])
        ears, runs = None, dict[int, dict[str, Any]]()
        if args.listening_processes:
            ears = ListeningCrew(args.listening_processes, [sys.executable, "-m", "visavis_server.listening"])
        make = listeners(ears, watch)
        for count in sorted(int(number) for number in args.sessions.split(",")):
            found = asyncio.run(run_sessions(one_way, make, avatar, count, voice, watch, args))
            runs[count] = found
            print("  ".join(f"{key} {value}" for key, value in found.items()), flush=True)
            if found.get("late_share", 1.0) > 0.5:
                break
        if ears is not None:
            ears.close()
        unlike = None
        if on_card:
            unlike = most_unlike(renderer, DiffusionRenderer(networks, settings, UNLIMITED, batches), avatar)
    good = [count for count, found in runs.items() if found.get("late_share", 1.0) < MOST_LATE]
    figures = {
        "size": size.name,
        "engine": networks.name,
        "canvas_px": args.canvas_px,
        "pictures": args.pictures,
        "most_levels_unlike_the_host": unlike,
        "frames_per_step": args.frames_per_step,
        "steps": args.steps,
        "listening_processes": args.listening_processes,
        "sessions_at_25fps": max(good, default=0),
        "late_share": runs[max(good)]["late_share"] if good else None,
        "speech_to_lips_ms_p95_1": runs.get(1, {}).get("speech_to_lips_ms_p95"),
        "speech_to_lips_ms_p95_64": runs.get(64, {}).get("speech_to_lips_ms_p95"),
        "first_frame_ms": next((found["first_frame_ms"] for found in runs.values() if "first_frame_ms" in found), None),
        "window_ms": percentile(windows_ms, 50),
        "window_ms_p95": percentile(windows_ms, 95),
        "window_ms_p99": percentile(windows_ms, 99),
        "cold_start_s": round(cold_start_s, 1),
        "batches_recorded_ms": batches.recorded if batches is not None else {},
        "runs": list(runs.values()),
        **card_facts(),
    }
    report("gpu", figures, keep=args.keep)


if __name__ == "__main__":
    main()
