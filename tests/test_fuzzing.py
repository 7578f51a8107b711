"""What strangers write, against every parser of text and messages: refused with a reason of ours, or understood.

Anything else that a parser raises would be answered with 500, or end somebody's call.
"""

from __future__ import annotations

import contextlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import Headers

import fuzz_seeds
from fuzz_seeds import AGENT_MESSAGES, AMF, CANDIDATE, CHUNKS, FRAGMENT, PAGE_MESSAGES, TOKENS, URLS
from fuzz_targets import (
    check_agent_message,
    check_amf,
    check_candidate,
    check_fragment,
    check_offer,
    check_page_message,
    check_rtmp,
    heard,
    refused_politely,
)
from mutations import damaged, disordered, json_values, thorough
from visavis_models.errors import BadRequest
from visavis_server.access.keys import KeyStore, keys_file
from visavis_server.access.rules import GUARDED, rule_of
from visavis_server.access.tokens import grant_of_token
from visavis_server.access.visitors import visitor_of
from visavis_server.api.avatars import MAX_NAME_CHARACTERS, avatar_name
from visavis_server.api.guard import host_name
from visavis_server.api.messages import read_message
from visavis_server.outputs.target import read_target
from visavis_server.redaction import redacted
from visavis_server.rtc import read_media_offer
from visavis_server.rtc.sdp import parse_candidate, read_offer

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def offers() -> list[str]:
    return fuzz_seeds.offers()


@thorough
@given(data=st.data())
def test_offers(offers: list[str], data: st.DataObject) -> None:
    check_offer(data.draw(disordered(offers)).encode())


@thorough
@given(st.text(max_size=400) | json_values)
def test_offers_that_are_nothing_of_the_kind(text: Any) -> None:
    assert refused_politely(read_offer, text) is None
    if isinstance(text, str):
        assert refused_politely(read_media_offer, text, "watch") is None


@thorough
@given(disordered([FRAGMENT]) | st.text(max_size=200))
def test_trickled_fragments(text: str) -> None:
    check_fragment(text.encode())


@thorough
@given(disordered([CANDIDATE.replace(" ", "\n")]), json_values, json_values)
@example("candidate:1 1 udp 1 192.0.2.1 99999999999999999999 typ host", "0", 0)
@example("candidate:1 1 udp 1 \u0661.2.3.4 9 typ host", "0", 0)
def test_candidates(text: str, mid: Any, line: Any) -> None:
    one = " ".join(text.splitlines())
    check_candidate(one.encode())
    refused_politely(parse_candidate, {"candidate": one, "sdpMid": mid, "sdpMLineIndex": line})
    refused_politely(parse_candidate, {"candidate": mid})


@thorough
@given(damaged(PAGE_MESSAGES) | json_values.map(lambda value: json.dumps(value).encode()))
@example(b'{"type": "ping", "id": 1' + b"0" * 5000 + b"}")
@example(b'{"type": "offer", "sdp": "\\ud800"}')
def test_messages_of_pages(content: bytes) -> None:
    check_page_message(content)
    refused_politely(read_message, content.decode("latin-1"))


@thorough
@given(damaged(AGENT_MESSAGES) | json_values.map(lambda value: json.dumps(value).encode()))
def test_messages_of_agents(content: bytes) -> None:
    check_agent_message(content)


@thorough
@given(
    st.binary(max_size=6000), st.lists(st.integers(0, 6000), max_size=12), st.sampled_from([8000, 16000, 24000, 48000])
)
def test_speech_may_be_cut_anywhere(pcm: bytes, cuts: list[int], rate_hz: int) -> None:
    pcm = pcm[: len(pcm) // 2 * 2]
    edges = [0, *sorted(min(cut, len(pcm)) for cut in cuts), len(pcm)]
    whole, cut = heard([pcm], rate_hz), heard([pcm[a:b] for a, b in pairwise(edges)], rate_hz)
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
@given(st.text(max_size=120) | damaged(TOKENS).map(repr))
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


@thorough
@given(damaged(AMF) | st.binary(max_size=80))
@example(b"\x03" * 200)
@example(b"\x0a\xff\xff\xff\xff")
def test_answers_of_rtmp_servers(content: bytes) -> None:
    check_amf(content)


@thorough
@given(damaged(CHUNKS) | st.binary(max_size=80))
def test_chunks_of_rtmp_servers(content: bytes) -> None:
    check_rtmp(content)
