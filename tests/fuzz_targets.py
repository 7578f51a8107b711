"""What strangers can send, as functions of bytes: each reads one thing and lets nothing pass but errors of ours.

`benchmarks/fuzz.py` drives them with coverage-guided fuzzing, `test_fuzzing*.py` with hypothesis, and
`test_fuzz_corpora.py` replays what the fuzzer has kept. Knows neither of them.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import itertools
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from stage_fakes import plain_avatar
from visavis_models.errors import BadMotion, BadPhoto, VisavisError
from visavis_models.portrait.photo import decode_photo
from visavis_models.portrait.storage import DamagedAvatar, load_avatar, read_entry, save_avatar
from visavis_server.access.keys import KeyStore, keys_file
from visavis_server.access.tokens import grant_of_token
from visavis_server.agent_voice import AgentVoice
from visavis_server.api.agent_messages import Audio, read_agent_message
from visavis_server.api.messages import read_message
from visavis_server.motion_file import read_motion
from visavis_server.outputs import amf
from visavis_server.outputs.rtmp_chunks import BadChunk, ChunkReader
from visavis_server.outputs.target import read_target
from visavis_server.provenance.inspection import inspect_file
from visavis_server.rtc import read_fragment, read_media_offer
from visavis_server.rtc.sdp import parse_candidate, read_offer
from visavis_server.video_motion import pictures
from visavis_server.voice_file import VoiceFile

LONG_SIDE_PX = 1024
"""Of the canvas that a photo becomes."""
MOTION_KINDS = ("csv", "json", "parquet")
_RATES_HZ = (8000, 16000, 24000, 48000)
_MOST_PCM_BYTES = 20_000
_MOST_PICTURES = 20
_MOST_CHUNKS = 2000
"""80 s of voice."""
INSPECTED_SUFFIXES = (".mp4", ".png", ".jpg", ".webm", ".json", ".csv", ".parquet", ".gif")


def refused_politely(call: Callable[..., Any], *values: Any) -> Any:
    """What it gives; None: it was refused with an error of ours, which says what to do and is no defect."""
    try:
        return call(*values)
    except VisavisError as error:
        assert error.http_status < 500 and error.message and error.remedy
        return None


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


@functools.cache
def _folder() -> Path:
    """For this process alone."""
    found = Path(tempfile.mkdtemp(prefix="fuzz-"))
    atexit.register(shutil.rmtree, found, ignore_errors=True)
    return found


def _scratch(suffix: str, content: bytes) -> Path:
    """One file, written over each time."""
    path = _folder() / f"stranger{suffix}"
    path.write_bytes(content)
    return path


def check_offer(content: bytes) -> None:
    """An SDP offer: of a page over signalling, and of WHIP and WHEP clients."""
    text = _text(content)
    refused_politely(read_offer, text)
    for purpose in ("speak", "watch"):
        offer = refused_politely(read_media_offer, text, purpose)
        if offer is not None:
            assert all(0 <= number < len(offer.sections) for number in offer.served)


def check_fragment(content: bytes) -> None:
    """A trickled SDP fragment of WHIP and WHEP."""
    refused_politely(read_fragment, _text(content), {"0"}, "0")


def check_candidate(content: bytes) -> None:
    """A page's ICE candidate: as JSON, or the line alone."""
    with contextlib.suppress(ValueError, RecursionError):
        refused_politely(parse_candidate, json.loads(content))
    line = " ".join(_text(content).splitlines())
    refused_politely(parse_candidate, {"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0})


def check_page_message(content: bytes) -> None:
    """A message of a page's WebSocket or control channel."""
    refused_politely(read_message, content.decode("utf-8", "surrogateescape"))


def check_agent_message(content: bytes) -> None:
    """A message of an agent's WebSocket, and the speech in it."""
    message = refused_politely(read_agent_message, content.decode("latin-1"))
    if isinstance(message, Audio):
        refused_politely(message.pcm)


def heard(pieces: list[bytes], rate_hz: int) -> list[Any]:
    """What an avatar says of speech that comes in these pieces."""
    voice = AgentVoice(10.0, lambda event: None)
    voice.begin("a", rate_hz)
    for piece in pieces:
        voice.push(piece, 0.0)
    voice.end()
    chunks = [voice.take(index) for index in range(60)]
    return [chunk.samples for chunk in chunks if chunk is not None]


def check_pcm(content: bytes) -> None:
    """Speech sounds the same wherever it is cut; the first bytes say the rate and the cuts."""
    if len(content) < 6:
        return
    rate_hz, cuts, pcm = _RATES_HZ[content[0] % 4], content[1:6], content[6:_MOST_PCM_BYTES]
    pcm = pcm[: len(pcm) // 2 * 2]
    edges = [0, *sorted(len(pcm) * cut // 255 for cut in cuts), len(pcm)]
    whole, cut = heard([pcm], rate_hz), heard([pcm[a:b] for a, b in itertools.pairwise(edges)], rate_hz)
    assert len(whole) == len(cut) and all(np.array_equal(a, b) for a, b in zip(whole, cut, strict=True))


def check_photo(content: bytes) -> None:
    """A picture that is to become an avatar."""
    try:
        photo = decode_photo(content)
    except BadPhoto as error:
        assert error.message and error.remedy
        return
    height, width = photo.canvas.shape[:2]
    assert max(height, width) <= LONG_SIDE_PX and height % 2 == width % 2 == 0
    assert photo.canvas.dtype == np.uint8 and 0 < photo.scale <= 1


def check_voice(content: bytes) -> None:
    """A sound file, read as `visavis render` and shows read them."""
    voice = refused_politely(VoiceFile, _scratch(".voice", content))
    if voice is not None:
        assert np.isfinite(voice.duration_s) and voice.chunks_expected >= 1
        refused_politely(lambda: list(itertools.islice(voice.chunks(), _MOST_CHUNKS)))


def check_motion_file(path: Path) -> None:
    """A motion file; what is read of it can be shown."""
    try:
        motion = read_motion(path)
    except BadMotion as error:
        assert error.message and error.remedy
        return
    window = motion.window
    assert np.isfinite(window.face).all() and 0 <= window.face.min() and window.face.max() <= 1
    assert np.isfinite(window.head).all() and np.isfinite(window.body).all()


def check_motion(content: bytes) -> None:
    """A motion file; the first byte says of which kind."""
    if content:
        check_motion_file(_scratch(f".{MOTION_KINDS[content[0] % 3]}", content[1:]))


def check_video(content: bytes) -> None:
    """A video whose motion is to be read."""
    refused_politely(lambda: list(itertools.islice(pictures(_scratch(".video", content)), _MOST_PICTURES)))


def check_inspection(content: bytes) -> None:
    """A file given to `visavis inspect`; the first byte says what it calls itself."""
    if content:
        suffix = INSPECTED_SUFFIXES[content[0] % len(INSPECTED_SUFFIXES)]
        found = refused_politely(inspect_file, _scratch(suffix, content[1:]))
        if found is not None:
            json.dumps(found.as_json(), allow_nan=False)
            assert found.lines()


def kept_avatar() -> Path:
    """The folder of an avatar as it is kept, whole unless something was changed in it."""
    folder = _folder() / "avatar"
    if not folder.is_dir():
        save_avatar(plain_avatar(), folder)
    return folder


def check_avatar(content: bytes) -> None:
    """A kept avatar whose description, told by its length, and points are damaged."""
    if len(content) < 2:
        return
    folder = kept_avatar()
    size = int.from_bytes(content[:2], "big")
    (folder / "avatar.json").write_bytes(content[2 : 2 + size])
    (folder / "points.safetensors").write_bytes(content[2 + size :])
    for read in (read_entry, load_avatar):
        with contextlib.suppress(DamagedAvatar):
            read(folder)


def check_amf(content: bytes) -> None:
    """What an RTMP server answers to a command."""
    with contextlib.suppress(amf.BadAmf):
        amf.read(content)


def check_rtmp(content: bytes) -> None:
    """What an RTMP server sends."""

    async def read() -> None:
        stream = asyncio.StreamReader()
        stream.feed_data(content)
        stream.feed_eof()
        chunks = ChunkReader(stream)
        with contextlib.suppress(BadChunk, asyncio.IncompleteReadError):
            while True:
                await chunks.next()

    asyncio.run(read())


def check_address(content: bytes) -> None:
    """Where somebody wants a stream to go: address, key and token, one a line."""
    url, key, token = (_text(content) + "\n\n").split("\n")[:3]
    target = refused_politely(read_target, url, key, token)
    if target is not None:
        assert 0 < target.port < 65536 and (len(token) < 4 or token in url or token not in target.shown)


def check_token(content: bytes) -> None:
    """A key or token in a header; no bytes of a stranger are one."""
    store = KeyStore(keys_file(Path("/nonexistent")), "a-long-enough-secret")
    text = _text(content)
    assert store.find(text) is None
    assert refused_politely(grant_of_token, text, store, 0.0, 3600.0) is None


TARGETS: dict[str, Callable[[bytes], None]] = {
    "offer": check_offer,
    "fragment": check_fragment,
    "candidate": check_candidate,
    "page_message": check_page_message,
    "agent_message": check_agent_message,
    "pcm": check_pcm,
    "picture": check_photo,
    "voice": check_voice,
    "motion": check_motion,
    "video": check_video,
    "inspection": check_inspection,
    "avatar": check_avatar,
    "amf": check_amf,
    "rtmp": check_rtmp,
    "address": check_address,
    "token": check_token,
}
"""By the name of the folder of their corpus."""
