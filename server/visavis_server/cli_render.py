"""The command `visavis render`: a photo and a voice, or recorded motion, become a video.

Knows nothing of how any of it works. Heavy modules are imported when they are needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from visavis_models.errors import BadInput
from visavis_server.cli_mood import Emotions, FromVoice, Preset, in_mood
from visavis_server.cli_motion import check_offset
from visavis_server.cli_people import Format, Speakers, read_speakers, renumbered, with_speakers
from visavis_server.cli_progress import progress
from visavis_server.cli_settings import Config, DataDir, library_of, photo_of, settings_of

if TYPE_CHECKING:
    from visavis_models.avatar import Avatar
    from visavis_models.motion import MotionWindow

RendererName = Annotated[
    str | None, typer.Option("--renderer", help="auto, diffusion or warp [default: auto].", metavar="NAME")
]


def render(
    out: Annotated[Path, typer.Option("-o", "--out", help="The video to write: .mp4.", metavar="FILE")],
    audio: Annotated[
        Path | None, typer.Option("--audio", help="The voice: wav, mp3, m4a, flac, ogg, ...", metavar="FILE")
    ] = None,
    motion: Annotated[
        Path | None,
        typer.Option(
            "--motion",
            help="Move as this file says, not as the voice does: .parquet, .json or .csv, from `visavis motion` or a "
            "face tracker. Without --audio: silent.",
            metavar="FILE",
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option("--fps", help="Frames per second of a motion file without times, or of its timecode."),
    ] = None,
    offset: Annotated[
        float, typer.Option("--offset", help="Seconds by which the motion is shown later; negative: earlier.")
    ] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another number gives other blinks, looks and nods.")] = 0,
    emotion: Emotions = None,
    preset: Preset = None,
    emotion_from_voice: FromVoice = False,
    image: Annotated[Path | None, typer.Option("--image", help="The photo.", metavar="FILE")] = None,
    avatar: Annotated[str | None, typer.Option("--avatar", help="Or an avatar's id.", metavar="ID")] = None,
    size: Annotated[
        int | None, typer.Option("--size", min=128, max=1920, help="Long side in pixels; default: the photo's.")
    ] = None,
    format: Format = None,
    speaker: Speakers = None,
    badge: Annotated[
        str | None, typer.Option("--badge", help="Words to draw into the picture, such as 'AI avatar'.", metavar="TEXT")
    ] = None,
    renderer: RendererName = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the video if it exists.")] = False,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Make a talking video of a photo and a voice, or of recorded motion.

    With both a voice and motion the video is as long as the longer one: where motion lacks the avatar rests, where
    voice lacks it is silent. In a picture of several people one speaks and the others idle; see --speaker.
    """
    if audio is None and motion is None:
        raise BadInput("bad_usage", "Give --audio, --motion or both.", "visavis render --help shows all options.")
    if motion is None and (fps is not None or offset):
        raise BadInput("bad_usage", "--fps and --offset are for --motion.", "Give --motion, or leave them out.")
    if motion is not None and (emotion or preset or emotion_from_voice):
        raise BadInput("bad_usage", "Recorded motion has its moods in it.", "Leave --emotion and --preset out.")
    if (image is None) == (avatar is None):
        raise BadInput("bad_usage", "Give either --image or --avatar.", "visavis avatar list shows the avatars.")
    if out.exists() and not overwrite:
        raise BadInput("output_exists", f"{out} exists.", "Give another name, or --overwrite.")
    if audio is not None and not audio.is_file():
        raise BadInput("voice_unreadable", f"There is no file {audio}.", "Check the path.")
    settings = settings_of(config, data_dir, drawing__renderer=renderer, provenance__badge=badge)
    recorded = _recorded(motion, audio, fps, offset) if motion is not None else None
    cues = read_speakers(speaker)
    if image is not None:
        shown = _analysed(image, "1080p" if size is not None and size > 1024 else settings.photos.canvas)
    else:
        shown = library_of(settings).get(avatar or "")

    from visavis_models.ensemble import listener_of_people
    from visavis_models.framing import framed
    from visavis_server.motion_player import MotionPlayer
    from visavis_server.provenance.signing import file_signer
    from visavis_server.render_file import render_file
    from visavis_server.wiring import default_renderer, finish_for, listener_maker

    signer = file_signer(settings)
    people = len(shown.people)
    shown, first = framed(shown, format or "", cues[0].speaker or 0)
    cues = renumbered(cues, shown, first, people)
    made = listener_maker()
    mover = None if recorded is None else MotionPlayer(recorded)
    performer = with_speakers(listener_of_people(made, seed, len(shown.people), {first: mover} if mover else {}), cues)
    performer = performer if recorded is not None else in_mood(performer, emotion, preset, emotion_from_voice)
    drawn_by = default_renderer(settings.drawing)
    with progress(f"Rendering {out.name}") as advance:
        report = render_file(
            shown,
            audio,
            out,
            renderer=drawn_by,
            listener=performer,
            long_side_px=size,
            least_frames=0 if recorded is None else recorded.first_frame + len(recorded),
            finish=finish_for(settings.provenance),
            sign=None if signer is None else signer.sign,
            on_progress=advance,
        )
        advance(report.frames, report.frames)
    typer.echo(
        f"{out}: {report.duration_s:.1f} s of video, {report.width}×{report.height}, made in {report.took_s:.1f} s "
        f"({report.fps:.0f} frames per second)."
    )
    for note in (*report.notes, *_guarded(drawn_by)):
        typer.echo(f"note: {note}", err=True)


def _guarded(renderer: object) -> list[str]:
    """What became of pictures that the renderer itself refused."""
    from visavis_models.rendering import GuardedRenderer

    if not isinstance(renderer, GuardedRenderer):
        return []
    lost = {reason: count for reason, count in renderer.counts.fallback.items() if count}
    if not lost:
        return []
    why = ", ".join(f"{count} {reason}" for reason, count in lost.items())
    return [f"{sum(lost.values())} windows of pictures were not good enough ({why}); warp drew them."]


def _recorded(motion: Path, audio: Path | None, fps: float | None, offset_s: float) -> MotionWindow:
    """The motion of a file; what its user should know is said."""
    from visavis_server.motion_file import read_motion
    from visavis_server.motion_recording import sha256_of

    check_offset(offset_s)
    recorded = read_motion(motion, fps, offset_s)
    for note in recorded.notes:
        typer.echo(f"note: {note}", err=True)
    if audio is not None and recorded.audio_sha256 not in (None, sha256_of(audio)):
        typer.echo(f"note: {motion.name} was not made of {audio.name}, but of another file.", err=True)
    if recorded.window.first_frame + len(recorded.window) <= 0:
        raise BadInput("bad_usage", f"All of {motion.name} lies before the beginning.", "Give another --offset.")
    return recorded.window


def _analysed(image: Path, canvas: str) -> Avatar:
    """An avatar for this once: a photo given to `render` is not kept."""
    from visavis_models.portrait.analysis import analyse

    shown = analyse(photo_of(image), image.stem, canvas=canvas)
    for note in shown.notes:
        typer.echo(f"note: {note}", err=True)
    return shown
