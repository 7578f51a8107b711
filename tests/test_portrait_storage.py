"""Avatars on disk: kept, found again, and refused when damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from portrait_photos import astronaut
from visavis_models.avatar import ANALYSIS_VERSION, Avatar
from visavis_models.portrait.layers import split_layers
from visavis_models.portrait.storage import DamagedAvatar, load_avatar, make_thumbnail, read_entry, save_avatar

pytestmark = pytest.mark.unit


def sample_avatar() -> Avatar:
    photo = np.ascontiguousarray(astronaut()[:300, 60:460])
    y, x = np.mgrid[:300, :400]
    matte = np.clip(255 * (1.5 - np.hypot((x - 165) / 90, (y - 200) / 170)), 0, 255).astype(np.uint8)
    foreground, plate = split_layers(photo, matte)
    random = np.random.default_rng(3)
    return Avatar(
        id="ann-1",
        name="Änn 🙂",
        photo=photo,
        matte=matte,
        foreground=foreground,
        plate=plate,
        landmarks=random.normal(100, 30, (478, 3)).astype(np.float32),
        head_pose=np.array([0.1, -0.2, 0.05, 165, 123, 92], np.float32),
        body_points=random.normal(100, 30, (33, 4)).astype(np.float32),
        notes=("The photo was not upright and was turned.",),
    )


def test_an_avatar_comes_back_as_it_was(tmp_path: Path) -> None:
    avatar = sample_avatar()
    save_avatar(avatar, tmp_path / "ann-1", "abc")
    loaded = load_avatar(tmp_path / "ann-1")
    assert (loaded.id, loaded.name, loaded.notes, loaded.builtin) == (avatar.id, avatar.name, avatar.notes, False)
    for name in ("landmarks", "head_pose", "body_points", "matte"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(avatar, name))
    for name in ("photo", "foreground", "plate"):
        difference = np.abs(getattr(loaded, name).astype(int) - getattr(avatar, name))
        assert difference.mean() < 4, name
    alpha = loaded.matte[..., None] / 255
    assert np.abs(alpha * loaded.foreground + (1 - alpha) * loaded.plate - loaded.photo).max() <= 1
    entry = read_entry(tmp_path / "ann-1", builtin=True)
    assert (entry.width_px, entry.height_px, entry.builtin, entry.content_hash) == (400, 300, True, "abc")


def test_a_folder_stays_small_and_nothing_else_is_left(tmp_path: Path) -> None:
    save_avatar(sample_avatar(), tmp_path / "ann-1")
    save_avatar(replace(sample_avatar(), name="Other"), tmp_path / "ann-1")
    assert [folder.name for folder in tmp_path.iterdir()] == ["ann-1"]
    assert load_avatar(tmp_path / "ann-1").name == "Other"
    assert sum(file.stat().st_size for file in (tmp_path / "ann-1").iterdir()) < 300_000


def test_a_failed_save_leaves_the_old_avatar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_avatar(sample_avatar(), tmp_path / "ann-1")

    def full(self: Path, content: bytes) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        save_avatar(replace(sample_avatar(), name="Other"), tmp_path / "ann-1")
    assert load_avatar(tmp_path / "ann-1").name == "Änn 🙂"
    assert [folder.name for folder in tmp_path.iterdir()] == ["ann-1"]


def _cut(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:150])


def _remove(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def _facts(**changes: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        facts = json.loads((folder / "avatar.json").read_text("utf-8")) | changes
        (folder / "avatar.json").write_text(json.dumps(facts), "utf-8")

    return change


def _points(**arrays: np.ndarray) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        good = {name: getattr(sample_avatar(), name) for name in ("landmarks", "head_pose", "body_points")}
        save_file(good | arrays, folder / "points.safetensors")

    return change


@pytest.mark.parametrize(
    "damage",
    [
        *(_cut(name) for name in ("photo.jpg", "matte.png", "foreground.webp", "plate.webp", "points.safetensors")),
        *(_remove(name) for name in ("photo.jpg", "plate.webp", "avatar.json")),
        _cut("avatar.json"),
        lambda folder: (folder / "avatar.json").write_text("[1, 2]"),
        _facts(version=ANALYSIS_VERSION + 1),
        _facts(version="new"),
        _facts(width_px=401),
        _points(landmarks=np.zeros((468, 3), np.float32)),
        _points(head_pose=np.full(6, np.nan, np.float32)),
    ],
)
def test_damage_is_noticed(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    save_avatar(sample_avatar(), tmp_path / "ann-1")
    damage(tmp_path / "ann-1")
    with pytest.raises(DamagedAvatar, match="ann-1"):
        load_avatar(tmp_path / "ann-1")


def test_a_thumbnail_shows_the_face_in_the_middle() -> None:
    avatar = sample_avatar()
    thumbnail = make_thumbnail(avatar.photo, avatar.head_pose)
    assert thumbnail.shape == (256, 256, 3)
    side = int(2.4 * 92)
    part = avatar.photo[123 - side // 2 : 123 + side // 2, 165 - side // 2 : 165 + side // 2]
    assert np.abs(part.mean(axis=(0, 1)) - thumbnail.mean(axis=(0, 1))).max() < 4


@pytest.mark.parametrize("place", [(0.0, 0.0), (399.0, 299.0), (-50.0, 500.0)])
def test_a_thumbnail_near_the_edge_stays_inside(place: tuple[float, float]) -> None:
    head = np.array([0, 0, 0, *place, 92], np.float32)
    assert make_thumbnail(sample_avatar().photo, head).shape == (256, 256, 3)
