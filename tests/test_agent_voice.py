from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from agent_speech import about, at_48_khz, pcm, speech
from visavis_models.chunk import CHUNK_SAMPLES, PLAYBACK_SAMPLES
from visavis_models.errors import BadRequest, BadVoice
from visavis_server.agent_voice import MAX_SEGMENTS, AgentVoice, Ended, Interrupted, Progress, Started, VoiceEvent
from visavis_server.media import Published
from visavis_server.segment import RATES_HZ

pytestmark = pytest.mark.unit

PICTURE = np.zeros((2, 2, 3), np.uint8)


class Stage:
    """Ticks a voice as a session would, `delay` ticks between taking and publishing."""

    def __init__(self, buffer_s: float = 60.0, delay: int = 5) -> None:
        self.events: list[VoiceEvent] = []
        self.voice = AgentVoice(buffer_s, self.events.append)
        self.heard: list[NDArray[np.int16]] = []
        self.listened: list[NDArray[np.float32]] = []
        self._delay = delay
        self._tick = 0

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            raw = self.voice.take(self._tick)
            playback = np.zeros(PLAYBACK_SAMPLES, np.int16) if raw is None else raw.playback
            samples = np.zeros(CHUNK_SAMPLES, np.float32) if raw is None else raw.samples
            assert playback.shape == (PLAYBACK_SAMPLES,) and samples.shape == (CHUNK_SAMPLES,)
            self.heard.append(playback)
            self.listened.append(samples)
            self._tick += 1
            if self._tick > self._delay:
                self.voice.publish(Published(self._tick - 1 - self._delay, PICTURE, playback, False, 0))

    def say(self, samples: NDArray[np.int16], rate_hz: int, id: str | None = None, piece: int = 4000) -> None:
        self.voice.begin(id, rate_hz)
        data = pcm(samples)
        for at in range(0, len(data), piece):
            self.voice.push(data[at : at + piece], 1.0)
        self.voice.end()

    @property
    def sound(self) -> NDArray[np.int16]:
        return np.concatenate(self.heard)

    def of(self, kind: type[VoiceEvent]) -> list[VoiceEvent]:
        return [event for event in self.events if isinstance(event, kind)]


def likeness(a: NDArray[np.int16], b: NDArray[np.int16]) -> float:
    """Signal to difference in dB, over the length that both have."""
    count = min(a.size, b.size)
    x, y = a[:count].astype(float), b[:count].astype(float)
    return float(10 * np.log10((x**2).sum() / max(((x - y) ** 2).sum(), 1e-9)))


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_every_rate_is_heard_whole_without_clicks_at_the_borders_of_messages(rate_hz: int) -> None:
    stage, said = Stage(), speech(rate_hz)
    stage.say(said, rate_hz, piece=1411)  # odd: samples are cut in two
    stage.tick(200)
    assert likeness(at_48_khz(said, rate_hz), stage.sound) > 60
    assert stage.events[0] == Started("1")
    [ended] = stage.of(Ended)
    assert isinstance(ended, Ended) and ended.seconds == pytest.approx(said.size / rate_hz, abs=0.001)


def test_networks_hear_what_people_hear_two_milliseconds_late() -> None:
    stage = Stage()
    stage.say(speech(48000), 48000)
    stage.tick(200)
    heard, listened = stage.sound[::3].astype(float), np.concatenate(stage.listened) * 32768
    shifts = [float((heard[: -64 - 1] * listened[lag : lag + heard.size - 65]).sum()) for lag in range(64)]
    assert int(np.argmax(shifts)) == 32


