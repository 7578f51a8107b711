"""Voices through real codecs: in step, of the same length, and changed as such lines change them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import butter, correlate, sosfiltfilt

from speech_samples import sentence
from visavis_training.speech.codecs import Codec, available, round_trip

pytestmark = pytest.mark.unit


def envelope(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """How loud, smooth over some 3 ms; codecs keep it even where they do not keep the waveform."""
    low = butter(2, 150.0, "lowpass", fs=16_000, output="sos")
    loud: NDArray[np.float64] = sosfiltfilt(low, np.abs(samples.astype(np.float64)))
    return np.asarray(loud - loud.mean(), np.float64)


def test_the_usual_codecs_are_there() -> None:
    assert {"opus8", "opus24", "g711", "g722"} <= {codec.name for codec in available()}


@pytest.mark.parametrize("codec", available(), ids=lambda codec: str(codec.name))
def test_a_round_trip_is_in_step_within_a_millisecond(codec: Codec) -> None:
    samples, _ = sentence("en")
    heard = round_trip(samples, codec)
    assert heard.shape == samples.shape and heard.dtype == np.int16
    for part in (slice(0, len(samples) // 2), slice(len(samples) // 2, None)):
        sent, got = envelope(samples[part]), envelope(heard[part])
        fits = correlate(got, sent)
        lag = int(np.argmax(fits)) - (len(sent) - 1)
        assert abs(lag) <= 16
        assert fits.max() / np.sqrt(np.sum(sent**2) * np.sum(got**2)) > 0.9
    assert not np.array_equal(heard, samples)


def test_a_telephone_has_no_highs_and_a_short_voice_passes() -> None:
    codec = next(codec for codec in available() if codec.name == "g711")
    samples, _ = sentence("en")
    spectrum = np.abs(np.fft.rfft(round_trip(samples, codec).astype(np.float64))) ** 2
    assert spectrum[int(len(spectrum) * 4.3 / 8) :].sum() < 1e-3 * spectrum.sum()
    assert round_trip(samples[:7], codec).shape == (7,)
    assert round_trip(samples[:0], codec).shape == (0,)
