"""What is refused of a browser's offer and candidates, and with which words."""

from __future__ import annotations

import random

import pytest

from rtc_loopback import Browser
from visavis_models.errors import BadRequest
from visavis_server.rtc.sdp import parse_candidate, read_offer

pytestmark = pytest.mark.unit

SECTION = """m={kind} 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=mid:{mid}
a={direction}
a=rtcp-mux
a=rtpmap:111 {codec}
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=fingerprint:sha-256 {fingerprint}
a=setup:actpass
"""
FINGERPRINT = ":".join(["AB"] * 32)
AUDIO = SECTION.format(kind="audio", mid="0", direction="sendrecv", codec="opus/48000/2", fingerprint=FINGERPRINT)
VIDEO = SECTION.format(kind="video", mid="1", direction="recvonly", codec="VP8/90000", fingerprint=FINGERPRINT)
HEAD = "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE {bundle}\n"
GOOD = HEAD.format(bundle="0 1") + AUDIO + VIDEO
KEYS = AUDIO[AUDIO.index("a=ice-ufrag") :]
DATA = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:2\na=sctp-port:5000\n"


def _refusal(text: object) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        read_offer(text)
    assert caught.value.code in ("bad_sdp", "no_codec")
    assert caught.value.remedy
    return caught.value


def test_a_good_offer_passes_with_either_section_first() -> None:
    assert read_offer(GOOD).kinds == ("audio", "video")
    assert read_offer(HEAD.format(bundle="1 0") + VIDEO + AUDIO).kinds == ("video", "audio")
    assert read_offer(GOOD.replace("a=sendrecv", "a=recvonly")).kinds == ("audio", "video")
    assert read_offer(HEAD.format(bundle="0 1 2") + AUDIO + VIDEO + DATA + KEYS).kinds == ("audio", "video")


async def test_an_offer_of_a_real_connection_passes() -> None:
    browser = Browser.open()
    assert read_offer(await browser.offer()).kinds == ("audio", "video")
    await browser.close()


def test_mdns_candidates_are_left_out_of_the_offer() -> None:
    mdns = "a=candidate:1 1 udp 2122260223 5e2e1a8b-dd3c-4f7e-9f6f-1f6a0c2d9b11.local 51000 typ host\n"
    plain = "a=candidate:2 1 udp 2122260223 192.0.2.7 51000 typ host\n"
    text = read_offer(GOOD + mdns + plain).text
    assert ".local" not in text
    assert "192.0.2.7" in text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "not a text"),
        (b"v=0", "not a text"),
        ({"sdp": GOOD}, "not a text"),
        ("", "v=0"),
        ("hello", "v=0"),
        ("\x00\xff\x01" * 100, "v=0"),
        ("v=0\r\n", "exactly one audio and one video"),
        ("v=0\n" + "a=x\n" * 20_000, "larger than 64 KiB"),
        ("v=0\nm=audio\n", "cannot be read"),
        (HEAD.format(bundle="0") + AUDIO, "exactly one audio and one video"),
        (HEAD.format(bundle="1") + VIDEO, "exactly one audio and one video"),
        (GOOD + AUDIO.replace("mid:0", "mid:2"), "exactly one audio and one video"),
        (HEAD.format(bundle="0 1 2") + AUDIO + VIDEO + DATA, "application section lacks ICE credentials"),
        (HEAD.format(bundle="0 1 2 3") + AUDIO + VIDEO + DATA + DATA.replace("mid:2", "mid:3"), "one of data channels"),
        (HEAD.format(bundle="2 0 1") + DATA + KEYS + AUDIO + VIDEO, "before its audio"),
        (HEAD.format(bundle="0 1") + AUDIO + VIDEO + DATA + KEYS, "does not bundle"),
        (HEAD.format(bundle="0") + AUDIO + VIDEO, "does not bundle"),
        (GOOD.replace("a=group:BUNDLE 0 1\n", ""), "does not bundle"),
        (GOOD.replace("a=mid:1", "a=mid:0"), "different a=mid"),
        (GOOD.replace("a=mid:1\n", ""), "different a=mid"),
        (GOOD.replace("a=rtcp-mux\n", ""), "rtcp-mux"),
        (GOOD.replace("a=ice-pwd:0123456789012345678901\n", ""), "ICE credentials"),
        (GOOD.replace("a=ice-ufrag:abcd", "a=ice-ufrag:a"), "ICE credentials"),
        (GOOD.replace(f"a=fingerprint:sha-256 {FINGERPRINT}\n", ""), "DTLS fingerprint"),
        (GOOD.replace("sha-256", "md5"), "DTLS fingerprint"),
        (GOOD.replace("a=setup:actpass\n", ""), "DTLS fingerprint"),
        (GOOD.replace("a=recvonly", "a=sendonly"), "does not take video"),
        (GOOD.replace("a=sendrecv", "a=inactive"), "does not take audio"),
        (GOOD.replace("m=video 9", "m=video 0"), "switched off"),
        (GOOD.replace("VP8", "AV1"), "video/h264"),
        (GOOD.replace("opus/48000/2", "PCMU/8000"), "audio/opus"),
    ],
)
def test_what_cannot_become_a_call_is_refused_with_the_reason(text: object, says: str) -> None:
    refusal = _refusal(text)
    assert says in refusal.message
    assert (refusal.code == "no_codec") == ("codecs" in refusal.message)


