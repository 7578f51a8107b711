from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from stage_fakes import LoudnessListener, PaintingRenderer, painted_index, plain_avatar
from test_motion_file import equal, some_motion
from test_render_file import beeps, write_sound
from visavis_models.arkit import ARKIT
from visavis_models.chunk import Chunk, silent_chunk
from visavis_models.errors import BadVoice
from visavis_models.motion import MotionWindow, join_windows
from visavis_models.voice.mouth import MOUTH_COEFFICIENTS
from visavis_models.voice.phones import PHONES
from visavis_server import motion_recording, wiring
from visavis_server.cli import main
from visavis_server.motion_file import read_motion, write_motion
from visavis_server.motion_player import EASING_FRAMES, MotionPlayer, Soundtrack
from visavis_server.motion_recording import record
from visavis_server.pipeline import Performance
from visavis_server.render_file import Tick, performed, render_file
from visavis_server.voice_file import VoiceFile

pytestmark = pytest.mark.unit

SPEECH = Path(__file__).parent / "data" / "speech_en.flac"


class ReportingListener(LoudnessListener):
    """Tells also what it heard."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.heard: SimpleNamespace | None = None

    def push(self, chunk: Chunk) -> MotionWindow | None:
        window = super().push(chunk)
        phones = np.zeros(len(PHONES))
        phones[chunk.index % 3] = 1
        if window is not None:
            self.heard = SimpleNamespace(energy=0.5, pitch_hz=110.0 + chunk.index, phones=phones, colour="red")
        return window


def pictures(ticks: list[Tick]) -> NDArray[np.uint8]:
    return np.stack([picture for picture, _ in ticks])


def test_a_recording_is_as_long_as_the_voice(tmp_path: Path) -> None:
    for seconds, frames in ((0.01, 1), (0.04, 1), (1.01, 26), (41.0, 1025)):
        sound = write_sound(tmp_path / "in.wav", beeps(seconds))
        progress: list[tuple[int, int]] = []

        def advance(done: int, expected: int, told: list[tuple[int, int]] = progress) -> None:
            told.append((done, expected))

        recording = record(VoiceFile(sound), LoudnessListener(), on_progress=advance)
        assert (recording.window.first_frame, len(recording.window)) == (0, frames)
        assert recording.heard == {}
        assert progress and all(done <= expected for done, expected in progress)


def test_what_the_listener_heard_is_recorded_as_far_as_it_tells(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "in.wav", beeps(0.4))
    columns = record(VoiceFile(sound), ReportingListener()).columns()
    assert list(columns)[-3:] == ["voice_energy", "voice_pitch_hz", "phone"]
    assert columns["voice_pitch_hz"].tolist() == [112.0 + i for i in range(10)]
    assert columns["phone"].tolist() == [PHONES[(i + 2) % 3] for i in range(10)]


def test_an_endless_voice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(motion_recording, "MOST_FRAMES", 20)
    sound = write_sound(tmp_path / "in.wav", beeps(1.0))
    with pytest.raises(BadVoice) as error:
        record(VoiceFile(sound), LoudnessListener())
    assert error.value.code == "voice_too_long"


def test_played_motion_is_the_recorded_one_and_rests_around_it() -> None:
    motion = some_motion(20)
    late = MotionWindow(15, motion.face, motion.head, motion.body, motion.speaking)
    player = MotionPlayer(late)
    shown = join_windows([player.push(silent_chunk(i)) for i in range(60)])
    assert equal(shown.rows(15, 35), late)
    assert not shown.face[: 15 - EASING_FRAMES + 1].any() and not shown.face[35 + EASING_FRAMES - 1 :].any()
    for edge, way in ((15, -1), (34, 1)):
        sizes = [float(np.linalg.norm(shown.face[edge + way * i])) for i in range(EASING_FRAMES + 1)]
        assert sizes == sorted(sizes, reverse=True) and sizes[-1] == 0
        assert max(-np.diff(sizes)) < 0.2 * sizes[0]  # no jump
    assert not shown.speaking[:15].any() and not shown.speaking[35:].any()


def test_the_beginning_of_motion_may_lie_before_the_voice() -> None:
    motion = some_motion(20)
    player = MotionPlayer(MotionWindow(-5, motion.face, motion.head, motion.body, motion.speaking))
    shown = join_windows([player.push(silent_chunk(i)) for i in range(15)])
    assert np.array_equal(shown.face, motion.face[5:])


@pytest.mark.parametrize(("voice_s", "motion_frames", "frames"), [(1.0, 40, 40), (2.0, 40, 50), (None, 40, 40)])
def test_a_video_lasts_as_long_as_the_longer_of_voice_and_motion(
    tmp_path: Path, voice_s: float | None, motion_frames: int, frames: int
) -> None:
    sound = None if voice_s is None else write_sound(tmp_path / "in.wav", beeps(voice_s))
    voice = None if sound is None else VoiceFile(sound)
    renderer = PaintingRenderer()
    player = MotionPlayer(some_motion(motion_frames))
    track = Soundtrack(voice, motion_frames)
    ticks = list(performed(renderer, Performance(player, renderer.open(plain_avatar())), track))
    assert [painted_index(picture) for picture, _ in ticks] == list(range(frames))
    assert track.chunks_expected == frames
    heard = np.concatenate([samples for _, samples in ticks])
    assert heard[: round((voice_s or 0) * 48000)].any() == (voice_s is not None)
    assert not heard[round((voice_s or 0) * 48000) + 100 :].any()
    out = tmp_path / "out.mp4"
    report = render_file(plain_avatar(), sound, out, renderer=renderer, listener=player, least_frames=motion_frames)
    assert report.frames == frames and out.stat().st_size > 0


@pytest.mark.weights
def test_motion_rendered_from_a_file_is_the_live_pictures_bit_by_bit(tmp_path: Path) -> None:
    from visavis_models.portrait.library import AvatarLibrary

    renderer = wiring.default_renderer()
    state = renderer.open(AvatarLibrary(tmp_path / "avatars").get("elena"), 192)
    voice = VoiceFile(SPEECH)
    live = pictures(list(performed(renderer, Performance(wiring.listener_maker()(7), state), voice)))
    assert len(np.unique(live.reshape(len(live), -1), axis=0)) > 150  # it does move
    recording = record(voice, wiring.listener_maker()(7), seed=7)
    for suffix in (".parquet", ".json", ".csv"):
        write_motion(tmp_path / f"m{suffix}", recording)
        read = read_motion(tmp_path / f"m{suffix}")
        assert read.notes == () and equal(read.window, recording.window)
    played = performed(renderer, Performance(MotionPlayer(read.window), state), Soundtrack(voice, len(read.window)))
    assert np.array_equal(pictures(list(played)), live)


@pytest.mark.weights
def test_the_voice_alone_moves_the_mouth_alone() -> None:
    whole = record(VoiceFile(SPEECH), wiring.listener_maker()(0))
    mouth = record(VoiceFile(SPEECH), wiring.listener_maker(mouth_only=True)(0), mouth_only=True)
    other = np.setdiff1d(np.arange(52), MOUTH_COEFFICIENTS)
    assert not mouth.window.face[:, other].any() and not mouth.window.head.any() and not mouth.window.body.any()
    assert mouth.window.face[:, ARKIT["jawOpen"]].max() > 0.2
    assert np.array_equal(mouth.window.face[:, ARKIT["jawOpen"]], whole.window.face[:, ARKIT["jawOpen"]])
    assert np.array_equal(mouth.window.speaking, whole.window.speaking)
    assert whole.window.face[:, ARKIT["eyeBlinkLeft"]].max() > 0.5 and whole.window.head.any()
    assert mouth.metadata()["mouth_only"] is True
    for name in ("voice_energy", "viseme_PP", "viseme_sil"):
        assert mouth.columns()[name].shape == (len(mouth.window),)


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line here, with painted pictures; gives its exit code, what it says and what it complains of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VISAVIS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(wiring, "default_renderer", PaintingRenderer)
    monkeypatch.setattr(wiring, "listener_maker", lambda mouth_only=False: ReportingListener)
    monkeypatch.setattr("visavis_server.cli._leave_in_order_when_told_to", lambda: None)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["visavis", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return int(stop.value.code or 0), said.out, said.err

    return run


def test_motion_goes_out_and_comes_back_by_the_command_line(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    write_sound(tmp_path / "stereo.ogg", beeps(1.0, 48000), 48000, codec="libopus", channels=2)
    for suffix in ("parquet", "json", "csv"):
        code, said, progress = command("motion", "--audio", "stereo.ogg", "-o", f"m.{suffix}")
        assert code == 0 and said.startswith(f"m.{suffix}: 2") and "1.0 s at 25" in said
        assert "Listening to stereo.ogg" in progress
        video = ("render", "--avatar", "elena", "-o", f"{suffix}.mp4")
        assert command(*video, "--motion", f"m.{suffix}", "--audio", "stereo.ogg")[0] == 0
        assert command(*video, "--motion", f"m.{suffix}")[0] == 2  # the video exists
        assert command(*video, "--motion", f"m.{suffix}", "--overwrite", "--offset", "1")[1].startswith(
            f"{suffix}.mp4: 2.0 s of video"
        )
        code, _, complaint = command("motion", "--audio", "stereo.ogg", "-o", f"m.{suffix}")
        assert code == 2 and f"m.{suffix} exists" in complaint and "--overwrite" in complaint
    assert (
        command("motion", "--audio", "stereo.ogg", "-o", "m.csv", "--overwrite", "--mouth-only", "--seed", "4")[0] == 0
    )
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_the_command_line_refuses_in_plain_words(tmp_path: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    write_sound(tmp_path / "a.wav", beeps(0.2))
    write_sound(tmp_path / "b.wav", beeps(0.4))
    (tmp_path / "bad.csv").write_text("time_s,jawOpen\n0,nan\n")
    (tmp_path / "not.wav").write_text("no sound")
    assert command("motion", "--audio", "a.wav", "-o", "m.json")[0] == 0
    render = ("render", "--avatar", "elena", "-o", "v.mp4")
    for arguments, complaint in (
        (("motion", "--audio", "a.wav", "-o", "m.fbx"), "ends in .parquet, .json or .csv"),
        (("motion", "--audio", "nowhere.wav", "-o", "n.csv"), "There is no file nowhere.wav"),
        (("motion", "--audio", "not.wav", "-o", "n.csv"), "cannot be read as sound"),
        (("motion", "--audio", "a.wav", "-o", "nowhere/n.csv"), "There is no folder nowhere"),
        (("motion", "--audio", "a.wav", "-o", "n.csv", "--offset", "nan"), "--offset nan"),
        (render, "Give --audio, --motion or both"),
        ((*render, "--audio", "a.wav", "--fps", "30"), "are for --motion"),
        ((*render, "--motion", "nowhere.csv"), "There is no file nowhere.csv"),
        ((*render, "--motion", "bad.csv"), "jawOpen in row 1 of bad.csv is not a number"),
        ((*render, "--motion", "m.json", "--offset", "-9"), "before the beginning"),
        ((*render, "--motion", "m.json", "--offset", "1e9"), "within a day"),
    ):
        code, _, said = command(*arguments)
        assert code == 2 and complaint in said, (arguments, said)
    assert not (tmp_path / "v.mp4").exists() and not (tmp_path / "n.csv").exists()
    said = command(*render, "--motion", "m.json", "--audio", "b.wav")[2]
    assert "note: m.json was not made of b.wav" in said
