"""The errors that this package raises, as one tree.

    VisavisError                 everything below
    ├── BadInput                 the user's photo, voice or request: a retry with the same input fails again
    │   ├── BadPhoto             not usable as a portrait
    │   ├── BadVoice             not usable as speech
    │   ├── BadMotion            not usable as recorded motion
    │   └── BadRequest           wrong protocol message, SDP or parameter
    ├── NotFound                 no such avatar or session
    ├── Busy                     the server is full: a retry later may succeed
    ├── StorageError             the disk is full or read-only: the operator's to mend
    ├── WeightsError             a weight file is missing, altered or does not fit the code: the operator's to mend
    └── EngineError              a network cannot run on this hardware with this engine: the operator's to mend

Every error carries a stable `code`, a message for people and a `remedy`: what to do about it.
"""

from __future__ import annotations


class VisavisError(Exception):
    """Base of all errors of visavis.

    Args:
        code: stable identifier in snake_case, part of the public API (`no_face`, `server_full`, ...).
        message: what is wrong, one sentence for people.
        remedy: what to do about it, one sentence for people.
    """

    http_status = 500

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.code = code
        self.message = message
        self.remedy = remedy

    def as_dict(self) -> dict[str, str]:
        """The error as it goes over the wire: code, message, remedy."""
        return {"code": self.code, "message": self.message, "remedy": self.remedy}


class BadInput(VisavisError):
    """What the user sent cannot be used."""

    http_status = 422


class BadPhoto(BadInput):
    """The picture cannot become an avatar."""


class BadVoice(BadInput):
    """The sound cannot be used as speech."""


class BadMotion(BadInput):
    """The file cannot be used as recorded motion."""


class BadRequest(BadInput):
    """A message breaks the protocol."""

    http_status = 400


class NotFound(VisavisError):
    """There is no such thing."""

    http_status = 404


class Busy(VisavisError):
    """The server is at its capacity."""

    http_status = 503


class StorageError(VisavisError):
    """What was made cannot be kept."""

    http_status = 507


class WeightsError(VisavisError):
    """A weight file is missing, altered or does not fit the code."""


class EngineError(VisavisError):
    """A network cannot run on this hardware with this engine."""
