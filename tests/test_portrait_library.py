"""The gallery: adding, finding, mending, removing, from many threads and with hostile ids."""

from __future__ import annotations

import io
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import visavis_models.portrait.library as library_module
from portrait_photos import astronaut, drawing, encoded
from visavis_models.avatar import ANALYSIS_VERSION
from visavis_models.errors import BadInput, BadPhoto, NotFound, StorageError, WeightsError
from visavis_models.portrait.library import AvatarLibrary
from visavis_models.portrait.storage import load_avatar, read_entry
from visavis_models.weights import weights_folder

pytestmark = pytest.mark.weights

PHOTO = encoded(np.asarray(cv2.resize(astronaut(), (420, 420), interpolation=cv2.INTER_AREA), np.uint8), "JPEG")
OTHER = encoded(np.ascontiguousarray(astronaut()[:320, 80:400]), "JPEG")


@pytest.fixture
def library(tmp_path: Path) -> AvatarLibrary:
    return AvatarLibrary(tmp_path / "avatars")


@pytest.fixture
def analyses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the avatars that were analysed."""
    made: list[str] = []
    for function in ("analyse", "analyse_canvas"):
        original = getattr(library_module, function)

        def counted(*arguments: object, _original: object = original) -> object:
            made.append(str(arguments[1]))
            return _original(*arguments)  # type: ignore[operator]

        monkeypatch.setattr(library_module, function, counted)
    return made


def test_the_astronaut_ships(library: AvatarLibrary) -> None:
    (entry,) = [entry for entry in library.list() if entry.id == "astronaut"]
    assert entry.builtin and entry.name == "Astronaut" and (entry.width_px, entry.height_px) == (512, 512)
    avatar = library.get("astronaut")
    assert avatar.builtin
    assert np.abs(avatar.photo.astype(int) - astronaut()).mean() < 2


def test_all_that_ships_is_current_and_small() -> None:
    folders = [folder for folder in (weights_folder() / "gallery").iterdir() if folder.is_dir()]
    assert folders
    for folder in folders:
        assert read_entry(folder).version == ANALYSIS_VERSION, f"make {folder.name} again"
        load_avatar(folder)
    assert sum(file.stat().st_size for folder in folders for file in folder.iterdir()) < 5_000_000


def test_an_added_avatar_is_listed_after_those_that_ship_and_outlives_the_process(
    library: AvatarLibrary, tmp_path: Path
) -> None:
    added = library.add(PHOTO, "  Ada \n Lovelace ")
    assert added.id.startswith("ada-lovelace-") and added.name == "Ada Lovelace" and not added.builtin
    again = AvatarLibrary(tmp_path / "avatars")
    assert [entry.id for entry in again.list()][-1] == added.id
    assert again.list()[0].builtin
    loaded = again.get(added.id)
    assert loaded is again.get(added.id), "a ready avatar is kept"
    np.testing.assert_array_equal(loaded.landmarks, added.landmarks)


def test_the_same_photo_is_analysed_once(library: AvatarLibrary, tmp_path: Path, analyses: list[str]) -> None:
    first = library.add(PHOTO, "Ada")
    assert library.add(PHOTO, "Grace").id == first.id
    assert AvatarLibrary(tmp_path / "avatars").add(PHOTO, "Joan").id == first.id
    assert analyses == ["Ada"]


def test_a_blank_name_gets_one(library: AvatarLibrary) -> None:
    assert library.add(PHOTO, "  ").name == "Avatar"


def test_a_bad_photo_leaves_nothing_behind(library: AvatarLibrary, tmp_path: Path) -> None:
    with pytest.raises(BadPhoto):
        library.add(encoded(drawing()), "x")
    assert not list(tmp_path.glob("avatars/*"))
    assert all(entry.builtin for entry in library.list())


def test_adding_at_once_from_many_threads_makes_each_avatar_once(
    library: AvatarLibrary, tmp_path: Path, analyses: list[str]
) -> None:
    start = threading.Barrier(6)

    def add(photo: bytes) -> str:
        start.wait()
        return library.add(photo, "Ada").id

    with ThreadPoolExecutor(6) as pool:
        ids = list(pool.map(add, [PHOTO, OTHER] * 3))
    assert len(set(ids)) == 2 and len(analyses) == 2
    assert {folder.name for folder in (tmp_path / "avatars").iterdir()} == set(ids)


def test_an_avatar_can_be_removed_and_added_again(library: AvatarLibrary, tmp_path: Path) -> None:
    first = library.add(PHOTO, "Ada").id
    library.remove(first)
    with pytest.raises(NotFound):
        library.get(first)
    with pytest.raises(NotFound):
        library.remove(first)
    assert not list((tmp_path / "avatars").iterdir())
    assert library.add(PHOTO, "Ada").id == first


def test_what_ships_cannot_be_removed(library: AvatarLibrary) -> None:
    with pytest.raises(BadInput) as caught:
        library.remove("astronaut")
    assert (caught.value.code, caught.value.http_status) == ("builtin_avatar", 403)
    assert library.get("astronaut")


@pytest.fixture(scope="module")
def beside_a_secret(tmp_path_factory: pytest.TempPathFactory) -> tuple[AvatarLibrary, Path]:
    """A library with an avatar, and a folder beside it that no id leads to."""
    folder = tmp_path_factory.mktemp("library")
    library = AvatarLibrary(folder / "avatars")
    library.add(PHOTO, "Ada")
    shutil.copytree(next((folder / "avatars").iterdir()), folder / "secret")
    return library, folder / "secret"


@pytest.mark.parametrize(
    "id",
    ["..", ".", "", "../secret", "a/../../secret", "/etc", "secret\0", "Astronaut", "a" * 65, ".new-1", "astronaut\n"],
)
def test_hostile_ids_reach_no_file(beside_a_secret: tuple[AvatarLibrary, Path], id: str) -> None:
    library, secret = beside_a_secret
    for ask in (library.get, library.image, library.thumbnail, library.remove):
        with pytest.raises(NotFound):
            ask(id)
    assert (secret / "avatar.json").is_file() and len(list((secret.parent / "avatars").iterdir())) == 1


def test_an_avatar_of_an_older_analysis_is_made_anew_from_its_photo(
    library: AvatarLibrary, tmp_path: Path, analyses: list[str]
) -> None:
    made = library.add(PHOTO, "Ada")
    facts_file = tmp_path / "avatars" / made.id / "avatar.json"
    facts = json.loads(facts_file.read_text("utf-8"))
    facts_file.write_text(json.dumps(facts | {"version": ANALYSIS_VERSION - 1}), "utf-8")
    fresh = AvatarLibrary(tmp_path / "avatars")
    mended = fresh.get(made.id)
    assert (mended.id, mended.name) == (made.id, "Ada") and len(analyses) == 2
    assert np.abs(mended.landmarks[:, :2] - made.landmarks[:, :2]).mean() < 1
    assert read_entry(facts_file.parent).version == ANALYSIS_VERSION
    assert fresh.add(PHOTO, "Grace").id == made.id and len(analyses) == 2


@pytest.mark.parametrize("file", ["matte.png", "points.safetensors", "avatar.json"])
def test_a_damaged_avatar_is_mended(library: AvatarLibrary, tmp_path: Path, file: str) -> None:
    made = library.add(PHOTO, "Ada")
    (tmp_path / "avatars" / made.id / file).write_bytes(b"rubbish")
    fresh = AvatarLibrary(tmp_path / "avatars")
    mended = fresh.get(made.id)
    assert (mended.id, mended.name) == (made.id, "Ada")
    assert load_avatar(tmp_path / "avatars" / made.id).name == "Ada"


def test_an_avatar_without_its_photo_is_lost_and_harms_no_other(library: AvatarLibrary, tmp_path: Path) -> None:
    made = library.add(PHOTO, "Ada")
    (tmp_path / "avatars" / made.id / "photo.jpg").write_bytes(b"rubbish")
    (tmp_path / "avatars" / "empty").mkdir()
    fresh = AvatarLibrary(tmp_path / "avatars")
    for id in (made.id, "empty"):
        with pytest.raises(NotFound) as caught:
            fresh.get(id)
        assert caught.value.code == "avatar_damaged"
    assert fresh.get("astronaut") and "empty" not in {entry.id for entry in fresh.list()}
    fresh.remove(made.id)


def test_a_damaged_gallery_is_the_operators_to_mend(tmp_path: Path) -> None:
    shutil.copytree(weights_folder() / "gallery" / "astronaut", tmp_path / "gallery" / "astronaut")
    (tmp_path / "gallery" / "astronaut" / "photo.jpg").write_bytes(b"rubbish")
    with pytest.raises(WeightsError, match="Reinstall"):
        AvatarLibrary(tmp_path / "avatars", tmp_path / "gallery").get("astronaut")


def test_pictures_are_served_as_jpeg(library: AvatarLibrary, tmp_path: Path) -> None:
    made = library.add(PHOTO, "Ada")
    for id, size in (("astronaut", (512, 512)), (made.id, (420, 420))):
        for content, expected in ((library.image(id), size), (library.thumbnail(id), (256, 256))):
            with Image.open(io.BytesIO(content)) as image:
                assert (image.format, image.size) == ("JPEG", expected)
    (tmp_path / "avatars" / made.id / "thumbnail.jpg").unlink()
    assert library.thumbnail(made.id).startswith(b"\xff\xd8")


def test_a_folder_that_cannot_be_written_is_said_to_be_so(library: AvatarLibrary, tmp_path: Path) -> None:
    added = library.add(OTHER, "Other")
    shutil.move(tmp_path / "avatars", tmp_path / "aside")
    (tmp_path / "avatars").write_text("in the way")  # as on a full or read-only disk, no folder can be made here
    with pytest.raises(StorageError, match=r"cannot be kept.*--data-dir") as error:
        library.add(PHOTO, "One")
    assert error.value.code == "storage" and error.value.http_status == 507
    (tmp_path / "avatars").unlink()
    shutil.move(tmp_path / "aside", tmp_path / "avatars")
    assert [entry.id for entry in library.list() if not entry.builtin] == [added.id]


def test_an_outdated_avatar_that_cannot_be_kept_is_shown_all_the_same(
    library: AvatarLibrary, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    id = library.add(PHOTO, "One").id
    facts = tmp_path / "avatars" / id / "avatar.json"
    facts.write_text(facts.read_text().replace(f'"version": {ANALYSIS_VERSION}', '"version": 0'))

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(library_module, "save_avatar", refuse)
    assert AvatarLibrary(tmp_path / "avatars").get(id).name == "One"


def test_a_larger_canvas_is_used_for_photos_that_have_it(tmp_path: Path) -> None:
    large = np.asarray(cv2.resize(astronaut()[:288], (2048, 1152), interpolation=cv2.INTER_CUBIC), np.uint8)
    content = encoded(large, "JPEG")
    small = AvatarLibrary(tmp_path / "avatars").add(content, "Joan")
    assert (small.width_px, small.height_px) == (1024, 576)
    library = AvatarLibrary(tmp_path / "avatars", canvas="1080p")
    whole = library.add(content, "Joan")
    assert whole.id == small.id and (whole.width_px, whole.height_px) == (1920, 1080)
    assert [(entry.width_px, entry.canvas) for entry in library.list() if entry.id == whole.id] == [(1920, "1080p")]
    assert 1.8 < whole.face_width_px / small.face_width_px < 1.95
