"""Examines this machine: what visavis needs, whether it is there and works, and what to do where it does not.

Every check really does what it speaks of: compiles, encodes, binds, writes. Knows nothing of how the answers are used.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version

from visavis_models.errors import VisavisError
from visavis_server import __version__
from visavis_server.doctor_check import Check
from visavis_server.settings import Settings, default_capacity, usable_cores

_PACKAGES = (
    "aiortc",
    "av",
    "fastapi",
    "numba",
    "numpy",
    "onnxruntime",
    "opencv-python-headless",
    "openvino",
    "pyarrow",
    "uvicorn",
)
_NEEDED_CODECS = {
    "libvpx": "calls: VP8 for every browser",
    "libx264": "calls and MP4 files: H.264",
    "libopus": "calls: the voice",
    "aac": "MP4 files: the voice",
}
_REINSTALL = "Reinstall visavis: pip install --force-reinstall visavis"


def diagnosis(settings: Settings) -> list[Check]:
    """Examine everything; takes a few seconds."""
    parts: tuple[tuple[str, Callable[[Settings], Iterator[Check]]], ...] = (
        ("Python", _python),
        ("packages", _packages),
        ("processor", _processor),
        ("weights", _weights),
        ("engines", _engines),
        ("card", _card),
        ("compiler", _compiler),
        ("codecs", _codecs),
        ("data folder", _data_folder),
        ("avatars", _avatars),
        ("drawing", _drawing),
        ("page", _page),
        ("port", _port),
        ("network", _network),
        ("microphone", _microphone),
    )
    checks: list[Check] = []
    for name, part in parts:
        try:
            checks += part(settings)
        except VisavisError as error:
            checks.append(Check(name, "broken", error.message, error.remedy))
        except Exception as error:  # a check that fails in a way of its own is a finding, too
            checks.append(Check(name, "broken", f"{type(error).__name__}: {error}", _REINSTALL))
    return checks


def diagnosis_text(checks: list[Check]) -> str:
    """For people."""
    widest = max(len(check.name) for check in checks)
    lines = [f"visavis {__version__}"]
    for check in checks:
        lines.append(f"{check.status:<8} {check.name:<{widest}}  {check.finding}")
        if check.remedy:
            lines.append(f"{'':<8} {'':<{widest}}  → {check.remedy}")
    broken = sum(check.status == "broken" for check in checks)
    lines.append("Everything needed is there." if not broken else f"{broken} of {len(checks)} checks are broken.")
    return "\n".join(lines)


def diagnosis_json(checks: list[Check]) -> str:
    """For programs."""
    ok = not any(check.status == "broken" for check in checks)
    return json.dumps({"version": __version__, "ok": ok, "checks": [asdict(check) for check in checks]}, indent=2)


def _python(_: Settings) -> Iterator[Check]:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info >= (3, 14):
        yield Check("Python", "warning", found, "visavis is tested with Python 3.11 to 3.13; use one of them.")
    else:
        yield Check("Python", "ok", found)


def _packages(_: Settings) -> Iterator[Check]:
    found, lacking = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            lacking.append(name)
    if lacking:
        yield Check("packages", "broken", f"missing: {', '.join(lacking)}", _REINSTALL)
    else:
        yield Check("packages", "ok", ", ".join(found))


def _processor(settings: Settings) -> Iterator[Check]:
    cores = usable_cores()
    found = f"{cores:g} cores usable; sessions at the same time: {settings.capacity}"
    if settings.capacity > default_capacity(cores):
        yield Check("processor", "warning", found, "Sessions may stutter; lower sessions.capacity if they do.")
    elif cores < 2:
        yield Check("processor", "warning", found, "25 frames per second need about two cores.")
    else:
        yield Check("processor", "ok", found)


def _weights(_: Settings) -> Iterator[Check]:
    from visavis_models.weights import manifest, weight_file

    entries = manifest()
    for name in entries:
        weight_file(name)
    total = sum(entry.bytes for entry in entries.values())
    yield Check("weights", "ok", f"{len(entries)} files, {total / 1e6:.1f} MB, all as the manifest says (sha256)")


def _engines(_: Settings) -> Iterator[Check]:
    from visavis_models.engines import ENGINE_KINDS, open_engine
    from visavis_models.weights import manifest, weight_file

    networks = [entry for entry in manifest().values() if entry.file.endswith(".onnx")]
    if not networks:
        yield Check("engines", "broken", "there is no network to try them with", _REINSTALL)
        return
    path = weight_file(min(networks, key=lambda entry: entry.bytes).name)
    working = []
    for kind in ENGINE_KINDS:
        begun_s = time.perf_counter()
        try:
            engine = open_engine(path, kind)
        except VisavisError as error:
            yield Check(f"engine {kind}", "warning", error.message, "The next engine is used instead.")
            continue
        working.append(engine.name)
        yield Check(f"engine {kind}", "ok", f"opened {path.name} in {(time.perf_counter() - begun_s) * 1000:.0f} ms")
    if working:
        yield Check("engine in use", "ok", f"{working[0]}, the first that works")
    else:
        yield Check("engine in use", "broken", "no engine works", _REINSTALL)


def _card(settings: Settings) -> Iterator[Check]:
    from visavis_server.doctor_card import card_and_engines

    yield from card_and_engines(settings)


def _compiler(_: Settings) -> Iterator[Check]:
    import numba

    from visavis_server.compiled_code import REMEDY, can_be_kept

    keeps = can_be_kept()
    compiled = numba.njit(cache=keeps)(_triple)
    if compiled(14) != 42:
        yield Check("compiler", "broken", "numba compiles wrongly", _REINSTALL)
        return
    folder = compiled.stats.cache_path if keeps else None
    if folder is None or not os.access(folder, os.W_OK):
        yield Check("compiler", "warning", "numba works, but cannot keep its code; every start is slow", REMEDY)
    else:
        yield Check("compiler", "ok", f"numba works and keeps its code in {folder}")


def _triple(x: int) -> int:
    return 3 * x


def _codecs(_: Settings) -> Iterator[Check]:
    import av
    from av.codec.codec import UnknownCodecError

    lacking = []
    for name in _NEEDED_CODECS:
        try:
            av.Codec(name, "w")
        except UnknownCodecError:
            lacking.append(name)
    for name in lacking:
        yield Check(
            f"codec {name}", "broken", f"missing; needed for {_NEEDED_CODECS[name]}", "Reinstall PyAV from its wheel."
        )
    if not lacking:
        yield Check("codecs", "ok", f"{', '.join(_NEEDED_CODECS)} (FFmpeg {av.ffmpeg_version_info})")
    nvenc = _nvenc_works()
    found = "NVIDIA's encoder works" if nvenc else "no NVIDIA encoder here; the processor encodes"
    yield Check("codec h264_nvenc", "ok", found)


def _nvenc_works() -> bool:
    import av
    from av.error import FFmpegError

    try:
        encoder = av.CodecContext.create("h264_nvenc", "w")
        encoder.width, encoder.height, encoder.pix_fmt = 256, 256, "yuv420p"
        encoder.framerate = Fraction(25)
        encoder.open()
    except (FFmpegError, ValueError, OSError):
        return False
    return True


def _data_folder(settings: Settings) -> Iterator[Check]:
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield Check(
            "data folder",
            "broken",
            f"{folder} cannot be written to: {error.strerror}",
            "Choose another with --data-dir or VISAVIS_DATA_DIR.",
        )
        return
    yield Check("data folder", "ok", f"{folder} can be written to")


def _avatars(settings: Settings) -> Iterator[Check]:
    from visavis_models.portrait.library import AvatarLibrary

    entries = AvatarLibrary(settings.data_dir / "avatars").list()
    shipped = sum(entry.builtin for entry in entries)
    found = f"{shipped} that ship, {len(entries) - shipped} of yours"
    if shipped:
        yield Check("avatars", "ok", found)
    else:
        yield Check("avatars", "broken", "those that ship are missing", _REINSTALL)


def _drawing(settings: Settings) -> Iterator[Check]:
    from visavis_models.chunk import CHUNK_MS
    from visavis_models.motion import rest_motion
    from visavis_models.portrait.library import AvatarLibrary
    from visavis_models.rendering import AdjustableRenderer
    from visavis_server.drawing_trial import take_affordable_way, way_costs
    from visavis_server.wiring import default_renderer, renderer_choice

    choice = renderer_choice(settings.drawing)
    yield Check("renderer", "ok", f"{choice.name}: {choice.why}")
    library = AvatarLibrary(settings.data_dir / "avatars")
    avatar = library.get(library.list()[0].id)
    renderer = default_renderer(settings.drawing)
    if renderer.name != choice.name:
        yield Check("renderer in use", "warning", f"{renderer.name}: {choice.name} cannot run here", _REINSTALL)
    state = renderer.open(avatar, settings.video.long_side_px)
    costs = way_costs(renderer, state)
    cost = take_affordable_way(renderer, costs, 1)
    height, width = renderer.render([state], [rest_motion(1)])[0].shape[1:3]
    for way, each in costs.items() if len(costs) > 1 else ():
        yield Check(f"drawing {way}", "ok", f"{each.frame_ms:.1f} ms a frame, {each.call_ms:.1f} ms a step")
    way = f" ({renderer.way})" if isinstance(renderer, AdjustableRenderer) else ""
    found = f"{renderer.name}{way}: {cost.frame_ms:.1f} ms a frame of {width}×{height}"
    if cost.frame_ms > CHUNK_MS * (0.85 if usable_cores() >= 2 else 0.5):  # encoding wants a core, or half of this one
        remedy = "25 frames per second may not be reached; lower video.long_side_px, or close other programs."
        yield Check("drawing", "warning", found, remedy)
    else:
        yield Check("drawing", "ok", found)


def _page(_: Settings) -> Iterator[Check]:
    from visavis_server.page import page_folder

    folder = page_folder()
    if folder is None:
        yield Check("page", "broken", "the web page is missing; only the API would be served", _REINSTALL)
    else:
        yield Check("page", "ok", str(folder))


def _port(settings: Settings) -> Iterator[Check]:
    from visavis_server.serving import open_socket

    host, port = settings.server.host, settings.server.port
    try:
        open_socket(host, port).close()
    except VisavisError as error:
        if error.code == "port_taken" and _visavis_answers(settings):
            yield Check("port", "ok", f"{port} is in use by a visavis that is running")
        else:
            yield Check("port", "broken", error.message, error.remedy)
        return
    yield Check("port", "ok", f"{host}:{port} is free" if port else "any free one will be taken")


def _visavis_answers(settings: Settings) -> bool:
    from visavis_server.serving import page_url

    try:
        with urllib.request.urlopen(f"{page_url(settings.server, settings.server.port)}/healthz", timeout=2) as answer:
            return "capacity" in json.load(answer)
    except (OSError, ValueError):
        return False


def _network(settings: Settings) -> Iterator[Check]:
    from visavis_server.doctor_network import ice_servers, media_ports, public_address

    for part in (media_ports, public_address, ice_servers):
        yield from part(settings)


def _microphone(settings: Settings) -> Iterator[Check]:
    from visavis_server.serving import microphone_warning, page_url

    warning = microphone_warning(settings.server, settings.server.port)
    if warning:
        finding, remedy = warning.split(": ", 1)
        yield Check("microphone", "warning", f"{finding}.", remedy[:1].upper() + remedy[1:])
    else:
        url = page_url(settings.server, settings.server.port)
        yield Check("microphone", "ok", f"browsers allow it at {url}")
