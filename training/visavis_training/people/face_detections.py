"""Pictures of random people and what a face detector finds in them, beside what is true.

The scene of every picture follows from its seed and view alone, so that its geometry can be had again at any time.
Detectors are given pictures and nothing else. Knows nothing of what the comparison is for.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from visavis_models.portrait.face_detection import find_faces
from visavis_models.portrait.face_mesh import fit_mesh
from visavis_training.people.anatomy import Anatomy
from visavis_training.people.camera import Camera
from visavis_training.people.capture import Camcorder, capture
from visavis_training.people.chance import Chance
from visavis_training.people.landmark_faces import random_faces, random_heads
from visavis_training.people.lighting import sample_lights, white_of_kelvin
from visavis_training.people.look_sheet import mesh_of
from visavis_training.people.picture import Painter
from visavis_training.people.sampling import sample
from visavis_training.people.scenery import backgrounds, photographs

Tensor = Any

FRONTAL = 0
"""The view of each person that looks at the camera; the others are turned."""
_FRONTAL_RAD, _TURNED_RAD = (0.12, 0.12, 0.10), (0.45, 0.30, 0.15)
_FACE = (1, 10, 152)
_MIN_SCORE = 0.5
_SAME_PX = 0.5
_TOLD = ("seeds", "views", "truth_px", "anchors_px", "width_px")
_CHILD = Path(__file__).with_name("mediapipe_faces.py")


@dataclass(frozen=True, slots=True)
class Scene:
    """N pictures' geometry; B people."""

    seeds: Tensor
    """int64 (B,)."""
    person: Tensor
    """int64 (N,), rows of `seeds`."""
    face: Tensor
    """float32 (N, 52)."""
    head: Tensor
    """float32 (N, 6)."""
    neutral: Tensor
    """float32 (B, V, 3) the people at rest, head space dm."""
    vertices: Tensor
    """float32 (N, V, 3), head space dm."""
    camera: Camera

    @classmethod
    def of(cls, anatomy: Anatomy, seeds: Tensor, views: tuple[int, ...], size_px: int) -> Scene:
        """`views` of each person, person by person; view `FRONTAL` looks at the camera within some 7 degrees."""
        device = torch.device(anatomy.device)
        seeds = seeds.to(device)
        person = torch.arange(len(seeds), device=device).repeat_interleave(len(views))
        view = torch.tensor(views, device=device).repeat(len(seeds))
        chance = Chance(seeds[person] * 1009 + view)
        face = random_faces(chance)
        still, turned = random_heads(chance, *_FRONTAL_RAD), random_heads(chance, *_TURNED_RAD)
        head = torch.where(view[:, None] == FRONTAL, still, turned)
        made = sample(seeds, anatomy.identity_names).coefficients
        neutral, joints = anatomy.shape(made), anatomy.joints(made)
        vertices = anatomy.pose(neutral[person], face, None, head, None, joints[person])
        middle = anatomy.anchor_marks(vertices)[:, list(_FACE)].mean(1)  # landmarks may be corrected: cameras stay
        aside = torch.cat([chance.normal("aside", 0.0, 0.10, 2), torch.zeros_like(middle[:, :1])], 1)
        distance = chance.uniform("distance", 4.5, 16.0)
        span_dm = chance.uniform("span", 2.1, 3.0)
        focal = distance / span_dm * (36.0**2 + 24.0**2) ** 0.5 / 2**0.5
        camera = Camera.facing(distance, focal, size_px, size_px, at=middle + aside)
        return cls(seeds, person, face, head, neutral, vertices, camera)


@dataclass(frozen=True, slots=True)
class Detections:
    """What was true and what was found in N pictures."""

    seeds: NDArray[np.int64]
    """(N,) of the people."""
    views: NDArray[np.int64]
    """(N,)."""
    size_px: int
    truth_px: NDArray[np.float32]
    """(N, 478, 2)."""
    anchors_px: NDArray[np.float32]
    """(N, 478, 2) of `Anatomy.anchors`: tells whether the people are still the same."""
    width_px: NDArray[np.float32]
    """(N,) faces' widths, cheek to cheek, as if seen frontally."""
    found_px: NDArray[np.float32]
    """(N, 478, 3) of the detector; not a number where it found no face."""

    @property
    def found(self) -> NDArray[np.bool_]:
        """(N,): a face was found."""
        return np.isfinite(self.found_px[:, 0, 0])

    def errors(self) -> NDArray[np.float32]:
        """(N, 478, 2) found less true, in face widths."""
        return np.asarray((self.found_px[..., :2] - self.truth_px) / self.width_px[:, None, None], np.float32)

    def rows(self, which: NDArray[np.generic]) -> Detections:
        """Some of the pictures, by mask or index."""
        arrays = {name: getattr(self, name)[which] for name in Detections.__slots__ if name != "size_px"}
        return Detections(size_px=self.size_px, **arrays)

    def save(self, path: Path) -> None:
        """As npz."""
        arrays = {name: np.asarray(getattr(self, name)) for name in Detections.__slots__}
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Detections:
        """Of `save`."""
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in cls.__slots__}
        return cls(**arrays | {"size_px": int(arrays["size_px"])})


