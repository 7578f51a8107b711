"""The commands `visavis session`: look at a running server's sessions, choose who speaks, record and replay motion.

Talks to the server over its HTTP API and knows nothing of what happens behind it.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer

from visavis_models.errors import BadInput, BadRequest, VisavisError

session_app = typer.Typer(help="Sessions of a running server: who speaks, and their motion.", no_args_is_help=True)

Server = Annotated[str, typer.Option("--server", help="Where the server is.", metavar="URL")]
Token = Annotated[
    str, typer.Option("--token", help="Key or token, where the server asks for one.", envvar="VISAVIS_ACCESS_KEY")
]
Id = Annotated[str, typer.Argument(help="As `visavis session list` shows it.", metavar="ID")]
Person = Annotated[int, typer.Option("--person", min=0, max=15, help="Whose, in a picture of several people.")]
_LOCAL = "http://localhost:8765"
_TIMEOUT_S = 30.0
_MOST_BYTES = 1 << 30
_FORMATS = (".parquet", ".json", ".csv")


@session_app.command("list")
def list_sessions(server: Server = _LOCAL, token: Token = "") -> None:
    """Show the open sessions."""
    sessions = json.loads(ask(server, token, "GET", "/v1/sessions"))["sessions"]
    for one in sessions:
        people = len(one["faces"])
        who = f"  person {one['speaker']} of {people} speaks" if people > 1 else ""
        typer.echo(f"{one['id']}  {one['avatar_id']}  {one['state']}  {one['width']}×{one['height']}{who}")
    if not sessions:
        typer.echo("No session is open.", err=True)


@session_app.command("speaker")
def choose_speaker(
    id: Id,
    person: Annotated[int, typer.Argument(min=0, max=15, help="By number; 0 is the largest face.", metavar="NUMBER")],
    server: Server = _LOCAL,
    token: Token = "",
) -> None:
    """Let somebody else in the picture speak."""
    ask(server, token, "PATCH", f"/v1/sessions/{_quoted(id)}/speaker", json.dumps({"person": person}).encode())
    typer.echo(f"Person {person} speaks.")


@session_app.command("record")
def record_session(
    id: Id,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="The file to write: .parquet, .json or .csv.", metavar="FILE")
    ],
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.2, max=3600.0, help="How long; Ctrl+C ends it sooner.")
    ] = 3600.0,
    person: Person = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    server: Server = _LOCAL,
    token: Token = "",
) -> None:
    """Write down what somebody in a live session does, for `session replay`, `render --motion` or a 3D avatar."""
    format = _format_of(out)
    if out.exists() and not overwrite:
        raise BadInput("output_exists", f"{out} exists.", "Give another name, or --overwrite.")
    base = f"/v1/sessions/{_quoted(id)}/motion/recording"
    ask(server, token, "POST", base)
    typer.echo(f"Recording; Ctrl+C ends it{'' if seconds >= 3600 else f', or {seconds:g} s'}.", err=True)
    try:
        time.sleep(seconds)
    except KeyboardInterrupt:
        pass
    ask(server, token, "POST", f"{base}/stop")
    content = ask(server, token, "GET", f"{base}/file?format={format}&person={person}")
    try:
        out.write_bytes(content)
    except OSError as error:
        raise BadRequest(
            "bad_output", f"{out} cannot be written: {error.strerror}.", "Choose another folder."
        ) from error
    typer.echo(f"{out}: {len(content) / 1000:.0f} kB.")


@session_app.command("replay")
def replay_session(
    id: Id,
    file: Annotated[Path, typer.Argument(help="A motion file: .parquet, .json or .csv.", metavar="FILE")],
    person: Person = 0,
    lips: Annotated[str, typer.Option("--lips", help="file: as recorded; voice: they follow the voice.")] = "file",
    begin: Annotated[str, typer.Option("--begin", help="now, or voice: with the next voice that is heard.")] = "now",
    server: Server = _LOCAL,
    token: Token = "",
) -> None:
    """Let somebody in a live session move as a file says."""
    format = _format_of(file)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BadInput("motion_unreadable", f"{file} cannot be read: {error.strerror}.", "Check the path.") from error
    query = urllib.parse.urlencode({"format": format, "person": person, "lips": lips, "begin": begin})
    answer = json.loads(ask(server, token, "POST", f"/v1/sessions/{_quoted(id)}/motion/replay?{query}", content))
    for note in answer["notes"]:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"{answer['frames']} frames, {answer['seconds']:.1f} s.")


def _format_of(path: Path) -> str:
    if path.suffix.lower() not in _FORMATS:
        raise BadInput("bad_output", f"{path.name} is no motion file.", "Its name must end in .parquet, .json or .csv.")
    return path.suffix.lower()[1:]


def _quoted(id: str) -> str:
    return urllib.parse.quote(id, safe="")


def ask(server: str, token: str, method: str, path: str, body: bytes | None = None) -> bytes:
    """The body of the server's answer.

    Raises:
        BadRequest: `unreachable`, or what the server says.
    """
    if urllib.parse.urlsplit(server).scheme not in ("http", "https"):
        raise BadInput("bad_usage", f"{server} is no address of a server.", "Write it like http://localhost:8765.")
    headers = {"Content-Type": "application/json" if method == "PATCH" else "application/octet-stream"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(server.rstrip("/") + path, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            return bytes(answer.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        raise _told(error) from error
    except (OSError, urllib.error.URLError) as error:
        remedy = "Start it with `visavis serve`, or give its address with --server."
        raise BadRequest("unreachable", f"No server answers at {server}.", remedy) from error


def _told(error: urllib.error.HTTPError) -> VisavisError:
    """What the server says is wrong."""
    try:
        said: dict[str, Any] = json.loads(error.read(65536))["error"]
        return BadRequest(str(said["code"]), str(said["message"]), str(said["remedy"]))
    except (ValueError, KeyError, TypeError):
        return BadRequest("unreachable", f"The server answers with status {error.code}.", "Check --server.")
