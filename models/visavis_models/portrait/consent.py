"""Who said, when, and to which words, that the person in a photo agrees: kept beside the avatar, gone with it.

Knows nothing of photos or of how consent was asked for.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

CONSENT_VERSION = 1
CONSENT_TEXT = "This is me, or the person agreed that I animate this photo."
"""What is asked; whoever changes a word gives it a new version."""
_FILE = "consent.json"
_MOST_RECORDS = 100
"""Of one avatar: the same photo can be brought again and again."""

How = Literal["upload", "command"]


@dataclass(frozen=True, slots=True)
class Consent:
    """One person's word."""

    given_at: str
    """ISO 8601, UTC."""
    given_by: str
    """Who says so, as they call themselves; empty: they were not asked."""
    how: How
    """Over HTTP, or on the command line."""
    version: int
    text: str
    """What they agreed to."""


def given_now(given_by: str, how: How) -> Consent:
    """Consent that is given at this moment to today's words."""
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return Consent(when, given_by, how, CONSENT_VERSION, CONSENT_TEXT)


def read_consents(folder: Path) -> tuple[Consent, ...]:
    """What is recorded in an avatar's folder, oldest first; a damaged record counts as none."""
    try:
        return tuple(Consent(**entry) for entry in json.loads((folder / _FILE).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return ()


def add_consent(folder: Path, consent: Consent) -> None:
    """Record one more in an avatar's folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, (*read_consents(folder), consent))


def keep_consents(before: Path, after: Path) -> None:
    """Carry the records of a folder over into the one that replaces it."""
    found = read_consents(before)
    if found:
        _write(after, found)


def _write(folder: Path, consents: Sequence[Consent]) -> None:
    # The first one is what allowed the avatar to be made: it stays however many follow.
    kept = [*consents[:1], *consents[1:][-(_MOST_RECORDS - 1) :]]
    text = json.dumps([asdict(consent) for consent in kept], indent=1, ensure_ascii=False) + "\n"
    part = folder / f".{uuid.uuid4().hex}.part"
    try:
        part.write_text(text, "utf-8")
        os.replace(part, folder / _FILE)
    finally:
        part.unlink(missing_ok=True)
