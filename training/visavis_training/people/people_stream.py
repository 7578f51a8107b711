"""The pictures a renderer trains on: people who do not exist, each with a reference and driven frames, all labelled.

A batch follows from seed and step alone: the same on every run, and a run that was stopped goes on at any step. Looks
are painted once and kept in a pool. Everything happens on the anatomy's device. Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from visavis_training.people.camera import Camera, face_boxes
from visavis_training.people.capture import Camcorder, capture
from visavis_training.people.chance import Chance
from visavis_training.people.clip_motion import Motion, clip_motion
from visavis_training.people.frame_labels import FrameLabels, Shot
from visavis_training.people.lighting import Lights, sample_lights, white_of_kelvin
from visavis_training.people.motion_tracks import Tracks
from visavis_training.people.people_pool import People, PeoplePool, Studio
from visavis_training.people.posing import eye_gaze
from visavis_training.people.scenery import backgrounds, photographs
from visavis_training.people.tensor_trees import joined, tensors

MOST_SEED = 2**22 - 1
"""Seeds of people and clips, which follow from it, have 63 bits."""
_CANVAS_PX = 1024
"""Of the whole picture that the face region is cut out of; only ratios count."""


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What a stream gives; with the seed it is all that a batch depends on."""

    people: int = 8
    """Clips in a batch, each of another person."""
    frames: int = 4
    """Driven frames of each."""
    size_px: int = 256
    """Side of the square pictures."""
    margin: float = 0.25
    """Added around the reference's landmarks on each side, as a share of the face's longer side."""
    shift: float = 0.06
    """The square is moved by up to this share of its side."""
    zoom: float = 0.10
    """And is up to this share larger or smaller."""
    window_share: float = 0.75
    """Share of clips whose driven frames are consecutive in time; the others' are unrelated poses."""
    every: int = 1
    """Consecutive frames lie so many times 40 ms apart."""
    mouth_shares: tuple[float, float, float] = (0.50, 0.35, 0.15)
    """References that show teeth, shut lips, an open mouth."""
    driven_faults: float = 0.0
    """Share of clips whose driven frames have noise and compression too, their own; the reference always has."""
    pool: int = 64
    """People kept ready; at least `people`."""
    group: int = 2
    """People made at a time."""
    keep_steps: int = 1
    """A group is exchanged after so many steps."""
    finer: int = 2
    """Pictures are drawn with so many samples along each side of a pixel."""
    shadows: bool = True
    people_at_once: int = 8
    """Clips drawn in one go: bounds memory, changes nothing else but which numbers noise draws."""

    def __post_init__(self) -> None:
        if not (0 < self.people <= self.pool and self.frames > 0 and self.size_px > 0 and self.people_at_once > 0):
            raise ValueError(f"cannot give {self.people} clips of {self.frames} frames from {self.pool} people")


@dataclass(frozen=True, slots=True)
class PeopleBatch:
    """P clips of K = 1 + N frames of `size_px` squared; frame 0 is the reference. One device throughout."""

    step: int
    seeds: Tensor
    """int64 (P,): who; see `sampling.sample`."""
    light: Tensor
    """float32 (P, K, H, W, 3): linear light before any camera; a white card that faces the camera is 1."""
    rgb: Tensor
    """uint8 (P, K, H, W, 3): captured. One camera's response a clip; the reference has the sensor's and the codec's
    faults, driven frames have none unless settings say so."""
    labels: FrameLabels
    """Of all frames, (P * K, ...) clip after clip, against their clip's reference."""
    camera: Camera
    """Of all frames, P * K; the same for all of a clip."""
    lights: Lights
    """Of the clips, P."""
    motion: Motion
    gaze: Tensor
    """float32 (P, K, 2, 2): radians to the picture's right and up, of the person's left and right eye."""
    tooth_rgb: Tensor
    """float32 (P, 3): linear reflectance of the person's front teeth."""

    @property
    def reference(self) -> Tensor:
        """uint8 (P, H, W, 3)."""
        return self.rgb[:, 0]

    @property
    def driven(self) -> Tensor:
        """uint8 (P, N, H, W, 3)."""
        return self.rgb[:, 1:]

    @property
    def landmarks(self) -> Tensor:
        """float32 (P, K, 478, 2) px."""
        return self.labels.landmarks.reshape(*self.rgb.shape[:2], -1, 2)


def as_float(rgb: Tensor) -> Tensor:
    """uint8 pictures (..., H, W, 3) as float32 (..., 3, H, W), 0..1."""
    return rgb.movedim(-1, -3).float() / 255.0


