"""Says whether somebody speaks, for the states of an avatar: webrtcvad's votes held together by a hangover.

It hears any lively noise as speech; whoever uses it asks the network too. Knows nothing of mouths.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import CHUNK_SAMPLES, LISTENING_RATE_HZ

HANGOVER_CHUNKS = 8  # 320 ms: pauses between words are not silence
_HALF = CHUNK_SAMPLES // 2  # 20 ms, one of webrtcvad's frame lengths


class VoiceActivity:
    """The activity of one voice.

    Args:
        aggressiveness: 0 hears much as speech, 3 little.
    """

    def __init__(self, aggressiveness: int = 2) -> None:
        import webrtcvad  # late: training only needs it where voices are heard

        self._vad = webrtcvad.Vad(aggressiveness)
        self._left = 0

    def push(self, samples: NDArray[np.float32]) -> bool:
        """Hear one chunk (float32 (640,), finite). Returns whether somebody speaks, or did just now."""
        loud = np.clip(samples * 32767.0, -32768, 32767).astype(np.int16)
        votes = [self._vad.is_speech(loud[i : i + _HALF].tobytes(), LISTENING_RATE_HZ) for i in (0, _HALF)]
        self._left = HANGOVER_CHUNKS if all(votes) else max(0, self._left - 1)
        return self._left > 0
