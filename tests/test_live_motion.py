"""A session's motion written down while it goes on, and recorded motion shown in place of it."""

from __future__ import annotations

import numpy as np
import pytest

from stage_fakes import LoudnessListener
from visavis_models.arkit import ARKIT
from visavis_models.chunk import CHUNK_SAMPLES, Chunk, silent_chunk
from visavis_models.ensemble import listener_of_people
from visavis_models.motion import MotionWindow, rest_motion
from visavis_server.live_motion import LiveListener, LiveMotion, Replay
from visavis_server.motion_log import MOST_FRAMES, MotionLog

pytestmark = pytest.mark.unit
JAW, BROW = ARKIT["jawOpen"], ARKIT["browInnerUp"]


def loud(index: int, how: float = 0.5, speaker: int = 0) -> Chunk:
    chunk = silent_chunk(index)
    return Chunk(index, np.full(CHUNK_SAMPLES, how, np.float32), chunk.playback, speaker=speaker)


def moved(frames: int, jaw: float = 0.8, brow: float = 0.6) -> MotionWindow:
    window = rest_motion(frames)
    window.face[:, JAW], window.face[:, BROW] = jaw, brow
    window.head[:, 1] = np.linspace(0, 0.2, frames)
    window.speaking[:] = True
    return window


def said(listener: LiveListener, first: int, count: int, how: float = 0.0) -> list[MotionWindow]:
    windows = [listener.push(loud(first + i, how)) for i in range(count)]
    return [window for window in windows if window is not None]


def test_what_is_shown_is_written_down_from_the_next_frame_on() -> None:
    live = LiveListener(LoudnessListener())
    said(live, 0, 10)
    log = live.motion.record()
    for i in range(10, 20):
        live.push(loud(i, i / 100))
    log.stop(before_frame=16)
    window = log.window()
    assert window is not None and not live.motion.recording
    # Frame 8 came first (the listener looks two chunks ahead); 16 and 17 were heard, but nobody saw them.
    np.testing.assert_allclose(window.face[:, JAW], [0, 0, 0.10, 0.11, 0.12, 0.13, 0.14, 0.15], atol=1e-6)
    assert window.first_frame == 0 and len(window) == 8
    said(live, 20, 5)
    assert log.frames == 8


def test_frames_that_an_interruption_changes_are_written_down_as_they_were_shown() -> None:
    log = MotionLog()
    log.note(moved(10))
    changed = MotionWindow(7, *(getattr(rest_motion(5), name) for name in ("face", "head", "body", "speaking")))
    log.note(changed)
    log.stop(before_frame=99)
    window = log.window()
    assert window is not None and len(window) == 12
    np.testing.assert_allclose(window.face[:, JAW], [0.8] * 7 + [0.0] * 5, atol=1e-6)
    assert window.speaking.tolist() == [True] * 7 + [False] * 5


def test_everybody_is_written_down() -> None:
    live = LiveListener(listener_of_people(LoudnessListener, 0, 2), 2)
    log = live.motion.record()
    for i in range(12):
        live.push(loud(i, 0.5, speaker=i // 6))
    window = log.window()
    assert log.people == 2 and window is not None
    one, two = (person.face[:, JAW] for person in window.people)
    assert one.tolist() == [0.5] * 6 + [0.0] * 4 and two.tolist() == [0.0] * 6 + [0.5] * 4


def test_an_hour_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visavis_server.motion_log.MOST_FRAMES", 25)
    log = MotionLog()
    log.note(moved(20))
    log.note(MotionWindow(20, *(getattr(moved(20), name) for name in ("face", "head", "body", "speaking"))))
    assert log.frames == 25 and not log.open and MOST_FRAMES == 90_000


def test_a_replay_comes_and_goes_softly_and_is_exact_between() -> None:
    live = LiveListener(LoudnessListener())
    said(live, 0, 5)
    live.motion.play(Replay(moved(60)), 0)
    shown = said(live, 5, 100)
    jaw = np.concatenate([window.face[:, JAW] for window in shown])
    begins = int(np.flatnonzero(jaw > 0)[0])
    np.testing.assert_allclose(jaw[begins + 10 : begins + 50], 0.8, atol=1e-6)
    assert np.abs(np.diff(jaw)).max() < 0.2 and jaw[begins + 61 :].max() == 0.0
    assert live.motion.replays() == {}


def test_lips_go_on_following_the_voice_if_that_is_wanted() -> None:
    live = LiveListener(LoudnessListener())
    live.motion.play(Replay(moved(60), own_lips=False), 0)
    shown = said(live, 0, 50, how=0.3)
    face = np.concatenate([window.face for window in shown])[15:45]
    np.testing.assert_allclose(face[:, JAW], 0.3, atol=1e-6)
    np.testing.assert_allclose(face[:, BROW], 0.6, atol=1e-6)


def test_a_replay_waits_for_the_voice_that_it_belongs_to() -> None:
    live = LiveListener(LoudnessListener())
    live.motion.play(Replay(moved(60), with_voice=True), 0)
    assert all(not window.face.any() for window in said(live, 0, 20))
    waits, left_s = live.motion.replays()[0]
    assert waits and left_s == pytest.approx(2.4)
    shown = said(live, 20, 40, how=0.2)
    brow = {window.first_frame: float(window.face[0, BROW]) for window in shown}
    assert brow[19] == 0.0 and 0.0 < brow[20] < 0.2 and brow[35] == pytest.approx(0.6)


def test_a_replay_that_is_stopped_eases_out() -> None:
    live = LiveListener(LoudnessListener())
    live.motion.play(Replay(moved(500)), 0)
    said(live, 0, 40)
    live.motion.stop(0)
    brow = np.array([float(window.face[0, BROW]) for window in said(live, 40, 30)])
    assert brow[0] > 0.5 and brow[-1] == 0.0 and np.abs(np.diff(brow)).max() < 0.15
    live.motion.stop(0)


def test_the_others_go_on_as_they_were() -> None:
    live = LiveListener(listener_of_people(LoudnessListener, 0, 2), 2)
    live.motion.play(Replay(moved(60)), 1)
    window = [window for i in range(30) if (window := live.push(loud(i, 0.3))) is not None][-1]
    assert window.face[0, JAW] == pytest.approx(0.3) and window.others[0].face[0, JAW] == pytest.approx(0.8)


def test_nothing_is_recorded_before_anything_was_asked() -> None:
    motion = LiveMotion(1)
    assert motion.log is None and not motion.recording and motion.replays() == {}
    assert MotionLog().window() is None
