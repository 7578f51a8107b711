"""What the workers of one server count together: requests, connections, sessions and minutes of visitors.

A file that all of them open, in a folder that goes when the server ends; where it cannot be used, each worker counts
for itself until it can be again. Knows nothing of limits, keys or HTTP.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from visavis_server.rate_limit import RateLimit, RateLimits

_log = logging.getLogger(__name__)

NAME = "ledger"
"""Of the file, beside the workers' sockets."""
_DAY_S = 86400.0
_PATIENCE_S = 0.5
_MOST_BUCKETS = 20_000
_TIDY_EVERY = 1000
_COMPLAIN_EVERY_S = 60.0
_BEGIN = """
CREATE TABLE IF NOT EXISTS buckets (kind TEXT, name TEXT, left REAL, at_s REAL, full_s REAL, PRIMARY KEY (kind, name));
CREATE TABLE IF NOT EXISTS present (network TEXT, worker INTEGER, count INTEGER, PRIMARY KEY (network, worker));
CREATE TABLE IF NOT EXISTS open (id INTEGER PRIMARY KEY, worker INTEGER, owner TEXT, network TEXT, begun_s REAL);
CREATE TABLE IF NOT EXISTS used (owner TEXT, day INTEGER, worker INTEGER, used_s REAL,
                                 PRIMARY KEY (owner, day, worker));
"""
_ADD_USED = """
INSERT INTO used VALUES (?, ?, ?, ?)
ON CONFLICT (owner, day, worker) DO UPDATE SET used_s = used_s + excluded.used_s
"""
Found = TypeVar("Found")


