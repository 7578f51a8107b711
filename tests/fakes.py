"""Fakes of what the server is given: a studio, sessions, an avatar library, media peers.

A picture of `FakeSession` holds tick, epoch and the session's number as pixel values, so a test reads them back from
what came out at the other end.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visavis_models.avatar import Avatar
from visavis_models.errors import BadPhoto, BadRequest, NotFound, VisavisError
from visavis_models.framing import shares_of_faces
from visavis_models.mood import Mood
from visavis_models.portrait.consent import Consent
from visavis_models.rendering import GuardCounts
from visavis_server.live_motion import LiveMotion
from visavis_server.load import DrawingCost
from visavis_server.media import MediaSink, Published
from visavis_server.session_stats import SessionStats
from visavis_server.studio_figures import StudioFigures


def painted_facts(index: int, epoch: int, number: int) -> NDArray[np.uint8]:
    """uint8 (8, 8, 3) RGB: red is the tick, green the epoch, blue the session's number, each modulo 256."""
    return np.full((8, 8, 3), (index % 256, epoch % 256, number % 256), np.uint8)


def read_facts(picture: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Tick, epoch and session number of a picture made by `painted_facts`."""
    index, epoch, number = picture[0, 0].tolist()
    return index, epoch, number


def fake_avatar(
    id: str = "astronaut", name: str = "Astronaut", builtin: bool = True, notes: tuple[str, ...] = ()
) -> Avatar:
    """A tiny avatar, 16 wide and 24 high."""
    photo = np.zeros((24, 16, 3), np.uint8)
    matte = np.zeros((24, 16), np.uint8)
    points = np.zeros((478, 3), np.float32)
    body = np.zeros((33, 4), np.float32)
    return Avatar(id, name, photo, matte, photo, photo, points, np.ones(6, np.float32), body, notes, builtin)


class FakeSession:
    """Looks like `visavis_server.session.Session`; ticks only when told to."""

    def __init__(self, avatar: Avatar, number: int, on_close: Callable[[FakeSession], None]) -> None:
        self.id = f"session-{number}"
        self.number = number
        self.avatar_id = avatar.id
        self.width, self.height = avatar.width_px, avatar.height_px
        self.created_s = time.monotonic()
        self.on_state: Callable[[Any, int], None] | None = None
        self.on_failed: Callable[[VisavisError], None] | None = None
        self.on_latency: Callable[[float], None] | None = None
        self.on_mattes: Callable[[int], None] | None = None
        self.can_matte = True
        self.matte_takers = 0
        self.state: Literal["idle", "listening", "speaking"] = "idle"
        self.epoch = 0
        self.mood = Mood()
        self.speaker = 0
        self.motion = LiveMotion(len(avatar.people))
        self.people = self.motion.people
        self.faces = shares_of_faces(avatar)
        self.heard: list[tuple[int, int]] = []
        self.sinks: list[MediaSink] = []
        self.closed = False
        self.close_takes_s = 0.0
        self.close_raises: Exception | None = None
        self.stats_raise: Exception | None = None
        self.ticks = 0
        self._on_close = on_close

    def take_mattes(self) -> None:
        self.matte_takers += 1

    def leave_mattes(self) -> None:
        self.matte_takers -= 1

    def hear(self, samples: NDArray[np.int16], rate_hz: int, arrived_s: float) -> None:
        self.heard.append((len(samples), rate_hz))

    def interrupt(self) -> int:
        self.epoch += 1
        return self.epoch

    def attend(self, on: bool) -> None:
        self.show("listening" if on else "idle")

    def show(self, state: Literal["idle", "listening", "speaking"]) -> None:
        """The state changes, as it would while the avatar performs."""
        self.state = state
        if self.on_state is not None:
            self.on_state(state, self.epoch)

    def tick(self) -> None:
        """Publish one picture with its facts to every sink."""
        picture = painted_facts(self.ticks, self.epoch, self.number)
        item = Published(self.ticks, picture, np.zeros(1920, np.int16), False, self.epoch)
        self.ticks += 1
        for sink in tuple(self.sinks):
            sink.publish(item)

    def add_sink(self, sink: MediaSink) -> None:
        self.sinks.append(sink)

    def remove_sink(self, sink: MediaSink) -> None:
        if sink in self.sinks:
            self.sinks.remove(sink)

    def stats(self) -> SessionStats:
        if self.stats_raise is not None:
            raise self.stats_raise
        known = {"fps": 25.0, "latency_ms_p50": 180.0, "latency_ms_p95": 220.0} if self.ticks else {}
        values: dict[str, Any] = {"fps": None, "latency_ms_p50": None, "latency_ms_p95": None, **known}
        return SessionStats(
            **values,
            frames_sent=self.ticks,
            frames_repeated=1 if self.ticks else 0,
            frames_dropped=0,
            voice_dropped=0,
            underruns=0,
        )

    async def aclose(self) -> None:
        if self.close_takes_s:
            await asyncio.sleep(self.close_takes_s)
        self.closed = True
        self.sinks.clear()
        self._on_close(self)
        if self.close_raises is not None:
            raise self.close_raises


class FakeStudio:
    """Looks like `visavis_server.studio.Studio`."""

    def __init__(self) -> None:
        self.sessions: list[FakeSession] = []
        self.forgotten: list[str] = []
        self.cost = DrawingCost()
        self.skipped_ticks = 0
        self.figures = StudioFigures()
        self.guard_counts: GuardCounts | None = None
        self.made = 0
        self.open_takes_s = 0.0
        self.open_raises: Exception | None = None
        self.closed = False

    async def open_session(self, avatar: Avatar) -> Any:
        if self.open_takes_s:
            await asyncio.sleep(self.open_takes_s)
        if self.open_raises is not None:
            raise self.open_raises
        self.made += 1
        session = FakeSession(avatar, self.made, self.sessions.remove)
        self.sessions.append(session)
        return session

    async def forget(self, avatar_id: str) -> None:
        self.forgotten.append(avatar_id)

    async def aclose(self) -> None:
        self.closed = True
        for session in tuple(self.sessions):
            await session.aclose()


class FakeLibrary:
    """Looks like an `AvatarLibrary`: the photo's first byte says what becomes of it."""

    def __init__(self) -> None:
        self.avatars = {a.id: a for a in (fake_avatar(), fake_avatar("zoe", "Zoe"), fake_avatar("mine", "Ada", False))}
        self.add_blocks: Callable[[], object] | None = None
        self.added: list[tuple[int, str]] = []
        self.agreed: dict[str, tuple[Consent, ...]] = {}

    def list(self) -> Sequence[Avatar]:
        return tuple(self.avatars.values())

    def get(self, id: str) -> Avatar:
        if id not in self.avatars:
            raise NotFound("no_such_avatar", f"There is no avatar {id!r}.", "Choose one of those in the list.")
        return self.avatars[id]

    def add(self, photo: bytes, name: str, consent: Consent | None = None) -> Avatar:
        if self.add_blocks is not None:
            self.add_blocks()
        if photo[:1] == b"!":
            raise RuntimeError("a defect with /secret/path in it")
        if not photo.startswith(b"\xff\xd8"):
            raise BadPhoto("not_an_image", "This file is no picture.", "Use a JPEG, PNG or WebP file.")
        self.added.append((len(photo), name))
        note = "1 more face is too small, turned away or cut off, and will not move."
        avatar = fake_avatar(f"photo-{len(self.added)}", name, False, (note,))
        self.avatars[avatar.id] = avatar
        self.agreed[avatar.id] = () if consent is None else (consent,)
        return avatar

    def consents(self, id: str) -> tuple[Consent, ...]:
        self.get(id)
        return self.agreed.get(id, ())

    def has(self, id: str) -> bool:
        return id in self.avatars

    def remove(self, id: str) -> None:
        if self.get(id).builtin:
            raise BadRequest("builtin_avatar", "This avatar ships with visavis.", "Remove only avatars of your own.")
        del self.avatars[id]

    def image(self, id: str) -> bytes:
        return _jpeg(self.get(id).photo)

    def thumbnail(self, id: str) -> bytes:
        self.get(id)
        return _jpeg(np.zeros((256, 256, 3), np.uint8))


@dataclass(frozen=True, slots=True)
class FakePeerStats:
    """As `visavis_server.rtc.PeerStats`, as far as the server looks at it."""

    bitrate_kbps: float | None = 1200.0
    rtt_ms: float | None = 3.0
    loss: float | None = 0.0


@dataclass
class FakePeer:
    """Looks like `visavis_server.rtc.Peer`: any SDP that begins with `v=0` will do."""

    on_voice: Callable[..., None]
    on_closed: Callable[[str], None]
    ice_servers: Sequence[object]
    made: list[FakePeer]
    published: list[Published] = field(default_factory=list)
    candidates: list[Mapping[str, object] | None] = field(default_factory=list)
    closed: bool = False
    on_text: Callable[[str | bytes], str | None] | None = None

    def __post_init__(self) -> None:
        self.made.append(self)

    async def answer(self, sdp: str, alpha: bool = False) -> str:
        self.alpha = alpha
        if sdp == "slow":
            await asyncio.sleep(30)
        if sdp == "defect":
            raise RuntimeError("a defect")
        if not sdp.startswith("v=0"):
            raise BadRequest("bad_sdp", "This is no SDP.", "Send what createOffer gave.")
        return "v=0\r\ns=answer\r\n"

    async def add_candidate(self, candidate: Mapping[str, object] | None) -> None:
        if candidate is not None and not str(candidate["candidate"]).startswith("candidate:"):
            raise BadRequest("bad_candidate", "This is no candidate.", "Send what icecandidate events carry.")
        self.candidates.append(candidate)

    def publish(self, item: Published) -> None:
        self.published.append(item)

    def stats(self) -> FakePeerStats:
        return FakePeerStats()

    async def close(self) -> None:
        self.closed = True


class FakePeers:
    """A peer factory that remembers what it made."""

    def __init__(self) -> None:
        self.made: list[FakePeer] = []

    def __call__(
        self, *, on_voice: Callable[..., None], on_closed: Callable[[str], None], ice_servers: Any
    ) -> FakePeer:
        return FakePeer(on_voice, on_closed, ice_servers, self.made)


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG")
    return buffer.getvalue()
