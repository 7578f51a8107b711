"""How well the mouth follows the voice: closures, visemes, lag, stillness without speech; a table and a line of JSON.

    python benchmarks/lips.py [--corpus FOLDER --aligned FILE] [--sounds FOLDER --texts FILE] [--limit 60]

The synthetic sets are the held-out voices of a corpus made by `visavis_training.speech`; without one, the two sentences
of the tests. The human set are telephone prompts (Debian: asterisk-core-sounds-en, asterisk-core-sounds-en-g722), their
phones placed by pocketsphinx; a set whose data or aligner is missing is null.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import time
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from visavis_models.chunk import CHUNK_SAMPLES, PLAYBACK_SAMPLES, Chunk
from visavis_models.voice.encoder import VISEMES
from visavis_models.voice.listener import MouthListener, MouthMotion
from visavis_models.voice.mouth import lip_gap, mouth_of_face
from visavis_training.speech.coarticulation import held, mouth_curves
from visavis_training.speech.disturbances import coloured_noise, music
from visavis_training.speech.labels import labels_of, loudness_of
from visavis_training.speech.phones import BILABIALS, OPEN_VOWELS, SILENCE, Phone, gapless

KEYS = ("closure_recall", "false_closures", "viseme_f1", "lag_ms", "moving_in_silence", "aperture_corr")
SHUT_SHARE = 0.1
"""Lips are together below this share of the speaker's open vowel."""
MOVING = 0.03
ROOT = Path(__file__).resolve().parents[1]
_CMU = dict(
    zip(
        "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split(),
        "ɑ æ ʌ ɔ W I b ʧ d ð ɛ ɜ A f ɡ h ɪ i ʤ k l m n ŋ O Y p ɹ s ʃ t θ ʊ u v w j z ʒ".split(),
        strict=True,
    )
)


@dataclass(frozen=True, slots=True)
class Spoken:
    """One recording: float32 16 kHz samples, its phones, who speaks."""

    samples: NDArray[np.float32]
    phones: list[Phone]
    speaker: str


def decoded(path: Path) -> NDArray[np.float32]:
    """A sound file as float32 mono at 16 kHz."""
    with av.open(str(path), format="g722" if path.suffix == ".g722" else None) as container:
        resampler = av.AudioResampler("fltp", "mono", 16_000)
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32)


def listened(samples: NDArray[np.float32]) -> list[MouthMotion]:
    """The motion of every whole chunk of a recording."""
    listener = MouthListener()
    delay = listener.lookahead_ms // 40
    count = len(samples) // CHUNK_SAMPLES
    padded = np.concatenate([samples[: count * CHUNK_SAMPLES], np.zeros(delay * CHUNK_SAMPLES, np.float32)])
    silent = np.zeros(PLAYBACK_SAMPLES, np.int16)
    chunks = padded.reshape(-1, CHUNK_SAMPLES)
    return [m for i, chunk in enumerate(chunks) if (m := listener.push(Chunk(i, chunk, silent))) is not None]


