"""What the diffusion renderer trains on: people's mouths and eyes, driven, with maps drawn as the product draws them.

Three stages that overlap: a GPU poses people and photographs their references; worker processes fit each reference as
a real photo is fitted, and drive it; the GPU draws the true crops and the maps. A batch follows from seed and step
alone. Knows nothing of networks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from visavis_models.arkit import ARKIT
from visavis_models.diffusion.crops import FACE_MIRROR, LEFT_EYE, MOUTH, RIGHT_EYE, Region
from visavis_models.diffusion.sizes import MOTION_FRAMES
from visavis_models.diffusion.strokes import crop_px_per_face_width
from visavis_models.face.mouth import KEPT_SMILE, SMILE_UNITS
from visavis_models.face.rig import OPENING_RELAXES, ROUNDING_RELAXES
from visavis_training.people.camera import Camera, face_boxes
from visavis_training.people.capture import Camcorder, capture
from visavis_training.people.chance import Chance
from visavis_training.people.clip_motion import clip_motion
from visavis_training.people.lighting import Lights, sample_lights, white_of_kelvin
from visavis_training.people.motion_tracks import Tracks
from visavis_training.people.people_pool import People, PeoplePool, Studio
from visavis_training.people.scenery import backgrounds, photographs
from visavis_training.renderer.clip_strokes import ClipFacts, ClipStrokes, clip_strokes
from visavis_training.renderer.maps_in_torch import MapPainter, PictureBatch, StrokeBatch, read, tell_warped
from visavis_training.renderer.true_mouths import TrueMouths

_CANVAS_PX = 1024
"""Of the whole picture that the photo is cut out of; only ratios count."""

_SKULL = 234, 454, 10
"""Landmarks: the face's right side, its left one, and the top of the forehead."""


@dataclass(frozen=True, slots=True)
class CropSettings:
    """What a stream gives; with the seed it is all that a batch depends on."""

    people: int = 16
    """References in a batch."""
    takes: int = 4
    """Windows that each is driven through."""
    frames: int = 8
    """Of each window."""
    mouth_px: tuple[int, int] = (96, 128)
    photo_px: int = 400
    """Side of the reference's picture."""
    margin: float = 0.22
    """Around the reference's face, as a share of its longer side."""
    eyes_every: int = 4
    """One batch of so many shows eyes, the others mouths."""
    window_share: float = 0.8
    """Clips whose frames are consecutive; the others' are unrelated poses."""
    mouth_shares: tuple[float, float, float] = (0.50, 0.35, 0.15)
    """References that show teeth, shut lips, an open mouth."""
    true_share: float = 0.7
    """Clips that are drawn where the person truly is, not where the rig puts them."""
    pool: int = 64
    group: int = 2
    """People made at a time: on a GPU eight cost hardly more than two."""
    keep_steps: int = 1
    """A group is exchanged after so many steps."""
    finer: int = 2
    frames_at_once: int = 256
    """Crops drawn in one go: bounds memory only."""