def draw_pictures(
    anatomy: Anatomy, first_seed: int, people: int, views: tuple[int, ...], size_px: int, folder: Path, batch: int = 2
) -> int:
    """Draw `views` of people into `folder`: shards of pictures and labels; those that are there are kept.

    Returns:
        How many pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    asked = {"first_seed": first_seed, "people": people, "views": list(views), "size_px": size_px, "batch": batch}
    note = folder / "pictures.json"
    if note.exists() and json.loads(note.read_text("utf-8")) != asked:
        raise SystemExit(f"{folder} holds other pictures: {note.read_text('utf-8')}")
    note.write_text(json.dumps(asked) + "\n", "utf-8")
    device = torch.device(anatomy.device)
    painter, photos = None, None
    for first in range(0, people, batch):
        shard = folder / f"pictures-{first:06d}.npz"
        if shard.exists():
            continue
        if painter is None or photos is None:
            painter, photos = Painter.of(mesh_of(anatomy, device), 512), photographs().to(device)
        seeds = torch.arange(first, min(first + batch, people), device=device) + first_seed
        scene = Scene.of(anatomy, seeds, views, size_px)
        pictures = _draw(painter, photos, anatomy, scene)
        marks = anatomy.marks(scene.vertices)
        pixels = scene.camera.project(marks)[..., :2]
        depth = scene.camera.view(marks).mean(1)[:, 2]
        width = (marks[:, 454] - marks[:, 234]).norm(dim=-1) * scene.camera.focal_px / depth
        partial = shard.with_suffix(".part.npz")
        np.savez(
            partial,
            pictures=pictures.cpu().numpy(),
            seeds=seeds[scene.person].cpu().numpy(),
            views=np.tile(views, len(seeds)),
            truth_px=pixels.cpu().numpy(),
            anchors_px=_anchors_px(anatomy, scene),
            width_px=width.cpu().numpy(),
        )
        partial.replace(shard)
    return people * len(views)


def _anchors_px(anatomy: Anatomy, scene: Scene) -> NDArray[np.float32]:
    return np.asarray(scene.camera.project(anatomy.anchor_marks(scene.vertices))[..., :2].cpu().numpy(), np.float32)


def _draw(painter: Painter, photos: Tensor, anatomy: Anatomy, scene: Scene) -> Tensor:
    who = sample(scene.seeds, anatomy.identity_names)
    looks = painter.looks(scene.seeds, who.age_years, who.male, who.origins)
    chance = Chance(scene.seeds[scene.person] * 7919 + torch.arange(len(scene.person), device=scene.person.device))
    lights = sample_lights(chance, None)
    behind = backgrounds(chance, scene.camera.height, white_of_kelvin(lights.kelvin), photos)
    light, _ = painter.draw(looks, scene.person, scene.vertices, scene.face, lights, scene.camera, behind)
    source = Camcorder.of(chance, lights.kelvin, lights.stops)
    noise = torch.Generator(light.device).manual_seed(int(scene.seeds[0]))
    return capture(light, source, noise)


def shards(folder: Path) -> Iterator[Path]:
    """The shards of `draw_pictures` in order."""
    return iter(sorted(folder.glob("pictures-??????.npz")))


def detect(folder: Path, mediapipe_python: Path | None = None) -> Detections:
    """Look for the largest face in every picture of a folder.

    Args:
        folder: of `draw_pictures`.
        mediapipe_python: the interpreter of an environment with mediapipe 0.10.21, whose own networks then look;
            without, the product's.
    """
    files = list(shards(folder))
    if mediapipe_python is None:
        found = np.concatenate([_found_by_product(file) for file in files])
    else:
        out = folder / "mediapipe.npy"
        subprocess.run([mediapipe_python, _CHILD, *files, out], check=True)
        found = np.load(out)
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in _TOLD}
    for file in files:
        with np.load(file) as shard:
            for name, rows in parts.items():
                rows.append(shard[name])
            size_px = shard["pictures"].shape[1]
    return Detections(size_px=size_px, found_px=found, **{name: np.concatenate(rows) for name, rows in parts.items()})


def _found_by_product(file: Path) -> NDArray[np.float32]:
    """(n, 478, 3) px by the networks that ship; not a number where there is no face."""
    rows = []
    with np.load(file) as shard:
        for picture in shard["pictures"]:
            rows.append(np.full((478, 3), np.nan, np.float32))
            for box in find_faces(picture)[:1]:
                mesh = fit_mesh(picture, box.crop(), rounds=3)
                if mesh.score >= _MIN_SCORE:
                    rows[-1] = mesh.points
    return np.stack(rows)


def pictured(anatomy: Anatomy, detections: Detections, seed: int) -> tuple[Detections, Scene]:
    """What was found of a person, and the person.

    Raises:
        SystemExit: people of this seed have another shape now than when the pictures were drawn.
    """
    own = detections.rows(detections.seeds == seed)
    scene = Scene.of(anatomy, torch.tensor([seed]), tuple(own.views.tolist()), own.size_px)
    if np.percentile(np.abs(_anchors_px(anatomy, scene) - own.anchors_px), 95) > _SAME_PX:
        raise SystemExit(f"person {seed} has another shape than in the pictures: draw them anew")
    return own, scene
