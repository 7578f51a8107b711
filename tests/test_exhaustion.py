"""A server that runs out of what the system gives: those who are in a call stay, others come again later."""

from __future__ import annotations

import json
import resource
import socket
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.sync.client import connect

from test_cli import get, serving

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(sys.platform != "linux", reason="limits of a running process")]


def opened(url: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{url}/v1/sessions", b'{"avatar_id": "astronaut"}', {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def state_of(page: Any) -> str:
    """What a page is told when it asks; an answer shows that its call lives."""
    page.send('{"type": "ping", "id": 1}')
    while True:
        message = json.loads(page.recv(timeout=10))
        if message["type"] in ("pong",):
            return str(message["type"])


def test_without_file_descriptors_the_call_goes_on_and_others_come_later(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, url):
        host, port = "127.0.0.1", int(url.rpartition(":")[2])
        server = psutil.Process(process.pid)
        address = url.replace("http", "ws").replace("localhost", host) + opened(url)["signal_url"]
        with connect(address) as page:
            state_of(page)
            before = server.num_fds()
            _, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (before + 8, hard))
            with ExitStack() as stack:
                for _ in range(40):
                    stack.enter_context(socket.create_connection((host, port), 5))
                deadline_s = time.monotonic() + 10
                while server.num_fds() < before + 6 and time.monotonic() < deadline_s:
                    time.sleep(0.1)
                assert server.num_fds() >= before + 6, "the test no longer uses them up"
                assert state_of(page)
                with pytest.raises((urllib.error.URLError, TimeoutError, ConnectionError)):
                    urllib.request.urlopen(f"{url}/healthz", timeout=1)
            deadline_s = time.monotonic() + 20
            while True:
                try:
                    assert json.loads(get(f"{url}/healthz"))["sessions"] == 1
                    break
                except OSError:
                    assert time.monotonic() < deadline_s, "it never answered again"
            assert state_of(page) and process.poll() is None
        process.kill()
        said = process.stderr.read() if process.stderr is not None else ""
        assert said.count("connections wait") in (1, 2) and "socket.accept" not in said, said[:2000]
