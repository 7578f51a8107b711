"""Makes the material that training draws from: a corpus as long tracks, every 10 ms labelled, and a store of no speech.

Utterances follow one another with pauses as in a live call, some at another speed and pitch; the mouth's curves are
made for the track as a whole, so that lips wake and rest as they should. All tracks lie one after another in a few flat
files that a trainer can put on a GPU at once; each begins and ends in silence. Row i is of `(i + 0.5) * 10 ms`.

    python -m visavis_training.speech.tracks --corpus CORPUS --out TRACKS --processes 16
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from visavis_models.voice.phones import PHONES, SILENCE
from visavis_training.speech import codecs, disturbances
from visavis_training.speech.coarticulation import LONG_SILENCE_S, mouth_curves
from visavis_training.speech.labels import aligned, left_out, loudness_of
from visavis_training.speech.phones import Phone, gapless
from visavis_training.speech.pitch import pitch_of
from visavis_training.speech.speaking_styles import SHOUT_LOUDNESS, WHISPER_LOUDNESS, shouted, whispered
from visavis_training.speech.track_files import FILES, LISTING, NUISANCE, NUISANCE_SCALE, PROGRESS, RATE_HZ, ROW_SAMPLES
from visavis_training.speech.voice_variety import RATES, RESAMPLED

VERSION = 2
"""Of what is written here; another version's tracks are made anew."""
_TRACK_S = 40.0
_NUISANCE_S = 20.0
_FADE_SAMPLES = 48
_WHISPERED, _SHOUTED = 0.05, 0.05
"""Shares of the utterances."""
_INDEX = {phone: i for i, phone in enumerate(PHONES)}
Utterance = tuple[dict[str, Any], NDArray[np.int16], list[Phone]]
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Spoken:
    """One utterance's place in a track and what is done to it first."""

    which: int
    first: int
    """First and last sample taken of the utterance: some of its silent ends is left away."""
    last: int
    up: int
    down: int
    gain_db: float
    start: int
    """Sample of the track where it begins, a multiple of 160."""
    codec: str
    style: str = ""
    """"whisper", "shout", or as it was spoken."""

    @property
    def length(self) -> int:
        """Samples in the track."""
        return ceil((self.last - self.first) * self.up / self.down)


@dataclass(frozen=True, slots=True)
class Track:
    """Utterances one after another; `rows` of 10 ms from row `first_row` of the files."""

    first_row: int
    rows: int
    spoken: tuple[Spoken, ...]


def _pause_s(source: np.random.Generator) -> float:
    kind = source.random()
    if kind < 0.35:
        return 0.0
    if kind < 0.80:
        return float(source.exponential(0.5))
    return float(source.exponential(2.5)) if kind < 0.93 else float(source.uniform(3.0, 6.0))


def _order(voices: Sequence[str], source: np.random.Generator) -> Iterator[int]:
    """Every utterance once, mostly several of one voice in a row."""
    waiting: dict[str, list[int]] = {}
    for which in source.permutation(len(voices)):
        waiting.setdefault(voices[which], []).append(int(which))
    voice = ""
    while waiting:
        if voice not in waiting or source.random() < 0.3:
            names = list(waiting)
            weights = np.array([len(waiting[name]) for name in names], np.float64)
            voice = names[int(source.choice(len(names), p=weights / weights.sum()))]
        yield waiting[voice].pop()
        if not waiting[voice]:
            del waiting[voice]


