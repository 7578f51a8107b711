"""Reads the voice of a sound or video file: wav, mp3, m4a, flac, ogg and whatever else FFmpeg decodes.

Knows nothing of avatars. Streams: an hour of sound never lies in memory.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from visavis_models.chunk import CHUNK_MS, PLAYBACK_RATE_HZ, Chunk
from visavis_models.errors import BadVoice
from visavis_server.voice_intake import ChunkCutter, RawChunk

_REMEDY = "Use a wav, mp3, m4a, flac or ogg file with speech in it."


class VoiceFile:
    """A sound file, opened and found to hold sound.

    Args:
        path: any file that FFmpeg can read.
        formats: names of the only containers that it may be (FFmpeg's, such as `mp3`); None: any.

    Raises:
        BadVoice: `voice_unreadable`, `no_sound` or `voice_empty`.
    """

    def __init__(self, path: Path, formats: tuple[str, ...] | None = None) -> None:
        self.path = path
        self._options = {} if formats is None else {"format_whitelist": ",".join(formats)}
        if path.is_file() and path.stat().st_size == 0:
            raise BadVoice("voice_empty", f"{path.name} is empty.", _REMEDY)
        try:
            with av.open(str(path), options=self._options, metadata_errors="replace") as box:
                if not box.streams.audio:
                    raise BadVoice("no_sound", f"{path.name} has no sound in it.", _REMEDY)
                stream = box.streams.audio[0]
                ticks, base = stream.duration, stream.time_base
                self.duration_s = float(ticks * base) if ticks and base else (box.duration or 0) / av.time_base
                """As far as the file's header tells; 0: it does not."""
                self.title = str(box.metadata.get("title") or stream.metadata.get("title") or "").strip()
                """As the file names itself; may be empty."""
        except FileNotFoundError as error:
            raise BadVoice("voice_unreadable", f"There is no file {path}.", "Check the path.") from error
        except (FFmpegError, OSError) as error:
            raise BadVoice(
                "voice_unreadable", f"{path.name} cannot be read as sound: {error.strerror}.", _REMEDY
            ) from error
        self.chunks_expected = max(1, round(self.duration_s * 1000 / CHUNK_MS))
        """How many chunks there will be, as far as the file's header tells."""
        self.broken_samples = 0
        """How many samples so far were not a number or infinite, at 48 kHz."""

    @property
    def broken_note(self) -> str:
        """What its user should know of invalid samples, once it is read; empty if there were none."""
        if not self.broken_samples:
            return ""
        broken_ms = self.broken_samples * 1000 / PLAYBACK_RATE_HZ
        return (
            f"{broken_ms:.0f} ms of {self.path.name} were not a sound (not a number, or infinite) and became silence."
        )

    def chunks(self) -> Iterator[Chunk]:
        """All of the voice, in order: stereo is mixed down, invalid samples (NaN, infinite) become silence.

        Raises:
            BadVoice: `voice_unreadable` when nothing can be decoded, `voice_empty` when there is no sample.
        """
        count = 0
        for count, raw in enumerate(self._raw_chunks(), 1):
            yield Chunk(count - 1, raw.samples, raw.playback)
        if count == 0:
            raise BadVoice("voice_empty", f"{self.path.name} holds no sound at all.", _REMEDY)

    def samples(self) -> Generator[NDArray[np.int16], None, None]:
        """All of the voice in pieces as FFmpeg decodes them: int16 (n,), mono, 48 kHz; not a sample is added.

        Raises:
            BadVoice: `voice_unreadable` when nothing can be decoded.
        """
        with av.open(str(self.path), options=self._options, metadata_errors="replace") as box:
            resampler, taken = _mixer(), None
            for frame in self._decoded(box):
                kind = (frame.format.name, frame.layout.name, frame.sample_rate)
                if kind != (taken or kind):  # a stream may change in the middle, as that of an Internet radio does
                    for part in resampler.resample(None):
                        yield self._as_int16(part.to_ndarray()[0])
                    resampler = _mixer()
                taken = kind
                for part in resampler.resample(frame):
                    yield self._as_int16(part.to_ndarray()[0])
            for part in resampler.resample(None):
                yield self._as_int16(part.to_ndarray()[0])

    def _raw_chunks(self) -> Iterator[RawChunk]:
        cutter = ChunkCutter(PLAYBACK_RATE_HZ)
        for samples in self.samples():
            yield from cutter.push(samples)
        yield from cutter.flush()

    def _as_int16(self, samples: NDArray[np.float32]) -> NDArray[np.int16]:
        sound = np.isfinite(samples)
        self.broken_samples += samples.size - int(np.count_nonzero(sound))
        return (np.clip(np.where(sound, samples, 0.0), -1.0, 1.0) * 32767).astype(np.int16)

    def _decoded(self, box: av.container.InputContainer) -> Iterator[av.AudioFrame]:
        packets = box.demux(audio=0)
        good = 0
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                for frame in packet.decode():
                    good += 1
                    yield _without_timestamps(frame)
            except FFmpegError as error:  # one broken packet is skipped; a file without a good one is refused
                if good == 0 and isinstance(error, EOFError):
                    return
                if good == 0:
                    raise BadVoice(
                        "voice_unreadable", f"{self.path.name} cannot be decoded: {error.strerror}.", _REMEDY
                    ) from error


def _mixer() -> av.AudioResampler:
    # Float mono at the playback rate: FFmpeg mixes and resamples, and NaN survives to be found.
    return av.AudioResampler(format="fltp", layout="mono", rate=PLAYBACK_RATE_HZ)


def _without_timestamps(frame: av.AudioFrame) -> av.AudioFrame:
    # Files with gaps or wrong timestamps would make the resampler refuse or insert silence.
    frame.pts = None
    return frame
