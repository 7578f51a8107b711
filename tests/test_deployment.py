"""What operators are given, tried without a cluster: Caddy before a real server, systemd's own check of the unit.

Manifests, alerts and the dashboard must name only what is there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from websockets.asyncio.client import connect

from running_server import hear, house, running, say
from visavis_server.metrics import Metrics
from visavis_server.settings_sources import load_settings

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[1]
DOCKER = ROOT / "docker"
KEY = "a-key-for-this-test-alone"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def caddy(folder: Path, upstream: int) -> Iterator[tuple[str, ssl.SSLContext]]:
    """Caddy with the file that ships, and a certificate of its own; its address, and who vouches for it."""
    program = shutil.which("caddy") or ""
    if not program:
        message = "no Caddy (Debian: apt-get install caddy)"
        pytest.fail(message) if os.environ.get("REQUIRE_CADDY") else pytest.skip(message)
    port, plain = free_port(), free_port()
    environ = {
        **os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder),
        "SITE": f"localhost:{port}", "HTTP_PORT": str(plain), "UPSTREAM": f"127.0.0.1:{upstream}",
    }  # fmt: skip
    process = subprocess.Popen(
        [program, "run", "--adapter", "caddyfile", "--config", str(DOCKER / "Caddyfile")],
        env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        root = folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        deadline_s = time.monotonic() + 30
        while True:
            try:
                trust = ssl.create_default_context(cafile=str(root))
                with socket.create_connection(("127.0.0.1", port), 2) as plain_socket:
                    trust.wrap_socket(plain_socket, server_hostname="localhost").close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline_s, "Caddy did not start"
                time.sleep(0.1)
        yield f"localhost:{port}", trust
    finally:
        process.terminate()
        process.wait(10)


async def test_a_call_goes_through_the_proxy_that_ships(tmp_path: Path) -> None:
    home = house(access__mode="required", access__key=KEY, data_dir=str(tmp_path / "data"))
    async with running(home) as it:
        with caddy(tmp_path / "caddy", it.port) as (host, trust):
            key = {"Authorization": f"Bearer {KEY}"}
            async with httpx.AsyncClient(base_url=f"https://{host}", verify=trust, timeout=10) as http:
                page = await http.get("/")
                assert page.status_code == 200 and "max-age" in page.headers["strict-transport-security"]
                assert (await http.post("/v1/sessions", json={"avatar_id": "zoe"})).status_code == 401
                large = await http.post("/v1/avatars", headers=key, content=b"\xff" * 12_000_000)
                assert large.status_code in (400, 415, 422), large.text  # it went through whole, and is no photo
                opened = await http.post("/v1/sessions", headers=key, json={"avatar_id": "zoe"})
                assert opened.status_code == 201, opened.text
            address = f"wss://{host}/v1/sessions/{opened.json()['id']}/signal"
            async with connect(address, ssl=trust, additional_headers=key) as signalling:
                await say(signalling, type="bye")
                assert (await hear(signalling, "bye"))["reason"] == "client"


def test_systemd_takes_the_unit_and_calls_it_confined(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd here")
    text = (DOCKER / "visavis.service").read_text("utf-8")
    unit = tmp_path / "visavis.service"
    unit.write_text(text.replace("/opt/visavis/bin/visavis", "/bin/true"))
    checked = subprocess.run([program, "verify", str(unit)], capture_output=True, text=True)
    complaints = [line for line in checked.stderr.splitlines() if "visavis.service" in line]
    assert not complaints, complaints
    judged = subprocess.run([program, "security", "--offline=yes", str(unit)], capture_output=True, text=True)
    exposure = re.search(r"exposure level for visavis.service: ([\d.]+)", judged.stdout)
    assert exposure is None or float(exposure[1]) < 3.0, judged.stdout[-300:]


def manifests() -> dict[str, Any]:
    text = (DOCKER / "kubernetes" / "visavis.yaml").read_text("utf-8")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


async def test_kubernetes_asks_for_addresses_and_settings_that_are_there() -> None:
    found = manifests()
    pod = found["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    environ = {entry["name"]: entry.get("value", "203.0.113.7") for entry in container["env"]}
    settings = load_settings(environ={**environ, "VISAVIS_ACCESS_KEY": KEY, "VISAVIS_RTC_TURN_SECRET": "hush"})
    assert settings.log.format == "json" and settings.public and not settings.server.https
    assert pod["spec"]["terminationGracePeriodSeconds"] > settings.sessions.drain_s
    assert pod["spec"]["securityContext"]["runAsUser"] == int(
        re.search(r"^USER (\d+)$", (DOCKER / "Dockerfile").read_text("utf-8"), re.MULTILINE)[1]  # type: ignore[index]
    )
    labels = pod["metadata"]["labels"]
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert found[kind]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert found["Service"]["spec"]["selector"].items() <= labels.items()
    async with running(house(server__host="0.0.0.0", server__tls="off", access__mode="required")) as it:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            answer = await it.http.get(container[probe]["httpGet"]["path"], headers={"host": "10.1.2.3:8765"})
            assert answer.status_code == 200, probe


def exported() -> set[str]:
    """Names of every sample that /metrics can show."""
    names = set()
    for line in Metrics(1).text().decode().splitlines():
        kind = re.match(r"# TYPE (\S+) (\w+)", line)
        if kind:
            names |= {kind[1]} | {kind[1] + end for end in ("_bucket", "_count", "_sum") if kind[2] == "histogram"}
    return names


def asked_of(expressions: list[str]) -> set[str]:
    return {name for text in expressions for name in re.findall(r"\bvisavis_\w+", text)}


def test_alerts_ask_for_figures_that_are_there() -> None:
    (group,) = yaml.safe_load((DOCKER / "monitoring" / "alerts.yaml").read_text("utf-8"))["groups"]
    rules = group["rules"]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 8
    assert asked_of([rule["expr"] for rule in rules]) <= exported()
    assert all(rule["labels"]["severity"] in ("critical", "warning", "info") for rule in rules)
    program = shutil.which("promtool")
    if program is not None:
        subprocess.run([program, "check", "rules", str(DOCKER / "monitoring" / "alerts.yaml")], check=True)


def test_the_dashboard_asks_for_figures_that_are_there() -> None:
    board = json.loads((DOCKER / "monitoring" / "dashboard.json").read_text("utf-8"))
    asked = asked_of([target["expr"] for panel in board["panels"] for target in panel["targets"]])
    assert len(asked) > 15 and asked <= exported()
    places = [tuple(panel["gridPos"].values()) for panel in board["panels"]]
    assert len(set(places)) == len(places)
