"""Real portraits: drawn by the product's own renderer and, of the same motion, by `warp`; what is compared is pictures.

No truth is known here. Judged is what must not change, what must close, what must be seen, and what must recover.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from lip_measures import Shown as ShownMouth
from lip_measures import Spoken, closures
from numpy.typing import NDArray
from picture_measures import EDGE, REACH, bands, region_of

from visavis_models.arkit import ARKIT
from visavis_models.avatar import Avatar
from visavis_models.diffusion.crops import LEFT_EYE, MOUTH, MOUTH_WIDTH, RIGHT_EYE, to_crops
from visavis_models.diffusion.drawing import draw_maps
from visavis_models.diffusion.likeness import picture_of, reference_of
from visavis_models.diffusion.maps import MAPS, REFERENCE_MAPS
from visavis_models.diffusion.renderer import DiffusionRenderer
from visavis_models.diffusion.sizes import RendererSize
from visavis_models.diffusion.strokes import EYE_OPENING, LIDS, LIPS, MOUTH_OPENING, face_triangles, strokes_of
from visavis_models.diffusion.warped_crops import crops_of, tell_warped, unit_range
from visavis_models.diffusion.windows import LEAST_LID_MOTION
from visavis_models.face.model import face_model
from visavis_models.face.motion_of_pictures import FaceFollower
from visavis_models.face.topology import LOWER_LIP, UPPER_LIP
from visavis_models.motion import MotionWindow, rest_motion
from visavis_models.raster import affine_planes, attribute_map, rasterise
from visavis_models.rendering import Renderer
from visavis_models.voice.mouth import lip_gap, mouth_of_face
from visavis_models.warp.renderer import Posed, Still, WarpRenderer, draw_frames, pose
from visavis_models.warp.teeth import mouth_colours, visible_teeth

Floats = NDArray[np.float32]
Frames = NDArray[np.uint8]
_CORNERS = (33, 263)
_UPPER, _LOWER = list(UPPER_LIP[0][3:8]), list(LOWER_LIP[0][3:8])
_FIRST_S, _RECOVERED_DB = 1, 35.0

POSES: dict[str, dict[str, float]] = {
    "closed": {},
    "aa": {"jawOpen": 0.55, "mouthLowerDown": 0.2, "mouthUpperUp": 0.15},
    "ee": {"jawOpen": 0.12, "mouthStretch": 0.4, "mouthSmile": 0.35, "mouthUpperUp": 0.3, "mouthLowerDown": 0.4},
    "oo": {"mouthPucker": 0.7, "mouthFunnel": 0.3, "jawOpen": 0.15},
    "f": {"mouthRollLower": 0.5, "mouthUpperUp": 0.3, "jawOpen": 0.06},
    "smile": {"mouthSmile": 0.85, "cheekSquint": 0.4, "mouthUpperUp": 0.45, "mouthLowerDown": 0.25, "jawOpen": 0.08},
    "blink": {"eyeBlink": 1.0},
    "yaw -15": {"yaw": -15.0, "jawOpen": 0.35},
    "yaw +15": {"yaw": 15.0, "jawOpen": 0.35},
}
"""ARKit coefficients of both sides, and degrees of the head's turn."""


def held_pose(told: dict[str, float], frames: int) -> MotionWindow:
    """A pose of `POSES`, held."""
    motion = rest_motion(frames)
    for name, value in told.items():
        if name == "yaw":
            motion.head[:, 1] = np.radians(value)
        for coefficient in (name, f"{name}Left", f"{name}Right"):
            if coefficient in ARKIT:
                motion.face[:, ARKIT[coefficient]] = value
    return motion


def drawn(renderer: Renderer[Any], avatar: Avatar, motion: MotionWindow, side_px: int, new: int) -> Frames:
    """uint8 (T, H, W, 3): a session of its own, window after window."""
    state = renderer.open(avatar, side_px)
    parts = [motion.rows(k, min(k + new, len(motion))) for k in range(0, len(motion), new)]
    return np.concatenate([renderer.render([state], [part])[0] for part in parts])


