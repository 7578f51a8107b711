"""Motion read off videos: what is rendered with known motion comes back, and files of other kinds are refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from test_render_file import beeps, write_sound
from visavis_models.arkit import ARKIT
from visavis_models.chunk import PLAYBACK_SAMPLES
from visavis_models.errors import BadInput
from visavis_models.motion import MotionWindow, rest_motion
from visavis_models.portrait.storage import load_avatar
from visavis_models.warp import WarpRenderer
from visavis_server.motion_file import read_motion, write_motion
from visavis_server.video_file import VideoFile
from visavis_server.video_motion import expected_frames, pictures, record_video

pytestmark = pytest.mark.weights

GALLERY = Path(__file__).parent.parent / "weights" / "gallery"
SILENCE = np.zeros(PLAYBACK_SAMPLES, np.int16)


def sent() -> MotionWindow:
    """A second: the mouth opens twice, the eyes shut once."""
    motion = rest_motion(26)
    motion.face[:, ARKIT["jawOpen"]] = np.clip(0.5 * np.sin(np.arange(26) / 25 * 4 * np.pi), 0, 1)
    for name in ("eyeBlinkLeft", "eyeBlinkRight"):
        motion.face[15:21, ARKIT[name]] = (0.5, 1.0, 1.0, 1.0, 0.5, 0.2)
    return motion


def rendered(path: Path, motion: MotionWindow) -> None:
    renderer = WarpRenderer()
    shown = renderer.render([renderer.open(load_avatar(GALLERY / "maya"), 320)], [motion])[0]
    with VideoFile(path, shown.shape[2], shown.shape[1]) as out:
        for picture in shown:
            out.write(picture, SILENCE)


def test_rendered_motion_comes_back(tmp_path: Path) -> None:
    motion = sent()
    rendered(tmp_path / "maya.mp4", motion)
    assert expected_frames(tmp_path / "maya.mp4") == 26
    recording, notes = record_video(tmp_path / "maya.mp4")
    assert not notes
    write_motion(tmp_path / "maya.parquet", recording)
    read = read_motion(tmp_path / "maya.parquet")
    assert not read.notes
    assert len(read.window) == 26
    for name, least in (("jawOpen", 0.9), ("eyeBlinkLeft", 0.85), ("eyeBlinkRight", 0.85)):
        column = ARKIT[name]
        found = np.corrcoef(read.window.face[:, column], motion.face[:, column])[0, 1]
        assert found > least, f"{name}: {found:.2f}"
    assert recording.columns()["face_seen"].min() == 1.0


def test_other_rates_are_shown_at_25_a_second(tmp_path: Path) -> None:
    path = tmp_path / "fast.avi"
    out = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 50.0, (64, 48))
    for k in range(50):
        out.write(np.full((48, 64, 3), 4 * k, np.uint8))
    out.release()
    greys = [int(picture.mean()) for picture in pictures(path)]
    assert len(greys) == 25
    assert np.abs(np.array(greys) - 8 * np.arange(25)).max() <= 6


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    sound, text, empty = write_sound(tmp_path / "a.wav", beeps(0.2)), tmp_path / "t.mp4", tmp_path / "none.mp4"
    text.write_text("no video")
    for path, code in ((sound, "no_video"), (text, "video_unreadable"), (empty, "video_unreadable")):
        with pytest.raises(BadInput) as caught:
            record_video(path)
        assert caught.value.code == code


def test_a_video_without_a_face_is_refused(tmp_path: Path) -> None:
    with VideoFile(tmp_path / "wall.mp4", 128, 96) as out:
        for _ in range(6):
            out.write(np.full((96, 128, 3), 120, np.uint8), SILENCE)
    with pytest.raises(BadInput) as caught:
        record_video(tmp_path / "wall.mp4")
    assert caught.value.code == "no_face"
