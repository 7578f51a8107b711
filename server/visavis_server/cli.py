"""The command line: reads settings, calls the parts, and words what came of it.

Knows nothing of how any of it works. Heavy modules are imported by the commands that need them: help comes at once.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from visavis_models.errors import BadInput, VisavisError
from visavis_server import __version__
from visavis_server.cli_access import key_app, token_app
from visavis_server.cli_avatar import avatar_app
from visavis_server.cli_build import build_engines
from visavis_server.cli_inspect import inspect
from visavis_server.cli_mood import Emotions, FromVoice, Preset, in_mood
from visavis_server.cli_motion import check_offset, record_motion
from visavis_server.cli_progress import progress
from visavis_server.cli_settings import Config, DataDir, library_of, make_data_dir, photo_of, settings_of
from visavis_server.workers.plan import COMMAND as WORKER_COMMAND
from visavis_server.workers.worker import work

if TYPE_CHECKING:
    from visavis_models.avatar import Avatar
    from visavis_models.motion import MotionWindow

USER_ERROR = 2

app = typer.Typer(
    name="visavis",
    help="One photo and a live voice become a live talking video.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # it would take "[default: 8765]" for markup and swallow it
)
app.add_typer(avatar_app, name="avatar")
app.add_typer(key_app, name="key")
app.add_typer(token_app, name="token")
app.command("motion")(record_motion)
app.command("build")(build_engines)
app.command("inspect")(inspect)
app.command(WORKER_COMMAND, hidden=True)(work)

RendererName = Annotated[
    str | None, typer.Option("--renderer", help="auto, diffusion or warp [default: auto].", metavar="NAME")
]


def main() -> None:
    """Entry point: errors of users end in one plain sentence and what to do about it, without a traceback."""
    _leave_in_order_when_told_to()
    try:
        app()
    except VisavisError as error:
        complain(error)
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        sys.exit(130)


def _leave_in_order_when_told_to() -> None:
    """A signal that ends this program, or its terminal, lets it remove what it has half written."""

    def leave(number: int, _: object) -> None:
        sys.exit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # `nohup` wants it ignored
            signal.signal(number, leave)


def complain(error: VisavisError) -> None:
    """Say what is wrong and what to do about it."""
    typer.echo(f"error: {error.message}", err=True)
    typer.echo(f"       {error.remedy}", err=True)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"visavis {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [default: 127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes any free one [default: 8765].")] = None,
    capacity: Annotated[int | None, typer.Option(help="Sessions at the same time; 0: by the CPU cores.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that share the sessions; 0: one for each card [default: 1].")
    ] = None,
    long_side_px: Annotated[int | None, typer.Option(help="Long side of the live picture [default: 512].")] = None,
    renderer: RendererName = None,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM certificate, for HTTPS.", metavar="FILE")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM private key, for HTTPS.", metavar="FILE")] = None,
    tls: Annotated[
        str | None, typer.Option(help="auto, off (behind an HTTPS proxy) or self-signed [default: auto].")
    ] = None,
    access: Annotated[
        str | None, typer.Option(help="Who needs a key: auto (all but this machine), required or open (nobody).")
    ] = None,
    ice_server: Annotated[
        list[str] | None, typer.Option(help="STUN or TURN URL; may be repeated. With a password: in the settings file.")
    ] = None,
    rtc_ports: Annotated[str | None, typer.Option(help="UDP ports for media, such as 40000-40100 [any].")] = None,
    public_address: Annotated[str | None, typer.Option(help="IP address that NAT gives this machine outside.")] = None,
    allowed_origin: Annotated[
        list[str] | None, typer.Option(help="Another web site that may use the API; may be repeated.")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    play: Annotated[
        list[str] | None,
        typer.Option(
            help="A show: let an avatar speak this file, folder or M3U playlist for viewers; may be repeated.",
            metavar="FILE",
        ),
    ] = None,
    play_avatar: Annotated[
        str | None, typer.Option(help="Who speaks [default: the first avatar].", metavar="ID")
    ] = None,
    play_name: Annotated[
        str | None, typer.Option(help="Viewers find the show at /whep/NAME [default: show].", metavar="NAME")
    ] = None,
    play_loop: Annotated[
        bool | None, typer.Option("--play-loop/--play-once", help="Again from the first file after the last [default].")
    ] = None,
    play_shuffle: Annotated[
        bool | None, typer.Option("--play-shuffle/--play-in-order", help="Each round in another order.")
    ] = None,
    play_seed: Annotated[int | None, typer.Option(help="The same one gives the same order.", min=0)] = None,
    play_pause_s: Annotated[
        float | None, typer.Option(help="Silence between two files; 0: gapless [default: 1].", metavar="SECONDS")
    ] = None,
    camera: Annotated[
        str | None, typer.Option(help="Show the avatar on this virtual camera too: a path, or auto.", metavar="DEVICE")
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--record", help="Record every session into this folder.", metavar="FOLDER")
    ] = None,
    stream: Annotated[
        list[str] | None,
        typer.Option(
            "--stream",
            help="Stream the first session there (rtmp://host/app/key, or https://host/whip); may be repeated. Other "
            "users of this machine can see it: better put keys into the settings file (outputs.targets).",
            metavar="URL",
        ),
    ] = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Serve the page and the API until Ctrl+C."""
    settings = settings_of(
        config,
        data_dir,
        server__host=host,
        server__port=port,
        server__tls_cert=tls_cert,
        server__tls_key=tls_key,
        server__tls=tls,
        access__mode=access,
        server__allowed_origins=tuple(allowed_origin or ()),
        server__workers=workers,
        sessions__capacity=capacity,
        video__long_side_px=long_side_px,
        drawing__renderer=renderer,
        rtc__ice_servers=tuple({"urls": [url]} for url in ice_server or ()),
        rtc__ports=rtc_ports,
        rtc__public_address=public_address,
        log__level=log_level,
        shows__play=tuple(play or ()),
        shows__play_avatar=play_avatar,
        shows__play_name=play_name,
        shows__play_loop=play_loop,
        shows__play_shuffle=play_shuffle,
        shows__play_seed=play_seed,
        shows__play_pause_s=play_pause_s,
        camera__device=camera,
    )
    from visavis_server import front_door, serving
    from visavis_server.logs import start_logging
    from visavis_server.outputs.desk import automatic_outputs, with_streams
    from visavis_server.workers import serving as front

    settings = with_streams(settings, stream or (), record)
    start_logging(settings.log.level, settings.log.format)
    front_door.check_access(settings)
    make_data_dir(settings.data_dir)
    settings, own_certificate = front_door.with_certificate(settings)
    serving.check_tls(settings.server)
    serving.check_camera(settings)
    front.check_workers(settings)
    if settings.shows.play:
        from visavis_server.house_show import check_house_show

        check_house_show(settings.shows, library_of(settings))
    sock = serving.open_socket(settings.server.host, settings.server.port)
    taken_port = sock.getsockname()[1]

    def announce() -> None:
        typer.echo(f"visavis {__version__} is ready: {serving.page_url(settings.server, taken_port)}")
        warning = serving.microphone_warning(settings.server, taken_port)
        if warning:
            typer.echo(f"warning: {warning}", err=True)
        if own_certificate is not None:
            typer.echo(front_door.about_certificate(own_certificate))
        if settings.shows.play:
            at = serving.page_url(settings.server, taken_port)
            typer.echo(f"Its show is watched over WHEP: {at}/whep/{settings.shows.play_name}")
        for line in automatic_outputs(settings.outputs):
            typer.echo(line)
        typer.echo("Ctrl+C stops it.")
        sys.stdout.flush()

    try:
        if front.workers_of(settings) > 1:
            front.serve_front(settings, sock, announce, own_certificate)
        else:
            with serving.camera_of(settings.camera) as shown:
                serving.serve_forever(settings, sock, announce, shown, own_certificate)
    finally:
        sock.close()
    typer.echo("visavis has stopped.")
    serving.leave()


