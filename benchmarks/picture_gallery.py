"""All figures of real portraits, one after another: the gallery that ships, and photos that somebody gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from lip_measures import Spoken
from numpy.typing import NDArray
from picture_hour import performed
from picture_portraits import (
    POSES,
    Scene,
    drawn,
    held_pose,
    iris_difference,
    recovery_s,
    rest_flicker,
    seen_gap,
    shut_in,
    shut_in_motion,
    skin_sharpness,
    teeth,
    unchanged,
)
from picture_sheets import pose_sheet
from picture_sheets import save as save_sheet

from visavis_models.avatar import Avatar
from visavis_models.diffusion.renderer import DiffusionRenderer
from visavis_models.diffusion.sizes import RendererSize
from visavis_models.errors import BadPhoto
from visavis_models.motion import MotionWindow, rest_motion
from visavis_models.portrait.analysis import analyse
from visavis_models.portrait.library import AvatarLibrary
from visavis_models.rendering import Renderer
from visavis_models.warp.renderer import WarpRenderer

_HELD_FRAMES = 10
_SPOILT_FRAMES = 72
_LOOKED_AT = ("aa", "ee", "smile")
_QUICK_EVERY = 4


def gallery(ids: Sequence[str] | None = None) -> list[Avatar]:
    """The avatars that ship, the astronaut first; or those of some ids."""
    with TemporaryDirectory() as folder:
        library = AvatarLibrary(Path(folder))
        found = ids or sorted((entry.id for entry in library.list()), key=lambda id: (id != "astronaut", id))
        return [library.get(id) for id in found]


def uploaded(photos: Sequence[Path]) -> tuple[list[Avatar], dict[str, str]]:
    """Photos as avatars, and why the others were refused, by file name."""
    found, refused = [], {}
    for path in photos:
        try:
            found.append(analyse(path.read_bytes(), path.stem))
        except BadPhoto as error:
            refused[path.name] = f"{error.code}: {error.message}"
    return found, refused


def _face_box(scene: Scene) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the face on the canvas."""
    points, unit = scene.still.avatar.landmarks, scene.still.rig.face_width_px
    x, y = points[[33, 263, 61, 291], :2].mean(0)
    return round(x - 0.75 * unit), round(y - 0.75 * unit), round(x + 0.75 * unit), round(y + 0.85 * unit)


def _portrait(
    renderer: Renderer[Any], size: RendererSize, avatar: Avatar, side_px: int, new: int, motion: MotionWindow,
    videos: tuple[NDArray[np.uint8], NDArray[np.uint8]], sheets: Path | None, quick: bool,
) -> dict[str, Any]:  # fmt: skip
    """Figures of one portrait; `videos` are of `motion`, by the renderer and by `warp`."""
    scene = Scene.of(avatar, motion, side_px, size)
    both: dict[str, tuple[Renderer[Any], NDArray[np.uint8]]] = {"warp": (WarpRenderer(), videos[1])}
    both[renderer.name] = renderer, videos[0]
    poses = {
        name: {
            pose: drawn(r, avatar, held_pose(POSES[pose], _HELD_FRAMES), side_px, new)[-1]
            for pose in (_LOOKED_AT if sheets is None else POSES)
        }
        for name, (r, _) in both.items()
    }
    held = {pose: Scene.of(avatar, held_pose(POSES[pose], 1), side_px, size) for pose in _LOOKED_AT}
    row: dict[str, Any] = dict(unchanged(scene, *videos, _QUICK_EVERY if quick else 1))
    row["open_eyes_vs_photo_levels"] = iris_difference(held["aa"], poses[renderer.name]["aa"][None])
    row["rest_flicker_levels"] = rest_flicker(renderer, avatar, side_px, new, size)
    for name, (_, video) in both.items():
        row[name] = {
            "sharpness_of_photo": skin_sharpness(scene, video),
            "teeth_ee": teeth(held["ee"], 0, poses[name]["ee"]),
            "teeth_smile": teeth(held["smile"], 0, poses[name]["smile"]),
        }
    if isinstance(renderer, DiffusionRenderer):
        row["recovery_s"] = recovery_s(renderer, avatar, motion.rows(0, _SPOILT_FRAMES), side_px, new)
        row["left_to_warp"] = renderer.open(avatar, side_px).likeness.left_to_warp
    if sheets is not None:
        save_sheet(pose_sheet(poses, _face_box(held["aa"])), sheets / f"poses-{avatar.id}.png")
    return row


def portraits(
    renderer: Renderer[Any], size: RendererSize, avatars: Sequence[Avatar], side_px: int, new: int, sheets: Path | None,
    spoken: Sequence[Spoken], quick: bool = False,
) -> tuple[dict[str, float], dict[str, Any]]:  # fmt: skip
    """Keys of the record, and figures of every portrait by its id.

    Args:
        renderer: that is measured.
        size: whose crops are looked at.
        avatars: at least one.
        side_px: long side of the canvas.
        new: frames of a window.
        sheets: folder for the sheets of poses, if they are wanted.
        spoken: sentences of which every closure of the lips is looked for in pictures.
        quick: look at fewer frames where every one should be the same.
    """
    warp = WarpRenderer()
    motions = [performed([item.samples], item.frames / 25) for item in spoken]
    shut: dict[str, list[bool]] = {"shown": [], "warp": []}
    rows: dict[str, Any] = {}
    for avatar in avatars:
        rest = float(np.nan_to_num(seen_gap(drawn(warp, avatar, rest_motion(1), side_px, 1))[0]))
        by_warp = [drawn(warp, avatar, motion, side_px, new) for motion in motions]
        shown = by_warp
        if renderer.name != warp.name:
            shown = [drawn(renderer, avatar, motion, side_px, new) for motion in motions]
        shut["warp"] += (of_warp := shut_in(spoken, [seen_gap(video) for video in by_warp], rest))
        shut["shown"] += (
            of_warp if shown is by_warp else shut_in(spoken, [seen_gap(video) for video in shown], rest)
        )  # fmt: skip
        rows[avatar.id] = _portrait(
            renderer, size, avatar, side_px, new, motions[0], (shown[0], by_warp[0]), sheets, quick
        )
    keys = {
        "closure_recall_pixels": float(np.mean(shut["shown"])),
        "closure_recall_motion": float(np.mean(shut_in_motion(spoken, motions))),
        "closure_recall_warp": float(np.mean(shut["warp"])),
        "closures": float(len(shut["shown"])),
        "outside_changed_px": float(sum(row["outside_changed_px"] for row in rows.values())),
        "open_eyes_most_levels": float(max(row["open_eyes_most_levels"] for row in rows.values())),
    }
    if isinstance(renderer, DiffusionRenderer):
        keys["corruption_recovery_s"] = max(max(row["recovery_s"].values()) for row in rows.values())
    return keys, rows
