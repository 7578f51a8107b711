"""The commands `visavis avatar`: add, list, consent, delete. Knows nothing of how a photo is analysed."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from visavis_models.portrait.consent import given_now
from visavis_server.cli_settings import Config, DataDir, library_of, make_data_dir, photo_of, settings_of

avatar_app = typer.Typer(help="Add, list and delete avatars.", no_args_is_help=True)


@avatar_app.command("add")
def add_avatar(
    photo: Annotated[Path, typer.Argument(help="A picture with a face; the person must agree.", metavar="PHOTO")],
    name: Annotated[str | None, typer.Option("--name", help="For people; default: the file's name.")] = None,
    consent_by: Annotated[
        str | None, typer.Option("--consent-by", help="Who says that the person agrees; default: your user name.")
    ] = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Make an avatar of a photo. That the person shown agrees is recorded with it, as your word."""
    content = photo_of(photo)
    settings = settings_of(config, data_dir)
    make_data_dir(settings.data_dir)
    consent = given_now(consent_by or _user(), "command")
    made = library_of(settings).add(content, name or photo.stem.replace("_", " ").replace("-", " "), consent)
    typer.echo(f"{made.id}: {made.name}, {made.width_px}×{made.height_px}")
    for note in made.notes:
        typer.echo(f"note: {note}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may know no name for its user
        return ""


@avatar_app.command("consent")
def show_consent(
    id: Annotated[str, typer.Argument(help="As `visavis avatar list` shows it.", metavar="ID")],
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Show who said that the person in a photo agrees, when, and to which words."""
    consents = library_of(settings_of(config, data_dir)).consents(id)
    for consent in consents:
        who = consent.given_by or "somebody who was not asked for a name"
        typer.echo(f"{consent.given_at}  {who} ({consent.how}): {consent.text}")
    if not consents:
        typer.echo("Nothing is recorded.")


@avatar_app.command("list")
def list_avatars(config: Config = None, data_dir: DataDir = None) -> None:
    """Show all avatars."""
    entries = library_of(settings_of(config, data_dir)).list()
    widest = max((len(entry.id) for entry in entries), default=0)
    for entry in entries:
        size = f"{entry.width_px}×{entry.height_px}"
        ships = "  ships with visavis" if entry.builtin else ""
        typer.echo(f"{entry.id:<{widest}}  {size:<9}  {entry.name}{ships}")


@avatar_app.command("delete")
@avatar_app.command("remove", hidden=True)
def remove_avatar(
    id: Annotated[str, typer.Argument(help="As `visavis avatar list` shows it.", metavar="ID")],
    keep_recordings: Annotated[
        bool, typer.Option("--keep-recordings", help="Leave recordings that show it in outputs.record_dir.")
    ] = False,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Delete an avatar that you added, and everything made of it.

    That is its photo, all that was computed of it, the record of consent, and recordings that show it. A server that
    runs ends its calls within seconds. What was streamed, downloaded or rendered to other places is out of reach.
    """
    settings = settings_of(config, data_dir)
    library_of(settings).remove(id)
    typer.echo(f"{id} is deleted.")
    folder = settings.outputs.record_dir
    if folder is not None and not keep_recordings:
        from visavis_server.avatar_removal import remove_recordings

        removed = remove_recordings(folder, id)
        typer.echo(f"{removed} recordings of it are deleted." if removed != 1 else "1 recording of it is deleted.")
