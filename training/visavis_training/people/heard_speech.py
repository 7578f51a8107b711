"""What the shipped listener hears in voices: the mouth's track, loudness and speech or silence, many voices at a time.

    python -m visavis_training.people.heard_speech tests/data/speech_en.flac tests/data/speech_zh.flac

makes the small set that the package carries, anew for a new listener. Knows nothing of what else a face does meanwhile.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from visavis_models.chunk import CHUNK_SAMPLES, PLAYBACK_SAMPLES, Chunk
from visavis_models.voice.mouth import MOUTH_COUNT, mouth_of_face
from visavis_models.weights import manifest

AFTER_CHUNKS = 15
"""Silent chunks after each voice, for the mouth to shut."""
_SMALL_SET = "heard_speech.safetensors"


@dataclass(frozen=True, slots=True)
class Heard:
    """One utterance of T frames."""

    mouth: NDArray[np.float32]
    """float32 (T, 15), `visavis_models.voice.mouth.MOUTH_CHANNELS`."""
    energy: NDArray[np.float32]
    """float32 (T,), 0..1."""
    speaking: NDArray[np.bool_]
    """bool (T,)."""

    def __len__(self) -> int:
        return len(self.energy)


def listen(voices: Sequence[NDArray[np.int16]], at_once: int = 32, engine_kind: str | None = None) -> list[Heard]:
    """Hear voices, each from its beginning.

    Args:
        voices: int16 (n,) each, 16 kHz.
        at_once: how many go through the network together.
        engine_kind: see `MouthListener`.

    Raises:
        WeightsError, EngineError: the listener cannot run.
    """
    heard: dict[int, Heard] = {}
    order = sorted(range(len(voices)), key=lambda i: len(voices[i]))
    for first in range(0, len(order), at_once):
        numbers = order[first : first + at_once]
        for number, one in zip(numbers, _listen([voices[i] for i in numbers], engine_kind), strict=True):
            heard[number] = one
    return [heard[i] for i in range(len(voices))]


def _listen(voices: Sequence[NDArray[np.int16]], engine_kind: str | None) -> list[Heard]:
    # Not needed by those who only read what was heard: training machines lack the libraries of voices.
    from visavis_models.voice.listener import MouthListener, push_all

    delay = MouthListener.lookahead_ms // 40
    listeners = [MouthListener(engine_kind) for _ in voices]
    lengths = [-(-len(voice) // CHUNK_SAMPLES) + AFTER_CHUNKS for voice in voices]
    padded = [
        np.pad(voice.astype(np.float32) / 32768.0, (0, (length + delay) * CHUNK_SAMPLES - len(voice)))
        for voice, length in zip(voices, lengths, strict=True)
    ]
    nothing = np.zeros(PLAYBACK_SAMPLES, np.int16)
    motions: list[list[tuple[NDArray[np.float32], float, bool]]] = [[] for _ in voices]
    for index in range(max(lengths, default=0) + delay):
        alive = [i for i, length in enumerate(lengths) if index < length + delay]
        part = slice(index * CHUNK_SAMPLES, (index + 1) * CHUNK_SAMPLES)
        pushed = push_all([listeners[i] for i in alive], [Chunk(index, padded[i][part], nothing) for i in alive])
        for i, motion in zip(alive, pushed, strict=True):
            if motion is not None:
                motions[i].append((mouth_of_face(motion.face), motion.energy, motion.speaking))
    return [
        Heard(
            np.stack([m for m, _, _ in rows]).astype(np.float32),
            np.array([e for _, e, _ in rows], np.float32),
            np.array([s for _, _, s in rows], np.bool_),
        )
        for rows in motions
    ]


def save(path: Path, heard: Sequence[Heard], note: dict[str, object]) -> None:
    """Write utterances as one safetensors file (half precision) with a `note` of how they were made."""
    tensors: dict[str, NDArray[Any]] = {
        "mouth": np.concatenate([h.mouth for h in heard]).astype(np.float16),
        "energy": np.concatenate([h.energy for h in heard]).astype(np.float16),
        "speaking": np.concatenate([h.speaking for h in heard]).astype(np.uint8),
        "frames": np.array([len(h) for h in heard], np.int64),
    }
    save_file(tensors, path, {"note": json.dumps(note)})


def load(path: Path) -> tuple[list[Heard], dict[str, object]]:
    """What `save` wrote, and its note."""
    with safe_open(path, "numpy") as stored:
        note: dict[str, object] = json.loads((stored.metadata() or {})["note"])
        arrays = {name: stored.get_tensor(name) for name in ("mouth", "energy", "speaking", "frames")}
    if arrays["mouth"].shape[1] != MOUTH_COUNT:
        raise ValueError(f"{path} has {arrays['mouth'].shape[1]} mouth channels, expected {MOUTH_COUNT}")
    ends = np.cumsum(arrays["frames"])[:-1]
    parts = [np.split(arrays[name], ends) for name in ("mouth", "energy", "speaking")]
    return [
        Heard(m.astype(np.float32), e.astype(np.float32), s.astype(np.bool_)) for m, e, s in zip(*parts, strict=True)
    ], note


def small_set() -> list[Heard]:
    """The two sentences that the package carries, an English and a Mandarin one, about 14 s."""
    with resources.as_file(resources.files("visavis_training.people") / _SMALL_SET) as path:
        return load(path)[0]


def _voice(path: Path) -> NDArray[np.int16]:
    """int16 (n,), 16 kHz."""
    import av

    with av.open(str(path)) as container:
        resampler = av.AudioResampler("s16", "mono", 16_000)
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.int16)


def main() -> None:
    """Write the small set beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voices", type=Path, nargs="+")
    args = parser.parse_args()
    heard = listen([_voice(path) for path in args.voices])
    out = Path(__file__).with_name(_SMALL_SET)
    save(out, heard, {"listener": manifest()["listener"].sha256, "voices": [path.stem for path in args.voices]})
    out.chmod(0o644)
    print(f"{sum(map(len, heard))} frames of {len(heard)} voices in {out.name}")


if __name__ == "__main__":
    main()
