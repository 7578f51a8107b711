"""The speech encoder's three memories: streamed or whole is the same, nothing hears the future, losses have slopes."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")

from visavis_models.voice.answers import OUTPUTS  # noqa: E402
from visavis_models.voice.features import FEATURES  # noqa: E402
from visavis_models.voice.phones import PHONES  # noqa: E402
from visavis_training.speech.losses import EncoderLoss, Targets  # noqa: E402
from visavis_training.speech.network import NAMED, SpeechEncoder  # noqa: E402

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("shape", sorted(NAMED))
def test_streamed_chunk_by_chunk_is_the_same_as_whole(shape: str) -> None:
    torch.manual_seed(0)
    model = SpeechEncoder(NAMED[shape]).eval()
    features = torch.randn(2, 4 * 40, FEATURES)
    state = torch.zeros(2, model.state_size)
    with torch.no_grad():
        whole, last = model(features, state)
        pieces = []
        for t in range(40):
            piece, state = model(features[:, 4 * t : 4 * t + 4], state)
            pieces.append(piece)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(state, last, atol=1e-5, rtol=1e-5)
    assert whole.shape == (2, 40, OUTPUTS)


@pytest.mark.parametrize("shape", sorted(NAMED))
def test_nothing_hears_the_future(shape: str) -> None:
    torch.manual_seed(0)
    model = SpeechEncoder(NAMED[shape]).eval()
    features = torch.randn(1, 4 * 40, FEATURES)
    changed = features.clone()
    changed[:, 4 * 25 :] += 1.0
    with torch.no_grad():
        one, _ = model(features, torch.zeros(1, model.state_size))
        other, _ = model(changed, torch.zeros(1, model.state_size))
    torch.testing.assert_close(one[:, :25], other[:, :25])
    assert (one[:, 25] - other[:, 25]).abs().max() > 1e-4


@pytest.mark.parametrize("speech", [0.0, 1.0])
def test_every_weight_has_a_finite_slope_even_where_nobody_speaks(speech: float) -> None:
    torch.manual_seed(0)
    model = SpeechEncoder(NAMED["gru-small"])
    still, frames = torch.zeros(2, 30), torch.full((2, 30), speech)
    true = Targets(still[..., None].expand(2, 30, 15), still.long(), frames, frames, still, still)
    scores, _ = model(torch.full((2, 120, FEATURES), -2.0), torch.zeros(2, model.state_size))
    parts = EncoderLoss(np.ones(len(PHONES)))(scores, true)
    torch.stack(list(parts.values())).sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())
