"""The voice of a show against real files, with the clock of a session turned by hand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from agent_speech import speech
from rtc_loopback import until
from show_files import spoken, wave, write_sound
from visavis_models.chunk import CHUNK_SAMPLES, PLAYBACK_SAMPLES
from visavis_server.media import Published
from visavis_server.play_list import items_of
from visavis_server.play_order import PlayOrder
from visavis_server.play_voice import AHEAD_S, Finished, ItemEnded, ItemProgress, ItemStarted, PlayVoice, VoiceEvent
from visavis_server.player import ItemFailed, Player

pytestmark = pytest.mark.unit

PICTURE = np.zeros((2, 2, 3), np.uint8)
DELAY = 5


class Stage:
    """Ticks a show's voice as a session would, as fast as it can, `DELAY` ticks between taking and publishing."""

    def __init__(self, *paths: Path, pause_s: float = 0.0, loop: bool = False) -> None:
        self.events: list[VoiceEvent | ItemFailed] = []
        self.voice = PlayVoice(self.events.append)
        self.player = Player(PlayOrder(items_of(paths), loop=loop), self.voice, pause_s, self.events.append)
        self.heard: list[NDArray[np.int16]] = []
        self.quiet: list[bool] = []
        self._line: list[NDArray[np.int16]] = []
        self._tick = 0

    async def tick(self, count: int = 1, *, patient: bool = True) -> None:
        for _ in range(count):
            if patient:  # the machine may be busy; a session would not wait
                await until(lambda: self.voice.waiting_s > 0.5 or self.reader_rests, 10)
            raw = self.voice.take(self._tick)
            voice = np.zeros(PLAYBACK_SAMPLES, np.int16) if raw is None else raw.playback
            if raw is not None:
                assert raw.samples.shape == (CHUNK_SAMPLES,) and voice.shape == (PLAYBACK_SAMPLES,)
            self.quiet.append(raw is None)
            self._line.append(voice)
            self._tick += 1
            if len(self._line) > DELAY:
                self.heard.append(self._line.pop(0))
                self.voice.publish(Published(self._tick - 1 - DELAY, PICTURE, self.heard[-1], False, 0))
            await asyncio.sleep(0)

    reader_rests = False

    def interrupt(self) -> None:
        """As `Session.interrupt` does."""
        self.voice.interrupted(1)
        self._line = [np.zeros_like(voice) for voice in self._line]

    @property
    def sound(self) -> NDArray[np.int16]:
        return np.concatenate(self.heard)

    def told(self) -> list[str]:
        words = []
        for event in self.events:
            if isinstance(event, ItemStarted):
                words.append(f"started {event.playing.item.path.stem}")
            elif isinstance(event, ItemEnded):
                words.append(f"{event.how} {event.playing.item.path.stem}")
            elif isinstance(event, ItemFailed):
                words.append(f"failed {event.item.path.stem}")
            elif isinstance(event, Finished):
                words.append("finished")
        return words


@asynccontextmanager
async def stage(*paths: Path, pause_s: float = 0.0, loop: bool = False) -> AsyncIterator[Stage]:
    it = Stage(*paths, pause_s=pause_s, loop=loop)
    it.player.start()
    try:
        yield it
    finally:
        await it.player.aclose()
        it.voice.close()


def same(a: NDArray[np.int16], b: NDArray[np.int16]) -> bool:
    """To the sample, but for rounding."""
    return a.shape == b.shape and int(np.abs(a.astype(int) - b).max()) <= 1


async def rest(it: Stage) -> None:
    """Everything that there is was read."""
    await until(lambda: it.voice.finishing or it.voice.waiting_s >= AHEAD_S, 10)
    it.reader_rests = True


async def test_files_of_one_tone_follow_each_other_without_a_lost_or_added_sample(tmp_path: Path) -> None:
    whole = wave(2.0, 220.0)
    cuts = [0, 33_333, 33_334, 70_001, whole.size]  # one of them is a single sample
    paths = [
        write_sound(tmp_path / f"{n}.wav", whole[a:b]) for n, (a, b) in enumerate(zip(cuts, cuts[1:], strict=False))
    ]
    async with stage(*paths) as it:
        await rest(it)
        await it.tick(65)
        assert same(it.sound[: whole.size], whole)
        assert np.abs(it.sound[whole.size + 240 :]).max() == 0
        assert it.told() == [f"{what} {n}" for n in range(4) for what in ("started", "ended")] + ["finished"]
        lengths = [event.position_s for event in it.events if isinstance(event, ItemEnded)]
        assert lengths == [(b - a) / 48_000 for a, b in zip(cuts, cuts[1:], strict=False)]


