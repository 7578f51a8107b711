"""Records the motion of a voice: what a live session would show, as columns for a file. Knows no file formats."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT_NAMES
from visavis_models.chunk import CHUNK_MS, FRAME_RATE_HZ, Chunk, silent_chunk
from visavis_models.errors import BadVoice
from visavis_models.listening import Listener
from visavis_models.motion import MotionWindow, join_windows
from visavis_models.voice.phones import PHONES, VISEMES
from visavis_server import __version__
from visavis_server.motion_columns import BODY_COLUMNS, HEAD_COLUMNS, SPEAKING, TIME
from visavis_server.voice_file import VoiceFile

FORMAT = "visavis-motion"
FORMAT_VERSION = 1
MOST_FRAMES = 4 * 3600 * FRAME_RATE_HZ
_BLOCK_FRAMES = 1000
_NUMBERS_HEARD = {
    "energy": "voice_energy",
    "speech_probability": "voice_speech",
    "voicing": "voice_voicing",
    "pitch_hz": "voice_pitch_hz",
}
"""Fields of what a listener heard that are one number, and their columns."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a recording comes from."""

    audio_name: str
    audio_sha256: str
    lookahead_ms: int
    seed: int
    mouth_only: bool
    emotions: tuple[str, ...] = ()
    """As they were asked for: `happy`, `12.5=sad:0.6`."""
    preset: str = ""
    emotion_from_voice: bool = False
    person: int = 0
    """Of a live session: who in its picture."""
    avatar_id: str = ""
    """Of a live session, whose voice is not kept; else empty."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The motion of one voice, frame 0 first."""

    window: MotionWindow
    heard: dict[str, NDArray[np.generic]]
    """What else the listener gave, by column: float32 (T,), or text (T,) for `phone`."""
    origin: Origin

    def columns(self, offset_s: float = 0.0) -> dict[str, NDArray[np.generic]]:
        """All columns of the file in their order; `offset_s` is added to every time."""
        window = self.window
        index = window.first_frame + np.arange(len(window))
        times_s = index / FRAME_RATE_HZ + offset_s
        columns: dict[str, NDArray[Any]] = {"frame": index, TIME: np.round(times_s, 6)}
        columns |= dict(zip(ARKIT_NAMES, window.face.T, strict=True))
        columns |= dict(zip(HEAD_COLUMNS, window.head.T, strict=True))
        columns |= dict(zip(BODY_COLUMNS, window.body.T, strict=True))
        return columns | {SPEAKING: window.speaking} | self.heard

    def metadata(self, offset_s: float = 0.0) -> dict[str, Any]:
        """What a file tells of itself."""
        if self.origin.avatar_id:
            source: dict[str, Any] = {"session": {"avatar_id": self.origin.avatar_id, "person": self.origin.person}}
        else:
            source = {"audio": {"name": self.origin.audio_name, "sha256": self.origin.audio_sha256}}
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "fps": FRAME_RATE_HZ,
            "frames": len(self.window),
            "offset_s": offset_s,
            "visavis": __version__,
            **source,
            "lookahead_ms": self.origin.lookahead_ms,
            "seed": self.origin.seed,
            "mouth_only": self.origin.mouth_only,
            "emotions": list(self.origin.emotions),
            "preset": self.origin.preset,
            "emotion_from_voice": self.origin.emotion_from_voice,
        }

    @classmethod
    def of_session(cls, window: MotionWindow, avatar_id: str, person: int) -> Recording:
        """What somebody did in a live session; of its voice nothing is kept."""
        return cls(window, {}, Origin("", "", 0, 0, False, person=person, avatar_id=avatar_id))


def record(
    voice: VoiceFile,
    listener: Listener,
    *,
    seed: int = 0,
    mouth_only: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Recording:
    """The motion of a whole voice: one frame for each chunk, exactly those that `visavis render` draws.

    Args:
        voice: what is said.
        listener: must be fresh. Where it has an attribute `heard` (see `Performer`), that is recorded too.
        seed: what the listener was made with; noted in the file.
        mouth_only: likewise.
        on_progress: called with (frames done, frames expected).

    Raises:
        BadVoice: the sound cannot be used; `voice_too_long` beyond four hours.
    """
    blocks: list[MotionWindow] = []
    windows: list[MotionWindow] = []
    heard: dict[str, list[Any]] = {}
    for done, chunk in enumerate(_with_tail(voice, listener.lookahead_ms)):
        window = listener.push(chunk)
        if window is not None:
            windows.append(window)
            if len(windows) == _BLOCK_FRAMES:  # many small arrays take far more memory than a large one
                blocks.append(join_windows(windows))
                windows = []
            for name, value in _heard(getattr(listener, "heard", None)).items():
                heard.setdefault(name, []).append(value)
        if on_progress is not None and done % FRAME_RATE_HZ == 0:
            on_progress(done, max(done, voice.chunks_expected))
    motion = join_windows(blocks + windows)
    columns: dict[str, NDArray[np.generic]] = {
        name: np.array(values, np.str_ if name == "phone" else np.float32)
        for name, values in heard.items()
        if len(values) == len(motion)
    }
    return Recording(
        motion, columns, Origin(voice.path.name, sha256_of(voice.path), listener.lookahead_ms, seed, mouth_only)
    )


def _with_tail(voice: VoiceFile, lookahead_ms: int) -> Iterator[Chunk]:
    """The voice, then the silence that brings out what the look-ahead holds."""
    count = 0
    for count, chunk in enumerate(voice.chunks(), 1):
        if count > MOST_FRAMES:
            hours = MOST_FRAMES // FRAME_RATE_HZ // 3600
            raise BadVoice(
                "voice_too_long", f"{voice.path.name} is longer than {hours} hours.", "Cut it into parts of an hour."
            )
        yield chunk
    for i in range(lookahead_ms // CHUNK_MS):
        yield silent_chunk(count + i)


def _heard(said: Any) -> dict[str, float | str]:
    """What the listener heard in its newest frame, by column; only what it knows."""
    row: dict[str, float | str] = {}
    for field, column in _NUMBERS_HEARD.items():
        value = getattr(said, field, None)
        if value is not None:
            row[column] = float(value)
    visemes = getattr(said, "visemes", None)
    if visemes is not None and len(visemes) == len(VISEMES):
        row |= {f"viseme_{name}": float(p) for name, p in zip(VISEMES, visemes, strict=True)}
    phones = getattr(said, "phones", None)
    if phones is not None and len(phones) == len(PHONES):
        row["phone"] = PHONES[int(np.argmax(phones))]
    return row


def sha256_of(path: Path) -> str:
    """Of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
