"""Makes the corpus: a plan of utterances (text, voice, speed), then their voices and phone times, in parallel.

`plan` needs espeak-ng and misaki; `speak` needs only numpy, ONNX Runtime and soundfile, so that it can run on another
machine. A shard is one Ogg/Opus file of utterances one after another and one JSON line for each.

    python -m visavis_training.speech.corpus plan --out plan.jsonl
    python -m visavis_training.speech.corpus speak --plan plan.jsonl --kokoro FOLDER --out corpus --processes 16
"""

from __future__ import annotations

import argparse
import json
import random
import time
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visavis_training.speech.kokoro import SAMPLE_RATE_HZ, Kokoro

ENGLISH_VOICES = tuple(
    "af_alloy af_aoede af_bella af_heart af_jessica af_kore af_nicole af_nova af_river af_sarah af_sky am_adam am_echo "
    "am_eric am_fenrir am_liam am_michael am_onyx am_puck am_santa bf_alice bf_emma bf_isabella bf_lily bm_daniel "
    "bm_fable bm_george bm_lewis".split()
)
MANDARIN_VOICES = tuple("zf_xiaobei zf_xiaoni zf_xiaoxiao zf_xiaoyi zm_yunjian zm_yunxi zm_yunxia zm_yunyang".split())
HELD_OUT_VOICES = ("af_sarah", "am_puck", "bf_lily", "zf_xiaoyi", "zm_yunxia")
"""Never trained on: the measure is taken with them, on sentences of another seed."""

_speaker: Kokoro | None = None


def plan(english: int, mandarin: int, held_out: int, seed: int) -> list[dict[str, Any]]:
    """What is to be spoken: `english + mandarin` utterances to learn from, `held_out` of each language to measure."""
    from visavis_training.speech.g2p import english_phones, mandarin_phones
    from visavis_training.speech.texts import english_sentences, mandarin_sentences

    source = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for part, counts, seed_offset in (("train", (english, mandarin), 0), ("test", (held_out, held_out), 1000)):
        for language, count in zip(("en", "zh"), counts, strict=True):
            voices = ENGLISH_VOICES if language == "en" else MANDARIN_VOICES
            voices = tuple(v for v in voices if (v in HELD_OUT_VOICES) == (part == "test"))
            make = english_sentences if language == "en" else mandarin_sentences
            for number, text in enumerate(make(count, seed + seed_offset)):
                voice = voices[number % len(voices)]
                phones = english_phones(text, voice.startswith("b")) if language == "en" else mandarin_phones(text)
                speed = round(source.uniform(0.8, 1.25), 2)
                rows.append(
                    {"id": len(rows), "part": part, "language": language, "voice": voice, "speed": speed}
                    | {"text": text, "tokens": phones}
                )
    return rows


def _open_speaker(folder: str) -> None:
    global _speaker
    _speaker = Kokoro(Path(folder), threads=1)


def _speak(row: dict[str, Any]) -> tuple[dict[str, Any], NDArray[np.int16]] | None:
    from scipy.signal import resample_poly

    assert _speaker is not None
    try:
        said = _speaker.speak(row["tokens"], row["voice"], row["speed"])
    except ValueError:
        return None
    wide = resample_poly(said.samples, 2, 3).astype(np.float32)  # 24 kHz -> 16 kHz
    wide = wide * (0.5 / max(1e-3, float(np.abs(wide).max())))
    edges = [round(float(edge), 3) for edge in said.edges_s]
    return {**row, "tokens": said.tokens, "edges_s": edges}, (wide * 32767).astype(np.int16)


def speak(rows: list[dict[str, Any]], kokoro: Path, out: Path, processes: int, shards: int, limit_s: float) -> float:
    """Speak the plan into shards; stops handing out work after `limit_s`. Returns seconds of speech made."""
    import soundfile

    assert SAMPLE_RATE_HZ == 24_000
    out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    files = [soundfile.SoundFile(out / f"part{i}.ogg", "w", 16_000, 1, "OPUS", format="OGG") for i in range(shards)]
    lists = [(out / f"part{i}.jsonl").open("w") for i in range(shards)]
    lengths = [0] * shards
    with ProcessPoolExecutor(processes, initializer=_open_speaker, initargs=(str(kokoro),)) as pool:
        waiting = iter(rows)
        pending: list[Future[tuple[dict[str, Any], NDArray[np.int16]] | None]] = []
        finished = False
        while True:
            while not finished and len(pending) < 3 * processes:
                row = next(waiting, None)
                finished = row is None or time.monotonic() - began > limit_s
                if row is not None and not finished:
                    pending.append(pool.submit(_speak, row))
            if not pending:
                break
            result = pending.pop(0).result()
            if result is None:
                continue
            row, samples = result
            shard = row["id"] % shards
            lists[shard].write(json.dumps({**row, "offset": lengths[shard], "samples": len(samples)}) + "\n")
            files[shard].write(samples)
            lengths[shard] += len(samples)
            if row["id"] % 200 == 0:
                print(f"{time.monotonic() - began:.0f} s: {sum(lengths) / 16_000:.0f} s of speech", flush=True)
    for file, text in zip(files, lists, strict=True):
        file.close()
        text.close()
    return sum(lengths) / 16_000


def read(folder: Path) -> list[tuple[dict[str, Any], NDArray[np.int16]]]:
    """Every utterance of a corpus: its row and int16 samples at 16 kHz."""
    import soundfile

    found = []
    for listing in sorted(folder.glob("part*.jsonl")):
        samples, _ = soundfile.read(listing.with_suffix(".ogg"), dtype="int16")
        for line in listing.read_text("utf-8").splitlines():
            row = json.loads(line)
            found.append((row, samples[row["offset"] : row["offset"] + row["samples"]]))
    return found


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("plan", "speak"))
    parser.add_argument("--plan", type=Path, default=Path("plan.jsonl"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kokoro", type=Path)
    parser.add_argument("--english", type=int, default=1300)
    parser.add_argument("--mandarin", type=int, default=1000)
    parser.add_argument("--held-out", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--limit-s", type=float, default=1e9)
    args = parser.parse_args()
    if args.step == "plan":
        rows = plan(args.english, args.mandarin, args.held_out, args.seed)
        args.out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
        print(f"{len(rows)} utterances planned")
    else:
        rows = [json.loads(line) for line in args.plan.read_text("utf-8").splitlines()]
        order = [row for row in rows if row["part"] == "test"] + [row for row in rows if row["part"] == "train"]
        random.Random(0).shuffle(order)
        order.sort(key=lambda row: row["part"] != "test")
        seconds = speak(order, args.kokoro, args.out, args.processes, args.shards, args.limit_s)
        print(f"{seconds / 3600:.2f} h of speech")


if __name__ == "__main__":
    main()