@dataclass(frozen=True, slots=True)
class Scene:
    """One portrait at one size, and where it is in a motion."""

    avatar: Avatar
    still: Still
    posed: Posed
    size: RendererSize

    @classmethod
    def of(cls, avatar: Avatar, motion: MotionWindow, side_px: int, size: RendererSize) -> Scene:
        """Pose it as both renderers do."""
        still = WarpRenderer().open(avatar, side_px).still
        return cls(avatar, still, pose(still, motion), size)

    def labels(self, t: int) -> NDArray[np.int64]:
        """Which part of the face is at every pixel, -1 for none."""
        mesh, points = face_triangles(), np.ascontiguousarray(self.posed.driven.points[t], np.float32)
        number, _ = rasterise(points, mesh.triangles, self.still.avatar.photo.shape[:2])
        return np.asarray(np.where(number >= 0, mesh.label[number], -1))

    def may_change(self, t: int) -> NDArray[np.bool_]:
        """Bool (H, W): near lips, and near lids that have moved."""
        labels, unit = self.labels(t), MOUTH_WIDTH * self.still.rig.face_width_px
        near = _near((labels == LIPS) | (labels == MOUTH_OPENING), (REACH + EDGE) * unit)
        moved = np.abs(1.0 - self.posed.driven.lid_gap[t])
        points = self.posed.driven.points[t]
        for region, motion in ((LEFT_EYE, moved[0]), (RIGHT_EYE, moved[1])):
            if motion >= LEAST_LID_MOTION:
                x, y = points[list(region.anchors), :2].mean(0)
                cv2.circle(own := np.zeros(near.shape, np.uint8), (round(x), round(y)), round(0.5 * unit), 1, -1)
                lids = ((labels == LIDS) | (labels == EYE_OPENING)) & (own > 0)
                near |= _near(lids, (0.5 * REACH + EDGE) * 0.5 * unit)
        return near

    def open_eyes(self, t: int) -> NDArray[np.bool_]:
        """Bool (H, W): what lids leave free, where they have not moved; no pixel if either has."""
        still = np.abs(1.0 - self.posed.driven.lid_gap[t]).max() < LEAST_LID_MOTION
        return np.asarray((self.labels(t) == EYE_OPENING) & still)

    def upper_teeth(self, t: int) -> NDArray[np.bool_]:
        """Bool (H, W): where upper teeth are behind parted lips, half a pixel and more from any edge."""
        part = face_model().teeth_upper
        points = np.ascontiguousarray(self.posed.driven.teeth_upper[t], np.float32)
        triangles = np.ascontiguousarray(part.triangles, np.int32)
        number, _ = rasterise(points, triangles, self.still.avatar.photo.shape[:2])
        value = attribute_map(number, affine_planes(points, triangles, np.ascontiguousarray(part.uv, np.float32)))
        seen = (number >= 0) & (value[..., 1] > 0) & (self.labels(t) == MOUTH_OPENING)
        return np.asarray(cv2.erode(seen.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)

    def mouth_crops(self) -> Floats:
        """(T, 2, 3): from the canvas to the mouth's crops."""
        rig = self.still.rig
        return to_crops(MOUTH, rig.neutral_points, self.posed.skull, rig.face_width_px, self.size.mouth_px)

    def mouths(self, frames: Frames) -> Floats:
        """float32 (T, 3, h, w): pictures as the mouth's crop sees them."""
        return unit_range(crops_of(frames, self.mouth_crops(), self.size.mouth_px))

    def mouth_maps(self) -> tuple[Floats, Floats]:
        """Maps of the driven mouth (T, ...) and of the photo's."""
        still, picture = self.still, picture_of(self.avatar, self.still, self.size)
        strokes = strokes_of(
            still.rig, still.avatar.landmarks, self.posed.driven, self.posed.skull, MOUTH, self.size.mouth_px
        )  # fmt: skip
        maps = draw_maps(strokes, MOUTH)
        tell_warped(maps, crops_of(draw_frames(still, self.posed), self.mouth_crops(), self.size.mouth_px))
        return maps, reference_of(picture, still, MOUTH, self.size)


def _near(mask: NDArray[np.bool_], px: float) -> NDArray[np.bool_]:
    """What lies within a distance of a mask, and two pixels more."""
    if not mask.any():
        return np.zeros(mask.shape, np.bool_)
    apart = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(apart <= np.sqrt(2) * px + 2)  # regions grow as squares do


def unchanged(scene: Scene, shown: Frames, warp: Frames, every: int = 1) -> dict[str, float]:
    """Outside the synthesis region and in open eyes, pictures are `warp`'s to the bit, in one frame of `every`."""
    outside, eyes, most = 0, 0, 0
    for t in range(0, len(shown), every):
        apart = cv2.absdiff(shown[t], warp[t]).max(2)
        beyond = apart * ~scene.may_change(t)
        outside += int((beyond > 0).sum())
        most = max(most, int(beyond.max()))
        eyes = max(eyes, int(apart[scene.open_eyes(t)].max(initial=0)))
    return {"outside_changed_px": outside, "outside_most_levels": most, "open_eyes_most_levels": eyes}


def iris_difference(scene: Scene, frames: Frames) -> float:
    """How far open eyes are from the photo's while only the mouth moves: the mean, in levels."""
    photo, found = scene.still.avatar.photo.astype(np.float64), []
    for t, frame in enumerate(frames):
        eyes = cv2.erode(scene.open_eyes(t).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        if eyes.any():
            found.append(float(np.abs(frame[eyes] - photo[eyes]).mean()))
    return float(np.mean(found)) if found else float("nan")


def teeth(scene: Scene, t: int, frame: Frames) -> dict[str, float]:
    """Upper teeth of one frame: the share of their place that is bright, and how far its tint is from the photo's.

    Returns:
        `seen`: 0..1, pixels nearer to the tooth's brightness than to the mouth's dark; `tint`: distance in CIELAB's a
        and b, of what is seen; nan where no tooth is to be seen.
    """
    place, colours = scene.upper_teeth(t), mouth_colours(scene.avatar, visible_teeth(scene.avatar))
    if place.sum() < 4:
        return {"px": float(place.sum()), "seen": float("nan"), "tint": float("nan")}
    pixels = frame[place].astype(np.float32)
    bright = pixels.mean(1) > 0.5 * float(colours.tooth.mean() + colours.cavity.mean())
    seen = float(bright.mean())
    if not bright.any():
        return {"px": float(place.sum()), "seen": seen, "tint": float("nan")}
    both = np.stack([pixels[bright].mean(0), np.asarray(colours.tooth, np.float32)])[None] / np.float32(255)
    lab = cv2.cvtColor(both, cv2.COLOR_RGB2LAB)[0]
    return {"px": float(place.sum()), "seen": seen, "tint": float(np.linalg.norm(lab[0, 1:] - lab[1, 1:]))}


def skin_sharpness(scene: Scene, frames: Frames) -> float:
    """Fine detail of lips and the skin around them while they move, against the photo's own there."""
    maps, rest = scene.mouth_maps()
    driven = (region_of(maps) > 0.5) & (maps[:, MAPS["shown"]][:, 0] > 0)
    at_rest = np.zeros((1, *maps.shape[1:]), np.float32)
    for name in ("lips", "mouth"):
        at_rest[0, MAPS[name]] = rest[REFERENCE_MAPS[name]]
    own = (region_of(at_rest)[0] > 0.5) & (rest[REFERENCE_MAPS["mouth"]][0] == 0)
    photo = rest[REFERENCE_MAPS["photo"]]
    true = float(np.abs(bands(photo[None]))[0][own].mean())
    return float(np.abs(bands(scene.mouths(frames)))[driven].mean()) / max(true, 1e-6)


def seen_gap(frames: Frames) -> Floats:
    """float32 (T,): how far inner lips are apart in pictures, in distances of the eyes; nan where no face is found."""
    follower, found = FaceFollower(), []
    for frame in frames:
        points = follower.push(frame)
        if points is None:
            found.append(np.nan)
            continue
        across = np.linalg.norm(points[_CORNERS[1], :2] - points[_CORNERS[0], :2])
        found.append(float(np.linalg.norm(points[_LOWER, :2] - points[_UPPER, :2], axis=1).mean() / across))
    return np.array(found, np.float32)


def shut_in(spoken: Sequence[Spoken], gaps: Sequence[Floats], rest: float) -> list[bool]:
    """Which bilabials are shut in pictures; `rest` is what shut lips of this portrait are taken for."""
    known = [ShownMouth(np.nan_to_num(np.maximum(gap - rest, 0.0), nan=1.0).astype(np.float32)) for gap in gaps]
    return closures(spoken, known)[0]


def shut_in_motion(spoken: Sequence[Spoken], motions: Sequence[MotionWindow]) -> list[bool]:
    """The same of the motion itself."""
    return closures(spoken, [ShownMouth(lip_gap(mouth_of_face(m.face))) for m in motions])[0]


def rest_flicker(renderer: Renderer[Any], avatar: Avatar, side_px: int, new: int, size: RendererSize) -> float:
    """The mean change from frame to frame around the mouth while a vowel is held, in levels, after a second."""
    motion = held_pose(POSES["aa"], 50)
    frames = drawn(renderer, avatar, motion, side_px, new)[25:]
    scene = Scene.of(avatar, motion.rows(25, 26), side_px, size)
    inside = scene.may_change(0)
    change = np.abs(np.diff(frames.astype(np.int16), axis=0)).mean(3)
    return float(change[:, inside].mean())


def recovery_s(
    renderer: DiffusionRenderer, avatar: Avatar, motion: MotionWindow, side_px: int, new: int
) -> dict[str, float]:
    """How long after its memory was spoilt a session shows again what an unspoilt one does: seconds, by what was done.

    Spoilt with what no number is, and with noise in place of all latents. Recovered is a mouth within 35 dB of the
    unspoilt one's, for good.
    """
    start = _FIRST_S * 25 // new * new
    honest = drawn(renderer, avatar, motion, side_px, new)
    scene = Scene.of(avatar, motion, side_px, renderer.networks.size)
    found = {}
    for name, value in (("not_a_number", np.float32(np.nan)), ("noise", None)):
        state, dice, frames = renderer.open(avatar, side_px), np.random.default_rng(0), []
        for k in range(0, len(motion), new):
            if k == start:
                memory = state.regions[MOUTH.name]
                for row, (frame, latents, eighth) in enumerate(memory.latents):
                    spoilt = np.full_like(latents, value) if value is not None else _noise_like(latents, dice)
                    memory.latents[row] = frame, spoilt, eighth
            frames.append(renderer.render([state], [motion.rows(k, min(k + new, len(motion)))])[0])
        apart = np.square(scene.mouths(np.concatenate(frames)) - scene.mouths(honest)).mean((1, 2, 3))
        wrong = np.flatnonzero(10 * np.log10(4 / np.maximum(apart, 1e-7)) < _RECOVERED_DB)
        found[name] = float((wrong.max() + 1 - start) / 25) if len(wrong) and wrong.max() >= start else 0.0
    return found


def _noise_like(latents: Floats, dice: np.random.Generator) -> Floats:
    return dice.standard_normal(latents.shape).astype(np.float32)
