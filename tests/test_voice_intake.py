from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from visavis_models.errors import BadVoice
from visavis_server.voice_intake import MAX_WAITING_MS, ChunkCutter, VoiceIntake

pytestmark = pytest.mark.unit
DATA = Path(__file__).parent / "data"


def tone(rate_hz: int, seconds: float, pitch_hz: float = 440.0) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return (np.sin(2 * np.pi * pitch_hz * np.arange(int(rate_hz * seconds)) / rate_hz) * 12000).astype(np.int16)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100, 48000])
def test_every_rate_becomes_the_same_tone_at_both_rates(rate_hz: int) -> None:
    cutter, voice = ChunkCutter(rate_hz), tone(rate_hz, 2.0)
    chunks = []
    for start in range(0, voice.size, 311):
        chunks += cutter.push(voice[start : start + 311])
    chunks += cutter.flush()
    assert abs(len(chunks) - 50) <= 1
    for samples, rate in (
        (np.concatenate([c.samples for c in chunks[5:45]]), 16000),
        (np.concatenate([c.playback for c in chunks[5:45]]) / 32768, 48000),
    ):
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
        assert np.argmax(spectrum) * rate / samples.size == pytest.approx(440, abs=2)
        assert np.abs(samples).max() == pytest.approx(12000 / 32768, rel=0.05)


def test_both_rates_stay_aligned() -> None:
    voice = np.zeros(48000, np.int16)
    voice[24000:24048] = 20000
    cutter = ChunkCutter(48000)
    chunks = cutter.push(voice) + cutter.flush()
    heard = np.concatenate([c.samples for c in chunks])
    played = np.concatenate([c.playback for c in chunks])
    assert np.argmax(np.abs(played)) / 48 == pytest.approx(500, abs=1)
    assert np.argmax(np.abs(heard)) / 16 == pytest.approx(500, abs=2)


def test_a_voice_far_faster_than_real_time_keeps_its_newest_part_and_counts_the_rest() -> None:
    intake = VoiceIntake()
    for _ in range(100):
        intake.push(tone(48000, 0.1), 48000, 1.0)
    assert intake.dropped_chunks == pytest.approx(250 - MAX_WAITING_MS / 40, abs=1)


def test_a_calm_voice_waits_less_than_two_chunks() -> None:
    intake, waits, held = VoiceIntake(), [], []
    packet = tone(48000, 0.02)
    for tick in range(500):
        for half in (0.0, 0.02):
            intake.push(packet, 48000, tick * 0.04 + half)
        chunk = intake.take()
        held.append(chunk is None)
        if chunk is not None:
            waits.append(tick * 0.04 + 0.02 - chunk.arrived_s)
    assert sum(held) <= 1
    assert intake.underruns == 0
    assert max(waits) <= 0.061


def test_jitter_makes_the_cushion_grow_until_the_voice_is_whole() -> None:
    intake, rng = VoiceIntake(), np.random.default_rng(1)
    packet, breaks = tone(48000, 0.02), []
    arrivals = sorted(i * 0.02 + float(rng.uniform(0, 0.09)) for i in range(3000))
    for tick in range(1500):
        while arrivals and arrivals[0] <= tick * 0.04:
            intake.push(packet, 48000, arrivals.pop(0))
        intake.take()
        breaks.append(intake.underruns)
    assert breaks[-1] - breaks[500] <= 2


def test_silence_lets_the_buffer_shrink_again() -> None:
    intake = VoiceIntake()
    intake.push(np.zeros(48000 * 3 // 10, np.int16), 48000, 0.0)
    for tick in range(100):
        intake.push(np.zeros(1920, np.int16), 48000, tick * 0.04)
        chunk = intake.take()
    assert chunk is not None
    assert 99 * 0.04 - chunk.arrived_s <= 0.08


@pytest.mark.parametrize("rate_hz", [0, -1, 4000, 1_000_000])
def test_an_impossible_rate_is_refused(rate_hz: int) -> None:
    with pytest.raises(BadVoice, match="rate"):
        VoiceIntake().push(np.zeros(10, np.int16), rate_hz, 0.0)
