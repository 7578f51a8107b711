"""The command line for several people: render's speakers and shapes, and a running server's sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from agent_speech import Place, place
from painted_people import CoupleLibrary, CouplePainter
from show_files import spoken
from two_people import two_people
from visavis_models.errors import BadInput, VisavisError
from visavis_models.portrait.analysis import analyse_canvas
from visavis_models.portrait.storage import save_avatar
from visavis_server.cli import app
from visavis_server.cli_mood import Cue
from visavis_server.cli_people import read_speakers
from visavis_server.motion_file import read_motion

pytestmark = pytest.mark.weights


def test_speakers_are_read_with_their_times_and_somebody_speaks_from_the_beginning() -> None:
    assert read_speakers(None) == [Cue(0, speaker=0)]
    assert read_speakers(["1"]) == [Cue(0, speaker=1)]
    assert read_speakers(["4=0", "2=1"]) == [Cue(0, speaker=0), Cue(50, speaker=1), Cue(100, speaker=0)]
    for wrong in ("", "x", "1.5", "-1", "x=1", "nan=1", "1=", "٣"):
        with pytest.raises(BadInput) as caught:
            read_speakers([wrong])
        assert caught.value.code == "bad_usage", wrong


def visavis(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    if isinstance(done.exception, VisavisError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    save_avatar(analyse_canvas(two_people(), "Couple", "couple"), folder / "avatars" / "couple")
    return folder


def pictures(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as box:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in box.decode(video=0)])


def moving(video: NDArray[np.uint8], left: float, right: float) -> float:
    """How much is going on where mouths are, between two shares of the width."""
    _, height, width, _ = video.shape
    part = video[:, int(0.44 * height) : int(0.58 * height), int(left * width) : int(right * width)].astype(float)
    return float(np.abs(np.diff(part, axis=0)).mean())


def test_a_dialogue_is_rendered_and_each_speaks_in_turn(data_dir: Path, tmp_path: Path) -> None:
    voice = spoken(tmp_path / "voice.wav", 4.0)
    said = visavis(
        "render", "--avatar", "couple", "--audio", str(voice), "-o", str(tmp_path / "out.mp4"), "--size", "512",
        "--speaker", "2=1", "--data-dir", str(data_dir),
    )  # fmt: skip
    assert "512×288" in said
    video = pictures(tmp_path / "out.mp4")
    # Person 0, the larger face, is the right one.
    assert moving(video[5:48], 0.6, 0.72) > 2 * moving(video[5:48], 0.28, 0.4)
    assert moving(video[58:98], 0.28, 0.4) > moving(video[58:98], 0.6, 0.72)


def test_a_format_keeps_the_speaker(data_dir: Path, tmp_path: Path) -> None:
    voice = spoken(tmp_path / "voice.wav", 0.4)
    common = ("render", "--avatar", "couple", "--audio", str(voice), "--data-dir", str(data_dir), "--format")
    said = visavis(*common, "9:16", "--speaker", "1", "-o", str(tmp_path / "tall.mp4"))
    assert "324×576" in said
    with pytest.raises(BadInput) as caught:
        visavis(*common, "9:16", "--speaker", "1", "--speaker", "0.2=0", "-o", str(tmp_path / "no.mp4"))
    assert caught.value.code == "bad_speaker" and "wider" in caught.value.remedy
    for format, speaker, code in (("2:1", "0", "bad_format"), ("1:1", "3", "bad_speaker")):
        with pytest.raises(BadInput) as caught:
            visavis(*common, format, "--speaker", speaker, "-o", str(tmp_path / "no.mp4"))
        assert caught.value.code == code
    assert not (tmp_path / "no.mp4").exists()


async def at_a_server(work: Callable[[Place, str], None]) -> None:
    """Run commands in a thread while a server with one session of two people runs."""
    async with place(renderer=CouplePainter(), library=CoupleLibrary()) as it:
        made = await it.http.post("/v1/sessions", json={"avatar_id": "couple"})
        await asyncio.to_thread(work, it, made.json()["id"])


async def test_sessions_are_listed_steered_recorded_and_replayed(tmp_path: Path) -> None:
    out = tmp_path / "motion.csv"

    def work(it: Place, id: str) -> None:
        server = ("--server", f"http://127.0.0.1:{it.port}")
        assert f"{id}  couple  idle  64×48  person 0 of 2 speaks" in visavis("session", "list", *server)
        visavis("session", "speaker", id, "1", *server)
        assert "person 1 of 2" in visavis("session", "list", *server)
        visavis("session", "record", id, "-o", str(out), "--seconds", "0.8", "--person", "1", *server)
        assert 10 <= len(read_motion(out).window) <= 40
        assert "frames" in visavis("session", "replay", id, str(out), "--person", "1", *server)
        for arguments, code in (
            (("record", id, "-o", str(out)), "output_exists"),
            (("record", id, "-o", str(tmp_path / "motion.txt")), "bad_output"),
            (("replay", id, str(tmp_path / "nothing.csv")), "motion_unreadable"),
            (("replay", id, str(out), "--person", "2"), "bad_speaker"),
            (("speaker", "nobody", "0"), "no_such_session"),
        ):
            with pytest.raises(VisavisError) as caught:
                visavis("session", *arguments, *server)
            assert caught.value.code == code and caught.value.remedy

    await at_a_server(work)


@pytest.mark.parametrize("server", ["http://127.0.0.1:9", "ftp://localhost", "localhost:8765"])
def test_without_a_server_it_is_said_what_to_do(server: str) -> None:
    with pytest.raises(VisavisError) as caught:
        visavis("session", "list", "--server", server)
    assert caught.value.code in ("unreachable", "bad_usage") and caught.value.remedy
