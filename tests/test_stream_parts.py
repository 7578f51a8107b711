"""The parts of streams that only compute: addresses, targets, retries, AMF0, chunks."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest

from visavis_models.errors import BadRequest
from visavis_server.outputs import amf
from visavis_server.outputs.address_policy import AddressPolicy
from visavis_server.outputs.http_exchange import HttpAddress
from visavis_server.outputs.retrying import Retrying
from visavis_server.outputs.rtmp_chunks import (
    AUDIO,
    COMMAND,
    SET_CHUNK_SIZE,
    VIDEO,
    BadChunk,
    ChunkReader,
    Message,
    chunked,
)
from visavis_server.outputs.target import Target, read_target
from visavis_server.outputs.trouble import Rejected, Unreachable
from visavis_server.settings import BadSetting
from visavis_server.settings_sources import load_settings

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("url", "key", "kind", "tls", "port", "names"),
    [
        ("rtmp://a.rtmp.youtube.com/live2/k-1", "", "rtmp", False, 1935, ("live2", "k-1")),
        ("rtmps://a.rtmps.youtube.com/live2", "k-1", "rtmp", True, 443, ("live2", "k-1")),
        ("rtmp://live.twitch.tv/app/live_1?test=true", "", "rtmp", False, 1935, ("app", "live_1?test=true")),
        ("rtmp://h:1936/a/b/c", "", "rtmp", False, 1936, ("a/b", "c")),
        ("rtmp://h/stream?user=u&pass=p", "", "rtmp", False, 1935, ("stream?user=u&pass=p", "")),
        ("rtmp://h/a/", "k?x=/", "rtmp", False, 1935, ("a", "k?x=/")),
    ],
)  # fmt: skip
def test_rtmp_urls(url: str, key: str, kind: str, tls: bool, port: int, names: tuple[str, str]) -> None:
    target = read_target(url, key)
    assert (target.kind, target.tls, target.port, target.rtmp_names) == (kind, tls, port, names)
    assert target.shown.endswith("/…") and "k" not in target.shown.partition("://")[2].partition("/")[2]


@pytest.mark.parametrize(
    ("url", "tls", "authority", "shown"),
    [
        ("https://h/whip?x=1", True, "h:443", "https://h/…"),
        ("http://h:8889/live/whip", False, "h:8889", "http://h:8889/…"),
        ("whip://h/live", True, "h:443", "https://h/…"),
        ("https://[2001:db8::1]:8/w", True, "[2001:db8::1]:8", "https://[2001:db8::1]:8/…"),
    ],
)
def test_whip_urls(url: str, tls: bool, authority: str, shown: str) -> None:
    target = read_target(url, token="t")
    assert (target.kind, target.tls, target.authority, target.shown) == ("whip", tls, authority, shown)
    assert "'t'" not in repr(target) and "live" not in repr(target)


def test_what_a_server_says_is_told_without_the_key() -> None:
    target = read_target("rtmp://h/live/ab%2Bcdef?sig=0123456", "")
    said = target.without_secrets("no ab%2Bcdef?sig=0123456, ab+cdef, 0123456\x1b[31m in live " + "x" * 500)
    assert "cdef" not in said and "0123456" not in said and "\x1b" not in said and len(said) <= 200
    assert "in live" in said


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("::127.0.0.1", False),
        ("fc00::1", False),
        ("fe80::1%eth0", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
        ("ff02::1", False),
        ("host.local", False),
    ],
)
def test_which_addresses_strangers_may_name(address: str, allowed: bool) -> None:
    assert AddressPolicy().allows_text(address) is allowed
    assert AddressPolicy(everywhere=True).allows_text(address)


async def test_networks_that_the_operator_allows_and_where_his_own_servers_may_lead() -> None:
    settings = load_settings(flags={"outputs.private_networks": ["10.0.0.0/8"]})
    assert settings.outputs.private_networks == ("10.0.0.0/8",)
    import ipaddress

    policy = AddressPolicy(networks=(ipaddress.ip_network("10.0.0.0/8"),))
    assert policy.allows_text("10.9.8.7") and policy.allows_text("::ffff:10.9.8.7")
    assert not policy.allows_text("192.168.1.1")
    everywhere = AddressPolicy(True)
    assert await everywhere.beyond("127.0.0.1", 80) is everywhere  # a LAN server may lead about the LAN
    assert not (await everywhere.beyond("8.8.8.8", 80)).everywhere  # one outside may not lead in
    with pytest.raises(BadRequest, match="does not send"):
        await policy.addresses("192.168.1.1", 80)


def test_locations_are_read_as_seen_from_the_address() -> None:
    at = HttpAddress.read("https://h:4443/whip/a?b=c")
    assert at.joined("/r/1") == HttpAddress(True, "h", 4443, "/r/1")
    assert at.joined("r/1?x").path == "/whip/r/1?x"
    assert at.joined("http://other/").host == "other" and at.joined("//other:1/x").port == 1
    for bad in ("ftp://h/x", "http://", "http://u@h/", "http://h:x/", "/a b", "http://h/\r\nX: y"):
        with pytest.raises(ValueError):
            at.joined(bad)


def again(*_: object) -> Unreachable:
    return Unreachable("x", "x", "x")


def test_waits_grow_to_half_a_minute_and_begin_anew_after_a_steady_connection() -> None:
    retrying = Retrying(0.0)
    waits = [retrying.wait_s(again(), 0.0, 0.5) for _ in range(8)]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    retrying.live(100.0)
    assert retrying.wait_s(again(), 105.0, 0.5) == 30, "it flaps"
    retrying.live(200.0)
    assert retrying.wait_s(again(), 300.0, 0.5) == 1
    spread = [Retrying(0.0).wait_s(again(), 0.0, chance) for chance in (0.0, 1.0)]
    assert spread == [0.75, 1.25]


def test_when_a_stream_is_given_up() -> None:
    retrying = Retrying(60.0)
    assert retrying.wait_s(again(), 0.0, 0.5) and retrying.wait_s(again(), 59.0, 0.5)
    assert retrying.wait_s(again(), 60.0, 0.5) is None
    no = Rejected("x", "x", "x")
    fresh = Retrying(0.0)
    assert [fresh.wait_s(no, 0.0, 0.5) for _ in range(3)] == [1, 2, None]
    known = Retrying(0.0)
    known.live(0.0)
    assert all(known.wait_s(no, 20.0, 0.5) for _ in range(20)), "a key that worked is tried on"
    assert Retrying(0.0).wait_s(BadRequest("x", "x", "x"), 0.0, 0.5) is None
    flapping = Retrying(60.0)
    for second in range(0, 60, 5):
        flapping.live(float(second))
        assert flapping.wait_s(again(), second + 1.0, 0.5) is not None
    flapping.live(61.0)
    assert flapping.wait_s(again(), 62.0, 0.5) is None, "connections that never hold are none"


def test_a_server_may_ask_for_a_pause_but_not_for_ever() -> None:
    assert Retrying(0.0).wait_s(Unreachable("x", "x", "x", 20.0), 0.0, 0.5) == 20
    assert Retrying(0.0).wait_s(Unreachable("x", "x", "x", 99_999.0), 0.0, 0.5) == 120


def test_amf_comes_back() -> None:
    values: list[amf.Value] = ["connect", 1.0, {"app": "a", "n": 2.5, "on": True, "none": None, "in": {"x": "é"}}, None]
    assert amf.read(amf.write(*values)) == values
    ecma = b"\x08\0\0\0\1\0\1a\0" + struct.pack("!d", 3) + b"\0\0\x09"
    assert amf.read(ecma + b"\x06" + b"\x0a\0\0\0\1\1\1" + b"\x0b" + bytes(10)) == [{"a": 3.0}, None, [True], 0.0]


@pytest.mark.parametrize(
    "data",
    [
        b"\x02\xff\xffabc",
        b"\x00\x01",
        b"\x0d",
        b"\x03\0\1a",
        b"\x0a\xff\xff\xff\xff",
        b"\x03\0\1a" * 50,
        b"\x0a\0\0\x03\xe8" + b"\x05" * 999,
    ],
)
def test_amf_that_is_none(data: bytes) -> None:
    with pytest.raises(amf.BadAmf):
        amf.read(data)


async def _read_all(data: bytes) -> list[Message]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    chunks = ChunkReader(reader)
    messages = []
    try:
        while True:
            messages.append(await chunks.next())
    except asyncio.IncompleteReadError:
        return messages


async def test_chunks_come_back_also_after_four_hours() -> None:
    size = Message(SET_CHUNK_SIZE, 0, struct.pack("!I", 4096))
    for time_ms in (0, 5000, 0xFFFFFE, 0xFFFFFF, 0x1234567, 2**32 + 7):
        sent = [Message(VIDEO, 1, bytes(range(256)) * 40), Message(AUDIO, 1, b"abc"), Message(COMMAND, 0, b"")]
        data = chunked(2, size, 0, 128)
        data += b"".join(chunked(channel, message, time_ms) for channel, message in zip((6, 4, 3), sent, strict=True))
        assert await _read_all(data) == sent
    assert chunked(4, Message(AUDIO, 1, b"x"), 0x01000000)[1:4] == b"\xff\xff\xff"


@pytest.mark.parametrize(
    "data",
    [
        bytes((0xC3,)),
        chunked(2, Message(SET_CHUNK_SIZE, 0, bytes(4)), 0),
        b"\x03" + bytes(3) + b"\xff\xff\xff\x14" + bytes(4),
        b"".join(bytes((channel,)) + bytes(3) + b"\0\0\2\x14" + bytes(4) + b"x" for channel in range(2, 64))
        + b"".join(b"\0" + bytes((n,)) + bytes(3) + b"\0\0\2\x14" + bytes(4) + b"x" for n in range(4)),
    ],
)
async def test_chunks_that_are_none(data: bytes) -> None:
    with pytest.raises(BadChunk):
        await _read_all(data)


def toml(folder: Path, text: str) -> Path:
    path = folder / "visavis.toml"
    path.write_text(text, "utf-8")
    return path


def test_targets_in_the_settings(tmp_path: Path) -> None:
    text = '[[outputs.targets]]\nname = "tube"\nurl = "rtmps://h/app"\nkey = "hush"\nautomatic = true\n'
    (target,) = load_settings(toml(tmp_path, text)).outputs.targets
    assert (target.name, target.url, target.key, target.automatic) == ("tube", "rtmps://h/app", "hush", True)
    assert "hush" not in repr(target) and "app" not in repr(target)
    environ = {"VISAVIS_OUTPUTS_TARGETS": '[{"name": "tube", "url": "rtmps://h/app/hush"}]'}
    assert load_settings(environ=environ).outputs.targets[0].url == "rtmps://h/app/hush"


@pytest.mark.parametrize(
    "text",
    [
        '[outputs]\nrecord_dir = "/nowhere/at/all"',
        "[outputs]\nrecord_all = true",
        '[outputs]\ntoken = "hush hush"',
        '[outputs]\nprivate_networks = ["10.0.0.1/8"]',
        '[outputs]\nprivate_networks = ["lan"]',
        '[outputs]\ntargets = "rtmp://h/a/hush"',
        '[[outputs.targets]]\nurl = "rtmp://h/a/hush"',
        '[[outputs.targets]]\nname = "A b"\nurl = "rtmp://h/a/hush"',
        '[[outputs.targets]]\nname = "a"\nurl = "rtmp://h/a/hush"\npassword = "hush"',
        '[[outputs.targets]]\nname = "a"\nurl = 7',
        '[[outputs.targets]]\nname = "a"\nurl = "rtmp://h/a/hush"\nautomatic = "hush"',
        '[[outputs.targets]]\nname = "a"\nurl = "r"\n[[outputs.targets]]\nname = "a"\nurl = "hush"',
    ],
)
def test_bad_settings_stop_the_start_and_show_no_key(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadSetting) as refused:
        load_settings(toml(tmp_path, text))
    assert refused.value.key.startswith("outputs.") and "hush" not in str(refused.value)


def test_a_target_shows_nothing_of_its_path() -> None:
    assert "secret" not in repr(Target("whip", True, "h", 443, "/secret", "secret"))
