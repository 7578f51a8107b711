"""Which session a virtual camera shows: the operator's own show, or else the newest one.

Knows nothing of cameras or of how pictures are made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from visavis_server.call import Call
from visavis_server.media import MediaSink
from visavis_server.registry import SessionRegistry
from visavis_server.session import Session


def shown(calls: Sequence[Call], strangers: bool) -> Call | None:
    """The call that the camera shows; None: nobody.

    Args:
        calls: the open ones, oldest first.
        strangers: whoever can reach the server may appear, and not only the operator's own show.
    """
    own = [call for call in calls if call.times.lasting]
    return own[0] if own else calls[-1] if calls and strangers else None


class CameraFeed:
    """Hands the pictures of one session at a time to a camera.

    Args:
        registry: the sessions.
        camera: gets every tick of the one that is shown.
        on_nobody: called when there is nobody to be shown any more.
        strangers: see `shown`.
    """

    def __init__(
        self, registry: SessionRegistry, camera: MediaSink, on_nobody: Callable[[], None], strangers: bool
    ) -> None:
        self._registry = registry
        self._camera = camera
        self._on_nobody = on_nobody
        self._strangers = strangers
        self._session: Session | None = None
        registry.followers.append(self._follow)
        self._follow()

    def close(self) -> None:
        """Show nobody any more. Idempotent."""
        if self._follow in self._registry.followers:
            self._registry.followers.remove(self._follow)
        self._show(None)

    def _follow(self) -> None:
        call = shown(self._registry.calls(), self._strangers)
        self._show(None if call is None else call.session)

    def _show(self, session: Session | None) -> None:
        if session is self._session:
            return
        if self._session is not None:
            self._session.remove_sink(self._camera)
        self._session = session
        if session is None:
            self._on_nobody()
        else:
            session.add_sink(self._camera)
