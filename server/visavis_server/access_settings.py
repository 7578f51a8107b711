"""What an operator may choose about who comes in, and how much of the server one of them may use.

Part of the tree in `settings.py`. Knows nothing of keys or requests.
"""

from __future__ import annotations

from dataclasses import dataclass

from visavis_server.setting_fields import BadSetting, number, secret, value

MODES = ("auto", "required", "open")
MIN_KEY_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who must show a key or a token."""

    mode: str = value(
        "auto", f"One of {', '.join(MODES)}; auto: everybody but this machine itself must; open: nobody must."
    )
    key: str = secret("A key with all rights beside those of `visavis key`, for containers; empty: none.")
    token_s: int = number(3600, 10, 604800, "How long a token lasts if it is not said.")
    max_token_s: int = number(86400, 10, 604800, "Tokens made to last longer are not taken.")
    login_s: int = number(43200, 60, 604800, "How long a browser stays logged in.")

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise BadSetting("access.mode", f"is {self.mode!r}", f"Choose one of {', '.join(MODES)}.")
        if self.key and (
            len(self.key) < MIN_KEY_CHARACTERS or not all("!" <= character <= "~" for character in self.key)
        ):
            remedy = f"Give at least {MIN_KEY_CHARACTERS} letters and digits, such as `openssl rand -hex 32` makes."
            raise BadSetting("access.key", "is too short, or has characters that no header can carry", remedy)
        if self.token_s > self.max_token_s:
            raise BadSetting("access.token_s", "is more than access.max_token_s", "Choose a smaller one.")


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """How much one visitor may use. This machine itself is not limited where it needs no key."""

    requests_per_s: float = number(20.0, 0.1, 1e6, "Requests of one address; ten times as many at once.")
    key_requests_per_s: float = number(50.0, 0.1, 1e6, "Requests with one key; ten times as many at once.")
    attempts_per_minute: float = number(10.0, 0.1, 1e6, "Wrong keys and tokens of one address that are answered.")
    connections: int = number(64, 1, 10_000, "Requests and WebSockets of one address at the same time.")
    sessions: int = number(8, 0, 1000, "Sessions of one address at the same time; 0: any number.")
    photos_per_hour: int = number(60, 1, 100_000, "Photos of one address or key.")
