"""How the voices' symbols become phones with times. Knows nothing of audio or of faces.

A stress mark, a tone or a length mark lends its time to the sound that carries it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from visavis_models.voice.phones import BILABIALS as BILABIALS
from visavis_models.voice.phones import PHONES as PHONES
from visavis_models.voice.phones import SILENCE as SILENCE
from visavis_models.voice.phones import VISEME_OF as VISEME_OF
from visavis_models.voice.phones import VISEMES as VISEMES

OPEN_VOWELS = frozenset(("ɑ", "a", "æ", "I", "W"))
VOWELS = frozenset(p for p, v in VISEME_OF.items() if v in ("aa", "E", "ih", "oh", "ou")) - {"j", "w", "ɥ"}

_GLIDES = {"A": ("ɛ", "ɪ"), "I": ("a", "ɪ"), "W": ("a", "ʊ"), "Y": ("ɔ", "ɪ"), "O": ("o", "ʊ"), "Q": ("ə", "ʊ")}
"""Diphthongs that the voices write as one letter: where they begin and where they end."""
_BEFORE = "ˈˌ"
_AFTER = "ːʰʲ↓→↗↘\u0303"
_OTHER_NAMES = {"T": "ɾ", "r": "ɾ", "S": "s", "ᵝ": "β"}
"""Symbols of the voices for a sound that `PHONES` knows by another: a tap, a trill (a tap repeated), a long s."""
_PAUSES = ',.!?;:—…"()“”'
_SHORT_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Phone:
    """One sound and when it sounds."""

    symbol: str
    start_s: float
    end_s: float

    @property
    def viseme(self) -> str:
        """The mouth shape's short name."""
        return VISEME_OF[self.symbol]


def phones_of_tokens(tokens: str, edges_s: Sequence[float], end_s: float) -> list[Phone]:
    """The phones of an utterance, gapless from 0 to its end.

    A stress mark's time goes to the sound after it, a length mark's or tone's to the sound before; a space within
    running speech is shared by its neighbours; punctuation that lasts is silence.

    Args:
        tokens: the symbols spoken.
        edges_s: (len(tokens) + 1,) their borders in seconds.
        end_s: length of the utterance.
    """
    spans: list[tuple[str, float, float]] = []
    carried = None
    for symbol, start, end in zip(tokens, edges_s[:-1], edges_s[1:], strict=True):
        symbol = _OTHER_NAMES.get(symbol, symbol)
        if symbol in _BEFORE:
            carried = start if carried is None else carried
        elif symbol in _AFTER or (symbol == " " and end - start < _SHORT_PAUSE_S):
            if spans:
                middle = end if symbol != " " else (start + end) / 2
                spans[-1] = (spans[-1][0], spans[-1][1], middle)
                carried = middle if middle < end else carried
        elif symbol in _PAUSES or symbol == " ":
            if spans and end - start < _SHORT_PAUSE_S:
                spans[-1] = (spans[-1][0], spans[-1][1], end)
            else:
                spans.append((SILENCE, start, end))
            carried = None
        elif symbol in VISEME_OF:
            spans.append((symbol, start if carried is None else carried, end))
            carried = None
    return gapless([Phone(*span) for span in spans], end_s)


def symbols_of_tokens(tokens: str) -> list[str]:
    """The phones of an utterance without times, silence before, after and at every pause."""
    found = [SILENCE]
    for symbol in tokens:
        symbol = _OTHER_NAMES.get(symbol, symbol)
        if symbol in VISEME_OF:
            found.append(symbol)
        elif symbol in _PAUSES and found[-1] != SILENCE:
            found.append(SILENCE)
    return found if found[-1] == SILENCE else [*found, SILENCE]


def gapless(phones: Sequence[Phone], end_s: float) -> list[Phone]:
    """The same phones with silence wherever nothing was said, neighbouring silences joined, empty ones dropped."""
    joined: list[Phone] = []
    clock = 0.0
    for phone in (*phones, Phone(SILENCE, end_s, end_s)):
        start, end = max(phone.start_s, clock), min(phone.end_s, end_s)
        if start - clock > 1e-4:
            joined = _append(joined, Phone(SILENCE, clock, start))
        if end - start > 1e-4:
            joined = _append(joined, Phone(phone.symbol, start, end))
        clock = max(clock, end)
    return joined


def _append(phones: list[Phone], phone: Phone) -> list[Phone]:
    if phones and phone.symbol == SILENCE == phones[-1].symbol:
        return [*phones[:-1], Phone(SILENCE, phones[-1].start_s, phone.end_s)]
    return [*phones, phone]


def split_diphthongs(phones: Sequence[Phone]) -> list[Phone]:
    """Each diphthong as the two vowels it glides between, the first taking 55 % of its time."""
    parts: list[Phone] = []
    for phone in phones:
        if phone.symbol in _GLIDES:
            first, second = _GLIDES[phone.symbol]
            middle = phone.start_s + 0.55 * (phone.end_s - phone.start_s)
            parts += [Phone(first, phone.start_s, middle), Phone(second, middle, phone.end_s)]
        else:
            parts.append(phone)
    return parts
