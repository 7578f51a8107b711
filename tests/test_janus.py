"""WHIP-out to a real SFU: Janus forwards the session to a subscriber."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from janus_server import WhipFront, janus, subscribed
from output_measures import until_true
from rtc_loopback import read_index
from test_whip_stream import streaming
from whip_measures import offsets_ms, ssrcs
from whip_server import whip_server

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("codec", ["h264", "vp8"])
async def test_a_subscriber_of_janus_sees_and_hears_the_session_in_sync(tmp_path: Path, codec: str) -> None:
    with janus(tmp_path, codec) as server:
        await server.ready()
        async with whip_server() as front, httpx.AsyncClient(timeout=40) as http:
            front.before = whip = WhipFront(http, server)
            async with streaming(front.url()) as stream:
                await until_true(lambda: stream.report().state == "live", "live")
                async with subscribed(http, server, whip.publisher_id) as watcher:
                    await until_true(lambda: len(watcher.video) >= 100, "4 s of pictures", 40)
                    await until_true(lambda: len({report.ssrc for report in watcher.reports}) == 2, "reports")
                    shown = [read_index(arrival.data) for arrival in watcher.video]
                    measured = offsets_ms(watcher, *ssrcs(watcher.pc.remoteDescription.sdp))
            report = stream.report()
        assert shown == sorted(shown) and shown[-1] - shown[0] >= 95
        assert len(measured) >= 2 and all(abs(offset) < 25 for offset in measured), measured
        assert report.reconnects == 0 and report.error is None
        assert codec.upper() in whip.answers[0]
