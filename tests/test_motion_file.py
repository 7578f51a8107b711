from __future__ import annotations

import csv
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from visavis_models.arkit import ARKIT, ARKIT_NAMES
from visavis_models.errors import BadMotion, BadRequest
from visavis_models.motion import MotionWindow, rest_motion
from visavis_server import motion_file
from visavis_server.motion_columns import BODY_COLUMNS, HEAD_COLUMNS
from visavis_server.motion_file import check_output, metadata_path, read_motion, write_motion
from visavis_server.motion_recording import Origin, Recording

pytestmark = pytest.mark.unit

SUFFIXES = (".parquet", ".json", ".csv")
ORIGIN = Origin('a "voice", of mine.wav', "ab" * 32, 80, 3, False)


def some_motion(frames: int, seed: int = 0) -> MotionWindow:
    """Every kind of number that motion has: tiny, large, signed, and exactly 0 and 1."""
    rng = np.random.default_rng(seed)
    window = rest_motion(frames)
    window.face[:] = rng.random(window.face.shape) ** rng.integers(1, 30, window.face.shape)
    window.face[rng.random(window.face.shape) < 0.2] = 0
    window.face[rng.random(window.face.shape) < 0.1] = 1
    window.head[:] = rng.normal(0, 0.1, window.head.shape).clip(-0.2, 0.2)
    window.body[:] = rng.random(window.body.shape)
    window.speaking[:] = rng.random(frames) < 0.5
    return window


def written(path: Path, window: MotionWindow, offset_s: float = 0.0) -> Path:
    heard: dict[str, Any] = {
        "voice_energy": np.linspace(0, 1, len(window), dtype=np.float32),
        "phone": np.array(["sil", "ɑ", "ʧ"] * len(window))[: len(window)],
    }
    write_motion(path, Recording(window, heard, ORIGIN), offset_s)
    return path


def equal(a: MotionWindow, b: MotionWindow) -> bool:
    same = a.first_frame == b.first_frame
    return same and all(np.array_equal(getattr(a, k), getattr(b, k)) for k in ("face", "head", "body", "speaking"))


def table(path: Path, names: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    """The same table in the format of the suffix, as a stranger's program writes it."""
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([names, *rows])
    elif path.suffix == ".json":
        path.write_text(json.dumps({"names": list(names), "frames": [list(row) for row in rows]}))
    else:
        pq.write_table(pa.table([pa.array(c) for c in zip(*rows, strict=True)], names=list(names)), path)
    return path


def refusal(path: Path, **options: Any) -> str:
    """The code of the error that reading raises; its words must be fit for people."""
    with pytest.raises(BadMotion) as error:
        read_motion(path, **options)
    assert path.name in error.value.message and error.value.remedy.endswith(".")
    assert len(str(error.value)) < 400
    return error.value.code


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("frames", "seed"), [(1, 1), (2, 2), (173, 3), (2300, 4)])
def test_what_is_written_is_read_back_bit_by_bit(tmp_path: Path, suffix: str, frames: int, seed: int) -> None:
    window = some_motion(frames, seed)
    read = read_motion(written(tmp_path / f"m{suffix}", window))
    assert equal(read.window, window)
    assert read.notes == ()
    assert read.audio_sha256 == (None if suffix == ".csv" else ORIGIN.audio_sha256)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_offset_of_whole_frames_moves_the_motion_and_changes_nothing_else(tmp_path: Path, suffix: str) -> None:
    window = some_motion(50)
    path = written(tmp_path / f"m{suffix}", window, offset_s=-0.4)
    read = read_motion(path)
    assert read.window.first_frame == -10
    assert equal(read_motion(path, offset_s=0.4).window, window)


