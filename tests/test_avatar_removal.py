"""Consent is kept with an avatar; removing it leaves nothing that was made of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import cv2
import httpx
import numpy as np
import pytest

from fakes import FakeStudio, fake_avatar
from portrait_photos import astronaut, encoded
from running_server import client_of, house
from stage_fakes import LoudnessListener
from visavis_models.errors import NotFound, StorageError
from visavis_models.portrait import library as library_module
from visavis_models.portrait.consent import (
    CONSENT_TEXT,
    CONSENT_VERSION,
    Consent,
    add_consent,
    given_now,
    read_consents,
)
from visavis_models.portrait.library import AvatarLibrary
from visavis_models.rendering import ForgetfulRenderer
from visavis_models.warp.renderer import WarpRenderer
from visavis_server import avatar_removal
from visavis_server.avatar_removal import remove_recordings
from visavis_server.cli import main
from visavis_server.outputs.desk import recording_name
from visavis_server.studio import Studio

pytestmark = pytest.mark.weights

PHOTO = encoded(np.asarray(cv2.resize(astronaut(), (420, 420), interpolation=cv2.INTER_AREA), np.uint8), "JPEG")
JPEG = b"\xff\xd8\xff\xe0 a photo"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def upload(client: httpx.AsyncClient, **fields: str) -> httpx.Response:
    data = {"name": "Grace", "consent": "true", **fields}
    return await client.post("/v1/avatars", data=data, files={"photo": ("a.jpg", JPEG)})


def test_consent_comes_with_the_avatar_grows_and_outlives_a_new_analysis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = AvatarLibrary(tmp_path)
    made = library.add(PHOTO, "Ada", given_now("Grace Hopper", "upload"))
    (first,) = library.consents(made.id)
    assert (first.given_by, first.how, first.version, first.text) == (
        "Grace Hopper", "upload", CONSENT_VERSION, CONSENT_TEXT,
    )  # fmt: skip
    assert library.add(PHOTO, "Ada", given_now("", "command")).id == made.id
    assert [c.how for c in library.consents(made.id)] == ["upload", "command"]
    (tmp_path / made.id / "matte.png").write_bytes(b"rubbish")
    assert AvatarLibrary(tmp_path).get(made.id).id == made.id  # made anew from its photo
    assert len(library.consents(made.id)) == 2
    assert library.consents("astronaut") == ()


def test_no_avatar_is_kept_whose_consent_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    library = AvatarLibrary(tmp_path)
    monkeypatch.setattr(library_module, "add_consent", full)
    with pytest.raises(StorageError):
        library.add(PHOTO, "Ada", given_now("Grace", "upload"))
    monkeypatch.undo()
    monkeypatch.setattr(library_module, "save_avatar", full)
    with pytest.raises(StorageError):
        library.add(PHOTO, "Ada", given_now("Grace", "upload"))
    assert [entry for entry in library.list() if not entry.builtin] == [] and list(tmp_path.iterdir()) == []


def test_a_damaged_record_of_consent_is_none_and_many_are_bounded(tmp_path: Path) -> None:
    for number in range(150):
        add_consent(tmp_path, Consent("2026-01-01", str(number), "upload", 1, "text"))
    kept = read_consents(tmp_path)
    assert len(kept) == 100 and kept[0].given_by == "0" and kept[-1].given_by == "149"
    (tmp_path / "consent.json").write_text('[{"given_by": 1}]')
    assert read_consents(tmp_path) == ()


def test_another_process_that_removes_it_is_noticed_and_leftovers_are_swept(tmp_path: Path) -> None:
    mine, other = AvatarLibrary(tmp_path), AvatarLibrary(tmp_path)
    made = mine.add(PHOTO, "Ada", given_now("Grace", "upload"))
    assert mine.has(made.id)
    (tmp_path / ".old-1").mkdir()
    (tmp_path / ".old-1" / "photo.jpg").write_bytes(PHOTO)  # a process was killed in the middle of a removal
    other.remove(made.id)
    assert not mine.has(made.id) and list(tmp_path.iterdir()) == []
    with pytest.raises(NotFound):
        mine.get(made.id)


async def test_who_agrees_is_recorded_over_http_and_can_be_asked_for() -> None:
    async with client_of(house()) as client:
        id = (await upload(client, consent_by="  Grace\n Hopper\u0007 ")).json()["id"]
        (found,) = (await client.get(f"/v1/avatars/{id}/consent")).json()["consents"]
        assert (found["given_by"], found["how"], found["text"]) == ("Grace Hopper", "upload", CONSENT_TEXT)
        assert (await client.get("/v1/avatars/nobody/consent")).status_code == 404
        assert (await upload(client)).status_code == 201
    strict = house(provenance__consent_name=True)
    async with client_of(strict) as client:
        refused = await upload(client, consent_by=" \n ")
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "consent_name_required")
        assert strict.library.added == []
        assert (await upload(client, consent_by="Grace")).status_code == 201
        assert (await client.get("/v1/config")).json()["consent_name"] is True


async def test_a_removed_avatar_ends_its_calls_and_is_forgotten(tmp_path: Path) -> None:
    mine = [recording_name("mine", 0.0), recording_name("mine", 1.0)]
    others = [recording_name("mine-2", 0.0), recording_name("amine", 0.0), "notes.txt", ".hidden-mine"]
    home = house(outputs__record_dir=str(tmp_path), sessions__capacity=3)
    async with client_of(home) as client:
        for avatar in ("mine", "zoe", "mine"):
            assert (await client.post("/v1/sessions", json={"avatar_id": avatar})).status_code == 201
        for name in mine + others:
            (tmp_path / name).write_bytes(b"video")
        assert (await client.delete("/v1/avatars/mine")).status_code == 204
        left = (await client.get("/v1/sessions")).json()["sessions"]
        assert [session["avatar_id"] for session in left] == ["zoe"]
        studio = cast(Any, home.studio)
        assert isinstance(studio, FakeStudio) and studio.forgotten == ["mine"]
        assert names(tmp_path) == sorted(mine + others), "only when asked for"
        home.library.avatars["mine"] = fake_avatar("mine", "Ada", False)
        assert (await client.delete("/v1/avatars/mine?recordings=true")).status_code == 204
        assert names(tmp_path) == sorted(others)
        assert (await client.delete("/v1/avatars/astronaut?recordings=true")).status_code == 403


async def test_calls_end_whose_avatar_another_process_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avatar_removal, "WATCH_EVERY_S", 0.05)
    home = house(sessions__capacity=2)
    async with client_of(home) as client:
        for avatar in ("mine", "zoe"):
            assert (await client.post("/v1/sessions", json={"avatar_id": avatar})).status_code == 201
        del home.library.avatars["mine"]
        for _ in range(100):
            left = (await client.get("/v1/sessions")).json()["sessions"]
            if len(left) == 1:
                break
            await asyncio.sleep(0.05)
        assert [session["avatar_id"] for session in left] == ["zoe"]


async def test_a_studio_keeps_nothing_of_an_avatar_that_it_forgets(tmp_path: Path) -> None:
    library, renderer = AvatarLibrary(tmp_path), WarpRenderer()
    assert isinstance(renderer, ForgetfulRenderer)
    studio = Studio(renderer, lambda _: LoudnessListener())
    for id in ("samuel", "astronaut"):
        session = await studio.open_session(library.get(id))
        await session.aclose()
    await studio.forget("samuel")
    assert [key[0] for key in renderer._stills] == ["astronaut"] and studio._preview is None
    await studio.aclose()


def test_the_command_deletes_recordings_too_unless_they_are_to_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, films = tmp_path / "data", tmp_path / "films"
    films.mkdir()
    monkeypatch.setenv("VISAVIS_DATA_DIR", str(data))
    monkeypatch.setenv("VISAVIS_OUTPUTS_RECORD_DIR", str(films))
    photo = tmp_path / "ada.jpg"
    photo.write_bytes(PHOTO)

    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["visavis", "avatar", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 0
        return capsys.readouterr().out

    id = run("add", str(photo), "--consent-by", "Grace Hopper").split(":")[0]
    assert "Grace Hopper (command)" in run("consent", id) and "Nothing is recorded" in run("consent", "maya")
    film = films / recording_name(id, 0.0)
    film.write_bytes(b"video")
    assert json.loads((data / "avatars" / id / "consent.json").read_text())[0]["given_by"] == "Grace Hopper"
    assert "is deleted" in run("delete", id, "--keep-recordings") and film.exists()
    assert list((data / "avatars").iterdir()) == []
    id = run("add", str(photo)).split(":")[0]
    assert "1 recording" in run("delete", id) and not film.exists()


def test_a_folder_of_recordings_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as refused:
        remove_recordings(tmp_path / "nowhere", "mine")
    assert refused.value.remedy
