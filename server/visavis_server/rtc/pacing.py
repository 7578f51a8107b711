"""Sends one stream's packets spread over time instead of in bursts, keeps them for a while, and sends lost ones again.

Stands between an aiortc sender and its transport. Knows nothing of codecs, nor of how the rate is found.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Any

from aiortc import clock
from aiortc.rtp import RtpPacket, is_rtcp, wrap_rtx

PACE = 2.5
"""How much faster than its rate a stream may leave: a keyframe is spread, an ordinary picture leaves in a few ms."""
SMALL_BURST_S = 0.004
LONGEST_WAIT_S = 0.2
FRESH_S = 1.5
"""A picture that is that late is worth less than a new one; some receivers insist on it all the same."""
KEPT_S = 10.0
KEPT_PACKETS = 1024
COPY_AFTER_S = 0.03
AGAIN_AFTER_S = 0.02
AGAIN_TRIPS = 0.85
"""A packet is not sent again before its last copy can have come: so much of the mean round trip, and never sooner
than the other."""
AGAIN_SHARE = 0.35
"""Of the rate, for packets sent again: on a full link they would only lengthen the queue."""
AGAIN_BURST_S = 0.5
MISSING_WINDOW_S = 0.5
RECENT_S = 1.0
AGAIN_BURST_BYTES = 5_000
"""At least so much at once, however low the rate."""


class Pacer:
    """A line in which bytes leave at a rate. Pure."""

    def __init__(self) -> None:
        self._free_s = 0.0

    def wait_s(self, size_bytes: int, rate_bps: float, now_s: float) -> float:
        """How long to wait after this packet has been sent at `now_s`."""
        self._free_s = max(self._free_s, now_s) + 8 * size_bytes / rate_bps
        wait_s = self._free_s - now_s
        return 0.0 if wait_s < SMALL_BURST_S else min(LONGEST_WAIT_S, wait_s)


class PacedTransport:
    """What an aiortc sender takes for its transport.

    Args:
        sender: whose packets these are.
        transport: the real one; everything but sending is left to it.
        rate_bps: what the stream may take now; None: as fast as it comes.
        on_sent: called with the sequence number, or None if it was sent before, and the bytes of every packet.
    """

    def __init__(
        self,
        sender: Any,
        transport: Any,
        rate_bps: Callable[[], int | None],
        on_sent: Callable[[int | None, int], None],
    ) -> None:
        self._sender = sender
        self._transport = transport
        self._rate_bps = rate_bps
        self._on_sent = on_sent
        self._pacer = Pacer()
        self._kept: OrderedDict[int, tuple[float, bytes]] = OrderedDict()
        self._again_s: dict[int, float] = {}
        self._owed: OrderedDict[int, None] = OrderedDict()
        self._again_bytes = 0.0
        self._again_at_s = 0.0
        self._copies: deque[tuple[float, int, int]] = deque()
        self.copies = 0
        """Send every packet so many times more: on a long way that loses packets, to ask for them takes too long."""
        self._newest: int | None = None
        self._given_up: int | None = None
        self._sent_s: deque[float] = deque()
        self._missed_s: deque[float] = deque()
        self.sent_again = 0
        self.too_late = 0
        """Packets asked for that are not kept any more."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    async def _send_rtp(self, data: bytes) -> None:
        """Send; the sender waits here until its next packet may follow."""
        if is_rtcp(data):
            await self._transport._send_rtp(data)
            return
        await self._send_seconds()
        await self._pay(time.monotonic())
        await self._transport._send_rtp(data)
        now_s = time.monotonic()
        (sequence,) = struct.unpack_from("!H", data, 2)
        if self.copies:
            self._copies.append((now_s + COPY_AFTER_S, sequence, self.copies))
        self._keep(sequence, data, now_s)
        self._on_sent(sequence, len(data))
        rate_bps = self._rate_bps()
        if rate_bps is not None:
            wait_s = self._pacer.wait_s(len(data), PACE * rate_bps, now_s)
            if wait_s > 0.0:
                await asyncio.sleep(wait_s)

    async def send_again(self, sequences: Iterable[int], rtt_s: float | None) -> bool:
        """Send lost packets again, each at most once a round trip, within a share of the rate.

        Returns:
            False if one of them is old by now: the receiver had better go on with a whole picture.
        """
        now_s, whole = time.monotonic(), True
        for sequence in sequences:
            if self._given_up is not None and (sequence - self._given_up - 1) & 0xFFFF >= 0x8000:
                continue
            sent_s, data = self._kept.get(sequence, (0.0, b""))
            whole = whole and now_s - sent_s <= FRESH_S
            if not data:
                self.too_late += 1
                continue
            before_s = self._again_s.get(sequence)
            if before_s is None and now_s - sent_s < RECENT_S:
                self._missed_s.append(now_s)
            if before_s is not None and now_s - before_s < max(AGAIN_AFTER_S, AGAIN_TRIPS * (rtt_s or 0.0)):
                continue
            self._owed[sequence] = None
        await self._pay(now_s)
        return whole

    def missing_share(self, now_s: float) -> float:
        """How many packets were asked for in the last half second, of those that were sent in it, 0..1."""
        for times_s in (self._sent_s, self._missed_s):
            while times_s and times_s[0] < now_s - MISSING_WINDOW_S:
                times_s.popleft()
        return min(1.0, len(self._missed_s) / len(self._sent_s)) if len(self._sent_s) >= 10 else 0.0

    def forget_lost(self) -> None:
        """A whole picture comes: nobody needs what is owed of those before."""
        self._owed.clear()
        self._missed_s.clear()

    def begin_anew(self) -> None:
        """Nothing that was sent until now is ever sent again: a whole picture comes, and the link has no room."""
        self.forget_lost()
        self._copies.clear()
        self._sent_s.clear()
        self._given_up = self._newest

    async def _pay(self, now_s: float) -> None:
        """Send what was asked for as far as the rate allows; the rest waits, for not every receiver asks twice."""
        while self._owed:
            sequence = next(iter(self._owed))
            _, data = self._kept.get(sequence, (0.0, b""))
            if data and not self._affordable(len(data), now_s):
                return
            del self._owed[sequence]
            if data:
                self._again_s[sequence] = now_s
                await self._send_copy(data)

    async def _send_seconds(self) -> None:
        """Copies go out with the next pictures: what was lost in one burst is not lost again in the same."""
        now_s = time.monotonic()
        while self._copies and self._copies[0][0] <= now_s:
            _, sequence, left = self._copies.popleft()
            kept, rate_bps = self._kept.get(sequence), self._rate_bps()
            if kept is None:
                continue
            if left > 1:
                self._copies.append((now_s + COPY_AFTER_S, sequence, left - 1))
            self._again_s[sequence] = now_s
            if rate_bps is not None:
                self._pacer.wait_s(len(kept[1]), PACE * rate_bps, now_s)
            await self._send_copy(kept[1])

    async def _send_copy(self, data: bytes) -> None:
        self.sent_again += 1
        self._on_sent(None, len(data))
        await self._transport._send_rtp(self._copy(data))

    def _keep(self, sequence: int, data: bytes, now_s: float) -> None:
        self._kept[sequence] = now_s, data
        self._kept.move_to_end(sequence)
        self._newest = sequence
        if self._given_up is not None and (sequence - self._given_up) & 0xFFFF > 0x4000:
            self._given_up = None  # so long ago that numbers begin to mean others
        self._again_s.pop(sequence, None)
        self._sent_s.append(now_s)
        while self._sent_s[0] < now_s - MISSING_WINDOW_S:
            self._sent_s.popleft()
        while len(self._kept) > KEPT_PACKETS or next(iter(self._kept.values()))[0] < now_s - KEPT_S:
            self._again_s.pop(self._kept.popitem(last=False)[0], None)

    def _affordable(self, size_bytes: int, now_s: float) -> bool:
        rate_bps = self._rate_bps()
        if rate_bps is None:
            return True
        bytes_per_s = AGAIN_SHARE * rate_bps / 8
        most_bytes = max(AGAIN_BURST_BYTES, AGAIN_BURST_S * bytes_per_s)
        self._again_bytes = min(most_bytes, self._again_bytes + bytes_per_s * (now_s - self._again_at_s))
        self._again_at_s = now_s
        if size_bytes > self._again_bytes:
            return False
        self._again_bytes -= size_bytes
        self._pacer.wait_s(size_bytes, PACE * rate_bps, now_s)  # new packets wait for it
        return True

    def _copy(self, data: bytes) -> bytes:
        """The packet as it is sent again: stamped anew, or the receiver would think that it had queued so long."""
        extensions = self._sender._RTCRtpSender__rtp_header_extensions_map
        packet = RtpPacket.parse(data, extensions)
        packet.extensions.abs_send_time = (clock.current_ntp_time() >> 14) & 0x00FFFFFF
        payload_type = self._sender._RTCRtpSender__rtx_payload_type
        if payload_type is not None:
            sequence = self._sender._RTCRtpSender__rtx_sequence_number
            packet = wrap_rtx(packet, payload_type, sequence, self._sender._rtx_ssrc)
            self._sender._RTCRtpSender__rtx_sequence_number = (sequence + 1) & 0xFFFF
        return packet.serialize(extensions)
