"""Offers of WHIP and WHEP clients as text: what is taken, what is declined and how, what is refused."""

from __future__ import annotations

import pytest

from visavis_models.errors import BadInput, BadRequest
from visavis_server.rtc.broadcast import shared_target_bps
from visavis_server.rtc.fragments import read_fragment
from visavis_server.rtc.offers import read_media_offer

pytestmark = pytest.mark.unit

TRANSPORT = """a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuv
a=fingerprint:sha-256 00:11
a=setup:actpass
"""
HEAD = "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\n"
AUDIO = "m=audio {port} UDP/TLS/RTP/SAVPF 111\na=rtpmap:111 opus/48000/2\na=mid:a\na=rtcp-mux\na=sendonly\n"
VIDEO = "m=video 9 UDP/TLS/RTP/SAVPF 45\na=rtpmap:45 AV1/90000\na=mid:v\na=rtcp-mux\na=sendonly\n"
DATA = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:d\na=sctp-port:5000\n"
CANDIDATE = "a=candidate:1 1 udp 1 192.0.2.9 9 typ host\n"
ANSWER = (
    "v=0\r\no=- 2 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE a\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
    "a=recvonly\r\na=mid:a\r\na=candidate:1 1 udp 1 198.51.100.1 5 typ host\r\na=ice-ufrag:efgh\r\n"
    "a=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 22:33\r\na=setup:active\r\n"
)


def test_audio_gets_the_transport_of_the_declined_video_that_carries_it() -> None:
    """Browsers with max-bundle put it all on the first section, and the others have port 0."""
    sdp = HEAD + "a=group:BUNDLE v a\n" + VIDEO + TRANSPORT + CANDIDATE + AUDIO.format(port=0) + "a=bundle-only\n"
    offer = read_media_offer(sdp, "speak")
    assert offer.kinds == ("audio",) and offer.ufrag == "abcd" and offer.mids == {"a", "v"}
    assert "m=audio 9 " in offer.text and "AV1" not in offer.text and "bundle-only" not in offer.text
    assert CANDIDATE.strip() in offer.text and "a=group:BUNDLE a\r\n" in offer.text
    answer = offer.complete(ANSWER)
    head, video, audio = answer.split("m=")
    assert "a=group:BUNDLE v a\r\n" in head and answer.count("a=group") == 1
    assert video.startswith("video 9 UDP/TLS/RTP/SAVPF 45\r\n") and "a=inactive" in video and "a=rtpmap:45" in video
    assert "a=ice-ufrag:efgh" in video and "198.51.100.1" in video
    assert audio.startswith("audio 9 ") and "a=recvonly" in audio


def test_what_is_not_bundled_or_no_media_is_switched_off() -> None:
    sdp = HEAD + AUDIO.format(port=9) + TRANSPORT + VIDEO + TRANSPORT + DATA + TRANSPORT
    answer = read_media_offer(sdp, "speak").complete(ANSWER)
    assert "m=video 0 UDP/TLS/RTP/SAVPF 45" in answer and "m=application 0 " in answer and "a=group" not in answer


def test_an_offer_to_watch_without_a_bundle_is_refused() -> None:
    video = VIDEO.replace("AV1", "VP8").replace("sendonly", "recvonly")
    audio = AUDIO.format(port=9).replace("sendonly", "recvonly")
    with pytest.raises(BadInput) as refused:
        read_media_offer(HEAD + audio + TRANSPORT + video + TRANSPORT, "watch")
    assert refused.value.code == "sdp_refused"
    offer = read_media_offer(HEAD + "a=group:BUNDLE a v\n" + audio + TRANSPORT + video, "watch")
    assert offer.kinds == ("audio", "video") and offer.text.count("a=ice-ufrag:abcd") == 2


@pytest.mark.parametrize("names", ["", "a=mid:a\n"])
def test_sections_need_names_of_their_own(names: str) -> None:
    with pytest.raises(BadRequest):
        read_media_offer(HEAD + AUDIO.format(port=9) + TRANSPORT + VIDEO.replace("a=mid:v\n", names), "speak")


def test_fragments_give_what_can_be_used() -> None:
    lines = "a=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuv\nm=audio 9 UDP/TLS/RTP/SAVPF 0\na=mid:a\n"
    tcp = "a=candidate:2 1 tcp 1 192.0.2.9 9 typ host tcptype active\n"
    fragment = read_fragment(lines + CANDIDATE + tcp + "a=end-of-candidates\n", {"a"}, "a")
    assert (fragment.ufrag, fragment.password) == ("abcd", "abcdefghijklmnopqrstuv")
    assert [candidate.ip for candidate in fragment.candidates] == ["192.0.2.9"]
    assert read_fragment("a=end-of-candidates", {"a"}, "a").candidates == ()


@pytest.mark.parametrize(
    "text",
    ["", "x", "a=mid:b\n" + CANDIDATE, "a=ice-ufrag:a b\n", "a=ice-ufrag:abcd\na=ice-ufrag:efgh\n", CANDIDATE * 65],
)
def test_fragments_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_fragment(text, {"a"}, "a")
    assert refused.value.code == "bad_fragment"


def test_few_viewers_share_the_weakest_rate_and_many_leave_a_quarter_behind() -> None:
    assert shared_target_bps([900, 300, 500]) == 300
    assert shared_target_bps([900, 300, 500, 700]) == 300
    assert shared_target_bps([100, 900, 901, 902, 903]) == 900
    assert shared_target_bps([100] * 5 + [900] * 15) == 100
    assert shared_target_bps([100] * 5 + [900] * 16) == 900
