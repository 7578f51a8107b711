"""Shows over REST: real server, real files, real viewers; pictures are painted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.asyncio.client import connect

from rtc_loopback import until
from show_files import spoken, wave, write_sound
from visavis_models.errors import NotFound, VisavisError
from visavis_server.call_times import CallTimes, expires_at_s
from visavis_server.house_show import check_house_show, keep_playing
from visavis_server.settings import SessionSettings, ShowSettings
from whip_clients import Client, Venue, venue

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "shows"
    root.mkdir()
    spoken(root / "first.wav", 1.2, title="The first")
    spoken(root / "second.mp3", 1.2)
    write_sound(root / "tone.wav", wave(30.0, 400.0))
    (root / "broken.mp3").write_text("not a sound")
    (root / "all.m3u8").write_text("#EXTM3U\n#EXTINF:1,One\nfirst.wav\nbroken.mp3\n#EXTINF:1,Two\nsecond.mp3\n")
    (tmp_path / "secret.wav").write_bytes((root / "first.wav").read_bytes())
    return root


@dataclass
class Follower:
    """Reads a show's events as they come."""

    events: list[dict[str, Any]] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] in kinds]

    def files(self) -> list[tuple[str, str]]:
        kinds = ("started", "ended", "skipped", "broken", "failed")
        return [(event["type"], event["item"]["file"]) for event in self.of(*kinds)]


@asynccontextmanager
async def following(it: Venue, show: dict[str, Any]) -> AsyncIterator[Follower]:
    follower = Follower()

    async def read() -> None:
        async with it.http.stream("GET", show["events_url"], timeout=None) as answer:
            assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    follower.events.append(json.loads(line[6:]))

    follower.task = asyncio.create_task(read())
    try:
        await until(lambda: bool(follower.events), 15)
        yield follower
    finally:
        follower.task.cancel()
        await asyncio.gather(follower.task, return_exceptions=True)


async def opened(it: Venue, *files: str, **more: Any) -> dict[str, Any]:
    answer = await it.http.post("/v1/shows", json={"avatar_id": "astronaut", "files": files, **more})
    assert answer.status_code == 201, answer.text
    show: dict[str, Any] = answer.json()
    return show


async def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_viewers_hear_and_see_a_playlist_and_its_owner_is_told(folder: Path) -> None:
    async with venue(shows__folder=folder) as it:
        show = await opened(it, "all.m3u8", name="stage", pause_s=0.6, paused=True, ends=True)
        assert (show["whep_url"], show["state"], show["items"]) == ("/whep/stage", "paused", 3)
        async with following(it, show) as follower:
            viewer = Client.viewer(it.http)
            assert (await viewer.start(show["whep_url"])).status_code == 201
            assert (await it.http.patch(f"/v1/shows/{show['id']}", json={"paused": False})).json()["state"] == "resting"
            await until(lambda: bool(follower.of("bye")), 20)
            heard = np.concatenate([arrival.data for arrival in viewer.browser.audio])
            await viewer.close()
        assert follower.files() == [
            ("failed", "broken.mp3"),
            ("started", "first.wav"),
            ("ended", "first.wav"),
            ("started", "second.mp3"),
            ("ended", "second.mp3"),
        ]
        [problem] = follower.of("failed")
        assert problem["error"]["code"] == "voice_unreadable" and problem["error"]["remedy"]
        assert str(folder) not in json.dumps(follower.events)
        ended = [event["item"] for event in follower.of("ended")]
        assert [(item["title"], item["number"]) for item in ended] == [("One", 0), ("Two", 2)]
        assert [item["position_s"] for item in ended] == pytest.approx([1.2, 1.2], abs=0.05)
        states = [event["state"] for event in follower.of("state")]
        assert states[:3] == ["speaking", "idle", "speaking"], "between two items the avatar idles"
        assert follower.events[-1] == {"type": "bye", "reason": "client", "error": None}
        assert np.abs(heard).max() > 3000
        assert await it.metric("visavis_shows") == 0
        assert await it.metric('visavis_show_items_total{how="ended"}') == 2
        assert not it.registry.calls()