class PeopleStream:
    """Batches of people, step after step.

    Args:
        studio: makes and draws people.
        tracks: what windows are cut from.
        settings: of batches.
        seed: of all chance, 0 to `MOST_SEED`; streams of other seeds show other people.
        step: of the first batch that `next` gives; where a stopped run goes on.
    """

    def __init__(
        self, studio: Studio, tracks: Tracks, settings: StreamSettings | None = None, seed: int = 0, step: int = 0
    ) -> None:
        if not 0 <= seed <= MOST_SEED or step < 0:
            raise ValueError(f"a stream has no seed {seed} or no step {step}: seeds are 0 to {MOST_SEED}")
        self.studio, self.settings, self.seed, self.step = studio, settings or StreamSettings(), seed, step
        device = studio.anatomy.device
        self._tracks = tracks.to(device)
        self._pool = PeoplePool(studio, seed, self.settings.pool, self.settings.group, self.settings.keep_steps)
        self._photos = photographs().to(device)

    def __iter__(self) -> Iterator[PeopleBatch]:
        return self

    def __next__(self) -> PeopleBatch:
        batch = self.batch(self.step)
        self.step += 1
        return batch

    def kept(self) -> Iterator[Tensor]:
        """What is held from one batch to the next and freed or written over by later ones."""
        yield from (self._photos, *tensors(self._tracks), *tensors(self._pool.held))

    def batch(self, step: int) -> PeopleBatch:
        """The batch of a step >= 0."""
        with torch.no_grad():
            return self._batch(step)

    def _batch(self, step: int) -> PeopleBatch:
        settings, device = self.settings, self.studio.anatomy.device
        pool = self._pool.at(step)
        clip = torch.arange(settings.people, device=device)
        chance = Chance((self.seed << 40) + (step << 12) + clip)
        who = Chance(chance.seeds[:1]).uniform("who", count=settings.pool)[0]
        who = who.argsort(stable=True)[: settings.people]
        return joined(
            [
                self._clips(step, pool, Chance(chance.seeds[part]), who[part], number)
                for number, part in enumerate(clip.split(settings.people_at_once))
            ]
        )

    def _clips(self, step: int, pool: People, chance: Chance, who: Tensor, number: int) -> PeopleBatch:
        settings, studio = self.settings, self.studio
        people, size_px = len(chance), settings.size_px
        frames = 1 + settings.frames
        motion = clip_motion(
            chance, self._tracks, settings.frames, settings.window_share, settings.mouth_shares, settings.every
        )
        clip = torch.arange(people, device=who.device).repeat_interleave(frames)
        person = who[clip]
        face, head, body = (x.reshape(people * frames, -1) for x in (motion.face, motion.head, motion.body))
        gaze = eye_gaze(face)
        vertices = studio.anatomy.pose(pool.neutral[person], face, gaze, head, body, pool.joints[person])
        reference_of = clip * frames
        camera = self._cameras(step, number, studio.anatomy.marks(vertices[::frames])).rows(clip)
        worn = None if pool.worn is None else pool.worn.rows(person)
        shot = Shot.take(vertices, studio.surface, camera, worn=worn)
        labels = FrameLabels.of(shot, shot, studio.surface, reference_of=reference_of, face=face, head=head)
        lights = sample_lights(chance)
        behind = backgrounds(chance, size_px, white_of_kelvin(lights.kelvin), self._photos)
        light, _ = studio.painter.draw(
            pool.looks, person, vertices, face, lights.rows(clip), camera, behind[clip], settings.finer,
            settings.shadows, pool.worn,
        )  # fmt: skip
        rgb = self._captured(step, number, chance, lights, light, frames)
        pictures = (people, frames, size_px, size_px, 3)
        return PeopleBatch(
            step,
            pool.identity.seeds[who],
            light.reshape(pictures),
            rgb.reshape(pictures),
            labels,
            camera,
            lights,
            motion,
            gaze.reshape(people, frames, 2, 2),
            pool.tooth_rgb[who],
        )

    def _cameras(self, step: int, number: int, marks: Tensor) -> Camera:
        """One for each clip, cut to the reference's face, whose landmarks are `marks` (P, 478, 3) in head space."""
        settings = self.settings
        drawn = torch.Generator().manual_seed(self._noise_seed(step, number, 1))
        whole = Camera.random(len(marks), _CANVAS_PX, _CANVAS_PX, drawn).to(marks.device)
        seen = whole.project(marks)[..., :2]
        boxes = face_boxes(seen, margin=settings.margin, shift=settings.shift, zoom=settings.zoom, generator=drawn)
        return whole.crop(boxes, settings.size_px, settings.size_px)

    def _captured(self, step: int, number: int, chance: Chance, lights: Lights, light: Tensor, frames: int) -> Tensor:
        """uint8 (P * K, H, W, 3): one response a clip, faults for the reference and for some clips' driven frames."""
        response = Camcorder.of(chance, lights.kelvin, lights.stops)
        other = Camcorder.of(Chance(chance.seeds ^ 0x5DEECE66D), lights.kelvin, lights.stops)
        faulty = chance.happens("driven faults", self.settings.driven_faults)
        nothing = torch.zeros_like(faulty)
        faultless = replace(
            response,
            shot_noise=other.shot_noise * faulty,
            read_noise=other.read_noise * faulty,
            denoise=other.denoise * faulty,
            quality=torch.where(faulty > 0, other.quality, nothing + 101.0),
            bitrate=torch.where(faulty > 0, other.bitrate, nothing + 1.1),
        )
        noise = torch.Generator(light.device).manual_seed(self._noise_seed(step, number, 2))
        shape = (len(chance), frames, *light.shape[1:])
        pictures = light.reshape(shape)
        reference = capture(pictures[:, 0].contiguous(), response, noise)
        clip = torch.arange(len(chance), device=light.device).repeat_interleave(frames - 1)
        driven = capture(
            pictures[:, 1:].reshape(-1, *light.shape[1:]), faultless.rows(clip), noise,
            clean=self.settings.driven_faults <= 0,
        )  # fmt: skip
        return torch.cat([reference[:, None], driven.reshape(len(chance), frames - 1, *light.shape[1:])], 1)

    def _noise_seed(self, step: int, number: int, purpose: int) -> int:
        """Of one part of one step, 63 bits."""
        mixed = (self.seed * 0x9E3779B97F4A7C15 + step * 0xC2B2AE3D27D4EB4F + number * 0x165667B19E3779F9) & (2**61 - 1)
        return mixed * 4 + purpose
