"""A whole call over real sockets: what is shown with what is heard, over bad links, at the end, and with bad peers."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import numpy as np
import pytest
from aiortc import RTCCertificate
from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, RtpPacket, pack_remb_fci
from numpy.typing import NDArray

from rtc_loopback import Arrival, Browser, call, connect, play, read_index, tick, until
from test_rtc_microphone import speech
from visavis_models.errors import BadRequest
from visavis_server.rtc import IceServer, Peer, liveness
from visavis_server.rtc import peer as peer_module
from visavis_server.rtc.encoders import H264Encoder

pytestmark = pytest.mark.e2e


def _quiet_peer(reasons: list[str] | None = None) -> Peer:
    return Peer(on_voice=lambda *_: None, on_closed=(reasons if reasons is not None else []).append)


def _onset_pts(audio: list[Arrival]) -> int:
    """RTP time, since the first packet, at which the tone begins."""
    for arrival in audio:
        loud = np.abs(arrival.data.astype(int)) > 3000
        if loud.any():
            return arrival.pts + int(np.argmax(loud))
    raise AssertionError("no tone was heard")


def _ntp_s(browser: Browser, kind: str, pts: int, rate_hz: int) -> float:
    """When a received sample was meant, by the stream's last sender report."""
    ssrc = _ssrc(browser, kind)
    report = [report for report in browser.reports if report.ssrc == ssrc][-1]
    rtp = (browser.first_rtp[ssrc] + pts) & 0xFFFFFFFF
    behind = (report.rtp - rtp + (1 << 31)) % (1 << 32) - (1 << 31)
    return report.ntp_s - behind / rate_hz


def _ssrc(browser: Browser, kind: str) -> int:
    section = next(m for m in browser.pc.remoteDescription.sdp.split("m=") if m.startswith(kind))
    return int(section.split("a=ssrc:")[1].split(" ")[0])


