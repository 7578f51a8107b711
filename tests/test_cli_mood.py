from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from stage_fakes import LoudnessListener
from visavis_models.arkit import ARKIT
from visavis_models.chunk import Chunk, silent_chunk
from visavis_models.errors import BadInput
from visavis_models.mood import Feeling, Mood
from visavis_models.motion import MotionWindow
from visavis_server.cli import main
from visavis_server.cli_mood import Cue, in_mood, read_cue
from visavis_server.motion_file import read_motion
from visavis_server.motion_player import MotionPlayer

pytestmark = pytest.mark.weights
SPEECH = Path(__file__).parent / "data" / "speech_en.flac"


class NotingListener(LoudnessListener):
    """Notes what it is told to feel."""

    def __init__(self) -> None:
        super().__init__(0)
        self.mood: Mood | None = None
        self.feelings: list[Feeling | None] = []
        self.heard = "something"

    def push(self, chunk: Chunk) -> MotionWindow | None:
        self.feelings.append(chunk.feeling)
        return super().push(chunk)

    def set_mood(self, mood: Mood) -> None:
        self.mood = mood


@pytest.mark.parametrize(
    ("text", "cue"),
    [
        ("happy", Cue(0, Feeling("happy"))),
        ("sad:0.25", Cue(0, Feeling("sad", 0.25))),
        ("12.5=calm:0.6", Cue(312, Feeling("calm", 0.6))),
        ("0=neutral", Cue(0, Feeling("neutral"))),
    ],
)
def test_an_emotion_is_read_with_its_strength_and_time(text: str, cue: Cue) -> None:
    assert read_cue(text) == cue


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "bad_emotion"), ("bored", "bad_emotion"), ("happy:", "bad_usage"), ("happy:x", "bad_usage"),
     ("happy:2", "bad_strength"), ("happy:nan", "bad_strength"), ("-1=happy", "bad_usage"), ("x=happy", "bad_usage"),
     ("nan=sad", "bad_usage"), ("1e9=sad", "bad_usage"), ("3=", "bad_emotion")],
)  # fmt: skip
def test_what_is_no_emotion_is_refused(text: str, code: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_cue(text)
    assert refused.value.code == code


def test_without_options_a_listener_stays_as_it_is() -> None:
    listener = LoudnessListener(0)
    assert in_mood(listener, None, None, False) is listener


def test_what_holds_from_the_beginning_is_the_mood() -> None:
    listener = NotingListener()
    assert in_mood(listener, ["happy:0.5"], "friend", True) is listener
    assert listener.mood == Mood(Feeling("happy", 0.5), True, "friend")


def test_feelings_change_at_their_times() -> None:
    listener = NotingListener()
    felt = in_mood(listener, ["0.2=sad", "0.08=happy:0.5"], None, False)
    for i in range(8):
        felt.push(silent_chunk(i))
    assert listener.feelings == [None] * 2 + [Feeling("happy", 0.5)] * 3 + [Feeling("sad")] * 3
    assert getattr(felt, "heard", None) == "something"
    assert felt.lookahead_ms == listener.lookahead_ms


def test_listeners_without_moods_and_presets_that_are_none_are_refused() -> None:
    with pytest.raises(BadInput, match="pirate"):
        in_mood(NotingListener(), None, "pirate", False)
    with pytest.raises(BadInput, match="Moods are not for this listener"):
        in_mood(LoudnessListener(0), ["happy"], None, False)


def test_a_mood_is_recorded_and_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "felt.json"
    arguments = ["--audio", str(SPEECH), "-o", str(out), "--emotion", "1.6=disgusted:0.9", "--preset", "newsreader"]
    monkeypatch.setattr(sys, "argv", ["visavis", "motion", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    recorded = read_motion(out).window
    sneer = recorded.face[:, ARKIT["noseSneerLeft"]]
    assert sneer[:38].max() < 0.05
    assert sneer[-1] > 0.3
    text = out.read_text("utf-8")
    assert '"preset": "newsreader"' in text or '"preset":"newsreader"' in text
    player = MotionPlayer(recorded)
    shown = [player.push(silent_chunk(i)).face[0] for i in range(len(recorded))]
    assert np.array_equal(shown, recorded.face)


@pytest.mark.parametrize(
    "arguments",
    [
        ["motion", "--audio", str(SPEECH), "--emotion", "happy", "--mouth-only"],
        ["motion", "--video", str(SPEECH), "--preset", "friend"],
        ["motion", "--audio", str(SPEECH), "--emotion", "bored"],
        ["render", "--motion", str(SPEECH), "--avatar", "maya", "--emotion", "happy"],
    ],
)
def test_what_does_not_go_together_is_refused(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / ("out.mp4" if arguments[0] == "render" else "out.csv")
    monkeypatch.setattr(sys, "argv", ["visavis", *arguments, "-o", str(out)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "error: " in capsys.readouterr().err
    assert not out.exists()
