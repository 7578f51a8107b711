"""A whole call over real sockets: what is shown with what is heard, over bad links, at the end, and with bad peers."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest
from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, RtpPacket, pack_remb_fci
from numpy.typing import NDArray

from rtc_loopback import Arrival, Browser, call, play, quiet_peer, read_index, tick, until
from test_rtc_microphone import speech
from visavis_models.errors import BadRequest
from visavis_server.rtc import BitrateLimits, liveness
from visavis_server.rtc import peer as peer_module
from visavis_server.rtc.encoders import H264Encoder

pytestmark = pytest.mark.e2e


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
        # Three seconds less what the far side's jitter buffer holds.
        await until(lambda: sum(len(arrival.data) for arrival in browser.audio) > 2.7 * 48_000)
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
            assert max(shown) + 1 - len(shown) <= stats.frames_dropped and list(shown) == sorted(shown)


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
        assert peer.stats().frames_sent > 20  # fewer than published on a busy machine
        assert len(set(shown)) > 0.85 * (max(shown) + 1), "of what had the time to arrive"
        assert max(shown) >= 96
        assert shown == sorted(shown)
        microphone: Any = browser.pc.getSenders()[0].track
        said = microphone._at
        browser.lose(1.0, outgoing=True)
        await until(lambda: sum(heard) > 0.97 * said)  # what was lost on its way is made up for
        assert said > 48_000  # four seconds of it on an idle machine
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
    monkeypatch.setattr(BitrateLimits, "scaled", lambda *_: BitrateLimits(60_000, 530_000, 900_000))

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


async def test_a_browser_that_leaves_is_reported_once() -> None:
    reasons: list[str] = []
    async with call(on_closed=reasons.append) as (peer, browser):
        await play(peer, range(5))
        await browser.close()
        await until(lambda: bool(reasons), 2.0)
        await peer.close()
    assert reasons == ["left"]


async def test_a_browser_that_vanishes_is_noticed_within_five_seconds() -> None:
    reasons: list[str] = []
    async with call(on_closed=reasons.append) as (peer, browser):
        await play(peer, range(5))
        browser.vanish()
        await play(peer, range(5, 130), on_tick=lambda _: None)
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
    peer, browser = quiet_peer(reasons), Browser.open()
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
    never = quiet_peer()
    await never.close()
    with pytest.raises(BadRequest):
        await never.answer("v=0")
    never.publish(tick(0))
    peer, browser = quiet_peer(), Browser.open()
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
