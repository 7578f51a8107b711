from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from websockets.sync.client import connect

from stage_fakes import LoudnessListener, PaintingRenderer
from visavis_server import __version__, wiring
from visavis_server.cli import main
from visavis_server.serving import microphone_warning, open_socket, page_url
from visavis_server.settings import ServerSettings

pytestmark = pytest.mark.e2e

PROGRAM = Path(__file__).with_name("cli_with_painted_pictures.py")


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VISAVIS_")}
    return {**kept, "VISAVIS_DATA_DIR": str(folder / "data"), "NO_COLOR": "1", "COLUMNS": "200"}


def visavis(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a program of its own."""
    return subprocess.run(
        [sys.executable, str(PROGRAM), *arguments],
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., str]]:
    """Runs, in this process, a command that must end with a user's error; gives back what it says."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("VISAVIS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VISAVIS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(wiring, "default_renderer", PaintingRenderer)
    monkeypatch.setattr(wiring, "listener_maker", lambda: LoudnessListener)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    signals = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["visavis", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr().err
        assert stop.value.code == 2, said
        lines = said.strip().splitlines()
        assert lines[0].startswith("error: ") and len(lines) == 2, said
        return said

    yield run
    root.handlers[:], root.level = handlers, level
    for number, handler in signals.items():
        signal.signal(number, handler)


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running `visavis serve` and the URL that it told."""
    command = [sys.executable, str(PROGRAM), "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command, env=environment(folder), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert "is ready: http" in first, first + _rest(process.stderr)
            yield process, first.strip().rpartition(" ")[2]
        finally:
            process.kill()


def _rest(stream: IO[str] | None) -> str:
    return stream.read() if stream is not None else ""


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        content: bytes = answer.read()
    return content


def tone(path: Path, seconds: float = 0.5) -> Path:
    samples = (np.sin(np.arange(int(16000 * seconds)) * 0.1) * 9000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())
    return path


def test_version_comes_without_loading_anything_heavy(tmp_path: Path) -> None:
    assert visavis(tmp_path, "--version").stdout == f"visavis {__version__}\n"
    script = "import sys, visavis_server.cli; print(sorted({'numpy', 'av', 'fastapi', 'numba'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_serve_tells_its_address_and_stops_in_order(tmp_path: Path, stop: signal.Signals) -> None:
    with serving(tmp_path) as (process, url):
        assert url.startswith("http://localhost:")
        assert json.loads(get(f"{url}/healthz"))["status"] == "ok"
        assert b"<!doctype html" in get(url)[:50].lower()
        request = urllib.request.Request(
            f"{url}/v1/sessions", b'{"avatar_id": "astronaut"}', {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            signal_url = json.load(answer)["signal_url"]
        with connect(url.replace("http", "ws") + signal_url) as call:
            begun_s = time.monotonic()
            process.send_signal(stop)
            if stop == signal.SIGTERM:  # for its first, calls may run out
                time.sleep(0.5)
                process.send_signal(stop)
            said = [json.loads(message) for message in call]
            assert said[-1] == {"type": "bye", "reason": "shutdown"}
        assert process.wait(10) == 0
        assert time.monotonic() - begun_s < 5
        out, errors = process.communicate()
        assert "visavis has stopped." in out
        assert "Traceback" not in errors and "session ended" in errors


def test_serve_says_when_its_port_is_taken(refused: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refused("serve", "--port", str(port))
    assert f"Port {port} is taken" in said and "--port" in said


def test_serve_warns_in_plain_words_that_browsers_will_refuse_the_microphone(tmp_path: Path) -> None:
    with serving(tmp_path, "--host", "0.0.0.0", "--access", "open", "--tls", "off") as (process, url):
        assert url.startswith("http://localhost:")
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=10)[1]
    assert "warning: Browsers on other machines will refuse the microphone" in errors and "--tls-cert" in errors


@pytest.mark.parametrize(
    ("settings", "warns"),
    [
        (ServerSettings(), False),
        (ServerSettings(host="127.0.0.2"), False),
        (ServerSettings(host="0.0.0.0"), False),
        (ServerSettings(host="0.0.0.0", tls="off"), True),
        (ServerSettings(host="192.168.1.2", tls_cert=PROGRAM, tls_key=PROGRAM), False),
    ],
)
def test_only_a_public_address_without_https_is_warned_of(settings: ServerSettings, warns: bool) -> None:
    assert (microphone_warning(settings, 8765) is not None) == warns


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (ServerSettings(), "http://localhost:8765"),
        (ServerSettings(host="::"), "https://localhost:8765"),
        (ServerSettings(host="fe80::1", tls="off"), "http://[fe80::1]:8765"),
        (ServerSettings(host="10.0.0.1", tls_cert=PROGRAM, tls_key=PROGRAM), "https://10.0.0.1:8765"),
    ],
)
def test_the_url_is_one_that_can_be_opened(settings: ServerSettings, url: str) -> None:
    assert page_url(settings, 8765) == url


def test_a_port_can_be_taken_again_at_once() -> None:
    with open_socket("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
    open_socket("127.0.0.1", port).close()


def test_bad_settings_stop_the_start_and_are_named(
    tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.toml").write_text("[server]\nprot = 1\n")
    (tmp_path / "bad.pem").write_text("rubbish")
    assert "server.prot is not a setting" in refused("serve", "--config", "bad.toml")
    assert "server.port is 70000" in refused("serve", "--port", "70000")
    assert "no address to listen on" in refused("serve", "--host", "no such host", "--access", "open")
    assert "This machine has no address 203.0.113.9" in refused("serve", "--host", "203.0.113.9", "--access", "open")
    tls = refused("serve", "--tls-cert", "bad.pem", "--tls-key", "bad.pem")
    assert "server.tls_cert and server.tls_key do not work together" in tls
    (tmp_path / "file").write_text("")
    assert "cannot be made" in refused("serve", "--data-dir", "file/below")
    monkeypatch.setenv("VISAVIS_COLOUR", "red")
    assert "VISAVIS_COLOUR is not a setting" in refused("serve")


def test_render_writes_a_video_as_long_as_the_voice(tmp_path: Path, refused: Callable[..., str]) -> None:
    import av

    voice = tone(tmp_path / "voice.wav", 1.0)
    done = visavis(tmp_path, "render", "--avatar", "astronaut", "--audio", str(voice), "-o", "out.mp4")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("out.mp4: 1.0 s of video, 512×512, made in ")
    assert "Rendering out.mp4" in done.stderr
    with av.open(str(tmp_path / "out.mp4")) as video:
        assert video.streams.video[0].frames == 25
    before = (tmp_path / "out.mp4").read_bytes()
    again = ("render", "--avatar", "astronaut", "--audio", str(voice), "-o", "out.mp4")
    assert "out.mp4 exists" in refused(*again)
    assert (tmp_path / "out.mp4").read_bytes() == before
    assert visavis(tmp_path, *again, "--overwrite").returncode == 0


def test_render_refuses_what_it_cannot_use(tmp_path: Path, refused: Callable[..., str]) -> None:
    voice = str(tone(tmp_path / "voice.wav"))
    (tmp_path / "not.wav").write_text("no sound")
    (tmp_path / "not.jpg").write_text("no picture")
    astronaut = ("render", "--avatar", "astronaut")
    assert "either --image or --avatar" in refused("render", "--audio", voice, "-o", "o.mp4")
    both = refused(*astronaut, "--image", "x.jpg", "--audio", voice, "-o", "o.mp4")
    assert "either --image or --avatar" in both
    assert "There is no file nowhere.wav" in refused(*astronaut, "--audio", "nowhere.wav", "-o", "o.mp4")
    assert "cannot be read as sound" in refused(*astronaut, "--audio", "not.wav", "-o", "o.mp4")
    assert "not an MP4" in refused(*astronaut, "--audio", voice, "-o", "o.avi")
    assert "no avatar nobody" in refused("render", "--avatar", "nobody", "--audio", voice, "-o", "o.mp4")
    assert "error:" in refused("render", "--image", "not.jpg", "--audio", voice, "-o", "o.mp4")
    assert "cannot be read" in refused("render", "--image", "nowhere.jpg", "--audio", voice, "-o", "o.mp4")
    assert not (tmp_path / "o.mp4").exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_render_that_is_stopped_leaves_nothing_behind(tmp_path: Path, how: signal.Signals) -> None:
    voice = tone(tmp_path / "voice.wav", 1200.0)
    arguments = ["render", "--avatar", "astronaut", "--audio", str(voice), "-o", "out.mp4"]
    # Tests that run in the background (nohup, a shell's &) would hand on that these signals are ignored.
    heard = f"import os, signal, sys\nsignal.signal({int(how)}, signal.SIG_DFL)\nos.execv(sys.executable, sys.argv[1:])"
    command = [sys.executable, "-c", heard, sys.executable, str(PROGRAM), *arguments]
    with subprocess.Popen(command, env=environment(tmp_path), cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        try:
            deadline_s = time.monotonic() + 60
            while not list(tmp_path.glob(".out.mp4*")) and time.monotonic() < deadline_s:
                time.sleep(0.02)
            assert list(tmp_path.glob(".out.mp4*")), "it never began to write"
            process.send_signal(how)
            assert process.wait(20) == 128 + how
        finally:
            process.kill()
    assert not [path.name for path in tmp_path.iterdir() if "out.mp4" in path.name]


def test_avatars_that_ship_are_listed_and_stay(tmp_path: Path, refused: Callable[..., str]) -> None:
    listed = visavis(tmp_path, "avatar", "list")
    assert listed.returncode == 0 and "astronaut" in listed.stdout and "ships with visavis" in listed.stdout
    assert "ships with visavis" in refused("avatar", "remove", "astronaut")
    assert "no avatar nobody" in refused("avatar", "remove", "nobody")
    assert "cannot be read" in refused("avatar", "add", "nowhere.jpg")


@pytest.mark.weights
def test_an_avatar_is_added_listed_and_removed(tmp_path: Path) -> None:
    from PIL import Image
    from skimage import data

    photo = data.astronaut()  # type: ignore[no-untyped-call]
    Image.fromarray(photo[:-2, :-2]).save(tmp_path / "eileen_collins.jpg")
    added = visavis(tmp_path, "avatar", "add", "eileen_collins.jpg")
    assert added.returncode == 0, added.stderr
    id, _, about = added.stdout.splitlines()[0].partition(": ")
    assert about == "eileen collins, 510×510"
    assert id in visavis(tmp_path, "avatar", "list").stdout
    assert visavis(tmp_path, "avatar", "remove", id).returncode == 0
    assert id not in visavis(tmp_path, "avatar", "list").stdout


@pytest.mark.weights
def test_doctor_finds_all_well_and_names_what_is_broken(tmp_path: Path) -> None:
    well = visavis(tmp_path, "doctor", "--json", "--port", "0")
    report = json.loads(well.stdout)
    names = {check["name"]: check["status"] for check in report["checks"]}
    assert well.returncode == 0 and report["ok"], well.stdout
    wanted = {"weights", "engine openvino", "engine onnxruntime", "engine in use", "codecs", "compiler", "data folder"}
    assert wanted <= set(names)
    (tmp_path / "file").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        ill = visavis(tmp_path, "doctor", "--port", port, "--data-dir", "file/below")
    assert ill.returncode == 1
    broken = [line.split() for line in ill.stdout.splitlines() if line.startswith("broken")]
    assert [line[1] for line in broken] == ["data", "port"], ill.stdout
    assert ill.stdout.count("→") >= 2 and "2 of" in ill.stdout
