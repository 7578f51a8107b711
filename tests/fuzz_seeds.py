"""What each parser is usually sent, small and whole: where fuzzing begins, by the names of `fuzz_targets.TARGETS`.

Knows nothing of how it is damaged.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiortc
import av
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fuzz_targets import INSPECTED_SUFFIXES, MOTION_KINDS, kept_avatar
from visavis_models.arkit import ARKIT_COUNT
from visavis_models.motion import rest_motion
from visavis_server.motion_file import write_motion
from visavis_server.motion_recording import Recording
from visavis_server.outputs import amf
from visavis_server.outputs.rtmp_chunks import Message, chunked

SECRET = b"Hidden Street 7, 52.5200 N"
FRAGMENT = (
    "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n"
    "a=candidate:3471623853 1 tcp 1518280447 2001:db8::1 9 typ host tcptype active\r\na=end-of-candidates\r\n"
)
CANDIDATE = "candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ srflx raddr 10.0.0.1 rport 9 generation 0"
URLS = (
    "rtmp://live.example.com/app/key",
    "rtmps://[2001:db8::1]:443/app/key?x=1",
    "https://user:pw@whip.example.com/x",
)
_FIXTURE = json.loads((Path(__file__).parents[1] / "web_client" / "protocol.fixture.json").read_text("utf-8"))
PAGE_MESSAGES = [json.dumps(message).encode() for message in _FIXTURE["client"]]
AGENT_MESSAGES = [
    json.dumps(message).encode()
    for message in (
        {"type": "segment.start", "rate_hz": 24000, "id": "a", "emotion": "happy", "strength": 0.5},
        {"type": "audio", "data": base64.b64encode(bytes(60)).decode()},
        {"type": "mood", "emotion": "sad", "preset": "teacher"},
        {"type": "interrupt"},
        {"type": "attend", "on": True},
    )
]
AMF = [amf.write("connect", 1.0, {"app": "live", "flashVer": "x"}, None, True)]
CHUNKS = [chunked(3, Message(20, 0, bytes(300)), 0) + chunked(2, Message(1, 0, b"\x00\x00\x10\x00"), 5)]
TOKENS = [b"eyJhbGciOiJIUzI1NiIsImtpZCI6ImEifQ.eyJpc3MiOiJ2aXNhdmlzIn0.c2ln", b"vv_abcdefghij_" + b"k" * 40]


async def _offer(audio: str, video: str) -> str:
    peer = aiortc.RTCPeerConnection()
    peer.addTransceiver("audio", direction=audio)
    peer.addTransceiver("video", direction=video)
    peer.createDataChannel("control")
    try:
        await peer.setLocalDescription(await peer.createOffer())
        return str(peer.localDescription.sdp)
    finally:
        await peer.close()


def offers() -> list[str]:
    """Of a page, a viewer and a microphone with a camera."""
    ways = (("sendrecv", "recvonly"), ("recvonly", "recvonly"), ("sendonly", "sendonly"))
    return [asyncio.run(_offer(audio, video)) for audio, video in ways]


def picture(form: str, mode: str = "RGB", size: tuple[int, int] = (120, 90), **options: Any) -> bytes:
    """A picture of noise in a file."""
    rng = np.random.default_rng(3)
    image = Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), np.uint8)).convert(mode)
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def _sixteen_bits(size: tuple[int, int]) -> bytes:
    width, height = size
    out = io.BytesIO()
    Image.fromarray(np.arange(width * height, dtype=np.uint16).reshape(height, width)).save(out, "PNG")
    return out.getvalue()


def pictures(size: tuple[int, int] = (120, 90)) -> list[bytes]:
    """One of each kind that is taken, some with a secret in their metadata."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, SECRET.decode()
    text = PngInfo()
    text.add_text("Comment", SECRET.decode(), zip=True)
    return [
        picture("JPEG", size=size, exif=exif, comment=SECRET),
        picture("JPEG", "CMYK", size, progressive=True),
        picture("PNG", size=size, pnginfo=text, exif=exif),
        picture("PNG", "P", size),
        picture("PNG", "LA", size),
        _sixteen_bits(size),
        picture("GIF", "P", size),
        picture("WEBP", size=size, exif=exif),
        picture("BMP", size=size),
        picture("TIFF", size=size, compression="tiff_lzw"),
    ]


