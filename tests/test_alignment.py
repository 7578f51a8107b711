"""Several aligners as one, kept and opened again; and which utterances are dropped for fitting badly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.unit
torch = pytest.importorskip("torch")

from visavis_models.voice.features import FEATURES  # noqa: E402
from visavis_training.speech import alignment  # noqa: E402
from visavis_training.speech.aligner import Aligner, load, mean_scores, save, scores_of  # noqa: E402
from visavis_training.speech.alignment import Fitted, drop_poor  # noqa: E402
from visavis_training.speech.phones import PHONES  # noqa: E402


def members(count: int) -> list[tuple[Aligner, np.ndarray]]:
    torch.manual_seed(3)
    return [(Aligner(), np.random.default_rng(n).dirichlet(np.ones(len(PHONES)))) for n in range(count)]


def inputs() -> list[np.ndarray]:
    source = np.random.default_rng(0)
    return [source.normal(size=(n, FEATURES)).astype(np.float16) for n in (40, 25)]


def test_scores_are_the_mean_of_all() -> None:
    both = members(2)
    alone = [scores_of(model, inputs(), prior) for model, prior in both]
    for i, mean in enumerate(mean_scores(both, inputs())):
        expected = (alone[0][i].astype(np.float32) + alone[1][i].astype(np.float32)) / 2
        np.testing.assert_allclose(mean, expected, atol=0.02)
    assert np.abs(alone[0][0] - alone[1][0]).max() > 0.1


def test_aligners_are_kept_and_opened_again(tmp_path: Path) -> None:
    both = members(2)
    save(both, tmp_path / "a.safetensors")
    opened = load(tmp_path / "a.safetensors")
    assert len(opened) == 2
    for one, other in zip(mean_scores(both, inputs()), mean_scores(opened, inputs()), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_file_of_one_aligner_without_a_number_is_opened(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    model, prior = members(1)[0]
    save_file({**model.state_dict(), "prior": torch.from_numpy(prior)}, tmp_path / "old.safetensors")
    opened = load(tmp_path / "old.safetensors")
    assert len(opened) == 1 and np.array_equal(opened[0][1], prior)


def test_utterances_are_compared_within_their_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was never learnt fits worse as a whole: that is no reason to drop it."""
    source = np.random.default_rng(0)
    rows = [{"engine": "kokoro", "language": "zh", "part": part} for part in ("train", "test") for _ in range(50)]
    monkeypatch.setattr(alignment, "_corpus", [(row, np.zeros(1, np.int16)) for row in rows])
    fitted = [Fitted([], (-0.2 if row["part"] == "train" else -0.8) + source.uniform(-0.05, 0.05)) for row in rows]
    fitted[3].score, fitted[70].score = -0.6, -2.0
    report = drop_poor(fitted)
    assert [i for i, each in enumerate(fitted) if not each.kept] == [3, 70]
    assert report["kokoro/zh/test"] == {"count": 50, "dropped": 1, "score": pytest.approx(-0.8, abs=0.05)}
