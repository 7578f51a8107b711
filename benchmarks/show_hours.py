"""Hours of a show, read and handed out as fast as this machine can: nothing may grow, no sample may be lost.

    python benchmarks/show_hours.py [--hours 4] [--keep]

A looped list of short files (wav, mp3, opus, m4a) and a broken one; the clock is turned by hand, so nothing is drawn.
JSON keys: hours of voice, files played and passed over, samples heard more or less than each kind of file holds, memory
(MiB), descriptors and threads early on and at the end, and how many times faster than real time it went.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
from numpy.typing import NDArray
from record import report

from visavis_models.chunk import PLAYBACK_RATE_HZ
from visavis_server.media import Published
from visavis_server.play_list import items_of
from visavis_server.play_order import PlayOrder
from visavis_server.play_voice import ItemEnded, PlayVoice, VoiceEvent
from visavis_server.player import ItemFailed, Player

_CODECS = {"wav": "pcm_s16le", "mp3": "libmp3lame", "opus": "libopus", "m4a": "aac"}
_TICKS_PER_HOUR = 25 * 3600
_SECONDS = 7.31


def make_files(folder: Path) -> list[Path]:
    """One of each kind, none a whole number of ticks long, and one that is no sound."""
    paths = []
    for kind, codec in _CODECS.items():
        path = folder / f"tone.{kind}"
        with av.open(str(path), "w") as box:
            stream = box.add_stream(codec, rate=PLAYBACK_RATE_HZ)
            assert isinstance(stream, av.AudioStream)
            stream.layout = "mono"
            resampler = av.AudioResampler(
                stream.format.name, "mono", PLAYBACK_RATE_HZ, stream.codec_context.frame_size or 0
            )
            frame = av.AudioFrame.from_ndarray(_tone()[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = PLAYBACK_RATE_HZ, 0
            for part in (*resampler.resample(frame), *resampler.resample(None)):
                box.mux(stream.encode(part))
            box.mux(stream.encode(None))
        paths.append(path)
    (folder / "broken.mp3").write_text("not a sound")
    return [*paths, folder / "broken.mp3"]


def _tone() -> NDArray[np.int16]:
    t = np.arange(round(_SECONDS * PLAYBACK_RATE_HZ)) / PLAYBACK_RATE_HZ
    return (9000 * np.sin(2 * np.pi * 200 * t)).astype(np.int16)


async def play(hours: float, folder: Path) -> dict[str, Any]:
    """Turn the clock for so many hours of voice."""
    ended: dict[str, set[int]] = {}
    counts = {"played": 0, "failed": 0}

    def tell(event: VoiceEvent | ItemFailed) -> None:
        if isinstance(event, ItemEnded):
            counts["played"] += 1
            ended.setdefault(event.playing.item.path.suffix, set()).add(event.playing.published)
        elif isinstance(event, ItemFailed):
            counts["failed"] += 1

    voice = PlayVoice(tell)
    player = Player(PlayOrder(items_of(make_files(folder)), loop=True), voice, 0.0, tell)
    player.start()
    process, before, begun_s = psutil.Process(), (0.0, 0, 0), time.monotonic()
    picture = np.zeros((2, 2, 3), np.uint8)
    ticks = round(hours * _TICKS_PER_HOUR)
    for tick in range(ticks):
        while voice.waiting_s < 0.2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        raw = voice.take(tick)
        assert raw is not None, "gapless: there is always something to be said"
        voice.publish(Published(tick, picture, raw.playback, False, 0))
        if tick == min(ticks, _TICKS_PER_HOUR) // 2:
            before = (process.memory_info().rss / 2**20, process.num_fds(), process.num_threads())
        if tick % 25 == 0:
            await asyncio.sleep(0)
    took_s = time.monotonic() - begun_s
    after = (process.memory_info().rss / 2**20, process.num_fds(), process.num_threads())
    await player.aclose()
    voice.close()
    return {
        "hours": hours,
        "played": counts["played"],
        "failed": counts["failed"],
        "samples_off": {kind: sorted(n - _tone().size for n in lengths) for kind, lengths in ended.items()},
        "underruns": voice.underruns,
        "memory_mib_before": round(before[0], 1),
        "memory_mib_after": round(after[0], 1),
        "fds_before": before[1],
        "fds_after": after[1],
        "threads_before": before[2],
        "threads_after": after[2],
        "times_real_time": round(hours * 3600 / took_s),
    }


def main() -> None:
    """Measure, print, and keep if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--keep", action="store_true", help="keep the record under benchmarks/results")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(play(given.hours, Path(folder)))
    report("show_hours", figures, keep=given.keep)


if __name__ == "__main__":
    main()
