"""The commands `visavis key` and `visavis token`: who may use this server, from anywhere else than this machine.

Knows nothing of how keys are kept or tokens are signed.
"""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from visavis_models.errors import BadInput
from visavis_server.cli_settings import Config, DataDir, settings_of

if TYPE_CHECKING:
    from visavis_server.access.keys import AccessKey, KeyStore
    from visavis_server.settings import Settings

key_app = typer.Typer(help="Make, list and revoke keys to this server.", no_args_is_help=True)
token_app = typer.Typer(help="Make tokens of keys: shorter-lived, with less rights.", no_args_is_help=True)

Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", help="call, publish, view, metrics or manage; may be repeated.", metavar="SCOPE"),
]
OfAvatar = Annotated[str | None, typer.Option("--avatar", help="Only for this avatar.", metavar="ID")]
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@key_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="For you: who has it.", metavar="NAME")],
    scope: Scopes = None,
    avatar: OfAvatar = None,
    lasts: Annotated[str | None, typer.Option("--lasts", help="Such as 30d or 12h [for ever].")] = None,
    sessions: Annotated[int, typer.Option(min=0, help="Sessions at the same time; 0: any number.")] = 0,
    minutes_per_day: Annotated[int, typer.Option(min=0, help="Minutes of sessions a day; 0: any number.")] = 0,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Make a key. It is shown once, and kept nowhere. Without --scope it may do everything."""
    from visavis_server.access.grants import read_scopes

    store = _store(settings_of(config, data_dir))
    text, key = store.create(
        name,
        read_scopes(scope or ["manage"]),
        avatar=avatar,
        lasts_s=None if lasts is None else duration_s(lasts),
        max_sessions=sessions,
        minutes_per_day=minutes_per_day,
    )
    typer.echo(text)
    if sys.stdout.isatty():
        typer.echo(f"This key of {key.name} ({', '.join(sorted(key.scopes))}) is not shown again.", err=True)
        typer.echo("The page asks for it; programs send Authorization: Bearer <key>.", err=True)


@key_app.command("list")
def list_keys(config: Config = None, data_dir: DataDir = None) -> None:
    """List the keys; not the keys themselves, which nobody knows but their holders."""
    settings = settings_of(config, data_dir)
    rows = [("id", "name", "scopes", "only for", "made", "ends", "sessions", "minutes a day")]
    for key in _store(settings).all():
        ends = "never" if key.expires_s is None else _day(key.expires_s)
        ends = "ended" if key.expired(time.time()) else ends
        limits = (str(key.max_sessions or "any"), str(key.minutes_per_day or "any"))
        scopes = ",".join(sorted(key.scopes))
        rows.append((key.id, key.name, scopes, key.avatar or "-", _day(key.created_s), ends, *limits))
    if settings.access.key:
        rows.append(("settings", "access.key", "manage", "-", "-", "never", "any", "any"))
    if len(rows) == 1:
        typer.echo("There is no key. Make one: visavis key create NAME")
        return
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@key_app.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(help="Its id, or its name.", metavar="KEY")],
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Take a key back, with every token made of it. A running server notices within a second or two."""
    gone = _store(settings_of(config, data_dir)).revoke(key)
    typer.echo(f"{gone.id} ({gone.name}) opens nothing any more.")


@token_app.command("create")
def create_token(
    key: Annotated[str | None, typer.Option("--key", help="Id or name of the key that signs [the only one].")] = None,
    scope: Scopes = None,
    avatar: OfAvatar = None,
    session: Annotated[
        str | None, typer.Option("--session", help="Only for the session of this id or show's name.", metavar="NAME")
    ] = None,
    lasts: Annotated[str | None, typer.Option("--lasts", help="Such as 45m or 12h [access.token_s: 1h].")] = None,
    link: Annotated[
        str | None, typer.Option("--link", help="Address of the page: print a link that logs a browser in.")
    ] = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Make a token for somebody: by default for calls, for an hour."""
    from visavis_server.access.grants import read_scopes
    from visavis_server.access.tokens import sign

    settings = settings_of(config, data_dir)
    lasts_s = settings.access.token_s if lasts is None else duration_s(lasts)
    if lasts_s > settings.access.max_token_s:
        problem = f"Tokens last {settings.access.max_token_s} s at most."
        raise BadInput("bad_duration", problem, "Ask for less, raise access.max_token_s, or make a key.")
    store = _store(settings)
    signer = store.named(key) if key is not None else _only_key(store, settings)
    scopes = read_scopes(scope or ["call"])
    token = sign(signer, scopes, lasts_s, time.time(), avatar=avatar, session=session)
    typer.echo(token if link is None else f"{link.partition('#')[0]}#token={token}")


@token_app.command("show")
def show_token(
    token: Annotated[str | None, typer.Argument(help="Read from standard input if not given.", metavar="TOKEN")] = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Tell what a token allows, or why it allows nothing."""
    from visavis_server.access.tokens import grant_of_token

    settings = settings_of(config, data_dir)
    text = (sys.stdin.readline() if token is None else token).strip()
    grant = grant_of_token(text, _store(settings), time.time(), settings.access.max_token_s)
    typer.echo(f"scopes:  {', '.join(sorted(grant.scopes))}")
    typer.echo(f"key:     {grant.owner}")
    typer.echo(f"avatar:  {grant.avatar or 'any'}")
    typer.echo(f"session: {grant.session or 'any'}")
    typer.echo(f"ends in: {(grant.expires_s or 0.0) - time.time():.0f} s")


def duration_s(text: str) -> int:
    """A duration such as `30d`, `12h`, `45m` or `90s`.

    Raises:
        BadInput: `bad_duration`.
    """
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text.strip())
    seconds = int(found[1]) * _UNITS_S[found[2]] if found else 0
    if seconds <= 0:
        raise BadInput("bad_duration", f"{text!r} is no duration.", "Write it like 45m, 12h or 30d.")
    return seconds


def _store(settings: Settings) -> KeyStore:
    from visavis_server.access.keys import KeyStore, keys_file

    return KeyStore(keys_file(settings.data_dir), settings.access.key)


def _only_key(store: KeyStore, settings: Settings) -> AccessKey:
    keys = store.all()
    if settings.access.key:
        return store.named("settings")
    if len(keys) != 1:
        problem = "There is no key to sign it." if not keys else f"There are {len(keys)} keys that could sign it."
        remedy = "Make one: visavis key create NAME" if not keys else "Name one with --key; see visavis key list."
        raise BadInput("which_key", problem, remedy)
    return keys[0]


def _day(moment_s: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(moment_s))
