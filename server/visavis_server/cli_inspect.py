"""The command `visavis inspect`: says where a file comes from. Knows nothing of how that is found out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def inspect(
    file: Annotated[Path, typer.Argument(help="A video, a picture or a motion file.", metavar="FILE")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say where a file comes from: visavis's watermark, content credentials (C2PA), metadata."""
    from visavis_server.compiled_code import room_for_compiled_code

    with room_for_compiled_code():
        from visavis_server.provenance.inspection import inspect_file

    found = inspect_file(file)
    if as_json:
        typer.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=2))
    else:
        typer.echo("\n".join(found.lines()))
