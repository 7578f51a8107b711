"""Missing voice: no clicks, nothing longer or shorter, and a vowel that goes on."""

from __future__ import annotations

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from test_rtc_microphone import Hearing, _packets, speech
from visavis_server.concealment import Concealer, pitch_period
from visavis_server.voice_intake import VoiceIntake

pytestmark = pytest.mark.unit


def clicks(voice: NDArray[np.int16]) -> int:
    """Sudden bends that stand three times above everything within 10 ms round them."""
    bends, count, last = np.abs(np.diff(voice.astype(np.float64), 2)), 0, -1000
    for at in np.nonzero(bends > 600)[0]:
        around = np.concatenate([bends[max(0, at - 480) : max(0, at - 8)], bends[at + 9 : at + 480]])
        if around.size and bends[at] > 3.0 * around.max() and at - last > 100:
            count, last = count + 1, int(at)
    return count


def vowel(seconds: float, pitch_hz: float = 140.0) -> NDArray[np.int16]:
    t = np.arange(int(48_000 * seconds)) / 48_000
    voice = np.sum([np.sin(2 * np.pi * pitch_hz * n * t + n) / n for n in range(1, 12)], axis=0)
    return np.asarray(4000 * voice, np.int16)


def test_the_measure_finds_clicks_where_voice_is_cut_out() -> None:
    voice = speech(6.0).copy()
    assert clicks(voice) == 0
    for n in range(10, 250, 10):
        voice[960 * n : 960 * (n + 1)] = 0
    assert clicks(voice) >= 5


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2])
def test_lost_packets_do_not_click_and_keep_the_voices_length(share: float) -> None:
    packets, found = _packets(speech(6.0)), 0
    for seed in range(3):
        hearing, dice = Hearing(), random.Random(seed)
        for n, data in enumerate(packets):
            hearing.now_s += 0.020
            if n < 5 or n > len(packets) - 5 or dice.random() >= share:
                hearing.feed(n, data, after_s=0.0)
        assert len(hearing.voice) == 960 * len(packets)
        found += clicks(hearing.voice)
    assert found <= 4  # consonants right before a gap count too: 1 in 20 s


def test_a_vowel_goes_on_where_a_packet_is_missing() -> None:
    whole, concealer = vowel(0.3), Concealer()
    assert pitch_period(whole[:4800].astype(np.float32)) in (342, 343, 344, 684, 685, 686, 687, 688)
    concealer.heard(whole[:9600])
    made = concealer.missing(960)
    assert np.corrcoef(made, whole[9600:10560])[0, 1] > 0.95
    back = concealer.heard(whole[10560:11520])
    assert np.array_equal(back[240:], whole[10800:11520])
    assert clicks(np.concatenate([whole[:9600], made, back])) == 0


def test_what_stays_away_fades_to_silence() -> None:
    concealer = Concealer()
    concealer.heard(vowel(0.2))
    pieces = [np.abs(concealer.missing(960).astype(int)).max() for _ in range(7)]
    assert pieces[0] > 4000 and pieces == sorted(pieces, reverse=True) and pieces[-1] == 0


def test_before_any_voice_there_is_silence() -> None:
    concealer = Concealer()
    assert not concealer.missing(960).any()
    soft = concealer.heard(np.full(960, 8000, np.int16))
    assert soft[0] == 0 and soft[-1] == 8000


def test_jitter_up_to_100_ms_is_ridden_out_and_ends_without_clicks() -> None:
    packets, hearing, intake, dice = _packets(speech(6.0)) * 3, Hearing(), VoiceIntake(), random.Random(4)
    arrivals = sorted((0.020 * n + 0.1 * dice.random(), n) for n in range(len(packets)))
    came, ticks, at, heard = [], 0, 0, 0
    while ticks * 0.04 < 0.020 * len(packets):
        ticks += 1
        while at < len(arrivals) and arrivals[at][0] <= ticks * 0.04:
            hearing.now_s = 100.0 + arrivals[at][0]
            hearing.feed(arrivals[at][1], packets[arrivals[at][1]], after_s=0.0)
            at += 1
        for samples in hearing.heard[heard:]:
            intake.push(samples, 48_000, hearing.now_s)
        heard = len(hearing.heard)
        chunk = intake.take()
        came.append(np.zeros(1920, np.int16) if chunk is None else chunk.playback)
    late = [n for n in came[25 * 10 :] if not n.any()]
    assert hearing.microphone.patience_ms >= 80
    assert hearing.microphone.lost < 0.05 * len(packets)
    assert len(late) < 0.1 * len(came)
    assert clicks(np.concatenate(came)) <= 3


def test_a_voice_that_breaks_off_fades_and_comes_back_softly() -> None:
    intake, voice = VoiceIntake(), vowel(1.0)
    intake.push(voice[: 1920 * 4], 48_000, 1.0)
    taken = [intake.take() for _ in range(7)]
    assert [chunk is None for chunk in taken] == [False] * 4 + [True] * 3
    assert taken[3] is not None and abs(int(taken[3].playback[-1])) < 20 and taken[3].arrived_s == 0.0
    intake.push(voice[1920 * 4 :], 48_000, 1.2)
    back = intake.take()
    assert back is not None and abs(int(back.playback[0])) < 50
    pieces = [chunk.playback if chunk is not None else np.zeros(1920, np.int16) for chunk in (*taken, back)]
    assert clicks(np.concatenate(pieces)) == 0


def test_after_an_interruption_nothing_of_the_old_voice_is_made_up() -> None:
    intake = VoiceIntake()
    intake.push(vowel(1.0)[: 1920 * 6], 48_000, 1.0)
    assert intake.take() is not None
    intake.clear()
    assert intake.take() is None
