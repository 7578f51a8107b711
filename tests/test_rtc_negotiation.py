"""How a call comes about: offers, answers and candidates, good and bad, and certificates of other kinds."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest
from aiortc import RTCCertificate

from rtc_loopback import Browser, call, connect, play, quiet_peer, until
from visavis_models.errors import BadRequest
from visavis_server.rtc import IceServer, Peer

pytestmark = pytest.mark.e2e


async def test_an_ice_server_that_is_silent_does_not_hold_the_answer_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        server = IceServer((f"stun:127.0.0.1:{silent.getsockname()[1]}",))
        peer = Peer(on_voice=lambda *_: None, on_closed=lambda _: None, ice_servers=[server])
        browser = Browser.open()
        offer = await browser.offer()
        started_s = time.monotonic()
        assert "typ host" in await peer.answer(offer)
        assert time.monotonic() - started_s < 3.5
        await peer.close()
        await browser.close()


async def test_a_second_offer_is_refused_and_the_call_goes_on() -> None:
    async with call() as (peer, browser):
        other = Browser.open()
        with pytest.raises(BadRequest) as caught:
            await peer.answer(await other.offer())
        assert caught.value.code == "already_negotiated"
        await other.close()
        await play(peer, range(10))
        await until(lambda: len(browser.video) >= 5)


@pytest.mark.parametrize("text", ["", "\x00\xff" * 50, "v=0\r\n", "v=0\r\n" + "a=" * 40_000, "m=audio 9 X 0"])
async def test_after_a_bad_offer_a_good_one_is_answered(text: str) -> None:
    peer, browser = quiet_peer(), Browser.open()
    with pytest.raises(BadRequest) as caught:
        await peer.answer(text)
    assert caught.value.code == "bad_sdp"
    offer = await browser.offer()
    with pytest.raises(BadRequest):
        await peer.answer(offer[: len(offer) // 2])
    await browser.accept(await peer.answer(offer))
    await browser.connected()
    await browser.close()
    await peer.close()


async def test_an_offer_whose_video_comes_first_is_answered() -> None:
    peer, browser = quiet_peer(), Browser.open()
    head, audio, video = (await browser.offer()).split("m=")
    mids = [section.split("a=mid:")[1].split("\r")[0] for section in (video, audio)]
    head = "\r\n".join(f"a=group:BUNDLE {' '.join(mids)}" if "BUNDLE" in line else line for line in head.split("\r\n"))
    answer = await peer.answer(f"{head}m={video}m={audio}")
    assert [section.split(" ")[0] for section in answer.split("m=")[1:]] == ["video", "audio"]
    await peer.close()
    await browser.close()


async def test_candidates_are_taken_at_any_time_and_bad_ones_refused() -> None:
    peer, browser = quiet_peer(), Browser.open()
    good = {"candidate": "candidate:1 1 udp 1 192.0.2.9 5000 typ host", "sdpMid": "0", "sdpMLineIndex": 0}
    local = {**good, "candidate": "candidate:9 1 udp 1 11111111-2222-4333-8444-555555555555.local 5001 typ host"}
    await peer.add_candidate(good)
    await connect(peer, browser)
    started_s = time.monotonic()
    for candidate in (good, local, None, None, good):
        await peer.add_candidate(candidate)
    assert time.monotonic() - started_s < 0.5  # an mDNS name is not waited for
    with pytest.raises(BadRequest) as caught:
        await peer.add_candidate({"candidate": "nonsense", "sdpMid": "0"})
    assert caught.value.code == "bad_candidate"
    with pytest.raises(BadRequest):
        for _ in range(100):
            await peer.add_candidate(good)
    await play(peer, range(10))
    await until(lambda: len(browser.video) >= 5)
    await browser.close()
    await peer.close()
    await peer.add_candidate(None)


async def test_without_any_candidate_the_browsers_own_checks_connect() -> None:
    """As when all of a browser's candidates are mDNS names that this network does not resolve."""
    peer, browser = quiet_peer(), Browser.open()
    offer = await browser.offer()
    bare = "".join(line + "\r\n" for line in offer.split("\r\n") if line and not line.startswith("a=candidate"))
    assert "a=end-of-candidates" in bare
    answer = await peer.answer(bare)
    await peer.add_candidate(None)
    await asyncio.sleep(0.2)
    await browser.accept(answer)
    await browser.connected()
    await until(lambda: peer._connected)
    await browser.close()
    await peer.close()


async def test_trickled_candidates_alone_connect() -> None:
    peer, browser = quiet_peer(), Browser.open()
    offer = await browser.offer()
    lines = [line for line in offer.split("\r\n") if line.startswith(("a=candidate", "a=end-of"))]
    candidates = dict.fromkeys(line.removeprefix("a=") for line in lines if "candidate:" in line)
    bare = "".join(line + "\r\n" for line in offer.split("\r\n") if line and line not in lines)
    await browser.accept(await peer.answer(bare))
    for candidate in candidates:
        await peer.add_candidate({"candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0})
    await peer.add_candidate(None)
    await browser.connected()
    await until(lambda: peer._connected)
    await browser.close()
    await peer.close()


def _rsa_certificate() -> RTCCertificate:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import rsa
    from OpenSSL import SSL

    class RsaCertificate(RTCCertificate):
        def _create_ssl_context(self, srtp_profiles: list[Any]) -> SSL.Context:
            context = super()._create_ssl_context(srtp_profiles)
            context.set_cipher_list(b"ECDHE-RSA-AES128-GCM-SHA256")
            return context

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rsa")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(now - day).not_valid_after(now + day)
    return RsaCertificate(key=key, cert=builder.sign(key, hashes.SHA256()))  # type: ignore[arg-type]


async def test_a_client_with_an_rsa_certificate_connects() -> None:
    peer, browser = quiet_peer(), Browser.open(certificate=_rsa_certificate())
    await connect(peer, browser)
    await play(peer, range(10))
    await until(lambda: len(browser.video) >= 5)
    await browser.close()
    await peer.close()