class Ledger:
    """One process's hold on the file.

    Args:
        folder: only this server's user may enter it.
        worker: its number; 0: the front, which counts nothing itself.
    """

    def __init__(self, folder: Path, worker: int) -> None:
        self._worker = worker
        self._complained_s = float("-inf")
        self._depth = 0
        # One thread uses it at a time; which one, the server decides.
        self._file = sqlite3.connect(folder / NAME, _PATIENCE_S, isolation_level=None, check_same_thread=False)
        self._file.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + _BEGIN)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def limits(self, kind: str, per_s: float, burst: float) -> SharedLimits:
        """Token buckets of one kind, one for each name; see `RateLimits`."""
        return SharedLimits(self, kind, per_s, burst)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Nobody else changes anything for as long as the block lasts, if that can be had."""
        begun = self._depth == 0 and self._try(lambda: self._file.execute("BEGIN IMMEDIATE")) is not None
        self._depth += begun
        try:
            yield
        finally:
            self._depth -= begun
            if begun and self._try(lambda: self._file.execute("COMMIT")) is None:
                self._try(lambda: self._file.execute("ROLLBACK"))

    def note_present(self, network: str, count: int) -> None:
        """So many connections of this address are at this worker now."""
        if count:
            self._do("INSERT OR REPLACE INTO present VALUES (?, ?, ?)", network, self._worker, count)
        else:
            self._do("DELETE FROM present WHERE network = ? AND worker = ?", network, self._worker)

    def present(self, network: str) -> int:
        """Connections of this address at the other workers."""
        return int(self._sum("SELECT sum(count) FROM present WHERE network = ? AND worker != ?", network, self._worker))

    def note_opened(self, owner: str, network: str, begun_s: float) -> int:
        """A session was opened here.

        Args:
            owner: the key; empty: none.
            network: whose it is.
            begun_s: by `time.monotonic()`, which all processes of a machine share.

        Returns:
            For `note_closed`.
        """
        found = self._try(
            lambda: (
                self._file.execute(
                    "INSERT INTO open (worker, owner, network, begun_s) VALUES (?, ?, ?, ?)",
                    (self._worker, owner, network, begun_s),
                ).lastrowid
            )
        )
        return found or 0

    def note_closed(self, id: int, owner: str, day: int, used_s: float) -> None:
        """A session is over; so much of it was in this day."""
        with self.together():
            self._do("DELETE FROM open WHERE id = ?", id)
            if owner:
                self._do(_ADD_USED, owner, day, self._worker, used_s)
            self._do("DELETE FROM used WHERE day < ?", day - 1)

    def open_of_network(self, network: str) -> int:
        """Sessions of this address at the other workers."""
        return int(self._sum("SELECT count(*) FROM open WHERE network = ? AND worker != ?", network, self._worker))

    def open_of_owner(self, owner: str) -> int:
        """Sessions of this key at the other workers."""
        return int(self._sum("SELECT count(*) FROM open WHERE owner = ? AND worker != ?", owner, self._worker))

    def used_s(self, owner: str, day: int, today_s: float, now_s: float) -> float:
        """Seconds that a key has had at the other workers.

        Args:
            owner: the key.
            day: since 1970.
            today_s: since it began.
            now_s: by `time.monotonic()`.
        """
        query = "SELECT sum(used_s) FROM used WHERE owner = ? AND day = ? AND worker != ?"
        running = "SELECT sum(max(0, min(? - begun_s, ?))) FROM open WHERE owner = ? AND worker != ?"
        past_s = self._sum(query, owner, day, self._worker)
        return past_s + self._sum(running, now_s, today_s, owner, self._worker)

    def forget(self, worker: int) -> None:
        """A worker has ended: its visitors are gone, and what it counted stands."""
        day, today_s = divmod(time.time(), _DAY_S)
        now_s = time.monotonic()
        with self.together():
            self._do("DELETE FROM present WHERE worker = ?", worker)
            lost = self._try(
                lambda: self._file.execute("SELECT owner, begun_s FROM open WHERE worker = ?", (worker,)).fetchall()
            )
            for owner, begun_s in lost or ():
                if owner:
                    self._do(_ADD_USED, owner, int(day), 0, max(0.0, min(now_s - begun_s, today_s)))
            self._do("DELETE FROM open WHERE worker = ?", worker)
            # The one that is started in its place begins with nothing of its own.
            known = self._try(
                lambda: self._file.execute("SELECT owner, day, used_s FROM used WHERE worker = ?", (worker,)).fetchall()
            )
            for owner, of_day, used_s in known or ():
                self._do(_ADD_USED, owner, of_day, 0, used_s)
            self._do("DELETE FROM used WHERE worker = ?", worker)

    def refused_for_s(
        self, kind: str, name: str, per_s: float, burst: float, now_s: float
    ) -> tuple[float | None] | None:
        """See `RateLimits.refused_for_s`; its answer in a tuple, or None: nothing can be counted together now."""

        def count() -> tuple[float | None]:
            row = self._file.execute("SELECT left, at_s FROM buckets WHERE kind = ? AND name = ?", (kind, name))
            bucket, found = RateLimit(per_s, burst, now_s), row.fetchone()
            if found is not None:
                bucket.left, bucket.at_s = found
            refused = None if bucket.allows(now_s) else bucket.wait_s
            values = kind, name, bucket.left, now_s, now_s + burst / per_s
            self._file.execute("INSERT OR REPLACE INTO buckets VALUES (?, ?, ?, ?, ?)", values)
            return (refused,)

        with self.together():
            return self._try(count) if self._depth else None

    def tidy(self, now_s: float) -> None:
        """Forget buckets that are full again, and the oldest where there are too many."""
        with self.together():
            self._do("DELETE FROM buckets WHERE full_s < ?", now_s)
            self._do(
                "DELETE FROM buckets WHERE rowid IN (SELECT rowid FROM buckets ORDER BY at_s DESC LIMIT -1 OFFSET ?)",
                _MOST_BUCKETS,
            )

    def _do(self, statement: str, *values: Any) -> None:
        self._try(lambda: self._file.execute(statement, values))

    def _sum(self, query: str, *values: Any) -> float:
        found = self._try(lambda: self._file.execute(query, values).fetchone()[0])
        return float(found or 0)

    def _try(self, call: Callable[[], Found]) -> Found | None:
        try:
            return call()
        except sqlite3.Error as error:  # a visitor must not be turned away because the disk is full
            if time.monotonic() - self._complained_s > _COMPLAIN_EVERY_S:
                self._complained_s = time.monotonic()
                _log.warning("workers cannot count together", extra={"why": str(error)})
            return None


class SharedLimits:
    """Token buckets of all workers together; made by `Ledger.limits`."""

    def __init__(self, ledger: Ledger, kind: str, per_s: float, burst: float) -> None:
        self._ledger = ledger
        self._kind = kind
        self._per_s = per_s
        self._burst = burst
        self._alone = RateLimits(per_s, burst)
        self._count = 0

    def refused_for_s(self, name: str, now_s: float) -> float | None:
        """See `RateLimits`."""
        self._count += 1
        if self._count % _TIDY_EVERY == 0:
            self._ledger.tidy(now_s)
        found = self._ledger.refused_for_s(self._kind, name, self._per_s, self._burst, now_s)
        return self._alone.refused_for_s(name, now_s) if found is None else found[0]
