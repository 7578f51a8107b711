"""A contact sheet of a sentence: the mouth at each phone, with the phone and its time below, closures marked. For eyes.

    python benchmarks/lip_sheet.py --audio tests/data/speech_en.flac --phones tests/data/speech.toml --out sheet.png

A green edge is a p, b or m with the lips together (under a tenth of the open vowel) in a frame of it or half a frame
beside, and that frame is shown; a red one is missed. All other phones are shown at their middle. The head is held
still, so that lips can be compared; everything else is what `visavis render` shows.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tomllib
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from visavis_models.avatar import Avatar
from visavis_models.chunk import FRAME_RATE_HZ
from visavis_models.errors import VisavisError
from visavis_models.motion import MotionWindow
from visavis_models.portrait.library import AvatarLibrary
from visavis_models.voice.mouth import lip_gap, mouth_of_face
from visavis_models.voice.phones import SILENCE, VISEME_OF, VISEMES
from visavis_server.motion_recording import record
from visavis_server.voice_file import VoiceFile
from visavis_server.wiring import default_renderer, listener_maker

SHUT_SHARE = 0.1
"""Lips are together below this share of the open vowel."""
_TOLERANCE_S = 0.02
"""Half a frame: a closure between two frames is nobody's to show."""
MOST_BYTES = 700_000
_SHOWN = {"A": "eɪ", "I": "aɪ", "O": "oʊ", "W": "aʊ", "Y": "ɔɪ", "Q": "əʊ", "ꭧ": "ʈʂ", "ᵊ": "ə", SILENCE: "–"}
_MET, _MISSED, _PAPER, _INK = (22, 140, 60), (214, 30, 30), (255, 255, 255), (20, 20, 20)
_FONT = "DejaVuSans.ttf"  # it has the letters of the International Phonetic Alphabet

Phone = tuple[str, float, float]


@dataclass(frozen=True, slots=True)
class Tile:
    """One mouth of the sheet."""

    frame: int
    label: str
    closed: bool | None
    """Whether the lips of a bilabial meet; None for all else."""


def phones_of(path: Path, audio: Path, id: int | None) -> list[Phone]:
    """The phones of a recording: from the table of a TOML file that names it, or a row of JSON lines by its `id`."""
    if path.suffix == ".toml":
        tables = tomllib.loads(path.read_text("utf-8")).values()
        rows = [table for table in tables if table.get("file") == audio.name]
    else:
        rows = [row for row in map(json.loads, path.read_text("utf-8").splitlines()) if row.get("id") == id]
    if not rows:
        sys.exit(f"{path} has no phones of {audio.name if path.suffix == '.toml' else f'id {id}: give --id'}")
    return [(str(symbol), float(start_s), float(end_s)) for symbol, start_s, end_s in rows[0]["phones"]]


def heard_phones(heard: dict[str, NDArray[np.generic]], frames: int) -> list[Phone]:
    """What the listener itself takes for the phones, one a frame; the mouth's shape where it does not tell phones."""
    if "phone" in heard:
        names = [str(name) for name in heard["phone"].tolist()]
    else:
        likely = np.argmax([heard[f"viseme_{viseme}"] for viseme in VISEMES], axis=0)
        names = [VISEMES[i] for i in likely]
    return [(name, i / FRAME_RATE_HZ, (i + 1) / FRAME_RATE_HZ) for i, name in enumerate(names[:frames])]


def _viseme(symbol: str) -> str:
    """Of a phone, or of a mouth shape by its own name."""
    return VISEME_OF.get(symbol, symbol)


def tiles_of(phones: list[Phone], gap: NDArray[np.float32], every_frame: bool) -> list[Tile]:
    """Which frames are shown, and as what: one a phone, or every frame."""
    middles_s = (np.arange(len(gap)) + 0.5) / FRAME_RATE_HZ

    def within(start_s: float, end_s: float) -> NDArray[np.intp]:
        return np.flatnonzero((middles_s >= start_s) & (middles_s < end_s))

    frames_of = [(symbol, within(start_s, end_s)) for symbol, start_s, end_s in phones]
    widest = [gap[frames].max() for symbol, frames in frames_of if _viseme(symbol) == "aa" and len(frames)]
    shut = SHUT_SHARE * float(np.median(widest) if widest else gap.max())
    by_frame: dict[int, list[str]] = {}
    if every_frame:
        by_frame = {int(frame): [symbol] for symbol, frames in frames_of for frame in frames}
    else:
        for symbol, start_s, end_s in phones:
            middle_s = (start_s + end_s) / 2
            frame = min(int(middle_s * FRAME_RATE_HZ), len(gap) - 1)
            near = within(start_s - _TOLERANCE_S, end_s + _TOLERANCE_S)
            closed = near[gap[near] < shut]
            if _viseme(symbol) == "PP" and len(closed):
                frame = int(closed[np.argmin(abs(middles_s[closed] - middle_s))])
            by_frame.setdefault(frame, []).append(symbol)
    return [
        Tile(
            frame,
            " ".join(_SHOWN.get(symbol, symbol) for symbol in symbols),
            bool(gap[frame] < shut) if "PP" in map(_viseme, symbols) else None,
        )
        for frame, symbols in sorted(by_frame.items())
    ]


def mouth_box(avatar: Avatar) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the picture's part around the mouth, in px of the canvas."""
    corners = avatar.landmarks[[61, 291], :2]
    x, y = corners.mean(axis=0)
    half = 0.36 * avatar.face_width_px
    return round(x - half), round(y - 0.72 * half), round(x + half), round(y + 0.98 * half)


