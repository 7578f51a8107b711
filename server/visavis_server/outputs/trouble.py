"""What can go wrong between here and a server, and whether trying again may help."""

from __future__ import annotations

from visavis_models.errors import VisavisError


class Unreachable(VisavisError):
    """The network or the server fails now: a later attempt may succeed."""

    http_status = 502

    def __init__(self, code: str, message: str, remedy: str, retry_after_s: float = 0.0) -> None:
        super().__init__(code, message, remedy)
        self.retry_after_s = retry_after_s
        """The server asked to be left alone for so long."""


class Rejected(VisavisError):
    """The server says no: wrong key, wrong address, not now."""

    http_status = 502
