"""The guards: our parts fit the installed aiortc, and where they would not, the call works without them and says so."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import aioice
import aiortc
import numpy as np
import pytest
from aiortc.rtcdtlstransport import RTCCertificate

from rtc_loopback import call, play, read_index, until
from visavis_server.rtc import aiortc_patches
from visavis_server.rtc.aiortc_patches import PATCHES, fits, preferred_codecs

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def warn_again(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(aiortc_patches, "_warned", set())
    yield


@pytest.mark.parametrize("patch", PATCHES)
def test_every_patch_fits_the_installed_aiortc(patch: str, caplog: pytest.LogCaptureFixture) -> None:
    assert fits(patch)
    assert caplog.records == []


@pytest.mark.parametrize("patch", PATCHES)
def test_each_expectation_guards_its_patch(patch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were any one of the functions gone or other than expected, the patch would not be made."""
    for expectation in PATCHES[patch][1]:
        with monkeypatch.context() as changed:
            changed.setattr(expectation.owner, expectation.function, lambda *_: None)
            assert not fits(patch), f"{expectation.function} changed unnoticed"
            changed.delattr(expectation.owner, expectation.function)
            assert not fits(patch)
    assert fits(patch)


def test_the_warning_comes_once_and_says_what_is_lost(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(aioice.Connection, "connect", lambda self: None)
    assert not fits("liveness")
    assert not fits("liveness")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "Connection.connect" in record.message
    assert "30 s" in record.message


def test_h264_is_preferred_with_our_encoder_and_vp8_without(monkeypatch: pytest.MonkeyPatch) -> None:
    assert preferred_codecs("video")[0].name == "H264"
    assert [codec.name for codec in preferred_codecs("audio")] == ["opus"]
    monkeypatch.setattr(aiortc.RTCRtpSender, "_run_rtcp", lambda self: None)
    assert preferred_codecs("video")[0].name == "VP8"


async def test_aiortc_itself_stays_as_it_is() -> None:
    async with call() as (peer, browser):
        theirs = browser.pc.getSenders()[0]
        assert "_next_encoded_frame" not in vars(theirs)
        assert "query_consent" not in vars(browser.ice)
        assert peer._pc is not None
        assert "_next_encoded_frame" in vars(peer._pc.getSenders()[0])
    assert b"RSA" in aiortc_patches.DTLS_SUITES
    assert RTCCertificate._create_ssl_context.__module__ == "aiortc.rtcdtlstransport"


async def test_without_any_patch_a_call_still_works(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for patch, (loses, expectations) in list(PATCHES.items()):
        broken = aiortc_patches.Expectation(aiortc.RTCRtpSender, "no_such_function", frozenset())
        monkeypatch.setitem(PATCHES, patch, (loses, (*expectations, broken)))
    heard: list[int] = []
    samples = (8000 * np.sin(np.arange(96_000) / 20)).astype(np.int16)
    async with call(samples=samples, on_voice=lambda s, *_: heard.append(int(np.abs(s).max()))) as (peer, browser):
        await play(peer, range(60), tones=frozenset(range(10, 30)))
        await until(lambda: len(browser.video) > 10 and max(heard, default=0) > 4000)
        shown = [read_index(arrival.data) for arrival in browser.video]
        assert shown == sorted(shown) and max(shown) > 20
        assert any(np.abs(arrival.data).max() > 3000 for arrival in browser.audio)
        assert peer.stats().frames_sent == 0
    assert {patch for patch in PATCHES if f"its {patch} is not patched" in caplog.text} == set(PATCHES) - {
        "restart",  # only WHIP and WHEP need it
        "ports",  # only with rtc.ports or rtc.public_address
    }