async def test_a_show_can_be_skipped_appended_to_looped_and_ended(folder: Path) -> None:
    async with venue(shows__folder=folder) as it:
        show = await opened(it, "tone.wav", "first.wav")
        at = f"/v1/shows/{show['id']}"
        async with following(it, show) as follower:
            await until(lambda: bool(follower.of("progress")), 10)
            now = (await it.http.get(at)).json()
            assert now["state"] == "playing" and now["current"]["file"] == "tone.wav"
            assert 1.0 <= now["current"]["position_s"] < 5.0 and now["current"]["duration_s"] == 30.0
            assert (await it.http.post(f"{at}/skip")).status_code == 202
            more = await it.http.post(f"{at}/items", json={"files": ["second.mp3"]})
            assert more.status_code == 202 and more.json()["items"] == 3
            await until(lambda: bool(follower.of("finished")), 15)
            assert follower.files() == [
                ("started", "tone.wav"),
                ("skipped", "tone.wav"),
                ("started", "first.wav"),
                ("ended", "first.wav"),
                ("started", "second.mp3"),
                ("ended", "second.mp3"),
            ]
            assert (await it.http.get(at)).json()["state"] == "finished"
            assert (await it.http.patch(at, json={"loop": True})).json()["loop"]
            await until(lambda: ("started", "tone.wav") in follower.files()[6:], 15)
            interrupted = await it.http.post(f"/v1/sessions/{show['id']}/interrupt")
            assert interrupted.status_code == 202
            await until(lambda: ("started", "first.wav") in follower.files()[6:], 15)
            assert (await it.http.delete(at)).status_code == 204
            await until(lambda: bool(follower.of("bye")), 15)
        assert await refused(await it.http.get(at)) == (404, "no_such_show")


async def test_a_stranger_plays_nothing_from_outside_the_folder(folder: Path) -> None:
    (folder / "link.wav").symlink_to(folder.parent / "secret.wav")
    (folder / "out.m3u").write_text("../secret.wav\nlink.wav\nhttp://127.0.0.1:1/x.mp3\n")
    async with venue(shows__folder=folder) as it:
        for name, told in (
            ("../secret.wav", (422, "bad_file_name")),
            (str(folder.parent / "secret.wav"), (422, "bad_file_name")),
            ("http://127.0.0.1/x.mp3", (422, "bad_file_name")),
            ("link.wav", (404, "no_such_file")),
            ("nothing.wav", (404, "no_such_file")),
        ):
            answer = await it.http.post("/v1/shows", json={"avatar_id": "astronaut", "files": [name]})
            assert await refused(answer) == told and str(folder.parent) not in answer.json()["error"]["message"]
        show = await opened(it, "out.m3u")
        async with following(it, show) as follower:
            await until(lambda: bool(follower.of("finished")) or (len(follower.of("failed")) == 3), 15)
        show = (await it.http.get(f"/v1/shows/{show['id']}")).json()
        assert (show["failed"], show["played"]) == (3, 0)


async def test_bad_wishes_are_refused_and_leave_nothing(folder: Path) -> None:
    async with venue(shows__folder=folder) as it:
        good = {"avatar_id": "astronaut", "files": ["first.wav"]}
        for wish, told in (
            ({**good, "avatar_id": "nobody"}, (404, "no_such_avatar")),
            ({**good, "files": []}, (422, "invalid_request")),
            ({**good, "files": ["first.wav"] * 1001}, (422, "invalid_request")),
            ({**good, "name": "No Name!"}, (422, "bad_name")),
            ({**good, "pause_s": -1}, (422, "invalid_request")),
            ({**good, "pause_s": 1e9}, (422, "invalid_request")),
            ({**good, "colour": "red"}, (422, "invalid_request")),
            ({**good, "loop": "yes"}, (422, "invalid_request")),
        ):
            assert await refused(await it.http.post("/v1/shows", json=wish)) == told, wish
        first = await opened(it, "first.wav", name="stage", paused=True)
        answer = await it.http.post("/v1/shows", json={**good, "name": "stage"})
        assert await refused(answer) == (409, "name_taken")
        assert len(it.registry.calls()) == 1
        microphone = Client.microphone(it.http)
        assert await refused(await microphone.start(f"/whip/{first['id']}")) == (409, "already_speaking")
        await microphone.close()
        await it.http.delete(f"/v1/shows/{first['id']}")
        await opened(it, "first.wav", name="stage", paused=True)  # the name is free again


async def test_shows_are_off_without_a_folder_and_guarded_by_the_token(folder: Path) -> None:
    wish = {"avatar_id": "astronaut", "files": ["first.wav"]}
    async with venue() as it:
        assert await refused(await it.http.post("/v1/shows", json=wish)) == (403, "shows_off")
    async with venue(shows__folder=folder, shows__token="backstage") as it:
        assert await refused(await it.http.post("/v1/shows", json=wish)) == (401, "unauthorized")
        headers = {"Authorization": "Bearer backstage"}
        made = await it.http.post("/v1/shows", json=wish, headers=headers)
        assert made.status_code == 201
        assert await refused(await it.http.get(f"/v1/shows/{made.json()['id']}")) == (401, "unauthorized")
        assert await refused(await it.http.delete(f"/v1/shows/{made.json()['id']}")) == (401, "unauthorized")


async def test_listeners_that_leave_are_forgotten_and_there_are_never_too_many(folder: Path) -> None:
    async with venue(shows__folder=folder) as it:
        show = await opened(it, "first.wav", paused=True)
        url = show["events_url"]
        for _ in range(3):
            async with following(it, show):
                pass
        inside = it.app.state.shows.get(show["id"])
        await until(lambda: inside.listeners == 0, 15)
        open_ones = [inside.listen() for _ in range(20)]
        assert await refused(await it.http.get(url)) == (503, "listeners_full")
        for _ in range(150):  # one that never reads is left
            inside.pause(True)
        assert inside.listeners == 0 and open_ones[0].qsize() == 100


