"""The watermark: not seen, found after codecs, scalers and croppers, and nowhere else."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_photos import astronaut
from visavis_server.provenance.badge import with_badge
from visavis_server.provenance.finish import finish_of
from visavis_server.provenance.watermark import marked
from visavis_server.provenance.watermark_detection import THRESHOLD, Evidence, Finding
from visavis_server.rtc.encoders import H264Encoder, Vp8Encoder

pytestmark = pytest.mark.unit

Pictures = NDArray[np.uint8]


def moving(frames: int) -> Pictures:
    """The astronaut, with something that moves in front."""
    pictures = np.repeat(astronaut()[None], frames, 0)
    for n, picture in enumerate(pictures):
        cv2.circle(picture, (200 + 3 * n, 180), 40, (200, 120, 90), -1)
    return pictures


def coded(pictures: Pictures, codec: str) -> list[Pictures]:
    """As a viewer sees them who gets 500 kbit/s."""
    encoder = H264Encoder() if codec == "h264" else Vp8Encoder()
    decoder = av.CodecContext.create(codec, "r")
    seen: list[Pictures] = []
    for index, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = 3600 * index, Fraction(1, 90_000)
        data = encoder._bitstream(frame, 500_000, keyframe=index == 0)
        for image in decoder.decode(av.Packet(data)) if data else ():  # type: ignore[attr-defined]
            seen.append(np.asarray(image.to_ndarray(format="rgb24"), np.uint8))
    return seen


def found(pictures: Pictures | list[Pictures]) -> Finding:
    evidence = Evidence()
    for picture in pictures:
        evidence.add(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8))
    return evidence.finding()


def test_it_is_too_faint_to_see_and_leaves_its_input_alone() -> None:
    before = moving(2)
    kept = before.copy()
    before.flags.writeable = False
    after = marked(before)
    assert np.array_equal(before, kept) and after.shape == before.shape and after.dtype == np.uint8
    error = np.mean((after.astype(float) - before) ** 2)
    assert 10 * np.log10(255**2 / error) >= 44
    assert np.abs(after.astype(int) - before).max() <= 8


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_it_is_found_after_500_kbit_per_s_and_75_percent(codec: str) -> None:
    seen = coded(marked(moving(50)), codec)
    small = [np.asarray(cv2.resize(p, (384, 384), interpolation=cv2.INTER_AREA), np.uint8) for p in seen]
    finding = found(small)
    assert finding.found and finding.score > THRESHOLD + 1
    assert finding.scale == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_it_is_not_found_where_it_is_not(codec: str) -> None:
    assert found(coded(moving(50), codec)).score < THRESHOLD - 1


def test_it_is_found_on_a_wide_canvas_in_a_part_and_enlarged() -> None:
    pictures = marked(moving(3))
    wide = [np.asarray(cv2.copyMakeBorder(p, 0, 0, 199, 199, cv2.BORDER_CONSTANT), np.uint8) for p in pictures]
    finding = found(wide)
    assert finding.found and finding.scale == pytest.approx(512 / 910, rel=0.02)
    assert found([np.ascontiguousarray(p[50:460, 40:450]) for p in pictures]).found
    assert found([np.asarray(cv2.resize(p, (1024, 1024)), np.uint8) for p in pictures]).found


def test_every_size_can_be_marked_and_found() -> None:
    for width, height in ((288, 512), (640, 360), (333, 401), (1024, 768)):
        picture = np.asarray(cv2.resize(astronaut(), (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        assert found(marked(picture[None])).found, (width, height)


def test_pictures_that_are_blank_or_tiny_do_no_harm() -> None:
    for picture in (np.zeros((64, 48, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)):
        assert marked(picture[None]).shape == (1, *picture.shape)
        assert not found(picture[None]).found
    assert marked(np.empty((0, 64, 48, 3), np.uint8)).shape == (0, 64, 48, 3)
    assert not Evidence().finding().found


def test_a_badge_is_drawn_into_its_corner_and_nowhere_else() -> None:
    before = moving(2)
    after = with_badge(before, "AI avatar")
    changed = np.argwhere((after != before).any((0, 3)))
    assert changed[:, 0].min() > 400 and changed[:, 1].max() < 200
    assert after[0, changed[:, 0].min() :, :200].max() > 240  # white letters
    tiny = with_badge(np.zeros((1, 20, 30, 3), np.uint8), "AI avatar, as large as can be")
    assert tiny.shape == (1, 20, 30, 3)


def test_what_is_finished_has_badge_and_mark_as_it_is_wanted() -> None:
    before = moving(1)
    assert finish_of(False, "") is None
    badge, both = finish_of(False, "AI"), finish_of(True, "AI")
    assert badge is not None and both is not None
    assert not found(badge(before)).found and found(both(before)).found
    assert np.array_equal(badge(before), with_badge(before, "AI"))
