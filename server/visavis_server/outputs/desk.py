"""The outputs of this server's sessions: who has which, which go by themselves, and what all of them share.

One program per session serves its recordings and RTMP streams; WHIP streams borrow the viewers' broadcast. Knows
nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visavis_models.errors import BadRequest, Busy, NotFound, VisavisError
from visavis_server.call import Call
from visavis_server.ice_servers import IceServers
from visavis_server.outputs.address_policy import AddressPolicy
from visavis_server.outputs.output import Output, OutputReport
from visavis_server.outputs.target import Target, read_target
from visavis_server.outputs.trouble import Unreachable
from visavis_server.settings import BadSetting, OutputSettings, Settings, StreamTarget
from visavis_server.transmissions import Transmissions

if TYPE_CHECKING:
    from visavis_server.outputs.program import Program
    from visavis_server.rtc import Broadcast, IceServer, Reach

_log = logging.getLogger(__name__)

_OVER = ("failed", "ended")
_SETTLE_S = 10.0
"""What is still done to a closed recording has so long when the server stops."""
_MAX_LISTED = 50
"""Failed outputs stay listed until somebody removes them; no more of them than this."""


@dataclass(frozen=True, slots=True)
class OutputWish:
    """What somebody asks for: one of a recording, a target of the operator's by name, and a URL."""

    record: bool = False
    target: str = ""
    url: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


class Booking:
    """One output of one session; closed with it."""

    def __init__(self, id: str, call: Call, target_name: str, on_closed: Callable[[Booking], None]) -> None:
        self.id = id
        self.call = call
        self.target_name = target_name
        """The operator's name of its target; empty: it has none."""
        self.begun_s = time.monotonic()
        self.output: Output | None = None
        self.settle: Callable[[float], Coroutine[Any, Any, None]] | None = None
        """Waits, so many seconds at most, until nothing is done to what it has written any more."""
        self._on_closed = on_closed

    @property
    def shown(self) -> str:
        """Where it goes, without anything secret."""
        return self.target_name or (self.output.shown if self.output is not None else "")

    @property
    def over(self) -> bool:
        """It sends nothing any more."""
        return self.report().state in _OVER

    def report(self) -> OutputReport:
        """How it does."""
        return self.output.report() if self.output is not None else OutputReport("connecting")

    async def close(self) -> None:
        """End it in order. Idempotent."""
        try:
            if self.output is not None:
                await self.output.close()
        finally:
            self._on_closed(self)


