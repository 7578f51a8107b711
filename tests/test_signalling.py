from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from fakes import read_facts
from running_server import Running, hear, house, running, say
from visavis_models.errors import BadRequest, EngineError
from visavis_models.mood import Feeling, Mood
from visavis_server.api import messages
from visavis_server.api.moods import mood_message
from visavis_server.api.speakers import speaker_message
from visavis_server.call import CallStats
from visavis_server.rate_limit import RateLimit
from visavis_server.session_stats import SessionStats

pytestmark = pytest.mark.e2e

FIXTURE = json.loads((Path(__file__).parents[1] / "web_client" / "protocol.fixture.json").read_text("utf-8"))
OFFER = "v=0\r\n"
CANDIDATE = {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}


async def all_free(server: Running) -> None:
    """Within 5 s nothing is left of any call."""
    home = server.house
    for _ in range(500):
        if not (home.calls.active or home.studio.sessions) and all(peer.closed for peer in home.peers.made):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("something is still held")


async def test_a_call_from_offer_to_bye() -> None:
    async with running(house()) as server, server.signal(await server.open()) as socket:
        await say(socket, type="offer", sdp=OFFER)
        assert (await hear(socket, "answer"))["sdp"].startswith("v=0")
        assert await hear(socket, "state") == {"type": "state", "state": "idle", "epoch": 0}
        await say(socket, type="candidate", candidate={**CANDIDATE, "usernameFragment": "x"})
        await say(socket, type="candidate", candidate=None)
        await say(socket, type="attend", on=True)
        assert (await hear(socket, "state"))["state"] == "listening"
        await say(socket, type="interrupt")
        assert (await hear(socket, "state"))["epoch"] == 1
        await say(socket, type="ping", id=7)
        assert (await hear(socket, "pong"))["id"] == 7
        session, peer = server.house.studio.sessions[0], server.house.peers.made[0]
        assert peer.candidates == [CANDIDATE, None]
        session.tick()
        assert [read_facts(item.picture) for item in peer.published] == [(0, 1, 1)]
        peer.on_voice(np.zeros(480, np.int16), 48000, 0.0)
        assert session.heard == [(480, 48000)]
        await say(socket, type="bye")
        assert (await hear(socket, "bye"))["reason"] == "client"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1000
        await all_free(server)


async def test_stats_come_once_a_second() -> None:
    async with running(house()) as server, server.signal(await server.open()) as socket:
        first = await hear(socket, "stats")
        assert first["fps"] is None and first["latency_ms"] == {"p50": None, "p95": None}
        await say(socket, type="offer", sdp=OFFER)
        await hear(socket, "answer")
        server.house.studio.sessions[0].tick()
        second = await hear(socket, "stats")
        assert second["fps"] == 25.0 and second["frames"] == {"sent": 1, "repeated": 1, "dropped": 0}
        assert (second["bitrate_kbps"], second["rtt_ms"], second["loss"]) == (1200.0, 3.0, 0.0)


async def test_closing_the_socket_ends_the_session_and_frees_everything() -> None:
    async with running(house()) as server:
        socket = await server.signal(await server.open())
        await say(socket, type="offer", sdp=OFFER)
        await hear(socket, "answer")
        await socket.close()
        await all_free(server)
        assert server.house.figures()['visavis_sessions_ended_total{reason="client"}'] == 1


async def test_a_peer_that_vanishes_without_a_word_is_forgotten() -> None:
    async with running(house()) as server:
        socket = await server.signal(await server.open())
        socket.transport.abort()
        await all_free(server)


async def test_the_avatars_session_survives_bad_messages() -> None:
    bad: list[tuple[str | bytes, str]] = [
        ("not json", "bad_message"),
        ("[1]", "bad_message"),
        ("{}", "bad_message"),
        (b"\x00\x01", "bad_message"),
        ('{"type": "dance"}', "unknown_message"),
        ('{"type": "offer"}', "bad_message"),
        ('{"type": "offer", "sdp": 7}', "bad_message"),
        ('{"type": "attend", "on": "yes"}', "bad_message"),
        ('{"type": "ping", "id": -1}', "bad_message"),
        ('{"type": "ping", "id": 1e400}', "bad_message"),
        ('{"type": "candidate"}', "bad_message"),
        (json.dumps({"type": "candidate", "candidate": CANDIDATE}), "no_offer"),
        (json.dumps({"type": "candidate", "candidate": {**CANDIDATE, "sdpMLineIndex": 1.5}}), "bad_message"),
        (json.dumps({"type": "offer", "sdp": "v" * 70_000}), "message_too_large"),
        (json.dumps({"type": "offer", "sdp": "nonsense"}), "bad_sdp"),
        ("[" * 60_000, "bad_message"),
        ('{"type": "ping", "id": 1, "\\ud800": 2}', "bad_message"),
    ]
    async with running(house()) as server, server.signal(await server.open()) as socket:
        for text, code in bad:
            await socket.send(text)
            error = (await hear(socket, "error"))["error"]
            assert error["code"] == code, text[:60]
            assert error["message"] and error["remedy"]
        await say(socket, type="ping", id=1)
        await hear(socket, "pong")


