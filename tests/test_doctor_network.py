"""`visavis doctor` on ports and on STUN and TURN servers, which it uses as a call would."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from coturn import SECRET, coturn, own_address
from network_place import dead_port
from visavis_server.doctor_check import Check
from visavis_server.doctor_network import ice_servers, media_ports, public_address
from visavis_server.settings import IceServer, RtcSettings, SessionSettings, Settings

pytestmark = pytest.mark.e2e


def settings(capacity: int = 1, **rtc: object) -> Settings:
    return Settings(sessions=SessionSettings(capacity=capacity), rtc=RtcSettings(**rtc))  # type: ignore[arg-type]


def found(*checks: Check) -> list[tuple[str, str]]:
    return [(check.name, check.status) for check in checks]


def test_every_server_is_used_with_minted_passwords(tmp_path: Path) -> None:
    with coturn(tmp_path) as relay:
        urls = (relay.url("udp"), relay.url("tcp"))
        stun = IceServer((f"stun:{relay.address}:{relay.port}",))
        servers = (IceServer(urls), stun)
        good = list(ice_servers(settings(ice_servers=servers, turn_secret=SECRET)))
        assert found(*good) == [(urls[0], "ok"), (urls[1], "ok"), (stun.urls[0], "ok")]
        assert relay.address in good[0].finding and relay.address in good[2].finding
        bad = list(ice_servers(settings(ice_servers=servers[:1], turn_secret="another")))
        assert found(*bad) == [(urls[0], "broken"), (urls[1], "broken")]
        assert "401" in bad[0].finding and "rtc.turn_secret" in bad[0].remedy
        assert SECRET not in str(good) and "another" not in str(bad)


def test_a_server_that_is_not_there_is_told_from_one_that_refuses() -> None:
    address = own_address()
    url = f"turn:{address}:{dead_port(address)}?transport=tcp"
    (gone,) = ice_servers(settings(ice_servers=(IceServer((url,)),), turn_secret="s"))
    assert gone.status == "broken" and "cannot be reached" in gone.finding and url in gone.remedy


def test_ports_are_counted_and_compared_with_the_places() -> None:
    assert found(*media_ports(settings())) == [("media ports", "ok")]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        (none_free,) = media_ports(settings(ports=f"{port}-{port}"))
    assert (none_free.status, none_free.finding) == ("broken", f"0 of {port}-{port} are free")
    (few,) = media_ports(settings(capacity=50, ports="48000-48003"))
    assert few.status == "warning" and "widen" in few.remedy


def test_an_address_outside_should_be_one_of_the_internet() -> None:
    assert found(*public_address(settings())) == []
    assert found(*public_address(settings(public_address="8.8.8.8"))) == [("public address", "ok")]
    assert found(*public_address(settings(public_address="10.1.2.3"))) == [("public address", "warning")]
