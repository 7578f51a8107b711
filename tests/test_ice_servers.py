"""Passwords for TURN servers: what coturn computes, made anew for everyone, and never where they do not belong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging

import pytest

from running_server import client_of, house
from visavis_server.ice_servers import IceServers, turn_password
from visavis_server.settings import IceServer, RtcSettings

pytestmark = pytest.mark.unit

TURN = IceServer(("turn:relay.example:3478", "turn:relay.example:3478?transport=tcp"))
OWN = IceServer(("turn:other.example",), "me", "mine")
STUN = IceServer(("stun:relay.example",))


def test_the_password_is_the_hmac_of_the_name_which_is_when_it_expires() -> None:
    made = turn_password("s3cret", "abc", 1_700_000_000.9)
    assert made.username == "1700000000:abc"
    assert made.credential == base64.b64encode(hmac.digest(b"s3cret", b"1700000000:abc", hashlib.sha1)).decode()


def test_only_turn_servers_without_a_password_of_their_own_get_one() -> None:
    issued = IceServers(RtcSettings(ice_servers=(STUN, TURN, OWN), turn_secret="s", turn_ttl_s=600), lambda: 1000.0)
    stun, turn, own = issued.issue("session")
    assert (stun, own) == (STUN, OWN)
    assert turn.urls == TURN.urls and turn.username is not None and turn.username.startswith("1600:")
    assert turn.credential and turn.credential not in repr(turn)


def test_a_name_tells_neither_the_session_nor_the_secret() -> None:
    servers = IceServers(RtcSettings(ice_servers=(TURN,), turn_secret="hush"), lambda: 0.0)
    first, again, other = (servers.issue(who)[0].username for who in ("session-1", "session-1", "session-2"))
    assert first == again != other
    assert "session" not in str(first) and "hush" not in str(first)


async def test_passwords_are_renewed_with_every_answer_and_never_cached_or_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    now_s = [1000.0]
    monkeypatch.setattr("time.time", lambda: now_s[0])
    ice = [{"urls": ["turn:relay.example"]}]
    async with client_of(house(rtc__ice_servers=ice, rtc__turn_secret="hush", rtc__relay_only=True)) as client:
        first = await client.get("/v1/config")
        now_s[0] += 60
        second = await client.get("/v1/config")
        links = [(await client.options(f"/{name}/x")).headers["Link"] for name in ("whip", "whep")]
    assert first.headers["Cache-Control"] == "no-store"
    assert first.json()["ice_transport_policy"] == "relay"
    shown = [answer.json()["ice_servers"][0] for answer in (first, second)]
    assert [server["username"].partition(":")[0] for server in shown] == ["4600", "4660"]
    assert all(f'username="{shown[1]["username"]}"; credential="{shown[1]["credential"]}"' in link for link in links)
    assert not [text for text in ("hush", *(server["credential"] for server in shown)) if text in caplog.text]
