"""Recordings: whole at the end, playable after a kill, and honest when the disk is full."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from output_measures import Seen, ticking, until_true, watch
from visavis_models.errors import StorageError
from visavis_server.outputs import recording
from visavis_server.outputs.access_units import AccessUnit, length_prefixed, nal_units
from visavis_server.outputs.program import Program
from visavis_server.outputs.recording import Recording
from visavis_server.outputs.recording_file import RecordingFile
from visavis_server.outputs.unit_queue import UnitQueue

pytestmark = pytest.mark.e2e

TESTS = Path(__file__).parent


def in_sync(seen: Seen, least: int = 2) -> None:
    """Every picture at its time, every tone at its picture."""
    for index, at_s in zip(seen.indices, seen.times_s, strict=True):
        assert abs(at_s - seen.times_s[0] - 0.040 * (index - seen.indices[0])) < 0.002
    assert len(seen.offsets_ms) >= least and all(abs(offset) < 15 for offset in seen.offsets_ms), seen.offsets_ms


async def test_a_recording_holds_everything_in_sync(tmp_path: Path) -> None:
    program = Program(320, 320, 2500)
    path = tmp_path / "a.mp4"
    async with ticking() as ticker:
        ticker.sinks.append(program)
        recorded = Recording(program, path, 0, lambda: None)
        assert recorded.report().state == "connecting"
        await until_true(lambda: recorded.report().seconds >= 4, "4 s recorded")
        assert recorded.report().state == "live"
        ticker.sinks.clear()
        last = ticker.next - 1
        await recorded.close()
        await program.close()
    report = recorded.report()
    assert report.state == "ended" and report.error is None
    assert report.sent_bytes == path.stat().st_size
    seen = watch(path)
    assert seen.indices[-1] == last and abs(report.seconds - 0.040 * len(seen.indices)) < 0.3


async def test_what_was_recorded_before_a_kill_plays_in_sync(tmp_path: Path) -> None:
    """The process is killed with SIGKILL in the middle of it."""
    script = f"""
import asyncio, sys
sys.path[:0] = {[str(TESTS), *sys.path]!r}
from pathlib import Path
from output_measures import ticking
from visavis_server.outputs.program import Program
from visavis_server.outputs.recording import Recording

async def main():
    program = Program(320, 320, 2500)
    async with ticking() as ticker:
        ticker.sinks.append(program)
        recording = Recording(program, Path({str(tmp_path / "a.mp4")!r}), 0, lambda: None)
        while True:
            await asyncio.sleep(0.05)
            print(recording.report().seconds, flush=True)

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE)
    assert process.stdout is not None
    told_s = 0.0
    async with asyncio.timeout(60):
        while told_s < 4:
            told_s = float(await process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    await process.wait()
    seen = watch(tmp_path / "a.mp4")
    assert len(seen.indices) >= 25 * told_s - 1, "all of what was said to be written"
    in_sync(seen, 3)


@contextlib.contextmanager
def server_that_records(folder: Path, scratch: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """A process of its own, with painted pictures: its address, and how to kill it."""
    command = [sys.executable, str(TESTS / "cli_with_painted_pictures.py"), "serve", "--port", "0"]
    command += ["--record", str(folder), "--data-dir", str(scratch / "data")]
    command += ["--play", str(TESTS / "data" / "speech_en.flac")]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]), "VISAVIS_OUTPUTS_MIN_FREE_MB": "0"}
    log = scratch / "log"
    with log.open("wb") as errors:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environ, text=True)
    with server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert "is ready" in line, log.read_text()
            yield line.split()[-1].replace("localhost", "127.0.0.1"), lambda: server.send_signal(signal.SIGKILL)
        finally:
            server.kill()


def test_the_whole_server_is_killed_while_it_records_a_session(tmp_path: Path) -> None:
    """`visavis serve --record`, a session that speaks, kill -9; the file plays to its last fragment."""
    folder = tmp_path / "recordings"
    with server_that_records(folder, tmp_path) as (url, kill):
        with httpx.Client(base_url=url) as http:
            _wait_for_recording(http, 4.0)
        kill()
    (path,) = folder.glob("*.mp4")
    counted = subprocess.run([sys.executable, "-c", _COUNT, str(path)], capture_output=True, text=True, check=True)
    seconds, sounds, difference_s, loudest = map(float, counted.stdout.split())
    assert seconds >= 3.95 and sounds >= 180 and difference_s < 0.1 and loudest > 0.05


_COUNT = """
import sys, av
with av.open(sys.argv[1]) as box:
    frames = [f for packet in box.demux() for f in packet.decode()]
video = [f for f in frames if isinstance(f, av.VideoFrame)]
audio = [f for f in frames if isinstance(f, av.AudioFrame)]
print(video[-1].time + 0.04, len(audio), abs((video[-1].time + 0.04) - (audio[-1].time + 0.0213)))
print(max(abs(f.to_ndarray()).max() for f in audio))
"""


