"""The rate of a stream over TCP: lower when it waits, higher after long quiet, and not to and fro."""

from __future__ import annotations

import pytest

from visavis_server.outputs.uplink_rate import LEAST_BPS, UplinkRate

pytestmark = pytest.mark.unit

VOICE_BPS = 128_000


class Uplink:
    """A way that carries so much, and what waits for it."""

    def __init__(self, rate: UplinkRate, carries_bps: float) -> None:
        self.rate, self.carries_bps, self.waiting_bits, self.now_s = rate, carries_bps, 0.0, 0.0
        self.longest_wait_s = 0.0

    def run(self, seconds: float) -> list[int]:
        """The rates, twice a second."""
        told = []
        for _ in range(round(2 * seconds)):
            self.now_s += 0.5
            comes = 0.5 * (self.rate.bps + VOICE_BPS) + self.waiting_bits
            goes = min(comes, 0.5 * self.carries_bps)
            self.waiting_bits = comes - goes
            told.append(self.rate.read(round(self.waiting_bits / 8), round(2 * goes), self.now_s))
            self.longest_wait_s = max(self.longest_wait_s, self.waiting_bits / max(self.carries_bps, 1))
        return told


def test_a_wide_uplink_changes_nothing() -> None:
    uplink = Uplink(UplinkRate(2_500_000, VOICE_BPS), 5_000_000)
    assert set(uplink.run(300)) == {2_500_000}


@pytest.mark.parametrize("carries_bps", [400_000, 1_000_000, 2_000_000])
def test_a_narrow_uplink_is_followed_and_mostly_left_in_peace(carries_bps: int) -> None:
    uplink = Uplink(UplinkRate(2_500_000, VOICE_BPS), carries_bps)
    first = uplink.run(60)
    assert first[-1] + VOICE_BPS < carries_bps
    assert uplink.waiting_bits < 0.2 * carries_bps
    assert uplink.longest_wait_s < 8
    later = uplink.run(600)
    assert max(later) < 1.3 * carries_bps
    assert min(later) >= min(0.4 * carries_bps, LEAST_BPS)
    assert sum(b != a for a, b in zip(later, later[1:], strict=False)) < 40
    cuts = sum(b < a for a, b in zip(later[600:], later[601:], strict=False))
    assert cuts <= 5  # raises that go wrong become rare


def test_an_uplink_that_widens_is_used_again() -> None:
    uplink = Uplink(UplinkRate(2_500_000, VOICE_BPS), 500_000)
    uplink.run(40)
    uplink.carries_bps = 10_000_000
    assert uplink.run(400)[-1] == 2_500_000


def test_an_uplink_that_stands_still_leaves_the_least() -> None:
    uplink = Uplink(UplinkRate(2_500_000, VOICE_BPS), 0)
    assert uplink.run(20)[-1] == LEAST_BPS
    assert UplinkRate(100_000, VOICE_BPS).read(10**7, 0, 1.0) == 100_000
