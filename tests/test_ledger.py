"""What the workers of one server count together, and what becomes of it when one of them is killed."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from test_access import FAR
from visavis_models.errors import Busy
from visavis_server.access.gate import Entry, Gate
from visavis_server.access.grants import Grant
from visavis_server.access.keys import KeyStore
from visavis_server.access.ledger import NAME, Ledger
from visavis_server.access.usage import Usage
from visavis_server.access.visitors import Visitor
from visavis_server.access_settings import LimitSettings
from visavis_server.settings import Settings

pytestmark = pytest.mark.unit

VISITOR = Visitor(FAR)


def entry(owner: str = "k", minutes: int = 0, network: str = FAR, most: int = 0) -> Entry:
    grant = Grant(frozenset({"call"}), owner, max_sessions=most, minutes_per_day=minutes)
    return Entry(Visitor(network), grant, True)


def gates(folder: Path, **limits: int) -> list[Gate]:
    settings = Settings(limits=LimitSettings(**limits))
    ledgers = [Ledger(folder, worker) for worker in (1, 2)]
    return [Gate(settings, KeyStore(folder / "keys.json", ""), lambda _: None, ledger=one) for one in ledgers]


def test_requests_and_connections_count_at_every_worker(tmp_path: Path) -> None:
    first, second = gates(tmp_path, requests_per_s=1, connections=2)
    with first.present(VISITOR), second.present(VISITOR):
        with pytest.raises(Busy) as refused, first.present(VISITOR):
            pass
        assert refused.value.code == "too_many_connections"
        with second.present(VISITOR, again=True), first.present(Visitor("203.0.113.77")):
            pass
    codes = []
    for number in range(20):
        try:
            with (first, second)[number % 2].present(VISITOR):
                codes.append("")
        except Busy as error:
            codes.append(error.code)
    assert codes[:7] == [""] * 7 and codes[8:] == ["too_many_requests"] * 12, "ten at once, three of them before"


def test_photos_and_wrong_keys_count_at_every_worker(tmp_path: Path) -> None:
    first, second = gates(tmp_path, photos_per_hour=2)
    first.check_photo(entry())
    second.check_photo(entry())
    with pytest.raises(Busy):
        first.check_photo(entry())
    second.check_photo(entry("other"))


def test_sessions_and_minutes_count_at_every_worker_and_outlive_it(tmp_path: Path) -> None:
    now = [20_000 * 86400.0 + 40_000]
    clock = [500.0]
    ledgers = {number: Ledger(tmp_path, number) for number in (1, 2)}
    first, second = (Usage(2, lambda: now[0], lambda: clock[0], ledger) for ledger in ledgers.values())
    one = first.admit(entry(most=2, minutes=10))
    two = second.admit(entry(most=2, network="198.51.100.1"))
    for usage in (first, second):
        with pytest.raises(Busy) as refused:
            usage.admit(entry(most=2, network="198.51.100.2"))
        assert refused.value.code == "too_many_sessions"
    for moved in (now, clock):
        moved[0] += 240
    assert first.used_s("k") == second.used_s("k") == 480
    two.give_back()
    assert first.used_s("k") == second.used_s("k") == 480
    for moved in (now, clock):
        moved[0] += 400
    assert one.used_up() and second.used_s("k") == 240 + 640
    one.give_back()
    assert Ledger(tmp_path, 3).used_s("k", 20_000, 86_000.0, clock[0]) == 880
    with pytest.raises(Busy) as refused:
        second.admit(entry(minutes=10))
    assert refused.value.code == "quota_used"
    for moved in (now, clock):
        moved[0] += 86400
    assert first.used_s("k") == 0.0
    third = [second.admit(entry("", network=FAR)) for _ in range(2)]
    with pytest.raises(Busy):
        first.admit(entry("", network=FAR))
    third[0].give_back()
    first.admit(entry("", network=FAR))


def test_what_a_killed_worker_held_is_free_and_its_minutes_stand(tmp_path: Path) -> None:
    front, killed, other = (Ledger(tmp_path, number) for number in range(3))
    begun_s = time.monotonic()
    today = int(time.time() // 86400)
    killed.note_present(FAR, 3)
    killed.note_opened("k", FAR, begun_s - 0.001)
    line = killed.note_opened("k", FAR, begun_s)
    killed.note_closed(line, "k", today, 100.0)
    assert (other.present(FAR), other.open_of_network(FAR), other.open_of_owner("k")) == (3, 1, 1)
    front.forget(1)
    assert (other.present(FAR), other.open_of_network(FAR), other.open_of_owner("k")) == (0, 0, 0)
    for one in (killed, other):  # number 1 is started again
        assert one.used_s("k", today, 86_399.0, time.monotonic()) >= 100.0
    front.forget(1)
    assert other.used_s("k", today, 86_399.0, time.monotonic()) < 200.0


def test_two_that_ask_at_the_same_time_are_counted_one_after_the_other(tmp_path: Path) -> None:
    usages = [Usage(5, ledger=Ledger(tmp_path, worker)) for worker in range(1, 5)]
    admitted: list[int] = []

    def ask(number: int) -> None:
        for _ in range(4):
            try:
                usages[number].admit(entry("", network=FAR))
            except Busy:
                continue
            admitted.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == 5


def test_without_the_file_each_counts_for_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = gates(tmp_path, photos_per_hour=1, connections=1)
    for gate in (first, second):
        assert gate._ledger is not None
        gate._ledger._file.close()
    for gate in (first, second):
        gate.check_photo(entry())
        with pytest.raises(Busy):
            gate.check_photo(entry())
        with gate.present(VISITOR), pytest.raises(Busy), gate.present(VISITOR):
            pass
    told = [record for record in caplog.records if "cannot count together" in record.message]
    assert len(told) == 2, "once a minute, each"


def test_buckets_that_are_full_again_are_forgotten(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, 1)
    for number in range(50):
        assert ledger.refused_for_s("request", f"n{number}", 1.0, 2.0, 100.0) == (None,)
    rows = "SELECT count(*) FROM buckets"
    ledger.tidy(101.0)
    assert ledger._file.execute(rows).fetchone()[0] == 50
    ledger.tidy(103.0)
    assert ledger._file.execute(rows).fetchone()[0] == 0
    assert (tmp_path / NAME).exists()
