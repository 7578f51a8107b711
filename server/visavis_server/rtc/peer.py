"""One browser: answers its offer, hands out its voice, sends it what a session publishes, and frees it all at the end.

Knows nothing of sessions or signalling. Everything runs on the event loop that made it, but for encoding.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Thread, current_thread
from typing import Any

import aiortc
import numpy as np
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from visavis_models.errors import BadRequest, VisavisError
from visavis_server.media import Published
from visavis_server.rtc import aiortc_patches, heap
from visavis_server.rtc.bitrate import BitrateLimits
from visavis_server.rtc.connection import CONNECT_S, HeldTasks, aiortc_servers, close_connection, new_connection
from visavis_server.rtc.control_channel import ControlChannel, OnText
from visavis_server.rtc.layouts import Layout
from visavis_server.rtc.liveness import Liveness
from visavis_server.rtc.media_clock import MediaClock
from visavis_server.rtc.microphone import GuardedVoice, Microphone, OnVoice
from visavis_server.rtc.picture_outbound import PictureOutbound
from visavis_server.rtc.reach import ANYWHERE, Reach, check_relayed
from visavis_server.rtc.sdp import MAX_CANDIDATES, IceServer, Offer, parse_candidate, read_offer
from visavis_server.rtc.stats import PeerStats
from visavis_server.rtc.tracks import PictureTrack, VoiceTrack
from visavis_server.rtc.voice_outbound import VoiceOutbound

logger = logging.getLogger(__name__)

THREADS_S = 0.4
DEFAULT_BITRATE = BitrateLimits()


def _ice_of(pc: RTCPeerConnection) -> Any:
    return pc.getTransceivers()[0].receiver.transport.transport._connection


def _ended() -> BadRequest:
    return BadRequest("call_ended", "This call has ended.", "Start a new session.")


class Peer:
    """One browser; a `MediaSink`.

    Args:
        on_voice: called on the event loop for every decoded microphone packet with int16 (n,) mono samples, their rate
            in Hz (48000) and the `time.monotonic()` at which the packet reached this process.
        on_closed: called on the event loop once, when the far side is gone, with "failed" (no connection came about),
            "vanished" (nothing is heard any more) or "left" (it closed the connection). Not called for `close()`.
        ice_servers: STUN and TURN servers; none means that only addresses of this machine are offered.
        reach: how this machine is reached.
        video_bitrate: limits at 640×640, scaled with the picture's size.
    """

    def __init__(
        self,
        *,
        on_voice: OnVoice,
        on_closed: Callable[[str], None],
        ice_servers: Sequence[IceServer] = (),
        reach: Reach = ANYWHERE,
        video_bitrate: BitrateLimits = DEFAULT_BITRATE,
    ) -> None:
        self._on_closed = on_closed
        self._ice_servers = ice_servers
        self._reach = reach
        self._video_bitrate = video_bitrate
        self._clock = MediaClock()
        self._hear = GuardedVoice(on_voice, "peer", lambda: self._closing is not None)
        self._microphone = Microphone(self._hear)
        self._pictures = PictureTrack()
        self._voice = VoiceTrack()
        self._pc: RTCPeerConnection | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._liveness: Liveness | None = None
        self._picture_out: PictureOutbound | None = None
        self._voice_out: VoiceOutbound | None = None
        self._threads: list[Thread] = []
        self._tasks = HeldTasks()
        self._deadline: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None
        self._candidates = 0
        self._connected = False
        self._layout: Layout = "plain"
        self.on_text: OnText | None = None
        """Called with what comes over the data channel `control`; None: there is none."""

    async def answer(self, offer_sdp: str, alpha: bool = False) -> str:
        """Answer a browser's offer; all candidates of this server are in the answer.

        Args:
            offer_sdp: the offer.
            alpha: send the person beside their matte instead of the plain picture.

        Raises:
            BadRequest: `bad_sdp`; `already_negotiated`, for a second offer; `call_ended`, after the end.
            Busy: `ports_exhausted`.
            EngineError: `turn_unavailable`.
        """
        if self._closing is not None:
            raise _ended()
        if self._pc is not None:
            raise BadRequest(
                "already_negotiated", "This call has its connection already.", "Start a new session for another one."
            )
        offer = read_offer(offer_sdp)
        self._layout = "side-by-side" if alpha else "plain"
        pc = self._pc = self._connection(offer)
        try:
            await pc.setRemoteDescription(RTCSessionDescription(sdp=offer.text, type="offer"))
            await pc.setLocalDescription(await pc.createAnswer())
            check_relayed(_ice_of(pc), self._reach)
        except Exception as error:  # aiortc raises anything for a description that only looks right
            self._pc = None
            pc.remove_all_listeners()  # its end is not the call's: another offer may follow
            await pc.close()
            await self._stop_encoding()
            if self._closing is not None:
                raise _ended() from error
            if isinstance(error, VisavisError):
                raise
            raise BadRequest("bad_sdp", "The offer cannot be answered.", "Make it with RTCPeerConnection.") from error
        if self._closing is not None:
            raise _ended()
        if not self._connected:
            self._deadline = asyncio.get_running_loop().call_later(CONNECT_S, self._end, "failed")
        return pc.localDescription.sdp

    async def add_candidate(self, candidate: Mapping[str, object] | None) -> None:
        """Take a trickled candidate; None is their end. What comes before the offer or after the call is ignored.

        The end is not passed on: aioice would give up at it when no candidate was usable, although the browser's own
        checks still find us. Instead the connection has until `CONNECT_S`.

        Raises:
            BadRequest: `bad_candidate`.
        """
        if candidate is None:
            return
        parsed = parse_candidate(candidate)
        self._candidates += 1
        if self._candidates > MAX_CANDIDATES:
            raise BadRequest("bad_candidate", f"More than {MAX_CANDIDATES} candidates came.", "Send each one once.")
        if parsed is not None and self._pc is not None and self._closing is None:
            # An mDNS name takes a second to resolve, and signalling must not wait for it.
            self._tasks.hold(self._add_remote(self._pc, parsed))

    def publish(self, item: Published) -> None:
        """Take one tick of the media clock; until the browser is connected it is dropped."""
        if self._connected and self._closing is None:
            if self._clock.tick(item.moment, time.monotonic(), time.time()):
                self._voice.put(item)
                self._pictures.put(item)

    def stats(self) -> PeerStats:
        """What is known now."""
        pictures, voice, now_s = self._picture_out, self._voice_out, time.monotonic()
        rates = [out.meter.bps(now_s) for out in (pictures, voice) if out is not None]
        known = [rate for rate in rates if rate is not None]
        rtt_s = next((out.rtt_s for out in (pictures, voice) if out is not None and out.rtt_s is not None), None)
        loss = next((out.loss for out in (pictures, voice) if out is not None and out.loss is not None), None)
        target_bps = pictures.target_bps if pictures is not None else None
        width, height = (pictures.size_px if pictures is not None else None) or (None, None)
        return PeerStats(
            bitrate_kbps=sum(known) / 1000 if known else None,
            target_kbps=None if target_bps is None else target_bps / 1000,
            rtt_ms=None if rtt_s is None else 1000 * rtt_s,
            loss=loss,
            frames_sent=pictures.frames_sent if pictures is not None else 0,
            frames_dropped=self._pictures.dropped,
            keyframes=pictures.keyframes if pictures is not None else 0,
            width=width,
            height=height,
            codec=pictures.codec if pictures is not None else None,
            voice_lost=self._microphone.lost,
            refused=self._microphone.refused + (self._liveness.refused if self._liveness is not None else 0),
        )

    async def close(self) -> None:
        """Free everything: sockets, tasks, threads, encoders. Takes under two seconds; more than once does no harm."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    def _connection(self, offer: Offer) -> RTCPeerConnection:
        pc = new_connection(aiortc_servers(self._ice_servers), self._reach)
        self._executor = ThreadPoolExecutor(2, "visavis-encode", lambda: self._threads.append(current_thread()))
        for kind in offer.kinds:  # in the offer's order: the first one carries the transport for both
            if kind == "audio":
                self._add_voice(pc, self._executor)
            else:
                self._add_pictures(pc, self._executor)
        self._liveness = aiortc_patches.patch_ice(_ice_of(pc), lambda: self._end("vanished"))
        aiortc_patches.patch_ports(_ice_of(pc), self._reach)
        pc.on("connectionstatechange", self._on_state)
        pc.on("track", self._on_track)
        if self.on_text is not None:
            pc.on("datachannel", ControlChannel(self.on_text).on_channel)
        return pc

    def _add_voice(self, pc: RTCPeerConnection, executor: ThreadPoolExecutor) -> None:
        transceiver = pc.addTransceiver(self._voice, direction="sendrecv")
        transceiver.setCodecPreferences(aiortc_patches.preferred_codecs("audio"))
        voice_out = VoiceOutbound(transceiver.sender, self._voice, self._clock, executor)
        self._voice_out = voice_out if aiortc_patches.patch_sender(transceiver.sender, voice_out) else None
        aiortc_patches.patch_receiver(transceiver.receiver, self._microphone)

    def _add_pictures(self, pc: RTCPeerConnection, executor: ThreadPoolExecutor) -> None:
        transceiver = pc.addTransceiver(self._pictures, direction="sendonly")
        transceiver.setCodecPreferences(aiortc_patches.preferred_codecs("video"))
        out = PictureOutbound(
            transceiver.sender, self._pictures, self._clock, executor, self._video_bitrate, self._layout
        )
        self._picture_out = out if aiortc_patches.patch_sender(transceiver.sender, out) else None

    def _on_state(self) -> None:
        state = self._pc.connectionState if self._pc is not None else "closed"
        if state == "connected":
            self._connected = True
            if self._deadline is not None:
                self._deadline.cancel()
        elif state == "failed":
            self._end("vanished" if self._connected else "failed")
        elif state == "closed":
            self._end("left" if self._connected else "failed")

    def _on_track(self, track: MediaStreamTrack) -> None:
        """Always empty the receiver's queue: with our microphone nothing comes, without it this is the voice."""
        self._tasks.hold(self._drain(track))

    async def _drain(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame: Any = await track.recv()
            except MediaStreamError:
                return
            if track.kind == "audio":
                samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels)).mean(axis=1)
                self._hear(samples.astype(np.int16), frame.sample_rate, time.monotonic())

    async def _add_remote(self, pc: RTCPeerConnection, candidate: aiortc.RTCIceCandidate) -> None:
        try:
            await pc.addIceCandidate(candidate)
        except (OSError, ValueError) as error:  # no multicast on this machine, for one
            logger.debug("A remote candidate is not used: %s", error)

    def _end(self, reason: str) -> None:
        """The far side is gone: say so once, and free everything."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
            self._on_closed(reason)

    async def _close(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._voice.stop()
        self._pictures.stop()
        if self._pc is not None:
            await close_connection(self._pc)
        await self._tasks.cancel()
        await self._stop_encoding()
        await asyncio.get_running_loop().run_in_executor(None, heap.give_back)

    async def _stop_encoding(self) -> None:
        """Let the threads end after the picture that they are at, and drop the encoders."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
        give_up_s = time.monotonic() + THREADS_S
        while any(thread.is_alive() for thread in self._threads) and time.monotonic() < give_up_s:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        self._threads.clear()
        for outbound in (self._picture_out, self._voice_out):
            if outbound is not None:
                outbound.release()
        self._picture_out = self._voice_out = None
        self._microphone.release()
