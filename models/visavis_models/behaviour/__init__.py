"""What a person does besides forming words: blinks, looks, nods, breathes. Causal, seeded, never frozen.

Rates and sizes follow published observations of people in conversation; each module names its source. Nothing here
knows of voices or pictures: it sees only whether the avatar speaks or listens and how loud it is.
"""

from visavis_models.behaviour.presence import Presence
from visavis_models.behaviour.states import Situation

__all__ = ["Presence", "Situation"]
