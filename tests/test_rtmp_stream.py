"""RTMP streams against servers that are slow, silent, rude or wrong: nothing blocks, nothing leaks, all is said."""

from __future__ import annotations

import asyncio
import datetime
import logging
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from output_measures import Ticker, ticking, until_true
from rtc_loopback import voice_of
from rtmp_fakes import FakeRtmp, fake_rtmp
from visavis_server.media import Published
from visavis_server.outputs import rtmp_connection, rtmp_stream
from visavis_server.outputs.access_units import AccessUnit
from visavis_server.outputs.address_policy import AddressPolicy
from visavis_server.outputs.program import Program
from visavis_server.outputs.rtmp_chunks import AUDIO, VIDEO
from visavis_server.outputs.rtmp_stream import RtmpStream
from visavis_server.outputs.target import read_target
from visavis_server.outputs.unit_queue import UnitQueue

pytestmark = pytest.mark.e2e

KEY = "hush-hush-key"


class NoiseTicker(Ticker):
    """Pictures that no encoder can make small, to fill buffers soon."""

    async def run(self) -> None:
        rng = np.random.default_rng(1)
        pictures = [rng.integers(0, 255, (320, 320, 3), dtype=np.uint8) for _ in range(8)]
        while True:
            item = Published(self.next, pictures[self.next % 8], voice_of(self.next, tone=True), False, 0)
            for sink in tuple(self.sinks):
                sink.publish(item)
            self.next += 1
            await asyncio.sleep(0.04)


@asynccontextmanager
async def streaming(fake: FakeRtmp, give_up_s: float = 60.0, noise: bool = False) -> AsyncIterator[RtmpStream]:
    program = Program(320, 320, 8000)
    ticker = NoiseTicker() if noise else Ticker()
    ticker.sinks.append(program)
    task = asyncio.create_task(ticker.run())
    policy = AddressPolicy(everywhere=True)
    target = read_target(f"rtmp://127.0.0.1:{fake.port}/live", KEY, policy=policy)
    stream = RtmpStream(program, target, give_up_s, lambda: None)
    try:
        yield stream
    finally:
        await stream.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await program.close()


async def test_what_is_said_on_the_way_to_a_stream() -> None:
    async with fake_rtmp("reads") as fake:
        async with streaming(fake) as stream:
            await until_true(lambda: stream.report().seconds > 1, "a second")
        await until_true(lambda: fake.open_now == 0, "hung up")
        names = [values[0] for values in fake.commands]
        assert names == [
            "connect",
            "releaseStream",
            "FCPublish",
            "createStream",
            "publish",
            "FCUnpublish",
            "deleteStream",
        ]
        assert fake.commands[0][2] == {
            "app": "live",
            "type": "nonprivate",
            "flashVer": "FMLE/3.0 (compatible; visavis)",
            "tcUrl": f"rtmp://127.0.0.1:{fake.port}/live",
        }
        assert fake.commands[4][3:] == [KEY, "live"]
        media = [message for message in fake.messages if message.kind in (VIDEO, AUDIO)]
        assert all(message.stream == 7 for message in media)
        assert media[0].data[:2] == b"\x17\x00" and media[0].data[5] == 1  # AVC's header first
        assert media[1].data[:2] == b"\xaf\x00"
        assert media[2].data[:2] == b"\x17\x01", "then a keyframe"


async def test_a_server_that_takes_the_connection_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtmp_connection, "HANDSHAKE_S", 0.5)
    async with fake_rtmp("silent") as fake:
        async with streaming(fake) as stream:
            await until_true(lambda: fake.connections >= 2, "another attempt")
            report = stream.report()
            assert report.state == "connecting" and report.error is not None and report.error.code == "no_answer"
        await until_true(lambda: fake.open_now == 0, "hung up")