class Outputs:
    """All outputs of this server.

    Args:
        settings: the operator's targets and limits.
        transmissions: lends broadcasts.
        ice: STUN and TURN servers.
        reach: how WebRTC connections of this machine are reached.
        after_recording: called with the path of every finished recording, on a thread; may take long.

    Raises:
        BadSetting: a target cannot be used.
    """

    def __init__(
        self,
        settings: OutputSettings,
        transmissions: Transmissions,
        ice: IceServers,
        reach: Callable[[], Reach],
        after_recording: Callable[[Path], object] | None = None,
    ) -> None:
        self._settings = settings
        self._transmissions = transmissions
        self._ice = ice
        self._reach = reach
        self._after_recording = after_recording
        self._targets = targets_of(settings)
        self._bookings: dict[str, list[Booking]] = {}
        self._programs: dict[str, Program] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_finished: Callable[[Output], None] = lambda _: None
        """Called once with every output that is taken off the books."""

    def all(self) -> tuple[Booking, ...]:
        """The outputs of all sessions."""
        return tuple(booking for bookings in self._bookings.values() for booking in bookings)

    def of(self, call: Call) -> tuple[Booking, ...]:
        """The outputs of one session, oldest first; those that have failed too."""
        return tuple(self._bookings.get(call.id, ()))

    def get(self, call: Call, id: str) -> Booking:
        """One output of a session.

        Raises:
            NotFound: there is none.
        """
        for booking in self.of(call):
            if booking.id == id:
                return booking
        raise NotFound("no_such_output", "This session has no such output, or it has ended.", "List its outputs.")

    def greet(self, call: Call) -> None:
        """A call was opened: what goes by itself begins when somebody joins it."""
        begun: list[bool] = []

        def joined() -> None:
            if not begun:
                begun.append(True)
                self._begin_automatic(call)

        call.on_joined = joined

    async def check(self, wish: OutputWish) -> None:
        """Refuse at once a URL that leads where strangers may not stream to; a name nobody knows is tried later.

        Raises:
            BadRequest: `bad_url`, `address_refused`.
        """
        if wish.url:
            target = self._named_by_stranger(wish)
            with suppress(Unreachable):
                await target.policy.addresses(target.host, target.port)

    def start(self, call: Call, wish: OutputWish) -> Booking:
        """Begin an output.

        Raises:
            BadRequest: `bad_output`, `bad_url`, `not_recording`.
            NotFound: `no_such_target`, or the session has just ended.
            Busy: `outputs_full`, `target_in_use`.
        """
        wishes = bool(wish.record) + bool(wish.target) + bool(wish.url)
        if wishes != 1 or ((wish.key or wish.token) and not wish.url):
            remedy = 'Send {"record": true}, {"target": name} or {"url": ...}.'
            raise BadRequest("bad_output", "Ask for one of a recording, a target and a URL.", remedy)
        if sum(not booking.over for booking in self.of(call)) >= self._settings.max_per_session:
            raise Busy("outputs_full", "This session has enough outputs.", "Stop one of them first.")
        if len(self.of(call)) >= _MAX_LISTED:
            raise Busy("outputs_full", "This session has too many failed outputs.", "Remove them first.")
        if wish.record:
            return self._record(call)
        if wish.target:
            return self._stream(call, self._target(wish.target), wish.target)
        return self._stream(call, self._named_by_stranger(wish), "")

    async def settled(self) -> None:
        """Wait for what is being freed, and for what is still done to closed recordings."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def aclose(self) -> None:
        """Wait likewise; the outputs themselves end with their calls."""
        await self.settled()

    def _named_by_stranger(self, wish: OutputWish) -> Target:
        networks = tuple(ipaddress.ip_network(network) for network in self._settings.private_networks)
        return read_target(wish.url, wish.key, wish.token, AddressPolicy(networks=networks))

    def _begin_automatic(self, call: Call) -> None:
        wishes = [OutputWish(record=True)] if self._settings.record_all else []
        wishes += [
            OutputWish(target=target.name)
            for target in self._settings.targets
            if target.automatic and not self._in_use(target.name)
        ]
        for wish in wishes:
            try:
                self.start(call, wish)
            except VisavisError as error:
                _log.error("an output did not begin", extra={"session": call.id, "code": error.code})

    def _in_use(self, name: str) -> bool:
        return any(booking.target_name == name and not booking.over for booking in self.all())

    def _target(self, name: str) -> Target:
        if name not in self._targets:
            raise NotFound("no_such_target", "There is no target of this name.", "See outputs.targets in the settings.")
        if self._in_use(name):
            raise Busy("target_in_use", "Another stream goes to this target.", "Stop that one first.")
        return self._targets[name]

    def _record(self, call: Call) -> Booking:
        from visavis_server.outputs.recording import Recording

        folder, free = self._settings.record_dir, self._settings.min_free_mb * 1024 * 1024
        if folder is None:
            message = "This server does not record."
            raise BadRequest("not_recording", message, "Let its operator set outputs.record_dir.")
        path = folder / recording_name(call.session.avatar_id, time.time())
        booking = Booking(secrets.token_urlsafe(6), call, "", self._closed)
        program = self._program(call)
        call.accompany(booking)
        over = partial(self._over, booking)
        recording = Recording(program, path, free, over, self._after_recording)
        booking.settle = recording.settle
        return self._book(booking, recording)

    def _stream(self, call: Call, target: Target, name: str) -> Booking:
        booking = Booking(secrets.token_urlsafe(6), call, name, self._closed)
        call.host(booking)
        give_up_s = self._settings.give_up_s

        def over() -> None:
            self._over(booking)

        if target.kind == "rtmp":
            from visavis_server.outputs.rtmp_stream import RtmpStream

            return self._book(booking, RtmpStream(self._program(call), target, give_up_s, over))
        from visavis_server.outputs.whip_stream import WhipStream

        lender = _Lender(call, self._transmissions, self._ice, self._reach)
        return self._book(booking, WhipStream(lender, target, give_up_s, over))

    def _book(self, booking: Booking, output: Output) -> Booking:
        booking.output = output
        self._bookings.setdefault(booking.call.id, []).append(booking)
        _log.info("output began", extra={"session": booking.call.id, "kind": output.kind, "to": booking.shown})
        return booking

    def _over(self, booking: Booking) -> None:
        """It failed: it keeps neither its call nor an encoder, but stays to be seen."""
        call = booking.call
        call.dismiss(booking)
        self._drop_unused_program(call)
        try:
            call.accompany(booking)
        except NotFound:
            return

    def _closed(self, booking: Booking) -> None:
        call = booking.call
        booking.call.dismiss(booking)
        bookings = self._bookings.get(call.id, [])
        if booking in bookings:
            bookings.remove(booking)
            if booking.output is not None:
                report = booking.report()
                told = {"session": call.id, "kind": booking.output.kind, "to": booking.shown}
                _log.info("output ended", extra={**told, "state": report.state, "seconds": round(report.seconds, 1)})
                self.on_finished(booking.output)
                if booking.settle is not None:
                    self._keep(booking.settle(_SETTLE_S), "settle output")
        if not bookings:
            self._bookings.pop(call.id, None)
        self._drop_unused_program(call)

    def _program(self, call: Call) -> Program:
        from visavis_server.outputs.program import Program

        program = self._programs.get(call.id)
        if program is None:
            session = call.session
            program = self._programs[call.id] = Program(session.width, session.height, self._settings.video_kbps)
            session.add_sink(program)
        return program

    def _drop_unused_program(self, call: Call) -> None:
        if any(b.output is not None and b.output.kind != "whip" and not b.over for b in self.of(call)):
            return
        program = self._programs.pop(call.id, None)
        if program is not None:
            call.session.remove_sink(program)
            self._keep(program.close(), "close program")

    def _keep(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@dataclass(frozen=True, slots=True)
class _Lender:
    """Lends one session's broadcast."""

    call: Call
    transmissions: Transmissions
    ice: IceServers
    reach_of_server: Callable[[], Reach]

    def borrow(self) -> Broadcast:
        return self.transmissions.borrow_broadcast(self.call)

    def give_back(self) -> None:
        self.transmissions.give_back_broadcast(self.call)

    def ice_servers(self) -> Sequence[IceServer]:
        from visavis_server import rtc

        return [rtc.IceServer(s.urls, s.username, s.credential) for s in self.ice.issue(self.call.id)]

    def reach(self) -> Reach:
        return self.reach_of_server()