def test_no_damaged_offer_raises_anything_but_bad_request() -> None:
    dice = random.Random(3)
    for cut in range(0, len(GOOD), 7):
        _refusal(GOOD[:cut])
    for _ in range(300):
        damaged = list(GOOD)
        for _ in range(dice.randint(1, 12)):
            damaged[dice.randrange(4, len(damaged))] = chr(dice.choice([0, 10, 32, 47, 58, 65, 255, 0x1F600]))
        try:
            read_offer("".join(damaged))
        except BadRequest as refusal:
            assert refusal.code in ("bad_sdp", "no_codec")


def _candidate(**changes: object) -> dict[str, object]:
    line = "candidate:1 1 udp 2122260223 192.0.2.7 51000 typ host generation 0"
    return {"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0} | changes


def test_candidates_are_read_as_the_browser_sends_them() -> None:
    parsed = parse_candidate(_candidate())
    assert parsed is not None
    assert (parsed.ip, parsed.port, parsed.sdpMid, parsed.sdpMLineIndex) == ("192.0.2.7", 51000, "0", 0)
    local = "candidate:1 1 UDP 2122260223 5e2e1a8b-dd3c-4f7e-9f6f-1f6a0c2d9b11.local 51000 typ host"
    assert parse_candidate(_candidate(candidate=local)) is not None
    assert parse_candidate(_candidate(sdpMid=None)) is not None


def test_the_end_and_tcp_candidates_are_ignored() -> None:
    assert parse_candidate(_candidate(candidate="")) is None
    tcp = "candidate:1 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active"
    assert parse_candidate(_candidate(candidate=tcp)) is None


@pytest.mark.parametrize(
    "candidate",
    [
        "text",
        [],
        {},
        {"candidate": 5},
        _candidate(candidate="candidate:"),
        _candidate(candidate="nonsense"),
        _candidate(candidate="x" * 2000),
        _candidate(candidate="candidate:1 1 udp 1 192.0.2.7 99999 typ host"),
        _candidate(candidate="candidate:1 1 udp 1 192.0.2.7 0 typ host"),
        _candidate(candidate="candidate:1 7 udp 1 192.0.2.7 5000 typ host"),
        _candidate(candidate="candidate:1 1 udp 1 metadata.internal 80 typ host"),
        _candidate(candidate="candidate:1 1 udp 1 300.1.1.1 80 typ host"),
        _candidate(sdpMid=3),
        _candidate(sdpMLineIndex="0"),
        _candidate(sdpMLineIndex=True),
        _candidate(sdpMid=None, sdpMLineIndex=None),
    ],
)
def test_bad_candidates_are_refused(candidate: object) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_candidate(candidate)  # type: ignore[arg-type]
    assert caught.value.code == "bad_candidate"
