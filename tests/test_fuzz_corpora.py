"""What `benchmarks/fuzz.py` has kept: it reached something, or broke a parser once. Sent to each parser again."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz_seeds import SEEDS
from fuzz_targets import TARGETS

pytestmark = pytest.mark.unit

CORPORA = Path(__file__).parent / "data" / "fuzz"


def test_every_target_has_seeds_and_a_corpus_and_they_stay_small() -> None:
    assert set(SEEDS) == set(TARGETS) == {folder.name for folder in CORPORA.iterdir()}
    assert all(any(folder.iterdir()) for folder in CORPORA.iterdir())
    assert sum(path.stat().st_size for path in CORPORA.rglob("*")) < 300_000


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_that_was_kept_breaks_a_parser(target: str) -> None:
    for content in SEEDS[target]():
        TARGETS[target](content)
    for path in sorted((CORPORA / target).iterdir()):
        TARGETS[target](path.read_bytes())