def targets_of(settings: OutputSettings) -> dict[str, Target]:
    """The operator's targets by name: they may lie anywhere.

    Raises:
        BadSetting: one of them cannot be used.
    """
    networks = tuple(ipaddress.ip_network(network) for network in settings.private_networks)
    everywhere = AddressPolicy(True, networks)
    found = {}
    for target in settings.targets:
        try:
            found[target.name] = read_target(target.url, target.key, target.token, everywhere)
        except BadRequest as error:
            problem = f"cannot use {target.name!r}: {error.message.rstrip('.')}"
            raise BadSetting("outputs.targets", problem, error.remedy) from error
    return found


def with_streams(settings: Settings, urls: Sequence[str], record: Path | None) -> Settings:
    """The settings with what the command line adds: streams and recordings that go by themselves.

    Raises:
        BadSetting: one of the streams cannot be used.
    """
    if record is not None:
        try:
            record.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadSetting("--record", f"cannot make {record}: {error.strerror}", "Give another folder.") from error
        settings = replace(settings, outputs=replace(settings.outputs, record_dir=record, record_all=True))
    names = [f"stream-{n}" if n > 1 else "stream" for n in range(1, len(urls) + 1)]
    added = tuple(StreamTarget(name, url, automatic=True) for name, url in zip(names, urls, strict=True))
    outputs = replace(settings.outputs, targets=settings.outputs.targets + added)
    targets_of(outputs)
    return replace(settings, outputs=outputs)


def automatic_outputs(settings: OutputSettings) -> list[str]:
    """What goes by itself, a line for each, for the operator."""
    lines = [f"Every session is recorded into {settings.record_dir}."] if settings.record_all else []
    targets = targets_of(settings)
    lines += [f"The first session is streamed to {targets[t.name].shown}" for t in settings.targets if t.automatic]
    return lines


def recording_name(avatar_id: str, wall_s: float) -> str:
    """A file name that sorts by time and that nobody else has."""
    when = time.strftime("%Y%m%d-%H%M%S", time.gmtime(wall_s))
    safe = "".join(c if c.isascii() and c.isalnum() else "-" for c in avatar_id)[:64]
    return f"{when}-{safe}-{secrets.token_hex(3)}.mp4"
