"""`visavis build`: engines of the networks for NVIDIA cards. The one part of the server that knows their builder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from visavis_models.errors import BadInput


def build_engines(
    backend: Annotated[
        str | None,
        typer.Option(help="tensorrt or tensorrt-rtx [default: the first that is installed].", metavar="NAME"),
    ] = None,
    networks: Annotated[
        Path | None, typer.Option(help="Folder of exported networks [default: those that ship].", metavar="FOLDER")
    ] = None,
    precision: Annotated[str, typer.Option(help="fp16, int8 or fp32.", metavar="NAME")] = "fp16",
    cache: Annotated[
        Path | None, typer.Option(help="Where engines are kept [default: the user's cache].", metavar="FOLDER")
    ] = None,
) -> None:
    """Build engines of the networks for NVIDIA cards.

    tensorrt-rtx needs no card to build: its engines run on every Ampere, Ada and Blackwell card. tensorrt builds for
    the card of this machine. What is there already stays; a build that was broken off goes on where it was.
    """
    from visavis_models.engines.cache import EngineCache, default_folder
    from visavis_models.engines.nvidia import import_library
    from visavis_models.engines.plans import PRECISIONS, engine_plans
    from visavis_trt.network_engines import build_all, network_files

    if precision not in PRECISIONS:
        raise BadInput("bad_usage", f"There is no precision {precision}.", f"Choose one of {', '.join(PRECISIONS)}.")
    if networks is not None and not networks.is_dir():
        raise BadInput("bad_usage", f"{networks} is no folder.", "Give a folder of exported networks.")
    library = import_library(backend)
    files = network_files(networks)
    if not files:
        raise BadInput("bad_usage", f"There are no networks in {networks}.", "Export some, or leave --networks out.")
    plans = [plan for file in files for plan in engine_plans(file, library, precision)]
    folder = cache or default_folder()
    typer.echo(f"{len(plans)} engines of {library.backend} {library.version} ({plans[0].key.cards}) in {folder}")
    news = build_all(plans, library, EngineCache(folder))
    for count, plan in enumerate(plans, 1):
        typer.echo(f"[{count}/{len(plans)}] {plan.key.name}: ", nl=False)
        one = next(news)
        if one.layers is None:
            typer.echo(f"{one.bytes / 1e6:.1f} MB, was there")
        else:
            told = f"{one.layers.heavy} costly layers, {one.layers.heavy_in_32_bits} of them in 32 bits, no plugin"
            typer.echo(f"{one.bytes / 1e6:.1f} MB in {one.seconds:.0f} s; {told}")
