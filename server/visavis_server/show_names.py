"""Names under which sessions are found by those who do not know their ids: viewers, and voices that are waited for.

One name is one session's at a time, and comes free with its end. Knows nothing of transports.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from visavis_models.errors import BadInput, BadRequest, VisavisError
from visavis_models.mood import Mood
from visavis_server.call import Call, CallStats, EndReason

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")


class _UntilTheEnd:
    """Gives a name back when its session is over; an `Audience`."""

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back = give_back

    def on_mood(self, mood: Mood) -> None:
        """Names do not change with it; see `Audience`."""

    def on_speaker(self, person: int) -> None:
        """Names do not change with it; see `Audience`."""

    def on_state(self, state: str, epoch: int) -> None:
        """See `Audience`."""

    def on_stats(self, stats: CallStats) -> None:
        """See `Audience`."""

    def on_end(self, reason: EndReason, error: VisavisError | None) -> None:
        """See `Audience`."""
        self._give_back()


class ShowNames:
    """Which session has which name."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}
        self._awaiting: set[str] = set()

    def check(self, show: str) -> None:
        """Make sure that a show may have this name; the empty one is none.

        Raises:
            BadInput: `bad_name`.
            BadRequest: `name_taken`.
        """
        if show and not _NAME.fullmatch(show):
            raise BadInput("bad_name", "This is no name for a show.", "Use 2 to 63 of a-z, 0-9 and hyphens.")
        if show in self._calls:
            raise BadRequest("name_taken", f"There is a show named {show} already.", "Choose another name.")

    def announce(self, show: str, call: Call) -> None:
        """From now on this session has this name; the empty one is none. See `check`."""
        self.check(show)
        if show:
            self._calls[show] = call

    def withdraw(self, show: str, call: Call) -> None:
        """It has it no more; another session's name is left alone."""
        if self._calls.get(show) is call:
            del self._calls[show]
            self._awaiting.discard(show)

    def withdraw_spoken(self, call: Call) -> None:
        """Whoever spoke for this session has left: its names go, but for those under which it waits for a voice."""
        for show in [show for show, named in self._calls.items() if named is call and show not in self._awaiting]:
            self.withdraw(show, call)

    def await_voice(self, show: str, call: Call) -> None:
        """Like `announce`, for as long as the session lives; a voice that asks for this name speaks for it."""
        self.announce(show, call)
        if show:
            self._awaiting.add(show)
            call.watchers.append(_UntilTheEnd(lambda: self.withdraw(show, call)))

    def named(self, show: str) -> Call | None:
        """The session of this name."""
        return self._calls.get(show)

    def awaiting(self, show: str, avatar_id: str) -> Call | None:
        """The session of this name, if it is this avatar's and waits for a voice."""
        call = self._calls.get(show) if show in self._awaiting else None
        return call if call is not None and call.session.avatar_id == avatar_id else None