async def test_after_a_refused_offer_a_good_one_connects() -> None:
    async with running(house()) as server, server.signal(await server.open()) as socket:
        await say(socket, type="offer", sdp="nonsense")
        assert (await hear(socket, "error"))["error"]["code"] == "bad_sdp"
        await say(socket, type="candidate", candidate=CANDIDATE)  # of the refused offer: ignored
        await say(socket, type="offer", sdp=OFFER)
        await hear(socket, "answer")
        assert [peer.closed for peer in server.house.peers.made] == [True, False]


async def test_a_second_offer_is_refused_and_the_call_goes_on() -> None:
    async with running(house()) as server, server.signal(await server.open()) as socket:
        await say(socket, type="offer", sdp=OFFER)
        await hear(socket, "answer")
        await say(socket, type="offer", sdp=OFFER)
        assert (await hear(socket, "error"))["error"]["code"] == "already_negotiated"
        await say(socket, type="ping", id=1)
        await hear(socket, "pong")
        assert len(server.house.peers.made) == 1


async def test_a_bad_candidate_is_told_and_the_call_goes_on() -> None:
    async with running(house()) as server, server.signal(await server.open()) as socket:
        await say(socket, type="offer", sdp=OFFER)
        await hear(socket, "answer")
        await say(socket, type="candidate", candidate={**CANDIDATE, "candidate": "rubbish"})
        assert (await hear(socket, "error"))["error"]["code"] == "bad_candidate"


async def test_messages_are_heard_while_an_answer_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visavis_server.api.signalling.NEGOTIATION_LIMIT_S", 0.5)
    async with running(house()) as server, server.signal(await server.open()) as socket:
        await say(socket, type="offer", sdp="slow")
        await say(socket, type="ping", id=3)
        await hear(socket, "pong")
        assert (await hear(socket, "error"))["error"]["code"] == "negotiation_timeout"
        assert server.house.peers.made[0].closed


async def test_an_unknown_session_is_told_so() -> None:
    async with running(house()) as server, server.signal("nobody") as socket:
        assert (await hear(socket, "error"))["error"]["code"] == "no_such_session"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 4404


async def test_a_second_socket_is_refused_and_the_first_goes_on() -> None:
    async with running(house()) as server:
        id = await server.open()
        async with server.signal(id) as first, server.signal(id) as second:
            assert (await hear(second, "error"))["error"]["code"] == "already_joined"
            with pytest.raises(ConnectionClosed):
                await second.recv()
            await say(first, type="ping", id=1)
            await hear(first, "pong")


async def test_a_flood_of_messages_ends_only_its_own_call() -> None:
    async with running(house()) as server:
        quiet = await server.signal(await server.open())
        noisy = await server.signal(await server.open())
        for i in range(400):
            try:
                await say(noisy, type="ping", id=i)
            except ConnectionClosed:
                break
        said: list[dict[str, Any]] = []
        with pytest.raises(ConnectionClosed):
            while True:
                said.append(json.loads(await asyncio.wait_for(noisy.recv(), 5)))
        assert said[-2]["error"]["code"] == "too_many_messages" and said[-1] == {"type": "bye", "reason": "failed"}
        await say(quiet, type="ping", id=1)
        await hear(quiet, "pong")
        await quiet.close()


async def test_a_client_that_never_reads_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visavis_server.api.outbox.SEND_LIMIT_S", 0.3)
    async with running(house()) as server:
        socket = await server.signal(await server.open())
        socket.transport.pause_reading()
        audience = server.house.calls.calls()[0].audience
        async with asyncio.timeout(5):
            while server.house.calls.calls():
                for _ in range(20):
                    audience._say({"type": "error", "error": {"code": "x" * 50_000, "message": "", "remedy": ""}})
                await asyncio.sleep(0.01)
        await all_free(server)
        socket.transport.abort()


async def test_a_session_that_fails_says_why_and_leaves_the_others_alone() -> None:
    async with running(house()) as server:
        well = await server.signal(await server.open())
        ill = await server.signal(await server.open())
        on_failed = server.house.studio.sessions[1].on_failed
        assert on_failed is not None
        on_failed(EngineError("device_stuck", "The device has stopped.", "Restart the server."))
        assert (await hear(ill, "error"))["error"]["code"] == "device_stuck"
        assert (await hear(ill, "bye"))["reason"] == "failed"
        await say(well, type="ping", id=1)
        await hear(well, "pong")
        await well.close()
        await all_free(server)


async def test_a_defect_in_negotiation_ends_the_call_without_telling_its_inside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(house()) as server, server.signal(await server.open()) as socket:
        await say(socket, type="offer", sdp="defect")
        error = (await hear(socket, "error"))["error"]
        assert error["code"] == "internal_error" and "defect" not in json.dumps(error)
        assert (await hear(socket, "bye"))["reason"] == "failed"
        await all_free(server)
    traces = [record for record in caplog.records if record.exc_info]
    assert len(traces) == 1 and vars(traces[0])["session"] == "session-1"