async def test_a_server_that_never_reads_costs_neither_time_nor_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop keeps its pace, what waits is bounded, what is lost is counted, and it is tried again."""
    monkeypatch.setattr(rtmp_connection, "STALL_S", 2.0)
    monkeypatch.setattr(rtmp_stream, "QUEUE_S", 0.8)
    async with fake_rtmp("stops_reading") as fake, streaming(fake, noise=True) as stream:
        worst_s = 0.0
        most_waiting = 0
        process = psutil.Process()
        await until_true(lambda: stream.report().state == "live", "live")
        await asyncio.sleep(1)
        before = process.memory_info().rss
        begun_s = time.monotonic()
        while stream.report().reconnects < 1 and time.monotonic() - begun_s < 60:
            at_s = time.monotonic()
            await asyncio.sleep(0.01)
            worst_s = max(worst_s, time.monotonic() - at_s)
            most_waiting = max(most_waiting, stream._queue.waiting_bytes)
        report = stream.report()
        assert report.reconnects >= 1 and fake.connections >= 2
        assert report.error is not None and report.error.code == "stalled"
        assert report.pictures_dropped >= 20 and report.voice_dropped_s > 0.5
        assert worst_s < 1.0, "nothing blocks the event loop"
        assert 0 < most_waiting < 4_000_000
        assert process.memory_info().rss - before < 60_000_000
        ours = [c for c in process.net_connections("tcp") if c.raddr and c.raddr.port == fake.port]
        assert len(ours) <= 1, "old connections are gone"


async def test_a_slow_uplink_gets_fewer_bits_and_loses_little(caplog: pytest.LogCaptureFixture) -> None:
    """Noise at 8 Mbit/s to a server that takes 600 kbit/s: soon nothing is lost any more, and a recording is spared."""
    caplog.set_level(logging.INFO)
    async with fake_rtmp("slow") as fake, streaming(fake, noise=True) as stream:
        fake.reads_bps = 600_000
        program = stream._program
        await until_true(lambda: program.rate_bps < 600_000, "a lower rate", 40)
        await until_true(lambda: stream._queue.waiting_bytes < 100_000, "less that waits", 60)
        dropped = stream.report().pictures_dropped
        await asyncio.sleep(5)
        assert stream.report().pictures_dropped == dropped
        assert stream.report().reconnects == 0
        assert "rate follows the uplink" in caplog.text
        recording = UnitQueue(4.0, 1 << 24, program.ask_keyframe)
        program.add(recording)
        assert program.rate_bps == 8_000_000
        program.remove(recording)
        assert program.rate_bps < 600_000


async def test_a_rate_that_changes_keeps_what_receivers_were_told_of_the_stream() -> None:
    units: list[AccessUnit] = []
    async with ticking() as ticker:
        program, queue = Program(320, 320, 2500), UnitQueue(4.0, 1 << 24, lambda: None)
        ticker.sinks.append(program)
        program.add(queue)
        for bps in (2_500_000, 200_000, 700_000):
            program.limit(queue, bps)
            count = len(units) + 60
            while len(units) < count:
                unit = await queue.get()
                assert unit is not None
                units.append(unit)
        await program.close()
    pictures = [unit for unit in units if unit.is_picture]
    assert sum(unit.is_keyframe for unit in pictures) >= 3
    assert [unit.pts for unit in pictures] == sorted(unit.pts for unit in pictures)
    decoder = av.CodecContext.create("h264", "r")
    decoder.extradata = program.format.avc_config
    shown = [frame for unit in pictures for frame in decoder.decode(av.Packet(unit.data))]
    assert len(shown) >= len(pictures) - 2  # a decoder holds one back
    assert {(frame.width, frame.height) for frame in shown} == {(320, 320)}


async def test_a_key_that_is_refused_fails_soon_and_is_told_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async with fake_rtmp("rejects") as fake, streaming(fake) as stream:
        await until_true(lambda: stream.report().state == "failed", "failed")
        report = stream.report()
        assert fake.connections == 3 and report.error is not None and report.error.code == "stream_rejected"
        assert "NetStream.Publish.BadName" in report.error.message and "… is not a key" in report.error.message
        told = f"{report} {report.error} {stream.shown} {stream._target} {caplog.text}"
        told += " ".join(str(vars(record)) for record in caplog.records)
        assert KEY not in told and "hush" not in told


@pytest.mark.parametrize(
    ("part", "codes"),
    [("garbage", ("not_rtmp",)), ("hangs_up", ("hung_up",)), ("ends", ("stream_rejected",)), ("floods", ("lost",))],
)
async def test_servers_that_make_no_sense(part: str, codes: tuple[str, ...]) -> None:
    async with fake_rtmp(part) as fake, streaming(fake) as stream:  # type: ignore[arg-type]
        await until_true(lambda: fake.connections >= 2, "another attempt")
        error = stream.report().error
        assert error is not None and any(code in error.code for code in codes), error


async def test_nobody_there_is_given_up_in_the_end() -> None:
    over: list[bool] = []
    program = Program(320, 320, 2500)
    target = read_target("rtmp://127.0.0.1:9/live/key", policy=AddressPolicy(everywhere=True))
    stream = RtmpStream(program, target, 0.5, lambda: over.append(True))
    await until_true(lambda: stream.report().state == "failed", "failed")
    error = stream.report().error
    assert error is not None and error.code == "not_reachable" and over == [True]
    await stream.close()
    assert stream.report().state == "failed"
    await program.close()


async def test_one_program_serves_two_servers_and_a_slow_one_does_not_slow_the_other() -> None:
    async with ticking() as ticker, fake_rtmp("reads") as good, fake_rtmp("silent") as bad:
        program = Program(320, 320, 2500)
        ticker.sinks.append(program)
        policy = AddressPolicy(everywhere=True)
        streams = [
            RtmpStream(program, read_target(f"rtmp://127.0.0.1:{fake.port}/live/k", policy=policy), 60, lambda: None)
            for fake in (good, bad)
        ]
        await until_true(lambda: streams[0].report().seconds > 2, "2 s at the good one")
        assert program.takers == 1 and streams[0].report().voice_dropped_s == 0
        for stream in streams:
            await stream.close()
        assert program.takers == 0
        await program.close()


def self_signed(folder: Path) -> Path:
    """A certificate of `localhost`, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "localhost.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


async def test_rtmps_goes_only_to_whom_the_certificate_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    async with fake_rtmp("reads", context) as fake, ticking() as ticker:
        program = Program(320, 320, 2500)
        ticker.sinks.append(program)
        policy = AddressPolicy(everywhere=True)

        def stream_to(host: str) -> RtmpStream:
            return RtmpStream(
                program, read_target(f"rtmps://{host}:{fake.port}/live/k", policy=policy), 60, lambda: None
            )

        for trusted, host, expected in (
            (False, "localhost", "bad_certificate"),
            (True, "127.0.0.1", "bad_certificate"),
            (True, "localhost", "live"),
        ):
            if trusted:
                monkeypatch.setenv("SSL_CERT_FILE", str(path))
            stream = stream_to(host)
            if expected == "live":
                await until_true(lambda s=stream: s.report().seconds > 0.5, "half a second")  # type: ignore[misc]
            else:
                await until_true(lambda s=stream: s.report().error is not None, "an error")  # type: ignore[misc]
                error = stream.report().error
                assert error is not None and error.code == expected and not fake.commands, error
            await stream.close()
        await program.close()
