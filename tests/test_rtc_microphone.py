"""The browser's voice: order, loss, floods and rubbish."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from visavis_server.rtc.encoders import OpusVoiceEncoder
from visavis_server.rtc.media_clock import MediaClock
from visavis_server.rtc.microphone import Microphone

pytestmark = pytest.mark.unit

SPEECH = Path(__file__).parent / "data" / "speech_en.flac"


def speech(seconds: float = 3.0) -> NDArray[np.int16]:
    """The English sample at 48 kHz, cut to whole packets."""
    with av.open(str(SPEECH)) as container:
        resampler = av.AudioResampler("s16", "mono", 48_000)
        pieces = [r.to_ndarray().reshape(-1) for f in container.decode(audio=0) for r in resampler.resample(f)]
    samples = np.concatenate(pieces)
    return samples[: int(seconds * 50) * 960].astype(np.int16)


def _packets(samples: NDArray[np.int16]) -> list[bytes]:
    encoder = OpusVoiceEncoder()
    return [encoder.encode(samples[at : at + 960], at)[0] for at in range(0, len(samples), 960)]


class Hearing:
    """A microphone fed by hand, on a clock that runs 20 ms a packet."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.heard: list[NDArray[np.int16]] = []
        self.arrivals: list[float] = []
        self.microphone = Microphone(self._hear, clock=lambda: self.now_s)

    def _hear(self, samples: NDArray[np.int16], rate_hz: int, arrived_s: float) -> None:
        assert rate_hz == 48_000
        assert samples.dtype == np.int16 and samples.ndim == 1
        self.heard.append(samples)
        self.arrivals.append(arrived_s)

    def feed(self, sequence: int, data: bytes, *, ssrc: int = 1, after_s: float = 0.020) -> None:
        self.now_s += after_s
        self.microphone.take(ssrc, sequence & 0xFFFF, data)

    @property
    def voice(self) -> NDArray[np.int16]:
        return np.concatenate(self.heard)


def test_speech_comes_through_at_once_and_whole() -> None:
    samples, hearing = speech(), Hearing()
    for n, data in enumerate(_packets(samples)):
        hearing.feed(65_500 + n, data)  # the sequence number wraps on the way
        assert len(hearing.heard) == n + 1
        assert hearing.arrivals[-1] == hearing.now_s
    assert len(hearing.voice) == len(samples)
    delayed = hearing.voice[312:].astype(float)  # the codec's own delay
    assert np.corrcoef(delayed, samples[: len(delayed)].astype(float))[0, 1] > 0.85
    assert hearing.microphone.lost == 0


def test_packets_out_of_order_sound_the_same() -> None:
    packets = _packets(speech(1.0))
    straight, shuffled = Hearing(), Hearing()
    order = list(range(len(packets)))
    for n in range(5, len(order) - 2, 9):
        order[n], order[n + 1] = order[n + 1], order[n]
    for n in range(len(packets)):
        straight.feed(n, packets[n])
        shuffled.feed(order[n], packets[order[n]])
    assert np.array_equal(straight.voice, shuffled.voice)
    assert shuffled.microphone.lost == 0


def test_repeated_and_late_packets_change_nothing() -> None:
    packets, hearing = _packets(speech(0.4)), Hearing()
    for n, data in enumerate(packets):
        hearing.feed(n, data)
        hearing.feed(n, data, after_s=0.0)
        hearing.feed(n - 3, data, after_s=0.0)
    assert len(hearing.heard) == len(packets)


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_lost_packets_leave_no_hole_in_time(share: float) -> None:
    packets, hearing, dice = _packets(speech()), Hearing(), random.Random(1)
    kept = [n for n in range(len(packets)) if n < 5 or n > len(packets) - 5 or dice.random() >= share]
    for n in range(len(packets)):
        hearing.now_s += 0.020
        if n in kept:
            hearing.feed(n, packets[n], after_s=0.0)
    assert len(hearing.voice) == 960 * len(packets)
    assert hearing.microphone.lost == len(packets) - len(kept)
    assert np.abs(np.diff(hearing.voice.astype(int))).max() < 30_000


def test_after_a_long_gap_only_the_beginning_is_filled() -> None:
    packets, hearing = _packets(speech(1.0)), Hearing()
    hearing.feed(0, packets[0])
    for n in range(30, 40):
        hearing.feed(n, packets[n])
    assert hearing.microphone.lost == 29
    assert len(hearing.heard) == 1 + 5 + 10


def test_a_new_source_or_a_restart_begins_at_once() -> None:
    packets, hearing = _packets(speech(0.2)), Hearing()
    hearing.feed(10, packets[0])
    hearing.feed(40_000, packets[1])
    hearing.feed(7, packets[2], ssrc=2)
    assert len(hearing.heard) == 3
    assert hearing.microphone.lost == 0


def test_voice_faster_than_real_time_is_refused_and_counted() -> None:
    packets, hearing = _packets(speech()), Hearing()
    for n in range(3000):  # a minute of voice in three seconds
        hearing.feed(n, packets[n % len(packets)], after_s=0.001)
    assert len(hearing.voice) <= 48_000 * (1.0 + 3.0 * 1.25) + 960
    assert hearing.microphone.refused > 2000


def test_rubbish_is_counted_and_does_not_stop_the_voice() -> None:
    packets, hearing, dice = _packets(speech(1.0)), Hearing(), random.Random(5)
    for n, data in enumerate(packets):
        hearing.feed(n, dice.randbytes(dice.randint(0, 400)) if n % 3 == 1 else data)
    good = len([n for n in range(len(packets)) if n % 3 != 1])
    assert len(hearing.heard) >= good
    hearing.feed(len(packets), packets[0])
    assert len(hearing.heard) > good


def test_both_media_are_reported_on_one_line() -> None:
    clock = MediaClock()
    assert clock.media_s(5.0) is None
    assert clock.tick(10, now_s=100.0, wall_s=1_700_000_000.0)
    assert clock.tick(11, now_s=107.0, wall_s=1_800_000_000.0)  # a stall and a step of the wall clock change nothing
    assert clock.media_s(100.0) == pytest.approx(0.4)
    assert clock.media_s(101.0) == pytest.approx(1.4)
    seconds = Fraction(clock.ntp(101.0), 2**32)
    assert float(seconds - 2_208_988_800) == pytest.approx(1_700_000_001.0, abs=1e-5)
    assert not clock.tick(11, now_s=107.0, wall_s=1.0)  # the delay has shrunk: players have no place for it
    assert clock.tick(12, now_s=107.0, wall_s=1.0)
