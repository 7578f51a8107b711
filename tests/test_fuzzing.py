"""What strangers write, against every parser of text and messages: refused with a reason of ours, or understood.

Anything else that a parser raises would be answered with 500, or end somebody's call.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import aiortc
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from mutations import damaged, disordered, json_values, thorough
from visavis_models.errors import BadRequest, VisavisError
from visavis_server.access.keys import KeyStore, keys_file
from visavis_server.access.rules import GUARDED, rule_of
from visavis_server.access.tokens import grant_of_token
from visavis_server.access.visitors import visitor_of
from visavis_server.agent_voice import AgentVoice
from visavis_server.api.agent_messages import Audio, read_agent_message
from visavis_server.api.avatars import MAX_NAME_CHARACTERS, avatar_name
from visavis_server.api.guard import host_name
from visavis_server.api.messages import read_message
from visavis_server.outputs import amf
from visavis_server.outputs.rtmp_chunks import BadChunk, ChunkReader, Message, chunked
from visavis_server.outputs.target import read_target
from visavis_server.redaction import redacted
from visavis_server.rtc import read_fragment, read_media_offer
from visavis_server.rtc.sdp import parse_candidate, read_offer

pytestmark = pytest.mark.unit

FIXTURE = json.loads((Path(__file__).parents[1] / "web_client" / "protocol.fixture.json").read_text("utf-8"))


async def _offer(audio: str, video: str) -> str:
    peer = aiortc.RTCPeerConnection()
    peer.addTransceiver("audio", direction=audio)
    peer.addTransceiver("video", direction=video)
    peer.createDataChannel("control")
    try:
        await peer.setLocalDescription(await peer.createOffer())
        return str(peer.localDescription.sdp)
    finally:
        await peer.close()


@pytest.fixture(scope="module")
def offers() -> list[str]:
    return [
        asyncio.run(_offer(*ways)) for ways in (("sendrecv", "recvonly"), ("recvonly", "recvonly"), ("sendonly",) * 2)
    ]


def refused_politely(call: Any, *values: Any) -> Any:
    """What it gives; None: it was refused with an error of ours, which says what to do and is no defect."""
    try:
        return call(*values)
    except VisavisError as error:
        assert error.http_status < 500 and error.message and error.remedy
        return None


@thorough
@given(data=st.data())
def test_offers(offers: list[str], data: st.DataObject) -> None:
    text = data.draw(disordered(offers))
    refused_politely(read_offer, text)
    for purpose in ("speak", "watch"):
        offer = refused_politely(read_media_offer, text, purpose)
        if offer is not None:
            assert all(0 <= number < len(offer.sections) for number in offer.served)


@thorough
@given(st.text(max_size=400) | json_values)
def test_offers_that_are_nothing_of_the_kind(text: Any) -> None:
    assert refused_politely(read_offer, text) is None
    if isinstance(text, str):
        assert refused_politely(read_media_offer, text, "watch") is None


FRAGMENT = (
    "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n"
    "a=candidate:3471623853 1 tcp 1518280447 2001:db8::1 9 typ host tcptype active\r\na=end-of-candidates\r\n"
)


@thorough
@given(disordered([FRAGMENT]) | st.text(max_size=200))
def test_trickled_fragments(text: str) -> None:
    refused_politely(read_fragment, text, {"0"}, "0")


CANDIDATE = "candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ srflx raddr 10.0.0.1 rport 9 generation 0"


@thorough
@given(disordered([CANDIDATE.replace(" ", "\n")]), json_values, json_values)
@example("candidate:1 1 udp 1 192.0.2.1 99999999999999999999 typ host", "0", 0)
@example("candidate:1 1 udp 1 \u0661.2.3.4 9 typ host", "0", 0)
def test_candidates(text: str, mid: Any, line: Any) -> None:
    one = " ".join(text.splitlines())
    refused_politely(parse_candidate, {"candidate": one, "sdpMid": "0", "sdpMLineIndex": 0})
    refused_politely(parse_candidate, {"candidate": one, "sdpMid": mid, "sdpMLineIndex": line})
    refused_politely(parse_candidate, {"candidate": mid})


MESSAGES = [json.dumps(message).encode() for message in FIXTURE["client"]]


@thorough
@given(damaged(MESSAGES) | json_values.map(lambda value: json.dumps(value).encode()))
@example(b'{"type": "ping", "id": 1' + b"0" * 5000 + b"}")
@example(b'{"type": "offer", "sdp": "\\ud800"}')
def test_messages_of_pages(content: bytes) -> None:
    refused_politely(read_message, content.decode("utf-8", "surrogateescape"))
    refused_politely(read_message, content.decode("latin-1"))


AGENT_MESSAGES = [
    json.dumps(message).encode()
    for message in (
        {"type": "segment.start", "rate_hz": 24000, "id": "a", "emotion": "happy", "strength": 0.5},
        {"type": "audio", "data": base64.b64encode(bytes(60)).decode()},
        {"type": "mood", "emotion": "sad", "preset": "teacher"},
        {"type": "interrupt"},
        {"type": "attend", "on": True},
    )
]


@thorough
@given(damaged(AGENT_MESSAGES) | json_values.map(lambda value: json.dumps(value).encode()))
def test_messages_of_agents(content: bytes) -> None:
    message = refused_politely(read_agent_message, content.decode("latin-1"))
    if isinstance(message, Audio):
        refused_politely(message.pcm)


@thorough
@given(
    st.binary(max_size=6000), st.lists(st.integers(0, 6000), max_size=12), st.sampled_from([8000, 16000, 24000, 48000])
)
def test_speech_may_be_cut_anywhere(pcm: bytes, cuts: list[int], rate_hz: int) -> None:
    def heard(pieces: list[bytes]) -> list[Any]:
        voice = AgentVoice(10.0, lambda event: None)
        voice.begin("a", rate_hz)
        for piece in pieces:
            voice.push(piece, 0.0)
        voice.end()
        chunks = [voice.take(index) for index in range(60)]
        return [chunk.samples for chunk in chunks if chunk is not None]

    pcm = pcm[: len(pcm) // 2 * 2]
    edges = [0, *sorted(min(cut, len(pcm)) for cut in cuts), len(pcm)]
    whole, cut = heard([pcm]), heard([pcm[a:b] for a, b in zip(edges, edges[1:], strict=False)])
    assert len(whole) == len(cut) and all(np.array_equal(a, b) for a, b in zip(whole, cut, strict=True))


@thorough
@given(st.text(max_size=200), st.sampled_from(["GET", "POST", "WEBSOCKET", "DELETE", "get", ""]))
def test_no_way_to_write_an_address_leaves_the_api_open(rest: str, method: str) -> None:
    for name in GUARDED:
        for path in (name + rest, f"{name}/{rest}"):
            rule = rule_of(method, path).rule
            assert rule.scopes is not None or path == "/v1/access", path


@thorough
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"x-forwarded-for", b"authorization", b"cookie", b"forwarded", b"x-forwarded-proto"]),
            st.binary(max_size=60).map(lambda value: value.replace(b"\n", b"").replace(b"\r", b""))
            | st.sampled_from(
                [b"127.0.0.1", b"::1", b"[::1]:1", b"1.2.3.4, 127.0.0.1", b"Bearer x", b"visavis=a; visavis=b"]
            ),
        ),
        max_size=5,
    ),
    st.binary(max_size=60),
    st.sampled_from(["203.0.113.9", "127.0.0.1", "::1", "fe80::1%eth0", "testclient", ""]),
)
def test_no_header_makes_a_stranger_this_machine(headers: list[tuple[bytes, bytes]], query: bytes, peer: str) -> None:
    import ipaddress

    trusted = [ipaddress.ip_network("127.0.0.1"), ipaddress.ip_network("::1")]
    scope = {"type": "http", "method": "GET", "headers": headers, "client": (peer, 1), "query_string": query}
    visitor = visitor_of(scope, trusted)
    if visitor.is_local:
        hops = [hop.strip() for line in Headers(raw=headers).getlist("x-forwarded-for") for hop in line.split(",")]
        assert peer in ("127.0.0.1", "::1") and all("1.2.3.4" not in hop for hop in hops)
    assert visitor.network


@thorough
@given(st.text(max_size=120) | damaged([b"eyJhbGciOiJIUzI1NiIsImtpZCI6ImEifQ.eyJpc3MiOiJ2aXNhdmlzIn0.c2ln"]).map(repr))
def test_tokens_and_keys(tmp_path: Path, text: str) -> None:
    store = KeyStore(keys_file(tmp_path), "a-long-enough-secret")
    assert store.find(text) is None
    with contextlib.suppress(BadRequest):
        pytest.fail(f"taken: {grant_of_token(text, store, 0.0, 3600)}")


@thorough
@given(st.text(max_size=300))
def test_names_hosts_and_log_lines(text: str) -> None:
    name = avatar_name(text)
    assert 0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable()
    host_name(text)
    redacted(text)


URLS = [
    "rtmp://live.example.com/app/key",
    "rtmps://[2001:db8::1]:443/app/key?x=1",
    "https://user:pw@whip.example.com/x",
]


@thorough
@given(
    disordered([url.replace("/", "\n/") for url in URLS]) | st.text(max_size=60),
    st.text(max_size=20),
    st.text(max_size=20),
)
def test_addresses_of_streams(url: str, key: str, token: str) -> None:
    target = refused_politely(read_target, "".join(url.splitlines()), key, token)
    if target is not None:
        assert 0 < target.port < 65536 and (len(token) < 4 or token not in target.shown)


AMF = [amf.write("connect", 1.0, {"app": "live", "flashVer": "x"}, None, True)]


@thorough
@given(damaged(AMF) | st.binary(max_size=80))
@example(b"\x03" * 200)
@example(b"\x0a\xff\xff\xff\xff")
def test_answers_of_rtmp_servers(content: bytes) -> None:
    with contextlib.suppress(amf.BadAmf):
        amf.read(content)


CHUNKS = [chunked(3, Message(20, 0, bytes(300)), 0) + chunked(2, Message(1, 0, b"\x00\x00\x10\x00"), 5)]


@thorough
@given(damaged(CHUNKS) | st.binary(max_size=80))
def test_chunks_of_rtmp_servers(content: bytes) -> None:
    async def read() -> None:
        stream = asyncio.StreamReader()
        stream.feed_data(content)
        stream.feed_eof()
        chunks = ChunkReader(stream)
        with contextlib.suppress(BadChunk, asyncio.IncompleteReadError):
            while True:
                await chunks.next()

    asyncio.run(read())