def energy_mouth(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The baseline: the lips part as far as the voice is loud."""
    frames = samples[: len(samples) // CHUNK_SAMPLES * CHUNK_SAMPLES].reshape(-1, CHUNK_SAMPLES)
    level = np.sqrt(np.mean(frames**2, axis=1))
    return np.asarray(0.5 * np.clip(level / (np.percentile(level, 95) + 1e-9), 0, 1), np.float32)


def sample_sentences(language: str) -> list[Spoken]:
    """The sentence of the tests."""
    folder = ROOT / "tests" / "data"
    entry = tomllib.loads((folder / "speech.toml").read_text("utf-8"))[f"speech_{language}"]
    return [Spoken(decoded(folder / entry["file"]), [Phone(*p) for p in entry["phones"]], entry["voice"])]


def held_out(folder: Path, listing: Path, language: str, limit: int) -> list[Spoken]:
    """Utterances of voices and sentences never trained on."""
    from visavis_training.speech.labels import aligned

    rows = [r for r in aligned(folder, listing) if r[0]["part"] == "test" and r[0]["language"] == language][:limit]
    return [Spoken(s.astype(np.float32) / np.float32(32768), phones, row["voice"]) for row, s, phones in rows]


def prompts(folder: Path, texts: Path, limit: int) -> list[Spoken]:
    """Human prompts of 2 to 9 s whose words pocketsphinx knows, aligned."""
    from pocketsphinx import Decoder

    found: list[Spoken] = []
    for line in gzip.decompress(texts.read_bytes()).decode("utf-8", "replace").splitlines():
        name, _, text = line.partition(":")
        path = folder / f"{name.strip()}.g722"
        words = " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())
        if len(found) >= limit or re.search(r"[\[\]\d(<]", text) or len(words) < 25 or not path.is_file():
            continue
        samples = decoded(path)
        if not 2 <= len(samples) / 16_000 <= 9:
            continue
        pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes()
        try:
            decoder = Decoder(lm=None, loglevel="FATAL")
            decoder.set_align_text(words)
            for step in (0, 1):
                if step:
                    decoder.set_alignment()
                decoder.start_utt()
                decoder.process_raw(pcm, full_utt=True)
                decoder.end_utt()
            alignment = decoder.get_alignment()
        except RuntimeError:
            continue
        if alignment is None:
            continue
        centre = 0.008  # its frames are 25.6 ms wide and named by their beginnings
        phones = [
            Phone(_CMU[p.name], p.start / 100 + centre, (p.start + p.duration) / 100 + centre)
            for word in alignment
            for p in word
            if p.name in _CMU
        ]
        found.append(Spoken(samples, gapless(phones, len(samples) / 16_000), "prompts"))
    return found


def lag_ms(shown: NDArray[np.float32], target: NDArray[np.float32]) -> float:
    """How much later the shown aperture is than the target: the best shift of a 10 ms grid within ±200 ms."""
    grid = np.arange(0, len(target), 0.25)
    a, b = (np.interp(grid, np.arange(len(x)), x) for x in (shown, target))
    shifts = range(-20, 21)
    scores = [np.corrcoef(a[20 + s : len(a) - 20 + s], b[20 : len(b) - 20])[0, 1] for s in shifts]
    return 10.0 * list(shifts)[int(np.nanargmax(scores))]


def still_share(spoken: list[Spoken], seed: int) -> float:
    """Share of frames that move after the speech, in silence, in noise and in music 10 dB below it."""
    source = np.random.default_rng(seed)
    moving, total = 0, 0
    for item in spoken[:12]:
        level = np.sqrt(np.mean(item.samples[np.abs(item.samples) > 0.01] ** 2)) * 10 ** (-10 / 20)
        count = 3 * 16_000
        for tail in (np.zeros(count), level * coloured_noise(count, source), level * music(count, source)):
            # 0.4 s of grace: the last phone fades, the mouth eases shut
            motions = listened(np.concatenate([item.samples, tail.astype(np.float32)]))
            rest = motions[len(item.samples) // CHUNK_SAMPLES + 10 :]
            moving += sum(float(m.face.max()) > MOVING for m in rest)
            total += len(rest)
    return moving / max(total, 1)


def measure(spoken: list[Spoken], baseline: bool = False) -> dict[str, float | None]:
    """The six figures of a set."""
    shown, targets, corr, lags = [], [], [], []
    opened: dict[str, list[float]] = defaultdict(list)
    table = np.zeros((len(VISEMES), 3))  # hits, said, true
    for item in spoken:
        motions = listened(item.samples)
        frames = len(motions)
        faces = np.stack([m.face for m in motions])
        gap = energy_mouth(item.samples) if baseline else lip_gap(mouth_of_face(faces))
        curves = mouth_curves(item.phones, len(item.samples) / 16_000, loudness_of(item.samples))
        target = lip_gap(curves)[:frames]
        shown.append(gap)
        targets.append(target)
        if target.std() > 0 and gap.std() > 0 and frames > 20:
            corr.append(float(np.corrcoef(gap, target)[0, 1]))
            lags.append(lag_ms(gap, target))
        middles = (np.arange(frames) + 0.5) / 25
        for phone in item.phones:
            inside = (middles >= phone.start_s) & (middles < phone.end_s)
            if phone.symbol in OPEN_VOWELS and inside.any():
                opened[item.speaker].append(float(gap[inside].max()))
        said, (truth, _) = np.array([m.visemes.argmax() for m in motions]), labels_of(item.phones, frames)
        for viseme in range(len(VISEMES)):
            table[viseme] += (
                np.sum((said == viseme) & (truth == viseme)), np.sum(said == viseme), np.sum(truth == viseme),
            )  # fmt: skip
    closures, open_shut = [], []
    for item, gap in zip(spoken, shown, strict=True):
        limit = SHUT_SHARE * float(np.median(opened[item.speaker] or [0.4]))
        middles = (np.arange(len(gap)) + 0.5) / 25
        for phone in item.phones:
            if phone.symbol in BILABIALS:
                start, end = held(phone)
                near = (middles >= start - 0.02) & (middles <= end + 0.02)
                if near.any():
                    closures.append(bool(gap[near].min() < limit))
            elif phone.symbol in OPEN_VOWELS and phone.end_s - phone.start_s > 0.06:
                third = (phone.end_s - phone.start_s) / 3
                near = (middles >= phone.start_s + third) & (middles < phone.end_s - third)
                if near.any():
                    open_shut.append(bool(gap[near].max() < limit))
    f1 = 2 * table[:, 0] / np.maximum(table[:, 1] + table[:, 2], 1)
    present = [i for i in range(len(VISEMES)) if VISEMES[i] != SILENCE and table[i, 2] > 0]
    return {
        "closure_recall": float(np.mean(closures)),
        "false_closures": float(np.mean(open_shut)),
        "viseme_f1": None if baseline else float(np.mean(f1[present])),
        "lag_ms": float(np.mean(lags)),
        "moving_in_silence": None if baseline else still_share(spoken, 7),
        "aperture_corr": float(np.mean(corr)),
    }


def realtime_factor() -> float:
    """Seconds of one core for a second of voice, one session."""
    listener = MouthListener()
    silent = np.zeros(PLAYBACK_SAMPLES, np.int16)
    voice = (0.1 * np.random.default_rng(0).standard_normal((275, CHUNK_SAMPLES))).astype(np.float32)
    began = 0.0
    for i, samples in enumerate(voice):
        if i == 25:
            began = time.process_time()
        listener.push(Chunk(i, samples, silent))
    return (time.process_time() - began) / 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--aligned", type=Path)
    parser.add_argument("--sounds", type=Path, default=Path("/usr/share/asterisk/sounds/en_US_f_Allison"))
    texts = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
    parser.add_argument("--texts", type=Path, default=texts)
    parser.add_argument("--limit", type=int, default=60)
    args = parser.parse_args()
    sets: dict[str, list[Spoken]] = {}
    for language in ("en", "zh"):
        sets[f"synthetic_{language}"] = (
            held_out(args.corpus, args.aligned, language, args.limit)
            if args.corpus and args.aligned
            else sample_sentences(language)
        )
    try:
        sets["human"] = prompts(args.sounds, args.texts, args.limit)
    except (ImportError, OSError) as error:
        print(f"no human set: {error}")
    result: dict[str, Any] = {}
    print(f"{'set':28}" + "".join(f"{key:>19}" for key in KEYS))
    for name in ("synthetic_en", "synthetic_zh", "human"):
        spoken = sets.get(name, [])
        result[name] = measure(spoken) if spoken else None
        for label, row in ((name, result[name]), ("  energy only", measure(spoken, True) if spoken else None)):
            cells = ["-" if row is None or row[key] is None else f"{row[key]:.3f}" for key in KEYS]
            print(f"{label + f' ({len(spoken)})':28}" + "".join(f"{cell:>19}" for cell in cells))
    result["lookahead_ms"] = MouthListener.lookahead_ms
    result["realtime_factor"] = round(realtime_factor(), 4)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
