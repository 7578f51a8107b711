"""The encoders: rate, keyframes, sizes, and that real decoders read what they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest
from aiortc.codecs.h264 import h264_depayload
from aiortc.codecs.vpx import vp8_depayload
from numpy.typing import NDArray
from skimage import data

from rtc_loopback import painted, read_index, tick, voice_of
from visavis_server.media import Published
from visavis_server.rtc import encoders
from visavis_server.rtc.encoders import H264Encoder, OpusVoiceEncoder, Vp8Encoder, h264_level
from visavis_server.rtc.tracks import FrameMaker

pytestmark = pytest.mark.unit

ASTRONAUT: NDArray[np.uint8] = data.astronaut()  # type: ignore[no-untyped-call]

SIZE = 256
Encoder = H264Encoder | Vp8Encoder
CODECS: list[tuple[Callable[[], Encoder], str, Callable[[bytes], bytes]]] = [
    (H264Encoder, "h264", h264_depayload),
    (Vp8Encoder, "libvpx", vp8_depayload),
]


def _portrait(index: int, size_px: int = SIZE) -> Published:
    """The astronaut, swaying, with grain that costs bits."""
    grain = np.random.default_rng(index).integers(-10, 11, (size_px, size_px, 1))
    shift = np.array([[1, 0, 3 * np.sin(index / 3)], [0, 1, 2 * np.cos(index / 4)]])
    photo = cv2.warpAffine(ASTRONAUT, shift, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    photo = cv2.resize(photo, (size_px, size_px), interpolation=cv2.INTER_AREA)
    picture = np.clip(photo.astype(np.int32) + grain, 0, 255).astype(np.uint8)
    return Published(index, picture, voice_of(index, tone=False), False, 0)


def _rgb(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def _size_bytes(payloads: list[bytes]) -> int:
    return sum(map(len, payloads))


def _decoded(codec: str, depayload: Callable[[bytes], bytes], stream: list[list[bytes]]) -> list[av.VideoFrame]:
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    frames: list[av.VideoFrame] = []
    for payloads in stream:
        frames += decoder.decode(av.Packet(b"".join(map(depayload, payloads))))
    return frames + decoder.decode(None)


@pytest.mark.parametrize(("make", "codec", "depayload"), CODECS)
def test_every_picture_comes_back_and_looks_the_same(
    make: Callable[[], Encoder], codec: str, depayload: Callable[[bytes], bytes]
) -> None:
    encoder, maker = make(), FrameMaker()
    stream = [encoder.encode(maker.frame(tick(k, size_px=SIZE)), 1_000_000, keyframe=False) for k in range(20)]
    assert max(len(payload) for payloads in stream for payload in payloads) <= 1300
    frames = _decoded(codec, depayload, stream)
    assert [read_index(_rgb(frame)) for frame in frames] == list(range(20))
    assert encoder.keyframes == 1

    photo = _portrait(0)
    stream = [make().encode(maker.frame(photo), 1_000_000, keyframe=False)]
    rgb = _rgb(_decoded(codec, depayload, stream)[0])
    assert cv2.PSNR(photo.picture, rgb) > 29
    assert abs(float(rgb.mean()) - float(photo.picture.mean())) < 2  # the range and matrix are right


def _kbps(encoder: Encoder, indices: range, target_bps: int, maker: FrameMaker) -> float:
    sizes = [_size_bytes(encoder.encode(maker.frame(_portrait(k)), target_bps, keyframe=False)) for k in indices]
    return 8 * sum(sizes) / len(sizes) * 25 / 1000


def test_h264_follows_a_new_rate_inside_the_running_encoder() -> None:
    encoder, maker = H264Encoder(), FrameMaker()
    first = _kbps(encoder, range(50), 800_000, maker)
    context = encoder._codec
    _kbps(encoder, range(50, 60), 300_000, maker)
    low = _kbps(encoder, range(60, 100), 300_000, maker)
    _kbps(encoder, range(100, 110), 1_500_000, maker)
    high = _kbps(encoder, range(110, 150), 1_500_000, maker)
    assert 650 < first < 950
    assert 220 < low < 370
    assert 1_200 < high < 1_800
    assert encoder.keyframes == 1
    assert encoder._codec is context


def test_h264_takes_a_fitting_buffer_with_the_next_keyframe() -> None:
    encoder, maker = H264Encoder(), FrameMaker()
    encoder.encode(maker.frame(tick(0)), 1_500_000, keyframe=False)
    context = encoder._codec
    encoder.encode(maker.frame(tick(1)), 300_000, keyframe=False)
    assert encoder._codec is context
    encoder.encode(maker.frame(tick(2)), 300_000, keyframe=True)
    assert encoder._codec is not context
    assert encoder.keyframes == 2


def test_vp8_changes_its_rate_rarely() -> None:
    encoder, maker = Vp8Encoder(), FrameMaker()
    frame = maker.frame(tick(0))
    for target_bps in (1_000_000, 900_000, 850_000, 1_200_000, 1_400_000):
        for _ in range(20):
            encoder.encode(frame, target_bps, keyframe=False)
    assert encoder.keyframes == 1
    encoder.encode(frame, 500_000, keyframe=False)
    assert encoder.keyframes == 2
    for _ in range(encoder.UP_AFTER_FRAMES):
        encoder.encode(frame, 1_000_000, keyframe=False)
    assert encoder.keyframes == 2
    encoder.encode(frame, 1_000_000, keyframe=False)
    assert encoder.keyframes == 3


@pytest.mark.parametrize("make", [H264Encoder, Vp8Encoder])
def test_a_keyframe_is_made_when_asked_for_and_when_the_size_changes(make: Callable[[], Encoder]) -> None:
    encoder, maker = make(), FrameMaker()
    encoder.encode(maker.frame(tick(0)), 1_000_000, keyframe=False)
    encoder.encode(maker.frame(tick(1)), 1_000_000, keyframe=True)
    assert encoder.keyframes == 2
    encoder.encode(maker.frame(tick(2, size_px=200)), 1_000_000, keyframe=False)
    assert encoder.keyframes == 3


def test_a_repeated_picture_costs_next_to_nothing() -> None:
    encoder, maker = H264Encoder(), FrameMaker()
    still = _portrait(0)
    sizes = []
    for k in range(30):
        item = Published(k, still.picture, still.voice, k > 0, 0)
        sizes.append(_size_bytes(encoder.encode(maker.frame(item), 1_500_000, keyframe=False)))
    assert np.mean(sizes[10:]) < 0.05 * sizes[0]


def test_pictures_and_voice_carry_real_time_behind_a_gap() -> None:
    """25 ticks were left out while the machine stood still."""
    opus, maker, item = OpusVoiceEncoder(), FrameMaker(), tick(0)
    shown, heard = [], []
    for index in range(6):
        skipped = 25 if index >= 3 else 0
        late = replace(item, index=index, skipped_ticks=skipped)
        shown.append(maker.frame(late).pts)
        for half in range(2):
            pts = late.moment * 1920 + half * 960
            heard.append(opus.encode(item.voice[half * 960 : (half + 1) * 960], pts)[1] - pts)
    assert shown == [0, 3600, 7200, 28 * 3600, 29 * 3600, 30 * 3600]
    assert len(set(heard)) == 1  # the encoder's own delay, and nothing of the gap
    assert heard[0] <= 0


def test_odd_sizes_are_made_even() -> None:
    frame = FrameMaker().frame(Published(3, painted(3, 128)[:127, :125], voice_of(3, tone=False), False, 0))
    assert (frame.width, frame.height, frame.pts) == (124, 126, 10_800)


def test_a_picture_that_repeats_is_converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    plain = cv2.cvtColor

    def counting(picture: NDArray[np.uint8], code: int) -> NDArray[np.uint8]:
        nonlocal calls
        calls += 1
        return np.asarray(plain(picture, code), dtype=np.uint8)

    monkeypatch.setattr(cv2, "cvtColor", counting)
    maker, item = FrameMaker(), tick(0)
    for k in range(5):
        maker.frame(Published(k, item.picture, item.voice, k > 0, 0))
    assert calls == 1


@pytest.mark.parametrize(
    ("width", "height", "bps", "level"),
    [
        (640, 640, 1_500_000, 30),
        (640, 640, 12_000_000, 31),
        (1280, 720, 3_000_000, 31),
        (1024, 1024, 4_000_000, 32),
        (1920, 1080, 6_000_000, 40),
        (4096, 4096, 6_000_000, 51),
    ],
)
def test_the_level_is_the_lowest_that_allows_the_picture(width: int, height: int, bps: int, level: int) -> None:
    assert h264_level(width, height, bps) == level


def test_without_nvenc_the_cpu_encodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "_HARDWARE", [True])  # as if the probe had opened, and the session then does not
    monkeypatch.setattr(encoders, "_NVENC", "no_such_encoder")
    encoder = H264Encoder()
    assert encoder.encode(FrameMaker().frame(tick(0)), 1_000_000, keyframe=False)
    assert encoder._codec is not None and encoder._codec.codec.name == "libx264"


def test_opus_packets_say_when_their_sound_was() -> None:
    """The decoder's output, placed by the packets' times, has the tone where it was put in."""
    encoder, decoder = OpusVoiceEncoder(), av.CodecContext.create("libopus", "r")
    decoder.format, decoder.layout, decoder.sample_rate = "s16", "mono", 48_000
    voice = np.concatenate([voice_of(k, tone=k == 10) for k in range(20)])
    first, sound = None, []
    for at in range(0, len(voice), 960):
        packet, timestamp = encoder.encode(voice[at : at + 960], at)
        first = timestamp if first is None else first
        sound += [frame.to_ndarray().reshape(-1) for frame in decoder.decode(av.Packet(packet))]
    assert first is not None
    onset = int(np.argmax(np.abs(np.concatenate(sound).astype(int)) > 3000)) + first
    assert abs(onset - 10 * 1920) < 144  # 3 ms
