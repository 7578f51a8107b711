"""The command `visavis motion`: writes the motion of a voice, or of a person in a video, into a file.

Knows nothing of how motion comes about or of files' formats. Heavy modules are imported when they are needed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from visavis_models.errors import BadInput
from visavis_server.cli_mood import Emotions, FromVoice, Preset, in_mood
from visavis_server.cli_progress import progress

if TYPE_CHECKING:
    from visavis_server.motion_recording import Recording


def record_motion(
    out: Annotated[
        Path, typer.Option("-o", "--out", help="The file to write: .parquet, .json or .csv.", metavar="FILE")
    ],
    audio: Annotated[
        Path | None, typer.Option("--audio", help="The voice: wav, mp3, m4a, flac, ogg, ...", metavar="FILE")
    ] = None,
    video: Annotated[
        Path | None, typer.Option("--video", help="Or a video of a person, whose motion is read.", metavar="FILE")
    ] = None,
    mouth_only: Annotated[
        bool, typer.Option("--mouth-only", help="Only what the voice says: no blinks, looks, head or breath.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another number gives other blinks, looks and nods.")] = 0,
    emotion: Emotions = None,
    preset: Preset = None,
    emotion_from_voice: FromVoice = False,
    offset: Annotated[float, typer.Option("--offset", help="Seconds added to every time in the file.")] = 0.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
) -> None:
    """Write the motion of a voice, or of a face in a video, for a 3D avatar.

    ARKit's 52 coefficients, head and body, 25 times a second. `visavis render --motion` takes the file back.
    docs/motion_format.md describes it.
    """
    from visavis_server.motion_file import check_output, write_motion

    if (audio is None) == (video is None):
        raise BadInput("bad_usage", "Give either --audio or --video.", "visavis motion --help shows all options.")
    felt = bool(emotion or preset or emotion_from_voice)
    if video is not None and (mouth_only or seed or felt):
        raise BadInput("bad_usage", "--mouth-only, --seed and moods are for --audio.", "Leave them out.")
    if mouth_only and felt:
        raise BadInput("bad_usage", "--mouth-only leaves moods out.", "Give one or the other.")
    check_offset(offset)
    check_output(out, overwrite)
    if video is not None:
        recording, notes = _seen(video)
    else:
        assert audio is not None
        recording, notes = _heard(audio, mouth_only, seed, (emotion, preset, emotion_from_voice))
    write_motion(out, recording, offset)
    frames = len(recording.window)
    typer.echo(
        f"{out}: {frames} frames, {frames / 25:.1f} s at 25 frames per second, {out.stat().st_size / 1000:.0f} kB."
    )
    for note in notes:
        typer.echo(f"note: {note}", err=True)


def _heard(
    audio: Path, mouth_only: bool, seed: int, mood: tuple[list[str] | None, str | None, bool]
) -> tuple[Recording, list[str]]:
    from visavis_server.motion_recording import record
    from visavis_server.voice_file import VoiceFile
    from visavis_server.wiring import listener_maker

    voice = VoiceFile(audio)
    listener = in_mood((listener_maker(mouth_only=True) if mouth_only else listener_maker())(seed), *mood)
    with progress(f"Listening to {audio.name}") as advance:
        recording = record(voice, listener, seed=seed, mouth_only=mouth_only, on_progress=advance)
        frames = len(recording.window)
        advance(frames, frames)
    emotions, preset, from_voice = mood
    origin = replace(
        recording.origin, emotions=tuple(emotions or ()), preset=preset or "", emotion_from_voice=from_voice
    )
    return replace(recording, origin=origin), [voice.broken_note] if voice.broken_note else []


def _seen(video: Path) -> tuple[Recording, list[str]]:
    from visavis_server.video_motion import record_video

    with progress(f"Watching {video.name}") as advance:
        recording, notes = record_video(video, on_progress=advance)
        frames = len(recording.window)
        advance(frames, frames)
    return recording, notes


def check_offset(offset_s: float) -> None:
    """Refuse what is no number of seconds within a day.

    Raises:
        BadInput: `bad_usage`.
    """
    if not abs(offset_s) <= 86_400.0:  # also not a number
        raise BadInput("bad_usage", f"--offset {offset_s:g} is not a number of seconds within a day.", "Give seconds.")
