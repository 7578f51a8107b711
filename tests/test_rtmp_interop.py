"""RTMP against real servers: nginx-rtmp takes the stream, is killed and comes back; FFmpeg takes it too."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nginx_rtmp import NginxRtmp, nginx_rtmp
from output_measures import Ticker, ticking, until_true, watch
from visavis_server.outputs.address_policy import AddressPolicy
from visavis_server.outputs.program import Program
from visavis_server.outputs.rtmp_stream import RtmpStream
from visavis_server.outputs.target import read_target

pytestmark = pytest.mark.e2e


@asynccontextmanager
async def programme() -> AsyncIterator[tuple[Ticker, Program]]:
    """Ticks and their encoding."""
    program = Program(320, 320, 2500)
    async with ticking() as ticker:
        ticker.sinks.append(program)
        try:
            yield ticker, program
        finally:
            await program.close()


def stream_to(server: NginxRtmp, program: Program, name: str = "live/a-key") -> RtmpStream:
    target = read_target(f"rtmp://127.0.0.1:{server.port}/{name}", policy=AddressPolicy(everywhere=True))
    return RtmpStream(program, target, 60.0, lambda: None)


def check(path: Path, least_pictures: int) -> None:
    """In order, every picture at its time, and in sync."""
    seen = watch(path)
    assert len(seen.indices) >= least_pictures, len(seen.indices)
    assert seen.indices == sorted(set(seen.indices)) and seen.size_px == (320, 320) and seen.channels == 2
    for index, at_s in zip(seen.indices, seen.times_s, strict=True):
        assert abs(at_s - seen.times_s[0] - 0.040 * (index - seen.indices[0])) < 0.002
    assert len(seen.offsets_ms) >= 2 and all(abs(offset) < 15 for offset in seen.offsets_ms), seen.offsets_ms


async def test_nginx_gets_pictures_and_voice_in_sync(tmp_path: Path) -> None:
    with nginx_rtmp(tmp_path) as server:
        await server.start()
        async with programme() as (_, program):
            stream = stream_to(server, program)
            await until_true(lambda: stream.report().state == "live", "live")
            await until_true(lambda: stream.report().seconds >= 5, "5 s of stream")
            await stream.close()
            report = stream.report()
        assert report.state == "ended" and report.error is None and report.reconnects == 0
        assert report.voice_dropped_s == 0 and report.sent_bytes > 20_000
        await until_true(lambda: "deleteStream" in server.log or "delete" in server.log, "a good-bye")
        (path,) = server.recordings
        check(path, 110)


async def test_a_server_that_dies_and_comes_back_gets_the_stream_again_in_sync(tmp_path: Path) -> None:
    with nginx_rtmp(tmp_path) as server:
        await server.start()
        async with programme() as (ticker, program):
            stream = stream_to(server, program)
            await until_true(lambda: stream.report().seconds >= 3, "3 s of stream")
            server.stop(signal.SIGKILL)
            await until_true(lambda: stream.report().state == "reconnecting", "reconnecting")
            error = stream.report().error
            assert error is not None and error.code in ("connection_lost", "not_reachable")
            died_at = ticker.next
            await asyncio.sleep(1.5)
            await server.start()
            await until_true(lambda: stream.report().state == "live", "live again")
            before_s = stream.report().seconds
            await until_true(lambda: stream.report().seconds >= before_s + 4, "4 s more")
            await stream.close()
            assert stream.report().reconnects == 1
        first, second = server.recordings
        check(second, 90)
        assert watch(second).indices[0] > died_at > watch(first).indices[-1] - 2
        assert watch(second).times_s[0] < 0.1, "the new connection counts from zero"


async def test_an_application_that_is_not_there_is_an_error_and_no_key_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with nginx_rtmp(tmp_path) as server:
        await server.start()
        async with programme() as (_, program):
            stream = stream_to(server, program, "nowhere/hush-hush-key")
            await until_true(lambda: stream.report().error is not None, "an error")
            error = stream.report().error
            await stream.close()
        assert error is not None and error.code in ("hung_up", "stream_rejected"), error
        assert "hush-hush" not in f"{error} {stream.report()} {stream.shown} {caplog.text} {caplog.records}"
        assert not server.recordings


LISTEN = """
import contextlib, sys, av
def end():  # it takes the end of the connection for an error
    return contextlib.suppress(OSError)
with av.open(sys.argv[1], options={"listen": "1"}) as source, av.open(sys.argv[2], "w") as out, end():
    streams = {stream: out.add_stream_from_template(stream) for stream in source.streams}
    for packet in source.demux():
        if packet.dts is not None:
            packet.stream = streams[packet.stream]
            out.mux(packet)
"""


async def test_ffmpeg_as_a_server_gets_it_too(tmp_path: Path) -> None:
    """FFmpeg's own RTMP, in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, path = f"rtmp://127.0.0.1:{port}/live/a-key", tmp_path / "a.mkv"
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", LISTEN, url, str(path))
    try:
        async with programme() as (_, program):
            stream = RtmpStream(program, read_target(url, policy=AddressPolicy(everywhere=True)), 60.0, lambda: None)
            await until_true(lambda: stream.report().seconds >= 5, "5 s of stream")
            await stream.close()
        assert await asyncio.wait_for(server.wait(), 20) == 0
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()
    check(path, 60)