@dataclass(frozen=True, slots=True)
class CropBatch:
    """Q = people x takes windows of N frames of one kind of crop; one device throughout."""

    step: int
    region: str
    """`mouth` or `eye`."""
    maps: Tensor
    """float32 (Q, N, MAP_CHANNELS, h, w)."""
    reference: Tensor
    """float32 (Q, REFERENCE_CHANNELS, h, w)."""
    target: Tensor
    """float32 (Q, N, 3, h, w), -1..1: the true picture."""
    motion: Tensor
    """float32 (Q, N, 5, 58)."""
    shade: Tensor
    """float32 (Q, 3)."""
    in_order: Tensor
    """bool (Q,): the frames are consecutive in time."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """A batch between its stages."""

    step: int
    regions: Sequence[Region]
    vertices: Tensor
    face: Tensor
    head: Tensor
    in_order: Tensor
    camera: Camera
    lights: Lights
    turned: Tensor
    """float32 (P, F, 3, 3): the driven heads' rotations against the reference's."""
    response: Camcorder
    behind: Tensor
    person: Tensor
    pool: People
    photos: Tensor
    """uint8 (P, H, W, 3)."""
    strokes: list[Future[ClipStrokes]]


class CropStream:
    """Batches of driven crops, step after step.

    Args:
        studio: makes and draws people.
        tracks: what windows are cut from.
        settings: of batches.
        seed: of all chance.
        step: of the first batch.
        workers: processes that fit references; 0 does it in this one.
        ahead: batches begun before they are asked for.
    """

    def __init__(
        self,
        studio: Studio,
        tracks: Tracks,
        settings: CropSettings | None = None,
        seed: int = 0,
        step: int = 0,
        workers: int = 0,
        ahead: int = 2,
    ) -> None:
        self.studio, self.settings, self.seed, self.step = studio, settings or CropSettings(), seed, step
        self.device = torch.device(studio.anatomy.device)
        self._tracks = tracks.to(self.device)
        pool = self.settings.pool
        self._pool = PeoplePool(studio, seed, pool, self.settings.group, self.settings.keep_steps)
        self._photos = photographs().to(self.device)
        self._painter = MapPainter(self.device)
        self._mouths = TrueMouths(studio.anatomy)
        self._ahead: deque[_Scene] = deque()
        self._depth = ahead if workers else 0
        self._workers = ProcessPoolExecutor(workers, get_context("spawn")) if workers else None

    def close(self) -> None:
        """End the worker processes."""
        if self._workers is not None:
            self._workers.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[CropBatch]:
        return self

    def __next__(self) -> CropBatch:
        with torch.no_grad():
            while len(self._ahead) <= self._depth:
                self._ahead.append(self._begin(self.step + len(self._ahead)))
            self.step += 1
            return self._finish(self._ahead.popleft())

    def regions_of(self, step: int) -> list[Region]:
        """Which crop each person of a step shows."""
        if step % self.settings.eyes_every:
            return [MOUTH] * self.settings.people
        return [(LEFT_EYE, RIGHT_EYE)[k % 2] for k in range(self.settings.people)]

    def _submit(self, work: Callable[..., ClipStrokes], *arguments: Any) -> Future[ClipStrokes]:
        if self._workers is not None:
            return self._workers.submit(work, *arguments)
        done: Future[ClipStrokes] = Future()
        done.set_result(work(*arguments))
        return done

    def _begin(self, step: int) -> _Scene:
        settings, studio, device = self.settings, self.studio, self.device
        pool, regions = self._pool.at(step), self.regions_of(step)
        chance = Chance((self.seed << 40) + (step << 12) + torch.arange(settings.people, device=device))
        who = Chance(chance.seeds[:1]).uniform("who", count=settings.pool)[0].argsort(stable=True)[: settings.people]
        frames = settings.takes * settings.frames
        motion = clip_motion(chance, self._tracks, frames, settings.window_share, settings.mouth_shares)
        motion = replace(motion, face=_with_kept_smile(motion.face))
        count = frames + 1
        person = who.repeat_interleave(count)
        face, head, body = (x.reshape(settings.people * count, -1) for x in (motion.face, motion.head, motion.body))
        neutral, joints = pool.neutral[person], pool.joints[person]
        vertices = studio.anatomy.pose(neutral, face, None, head, body, joints)
        calm = torch.zeros_like(face[::count])
        rest = studio.anatomy.pose(neutral[::count], calm, None, head[::count], body[::count], joints[::count])
        marks = studio.anatomy.marks(vertices)
        camera = self._cameras(step, marks[::count])
        lights = sample_lights(chance)
        behind = backgrounds(chance, settings.photo_px, white_of_kelvin(lights.kelvin), self._photos)
        response = Camcorder.of(chance, lights.kelvin, lights.stops)
        response = replace(response, vignette=torch.zeros_like(response.vignette))
        first = torch.arange(settings.people, device=device) * count
        light, _ = studio.painter.draw(
            pool.looks, who, vertices[first], face[first], lights, camera, behind, settings.finer, True, pool.worn
        )
        noise = torch.Generator(device).manual_seed(self.seed * 1_000_003 + step)
        photos = capture(light, response, noise)
        every = torch.arange(settings.people, device=device).repeat_interleave(count)
        seen = camera.rows(every).view(marks).reshape(settings.people, count, -1, 3)
        inside = None
        if regions[0] is MOUTH:
            driven = torch.arange(len(every), device=device).reshape(settings.people, count)[:, 1:].reshape(-1)
            inside = camera.rows(every[driven]).view(self._mouths(vertices[driven]))
            inside = inside.reshape(settings.people, frames, -1, 3)
        facts = self._facts(
            photos, seen, camera.view(studio.anatomy.marks(rest)), camera, motion.face, motion.head, chance, inside
        )
        strokes = [
            self._submit(clip_strokes, fact, region, settings.mouth_px)
            for fact, region in zip(facts, regions, strict=True)
        ]
        return _Scene(
            step, regions, vertices, motion.face, motion.head, motion.in_order, camera, lights,
            _turned(marks.reshape(settings.people, count, -1, 3)), response, behind, who, pool, photos, strokes,
        )  # fmt: skip

    def _facts(
        self,
        photos: Tensor,
        marks: Tensor,
        rest: Tensor,
        camera: Camera,
        face: Tensor,
        head: Tensor,
        chance: Chance,
        inside: Tensor | None,
    ) -> list[ClipFacts]:
        """What workers are told, on the CPU."""
        true = chance.happens("true places", self.settings.true_share) > 0
        moved = head[:, 1:] - head[:, :1]
        given = (photos, marks, rest, camera.focal_px, camera.centre_px, face[:, 1:], moved, true)
        arrays = [x.cpu().numpy() for x in given]
        found = [ClipFacts(p, m, r, float(f), c, a, h, bool(t)) for p, m, r, f, c, a, h, t in zip(*arrays, strict=True)]
        if inside is None:
            return found
        return [replace(fact, inside=points) for fact, points in zip(found, inside.cpu().numpy(), strict=True)]

    def _cameras(self, step: int, marks: Tensor) -> Camera:
        settings = self.settings
        drawn = torch.Generator().manual_seed(self.seed * 7_919 + step)
        whole = Camera.random(len(marks), _CANVAS_PX, _CANVAS_PX, drawn).to(marks.device)
        boxes = face_boxes(
            whole.project(marks)[..., :2], margin=settings.margin, shift=0.04, zoom=0.12, generator=drawn
        )
        return whole.crop(boxes, settings.photo_px, settings.photo_px)

    def _finish(self, scene: _Scene) -> CropBatch:
        settings, device = self.settings, self.device
        made = [future.result() for future in scene.strokes]
        people, frames = settings.people, settings.takes * settings.frames
        strokes = StrokeBatch.of([m.strokes for m in made], scene.regions).to(device)
        truth = torch.from_numpy(np.stack([m.truth for m in made])).to(device)
        pictures = self._pictures(scene.photos)
        maps = self._painter.driven(strokes)
        tell_warped(maps, torch.from_numpy(np.stack([m.warped for m in made])).to(device))
        reference = self._painter.reference(pictures, strokes)
        target = self._true_pictures(scene, truth, strokes.size_px)
        flipped = torch.tensor([region.mirrored for region in scene.regions], device=device)
        target = torch.where(flipped[:, None, None, None, None], target.flip(-1), target)
        motion = _motions(scene.face[:, 1:], scene.head[:, 1:] - scene.head[:, :1], flipped)
        shade = torch.from_numpy(np.stack([m.shade for m in made])).to(device)
        windows = (people * settings.takes, settings.frames)

        def cut(x: Tensor) -> Tensor:
            return x.reshape(*windows, *x.shape[2:])

        assert frames == maps.shape[1]
        return CropBatch(
            scene.step, "mouth" if scene.regions[0] is MOUTH else "eye", cut(maps),
            reference.repeat_interleave(settings.takes, 0), cut(target), cut(motion),
            shade.repeat_interleave(settings.takes, 0), scene.in_order.repeat_interleave(settings.takes),
        )  # fmt: skip

    def _pictures(self, photos: Tensor) -> PictureBatch:
        """The references as crops read them; they are about as fine as crops, so nothing is shrunk."""
        rgb = photos.permute(0, 3, 1, 2).float() / 127.5 - 1
        return PictureBatch(rgb, rgb.new_ones(len(rgb)))

    def _true_pictures(self, scene: _Scene, truth: Tensor, size_px: tuple[int, int]) -> Tensor:
        """float32 (P, F, 3, h, w), -1..1: what the camera would have seen in each crop, without its noise.

        Light turns with the head: a photo that is moved keeps its light, and crops must fit in with what is around.
        """
        settings, device = self.settings, self.device
        people, frames = truth.shape[:2]
        half = torch.full((2, 1), 0.5, device=device)
        change = truth.flatten(0, 1).clone()
        change[:, :, 2:] += half - change[:, :, :2] @ half  # cameras have pixel centres at half numbers
        clip = torch.arange(people, device=device).repeat_interleave(frames)
        cameras = scene.camera.rows(clip).similar(change, *size_px)
        behind = self._behind(scene.behind, truth, size_px).flatten(0, 1)
        rows = torch.arange(people * (frames + 1), device=device).reshape(people, -1)[:, 1:].reshape(-1)
        face, turned = scene.face[:, 1:].flatten(0, 1), scene.turned.flatten(0, 1)
        drawn = []
        for part in torch.arange(len(rows), device=device).split(settings.frames_at_once):
            light, _ = self.studio.painter.draw(
                scene.pool.looks, scene.person[clip[part]], scene.vertices[rows[part]], face[part],
                scene.lights.rows(clip[part]).turned(turned[part]), cameras.rows(part), behind[part],
                settings.finer, True, scene.pool.worn,
            )  # fmt: skip
            drawn.append(capture(light, scene.response.rows(clip[part]), clean=True))
        shown = torch.cat(drawn).permute(0, 3, 1, 2).float() / 127.5 - 1
        return shown.unflatten(0, (people, frames))

    def _behind(self, behind: Tensor, truth: Tensor, size_px: tuple[int, int]) -> Tensor:
        """Backgrounds (P, H, W, 3) as the crops see them: (P, F, h, w, 3)."""
        height, width = size_px
        y, x = torch.meshgrid(
            torch.arange(height, device=self.device), torch.arange(width, device=self.device), indexing="ij"
        )
        pixel = torch.stack([x, y], -1).float()
        linear = torch.linalg.inv(truth[:, :, :, :2])
        at = (linear[:, :, None, None] @ (pixel - truth[:, :, None, None, :, 2])[..., None])[..., 0]
        return read(behind.permute(0, 3, 1, 2), at).permute(0, 1, 3, 4, 2)


def _turned(marks: Tensor) -> Tensor:
    """(P, F, 3, 3): rotations that carry the heads of first frames onto those after them, by landmarks (P, K, 478, 3).

    Both sides of the face and the top of the forehead: no expression moves them.
    """
    right, left, top = (marks[:, :, mark] for mark in _SKULL)
    x = functional.normalize(left - right, dim=-1)
    z = functional.normalize(torch.linalg.cross(x, top - (left + right) / 2), dim=-1)
    frame = torch.stack([x, torch.linalg.cross(z, x), z], -1)
    return frame[:, 1:] @ frame[:, :1].transpose(-1, -2)


def _with_kept_smile(face: Tensor) -> Tensor:
    """Faces (P, K, 52) whose driven frames keep some of the reference's smile, as `FaceRig` lets photos keep it."""
    smile = [ARKIT[name] for name in SMILE_UNITS]
    rounding = face[..., [ARKIT["mouthPucker"], ARKIT["mouthFunnel"]]].sum(-1, keepdim=True).clamp(max=1)
    opening = face[..., ARKIT["jawOpen"], None]
    relaxed = 1 - torch.maximum(ROUNDING_RELAXES * rounding, OPENING_RELAXES * opening)
    kept = KEPT_SMILE * face[:, :1, smile] * relaxed
    kept[:, 0] = 0
    result = face.clone()
    result[..., smile] = torch.maximum(face[..., smile], kept)
    return result


def _motions(face: Tensor, head: Tensor, flipped: Tensor) -> Tensor:
    """(P, F, 5, 58): of every frame, the motions of the four before it and its own; the first one stands before all."""
    mirrored = face[..., torch.from_numpy(FACE_MIRROR).to(face.device)]
    sign = head.new_tensor([1, -1, -1, -1, 1, 1])
    face = torch.where(flipped[:, None, None], mirrored, face)
    head = torch.where(flipped[:, None, None], head * sign, head)
    motion = torch.cat([face, head], -1)
    before = motion[:, :1].expand(-1, MOTION_FRAMES - 1, -1)
    return torch.cat([before, motion], 1).unfold(1, MOTION_FRAMES, 1).transpose(2, 3)


def default_photo_px(mouth_px: tuple[int, int], margin: float) -> int:
    """A photo whose faces are about as large as the crops want: a face is some 1.35 times as high as wide."""
    return 16 * round(crop_px_per_face_width(mouth_px) * 1.35 * (1 + 2 * margin) / 16)