def test_columns_stand_in_apples_order_and_tell_their_origin(tmp_path: Path) -> None:
    window = some_motion(5)
    path = written(tmp_path / "m.csv", window)
    header, first, *_ = csv.reader(path.read_text("utf-8").splitlines())
    assert header[:54] == ["frame", "time_s", *ARKIT_NAMES]
    assert header[54:] == [*HEAD_COLUMNS, *BODY_COLUMNS, "speaking", "voice_energy", "phone"]
    assert first[:2] == ["0", "0.0"] and first[-1] == "sil"
    about = json.loads(metadata_path(path).read_text("utf-8"))
    assert about["format"] == "visavis-motion" and about["fps"] == 25 and about["frames"] == 5
    assert about["audio"] == {"name": ORIGIN.audio_name, "sha256": ORIGIN.audio_sha256}
    content = json.loads(written(tmp_path / "m.json", window).read_text("utf-8"))
    assert content["metadata"] == about and content["names"] == header
    assert content["frames"][1][-1] == "ɑ" and np.float32(content["frames"][4][2]) == window.face[4, 0]
    stored = pq.read_table(written(tmp_path / "m.parquet", window))
    assert json.loads(stored.schema.metadata[b"visavis_motion"]) == about
    assert stored.column_names == header and stored.schema.field("jawOpen").type == pa.float32()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_stranger_may_order_omit_and_add_columns(tmp_path: Path, suffix: str) -> None:
    path = table(
        tmp_path / f"m{suffix}", ("Mood", "MouthClose", "JawOpen", "mouthSmile_L"), [("sad", 0.25, 0.5, 1)] * 3
    )
    read = read_motion(path, fps=25.0)
    face = np.zeros(52, np.float32)
    face[[ARKIT["mouthClose"], ARKIT["jawOpen"], ARKIT["mouthSmileLeft"]]] = 0.25, 0.5, 1
    assert np.array_equal(read.window.face, [face] * 3)
    assert not read.window.head.any() and not read.window.speaking.any()
    (note,) = read.notes
    assert "left out: Mood." in note


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_frame_rate_is_shown_at_25(tmp_path: Path, suffix: str) -> None:
    ramp = np.linspace(0, 1, 121)  # two seconds at 60 frames per second
    read = read_motion(table(tmp_path / f"m{suffix}", ("jawOpen",), [(float(v),) for v in ramp]), fps=60.0)
    assert len(read.window) == 51
    assert read.window.face[:, ARKIT["jawOpen"]] == pytest.approx(np.linspace(0, 1, 51), abs=1e-6)
    slow = read_motion(table(tmp_path / f"s{suffix}", ("time_s", "jawOpen"), [(10.0, 0.0), (11.0, 1.0)]))
    assert (slow.window.first_frame, len(slow.window)) == (250, 26)
    assert slow.window.face[13, ARKIT["jawOpen"]] == pytest.approx(13 / 25)


def test_the_capture_of_a_phone_is_read(tmp_path: Path) -> None:
    lines = ["Timecode,BlendShapeCount,EyeBlinkLeft,JawOpen,HeadYaw,HeadPitch,HeadRoll"]
    for i in range(150):  # from half a second before midnight
        second = 86399 + (30 + i) // 60
        clock = f"{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
        lines.append(f"{clock}:{(30 + i) % 60:02}.{i % 10}00,61,0,{i / 150:.6f},0.1,0.2,0.3")
    path = tmp_path / "take.csv"
    path.write_text("\n".join(lines))
    read = read_motion(path)
    assert (read.window.first_frame, len(read.window)) == (0, 63)
    expected = np.arange(63) / 25 * 60 / 150
    assert read.window.face[:, ARKIT["jawOpen"]] == pytest.approx(expected, abs=0.01)
    assert not read.window.head.any()
    assert read.notes == ("Columns of take.csv that mean nothing here were left out: HeadYaw, HeadPitch, HeadRoll.",)


def test_spreadsheets_of_other_countries_are_read(tmp_path: Path) -> None:
    path = tmp_path / "de.csv"
    path.write_bytes("\ufefftime_s;jawOpen;mouthClose\r\n0,0;0,25;1\r\n\r\n0,04;0,5;0\r\n".encode())
    read = read_motion(path).window
    assert read.face[:, ARKIT["jawOpen"]].tolist() == [0.25, 0.5]
    path.write_text("time_s\tjawOpen\n0\t0.125\n")
    assert read_motion(path).window.face[0, ARKIT["jawOpen"]] == 0.125


