"""One utterance of an agent: raw speech as it came, resampled only just before it is heard.

So a minute that is pushed at once costs the event loop a copy, not a minute of filtering. Knows nothing of clocks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import CHUNK_MS, PLAYBACK_RATE_HZ
from visavis_models.errors import BadRequest, BadVoice
from visavis_models.mood import Feeling
from visavis_server.voice_intake import Resampler

RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_SAMPLE_BYTES = 2


class Segment:
    """Speech of one rate, mono, from its first sample to its last.

    Args:
        id: its name in events.
        rate_hz: one of `RATES_HZ`.
        feeling: with what it is to be spoken; None: nobody told.
        speaker: who in the picture says it; None: nobody told.

    Raises:
        BadVoice: speech of this rate is not taken.
    """

    def __init__(self, id: str, rate_hz: int, feeling: Feeling | None = None, speaker: int | None = None) -> None:
        if rate_hz not in RATES_HZ:
            rates = ", ".join(map(str, RATES_HZ))
            raise BadVoice("bad_sample_rate", f"{rate_hz} Hz is not a rate that is taken.", f"Send one of {rates} Hz.")
        self.id = id
        self.rate_hz = rate_hz
        self.feeling = feeling
        self.speaker = speaker
        self.complete = False
        """No more comes."""
        self.begun = False
        """Some of it was handed out."""
        self.published = 0
        """Samples at 48 kHz that have left the session."""
        self.arrived_s = 0.0
        """`time.monotonic()` at which its first speech came."""
        self._raw = bytearray()
        self._half = b""
        self._ready = np.zeros(0, np.int16)
        self._resampler: Resampler | None = Resampler(rate_hz, PLAYBACK_RATE_HZ)

    @property
    def waiting_s(self) -> float:
        """How much of it was not handed out yet."""
        return len(self._raw) / _SAMPLE_BYTES / self.rate_hz + self._ready.size / PLAYBACK_RATE_HZ

    @property
    def played_s(self) -> float:
        """How much of it was heard."""
        return self.published / PLAYBACK_RATE_HZ

    @property
    def exhausted(self) -> bool:
        """All of it was handed out."""
        return self.complete and self._resampler is None and self._ready.size == 0

    def push(self, pcm: bytes, arrived_s: float) -> None:
        """Take s16le samples. A sample may be cut in two by the border of two messages."""
        if pcm and not self.arrived_s:
            self.arrived_s = arrived_s
        pcm = self._half + pcm
        whole = len(pcm) // _SAMPLE_BYTES * _SAMPLE_BYTES
        self._raw += pcm[:whole]
        self._half = pcm[whole:]

    def end(self) -> None:
        """No more comes.

        Raises:
            BadRequest: `bad_pcm`, half a sample is left; what came before it is spoken all the same.
        """
        self.complete = True
        if self._half:
            self._half = b""
            raise BadRequest(
                "bad_pcm", "The segment ended within a sample.", "Send 16-bit samples: an even number of bytes."
            )

    def read(self, count: int) -> NDArray[np.int16]:
        """The next samples at 48 kHz, int16 (n,), n ≤ count; fewer if no more has come."""
        self._resample(count)
        part, self._ready = self._ready[:count], self._ready[count:]
        self.begun = self.begun or part.size > 0
        return part

    def holds(self, count: int) -> bool:
        """Whether so many samples at 48 kHz could be read now."""
        self._resample(count)
        return self._ready.size >= count

    def drop(self) -> None:
        """Forget what waits and let the resampler go: it holds memory of FFmpeg's."""
        self._raw.clear()
        self._ready = self._ready[:0]
        self._half, self._resampler = b"", None

    def _resample(self, count: int) -> None:
        piece = self.rate_hz * CHUNK_MS // 1000 * _SAMPLE_BYTES
        parts, size = [self._ready], self._ready.size
        while size < count and self._resampler is not None:
            if self._raw:
                raw = np.frombuffer(bytes(self._raw[:piece]), "<i2").astype(np.int16)
                del self._raw[:piece]
                more = self._resampler.push(raw)
            elif self.complete:
                more = self._resampler.flush()
                self._resampler = None
            else:
                break
            parts.append(more)
            size += more.size
        self._ready = np.concatenate(parts) if len(parts) > 1 else self._ready
