"""Draws what the mouth does in a sentence: its curves over the phones and the sound, as a picture.

    python -m visavis_training.speech.curves_plot --audio F.flac --phones tests/data/speech.toml#speech_en --out OUT.png

`--phones` is a TOML table with `phones` (file#table) or a JSON file with such a list; `--listener` adds what the
shipped listener answers to the sound alone. Needs matplotlib (the training extra). Knows nothing of how curves are
made.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import CHUNK_SAMPLES, FRAME_RATE_HZ, PLAYBACK_SAMPLES, Chunk
from visavis_models.voice.mouth import CHANNEL, lip_gap, mouth_of_face
from visavis_training.speech.coarticulation import mouth_curves
from visavis_training.speech.labels import loudness_of
from visavis_training.speech.phones import BILABIALS, SILENCE, VISEME_OF, VOWELS, Phone, gapless

Curves = NDArray[np.float32]
SAMPLE_RATE_HZ = 16_000
TARGET_RATE_HZ = 200
PANELS: tuple[tuple[str, str], ...] = (
    ("gap", "lip gap"), ("jaw", "jaw"), ("rounding", "rounding"), ("spread", "spread"), ("tuck", "tuck and press"),
    ("tongue", "tongue"),
)  # fmt: skip
_INK, _TARGET, _ANSWER = "#3a3a3a", "#1f5fa8", "#d1661f"
_SHADE = {"PP": "#f3c9c2", "FF": "#f6e2bd", "vowel": "#e4edf7"}


def curves_of(mouth: Curves) -> dict[str, Curves]:
    """What the panels show, each (T,), of mouth channels (T, 15)."""
    column = {name: mouth[:, index] for name, index in CHANNEL.items()}
    return {
        "gap": lip_gap(mouth),
        "jaw": column["jawOpen"],
        "rounding": column["mouthPucker"] + column["mouthFunnel"],
        "spread": np.maximum(column["mouthSmile"], column["mouthStretch"]),
        "tuck": np.maximum(column["mouthRollLower"], column["mouthPress"]),
        "tongue": column["tongueOut"],
    }


def read_phones(place: str, end_s: float) -> list[Phone]:
    """Phones from `file.toml#table` or `file.json`, gapless to `end_s`.

    Raises:
        OSError: no such file.
        KeyError: no such table, or it has no phones.
    """
    name, _, table = place.partition("#")
    text = Path(name).read_text("utf-8")
    entry = tomllib.loads(text)[table] if name.endswith(".toml") else json.loads(text)
    return gapless([Phone(*row) for row in (entry if isinstance(entry, list) else entry["phones"])], end_s)


def read_sound(path: Path) -> NDArray[np.float32]:
    """A sound file as float32 (N,), mono, 16 kHz."""
    import av

    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "mono", SAMPLE_RATE_HZ)
        frames = [frame for packet in container.decode(audio=0) for frame in resampler.resample(packet)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32)


def listener_answer(samples: NDArray[np.float32]) -> Curves:
    """Mouth channels (T, 15) that the shipped listener answers, one row for each 40 ms of sound."""
    from visavis_models.voice.listener import MouthListener

    listener = MouthListener()
    count = len(samples) // CHUNK_SAMPLES
    ahead = -(-listener.lookahead_ms // 40)
    padded = np.concatenate([samples[: count * CHUNK_SAMPLES], np.zeros(ahead * CHUNK_SAMPLES, np.float32)])
    silent = np.zeros(PLAYBACK_SAMPLES, np.int16)
    heard = (listener.push(Chunk(i, chunk, silent)) for i, chunk in enumerate(padded.reshape(-1, CHUNK_SAMPLES)))
    return mouth_of_face(np.stack([motion.face for motion in heard if motion is not None]))[:count]


def draw(samples: NDArray[np.float32], phones: list[Phone], answer: Curves | None, title: str, out: Path) -> None:
    """Write the picture as PNG.

    Args:
        samples: float32 (N,), 16 kHz.
        phones: gapless.
        answer: (T, 15) at 25 Hz to lay over the target, or None.
        title: written above it.
        out: where to; its folder must exist.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    duration_s = len(samples) / SAMPLE_RATE_HZ
    target = curves_of(mouth_curves(phones, duration_s, loudness_of(samples), TARGET_RATE_HZ))
    given = None if answer is None else curves_of(answer)
    heights = [1.1, 1.6, 1.2, 1.2, 1.2, 1.2, 0.9]
    width = max(12.0, 2.6 * duration_s)
    figure, axes = plt.subplots(len(heights), 1, sharex=True, figsize=(width, 9.6), height_ratios=heights, dpi=110)
    left = 1.6 / width
    figure.subplots_adjust(left=left, right=0.995, top=0.93, bottom=0.05, hspace=0.12)
    times = np.arange(0, len(samples), 8) / SAMPLE_RATE_HZ
    axes[0].plot(times, samples[::8], color=_INK, linewidth=0.4)
    axes[0].set_ylim(-1.05 * np.abs(samples).max(), 1.05 * np.abs(samples).max())
    axes[0].set_ylabel("sound", rotation=0, ha="right", va="center")
    axes[0].set_yticks([])
    for axis, (name, label) in zip(axes[1:], PANELS, strict=True):
        axis.plot((np.arange(len(target[name])) + 0.5) / TARGET_RATE_HZ, target[name], color=_TARGET, label="target")
        if given is not None:
            shown_s = (np.arange(len(given[name])) + 0.5) / FRAME_RATE_HZ
            axis.plot(shown_s, given[name], color=_ANSWER, marker=".", markersize=3, linewidth=1, label="listener")
        axis.set_ylim(-0.02, max(0.3, 1.1 * float(target[name].max())))
        axis.set_ylabel(label, rotation=0, ha="right", va="center")
    for phone in phones:
        viseme = VISEME_OF[phone.symbol]
        colour = _SHADE.get(viseme, _SHADE["vowel"] if phone.symbol in VOWELS else None)
        for axis in axes:
            if colour:
                axis.axvspan(phone.start_s, phone.end_s, color=colour, linewidth=0)
            axis.axvline(phone.start_s, color="#00000018", linewidth=0.6)
        if phone.symbol != SILENCE:
            middle = (phone.start_s + phone.end_s) / 2
            low = phone.end_s - phone.start_s < 0.035  # so that short neighbours do not overwrite each other
            axes[0].text(
                middle, 1.26 if low else 1.02, phone.symbol, transform=axes[0].get_xaxis_transform(), ha="center",
                va="bottom", fontsize=11, weight="bold" if phone.symbol in BILABIALS else "normal",
            )  # fmt: skip
    if given is not None:
        axes[1].legend(loc="upper right", fontsize=8, ncols=2, framealpha=0.8)
    axes[-1].set_xlim(0, duration_s)
    axes[-1].set_xlabel("seconds")
    figure.suptitle(title, x=left, y=0.995, ha="left", fontsize=11)
    figure.savefig(out)
    plt.close(figure)


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--phones", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--title", default="")
    parser.add_argument("--listener", action="store_true")
    args = parser.parse_args()
    samples = read_sound(args.audio)
    phones = read_phones(args.phones, len(samples) / SAMPLE_RATE_HZ)
    draw(samples, phones, listener_answer(samples) if args.listener else None, args.title, args.out)


if __name__ == "__main__":
    main()
