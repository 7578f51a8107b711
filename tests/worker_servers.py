"""A server of several workers as a program of its own, with painted facts instead of drawn faces."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

PROGRAM = Path(__file__).with_name("cli_with_painted_pictures.py")


@dataclass
class Workers:
    """It runs."""

    process: subprocess.Popen[str]
    url: str
    http: httpx.Client

    def pids(self) -> list[int]:
        """Of the worker processes that live, in the order in which they were started."""
        children = psutil.Process(self.process.pid).children()
        alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
        return [child.pid for child in sorted(alive, key=lambda child: (child.create_time(), child.pid))]

    def open(self, avatar_id: str = "astronaut", **wanted: str) -> str:
        """A new session's id."""
        answer = self.http.post("/v1/sessions", json={"avatar_id": avatar_id, **wanted})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def signal_url(self, id: str) -> str:
        """Where a session is signalled for."""
        return f"{self.url.replace('http', 'ws')}/v1/sessions/{id}/signal"

    def pid_of(self, session: str) -> int:
        """The process in which a session is: by how many it says there are in each."""
        number = int(session.partition(".")[0])
        for pid in self.pids():
            if f"/{number}.sock" in " ".join(str(c.laddr) for c in psutil.Process(pid).net_connections("unix")):
                return pid
        raise AssertionError(f"no process of worker {number}")

    def health(self) -> dict[str, int]:
        """Sessions, capacity and workers."""
        found: dict[str, int] = self.http.get("/healthz").json()
        return found

    def until_workers(self, count: int, patience_s: float = 60.0) -> float:
        """Wait until so many answer; how long that took."""
        begun_s = time.monotonic()
        while self.health().get("workers") != count:
            assert time.monotonic() < begun_s + patience_s, self.health()
            time.sleep(0.05)
        return time.monotonic() - begun_s


@contextmanager
def workers(folder: Path, *arguments: str, count: int = 2) -> Iterator[Workers]:
    """Serve with so many workers until the block ends."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VISAVIS_")}
    environment = {**kept, "VISAVIS_DATA_DIR": str(folder / "data"), "PYTHONPATH": str(PROGRAM.parent)}
    command = [sys.executable, str(PROGRAM), "serve", "--port", "0", "--workers", str(count), *arguments]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert "is ready: http" in first, first + (folder / "log.txt").read_text()
        url = first.strip().rpartition(" ")[2].replace("localhost", "127.0.0.1")
        with httpx.Client(base_url=url, timeout=30) as http:
            yield Workers(process, url, http)
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            if process.stdout is not None:
                process.stdout.close()


def said(message: str | bytes) -> dict[str, object]:
    """A message of the signalling."""
    found: dict[str, object] = json.loads(message)
    return found