def test_an_array_of_objects_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(json.dumps([{"jawOpen": 0.5, "time_s": 0.0}, {"time_s": 0.04, "jawOpen": 0.25}]))
    assert read_motion(path).window.face[:, ARKIT["jawOpen"]].tolist() == [0.5, 0.25]
    path.write_text(json.dumps([{"jawOpen": 0.5, "time_s": 0.0}, {"time_s": 0.04}]))
    assert refusal(path) == "motion_columns"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_values_a_little_beyond_are_limited_with_one_note(tmp_path: Path, suffix: str) -> None:
    rows = [(1.2, -0.1, 0.9, 0.0), (0.5, 0.5, 0.0, 0.04)]
    read = read_motion(table(tmp_path / f"m{suffix}", ("jawOpen", "mouthClose", "head_yaw", "time_s"), rows))
    assert read.window.face[0, ARKIT["jawOpen"]] == 1 and read.window.face[0, ARKIT["mouthClose"]] == 0
    assert read.window.head[0, 1] == np.float32(0.35)
    (note,) = read.notes
    assert note == "Values beyond what can be shown were limited, in: jawOpen, mouthClose, head_yaw."


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -7.0, 55.0, 1e300])
@pytest.mark.parametrize("name", ["jawOpen", "head_yaw", "body_lean"])
def test_what_is_no_coefficient_is_refused(tmp_path: Path, suffix: str, name: str, value: float) -> None:
    names = ("browInnerUp", "time_s", name)
    path = table(tmp_path / f"m{suffix}", names, [(0.0, 0.0, 0.1), (0.0, 0.04, value)])
    assert refusal(path) == "motion_value"
    with pytest.raises(BadMotion, match=f"{name} in row 2"):
        read_motion(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_cells_that_are_no_numbers_are_named(tmp_path: Path, suffix: str) -> None:
    for cell in ("", "half", None):
        path = table(tmp_path / f"m{suffix}", ("time_s", "jawOpen"), [("0", "0.5"), ("0.04", cell)])
        assert refusal(path) == "motion_value"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_columns_that_cannot_be_told_apart_or_are_missing_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    assert refusal(table(path, ("jawOpen", "JAWOPEN"), [(0.0, 0.1)])) == "motion_columns"
    assert refusal(table(path, ("eyeBlinkLeft", "eyeBlink_L"), [(0.0, 0.1)])) == "motion_columns"
    assert refusal(table(path, ("price", "quantity"), [(0.0, 0.1)])) == "motion_columns"
    assert refusal(table(path, ("head_yaw", "time_s"), [(0.0, 0.1)])) == "motion_columns"
    assert refusal(table(path, ["jawOpen", *map(str, range(5000))], [[0.0] * 5001])) == "motion_columns"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_times_that_do_not_rise_are_refused_and_a_stutter_is_forgiven(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    names = ("time_s", "jawOpen")
    assert refusal(table(path, names, [(1.0, 0.0), (0.5, 0.0), (0.2, 0.0)])) == "motion_times"
    assert refusal(table(path, names, [(0.0, 0.0), (float("nan"), 0.0)])) == "motion_times"
    assert refusal(table(path, names, [(0.0, 0.0), (1e7, 0.0)])) == "motion_too_long"
    assert refusal(table(path, names, [(1.7e9, 0.0), (1.7e9 + 1, 0.0)])) == "motion_too_long"
    stutter = read_motion(table(path, names, [(i / 25 if i != 13 else 0.48, 0.5) for i in range(30)]))
    assert len(stutter.window) == 30 and "1 rows" in stutter.notes[0]
    assert refusal(table(path, ("Timecode", "jawOpen"), [("a while ago", 0.0)])) == "motion_times"
    for fps in (0.0, -25.0, float("nan"), float("inf"), 1e9):
        assert refusal(table(path, ("jawOpen",), [(0.5,)]), fps=fps) == "motion_times"


def test_a_rate_of_zero_in_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    for fps in ("0", "-1", "NaN", '"fast"', "[25]", "1e999", "1" * 400):
        path.write_text(f'{{"fps": {fps}, "names": ["jawOpen"], "frames": [[0.5]]}}')
        assert refusal(path) in ("motion_times", "motion_value")


def test_files_that_are_no_motion_say_so(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere.csv") == "motion_unreadable"
    (tmp_path / "folder.csv").mkdir()
    assert refusal(tmp_path / "folder.csv") == "motion_unreadable"
    other = tmp_path / "motion.xlsx"
    other.write_bytes(b"PK")
    assert refusal(other) == "motion_unreadable"
    for suffix in SUFFIXES:
        path = tmp_path / f"m{suffix}"
        path.write_bytes(b"")
        assert refusal(path) == "motion_empty"
        path.write_bytes(bytes(range(256)) * 40)
        assert refusal(path).startswith("motion_")
    for text in ("[]", "3", '{"names": ["jawOpen"]}', '{"names": "jawOpen", "frames": []}', "[" * 100_000, "[{}]"):
        (tmp_path / "m.json").write_text(text)
        assert refusal(tmp_path / "m.json") in ("motion_unreadable", "motion_columns")
    (tmp_path / "m.json").write_text('{"names": ["jawOpen"], "frames": []}')
    assert refusal(tmp_path / "m.json") == "motion_empty"
    (tmp_path / "m.csv").write_text("jawOpen,time_s\n")
    assert refusal(tmp_path / "m.csv") == "motion_empty"
    pq.write_table(pa.table({"jawOpen": pa.array([], pa.float32())}), tmp_path / "m.parquet")
    assert refusal(tmp_path / "m.parquet") == "motion_empty"


def test_rows_of_another_length_are_named(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("time_s,jawOpen\n0,0.5\n0.04\n")
    with pytest.raises(BadMotion, match="Line 3 of m.csv has 1 cells, its header 2"):
        read_motion(tmp_path / "m.csv")
    (tmp_path / "m.json").write_text('{"names": ["time_s", "jawOpen"], "frames": [[0, 0.5], [0.04]]}')
    with pytest.raises(BadMotion, match="Frame 1 of m.json has 1 values, not 2"):
        read_motion(tmp_path / "m.json")


def test_huge_files_are_refused_before_they_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for suffix in SUFFIXES:
        big = tmp_path / f"big{suffix}"
        with big.open("wb") as file:
            os.truncate(file.fileno(), motion_file.MOST_BYTES + 1)
        assert refusal(big) == "motion_too_large"
        monkeypatch.setattr(motion_file, "MOST_ROWS", 10)
        assert refusal(written(tmp_path / f"m{suffix}", some_motion(11))) == "motion_too_long"
        assert len(read_motion(written(tmp_path / f"m{suffix}", some_motion(10))).window) == 10


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(tmp_path: Path) -> None:
    rows = motion_file.MOST_ROWS + 1
    pq.write_table(pa.table({"jawOpen": pa.array(np.zeros(rows, np.float32))}), tmp_path / "m.parquet")
    assert (tmp_path / "m.parquet").stat().st_size < 100_000
    assert refusal(tmp_path / "m.parquet") == "motion_too_long"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_damaged_file_is_read_or_refused_and_never_crashes(tmp_path: Path, suffix: str) -> None:
    rng = random.Random(5)
    whole = written(tmp_path / f"m{suffix}", some_motion(12)).read_bytes()
    path = tmp_path / f"damaged{suffix}"
    refused = 0
    for _ in range(400):
        content = bytearray(whole)
        kind = rng.randrange(4)
        if kind == 0:
            del content[rng.randrange(len(content)) :]
        elif kind == 1:
            for _ in range(rng.randrange(1, 20)):
                content[rng.randrange(len(content))] = rng.randrange(256)
        elif kind == 2:
            at = rng.randrange(len(content))
            content[at:at] = rng.choice([b"\0", b'"', b",", b"\n", b"{", b"]", b"nan", b"1e999", b"\xff", b"-"])
        else:
            at = rng.randrange(len(content))
            del content[at : at + rng.randrange(1, 200)]
        path.write_bytes(content)
        try:
            read = read_motion(path)
        except BadMotion:
            refused += 1
        else:
            assert np.isfinite(read.window.face).all() and read.window.face.min() >= 0 and read.window.face.max() <= 1
    assert 50 < refused


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / f"m{suffix}", some_motion(3))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(BadRequest, match="No space left") as error:
            written(path, some_motion(9))
    assert error.value.code == "bad_output"
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    path.unlink()
    path.mkdir()
    with pytest.raises(BadRequest):
        written(path, some_motion(3))


def test_outputs_are_checked_before_any_work(tmp_path: Path) -> None:
    for path in (tmp_path / "m.txt", tmp_path / "m", tmp_path / "nowhere" / "m.csv"):
        with pytest.raises(BadRequest) as error:
            check_output(path, overwrite=True)
        assert error.value.code == "bad_output"
    written(tmp_path / "m.csv", some_motion(1))
    (tmp_path / "m.csv").unlink()  # its metadata are still there
    with pytest.raises(BadRequest) as error:
        check_output(tmp_path / "m.csv", overwrite=False)
    assert error.value.code == "output_exists"
    check_output(tmp_path / "m.csv", overwrite=True)
    check_output(tmp_path / "M.PARQUET", overwrite=False)
