from __future__ import annotations

import io
import logging
import sys

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from running_server import house, running
from visavis_server.logs import Seldom, start_logging
from visavis_server.redaction import redacted

CHATTY = ("aioice", "aiortc", "uvicorn", "uvicorn.error", "asyncio", "websockets", "PIL", "libav", "numba")
KEY = "vv_abcdefghij_" + "Kx" * 21 + "Q"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJ2aXNhdmlzIn0.c2lnbmF0dXJl-_x"

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"key {KEY} refused", "key vv_abcdefghij_*** refused"),
        (f"> Authorization: Bearer {TOKEN}", "> Authorization: ***"),
        ("> authorization: Basic YWRtaW4=", "> authorization: ***"),
        (f"GET /v1/agents?avatar_id=zoe&token={TOKEN}&show=a HTTP/1.1", "&show=a HTTP/1.1"),
        ("GET /v1/agents?token=hush HTTP/1.1", "GET /v1/agents?token=*** HTTP/1.1"),
        (f"Sec-WebSocket-Protocol: visavis.v1, bearer.{TOKEN}", "visavis.v1, bearer.***"),
        (f"Cookie: a=b; visavis={TOKEN}", "Cookie: ***"),
        ('{"text": "bearer hush", "n": 1}', '{"text": "bearer ***", "n": 1}'),
    ],
)
def test_secrets_are_taken_out_and_the_rest_is_kept(text: str, kept: str) -> None:
    shown = redacted(text)
    assert kept in shown
    for secret in (KEY, TOKEN, "c2lnbmF0dXJl", "hush", "YWRtaW4="):
        assert secret not in shown


@pytest.mark.parametrize("text", ["session opened session=k3 avatar=astronaut", "monkey=7 tokens=3", "12 keys"])
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.e2e
@pytest.mark.parametrize("format", ["text", "json"])
async def test_a_server_that_logs_everything_logs_no_secret(monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    names = [name for name, logger in root.manager.loggerDict.items() if isinstance(logger, logging.Logger)]
    levels = {name: logging.getLogger(name).level for name in {*names, *CHATTY}}
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    start_logging("debug", format)
    try:
        async with running(house(access__mode="required")) as server:
            url = f"ws://127.0.0.1:{server.port}/v1/agents?avatar_id=zoe&token={TOKEN}"
            for way in (
                {"additional_headers": {"Authorization": f"Bearer {KEY}"}},
                {"subprotocols": [f"bearer.{KEY}"]},
            ):
                try:
                    async with connect(url, **way) as socket:
                        await socket.wait_closed()
                except InvalidStatus:
                    pass
            await server.http.get(f"/v1/avatars?token={KEY}", headers={"Cookie": f"visavis={TOKEN}"})
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        for name, was in levels.items():
            logging.getLogger(name).setLevel(was)
    said = written.getvalue()
    assert "/v1/agents" in said and "request refused" in said, "it did log what libraries say"
    assert KEY not in said and TOKEN not in said


def test_strangers_cannot_fill_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr("visavis_server.logs.time.monotonic", lambda: now_s[0])
    seldom, written = Seldom(), 0
    for name, level, passes in (
        ("uvicorn.error", logging.WARNING, 2),
        ("python_multipart.multipart", logging.WARNING, 2),
        ("uvicorn.error", logging.ERROR, 20),
        ("visavis_server.registry", logging.WARNING, 20),
    ):
        written = 0
        for number in range(20):
            now_s[0] += 1.0 if number == 10 else 0.01
            written += seldom.filter(logging.LogRecord(name, level, "", 0, "rubbish", None, None))
        assert written == passes, name
        now_s[0] += 10