def plan(utterances: Sequence[Utterance], seed: int, passes: int = 1) -> list[Track]:
    """Which utterance goes where, all random choices made; the same for the same corpus and seed."""
    source = np.random.default_rng((seed, VERSION))
    names = [codec.name for codec in codecs.available()]
    voices = [str(row["voice"]) for row, _, _ in utterances]
    tracks: list[Track] = []
    spoken: list[Spoken] = []
    at = row = 0
    for number in range(passes):
        for which in _order(voices, source):
            _, samples, phones = utterances[which]
            first, last = _ends(phones, len(samples), source)
            up, down = RATES[int(source.integers(len(RATES)))] if source.random() < RESAMPLED else (1, 1)
            die = float(source.random())
            style = "whisper" if die < _WHISPERED else "shout" if die > 1 - _SHOUTED else ""
            if style == "shout" and up > down:
                up, down = down, up  # a raised voice is a higher one
            pause = _pause_s(source) if spoken else float(source.uniform(0.1, 1.0))
            start = -(-(at + int(pause * RATE_HZ)) // ROW_SAMPLES) * ROW_SAMPLES
            codec = names[int(source.integers(len(names)))] if names and source.random() < 0.85 else ""
            spoken.append(Spoken(which, first, last, up, down, float(source.uniform(-6, 6)), start, codec, style))
            at = start + spoken[-1].length
            if at > _TRACK_S * RATE_HZ:
                rows = -(-(at + int(source.uniform(0.3, 1.0) * RATE_HZ)) // ROW_SAMPLES)
                tracks.append(Track(row, rows, tuple(spoken)))
                row, at, spoken = row + rows, 0, []
        if spoken and number == passes - 1:
            rows = -(-at // ROW_SAMPLES) + 50
            tracks.append(Track(row, rows, tuple(spoken)))
    return tracks


def _ends(phones: Sequence[Phone], count: int, source: np.random.Generator) -> tuple[int, int]:
    first, last = 0, count
    if phones[0].symbol == SILENCE and source.random() < 0.5:
        first = int(max(0.0, phones[0].end_s - source.uniform(0.02, 0.25)) * RATE_HZ)
    if phones[-1].symbol == SILENCE and source.random() < 0.5:
        last = min(count, int((phones[-1].start_s + source.uniform(0.03, 0.3)) * RATE_HZ))
    return first, max(last, first + RATE_HZ // 10)


def phones_of(track: Track, said: Sequence[tuple[NDArray[np.int16], list[Phone]]]) -> list[Phone]:
    """The phones of a whole track, gapless; `said` are its utterances in order."""
    phones: list[Phone] = []
    for piece, (_, uttered) in zip(track.spoken, said, strict=True):
        stretch, start_s = piece.up / piece.down, piece.start / RATE_HZ
        cut_s, end_s = piece.first / RATE_HZ, (piece.start + piece.length) / RATE_HZ
        for p in uttered:
            begun, ended = (start_s + (edge - cut_s) * stretch for edge in (p.start_s, p.end_s))
            if p.symbol != SILENCE and ended > start_s:
                phones.append(Phone(p.symbol, max(begun, start_s), min(ended, end_s)))
    return gapless(phones, track.rows * ROW_SAMPLES / RATE_HZ)


def labels_at(phones: Sequence[Phone], times_s: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Index into `PHONES` of what sounds at each time, and 1 where speech goes on: not in a long silence."""
    ends = np.array([phone.end_s for phone in phones])
    which = np.clip(np.searchsorted(ends, times_s, "right"), 0, len(phones) - 1)
    index = np.array([_INDEX[phone.symbol] for phone in phones], np.uint8)
    speech = np.array([p.symbol != SILENCE or p.end_s - p.start_s <= LONG_SILENCE_S for p in phones], np.uint8)
    return index[which], speech[which]


def arrays_of(track: Track, said: Sequence[tuple[NDArray[np.int16], list[Phone]]]) -> Arrays:
    """Everything of one track: the arrays of `FILES`; `said` are its utterances in order."""
    rows = track.rows
    wave, line = np.zeros(rows * ROW_SAMPLES, np.int16), np.zeros(rows * ROW_SAMPLES, np.int16)
    loudness, log_f0, voicing = np.zeros(rows, np.float32), np.zeros(rows, np.float16), np.zeros(rows, np.uint8)
    known = {codec.name: codec for codec in codecs.available()}
    for piece, (samples, _) in zip(track.spoken, said, strict=True):
        voice = samples[piece.first : piece.last].astype(np.float32) / np.float32(32768)
        voice[:_FADE_SAMPLES] *= np.linspace(0, 1, _FADE_SAMPLES, dtype=np.float32)
        voice[-_FADE_SAMPLES:] *= np.linspace(1, 0, _FADE_SAMPLES, dtype=np.float32)
        loud_as = 1.0
        if piece.style == "whisper":
            voice, loud_as = (
                whispered(voice, np.random.default_rng((VERSION, piece.which, piece.start))),
                WHISPER_LOUDNESS,
            )
        elif piece.style == "shout":
            voice, loud_as = shouted(voice), SHOUT_LOUDNESS
        if piece.up != piece.down:
            voice = np.asarray(resample_poly(voice, piece.up, piece.down), np.float32)
        f0, voiced = pitch_of(voice)
        loud = loudness_of(voice) * np.float32(loud_as)
        here = slice(piece.start // ROW_SAMPLES, piece.start // ROW_SAMPLES + len(loud))
        loudness[here], voicing[here] = loud, voiced
        log_f0[here] = np.where(voiced, np.log(np.maximum(f0, 1.0)), 0.0)
        peak = float(np.abs(voice).max()) + 1e-6
        louder = np.float32(min(10 ** (piece.gain_db / 20), 0.98 / peak))
        heard = np.asarray(np.round(voice * louder * 32767), np.int16)
        where = slice(piece.start, piece.start + len(heard))
        wave[where] = heard
        line[where] = codecs.round_trip(heard, known[piece.codec]) if piece.codec in known else heard
    phones = phones_of(track, said)
    phone, speech = labels_at(phones, (np.arange(rows) + 0.5) * ROW_SAMPLES / RATE_HZ)
    mouth = mouth_curves(phones, rows * ROW_SAMPLES / RATE_HZ, loudness, rate_hz=RATE_HZ // ROW_SAMPLES)
    out: Arrays = {"wave": wave, "line": line, "phone": phone, "speech": speech, "voicing": voicing, "log_f0": log_f0}
    out["mouth"], out["loudness"] = mouth.astype(np.float16), np.minimum(loudness, 1.0).astype(np.float16)
    return out


def _write(folder: Path, track: Track, said: list[tuple[NDArray[np.int16], list[Phone]]]) -> int:
    for name, values in arrays_of(track, said).items():
        each = FILES[name][1]
        kept = np.load(folder / f"{name}.npy", mmap_mode="r+")
        kept[track.first_row * each : (track.first_row + track.rows) * each] = values
        kept.flush()
    return track.first_row


def _write_nuisance(folder: Path, number: int, seed: int) -> int:
    count = int(_NUISANCE_S * RATE_HZ)
    wave = disturbances.nuisance(count, np.random.default_rng((seed, 7, number)))
    kept = np.load(folder / f"{NUISANCE}.npy", mmap_mode="r+")
    kept[number * count : (number + 1) * count] = np.clip(np.round(wave * NUISANCE_SCALE), -32767, 32767)
    return -1 - number


def make(
    utterances: Sequence[Utterance],
    out: Path,
    *,
    seed: int = 1,
    passes: int = 1,
    processes: int = 1,
    nuisance_s: float = 2400.0,
) -> float:
    """Make the tracks of a corpus, or go on where it was left.

    Args:
        utterances: row (its "voice" is used), int16 samples at 16 kHz, gapless phones.
        out: folder for the files, see `visavis_training.speech.track_files`.
        seed: of every random choice.
        passes: how often each utterance is used, each time otherwise.
        processes: how many work at once.
        nuisance_s: how much sound without speech to make.

    Returns:
        Seconds of the tracks.
    """
    out.mkdir(parents=True, exist_ok=True)
    tracks = plan(utterances, seed, passes)
    rows = tracks[-1].first_row + tracks[-1].rows if tracks else 0
    pieces = ceil(nuisance_s / _NUISANCE_S)
    plan_text = json.dumps([asdict(track) for track in tracks]) + "".join(
        str(row.get("id")) for row, _, _ in utterances
    )
    told: dict[str, Any] = {
        "version": VERSION,
        "seed": seed,
        "passes": passes,
        "rows": rows,
        "nuisance_s": pieces * _NUISANCE_S,
    }
    told["parts"] = len(tracks) + pieces
    told["plan_sha256"] = hashlib.sha256(plan_text.encode()).hexdigest()
    listing, progress = out / LISTING, out / PROGRESS
    if not listing.exists() or json.loads(listing.read_text("utf-8")) != told:
        progress.unlink(missing_ok=True)
        for name, (dtype, each, width) in FILES.items():
            shape = (rows * each, width) if width else (rows * each,)
            np.lib.format.open_memmap(out / f"{name}.npy", "w+", dtype, shape)
        np.lib.format.open_memmap(out / f"{NUISANCE}.npy", "w+", "int16", (pieces * int(_NUISANCE_S * RATE_HZ),))
        listing.write_text(json.dumps(told), "utf-8")
    done = {int(line) for line in progress.read_text("utf-8").split()} if progress.exists() else set()
    with ProcessPoolExecutor(processes) as pool, progress.open("a", encoding="utf-8") as book:
        pending = [pool.submit(_write_nuisance, out, n, seed) for n in range(pieces) if -1 - n not in done]
        for track in tracks:
            if track.first_row not in done:
                said = [utterances[piece.which][1:] for piece in track.spoken]
                pending.append(pool.submit(_write, out, track, said))
        for future in as_completed(pending):
            book.write(f"{future.result()}\n")
            book.flush()
    return rows * ROW_SAMPLES / RATE_HZ


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--extra", type=Path, action="append", default=[], help="another corpus; may be repeated")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    began = time.monotonic()
    utterances = [
        said for folder in (args.corpus, *args.extra) for said in aligned(folder, part="train") if not left_out(said[0])
    ]
    missing = {codec.name for codec in codecs.KNOWN} - {codec.name for codec in codecs.available()}
    if missing:
        print(f"codecs that this build of PyAV lacks: {', '.join(sorted(missing))}", flush=True)
    print(f"{len(utterances)} utterances read in {time.monotonic() - began:.0f} s", flush=True)
    seconds = make(utterances, args.out, seed=args.seed, passes=args.passes, processes=args.processes)
    print(f"{seconds / 3600:.2f} h of tracks in {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
