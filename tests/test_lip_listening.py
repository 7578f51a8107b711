"""Recordings heard together are heard as each would be alone."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from lip_listening import listened  # noqa: E402

pytestmark = pytest.mark.weights


def test_together_is_as_alone() -> None:
    source = np.random.default_rng(0)
    waves = [(0.1 * source.standard_normal(n)).astype(np.float32) for n in (16_000, 9_999, 640 * 7)]
    together = listened(waves)
    assert [len(heard.face) for heard in together] == [25, 15, 7]
    for wave, heard in zip(waves, together, strict=True):
        alone = listened([wave])[0]
        np.testing.assert_allclose(heard.face, alone.face, atol=2e-3)
        np.testing.assert_allclose(heard.visemes, alone.visemes, atol=2e-3)