@pytest.mark.parametrize("codec", ["H264", "VP8"])
async def test_each_picture_is_bound_to_its_own_voice(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow encoding delays pictures by 70 ms and more; the reports still bind tick 40's tone to picture 40."""
    plain = H264Encoder.encode

    def slow(self: H264Encoder, frame: object, target_bps: int, *, keyframe: bool) -> list[bytes]:
        time.sleep(0.07 if self.keyframes % 2 else 0.0)
        return plain(self, frame, target_bps, keyframe=keyframe)  # type: ignore[arg-type]

    monkeypatch.setattr(H264Encoder, "encode", slow)
    async with call(codec=codec) as (peer, browser):
        await play(peer, range(75), tones=frozenset(range(40, 50)))
        await until(lambda: {report.ssrc for report in browser.reports} >= set(browser.first_rtp))
        shown = {read_index(arrival.data): arrival.pts for arrival in browser.video}
        near = min(shown, key=lambda index: abs(index - 40))
        picture_s = _ntp_s(browser, "video", shown[near], 90_000) + (40 - near) * 0.040
        tone_s = _ntp_s(browser, "audio", _onset_pts(browser.audio), 48_000)
        assert abs(picture_s - tone_s) <= 0.010
        first = next(iter(shown))
        assert all(pts - shown[first] == 3600 * (index - first) for index, pts in shown.items())
        stats = peer.stats()
        assert (stats.codec, stats.width, stats.height, stats.keyframes) == (codec, 320, 320, 1)
        assert stats.rtt_ms is not None and 0 <= stats.rtt_ms < 500
        assert stats.loss == 0.0
        assert stats.bitrate_kbps is not None and 20 < stats.bitrate_kbps < 1500
        if codec == "H264":  # 70 ms a picture is slower than 40 ms a tick
            assert stats.frames_dropped > 10
            assert len(shown) < 60
        else:  # none is dropped on a machine that has time; a busy one may drop some
            assert stats.frames_dropped < 20
            assert list(shown) == list(range(len(shown)))
        voice_s = sum(len(arrival.data) for arrival in browser.audio) / 48_000
        assert voice_s > 2.7  # three seconds less what the far side's jitter buffer holds


async def test_the_browsers_speech_is_heard_as_it_was_said() -> None:
    heard: list[tuple[NDArray[np.int16], float, float]] = []
    samples = speech(2.0)
    async with call(samples=samples, on_voice=lambda s, _, at: heard.append((s, at, time.monotonic()))):
        await until(lambda: len(heard) >= 105)
    voice = np.concatenate([piece for piece, _, _ in heard])[: len(samples)]
    assert np.corrcoef(voice[312:].astype(float), samples[: len(voice) - 312].astype(float))[0, 1] > 0.85
    arrivals = np.array([at for _, at, _ in heard])
    assert (np.diff(arrivals) >= 0).all()
    assert np.median([now - at for _, at, now in heard]) < 0.010


async def test_a_lossy_link_still_delivers() -> None:
    heard: list[int] = []
    async with call(samples=speech(3.0), on_voice=lambda s, *_: heard.append(len(s))) as (peer, browser):
        browser.lose(0.05)
        browser.lose(0.05, seed=8, outgoing=True)
        sent = 100
        await play(peer, range(sent))
        while read_index(browser.video[-1].data) < 96 and sent < 200:  # the last ones may wait for a repetition
            await play(peer, range(sent, sent + 5))
            sent += 5
        shown = [read_index(arrival.data) for arrival in browser.video]
        assert len(set(shown)) > 75
        assert max(shown) >= 96
        assert shown == sorted(shown)
        assert sum(heard) > 0.95 * 4 * 48_000
        assert peer.stats().voice_lost > 0
        assert (peer.stats().loss or 0.0) < 0.5


async def test_a_keyframe_is_sent_when_the_browser_asks_but_not_for_each_repetition() -> None:
    async with call() as (peer, browser):
        receiver = browser.pc.getTransceivers()[1].receiver
        await play(peer, range(15))
        assert peer.stats().keyframes == 1
        for _ in range(5):
            await receiver._send_rtcp_pli(_ssrc(browser, "video"))
        await play(peer, range(15, 40))
        assert 2 <= peer.stats().keyframes <= 3
        assert browser.keyframes == peer.stats().keyframes


async def test_a_lower_estimate_is_applied_at_once_without_a_keyframe(monkeypatch: pytest.MonkeyPatch) -> None:
    grain = np.random.default_rng(0).integers(0, 256, (8, 320, 320, 3), dtype=np.uint8)

    async with call() as (peer, browser):

        async def send(indices: range) -> None:
            for index in indices:
                item = tick(index)
                peer.publish(type(item)(index, grain[index % 8], item.voice, False, 0))
                await asyncio.sleep(0.04)

        await send(range(50))
        before = peer.stats()
        assert before.target_kbps is not None and before.bitrate_kbps is not None
        remb = pack_remb_fci(200_000, [_ssrc(browser, "video")])
        await browser.dtls._send_rtp(bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=remb)))
        await until(lambda: (peer.stats().target_kbps or 1e9) <= 200)
        await send(range(50, 125))
        after = peer.stats()
        assert after.bitrate_kbps is not None
        assert after.bitrate_kbps < 0.7 * before.bitrate_kbps
        assert after.keyframes == 1


async def test_pictures_go_on_after_their_encoder_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, calls = H264Encoder._bitstream, 0

    def fail_once(self: H264Encoder, *args: Any, **kwargs: Any) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 10:
            raise ValueError("the card is gone")
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(H264Encoder, "_bitstream", fail_once)
    async with call() as (peer, browser):
        await play(peer, range(30))
        await asyncio.sleep(0.1)
        assert [read_index(arrival.data) for arrival in browser.video] == list(range(29))
        assert peer.stats().keyframes == 2


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
    peer, browser = _quiet_peer(), Browser.open()
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
    peer, browser = _quiet_peer(), Browser.open()
    head, audio, video = (await browser.offer()).split("m=")
    mids = [section.split("a=mid:")[1].split("\r")[0] for section in (video, audio)]
    head = "\r\n".join(f"a=group:BUNDLE {' '.join(mids)}" if "BUNDLE" in line else line for line in head.split("\r\n"))
    answer = await peer.answer(f"{head}m={video}m={audio}")
    assert [section.split(" ")[0] for section in answer.split("m=")[1:]] == ["video", "audio"]
    await peer.close()
    await browser.close()


async def test_candidates_are_taken_at_any_time_and_bad_ones_refused() -> None:
    peer, browser = _quiet_peer(), Browser.open()
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
    peer, browser = _quiet_peer(), Browser.open()
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
    peer, browser = _quiet_peer(), Browser.open()
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