def test_segments_follow_each_other_without_a_gap() -> None:
    said, stage = speech(24000), Stage()
    cuts = [0, 20_000, 20_500, 90_001, said.size]
    for begin, end in zip(cuts, cuts[1:], strict=False):
        stage.say(said[begin:end], 24000)
    stage.tick(200)
    assert likeness(at_48_khz(said, 24000), stage.sound) > 20
    assert [event.segment for event in stage.events if isinstance(event, Started | Ended)] == list("11223344")
    seconds = [event.seconds for event in stage.events if isinstance(event, Ended)]
    assert seconds == pytest.approx([(e - b) / 24000 for b, e in zip(cuts, cuts[1:], strict=False)], abs=0.001)


def test_an_empty_segment_ends_in_its_turn() -> None:
    stage = Stage()
    stage.say(speech(16000)[:16000], 16000)
    stage.say(np.zeros(0, np.int16), 16000)
    stage.say(speech(16000)[:160], 16000)
    stage.tick(60)
    kept = [(type(e).__name__, e.segment) for e in stage.events if not isinstance(e, Progress)]
    assert kept == [("Started", "1"), ("Ended", "1"), ("Ended", "2"), ("Started", "3"), ("Ended", "3")]


def test_speech_in_real_time_with_jitter_is_whole_after_its_cushion() -> None:
    said, stage, rng = speech(24000), Stage(), np.random.default_rng(5)
    stage.voice.begin("live", 24000)
    arrivals = sorted((i * 0.02 + float(rng.uniform(0.0, 0.04)), i) for i in range(said.size // 480))
    order = sorted(i for _, i in arrivals)
    for tick in range(220):
        while order and arrivals[len(arrivals) - len(order)][0] <= tick * 0.04:
            i = order.pop(0)
            stage.voice.push(pcm(said[i * 480 : i * 480 + 480]), tick * 0.04)
        if not order and stage.voice.open_segment:
            stage.voice.end()
        stage.tick()
    assert stage.voice.underruns == 0
    begun = int(np.argmax(np.abs(stage.sound) > 0))
    assert begun < 48000 * 0.4


def test_a_voice_that_breaks_off_neither_clicks_nor_loses_anything() -> None:
    wave = (np.sin(2 * np.pi * 200 * np.arange(48000 * 2) / 48000 + 1.0) * 20000).astype(np.int16)
    stage = Stage()
    stage.voice.begin(None, 48000)
    stage.voice.push(pcm(wave[:48000]), 0.0)
    stage.tick(40)
    stage.voice.push(pcm(wave[48000:]), 0.0)
    stage.voice.end()
    stage.tick(60)
    steepest = int(np.abs(np.diff(wave.astype(int))).max())
    jumps = np.abs(np.diff(stage.sound[100:].astype(int)))  # the wave's own beginning is a step
    assert stage.voice.underruns == 1
    assert jumps.max() <= 2 * steepest
    [ended] = stage.of(Ended)
    assert isinstance(ended, Ended) and ended.seconds == pytest.approx(2.0, abs=0.001)


def test_an_interruption_tells_what_left_the_session_and_ignores_the_rest_of_the_segment() -> None:
    stage, said = Stage(delay=5), speech(16000)
    stage.say(said[:32000], 16000, "first")
    stage.say(said[:16000], 16000, "second")
    stage.voice.begin("open", 16000)
    stage.voice.push(pcm(said), 0.0)
    stage.tick(30)
    stage.voice.interrupted(1)
    assert stage.of(Interrupted) == [
        Interrupted("first", 25 * 0.04),
        Interrupted("second", 0.0),
        Interrupted("open", 0.0),
    ]
    assert not stage.voice.push(pcm(said), 0.0)
    stage.voice.end()
    count = len(stage.heard)
    stage.tick(20)
    assert not stage.sound[count * PLAYBACK_SAMPLES :].any() and not stage.voice.busy
    stage.say(said[:16000], 16000, "next")
    stage.tick(40)
    assert stage.events[-2:] == [Started("next"), Ended("next", 1.0)] or stage.events[-1] == Ended("next", 1.0)


def test_an_interruption_of_nothing_is_answered() -> None:
    stage = Stage()
    stage.voice.interrupted(1)
    assert stage.events == [Interrupted(None, 0.0)]


def test_a_segment_that_was_handed_out_but_not_heard_is_interrupted_once() -> None:
    stage = Stage(delay=5)
    stage.say(speech(16000)[:1280], 16000, "short")
    stage.tick(4)
    stage.voice.interrupted(1)
    stage.tick(20)
    assert stage.events == [Interrupted("short", 0.0)]


def test_clear_forgets_what_has_not_begun() -> None:
    stage, said = Stage(), speech(16000)
    stage.say(said[:32000], 16000, "spoken")
    stage.say(said[:16000], 16000, "waits")
    stage.tick(10)
    stage.voice.clear()
    stage.tick(80)
    kept = [event for event in stage.events if not isinstance(event, Progress)]
    assert kept == [Started("spoken"), Interrupted("waits", 0.0), Ended("spoken", 2.0)]


def test_more_than_the_buffer_is_refused_and_what_was_taken_is_spoken() -> None:
    stage, said = Stage(buffer_s=2.0), speech(16000)
    stage.voice.begin("long", 16000)
    stage.voice.push(pcm(said[:30_000]), 0.0)
    with pytest.raises(BadRequest, match="2 s of speech") as refused:
        stage.voice.push(pcm(said[30_000:36_000]), 0.0)
    assert refused.value.code == "buffer_full"
    assert not stage.voice.push(pcm(said[:160]), 0.0)
    stage.voice.end()
    stage.tick(80)
    assert stage.events[-1] == Ended("long", about(30_000 / 16000))


def test_the_number_of_segments_is_bounded() -> None:
    stage = Stage()
    for _ in range(MAX_SEGMENTS):
        stage.say(np.zeros(0, np.int16), 16000)
    with pytest.raises(BadRequest) as refused:
        stage.voice.begin(None, 16000)
    assert refused.value.code == "too_many_segments"
    stage.tick(10)
    assert len(stage.of(Ended)) == MAX_SEGMENTS and not stage.voice.busy


def test_progress_comes_twice_a_second_and_says_what_waits() -> None:
    stage = Stage()
    stage.say(speech(16000)[:64000], 16000)
    stage.tick(120)
    told = [(event.seconds, event.waiting_s) for event in stage.events if isinstance(event, Progress)]
    assert len(told) == 8
    assert all(seconds + waiting == pytest.approx(4.0, abs=0.01) for seconds, waiting in told)


def test_what_cannot_be_speech_is_refused() -> None:
    stage = Stage()
    for rate_hz in (0, -1, 7999, 12345, 96000, 10**9):
        with pytest.raises(BadVoice) as rate:
            stage.voice.begin(None, rate_hz)
        assert rate.value.code == "bad_sample_rate" and str(rate_hz) in rate.value.message
    with pytest.raises(BadRequest, match="outside"):
        stage.voice.push(b"\0\0", 0.0)
    with pytest.raises(BadRequest, match="No segment"):
        stage.voice.end()
    stage.voice.begin("a", 16000)
    with pytest.raises(BadRequest, match="still to be spoken"):
        stage.voice.begin("a", 16000)
    stage.voice.begin("b", 16000)
    stage.voice.push(bytes(321), 0.0)
    with pytest.raises(BadRequest, match="within a sample"):
        stage.voice.end()
    stage.tick(10)
    assert stage.events == [Ended("a", 0.0), Started("b"), Ended("b", about(0.01))]


def test_a_segment_whose_beginning_is_too_short_to_speak_is_starved() -> None:
    stage = Stage()
    stage.voice.begin(None, 16000)
    stage.voice.push(pcm(speech(16000)[:320]), 0.0)
    stage.tick(10)
    starved = [stage.voice.starved]
    stage.voice.end()
    assert [*starved, stage.voice.starved] == [True, False]
    stage.tick(10)
    assert stage.events[-1] == Ended("1", about(0.02))
