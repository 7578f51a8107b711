"""What a telephone line or a call does to a voice: a trip through a real speech codec and back, in step with the voice.

A codec delays what passes; that delay is measured once with noise and taken off, so that labels made on the clean voice
stay true. Which codecs there are depends on how PyAV was built. Knows nothing of phones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, resample_poly

RATE_HZ = 16_000
Samples = NDArray[np.int16]
_LONGEST_DELAY_SAMPLES = 2400


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to carry a voice."""

    name: str
    encoder: str
    decoder: str
    rate_hz: int = RATE_HZ
    bit_rate: int | None = None
    options: tuple[tuple[str, str], ...] = ()


def _opus(kbit: int, application: str = "voip") -> Codec:
    options = (("application", application), ("frame_duration", "20"), ("compression_level", "1"))
    return Codec(f"opus{kbit}", "libopus", "opus", RATE_HZ, kbit * 1000, options)


KNOWN: tuple[Codec, ...] = (
    _opus(8),
    _opus(12),
    _opus(16),
    _opus(24),
    Codec("g711", "pcm_mulaw", "pcm_mulaw", 8_000),
    Codec("g722", "g722", "g722", RATE_HZ),
    Codec("amr_nb", "libopencore_amrnb", "amrnb", 8_000, 7_950),
    Codec("gsm", "libgsm", "gsm", 8_000),
    Codec("mp3", "libmp3lame", "mp3float", RATE_HZ, 32_000),
)


@cache
def available() -> tuple[Codec, ...]:
    """Those of `KNOWN` that this build of PyAV can both write and read."""
    found = []
    for codec in KNOWN:
        try:
            av.codec.Codec(codec.encoder, "w")
            av.codec.Codec(codec.decoder, "r")
        except (ValueError, av.error.FFmpegError):
            continue
        found.append(codec)
    return tuple(found)


def _through(samples: Samples, codec: Codec) -> NDArray[np.float32]:
    """Encoded and decoded at the codec's own rate, delayed as it is: float32, -1..1."""
    encoder: Any = av.CodecContext.create(codec.encoder, "w")
    encoder.sample_rate, encoder.layout = codec.rate_hz, "mono"
    formats = av.codec.Codec(codec.encoder, "w").audio_formats or []
    sample_format = next((f.name for f in formats if f.name in ("s16", "s16p")), "s16")
    encoder.format = sample_format
    if codec.bit_rate is not None:
        encoder.bit_rate = codec.bit_rate
    encoder.options = dict(codec.options)
    encoder.open()
    decoder: Any = av.CodecContext.create(codec.decoder, "r")
    decoder.sample_rate, decoder.layout = codec.rate_hz, "mono"
    if encoder.extradata and codec.encoder != "libopus":
        decoder.extradata = encoder.extradata
    decoder.open()
    heard: list[NDArray[np.float32]] = []
    size = encoder.frame_size or codec.rate_hz // 50
    rate = codec.rate_hz

    def hear(packets: Sequence[av.Packet | None]) -> None:
        nonlocal rate
        for packet in packets:
            for frame in decoder.decode(packet):
                values = frame.to_ndarray().reshape(-1)
                rate = frame.sample_rate
                scale = np.float32(1 / 32768) if values.dtype == np.int16 else np.float32(1)
                heard.append(values.astype(np.float32) * scale)

    padded = np.concatenate([samples, np.zeros(-len(samples) % size + 4 * size, np.int16)])
    for number, first in enumerate(range(0, len(padded), size)):
        frame = av.AudioFrame.from_ndarray(padded[None, first : first + size], format=sample_format, layout="mono")
        frame.sample_rate, frame.pts = codec.rate_hz, number * size
        hear(encoder.encode(frame))
    hear(encoder.encode(None))
    hear([None])
    out = np.concatenate(heard) if heard else np.zeros(0, np.float32)
    return out if rate == codec.rate_hz else np.asarray(resample_poly(out, codec.rate_hz, rate), np.float32)


@cache
def delay_samples(codec: Codec) -> int:
    """How late the codec answers, in samples of its own rate: where speech-like noise fits its own answer best."""
    source = np.random.default_rng(0)
    noise = np.convolve(source.standard_normal(codec.rate_hz), np.hanning(9), "same")
    swell = 0.55 + 0.45 * np.sin(np.arange(codec.rate_hz) * 2 * np.pi * 4.3 / codec.rate_hz)
    sent = noise * swell * 0.1 / np.std(noise)
    answer = _through((sent * 32767).astype(np.int16), codec)
    fits = fftconvolve(answer[: len(sent) + _LONGEST_DELAY_SAMPLES], sent[::-1])[len(sent) - 1 :]
    return int(np.argmax(np.abs(fits[:_LONGEST_DELAY_SAMPLES])))


def round_trip(samples: Samples, codec: Codec) -> Samples:
    """A voice as it comes out at the other end, aligned with what went in.

    Args:
        samples: int16 (N,) at 16 kHz.
        codec: one of `available()`.

    Returns:
        int16 (N,) at 16 kHz.
    """
    if not len(samples):
        return samples
    narrow = codec.rate_hz != RATE_HZ
    sent = (
        np.clip(resample_poly(samples.astype(np.float32), codec.rate_hz, RATE_HZ), -32768, 32767) if narrow else samples
    )
    answer = _through(sent.astype(np.int16), codec)[delay_samples(codec) :]
    wide = resample_poly(answer, RATE_HZ, codec.rate_hz) if narrow else answer
    out = np.zeros(len(samples), np.float32)
    out[: len(wide)] = wide[: len(out)]
    return np.asarray(np.clip(np.round(out * 32767), -32768, 32767), np.int16)
