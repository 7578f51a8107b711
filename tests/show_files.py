"""Files that a show may be asked to play: real speech and tones in real containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from agent_speech import speech


def write_sound(path: Path, samples: NDArray[np.int16], rate_hz: int = 48_000, title: str = "") -> Path:
    """A sound file of whatever kind its name says; wav and flac keep every sample."""
    codec = {".wav": "pcm_s16le", ".flac": "flac", ".mp3": "libmp3lame", ".m4a": "aac", ".opus": "libopus"}[path.suffix]
    with av.open(str(path), "w") as box:
        if title:
            box.metadata["title"] = title
        stream: Any = box.add_stream(codec, rate=rate_hz, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate_hz, 0
        kind = {".mp3": "s16p", ".m4a": "fltp"}.get(path.suffix, "s16")
        resampler = av.AudioResampler(kind, "mono", rate_hz, frame_size=stream.codec_context.frame_size or 0)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            box.mux(stream.encode(part))
        box.mux(stream.encode(None))
    return path


def wave(seconds: float, hz: float) -> NDArray[np.int16]:
    """A tone at 48 kHz."""
    t = np.arange(round(seconds * 48_000)) / 48_000
    return (9000 * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def spoken(path: Path, seconds: float = 1.0, title: str = "") -> Path:
    """A file with so much of a sentence."""
    return write_sound(path, speech(48_000)[: round(seconds * 48_000)], title=title)