@pytest.mark.parametrize("kind", ["flac", "mp3", "m4a", "opus"])
async def test_what_encoders_add_is_not_heard_between_two_files(tmp_path: Path, kind: str) -> None:
    whole = wave(2.0, 440.0)
    half = whole.size // 2
    paths = [write_sound(tmp_path / f"{n}.{kind}", part) for n, part in enumerate((whole[:half], whole[half:]))]
    async with stage(*paths) as it:
        await rest(it)
        await it.tick(60)
        seam = it.sound[half - 4800 : half + 4800].astype(float)
        loudness = [float(np.sqrt((part**2).mean())) for part in np.split(seam, 40)]  # of 5 ms each
        assert min(loudness) > 0.6 * 9000 / 2**0.5, loudness
        [first, _] = [event for event in it.events if isinstance(event, ItemEnded)]
        assert first.position_s == pytest.approx(1.0, abs=0.03)


async def test_between_items_there_is_exactly_the_pause_and_the_avatar_may_idle(tmp_path: Path) -> None:
    tone = wave(0.5, 300.0)
    paths = [write_sound(tmp_path / f"{n}.wav", tone) for n in range(2)]
    async with stage(*paths, pause_s=0.7) as it:
        await rest(it)
        await it.tick(70)
        again = tone.size + round(0.7 * 48_000)
        assert same(it.sound[: tone.size], tone)
        assert np.abs(it.sound[tone.size + 240 : again]).max() == 0
        assert same(it.sound[again : again + tone.size], tone)
        assert sum(it.quiet[13:28]) >= 12, "no chunk is handed out in a pause: the avatar idles"


async def test_networks_hear_what_people_hear(tmp_path: Path) -> None:
    async with stage(write_sound(tmp_path / "a.wav", speech(48_000))) as it:
        await rest(it)
        listened = []
        for n in range(40):
            raw = it.voice.take(n)
            assert raw is not None
            listened.append((raw.samples, raw.playback))
        heard = np.concatenate([voice for _, voice in listened])[::3].astype(float)
        networks = np.concatenate([samples for samples, _ in listened]) * 32768
        assert np.corrcoef(heard[:-32], networks[32:])[0, 1] > 0.9


async def test_a_broken_file_is_told_and_passed_over(tmp_path: Path) -> None:
    (tmp_path / "text.mp3").write_text("this is not sound")
    (tmp_path / "nothing.wav").write_bytes(b"")
    (tmp_path / "live.mp3").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/x.ts\n")
    (tmp_path / "files.wav").write_text(f"ffconcat version 1.0\nfile '{spoken(tmp_path / 'spoken.wav')}'\n")
    cut = spoken(tmp_path / "cut.flac", 2.0)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    good = spoken(tmp_path / "good.wav", 0.4)
    gone = tmp_path / "gone.wav"
    gone.write_bytes(good.read_bytes())
    names = ["text.mp3", "nothing.wav", "live.mp3", "files.wav", "gone.wav", "cut.flac", "good.wav"]
    it = Stage(*[tmp_path / name for name in names])
    gone.unlink()
    it.player.start()
    await rest(it)
    await it.tick(60)
    await it.player.aclose()
    it.voice.close()
    told = it.told()
    assert told[:5] == ["failed text", "failed nothing", "failed live", "failed files", "failed gone"]
    assert told[5:] == ["started cut", "ended cut", "started good", "ended good", "finished"]
    for event in it.events:
        if isinstance(event, ItemFailed):
            assert event.error.code in ("voice_unreadable", "voice_empty") and event.error.remedy


async def test_a_file_that_changes_its_rate_in_the_middle_is_heard_whole(tmp_path: Path) -> None:
    chained = (
        spoken(tmp_path / "a.opus", 0.5).read_bytes()
        + write_sound(tmp_path / "b.opus", speech(16_000)[:16_000], 16_000).read_bytes()
    )
    (tmp_path / "chained.opus").write_bytes(chained)
    async with stage(tmp_path / "chained.opus", spoken(tmp_path / "c.wav", 0.2)) as it:
        await rest(it)
        await it.tick(60)
        [first, second] = [event for event in it.events if isinstance(event, ItemEnded)]
        assert first.position_s == pytest.approx(1.5, abs=0.1) and second.playing.item.name == "c.wav"


async def test_skipping_ends_one_item_only_even_at_the_seam_to_the_next(tmp_path: Path) -> None:
    paths = [write_sound(tmp_path / f"{n}.wav", wave(1.0, 200.0 + 100 * n)) for n in range(3)]
    async with stage(*paths) as it:
        await rest(it)
        await it.tick(27)  # 25 ticks of the first are taken, the second has begun, nothing of it was published
        it.interrupt()
        await it.tick(80)
        assert it.told() == [
            "started 0", "skipped 0", "started 1", "ended 1", "started 2", "ended 2", "finished",
        ]  # fmt: skip
        ends = [event.position_s for event in it.events if isinstance(event, ItemEnded)]
        assert ends == [22 * 0.04, 1.0, 1.0], "the second is heard whole"