def motion_files(frames: int = 12) -> dict[str, bytes]:
    """A motion file of each kind."""
    window = rest_motion(frames)
    window.face[:] = np.linspace(0, 1, frames * ARKIT_COUNT, dtype=np.float32).reshape(frames, ARKIT_COUNT)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in MOTION_KINDS:
            path = Path(folder) / f"motion.{kind}"
            write_motion(path, Recording.of_session(window, "zoe", 0))
            found[kind] = path.read_bytes()
    return found


def sound(form: str, codec: str, rate_hz: int = 8000) -> bytes:
    """A tenth of a second of a tone in a file."""
    out = io.BytesIO()
    with av.open(out, "w", format=form) as box:
        stream: Any = box.add_stream(codec, rate=rate_hz, layout="mono")
        tone = (8000 * np.sin(np.arange(rate_hz // 10) / 9)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        frame.sample_rate = rate_hz
        box.mux([*stream.encode(frame), *stream.encode(None)])
    return out.getvalue()


def video(form: str, codec: str) -> bytes:
    """Three small pictures in a file."""
    out = io.BytesIO()
    with av.open(out, "w", format=form) as box:
        stream: Any = box.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = Fraction(1, 25)
        for index in range(3):
            image = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 60 * index, np.uint8), format="rgb24")
            image.pts = index
            box.mux(stream.encode(image))
        box.mux(stream.encode(None))
    return out.getvalue()


def _sounds() -> list[bytes]:
    kinds = (("wav", "pcm_s16le"), ("flac", "flac"), ("adts", "aac"), ("mp3", "libmp3lame"))
    return [sound(*kind) for kind in kinds] + [sound("ogg", "libopus", 48_000)]


def _videos() -> list[bytes]:
    return [video("mp4", "libx264"), video("webm", "libvpx"), video("avi", "mpeg4")]


def _inspected() -> list[bytes]:
    motions = motion_files(2)
    found = {".mp4": video("mp4", "libx264"), ".webm": video("webm", "libvpx"), ".png": picture("PNG", size=(48, 36))}
    found |= {".jpg": picture("JPEG", size=(48, 36)), ".gif": picture("GIF", "P", (48, 36))}
    found |= {f".{kind}": content for kind, content in motions.items()}
    return [bytes([INSPECTED_SUFFIXES.index(suffix)]) + content for suffix, content in found.items()]


def _avatar() -> bytes:
    description, points = ((kept_avatar() / name).read_bytes() for name in ("avatar.json", "points.safetensors"))
    return len(description).to_bytes(2, "big") + description + points


SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "offer": lambda: [offer.encode() for offer in offers()],
    "fragment": lambda: [FRAGMENT.encode()],
    "candidate": lambda: [CANDIDATE.encode(), json.dumps({"candidate": CANDIDATE, "sdpMid": "0"}).encode()],
    "page_message": lambda: PAGE_MESSAGES,
    "agent_message": lambda: AGENT_MESSAGES,
    "pcm": lambda: [bytes([rate, 20, 90, 91, 200, 255]) + bytes(range(256)) * 4 for rate in range(4)],
    "picture": lambda: pictures((64, 64)),
    "voice": _sounds,
    "motion": lambda: [bytes([i]) + content for i, content in enumerate(motion_files(2).values())],
    "video": _videos,
    "inspection": _inspected,
    "avatar": lambda: [_avatar()],
    "amf": lambda: AMF,
    "rtmp": lambda: CHUNKS,
    "address": lambda: [f"{url}\nstream-key\ntoken-of-it".encode() for url in URLS],
    "token": lambda: TOKENS,
}
