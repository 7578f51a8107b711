"""How widely the voices of the training material are varied: every number of it, in one place.

An encoder that has heard few voices hears strangers badly. So voices are mixed when the corpus is planned, resampled
when tracks are made of it, and warped and masked when clips are drawn. Knows only numbers; each says who uses it.
"""

from __future__ import annotations

MIXED = 0.75
"""Plan: share of the Kokoro rows spoken by a mixture, the timbre of some voices with the prosody of others."""
SECONDS_OF_A_MIXTURE = 60.0
"""Plan: about how long each mixture speaks in all; so many hours, so many mixtures."""
TIMBRE_VOICES = (1, 2, 3, 3, 4)
"""Plan: a timbre is made of one of these numbers of voices, each as likely."""
CONCENTRATION = 0.7
"""Plan: of the Dirichlet distribution of a timbre's weights; below 1 one voice mostly leads."""
PUSH = (1.0, 1.2)
"""Plan: a timbre's weights sum to something between these; the rest is taken from `PUSHED_FROM` other voices,
which moves the timbre away from the middle of all. Mixing alone would leave everybody alike."""
PUSHED_FROM = 3
NEAR = ("en", "es", "it", "pt")
"""Plan: languages whose voices may lead a timbre in any language, beside its own. Led by Japanese, Hindi, French or, in
English, Mandarin voices, phones come out as others: measured."""
FAR_MOST = 0.4
"""Plan: the most that the voices of the other languages make up of a timbre."""
BLENDED_PROSODY = 0.5
"""Plan: share of the mixtures that speak between two voices of their language; the others speak like one."""
OF_ONE_SEX = 0.67
"""Plan: share of the mixtures whose prosody, and with it pitch, is of the sex of the voice that leads their timbre."""

RESAMPLED = 0.5
"""Tracks: share of the utterances played faster or slower, their pitch and their formants moved with it."""
RATES = (
    ((50, 41), (20, 17), (15, 13), (10, 9), (13, 12), (20, 19))
    + ((41, 50), (17, 20), (13, 15), (9, 10), (12, 13), (19, 20))
)  # fmt: skip
"""Tracks: how far, as samples made of samples: 0.82 to 1.22 times as fast."""

WARPED = 0.55
"""Clips: share whose bands are read at other frequencies: other vocal tracts."""
WARP = (0.88, 1.14)
"""Clips: at so many times their own."""
MASKED = 0.4
"""Clips: share that lack some neighbouring bands."""
