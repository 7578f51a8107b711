"""Clips of people who were never trained on: a photo, what the person does, and what a camera would truly have seen.

Kept small enough to ship: pictures are JPEG without shared chroma, places are whole numbers of 1/16 px. Maps, the
driven photo and `warp`'s answer are made of them by the product's own code when they are read. No torch.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visavis_models.diffusion.crops import REGIONS, Region, mirrored_motion, on_canvas, to_crops
from visavis_models.diffusion.drawing import draw_maps
from visavis_models.diffusion.likeness import picture_of, reference_of
from visavis_models.diffusion.memory import MotionMemory
from visavis_models.diffusion.sizes import RendererSize
from visavis_models.diffusion.strokes import strokes_of
from visavis_models.diffusion.warped_crops import crops_of, tell_warped, unit_range
from visavis_models.motion import BODY_COUNT, MotionWindow
from visavis_models.warp.renderer import Posed, draw_frames, pose, prepare
from visavis_models.warp.teeth import mouth_colours, visible_teeth
from visavis_training.renderer.clip_strokes import stand_in

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
SHIPPED = Path(__file__).parent / "held_out_people.npz"
PHOTO_QUALITY, TRUTH_QUALITY = 90, 95
_PER_PX = 16
_BY_NAME = {region.name: region for region in REGIONS}


@dataclass(frozen=True, slots=True)
class HeldOutClip:
    """One person's mouth or eye over N frames. Crops of a mirrored region are mirrored throughout."""

    region: Region
    mouth_px: tuple[int, int]
    """Height and width of mouths' crops in this clip; eyes have half of it."""
    photo: Bytes
    """uint8 (H, W, 3): the reference, as photographed."""
    landmarks: Floats
    """float32 (478, 3) px of the photo: as portrait analysis finds them."""
    true_landmarks: Floats
    """float32 (478, 2) px of the photo: where they truly are."""
    points: Floats
    """float32 (N, 478, 3): where they truly are in the crops, px and depth."""
    crops: Floats
    """float32 (N, 2, 3): from px of the photo to the crops, as the skull truly moved."""
    face: Floats
    """float32 (N, 52), ARKit."""
    head: Floats
    """float32 (N, 6) against the photo's pose."""
    truth: Bytes
    """uint8 (N, h, w, 3)."""
    true_places: bool
    """Whether the maps show the person's true places; else those that the product's rig drives them to."""
    coding_flicker: float = 1.0
    """By how much JPEG makes the truth flicker more than it does."""

    def __len__(self) -> int:
        return len(self.truth)


@dataclass(frozen=True, slots=True)
class Shot:
    """What the networks are told of a clip, and what they are judged by. Pictures are float32, -1..1."""

    clip: HeldOutClip
    maps: Floats
    """float32 (N, MAP_CHANNELS, h, w)."""
    reference: Floats
    """float32 (REFERENCE_CHANNELS, h, w)."""
    motion: Floats
    """float32 (N, 5, 58)."""
    shade: Floats
    """float32 (3,)."""
    warp: Floats
    """float32 (N, 3, h, w): what `warp` shows there, its painted mouth and lids included."""
    truth: Floats
    """float32 (N, 3, h, w)."""
    points: Floats
    """float32 (N, 478, 3): true places in these crops."""


