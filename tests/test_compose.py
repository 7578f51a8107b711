"""The compose file without Docker: visavis takes its settings, coturn its flags and then the passwords we mint."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from coturn import Coturn, coturn_path, own_address
from visavis_server.doctor_network import ice_servers
from visavis_server.settings_sources import load_settings

pytestmark = pytest.mark.e2e
DOCKER = Path(__file__).parents[1] / "docker"


def compose(**variables: str) -> dict[str, Any]:
    """The compose file with its variables filled in, as `docker compose` does it."""
    text = (DOCKER / "compose.yaml").read_text("utf-8")
    filled = re.sub(r"\$\{(\w+)(?::\?[^}]*)?\}", lambda found: variables[found[1]], text)
    services: dict[str, Any] = yaml.safe_load(filled)["services"]
    return services


def test_the_example_names_every_variable_of_the_compose_file() -> None:
    wanted = set(re.findall(r"\$\{(\w+)", (DOCKER / "compose.yaml").read_text("utf-8")))
    assert set(re.findall(r"^(\w+)=", (DOCKER / "turn.env.example").read_text("utf-8"), re.MULTILINE)) == wanted


def test_visavis_takes_its_settings_and_both_publish_the_ports_they_use() -> None:
    services = compose(PUBLIC_ADDRESS="203.0.113.7", TURN_SECRET="hush", SITE="avatar.example.com", ACCESS_KEY="k" * 32)
    settings = load_settings(environ=services["visavis"]["environment"])
    assert settings.rtc.public_address == "203.0.113.7" and settings.rtc.turn_secret == "hush"
    assert [server.relays for server in settings.rtc.ice_servers] == [True]
    assert f"{settings.rtc.ports}:{settings.rtc.ports}/udp" in services["visavis"]["ports"]
    own = services["visavis"]["networks"]["calls"]["ipv4_address"]
    assert list(settings.server.trusted_proxies) == [services["proxy"]["networks"]["calls"]["ipv4_address"]]
    assert settings.server.allowed_hosts == ("avatar.example.com", "127.0.0.1") and not settings.server.https
    assert settings.access.key == "k" * 32 and settings.public
    assert f"--allowed-peer-ip={own}" in services["turn"]["command"]
    assert settings.rtc.port_range is not None
    relayed = [int(flag.partition("=")[2]) for flag in services["turn"]["command"] if re.match("--m(in|ax)-port", flag)]
    assert relayed[0] > settings.rtc.port_range.last or relayed[1] < settings.rtc.port_range.first


def test_coturn_takes_these_flags_and_then_our_passwords(tmp_path: Path) -> None:
    path, address = coturn_path(), own_address()
    with socket.socket() as probe:
        probe.bind((address, 0))
        port = int(probe.getsockname()[1])
    flags = compose(PUBLIC_ADDRESS=address, TURN_SECRET="hush", SITE="", ACCESS_KEY="")["turn"]["command"]
    flags = [flag for flag in flags if not flag.startswith(("--listening-port", "--log-file"))]
    relay = Coturn(address, port, tmp_path / "log")
    flags += ["-n", f"--listening-port={port}", f"--listening-ip={address}", f"--relay-ip={address}"]
    flags += [f"--userdb={tmp_path / 'db'}", f"--pidfile={tmp_path / 'pid'}", f"--log-file={relay.log}", "--simple-log"]
    process = subprocess.Popen([path, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline_s = time.monotonic() + 15
        while time.monotonic() < deadline_s:
            with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
                break
            time.sleep(0.05)
        urls = [relay.url("udp"), relay.url("tcp")]
        settings = load_settings(flags={"rtc.ice_servers": [{"urls": urls}], "rtc.turn_secret": "hush"})
        assert [found.status for found in ice_servers(settings)] == ["ok", "ok"]
        assert "unrecognized" not in relay.log.read_text("utf-8")
    finally:
        process.terminate()
        process.wait(5)
