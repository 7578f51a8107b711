"""Listening in processes of its own: the same motion, and nobody disturbed when one of them ends."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import psutil
import pytest

from rtc_loopback import until
from stage_fakes import PaintingRenderer, plain_avatar
from visavis_models.chunk import Chunk
from visavis_models.errors import EngineError, VisavisError
from visavis_models.mood import Mood
from visavis_models.performer import Performer
from visavis_server.listening.crew import ListeningCrew, RemoteListener
from visavis_server.session import Session
from visavis_server.studio import Studio, StudioSettings
from visavis_server.voice_file import VoiceFile

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
TESTS = Path(__file__).parent
PAINTED = [sys.executable, str(TESTS / "cli_with_painted_pictures.py"), "listener"]


@pytest.fixture(scope="module")
def crew() -> Iterator[ListeningCrew]:
    made = ListeningCrew(2, PAINTED)
    yield made
    made.close()


def loud(index: int, level: float, epoch: int = 0) -> Chunk:
    return Chunk(index, np.full(640, level, np.float32), np.zeros(1920, np.int16), epoch)


def test_what_is_heard_elsewhere_is_heard_as_it_is_here() -> None:
    crew = ListeningCrew(1, [sys.executable, "-m", "visavis_server", "listener"])
    try:
        here, there = Performer(7), crew.listener(7)
        assert there.lookahead_ms == here.lookahead_ms
        moved = 0.0
        for number, chunk in enumerate(islice(VoiceFile(TESTS / "data" / "speech_en.flac").chunks(), 80)):
            if number == 30:
                for listener in (here, there):
                    listener.set_mood(Mood(preset="friend"))
                    listener.set_listening(True)
            if number == 50:
                one, other = here.interrupt(45, 47), there.interrupt(45, 47)
                assert (one is None) == (other is None)
            one, other = here.push(chunk), there.push(chunk)
            assert (one is None) == (other is None) and here.hears_other == there.hears_other
            if one is not None and other is not None:
                assert one.first_frame == other.first_frame
                for name in ("face", "head", "body", "speaking"):
                    assert np.array_equal(getattr(one, name), getattr(other, name)), (number, name)
                moved = max(moved, float(one.face.max()))
        assert moved > 0.3
    finally:
        crew.close()


def test_listeners_are_shared_out_and_end_when_nobody_has_them(crew: ListeningCrew) -> None:
    held = [crew.listener(k) for k in range(6)]
    assert sorted(ear.listeners for ear in crew._ears) == [3, 3]
    held.clear()
    gc.collect()
    assert [ear.listeners for ear in crew._ears] == [0, 0]
    again = crew.listener(0)
    assert again.push(loud(0, 0.5)) is None and again.push(loud(1, 0.1)) is None
    window = again.push(loud(2, 0.1))
    assert window is not None and window.face.max() == pytest.approx(0.5)


def test_a_defect_in_one_listener_is_told_and_the_others_go_on(crew: ListeningCrew) -> None:
    good, bad = crew.listener(0), crew.listener(1)
    bad._ear = good._ear
    bad._id = 10**6  # nobody of this number is there
    with pytest.raises(EngineError, match="Listening failed"):
        bad.push(loud(0, 0.5))
    good.push(loud(0, 0.5))


async def test_a_process_that_is_killed_ends_its_own_sessions_and_is_started_again() -> None:
    crew = ListeningCrew(2, PAINTED)
    stage = Studio(PaintingRenderer(), crew.listener, StudioSettings(frames_per_step=1, hearing_threads=2))
    failed: dict[str, str] = {}
    try:
        sessions = [await stage.open_session(plain_avatar()) for _ in range(4)]
        for session in sessions:
            session.on_failed = lambda error, id=session.id: note(failed, id, error)
        where = {session.id: ear_of(session) for session in sessions}
        assert len(set(where.values())) == 2
        killed = where[sessions[0].id]
        psutil.Process(killed).kill()
        mine = {id for id, pid in where.items() if pid == killed}
        await until(lambda: set(failed) == mine)
        assert set(failed.values()) == {"listener_lost"}
        other = next(session for session in sessions if session.id not in mine)
        items = []
        async for item in other.stream():
            items.append(item)
            if len(items) == 25:
                break
        assert sum(not item.repeated for item in items) >= 20 and set(failed) == mine
        for session in sessions:
            await session.aclose()
        replaced = await stage.open_session(plain_avatar())
        assert ear_of(replaced) != killed
        await until(lambda: replaced.last_shown > 3)
    finally:
        await stage.aclose()
        crew.close()
    await asyncio.sleep(0)


def note(failed: dict[str, str], id: str, error: VisavisError) -> None:
    failed[id] = error.code


def ear_of(session: Session) -> int:
    """The process in which a session is listened to."""
    listener = session.performance.listener
    while not isinstance(listener, RemoteListener):
        listener = getattr(listener, "_inner", None) or getattr(listener, "_listener")  # noqa: B009
    return listener._ear.process.pid
