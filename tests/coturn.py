"""coturn for tests: a real TURN server at an address of this machine that makes passwords from a shared secret."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aioice.ice import get_host_addresses

from visavis_server.ice_servers import turn_password
from visavis_server.rtc import IceServer

SECRET = "a-secret-of-tests"
_PATIENCE_S = 15.0


@dataclass(frozen=True)
class Coturn:
    """A TURN server that runs."""

    address: str
    port: int
    log: Path

    def url(self, transport: str) -> str:
        """Its address for `udp` or `tcp`."""
        return f"turn:{self.address}:{self.port}?transport={transport}"

    def server(self, transport: str, *, secret: str = SECRET, life_s: float = 600) -> IceServer:
        """It, with a password that it takes (or not, with another secret or a life that is over)."""
        made = turn_password(secret, "test", time.time() + life_s)
        return IceServer((self.url(transport),), made.username, made.credential)

    def said(self, words: str, patience_s: float = 5.0) -> bool:
        """Whether these words come up in its log."""
        deadline_s = time.monotonic() + patience_s
        while time.monotonic() < deadline_s:
            if words in self.log.read_text("utf-8", "replace"):
                return True
            time.sleep(0.1)
        return False


def own_address() -> str:
    """An address of this machine that others could reach; skips the test where there is none."""
    addresses = get_host_addresses(use_ipv4=True, use_ipv6=False)
    if not addresses:
        pytest.skip("this machine has no address but its loopback")
    return str(addresses[0])


def coturn_path() -> str:
    """Skips the test where there is none; CI sets REQUIRE_COTURN so that it cannot go missing unseen."""
    path = shutil.which("turnserver")
    if path is None:
        assert not os.environ.get("REQUIRE_COTURN"), "coturn is required here and is not installed"
        pytest.skip("no coturn on this machine (Debian: apt-get install coturn)")
    return path


@contextlib.contextmanager
def coturn(folder: Path) -> Iterator[Coturn]:
    """A fresh one; its log and its database are in `folder`."""
    path, address = coturn_path(), own_address()
    with socket.socket() as probe:
        probe.bind((address, 0))
        port = int(probe.getsockname()[1])
    running = Coturn(address, port, folder / "coturn.log")
    flags = [f"--listening-ip={address}", f"--relay-ip={address}", f"--listening-port={port}", "--realm=test"]
    flags += ["--use-auth-secret", f"--static-auth-secret={SECRET}", "--min-port=61000", "--max-port=64999"]
    flags += ["--no-cli", "--no-tls", "--no-dtls", "--verbose", "--simple-log", f"--log-file={running.log}"]
    flags += [f"--userdb={folder / 'turndb'}", f"--pidfile={folder / 'coturn.pid'}", "-n"]
    with (folder / "coturn.out").open("wb") as out:
        process = subprocess.Popen([path, *flags], stdout=out, stderr=subprocess.STDOUT, cwd=folder)
    try:
        _wait_for(running, process, folder / "coturn.out")
        yield running
    finally:
        process.terminate()
        try:
            process.wait(5)
        finally:
            process.kill()
            process.wait(5)


def _wait_for(running: Coturn, process: subprocess.Popen[bytes], out: Path) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((running.address, running.port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"coturn did not start: {out.read_text('utf-8', 'replace')[-2000:]}")