async def test_followers_are_told_good_bye_when_the_server_stops(folder: Path) -> None:
    follower: Follower
    async with venue(shows__folder=folder) as it:
        show = await opened(it, "tone.wav", loop=True)
        async with following(it, show) as follower:
            it.app.state.registry.end_soon(show["id"], "shutdown")
            assert follower.task is not None
            await asyncio.wait_for(follower.task, 15)
        assert follower.events[-1] == {"type": "bye", "reason": "shutdown", "error": None}


async def test_a_failed_session_is_told_with_its_error_and_frees_the_name(folder: Path) -> None:
    async with venue(shows__folder=folder) as it:
        show = await opened(it, "tone.wav", name="stage")
        async with following(it, show) as follower:
            problem = VisavisError("drawing_failed", "Drawing failed.", "Report it.")
            it.registry.end_soon(show["id"], "failed", problem)
            await until(lambda: bool(follower.of("bye")), 15)
        assert follower.events[-1] == {"type": "bye", "reason": "failed", "error": problem.as_dict()}
        await until(lambda: it.registry.active == 0, 15)
        await opened(it, "tone.wav", name="stage")


async def test_a_pause_holds_the_place_until_it_is_over(folder: Path) -> None:
    async with venue(shows__folder=folder) as it:
        show = await opened(it, "tone.wav")
        at = f"/v1/shows/{show['id']}"
        async with following(it, show) as follower:
            await until(lambda: bool(follower.of("started")), 15)
            await it.http.patch(at, json={"paused": True})
            await asyncio.sleep(0.5)
            held = (await it.http.get(at)).json()
            await asyncio.sleep(0.5)
            assert (await it.http.get(at)).json()["current"] == held["current"]
            assert held["state"] == "paused" and held["current"]["file"] == "tone.wav"
            await it.http.patch(at, json={"paused": False})
            await until(lambda: bool(follower.of("progress")), 15)
            assert follower.of("progress")[-1]["item"]["position_s"] > held["current"]["position_s"]
        assert [event["paused"] for event in follower.of("changed")] == [True, False]


async def test_the_house_show_plays_on_after_a_failure_and_never_expires(folder: Path) -> None:
    settings = ShowSettings(play=(str(folder / "tone.wav"),), play_name="house", play_pause_s=0.0)
    async with venue(sessions__max_age_s=1.0, sessions__idle_timeout_s=1.0, sessions__join_timeout_s=1.0) as it:
        keeping = asyncio.create_task(keep_playing(it.app.state.shows, it.app.state.desk, settings, first_wait_s=0.05))
        await until(lambda: bool(it.registry.calls()), 15)
        [call] = it.registry.calls()
        await asyncio.sleep(1.5)
        assert it.registry.calls() == (call,)
        it.registry.end_soon(call.id, "failed", VisavisError("drawing_failed", "Drawing failed.", "Report it."))
        await until(lambda: bool(it.registry.calls()) and it.registry.calls()[0] is not call, 15)
        viewer = Client.viewer(it.http)
        assert (await viewer.start("/whep/house")).status_code == 201
        await viewer.close()
        await it.http.delete(f"/v1/sessions/{it.registry.calls()[0].id}")
        await asyncio.wait_for(keeping, 15)  # ended on purpose: it does not come back


async def test_a_page_may_look_in_on_a_show_and_leave(folder: Path) -> None:
    async with venue(shows__folder=folder) as it:
        show = await opened(it, "tone.wav")
        async with connect(f"ws://127.0.0.1:{it.port}{show['session_url']}/signal") as page:
            await page.send('{"type": "ping", "id": 1}')
            assert json.loads(await asyncio.wait_for(page.recv(), 5))
        await asyncio.sleep(0.2)
        assert (await it.http.get(f"/v1/shows/{show['id']}")).json()["state"] in ("playing", "resting")


async def test_a_house_show_that_cannot_begin_stops_the_start(folder: Path) -> None:
    from fakes import FakeLibrary

    check_house_show(ShowSettings(play=(str(folder),)), FakeLibrary())
    with pytest.raises(NotFound, match="no file"):
        check_house_show(ShowSettings(play=(str(folder / "nothing.mp3"),)), FakeLibrary())
    with pytest.raises(NotFound, match="no avatar"):
        check_house_show(ShowSettings(play=(str(folder),), play_avatar="nobody"), FakeLibrary())


def test_a_lasting_call_has_no_end_of_its_own() -> None:
    limits = SessionSettings()
    assert expires_at_s(CallTimes(0.0, 0.0, joined=True), limits) is not None
    assert expires_at_s(CallTimes(0.0, 0.0, lasting=True), limits) is None
