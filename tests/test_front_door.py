from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509

from running_server import house
from visavis_models.errors import BadInput
from visavis_server.access.keys import KeyStore, keys_file
from visavis_server.call_server import call_server
from visavis_server.front_door import about_certificate, check_access, with_certificate
from visavis_server.own_certificate import LIFE_DAYS, names_of_this_machine, own_certificate
from visavis_server.serving import open_socket
from visavis_server.settings_sources import load_settings

pytestmark = pytest.mark.unit

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


def chosen(folder: Path, **flags: Any) -> Any:
    given = {name.replace("__", "."): value for name, value in flags.items()}
    return load_settings(flags={"data_dir": folder, **given})


@pytest.mark.parametrize(
    ("flags", "needs"),
    [
        ({}, False),
        ({"server__host": "127.0.0.9"}, False),
        ({"server__host": "0.0.0.0"}, True),
        ({"server__host": "192.168.1.7"}, True),
        ({"server__allowed_hosts": ("avatar.example.com",)}, True),
        ({"server__allowed_hosts": ("localhost",)}, False),
        ({"access__mode": "required"}, True),
        ({"access__mode": "open", "server__host": "0.0.0.0"}, False),
        ({"access__key": "0123456789abcdef", "server__host": "0.0.0.0"}, False),
    ],
)
def test_a_server_that_others_reach_is_not_started_without_a_key(
    tmp_path: Path, flags: dict[str, Any], needs: bool
) -> None:
    settings = chosen(tmp_path, **flags)
    if not needs:
        check_access(settings)
        return
    with pytest.raises(BadInput) as refused:
        check_access(settings)
    assert refused.value.code == "no_key" and f"visavis key create me --data-dir {tmp_path}" in refused.value.remedy
    KeyStore(keys_file(tmp_path)).create("me", frozenset({"manage"}))
    check_access(settings)


def test_a_key_that_has_ended_is_none(tmp_path: Path) -> None:
    KeyStore(keys_file(tmp_path), now_s=lambda: 0.0).create("me", frozenset({"manage"}), lasts_s=60)
    with pytest.raises(BadInput, match="there is none"):
        check_access(chosen(tmp_path, server__host="0.0.0.0"))


def test_a_certificate_is_made_once_and_renewed_in_time(tmp_path: Path) -> None:
    made = own_certificate(tmp_path / "tls", ["localhost", "192.168.1.7"], NOW)
    assert made.made
    assert not own_certificate(tmp_path / "tls", ["localhost"], NOW + dt.timedelta(days=300)).made
    kept = own_certificate(tmp_path / "tls", ["192.168.1.7"], NOW)
    assert kept.fingerprint == made.fingerprint and not kept.made
    assert own_certificate(tmp_path / "tls", ["other.local"], NOW).made
    late = NOW + dt.timedelta(days=LIFE_DAYS - 20)
    assert own_certificate(tmp_path / "tls", ["other.local"], late).made
    for path in (made.certificate, made.key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    made.key.write_text("rubbish")
    assert own_certificate(tmp_path / "tls", ["other.local"], late).made
    found = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    assert (found.not_valid_after_utc - found.not_valid_before_utc).days <= 397
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(made.certificate, made.key)


def test_the_certificate_has_the_names_under_which_the_server_is_reached() -> None:
    names = names_of_this_machine("192.168.1.7", ["avatar.example.com"])
    assert {"localhost", "127.0.0.1", "192.168.1.7", "avatar.example.com"} <= set(names)
    assert "0.0.0.0" not in names_of_this_machine("0.0.0.0", [])
    assert "no such host" not in names_of_this_machine("no such host", [])


def test_https_is_there_where_others_come_and_nowhere_else(tmp_path: Path) -> None:
    assert with_certificate(chosen(tmp_path))[1] is None
    assert with_certificate(chosen(tmp_path, server__host="0.0.0.0", server__tls="off"))[1] is None
    settings, own = with_certificate(chosen(tmp_path, server__host="0.0.0.0"))
    assert own is not None and settings.server.https and settings.server.tls_cert == own.certificate
    assert own.fingerprint in about_certificate(own)
    given, none = with_certificate(
        chosen(tmp_path, server__host="0.0.0.0", server__tls_cert=own.certificate, server__tls_key=own.key)
    )
    assert none is None and given.server.tls_cert == own.certificate


async def test_one_port_speaks_https_and_tells_plain_http_where_to_go(tmp_path: Path) -> None:
    home = house(data_dir=tmp_path, server__tls="self-signed")
    settings, own = with_certificate(home.settings)
    assert own is not None
    sock = open_socket("127.0.0.1", 0)
    port = sock.getsockname()[1]
    ready = asyncio.Event()
    server = call_server(home.app, settings, ready.set, own)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    await asyncio.wait_for(ready.wait(), 10)
    try:
        trusting = ssl.create_default_context(cafile=str(own.certificate))
        silent = socket.create_connection(("127.0.0.1", port))  # says nothing, and must not hold up others
        async with httpx.AsyncClient(verify=trusting) as client:
            assert (await client.get(f"https://localhost:{port}/healthz")).json()["status"] == "ok"
            for _ in range(2):
                plain = await client.get(f"http://127.0.0.1:{port}/v1/avatars?x=%3Cscript%3E")
                assert plain.status_code == 200 and f"https://127.0.0.1:{port}/" in plain.text
                assert own.fingerprint in plain.text and "<script" not in plain.text
                assert "frame-ancestors 'none'" in plain.headers["content-security-policy"]
            posted = await client.post(f"http://127.0.0.1:{port}/v1/sessions", json={"avatar_id": "zoe"})
            assert posted.status_code == 421 and not home.studio.sessions
            evil = await client.get(f"http://127.0.0.1:{port}/", headers={"Host": '"><script>alert(1)</script>'})
            assert "<script" not in evil.text and f"https://localhost:{port}/" in evil.text
        for rubbish in (b"\x00" * 100, b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1"):
            with socket.create_connection(("127.0.0.1", port)) as broken:
                broken.sendall(rubbish)
        async with httpx.AsyncClient(verify=trusting) as client:
            assert (await client.get(f"https://localhost:{port}/healthz")).status_code == 200
        silent.close()
    finally:
        server.should_exit = True
        await asyncio.wait_for(serving, 15)