@app.command()
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
        int | None, typer.Option("--size", min=128, max=1024, help="Long side in pixels; default: the photo's.")
    ] = None,
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
    voice lacks it is silent.
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
    speaker = library_of(settings).get(avatar) if avatar is not None else _analysed(image)

    from visavis_server.motion_player import MotionPlayer
    from visavis_server.provenance.signing import file_signer
    from visavis_server.render_file import render_file
    from visavis_server.wiring import default_renderer, finish_for, listener_maker

    signer = file_signer(settings)
    performer = (
        MotionPlayer(recorded)
        if recorded is not None
        else in_mood(listener_maker()(seed), emotion, preset, emotion_from_voice)
    )
    drawn_by = default_renderer(settings.drawing)
    with progress(f"Rendering {out.name}") as advance:
        report = render_file(
            speaker,
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


def _analysed(image: Path | None) -> Avatar:
    """An avatar for this once: a photo given to `render` is not kept."""
    from visavis_models.portrait.analysis import analyse

    assert image is not None
    speaker = analyse(photo_of(image), image.stem)
    for note in speaker.notes:
        typer.echo(f"note: {note}", err=True)
    return speaker


@app.command()
def doctor(
    host: Annotated[str | None, typer.Option(help="Address that you want to serve on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port that you want to serve on.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Check what visavis needs on this machine, and say how to mend what is broken."""
    from visavis_server.doctor import diagnosis, diagnosis_json, diagnosis_text

    checks = diagnosis(settings_of(config, data_dir, server__host=host, server__port=port))
    typer.echo(diagnosis_json(checks) if as_json else diagnosis_text(checks))
    if any(check.status == "broken" for check in checks):
        raise typer.Exit(1)


if __name__ == "__main__":
    main()
