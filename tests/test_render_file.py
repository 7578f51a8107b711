from __future__ import annotations

import threading
import tracemalloc
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from stage_fakes import LoudnessListener, PaintingRenderer, PaintingState, plain_avatar
from visavis_models.errors import BadRequest, BadVoice
from visavis_server.pipeline import Performance
from visavis_server.render_file import RenderReport, performed, render_file
from visavis_server.voice_file import VoiceFile

pytestmark = pytest.mark.unit

FORMATS = {"wav": "pcm_s16le", "mp3": "libmp3lame", "m4a": "aac", "flac": "flac", "ogg": "libopus"}


def write_sound(
    path: Path, samples: NDArray[np.float32], rate_hz: int = 48000, codec: str = "pcm_s16le", channels: int = 1
) -> Path:
    with av.open(str(path), "w") as box:
        stream = cast(av.AudioStream, box.add_stream(codec, rate=rate_hz))
        stream.layout = "mono" if channels == 1 else "stereo"
        sound = np.repeat(samples[None], channels, 0).astype(np.float32)
        for start in range(0, sound.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound[:, start : start + 1024]),
                format="fltp",
                layout="mono" if channels == 1 else "stereo",
            )
            frame.sample_rate, frame.pts = rate_hz, start
            box.mux(stream.encode(frame))
        box.mux(stream.encode(None))
    return path


def beeps(seconds: float, rate_hz: int = 48000) -> NDArray[np.float32]:
    """Silence with a loud tone in the second half of every second."""
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    return (np.sin(2 * np.pi * 300 * time_s) * 0.7 * (time_s % 1.0 >= 0.5)).astype(np.float32)


def render(tmp_path: Path, sound: Path) -> tuple[RenderReport, Path]:
    out = tmp_path / "out.mp4"
    report = render_file(plain_avatar(), sound, out, renderer=PaintingRenderer(), listener=LoudnessListener())
    return report, out


def jaws_and_voice(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    with av.open(str(path)) as box:
        pictures = [f.to_ndarray(format="rgb24")[10:40, 10:50, 2].mean() / 255 for f in box.decode(video=0)]
        rate = float(box.streams.video[0].average_rate or 0)
    with av.open(str(path)) as box:
        frames = list(box.decode(audio=0))
        voice = np.concatenate([f.to_ndarray()[0] for f in frames])
        start = float(frames[0].time or 0.0)
    voice = np.concatenate([np.zeros(max(0, round(start * 48000))), voice[max(0, -round(start * 48000)) :]])
    return np.array(pictures), voice.astype(np.float64), rate


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_a_video_as_long_as_its_voice_and_in_sync(tmp_path: Path, suffix: str) -> None:
    sound = write_sound(tmp_path / f"in.{suffix}", beeps(5.0), codec=FORMATS[suffix])
    report, out = render(tmp_path, sound)
    assert report.frames == pytest.approx(125, abs=2)
    jaws, voice, rate = jaws_and_voice(out)
    assert rate == 25
    assert len(jaws) == report.frames
    loud = np.array([np.abs(voice[i * 1920 : (i + 1) * 1920]).max(initial=0) for i in range(len(jaws))])
    assert np.corrcoef(jaws, loud)[0, 1] > 0.97


def test_stereo_telephone_and_odd_rates_are_read(tmp_path: Path) -> None:
    for name, rate_hz, channels in (("tel", 8000, 1), ("cd", 44100, 2), ("studio", 96000, 2)):
        sound = write_sound(tmp_path / f"{name}.wav", beeps(2.0, rate_hz), rate_hz, channels=channels)
        report, _ = render(tmp_path, sound)
        assert report.frames == pytest.approx(50, abs=1)


def test_invalid_samples_become_silence(tmp_path: Path) -> None:
    samples = beeps(1.0)
    samples[:9600] = np.nan
    samples[9600:14400] = np.inf
    sound = write_sound(tmp_path / "nan.wav", samples, codec="pcm_f32le")
    chunks = list(VoiceFile(sound).chunks())
    assert all(np.isfinite(chunk.samples).all() for chunk in chunks)
    assert not np.concatenate([chunk.playback for chunk in chunks])[:9000].any()


def test_what_is_no_sound_says_what_to_do(tmp_path: Path) -> None:
    text = tmp_path / "notes.wav"
    text.write_text("these are not samples")
    with pytest.raises(BadVoice, match="cannot be read as sound.*wav, mp3") as error:
        VoiceFile(text)
    assert error.value.code == "voice_unreadable"
    with pytest.raises(BadVoice, match="no file"):
        VoiceFile(tmp_path / "missing.wav")
    with pytest.raises(BadVoice) as error:
        empty = tmp_path / "empty.wav"
        empty.write_bytes(b"")
        VoiceFile(empty)
    assert error.value.code == "voice_empty"


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    silent = tmp_path / "silent.mp4"
    with av.open(str(silent), "w") as box:
        stream = box.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        box.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        box.mux(stream.encode(None))
    with pytest.raises(BadVoice, match="no sound"):
        VoiceFile(silent)


def test_a_truncated_file_gives_what_it_holds(tmp_path: Path) -> None:
    whole = write_sound(tmp_path / "whole.mp3", beeps(4.0), codec="libmp3lame")
    half = tmp_path / "half.mp3"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert 40 <= len(list(VoiceFile(half).chunks())) <= 60


def test_a_failed_rendering_leaves_nothing_behind(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "in.wav", beeps(3.0))
    out = tmp_path / "out.mp4"
    out.write_bytes(b"the old one")
    with pytest.raises(RuntimeError, match="cannot be drawn"):
        render_file(
            plain_avatar("bad"),
            sound,
            out,
            renderer=PaintingRenderer(failing_avatar="bad"),
            listener=LoudnessListener(),
        )
    assert out.read_bytes() == b"the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.wav", "out.mp4"]


