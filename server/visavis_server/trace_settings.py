"""What an operator may choose about traces: where they go, and of how many windows.

Part of the tree in `settings.py`. Knows nothing of how traces are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from visavis_server.setting_fields import BadSetting, number, secret, value


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """Traces of windows on their way through the stages; none unless an address or a file is given."""

    endpoint: str = value("", "OTLP/HTTP address they are sent to, http://127.0.0.1:4318/v1/traces; empty: none.")
    headers: str = secret("Headers sent with them, such as authorization=Bearer%20...; more after commas; empty: none.")
    file: Path | None = value(None, "File they are added to, OTLP in JSON, one object a line; not given: none.")
    ratio: float = number(0.05, 0.0, 1.0, "Share of the windows that are traced.")

    def __post_init__(self) -> None:
        self._check_endpoint()
        if self.headers and not self.endpoint:
            raise BadSetting("traces.headers", "has nowhere to go", "Give traces.endpoint too.")
        if any("=" not in pair for pair in self.headers.split(",") if pair.strip()):
            raise BadSetting("traces.headers", "cannot be used", "Write name=value, more after commas.")
        if self.file is not None and not self.file.absolute().parent.is_dir():
            raise BadSetting("traces.file", f"is to be in {self.file.parent}, which is no folder", "Make the folder.")

    def _check_endpoint(self) -> None:
        if not self.endpoint:
            return
        remedy = "Write it like http://127.0.0.1:4318/v1/traces; secrets belong into traces.headers."
        try:
            parts = urlsplit(self.endpoint)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            usable = False
        if not usable:
            raise BadSetting("traces.endpoint", "is no address of HTTP", remedy)
        if parts.username or parts.password or parts.query:
            raise BadSetting("traces.endpoint", "has a name, password or query in it", remedy)

    @property
    def on(self) -> bool:
        """Whether there are any."""
        return bool(self.endpoint) or self.file is not None