async def test_skipping_goes_on_at_once_and_stops_reading(tmp_path: Path) -> None:
    paths = [write_sound(tmp_path / "long.wav", wave(20.0, 200.0)), write_sound(tmp_path / "b.wav", wave(0.5, 500.0))]
    async with stage(*paths, pause_s=30.0) as it:
        await it.tick(30)
        it.interrupt()
        await until(lambda: it.voice.waiting_s > 0.4, 5)
        it.reader_rests = True
        await it.tick(25)
        assert it.told() == ["started long", "skipped long", "started b", "ended b", "finished"]


async def test_a_pause_holds_the_place_without_a_click(tmp_path: Path) -> None:
    tone = wave(2.0, 150.0)
    async with stage(write_sound(tmp_path / "a.wav", tone)) as it:
        await rest(it)
        await it.tick(20)
        it.voice.paused = True
        await it.tick(20)
        it.voice.paused = False
        await it.tick(45)
        sound = it.sound
        steps = np.abs(np.diff(sound.astype(int))).max()
        assert steps < 400, "a tone of 150 Hz has no larger steps"
        held = 20 * PLAYBACK_SAMPLES
        assert same(sound[:held], tone[:held])
        assert np.abs(sound[held + 240 : 2 * held]).max() == 0
        assert same(sound[2 * held + 240 : tone.size + held], tone[held + 240 :])
        [ended] = [event for event in it.events if isinstance(event, ItemEnded)]
        assert ended.position_s == 2.0


async def test_a_show_that_loops_goes_round_and_can_be_told_to_stop(tmp_path: Path) -> None:
    async with stage(spoken(tmp_path / "a.wav", 0.3), spoken(tmp_path / "b.wav", 0.3), loop=True) as it:
        await it.tick(100)
        assert it.told()[:8] == ["started a", "ended a", "started b", "ended b"] * 2
        it.player.loop(False)
        await rest(it)
        await it.tick(200)
        assert it.told()[-1] == "finished" and it.told()[-2] == "ended b"


async def test_more_can_be_appended_even_after_the_end(tmp_path: Path) -> None:
    async with stage(spoken(tmp_path / "a.wav", 0.2)) as it:
        await rest(it)
        await it.tick(20)
        assert it.told()[-1] == "finished"
        it.player.append(items_of([spoken(tmp_path / "b.wav", 0.2)]))
        await rest(it)
        await it.tick(20)
        assert it.told()[3:] == ["started b", "ended b", "finished"]


async def test_a_loop_of_nothing_playable_does_not_spin(tmp_path: Path) -> None:
    (tmp_path / "bad.mp3").write_text("no")
    async with stage(tmp_path / "bad.mp3", loop=True) as it:
        await until(lambda: bool(it.events), 5)
        await asyncio.sleep(0.5)
        assert it.told() == ["failed bad"]


async def test_position_is_told_once_a_second(tmp_path: Path) -> None:
    async with stage(write_sound(tmp_path / "a.wav", wave(3.5, 100.0), title="A tone")) as it:
        await rest(it)
        await it.tick(110)
        positions = [event.position_s for event in it.events if isinstance(event, ItemProgress)]
        assert positions == pytest.approx([1.04, 2.04, 3.04], abs=0.05)
        [started] = [event for event in it.events if isinstance(event, ItemStarted)]
        assert started.playing.duration_s == pytest.approx(3.5, abs=0.01)


async def test_an_hour_is_never_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "hour.wav"
    write_sound(path, np.tile(wave(10.0, 100.0), 120))  # 20 minutes: 115 MB
    async with stage(path, loop=True) as it:
        await it.tick(50)
        before = psutil.Process().memory_info().rss
        most = 0.0
        for _ in range(60):
            await it.tick(100)
            it.heard.clear()
            most = max(most, it.voice.waiting_s)
        assert most < AHEAD_S + 1.5
        assert psutil.Process().memory_info().rss - before < 20e6


async def test_closing_in_the_middle_leaves_no_thread_and_no_open_file(tmp_path: Path) -> None:
    path = spoken(tmp_path / "a.wav", 3.0)
    async with stage(path, loop=True) as it:
        await it.tick(10)
    await until(lambda: not any(t.name.startswith("visavis-show") for t in threading.enumerate()), 5)
    assert str(path) not in [file.path for file in psutil.Process().open_files()]
