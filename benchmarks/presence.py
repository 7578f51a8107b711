"""How alive an avatar is, and how quiet: blinks, gaze, head, shut lips, changes of state; a table and a line of JSON.

    python benchmarks/presence.py [--minutes 10] [--voice FILES --voice FILES] [--portraits ID,ID] [--keep]

Two portraits with one voice each (by default the English and the Mandarin sentence of the tests, their phrases in ever
new order) and the other one's voice for a partner. Each is silent for so many minutes, speaks for as long, listens for
as long, and talks with the other in turns. The figures of the worse of the two are told, those of each stand below
`runs`. Everything is measured on the portraits' driven landmarks, see `presence_measures.py`.

JSON keys:

blink_rate_speaking_per_min, blink_rate_idle_per_min   the one further from the middle of its range
blink_ms_least, blink_ms_most         of all blinks
head_sd_deg_least, head_sd_deg_most   speaking; over pitch, yaw and roll
head_energy_above_5hz                 speaking; share of the variance of that axis where it is greatest
head_voice_correlation                loudness of the voice against how fast the head turns, 0 to 280 ms later
head_pitch_voice_correlation          the same against how far the head is bent down
gaze_on_viewer_least, gaze_on_viewer_most              speaking, idle and listening
mouth_closed_idle                     share of idle and listening frames with lips less than 3 % of the face apart
jump_at_changes                       longest way of a point of the face in one frame about changes of state, % of face
jump_speaking_p99                     what 99 % of the frames of speech stay below
jump_skin_at_changes, jump_skin_speaking_p99           the same without lids and irises: blinks and looks are jumps
repetition                            greatest autocorrelation of any axis of the head more than 10 s apart
cost_more                             of listening and drawing at 512 px together, against a mouth alone; a share
background_psnr_db                    outside of the person, against the photo, while the avatar talks; the worst frame
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from presence_measures import (
    around,
    best_correlation,
    blinks_ms,
    energy_above,
    gaze_share,
    repetition,
    seen,
    speed,
)
from presence_pictures import drawing_ms, still_background
from presence_scenes import Scene, Voice, phrases_of, scene
from record import report

from visavis_models.avatar import Avatar
from visavis_models.chunk import CHUNK_SAMPLES, FRAME_RATE_HZ, PLAYBACK_SAMPLES, Chunk
from visavis_models.face.rig import FaceRig
from visavis_models.motion import MotionWindow, join_windows
from visavis_models.performer import Performer
from visavis_models.portrait.library import AvatarLibrary
from visavis_models.rendering import MattingRenderer, Renderer
from visavis_server.wiring import default_renderer

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
AXES = ("pitch", "yaw", "roll")
_MOST_LAG_FRAMES = 7
_CLOSED = 0.03
_MIDDLE = {"speaking": 18.5, "idle": 15.0}
"""Of the ranges of blink rates."""


def performed(said: Scene, seed: int, mouth_only: bool = False) -> MotionWindow:
    """What the product does in this scene."""
    listener, silent = Performer(seed, mouth_only=mouth_only), np.zeros(PLAYBACK_SAMPLES, np.int16)
    ahead = listener.lookahead_ms * FRAME_RATE_HZ // 1000
    windows: list[MotionWindow] = []
    for index in range(len(said.own) + ahead):
        voices = (said.own, said.other) if index < len(said.own) else np.zeros((2, 1, CHUNK_SAMPLES), np.float32)
        own, other = (voice[min(index, len(voice) - 1)] for voice in voices)
        window = listener.push(Chunk(index, own, silent, other=other))
        if window is not None:
            windows.append(window)
    return join_windows(windows)


def run_figures(rig: FaceRig, kind: str, said: Scene, motion: MotionWindow) -> dict[str, Any]:
    """What one run comes to, unrounded."""
    look = seen(rig, motion)
    minutes = len(motion) / FRAME_RATE_HZ / 60
    blinks = blinks_ms(look.closure)
    found: dict[str, Any] = {
        "blinks_per_min": len(blinks) / minutes,
        "blink_ms_least": min(blinks),
        "blink_ms_most": max(blinks),
        "gaze_on_viewer": gaze_share(look),
        "repetition": max(repetition(look.head_deg[:, k]) for k in range(3)),
        "head_sd_deg": {name: float(look.head_deg[:, k].std()) for k, name in enumerate(AXES)},
    }
    silent = ~motion.speaking
    if kind in ("idle", "listening"):
        found["mouth_closed"] = float((look.lip_gap < _CLOSED).mean())
    if kind == "speaking":
        loudness = np.sqrt((said.own.astype(np.float64) ** 2).mean(1))[: len(motion)]
        found["head_energy_above_5hz"] = max(energy_above(look.head_deg[:, k], 5.0) for k in range(3))
        for name, curve in (("head_voice", speed(look.head_deg)), ("head_pitch_voice", look.head_deg[:, 0])):
            found[f"{name}_correlation"], lag = best_correlation(loudness, curve, _MOST_LAG_FRAMES)
            found[f"{name}_lag_ms"] = lag * 1000 // FRAME_RATE_HZ
        talking = motion.speaking
        found["jump_p99"] = float(np.percentile(look.jump[talking], 99)) * 100
        found["jump_skin_p99"] = float(np.percentile(look.jump_skin[talking], 99)) * 100
    if kind == "talk":
        edges = (np.flatnonzero(np.diff(motion.speaking.astype(np.int8))) + 1).tolist()
        near = around(sorted({*edges, *(at for at, _ in said.turns[1:])}), len(motion))
        found["changes"] = len(edges)
        found["jump_at_changes"] = float(look.jump[near].max()) * 100
        found["jump_skin_at_changes"] = float(look.jump_skin[near].max()) * 100
        found["jump_skin_at_changes_p99"] = float(np.percentile(look.jump_skin[near], 99)) * 100
        quiet = silent & ~around(edges, len(motion), 0, 5)
        found["mouth_closed"] = float((look.lip_gap[quiet] < _CLOSED).mean())
    return found


def cost_figures(avatar: Avatar, said: Scene, renderer: Renderer[Any]) -> dict[str, float]:
    """Milliseconds of processor time of a frame with and without presence: listening, and drawing at 512 px."""
    heard_ms: dict[bool, list[float]] = {True: [], False: []}
    motions = []
    for turn in range(3):
        for mouth_only in (True, False):
            begun_s = time.process_time()
            motion = performed(said, 1, mouth_only)
            heard_ms[mouth_only].append((time.process_time() - begun_s) * 1000 / len(motion))
            if turn == 0:
                motions.append(motion)
    drawn_ms = drawing_ms(avatar, renderer, motions)
    without_ms, with_ms = (min(heard_ms[kind]) + ms for kind, ms in zip((True, False), drawn_ms, strict=True))
    return {
        "frame_ms_without": without_ms,
        "frame_ms_with": with_ms,
        "listening_ms_more": min(heard_ms[False]) - min(heard_ms[True]),
        "cost_more": with_ms / without_ms - 1.0,
    }


def summary(runs: Sequence[dict[str, dict[str, Any]]]) -> dict[str, float]:
    """The worse of all portraits, for each figure."""

    def of(kind: str, key: str) -> list[float]:
        return [run[kind][key] for run in runs]

    every = [run[kind] for run in runs for kind in run]
    spreads = [spread for run in runs for spread in run["speaking"]["head_sd_deg"].values()]
    gazes = [gaze for kind in ("speaking", "idle", "listening") for gaze in of(kind, "gaze_on_viewer")]
    rates = {
        f"blink_rate_{kind}_per_min": max(of(kind, "blinks_per_min"), key=lambda rate: abs(rate - middle))
        for kind, middle in _MIDDLE.items()
    }
    return rates | {
        "blink_ms_least": min(run["blink_ms_least"] for run in every),
        "blink_ms_most": max(run["blink_ms_most"] for run in every),
        "head_sd_deg_least": min(spreads),
        "head_sd_deg_most": max(spreads),
        "head_energy_above_5hz": max(of("speaking", "head_energy_above_5hz")),
        "head_voice_correlation": min(of("speaking", "head_voice_correlation")),
        "head_pitch_voice_correlation": min(of("speaking", "head_pitch_voice_correlation")),
        "gaze_on_viewer_least": min(gazes),
        "gaze_on_viewer_most": max(gazes),
        "mouth_closed_idle": min(
            of("idle", "mouth_closed") + of("listening", "mouth_closed") + of("talk", "mouth_closed")
        ),
        "jump_at_changes": max(of("talk", "jump_at_changes")),
        "jump_speaking_p99": min(of("speaking", "jump_p99")),
        "jump_skin_at_changes": max(of("talk", "jump_skin_at_changes")),
        "jump_skin_speaking_p99": min(of("speaking", "jump_skin_p99")),
        "repetition": max(run["repetition"] for run in every),
    }


def rounded(value: Any) -> Any:
    """Floats to four digits, wherever they are."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--minutes", type=float, default=10.0, help="length of each run")
    ask.add_argument("--voice", action="append", default=[], help="recordings of one voice, a pattern; give two")
    ask.add_argument("--portraits", default="elena,mateo", help="two avatars of the gallery")
    ask.add_argument("--no-pictures", action="store_true", help="leave out costs and background: nothing is drawn")
    ask.add_argument("--keep", action="store_true", help="write the record under benchmarks/results/")
    args = ask.parse_args()
    patterns = args.voice or [str(DATA / "speech_en.flac"), str(DATA / "speech_zh.flac")]
    voices: list[list[Voice]] = []
    for pattern in patterns:
        path = Path(pattern)
        voices.append(phrases_of(sorted(path.parent.glob(path.name))))
    portraits = args.portraits.split(",")
    if len(voices) != 2 or len(portraits) != 2:
        ask.error("give two voices and two portraits")
    runs: dict[str, dict[str, dict[str, Any]]] = {}
    backgrounds: list[float] = []
    renderer = default_renderer()
    if not isinstance(renderer, MattingRenderer):
        ask.error("the renderer that ships cannot tell the person from the background")
    with tempfile.TemporaryDirectory() as folder:
        library = AvatarLibrary(Path(folder))
        for seed, portrait in enumerate(portraits, 1):
            avatar = library.get(portrait)
            rig = FaceRig.fit(avatar)
            runs[portrait] = {}
            for kind in ("idle", "speaking", "listening", "talk"):
                said = scene(kind, args.minutes * 60, voices[seed - 1], voices[2 - seed], seed)
                motion = performed(said, seed)
                runs[portrait][kind] = run_figures(rig, kind, said, motion)
                print(f"{portrait} {kind}: {rounded(runs[portrait][kind])}", flush=True)
                if kind == "talk" and not args.no_pictures:
                    backgrounds.append(still_background(avatar, renderer, motion, 12))
        figures: dict[str, Any] = summary(list(runs.values()))
        if not args.no_pictures:
            figures |= {"background_psnr_db": min(backgrounds)}
            figures |= cost_figures(avatar, scene("speaking", 20, voices[0], voices[1], 1), renderer)
    figures = rounded(figures)
    for key, value in figures.items():
        print(f"  {key:<34}{value:>10.4g}")
    report("presence", figures | {"minutes": args.minutes, "runs": rounded(runs)}, keep=args.keep)


if __name__ == "__main__":
    main()
