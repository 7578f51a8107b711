"""The data channel of a call: texts in, answers out. Bounded in size and number; knows nothing of what texts mean."""

from __future__ import annotations

from collections.abc import Callable

from aiortc import RTCDataChannel

LABEL = "control"
MAX_TEXT_CHARS = 64 * 1024
OnText = Callable[[str | bytes], str | None]
"""Takes what came, gives the answer if there is one."""


class ControlChannel:
    """Listens on the first data channel of this label; others are closed.

    Args:
        on_text: see there; called on the event loop.
    """

    def __init__(self, on_text: OnText) -> None:
        self._on_text = on_text
        self._channel: RTCDataChannel | None = None

    def on_channel(self, channel: RTCDataChannel) -> None:
        """The browser has opened a channel."""
        taken = self._channel is not None and self._channel.readyState in ("connecting", "open")
        if channel.label != LABEL or taken:
            channel.close()
            return
        self._channel = channel
        channel.on("message", lambda came: self._hear(channel, came))

    def _hear(self, channel: RTCDataChannel, came: str | bytes) -> None:
        answer = self._on_text(came[: MAX_TEXT_CHARS + 1])
        if answer is not None and channel.readyState == "open":
            channel.send(answer)