@pytest.mark.parametrize(
    ("how", "code", "reason"),
    [("failed", "connection_failed", "failed"), ("vanished", "connection_lost", "failed"), ("left", None, "client")],
)
async def test_lost_media_end_the_call(how: str, code: str | None, reason: str) -> None:
    async with running(house()) as server, server.signal(await server.open()) as socket:
        await say(socket, type="offer", sdp=OFFER)
        await hear(socket, "answer")
        server.house.peers.made[0].on_closed(how)
        if code is not None:
            assert (await hear(socket, "error"))["error"]["code"] == code
        assert (await hear(socket, "bye"))["reason"] == reason
        await all_free(server)


async def test_deleting_a_session_says_bye() -> None:
    async with running(house()) as server:
        id = await server.open()
        async with server.signal(id) as socket:
            assert (await server.http.delete(f"/v1/sessions/{id}")).status_code == 204
            assert server.house.studio.sessions == []
            assert (await hear(socket, "bye"))["reason"] == "deleted"


async def test_a_session_expires_aloud() -> None:
    home = house(sessions__max_age_s=0.3)
    async with running(home) as server, server.signal(await server.open()) as socket:
        assert (await hear(socket, "bye"))["reason"] == "expired"


async def test_a_shutdown_says_bye_before_it_cuts_the_socket() -> None:
    async with running(house()) as server:
        socket = await server.signal(await server.open())
        server.server.should_exit = True
        assert (await hear(socket, "bye"))["reason"] == "shutdown"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1000
        await asyncio.wait_for(server.serving, 5)
        assert server.house.studio.closed


async def test_a_page_of_another_site_may_not_signal() -> None:
    from websockets.exceptions import InvalidStatus

    async with running(house()) as server:
        id = await server.open()
        with pytest.raises(InvalidStatus) as refused:
            await server.signal(id, origin="https://evil.example")
        assert refused.value.response.status_code == 403
        assert json.loads(refused.value.response.body or b"")["error"]["code"] == "origin_refused"
        async with server.signal(id, origin=f"http://127.0.0.1:{server.port}") as socket:
            await say(socket, type="ping", id=1)
            await hear(socket, "pong")


async def test_two_hundred_calls_leave_nothing_behind() -> None:
    async with running(house()) as server:
        home = server.house
        await _one_call(server)
        tasks, names = len(asyncio.all_tasks()), set(home.figures())
        for _ in range(200):
            await _one_call(server)
        await all_free(server)
        await asyncio.sleep(0.05)
        assert len(asyncio.all_tasks()) <= tasks
        assert set(home.figures()) == names
        figures = home.figures()
        assert figures["visavis_sessions_opened_total"] == 201
        assert figures['visavis_sessions_ended_total{reason="client"}'] == 201
        assert figures["visavis_sessions_active"] == 0
        assert figures["visavis_frames_sent_total"] == 201
        assert home.calls._ending == {} and home.calls._watches == {}


async def _one_call(server: Running) -> None:
    async with server.signal(await server.open()) as socket:
        await say(socket, type="offer", sdp=OFFER)
        await hear(socket, "answer")
        server.house.studio.sessions[-1].tick()


def test_every_client_message_of_the_fixture_is_understood() -> None:
    kinds = {type(messages.read_message(json.dumps(example))).__name__ for example in FIXTURE["client"]}
    assert kinds == {"Offer", "Candidate", "Interrupt", "Attend", "SetMood", "SetSpeaker", "Ping", "Bye"}


def test_server_messages_are_written_as_the_fixture_shows_them() -> None:
    known = SessionStats(25.0, 180.0, 220.0, 250, 1, 0, 0, 0)
    unknown = SessionStats(None, None, None, 0, 0, 0, 0, 0)
    refusal = BadRequest("already_negotiated", "This session has already been negotiated.", "Open a new session.")
    written = [
        messages.answer_message("v=0\r\n"),
        messages.state_message("speaking", 1),
        mood_message(Mood(Feeling("happy", 0.8), preset="friend")),
        speaker_message(1),
        messages.stats_message(CallStats(known, 1200.0, 3.0, 0.0)),
        messages.stats_message(CallStats(unknown, None, None, None)),
        messages.pong_message(7),
        messages.error_message(refusal),
        messages.bye_message("client"),
    ]
    assert [json.loads(messages.as_text(message)) for message in written] == FIXTURE["server"]


def test_numbers_that_are_none_become_null() -> None:
    nan = SessionStats(float("nan"), None, None, 0, 0, 0, 0, 0)
    assert json.loads(messages.as_text(messages.stats_message(CallStats(nan, None, None, None))))["fps"] is None


def test_rate_limit_refills_with_time() -> None:
    rate = RateLimit(per_s=2.0, burst=3, now_s=10.0)
    assert [rate.allows(10.0) for _ in range(4)] == [True, True, True, False]
    assert rate.allows(10.5) and not rate.allows(10.6)
    assert [rate.allows(99.0) for _ in range(4)] == [True, True, True, False]
