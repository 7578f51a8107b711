"""The command line: reads settings, calls the parts, and words what came of it.

Knows nothing of how any of it works. Heavy modules are imported by the commands that need them: help comes at once.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from visavis_models.errors import VisavisError
from visavis_server import __version__
from visavis_server.cli_access import key_app, token_app
from visavis_server.cli_avatar import avatar_app
from visavis_server.cli_build import build_engines
from visavis_server.cli_inspect import inspect
from visavis_server.cli_motion import record_motion
from visavis_server.cli_render import RendererName, render
from visavis_server.cli_session import session_app
from visavis_server.cli_settings import Config, DataDir, library_of, make_data_dir, settings_of
from visavis_server.own_program import LISTENER, WORKER, listen, work

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
app.command("render")(render)
app.command("build")(build_engines)
app.command("inspect")(inspect)
app.add_typer(session_app, name="session")
app.command(WORKER, hidden=True)(work)
app.command(LISTENER, hidden=True)(listen)


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
    from visavis_server.exhaustion import allow_more_descriptors
    from visavis_server.logs import start_logging
    from visavis_server.outputs.desk import automatic_outputs, with_streams
    from visavis_server.tracing.exporting import check_traces
    from visavis_server.workers import serving as front

    settings = with_streams(settings, stream or (), record)
    start_logging(settings.log.level, settings.log.format)
    allow_more_descriptors()
    front_door.check_access(settings)
    make_data_dir(settings.data_dir)
    settings, own_certificate = front_door.with_certificate(settings)
    serving.check_tls(settings.server)
    serving.check_camera(settings)
    check_traces(settings.traces)
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