async def test_a_browser_that_leaves_is_reported_once() -> None:
    reasons: list[str] = []
    async with call(on_closed=reasons.append) as (peer, browser):
        await play(peer, range(5))
        await browser.close()
        await until(lambda: bool(reasons), 2.0)
        await peer.close()
    assert reasons == ["left"]


async def test_a_browser_that_vanishes_is_noticed_within_six_seconds() -> None:
    reasons: list[str] = []
    async with call(on_closed=reasons.append) as (peer, browser):
        await play(peer, range(5))
        browser.vanish()
        await play(peer, range(5, 160), on_tick=lambda _: None)
        assert reasons == ["vanished"]
        with pytest.raises(BadRequest):
            await peer.answer("v=0")
    assert reasons == ["vanished"]


async def test_a_browser_that_only_stops_talking_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers to connectivity checks are sign of life enough."""
    monkeypatch.setattr(liveness, "SILENCE_S", 1.5)
    reasons: list[str] = []
    async with call(on_closed=reasons.append) as (peer, browser):
        browser.lose(1.0, outgoing=True)
        await play(peer, range(75))
        assert reasons == []
        assert len(browser.video) > 60


async def test_a_browser_that_never_connects_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_module, "CONNECT_S", 0.3)
    reasons: list[str] = []
    peer, browser = _quiet_peer(reasons), Browser.open()
    await peer.answer(await browser.offer())
    await until(lambda: bool(reasons), 2.0)
    assert reasons == ["failed"]
    await browser.close()
    await peer.close()


async def test_a_peer_that_never_reads_makes_nothing_grow() -> None:
    async with call() as (peer, browser):
        browser.lose(1.0)
        browser.lose(1.0, outgoing=True)
        await play(peer, range(75))
        sender = peer._pc.getSenders()[1] if peer._pc else None
        assert sender is not None
        assert len(sender._RTCRtpSender__rtp_history) <= 128  # type: ignore[attr-defined]
        assert peer._voice.waiting <= 1
        assert peer._voice.dropped == peer._pictures.dropped == 0
        assert peer.stats().frames_sent >= 70


async def test_a_flood_of_voice_is_refused_and_counted() -> None:
    heard: list[int] = []
    async with call(on_voice=lambda s, *_: heard.append(len(s))) as (peer, browser):
        await until(lambda: len(heard) > 5)
        started_s = time.monotonic()
        for n in range(4000):
            packet = RtpPacket(payload_type=96, sequence_number=(30_000 + n) & 0xFFFF, timestamp=960 * n)
            packet.ssrc, packet.payload = 4711, b"\xf8\xff\xfe"  # 20 ms of silence
            await browser.dtls._send_rtp(packet.serialize())
            if n % 100 == 99:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.2)
        passed_s = time.monotonic() - started_s
        assert sum(heard) / 48_000 < 2.0 + 1.5 * passed_s
        assert peer.stats().refused > 100  # the rest may be lost on a busy machine
        assert peer._liveness is not None
        await play(peer, range(10))
        await until(lambda: len(browser.video) >= 5)


async def test_a_listener_that_fails_does_not_end_the_call(caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("defect")

    async with call(on_voice=fail) as (peer, browser):
        await play(peer, range(20))
        assert len(browser.video) > 10
    assert len([record for record in caplog.records if "hears this peer" in record.message]) == 1


async def test_close_at_any_moment_is_quick_and_may_be_repeated() -> None:
    never = _quiet_peer()
    await never.close()
    with pytest.raises(BadRequest):
        await never.answer("v=0")
    never.publish(tick(0))
    peer, browser = _quiet_peer(), Browser.open()
    offer = await browser.offer()
    answering = asyncio.create_task(peer.answer(offer))
    await asyncio.sleep(0)
    started_s = time.monotonic()
    await asyncio.gather(peer.close(), peer.close())
    await asyncio.gather(answering, return_exceptions=True)
    await peer.close()
    assert time.monotonic() - started_s < 2.0
    assert peer.stats().frames_sent == 0
    await browser.close()


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
    peer, browser = _quiet_peer(), Browser.open(certificate=_rsa_certificate())
    await connect(peer, browser)
    await play(peer, range(10))
    await until(lambda: len(browser.video) >= 5)
    await browser.close()
    await peer.close()
