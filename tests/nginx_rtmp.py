"""A real RTMP server for tests: nginx with its RTMP module, as Debian ships both. Records what is published to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
_CONFIG = """
load_module {module};
{user}
daemon off;
worker_processes 1;
error_log {folder}/error.log info;
pid {folder}/nginx.pid;
events {{ worker_connections 64; }}
rtmp {{
  server {{
    listen 127.0.0.1:{port};
    ping 2s;
    application live {{ live on; record all; record_path {folder}; record_unique on; record_suffix .flv; }}
  }}
}}
"""


class NginxRtmp:
    """A server that can be killed and started again on its port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None
        user = "user root;" if os.geteuid() == 0 else ""
        text = _CONFIG.format(module=_MODULE, folder=folder, port=self.port, user=user)
        (folder / "nginx.conf").write_text(text, "utf-8")

    @property
    def recordings(self) -> list[Path]:
        """What was published, oldest first."""
        return sorted(self.folder.glob("*.flv"), key=lambda path: path.stat().st_mtime)

    @property
    def log(self) -> str:
        return (self.folder / "error.log").read_text("utf-8", "replace")

    async def start(self) -> None:
        """Run until `stop`; returns when it listens."""
        self._process = self._spawn()
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)

    def _spawn(self) -> subprocess.Popen[bytes]:
        where = str(self.folder)
        return subprocess.Popen(["nginx", "-p", where, "-c", f"{where}/nginx.conf"], start_new_session=True)

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it, with all of its workers."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, how)
            self._process.wait(10)
            self._process = None


@contextlib.contextmanager
def nginx_rtmp(folder: Path) -> Iterator[NginxRtmp]:
    """A server, not yet started; skips where there is none."""
    if shutil.which("nginx") is None or not _MODULE.is_file():
        if os.environ.get("REQUIRE_STREAM_SERVERS"):
            pytest.fail("nginx with its RTMP module is not installed")
        pytest.skip("nginx with its RTMP module is not installed: apt install nginx libnginx-mod-rtmp")
    server = NginxRtmp(folder)
    try:
        yield server
    finally:
        server.stop()