def as_jpeg(picture: Bytes, quality: int) -> bytes:
    """Of uint8 (H, W, 3) RGB, every pixel with its own colour."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=quality, subsampling=0)
    return out.getvalue()


def of_jpeg(data: bytes) -> Bytes:
    """The inverse of `as_jpeg`, but for what JPEG loses."""
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"), np.uint8)


def save(clips: Sequence[HeldOutClip], path: Path) -> None:
    """Write clips into one file; photos must have come from `of_jpeg` if landmarks are to fit them exactly."""
    arrays: dict[str, NDArray[Any]] = {}
    for k, clip in enumerate(clips):
        truth = [as_jpeg(frame, TRUTH_QUALITY) for frame in clip.truth]
        facts = {"region": clip.region.name, "mouth_px": clip.mouth_px, "true_places": clip.true_places}
        facts["coding_flicker"] = clip.coding_flicker
        arrays |= {
            f"{k}.facts": np.frombuffer(json.dumps(facts).encode(), np.uint8),
            f"{k}.photo": np.frombuffer(as_jpeg(clip.photo, PHOTO_QUALITY), np.uint8),
            f"{k}.truth": np.frombuffer(b"".join(truth), np.uint8),
            f"{k}.ends": np.cumsum([len(data) for data in truth]).astype(np.int32),
            f"{k}.landmarks": _whole(clip.landmarks),
            f"{k}.true_landmarks": _whole(clip.true_landmarks),
            f"{k}.points": np.diff(_whole(clip.points), axis=0, prepend=np.int16(0)),
            f"{k}.crops": clip.crops,
            f"{k}.face": clip.face.astype(np.float16),
            f"{k}.head": clip.head,
        }
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type, unused-ignore]


def _whole(places: Floats) -> NDArray[np.int16]:
    return np.rint(places * _PER_PX).clip(-32768, 32767).astype(np.int16)


def read(path: Path) -> list[HeldOutClip]:
    """What `save` wrote.

    Raises:
        OSError, KeyError, ValueError: the file is not there, or not such a file.
    """
    clips: list[HeldOutClip] = []
    with np.load(path, allow_pickle=False) as file:
        while f"{len(clips)}.facts" in file:
            part = {name: file[f"{len(clips)}.{name}"] for name in _STORED}
            facts = json.loads(part["facts"].tobytes())
            starts = [0, *part["ends"].tolist()]
            data = part["truth"].tobytes()
            truth = np.stack([of_jpeg(data[a:b]) for a, b in zip(starts, starts[1:], strict=False)])
            height, width = facts["mouth_px"]
            places = np.cumsum(part["points"], axis=0, dtype=np.int16).astype(np.float32) / np.float32(_PER_PX)
            clips.append(
                HeldOutClip(
                    _BY_NAME[facts["region"]], (int(height), int(width)), of_jpeg(part["photo"].tobytes()),
                    part["landmarks"].astype(np.float32) / np.float32(_PER_PX),
                    part["true_landmarks"].astype(np.float32) / np.float32(_PER_PX), places, part["crops"],
                    part["face"].astype(np.float32), part["head"], truth, bool(facts["true_places"]),
                    float(facts["coding_flicker"]),
                )
            )  # fmt: skip
    return clips


_STORED = (
    "facts", "photo", "truth", "ends", "landmarks", "true_landmarks", "points", "crops", "face", "head",
)  # fmt: skip


def shot_of(clip: HeldOutClip, size: RendererSize) -> Shot:
    """Make what networks of a size are told of a clip, as the product makes it of a photo and a motion.

    Raises:
        ValueError: the networks' crops are finer than the clip's, or not a whole part of them.
    """
    shrink = clip.mouth_px[0] // size.mouth_px[0]
    if shrink < 1 or (shrink * size.mouth_px[0], shrink * size.mouth_px[1]) != clip.mouth_px:
        raise ValueError(f"crops of {clip.mouth_px} px cannot judge networks of {size.mouth_px}: make a file for them")
    avatar, region, frames = stand_in(clip.photo, clip.landmarks), clip.region, len(clip)
    still = prepare(avatar)
    rig, picture = still.rig, picture_of(avatar, still, size)
    told = clip.face if clip.true_places else rig.shown_expression(clip.face)
    face, head = mirrored_motion(told, clip.head) if region.mirrored else (told, clip.head)
    motion = MotionMemory().histories(0, np.concatenate([face, head], 1).astype(np.float32))
    nothing = np.zeros((frames, BODY_COUNT), np.float32)
    posed = pose(still, MotionWindow(0, clip.face, clip.head, nothing, np.zeros(frames, np.bool_)))
    crops = to_crops(region, rig.neutral_points, posed.skull, rig.face_width_px, size.mouth_px)
    half = np.array([0.5, 0.5, 0.0], np.float32)
    points = (clip.points + half) / np.float32(shrink) - half
    if clip.true_places:
        posed = _placed(posed, on_canvas(points + _error(clip) / np.float32(shrink), crops))
    strokes = strokes_of(
        rig, still.avatar.landmarks, posed.driven, posed.skull, region, size.mouth_px
    )  # fmt: skip
    seen = crops_of(draw_frames(still, posed), crops, strokes.size_px)
    warp, maps = unit_range(seen), draw_maps(strokes, region)
    tell_warped(maps, seen)
    shade = mouth_colours(avatar, visible_teeth(avatar)).tooth / 127.5 - 1.0
    truth = np.stack([_shrunk(frame, shrink) for frame in clip.truth])
    return Shot(
        clip, maps, reference_of(picture, still, region, size), motion,
        shade.astype(np.float32), warp, truth, points,
    )  # fmt: skip


def _error(clip: HeldOutClip) -> Floats:
    """(N, 478, 3): how far analysis errs with this face, in the clip's crops.

    It stays with the face, so that lips meet where the photo's lips were seen.
    """
    error = (clip.landmarks[:, :2] - clip.true_landmarks) @ clip.crops[:, :, :2].transpose(0, 2, 1)
    return np.concatenate([error, np.zeros((*error.shape[:2], 1), np.float32)], 2).astype(np.float32)


def _placed(posed: Posed, points: Floats) -> Posed:
    """The same with the face's skin at given places (N, 478, 3) of the canvas."""
    mesh = posed.mesh.copy()
    mesh[:, : points.shape[1]] = points
    return replace(posed, mesh=mesh, driven=replace(posed.driven, points=points))


def _shrunk(frame: Bytes, times: int) -> Floats:
    """float32 (3, h / times, w / times), -1..1."""
    size = frame.shape[1] // times, frame.shape[0] // times
    small = frame if times == 1 else cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small.transpose(2, 0, 1).astype(np.float32) / np.float32(127.5) - 1)
