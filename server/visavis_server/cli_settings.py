"""What several commands share: where settings and avatars come from. Knows nothing of the commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from visavis_models.errors import BadInput
from visavis_server.settings import Settings
from visavis_server.settings_sources import load_settings

if TYPE_CHECKING:
    from visavis_models.portrait.library import AvatarLibrary

Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.", metavar="FILE")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where avatars are kept.", metavar="FOLDER")]


def settings_of(config: Path | None, data_dir: Path | None, **flags: Any) -> Settings:
    """The settings of this start; flags are keys with `__` for the dot. See `load_settings`."""
    given = {name.replace("__", "."): value for name, value in flags.items()}
    return load_settings(config, os.environ, {"data_dir": data_dir, **given})


def library_of(settings: Settings) -> AvatarLibrary:
    """The avatars on disk."""
    from visavis_models.portrait.library import AvatarLibrary

    return AvatarLibrary(settings.data_dir / "avatars", canvas=settings.photos.canvas)


def make_data_dir(folder: Path) -> None:
    """Make the folder where everything is kept.

    Raises:
        BadInput: `data_dir`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            "data_dir", f"{folder} cannot be made: {error.strerror}.", "Choose another folder with --data-dir."
        ) from error


def photo_of(path: Path) -> bytes:
    """The content of a photo.

    Raises:
        BadInput: `photo_unreadable`.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput("photo_unreadable", f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
