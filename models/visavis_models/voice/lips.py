"""Makes the network's guess exact where an eye is strict: lips that meet really meet; without speech they are shut.

Pure functions of one frame. Knows nothing of networks or sound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import CHUNK_MS
from visavis_models.voice.mouth import CHANNEL, LIP_PARTING

OPENS_ABOVE = 0.4
SHUTS_BELOW = 0.25
OPENING_MS = 40.0
SHUTTING_MS = 160.0
_SEALS_ABOVE, _SEALS_WITHIN = 0.04, 0.08
_PARTING_CHANNELS = tuple(CHANNEL[name] for name in ("mouthLowerDown", "mouthUpperUp", "mouthFunnel", "tongueOut"))


def eased(share: float) -> float:
    """0..1 to 0..1 with soft ends."""
    share = min(max(share, 0.0), 1.0)
    return share * share * (3.0 - 2.0 * share)


def sealed(mouth: NDArray[np.float32], closure: float) -> NDArray[np.float32]:
    """The mouth with its lips brought together as far as a closure is likely: nothing below 0.04, all above 0.12.

    A missed closure is seen by everyone, one too many by nobody: of utterances left out of training no open vowel is
    shut by it, of voices never heard fewer than one in 100.

    Args:
        mouth: float32 (15,).
        closure: probability that the lips are together.
    """
    share = eased((closure - _SEALS_ABOVE) / _SEALS_WITHIN)
    if share == 0.0:
        return mouth
    out = mouth.copy()
    out[list(_PARTING_CHANNELS)] *= 1.0 - share
    gap = float(out @ LIP_PARTING)
    if gap > 0.0:
        out[CHANNEL["mouthClose"]] += share * gap
    return out


class SpeechGate:
    """How far the mouth is let open, from the probability of speech: two thresholds, and eased both ways."""

    def __init__(self) -> None:
        self._speech = False
        self._share = 0.0

    @property
    def speech(self) -> bool:
        """Whether speech goes on."""
        return self._speech

    def step(self, probability: float) -> float:
        """One frame on. Returns what the mouth is multiplied by: 0 shut, 1 as it is."""
        self._speech = probability > (SHUTS_BELOW if self._speech else OPENS_ABOVE)
        step = CHUNK_MS / OPENING_MS if self._speech else -CHUNK_MS / SHUTTING_MS
        self._share = min(max(self._share + step, 0.0), 1.0)
        return eased(self._share)