def _wait_for_recording(http: httpx.Client, seconds: float) -> None:
    give_up_s = time.monotonic() + 60
    while time.monotonic() < give_up_s:
        for session in http.get("/v1/sessions").json()["sessions"]:
            outputs = http.get(f"/v1/sessions/{session['id']}/outputs").json()["outputs"]
            if any(output["kind"] == "recording" and output["seconds"] >= seconds for output in outputs):
                return
        time.sleep(0.1)
    raise AssertionError("nothing was recorded")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 300 KB, most of it taken, where one may be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small file system")
    (folder / "ballast").write_bytes(bytes(250_000))
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_ends_the_recording_and_nothing_else(small_disk: Path) -> None:
    """The pictures go on to whoever else takes them, and what was written plays."""
    program = Program(320, 320, 2500)
    path = small_disk / "a.mp4"
    async with ticking() as ticker:
        ticker.sinks.append(program)
        over: list[bool] = []
        other = UnitQueue(60, 10**8, program.ask_keyframe)
        program.add(other)
        recorded = Recording(program, path, 0, lambda: over.append(True))
        await until_true(lambda: recorded.report().state == "failed", "failed", 60)
        error, seconds = recorded.report().error, recorded.report().seconds
        assert isinstance(error, StorageError) and error.code == "disk_full" and over == [True]
        held = other.waiting_bytes
        await until_true(lambda: other.waiting_bytes > held + 10_000, "the program goes on")
        await recorded.close()
        assert recorded.report().state == "failed" and program.takers == 1
    await program.close()
    seen = watch(path)
    assert seconds > 0.9 and len(seen.indices) == round(25 * seconds)
    in_sync(seen, 1)


def unit(pts: int, size: int = 200, picture: bool = True, keyframe: bool = True) -> AccessUnit:
    return AccessUnit(picture, bytes(size), pts, keyframe)


async def _format() -> Any:
    program = Program(64, 64, 500)
    form = program.format
    await program.close()
    return form


async def test_half_a_fragment_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    form = await _format()
    path = tmp_path / "a.mp4"
    file = RecordingFile(path, form, 0)
    file.write([unit(0)], None)
    size = path.stat().st_size
    real_write = os.write

    def full(fd: int, data: bytes) -> int:
        if len(data) > 5000:
            return real_write(fd, data[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError) as refused:
        file.write([unit(1920, 6000)], None)
    monkeypatch.undo()
    assert refused.value.code == "disk_full" and path.stat().st_size == size
    file.close()


async def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path: Path) -> None:
    form = await _format()
    with pytest.raises(StorageError, match="no room"):
        RecordingFile(tmp_path / "a.mp4", form, 10**18)
    assert not (tmp_path / "a.mp4").exists()  # noqa: ASYNC240
    with pytest.raises(StorageError) as refused:
        RecordingFile(tmp_path / "nowhere" / "a.mp4", form, 0)
    assert refused.value.code == "recording_failed"


async def test_a_disk_that_hangs_costs_a_gap_and_no_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk stands still for longer than the queue holds; what is recorded afterwards stands at its own time."""
    monkeypatch.setattr(recording, "QUEUE_S", 1.5)
    waited: list[float] = []
    real_write = RecordingFile.write

    def slow(self: RecordingFile, units: Any, after: int | None) -> float:
        if not waited:
            waited.append(1.0)
            time.sleep(4.0)
        return real_write(self, units, after)

    monkeypatch.setattr(RecordingFile, "write", slow)
    program = Program(320, 320, 2500)
    async with ticking() as ticker:
        ticker.sinks.append(program)
        recorded = Recording(program, tmp_path / "a.mp4", 0, lambda: None)
        await until_true(lambda: recorded.report().seconds > 9, "9 s")
        await recorded.close()
        await program.close()
    assert recorded.report().pictures_dropped > 20 and recorded.report().voice_dropped_s > 0.5
    seen = watch(tmp_path / "a.mp4")
    jumps = [b - a for a, b in zip(seen.indices, seen.indices[1:], strict=False) if b - a > 1]
    assert jumps and max(jumps) > 20
    in_sync(seen, 3)


def test_the_queue_begins_at_a_keyframe_and_jumps_to_the_next_one() -> None:
    asked: list[bool] = []
    queue = UnitQueue(1.0, 10**6, lambda: asked.append(True))
    queue.restart()
    queue.take(unit(0, keyframe=False))
    queue.take(unit(0, picture=False))
    assert queue.waiting_bytes == 0 and asked == [True] and queue.pictures_dropped == 0
    queue.take(unit(1920))
    queue.take(unit(1500, picture=False))  # before the picture with which it begins
    queue.take(unit(2048, picture=False))
    assert queue.waiting_bytes == 400
    for n in range(2, 28):
        queue.take(unit(1920 * n, keyframe=False))
    assert asked == [True, True] and queue.waiting_bytes == 0
    assert queue.pictures_dropped == 27 and round(queue.voice_dropped_s * 48_000) == 1024
    queue.take(unit(1920 * 30, keyframe=False))
    assert queue.pictures_dropped == 28, "what is skipped on the way to the next keyframe is lost too"
    queue.take(unit(1920 * 31))
    assert queue.waiting_bytes == 200 and queue.pictures_dropped == 28


def test_the_queue_is_bounded_in_bytes() -> None:
    queue = UnitQueue(1000.0, 1000, lambda: None)
    queue.take(unit(0, 600))
    queue.take(unit(1920, 600))
    assert queue.waiting_bytes == 0 and queue.pictures_dropped == 2


def test_annex_b_becomes_length_prefixed() -> None:
    stream = b"\0\0\0\1\x67abc\0\0\1\x68de\0\0\0\1\x65\0\0\3\1x\0\0\1\x41yy\0\0"
    assert nal_units(stream) == [b"\x67abc", b"\x68de", b"\x65\0\0\3\1x", b"\x41yy"]
    assert length_prefixed(stream) == b"\0\0\0\6\x65\0\0\3\1x\0\0\0\3\x41yy"
    assert length_prefixed(b"") == b"" and nal_units(b"\1\2\3") == []
