"""Chooses voices of Kokoro to speak one accent: recorded ones, blends of two, and mixtures that nobody has recorded.

A mixture has the timbre of any voices, but the prosody of voices at home in the language, so that its pronunciation
stays theirs. The voices held out for tests never take part. Knows nothing of texts.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from visavis_training.speech import voice_variety as variety
from visavis_training.speech.held_out_texts import HELD_OUT_VOICES
from visavis_training.speech.kokoro import Mixture, written

VOICES: dict[str, tuple[str, ...]] = {
    "en": tuple(
        "af_alloy af_aoede af_bella af_heart af_jessica af_kore af_nicole af_nova af_river af_sarah af_sky am_adam "
        "am_echo am_eric am_fenrir am_liam am_michael am_onyx am_puck am_santa bf_alice bf_emma bf_isabella bf_lily "
        "bm_daniel bm_fable bm_george bm_lewis".split()
    ),
    "zh": tuple("zf_xiaobei zf_xiaoni zf_xiaoxiao zf_xiaoyi zm_yunjian zm_yunxi zm_yunxia zm_yunyang".split()),
    "ja": ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo"),
    "es": ("ef_dora", "em_alex", "em_santa"),
    "fr": ("ff_siwis",),
    "hi": ("hf_alpha", "hf_beta", "hm_omega", "hm_psi"),
    "it": ("if_sara", "im_nicola"),
    "pt": ("pf_dora", "pm_alex", "pm_santa"),
}
"""Kokoro's voices by the language they are at home in."""
BLENDED = 0.3
CROSSED = 0.12
"""Shares of the rows that are not a mixture's: spoken by a blend of two voices, by a voice of another language."""
_HELD_OUT = frozenset(voice for voices in HELD_OUT_VOICES.values() for voice in voices)
TRAINED = {language: tuple(v for v in voices if v not in _HELD_OUT) for language, voices in VOICES.items()}
"""`VOICES` without those held out."""
_EVERYBODY = tuple(voice for voices in TRAINED.values() for voice in voices)


def at_home(accent: str) -> tuple[str, ...]:
    """The voices that speak an accent of `g2p.ACCENTS` natively, those held out left out."""
    first_letter = {"en-us": "a", "en-gb": "b"}.get(accent, "")
    return tuple(voice for voice in TRAINED[accent[:2]] if voice.startswith(first_letter))


class Cast:
    """The voices of one accent's training rows.

    Args:
        accent: of `g2p.ACCENTS`.
        seconds: how long they speak in all; decides how many mixtures there are.
        source: of every choice, here and later.
    """

    def __init__(self, accent: str, seconds: float, source: random.Random) -> None:
        self.language = accent[:2]
        self._accent = accent
        self._source = source
        count = max(4, round(seconds * variety.MIXED / variety.SECONDS_OF_A_MIXTURE))
        self.mixtures = tuple(mixture(self.language, at_home(accent), source) for _ in range(count))

    def voice(self) -> str:
        """Somebody's name, as `kokoro.parse_voice` reads it."""
        if self._source.random() < variety.MIXED:
            return self._source.choice(self.mixtures)
        return self._recorded()

    def _recorded(self) -> str:
        """At home in the accent, of another language, or a blend of two."""
        source, language = self._source, self.language
        # British phones belong to British voices; the others, some 86 % of the rows, may be spoken by anybody.
        others = [voice for voice in _near(language) if voice not in TRAINED[language]]
        crossed = language in ("en", "zh") and self._accent != "en-gb" and source.random() < CROSSED / 0.86
        first = source.choice(others if crossed else at_home(self._accent))
        if source.random() >= BLENDED:
            return first
        alike = [voice for voices in TRAINED.values() if first in voices for voice in voices if voice != first]
        everybody = [voice for voice in _EVERYBODY if voice != first]
        second = source.choice(alike if alike and source.random() < 0.65 else everybody)
        return f"{first}+{second}@{source.uniform(0.25, 0.75):.2f}"


def mixture(language: str, home: Sequence[str], source: random.Random) -> str:
    """A new voice that speaks a language as those of `home` do: `TIMBRE/PROSODY`."""
    timbre = _timbre(language, source)
    sex = timbre[0][0][1]
    speakers = [voice for voice in home if voice[1] == sex] if source.random() < variety.OF_ONE_SEX else []
    speakers = speakers or list(home)
    first = source.choice(speakers)
    others = [voice for voice in speakers if voice != first]
    prosody: Mixture = ((first, 1.0),)
    if others and source.random() < variety.BLENDED_PROSODY:
        share = round(source.uniform(0.2, 0.5), 2)
        prosody = ((first, round(1.0 - share, 2)), (source.choice(others), share))
    return f"{written(timbre)}/{written(prosody)}"


def _near(language: str) -> tuple[str, ...]:
    """The voices whose timbre can carry a language alone."""
    return tuple(voice for key in dict.fromkeys((*variety.NEAR, language)) for voice in TRAINED[key])


def _timbre(language: str, source: random.Random) -> Mixture:
    """A mixture of any voices, pushed away from some others; a leading voice first, weights in hundredths."""
    near = _near(language)
    count = source.choice(variety.TIMBRE_VOICES)
    first = source.choice(near)
    names = [first, *source.sample([v for v in _EVERYBODY if v != first], count - 1 + variety.PUSHED_FROM)]
    drawn = [source.gammavariate(variety.CONCENTRATION, 1.0) + 1e-3 for _ in range(count)]
    far = sum(each for name, each in zip(names, drawn, strict=False) if name not in near)
    if far > variety.FAR_MOST * sum(drawn):
        less = variety.FAR_MOST / (1.0 - variety.FAR_MOST) * (sum(drawn) - far) / far
        drawn = [each if name in near else each * less for name, each in zip(names, drawn, strict=False)]
    push = source.uniform(*variety.PUSH) if count > 1 else 1.0
    hundredths = [round(100 * push * each / sum(drawn)) for each in drawn]
    hundredths += [-round(100 * (push - 1.0) / variety.PUSHED_FROM)] * variety.PUSHED_FROM
    terms = sorted(zip(names, hundredths, strict=True), key=lambda term: -term[1])
    name, leading = terms[0]
    terms[0] = (name, leading + 100 - sum(hundredths))
    return tuple((name, each / 100) for name, each in terms if each)