def mouths(avatar: Avatar, motion: MotionWindow, frames: list[int]) -> list[Image.Image]:
    """The mouth in each of the frames, the head held still."""
    renderer = default_renderer()
    state = renderer.open(avatar)
    box = mouth_box(avatar)
    shown = []
    for frame in frames:
        window = motion.rows(frame, frame + 1)
        still = replace(window, head=np.zeros_like(window.head), body=np.zeros_like(window.body))
        shown.append(Image.fromarray(renderer.render([state], [still])[0][0]).crop(box))
    return shown


def found_font(given: Path | None) -> Path:
    """A font with phonetic letters: the given one, matplotlib's, or the system's."""
    places = [given] if given is not None else []
    matplotlib = find_spec("matplotlib")
    if matplotlib is not None and matplotlib.origin is not None:
        places.append(Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / _FONT)
    places.append(Path("/usr/share/fonts/truetype/dejavu") / _FONT)
    for place in places:
        if place.is_file():
            return place
    sys.exit("No font with phonetic letters: install DejaVu Sans, or give --font.")


def lacking_letters(font: Path, text: str) -> str:
    """Which letters the font cannot draw."""
    drawn = ImageFont.truetype(str(font), 24)
    unknown = bytes(drawn.getmask("\U0010fffe"))
    return "".join(sorted({c for c in text if not c.isspace() and bytes(drawn.getmask(c)) == unknown}))


def sheet(
    tiles: list[Tile], shown: list[Image.Image], title: str, font: Path, columns: int, width_px: int
) -> Image.Image:
    """The contact sheet."""
    height_px = round(width_px * shown[0].height / shown[0].width)
    below_px, edge_px, head_px = round(0.36 * width_px), max(3, width_px // 36), round(0.3 * width_px)
    step_x, step_y = width_px + 2 * edge_px, height_px + below_px + edge_px
    rows = -(-len(tiles) // columns)
    page = Image.new("RGB", (columns * step_x, head_px + rows * step_y), _PAPER)
    pen = ImageDraw.Draw(page)
    large, small = (ImageFont.truetype(str(font), round(share * width_px)) for share in (0.19, 0.115))
    pen.text((edge_px, head_px / 2), title, _INK, small, "lm")
    for i, (tile, mouth) in enumerate(zip(tiles, shown, strict=True)):
        x, y = i % columns * step_x + edge_px, head_px + i // columns * step_y
        colour = _INK if tile.closed is None else _MET if tile.closed else _MISSED
        if tile.closed is not None:
            pen.rectangle((x - edge_px, y - edge_px, x + width_px + edge_px - 1, y + height_px + edge_px - 1), colour)
        page.paste(mouth.resize((width_px, height_px), Image.Resampling.LANCZOS), (x, y))
        middle = x + width_px / 2
        pen.text((middle, y + height_px + edge_px + 0.1 * width_px), tile.label, colour, large, "mm")
        pen.text(
            (middle, y + height_px + edge_px + 0.25 * width_px),
            f"{tile.frame / FRAME_RATE_HZ:.2f} s",
            _INK,
            small,
            "mm",
        )
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, required=True, help="the recording")
    parser.add_argument("--phones", type=Path, help="TOML or JSON lines with its phones; else what the listener hears")
    parser.add_argument("--id", type=int, help="which row of the JSON lines")
    parser.add_argument("--avatar", default="elena", help="an avatar's id")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write, at most 700 kB")
    parser.add_argument("--from-s", type=float, default=0.0, help="begin of the stretch")
    parser.add_argument("--to-s", type=float, default=1e9, help="end of the stretch")
    parser.add_argument("--every-frame", action="store_true", help="every frame instead of one a phone")
    parser.add_argument("--most", type=int, default=40, help="at most so many mouths")
    parser.add_argument("--columns", type=int, default=10)
    parser.add_argument("--font", type=Path, help="a TrueType font with phonetic letters")
    given = parser.parse_args()
    recording = record(VoiceFile(given.audio), listener_maker()(0))
    motion = recording.window
    phones = (
        phones_of(given.phones, given.audio, given.id)
        if given.phones is not None
        else heard_phones(recording.heard, len(motion))
    )
    gap = lip_gap(mouth_of_face(motion.face))
    every_frame = given.every_frame or given.phones is None
    tiles = [
        tile for tile in tiles_of(phones, gap, every_frame) if given.from_s <= tile.frame / FRAME_RATE_HZ < given.to_s
    ][: given.most]
    if not tiles:
        sys.exit("There is no frame in this stretch.")
    with TemporaryDirectory() as folder:
        avatar = AvatarLibrary(Path(folder)).get(given.avatar)
    shown = mouths(avatar, motion, [tile.frame for tile in tiles])
    font = found_font(given.font)
    closures = [tile.closed for tile in tiles if tile.closed is not None]
    what = "frames of p b m" if every_frame else "p b m"
    title = f"{given.audio.name}, {avatar.name}. {what}: {sum(closures)} of {len(closures)} shut (green; red: not)"
    lacking = lacking_letters(font, title + "".join(tile.label for tile in tiles))
    if lacking:
        print(f"note: {font.name} has no {' '.join(lacking)}", file=sys.stderr)
    for width_px in range(150, 60, -10):
        file = io.BytesIO()
        sheet(tiles, shown, title, font, given.columns, width_px).save(file, "PNG", optimize=True)
        if file.tell() <= MOST_BYTES:
            break
    given.out.write_bytes(file.getvalue())
    print(f"{given.out}: {len(tiles)} mouths, {file.tell() / 1000:.0f} kB")
    print(json.dumps({"mouths": len(tiles), "closures": len(closures), "shut": sum(closures), "bytes": file.tell()}))


if __name__ == "__main__":
    try:
        main()
    except VisavisError as error:
        sys.exit(f"{error.message} {error.remedy}")
