"""Contact sheets for eyes: held-out people beside their truth, portraits through poses, the ends of a long call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from picture_people import PeopleFigures
from PIL import Image, ImageDraw, ImageFont

from visavis_models.diffusion.maps import MAPS

Floats = NDArray[np.float32]
Frames = NDArray[np.uint8]
_HEAD_PX, _GAP_PX = 18, 3
_PAPER, _INK = (255, 255, 255), (20, 20, 20)


def _picture(crop: Floats, width: int) -> Image.Image:
    """Of float32 (3, h, w), -1..1, so wide."""
    whole = np.rint(crop.clip(-1, 1).transpose(1, 2, 0) * 127.5 + 127.5).astype(np.uint8)
    image = Image.fromarray(whole)
    return image.resize((width, round(width * image.height / image.width)), Image.Resampling.LANCZOS)


def table(rows: Sequence[Sequence[Image.Image]], heads: Sequence[str], sides: Sequence[str] = ()) -> Image.Image:
    """Rows of equally large pictures under their heads."""
    width, height = rows[0][0].size
    left = 64 if sides else 0
    page = Image.new(
        "RGB", (left + len(rows[0]) * (width + _GAP_PX), _HEAD_PX + len(rows) * (height + _GAP_PX)), _PAPER
    )
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for k, head in enumerate(heads):
        pen.text((left + k * (width + _GAP_PX) + width / 2, _HEAD_PX / 2), head, _INK, font, "mm")
    for r, row in enumerate(rows):
        y = _HEAD_PX + r * (height + _GAP_PX)
        if sides:
            pen.text((left / 2, y + height / 2), sides[r], _INK, font, "mm")
        for k, picture in enumerate(row):
            page.paste(picture, (left + k * (width + _GAP_PX), y))
    return page


def people_sheet(figures: PeopleFigures, kind: str, most: int = 8, frames: int = 2, width: int = 128) -> Image.Image:
    """Reference | warp | 1, 2, 4 steps | truth of `most` clips, at frames that the photo shows little of."""
    rows = []
    for k, item in enumerate(figures.judged[kind][:most]):
        shot = item.shot
        lids, shown = (shot.maps[:, MAPS[name]].mean((1, 2, 3)) for name in ("lid_motion", "shown"))
        hidden = lids if kind == "eyes" else 1 - shown
        for t in np.argsort(-hidden, kind="stable")[:: max(len(hidden) // frames, 1)][:frames]:
            made = [pictures[k][t] for pictures in figures.pictures[kind].values()]
            rows.append([_picture(x, width) for x in (shot.reference[:3], *made, shot.truth[t])])
    return table(rows, ["reference", *figures.pictures[kind], "truth"])


def pose_sheet(
    rows: Mapping[str, Mapping[str, Frames]], box: tuple[int, int, int, int], width: int = 150
) -> Image.Image:
    """A row for each renderer, a column for each pose: uint8 (H, W, 3) pictures, cut to a box of the canvas."""
    height = round(width * (box[3] - box[1]) / (box[2] - box[0]))
    pictures = [
        [Image.fromarray(frame).crop(box).resize((width, height), Image.Resampling.LANCZOS) for frame in row.values()]
        for row in rows.values()
    ]
    return table(pictures, list(next(iter(rows.values()))), list(rows))


def save(page: Image.Image, path: Path) -> None:
    """Write a PNG and say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path, optimize=True)
    print(f"{path}: {page.width} x {page.height}, {path.stat().st_size / 1000:.0f} kB")