def test_outputs_that_cannot_be_written_say_so(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "in.wav", beeps(1.0))
    for out in (tmp_path / "out.avi", tmp_path / "nowhere" / "out.mp4"):
        with pytest.raises(BadRequest) as error:
            render_file(plain_avatar(), sound, out, renderer=PaintingRenderer(), listener=LoudnessListener())
        assert error.value.code == "bad_output"


def test_a_video_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "in.wav", beeps(3.0))
    folder = tmp_path / "out.mp4"
    folder.mkdir()
    refused = []
    for out in (folder, Path("/sys/out.mp4")):  # the first fails at the end, the second at the beginning
        if out.parent.is_dir():
            with pytest.raises(BadRequest, match="cannot be written.*another folder") as error:
                render_file(plain_avatar(), sound, out, renderer=PaintingRenderer(), listener=LoudnessListener())
            refused.append(error.value.code)
    assert refused and set(refused) == {"bad_output"}
    assert "visavis render" not in [thread.name for thread in threading.enumerate()]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.wav", "out.mp4"]


def test_samples_that_are_no_numbers_are_counted(tmp_path: Path) -> None:
    samples = beeps(1.0)
    samples[:9600] = np.nan
    sound = write_sound(tmp_path / "nan.wav", samples, codec="pcm_f32le")
    report = render_file(
        plain_avatar(), sound, tmp_path / "out.mp4", renderer=PaintingRenderer(), listener=LoudnessListener()
    )
    assert report.notes == ("200 ms of nan.wav were not a sound (not a number, or infinite) and became silence.",)
    clean = write_sound(tmp_path / "clean.wav", beeps(1.0))
    assert render(tmp_path, clean)[0].notes == ()


def test_a_long_silence_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    sound = tmp_path / "silence.flac"
    with av.open(str(sound), "w") as box:
        stream = box.add_stream("flac", rate=8000)
        stream.layout = "mono"
        for second in range(240):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 8000, second * 8000
            box.mux(stream.encode(frame))
        box.mux(stream.encode(None))
    performance = Performance(LoudnessListener(), PaintingState(plain_avatar(width=8, height=8)))
    renderer, ticks, held = PaintingRenderer(), 0, []
    tracemalloc.start()
    try:
        for ticks, (_, voice) in enumerate(performed(renderer, performance, VoiceFile(sound)), 1):
            assert not voice.any()
            if ticks in (1000, 5900):
                renderer.batches.clear()
                held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert ticks == 6000
    assert held[1] < held[0] + 100_000  # the voice alone would be 19 MB
