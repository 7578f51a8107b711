"""Who in a picture speaks, formats, deliveries, and motion recorded and replayed: over REST and both WebSockets."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.asyncio.client import connect

from agent_speech import Ear, Place, hear, pcm, place, speech
from painted_people import CoupleLibrary, CouplePainter, mouths
from visavis_models.arkit import ARKIT
from visavis_server.motion_file import read_motion

pytestmark = pytest.mark.unit
SAID = speech(16_000)[:16_000]


def at_home(**flags: Any) -> Any:
    return place(renderer=CouplePainter(), library=CoupleLibrary(), **flags)


async def opened(it: Place, **wanted: Any) -> dict[str, Any]:
    made = await it.http.post("/v1/sessions", json={"avatar_id": "couple", **wanted})
    assert made.status_code == 201, made.text
    body: dict[str, Any] = made.json()
    return body


def code_of(answer: Any) -> str:
    return str(answer.json()["error"]["code"])


async def say(socket: Any, **more: Any) -> None:
    await socket.send(json.dumps({"type": "segment.start", "rate_hz": 16_000, **more}))
    await socket.send(pcm(SAID))
    await socket.send('{"type": "segment.end"}')
    await hear(socket, "started")
    await hear(socket, "ended")


def heard(ear: Ear) -> list[bool]:
    """Who opened their mouth."""
    return [bool(widest > 30) for widest in mouths(ear.items).max(0)]


async def test_a_picture_tells_who_could_speak_and_a_session_is_opened_with_one_of_them() -> None:
    async with at_home() as it:
        avatar = (await it.http.get("/v1/avatars/couple")).json()
        assert avatar["faces"] == [
            {"x": 0.3125, "y": 0.4167, "width": 0.1875},
            {"x": 0.6875, "y": 0.4167, "width": 0.1875},
        ]
        session = await opened(it, speaker=1)
        assert session["speaker"] == 1 and session["faces"] == avatar["faces"]
        refused = await it.http.post("/v1/sessions", json={"avatar_id": "couple", "speaker": 2})
        assert refused.status_code == 422 and code_of(refused) == "bad_speaker"
        assert it.registry.active == 1


async def test_somebody_else_can_be_chosen_over_rest_and_everybody_is_told() -> None:
    async with at_home() as it:
        id = (await opened(it))["id"]
        async with connect(f"{it.url}/v1/sessions/{id}/signal") as page:
            answer = await it.http.patch(f"/v1/sessions/{id}/speaker", json={"person": 1})
            assert answer.json()["person"] == 1 and len(answer.json()["faces"]) == 2
            assert await hear(page, "speaker") == {"type": "speaker", "person": 1}
            await page.send('{"type": "speaker", "person": 0}')
            assert (await hear(page, "speaker"))["person"] == 0
            assert (await it.http.get(f"/v1/sessions/{id}/speaker")).json()["person"] == 0
            await page.send('{"type": "speaker", "person": 2}')
            assert (await hear(page, "error"))["error"]["code"] == "bad_speaker"
        for wrong in ({"person": 2}, {"person": -1}, {"person": "1"}, {}):
            assert (await it.http.patch(f"/v1/sessions/{id}/speaker", json=wrong)).status_code in (404, 422), wrong
        assert (await it.http.patch("/v1/sessions/nobody/speaker", json={"person": 0})).status_code == 404


async def test_each_segment_of_an_agent_may_have_its_own_speaker() -> None:
    async with at_home() as it, connect(f"{it.url}/v1/agents?avatar_id=couple&speaker=1") as agent:
        ready = await hear(agent, "ready")
        assert ready["speaker"] == 1 and ready["people"] == 2
        ear = it.listen()
        await say(agent)
        assert heard(ear) == [False, True]
        ear.items.clear()
        await say(agent, speaker=0)
        assert heard(ear) == [True, False]
        await agent.send('{"type": "segment.start", "rate_hz": 16000, "speaker": 2}')
        assert (await hear(agent, "error"))["error"]["code"] == "bad_speaker"
        ear.items.clear()
        await agent.send('{"type": "speaker", "person": 0}')
        await hear(agent, "speaker")
        await say(agent)
        assert heard(ear) == [True, False]


async def test_the_live_picture_is_cut_to_the_format_asked_for_or_set() -> None:
    async with at_home() as it:
        square = await opened(it, format="1:1")
        assert (square["width"], square["height"]) == (48, 48) and len(square["faces"]) == 2
        refused = await it.http.post("/v1/sessions", json={"avatar_id": "couple", "format": "2:1"})
        assert refused.status_code == 422 and code_of(refused) == "bad_format"
        async with connect(f"{it.url}/v1/agents?avatar_id=couple&format=9:16&speaker=1") as agent:
            ready = await hear(agent, "ready")
            assert (ready["width"], ready["height"], ready["people"], ready["speaker"]) == (26, 48, 1, 0)
    async with at_home(video__format="9:16") as it:
        assert (await opened(it))["width"] == 26
        assert (await opened(it, format=""))["width"] == 64


async def test_files_of_a_show_have_their_own_speakers_and_emotions(tmp_path: Path) -> None:
    from show_files import spoken

    folder = tmp_path / "shows"
    folder.mkdir()
    for name in ("a.wav", "b.wav", "c.wav"):
        spoken(folder / name, 0.6)
    (folder / "talk.m3u").write_text("#EXTM3U\n#EXTVISAVIS:emotion=sad,strength=0.5,speaker=1\nb.wav\nc.wav\n", "utf-8")
    async with at_home(shows__folder=folder) as it:
        wanted = {
            "avatar_id": "couple",
            "files": ["a.wav", {"file": "talk.m3u", "speaker": 0, "emotion": "happy"}],
            "paused": True,
        }
        made = await it.http.post("/v1/shows", json=wanted)
        assert made.status_code == 201, made.text
        show = made.json()
        rows = [(item["file"], item["emotion"], item["strength"], item["speaker"]) for item in show["upcoming"]]
        told = [("a.wav", None, None, None), ("b.wav", "sad", 0.5, 1), ("c.wav", "happy", 1.0, 0)]
        assert rows == told[-len(rows) :] and len(rows) >= 2 or rows == []
        ear = it.listen()
        call = it.registry.get(show["id"])
        felt: list[tuple[str | None, int]] = []
        push = call.session.performance.listener.push

        def noting(chunk: Any) -> Any:
            felt.append((chunk.feeling and chunk.feeling.emotion, chunk.speaker))
            return push(chunk)

        call.session.performance.listener.push = noting
        await it.http.patch(f"/v1/shows/{show['id']}", json={"paused": False})
        async with asyncio.timeout(15):
            while (await it.http.get(f"/v1/shows/{show['id']}")).json()["played"] < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert {(None, 0), ("sad", 1), ("happy", 0)} <= set(felt)
        assert heard(ear) == [True, True]
        more = await it.http.post(f"/v1/shows/{show['id']}/items", json={"files": [{"file": "a.wav", "speaker": 5}]})
        assert more.status_code == 422 and code_of(more) == "bad_speaker"
        refused = await it.http.post("/v1/shows", json={"avatar_id": "zoe", "files": [{"file": "a.wav", "speaker": 1}]})
        assert code_of(refused) == "bad_speaker"


async def frames_of(it: Place, base: str, least: int) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            told: dict[str, Any] = (await it.http.get(f"{base}/recording")).json()
            if told["frames"] >= least:
                return told
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("format", ["parquet", "json", "csv"])
async def test_motion_is_recorded_fetched_and_replayed(tmp_path: Path, format: str) -> None:
    async with at_home() as it, connect(f"{it.url}/v1/agents?avatar_id=couple") as agent:
        id = (await hear(agent, "ready"))["session"]
        base = f"/v1/sessions/{id}/motion"
        assert code_of(await it.http.get(f"{base}/recording")) == "no_recording"
        assert (await it.http.post(f"{base}/recording")).status_code == 201
        assert code_of(await it.http.post(f"{base}/recording")) == "already_recording"
        await say(agent, speaker=1)
        told = await frames_of(it, base, 25)
        assert told["recording"] and told["people"] == 2
        stopped = (await it.http.post(f"{base}/recording/stop")).json()
        assert not stopped["recording"] and stopped["seconds"] == stopped["frames"] / 25
        file = await it.http.get(f"{base}/recording/file", params={"format": format, "person": 1})
        assert f'filename="motion-couple-1.{format}"' in file.headers["content-disposition"]
        path = tmp_path / f"motion.{format}"
        path.write_bytes(file.content)
        window = read_motion(path).window
        assert len(window) == stopped["frames"] and window.face[:, ARKIT["jawOpen"]].max() > 0.2
        assert code_of(await it.http.get(f"{base}/recording/file", params={"person": 2})) == "bad_speaker"

        ear = it.listen()
        sent = await it.http.post(f"{base}/replay", params={"format": format, "person": 0}, content=file.content)
        assert sent.status_code == 202 and sent.json()["frames"] == len(window), sent.text
        running = (await it.http.get(f"{base}/replay")).json()["replays"]
        assert [(one["person"], one["waits"]) for one in running] == [(0, False)]
        async with asyncio.timeout(10):
            while (await it.http.get(f"{base}/replay")).json()["replays"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.4)
        shown, live = mouths(ear.items).T
        assert live.max() == 0 and shown.max() > 50, "person 0 does silently what person 1 did"
        jaw = (window.face[:, ARKIT["jawOpen"]] * 255).astype(int)
        inner = jaw[10:-10]
        found = in_order(shown, inner)
        assert found > 0.8 * inner.size, "frame by frame between its easing in and out; a busy machine leaves out some"


def in_order(shown: NDArray[Any], told: NDArray[Any]) -> int:
    """How many of `told` appear in `shown`, within 1, in the same order (the longest common subsequence)."""
    best = np.zeros(told.size + 1, int)
    for value in shown:
        same = np.append(False, np.abs(told - value) <= 1)
        best = np.maximum.accumulate(np.maximum(best, np.where(same, np.append(0, best[:-1]) + 1, 0)))
    return int(best[-1])


async def test_a_strangers_file_is_refused_in_plain_words_and_a_replay_can_be_ended() -> None:
    async with at_home() as it:
        id = (await opened(it))["id"]
        base = f"/v1/sessions/{id}/motion/replay"
        for content, format, code in (
            (b"rubbish", "parquet", "motion_unreadable"),
            (b"", "json", "motion_empty"),
            (b"a,b\n1,2\n", "csv", "motion_columns"),
            (b"jawOpen\n900\n", "csv", "motion_value"),
        ):
            answer = await it.http.post(base, params={"format": format}, content=content)
            assert answer.status_code == 422 and code_of(answer) == code, answer.text
        csv = b"jawOpen\n" + b"0.5\n" * 2000
        assert (await it.http.post(base, params={"format": "csv", "person": 3}, content=csv)).status_code == 422
        assert (await it.http.post(base, params={"format": "exe"}, content=csv)).status_code == 422
        assert (await it.http.post(base, params={"format": "csv", "person": 1}, content=csv)).status_code == 202
        assert (await it.http.delete(base, params={"person": 1})).status_code == 204
        async with asyncio.timeout(5):
            while (await it.http.get(base)).json()["replays"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        large = b"x" * (33 << 20)
        assert (await it.http.post(base, params={"format": "csv"}, content=large)).status_code == 413
        assert (await it.http.post("/v1/sessions/nobody/motion/replay", content=csv)).status_code == 404
