"""Notices within seconds that a browser is gone, and keeps a flood of packets from filling memory.

Replaces aioice's consent loop (30 s) on one connection. Knows nothing of media.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from aioice import Connection, stun
from aioice.ice import CandidatePair

from visavis_server.rtc.stats import TokenBucket

logger = logging.getLogger(__name__)

CHECK_INTERVAL_S = 0.7
SILENCE_S = 4.0
"""Nothing heard, neither media nor an answer to a check, for this long: the browser is gone."""
CONSENT_S = 30.0
"""RFC 7675: without an answer to a check for this long nothing more may be sent, whatever else is heard."""
PACKETS_PER_S = 400.0
"""A microphone sends 50 packets a second, and a tenth of that in reports; the bound is for peers that flood."""
BURST_S = 1.0


class Liveness:
    """Watches one ICE connection."""

    def __init__(
        self, connection: Connection, on_gone: Callable[[], None], packets_per_s: float = PACKETS_PER_S
    ) -> None:
        self._connection = connection
        self._on_gone = on_gone
        self._take = connection.data_received
        self._bucket = TokenBucket(packets_per_s, packets_per_s * BURST_S)
        self._heard_s = self._consent_s = time.monotonic()
        self._excused_until_s = 0.0

    @property
    def refused(self) -> int:
        """Packets refused before anything was done with them."""
        return self._bucket.refused

    def excuse(self, until_s: float) -> None:
        """Silence means nothing until then: the far side is looking for another path."""
        self._excused_until_s = until_s

    def data_received(self, data: bytes, component: int) -> None:
        """Stands for the connection's own: counts a sign of life, refuses what comes too fast."""
        now_s = self._heard_s = time.monotonic()
        if self._bucket.take(1.0, now_s):
            self._take(data, component)

    async def query_consent(self) -> None:
        """Stands for the connection's own: checks until the far side is gone, then closes the connection."""
        self._heard_s = self._consent_s = time.monotonic()
        checks: set[asyncio.Task[None]] = set()
        try:
            while True:
                await asyncio.sleep(CHECK_INTERVAL_S)
                for pair in list(self._connection._nominated.values()):
                    check = asyncio.create_task(self._check(pair), name="check consent")
                    checks.add(check)
                    check.add_done_callback(checks.discard)
                now_s = time.monotonic()
                if now_s < self._excused_until_s:
                    continue
                if now_s - self._heard_s > SILENCE_S or now_s - self._consent_s > CONSENT_S:
                    break
        finally:
            for check in checks:
                check.cancel()
            await asyncio.gather(*checks, return_exceptions=True)
        logger.debug("Nothing was heard from the far side; its connection is closed.")
        self._on_gone()
        self._connection._query_consent_task = None  # or close() would wait for this very task
        await self._connection.close()

    async def _check(self, pair: CandidatePair) -> None:
        """Ask once. Answers may take longer than it is to the next question: a way over a satellite takes 600 ms."""
        connection = self._connection
        assert connection.remote_password is not None
        request = connection.build_request(pair, nominate=False)
        key = connection.remote_password.encode()
        with contextlib.suppress(stun.TransactionError, OSError):
            await pair.protocol.request(request, pair.remote_addr, integrity_key=key, retransmissions=1)
            self._heard_s = self._consent_s = time.monotonic()
