"""How well the mouth follows the voice: closures, visemes, lag, stillness without speech; a table and a line of JSON.

    python benchmarks/lips.py [--corpus CORPUS] [--sounds FOLDER --texts FILE] [--before CHECKOUT] [--verbose] [--keep]

Three sets. `synthetic_en`, `synthetic_zh`: voices and hand-written texts that training never had (part "test" of a
corpus made by `visavis_training.speech.make`; without one, the two sentences of the tests). `human`: a speaker of
telephone prompts (Debian: asterisk-core-sounds-en, asterisk-core-sounds-en-g722), her sounds placed by pocketsphinx,
asked twice, their borders then put halfway to where the wave itself steps. A set whose data or aligner is missing is
null.

Rows beside each set:

`before`   the listener of another version: `git worktree add FOLDER v0.1.0`, then `--before FOLDER`.
`telephone` (human) the same recordings at 8 kHz, in the 256 steps of µ-law.
`energy`   a mouth that opens as far as the voice is loud.
`target`   the mouth that truth itself asks for: what the measures say of a faultless listener.
`ceiling`  that mouth at the times of a second aligner, the same sounds: pocketsphinx for synthetic_en, the voice's own
           (rough) times for synthetic_zh, the corpus' aligner, free to put borders anywhere, for human; each rid of
           its bias against the wave. Truth is no surer than the two agree, and where they do not, either may be the
           worse: a listener well above this row learnt one aligner's habits.

Prompts where the two aligners' borders differ by more than 40 ms in the median are left out, and counted.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from lip_disturbances import CHANGES, rests, robustness
from lip_listening import Heard, listened, listened_by
from lip_measures import (
    KEYS,
    Figures,
    Shown,
    Spoken,
    confusion,
    energy_mouth,
    f1_of,
    figures,
    first_vowel_share,
    shown_of,
    target_of,
)
from numpy.typing import NDArray
from record import RESULTS, machine

from visavis_models.chunk import CHUNK_SAMPLES, PLAYBACK_SAMPLES, Chunk
from visavis_models.voice.features import features_of
from visavis_models.voice.listener import MouthListener
from visavis_models.voice.phones import VISEMES
from visavis_training.speech.cross_check import paired, retimed
from visavis_training.speech.phones import SILENCE, Phone
from visavis_training.speech.prompts import Prompt, decoded, phones_of_word, prompts, sharpened
from visavis_training.speech.sphinx import forced, words_of

SETS = ("synthetic_en", "synthetic_zh", "human")
ROOT = Path(__file__).resolve().parents[1]
_APART_MS = 40.0
_FIRST_PHONE_SILENCE_S = 2.0


def sample_sentences(language: str) -> list[Spoken]:
    """The sentence of the tests."""
    folder = ROOT / "tests" / "data"
    entry = tomllib.loads((folder / "speech.toml").read_text("utf-8"))[f"speech_{language}"]
    return [Spoken(decoded(folder / entry["file"]), [Phone(*p) for p in entry["phones"]], entry["voice"])]


def _sphinx_times(work: tuple[str, NDArray[np.int16], list[Phone]]) -> list[Phone] | None:
    text, samples, phones = work
    words = words_of(text)
    heard = forced(samples, words) if words else None
    if heard is None:
        return None
    theirs = [phone for word in heard for phone in phones_of_word(word)]
    return retimed(phones, theirs, len(samples) / 16_000)


def held_out(corpus: Path, listing: Path | None, language: str, limit: int, pool: ProcessPoolExecutor) -> list[Spoken]:
    """Utterances of voices and sentences never trained on, the same number of each voice."""
    from visavis_training.speech.labels import aligned

    rows = [row for row in aligned(corpus, "test", listing) if row[0]["language"] == language]
    voices: dict[str, list[Any]] = {}
    for row in rows:
        voices.setdefault(row[0]["voice"], []).append(row)
    rows = [row for of_voice in voices.values() for row in of_voice[: max(1, limit // max(1, len(voices)))]]
    if language == "en" and find_spec("pocketsphinx"):
        others = list(pool.map(_sphinx_times, [(r["text"], s, p) for r, s, p in rows], chunksize=4))
    else:
        others = [retimed(p, [Phone(*x) for x in r["phones"]], len(s) / 16_000) for r, s, p in rows]
    known = [Prompt(str(row["id"]), s, times) for (row, s, _), times in zip(rows, others, strict=True) if times]
    others_by_id = {prompt.name: prompt.phones for prompt in sharpened(known, onto_landmarks=False)}
    return [
        Spoken(samples.astype(np.float32) / np.float32(32768), phones, row["voice"], others_by_id.get(str(row["id"])))
        for row, samples, phones in rows
    ]


def _aligner_times(heard: Sequence[Prompt], aligner: Path) -> list[list[Phone]]:
    """Times of the same sounds by the corpus' aligner, which has never heard of pocketsphinx."""
    import torch

    from visavis_training.speech.aligner import load, mean_scores
    from visavis_training.speech.border_fitting import fit, silenced

    torch.set_num_threads(os.cpu_count() or 1)
    inputs = [features_of(p.samples.astype(np.float32) / np.float32(32768)).astype(np.float16) for p in heard]
    scores = mean_scores(load(aligner), inputs)
    fitted = [silenced(fit(s, p.phones, np.inf)[0], p.samples) for s, p in zip(scores, heard, strict=True)]
    theirs = [Prompt(p.name, p.samples, phones) for p, phones in zip(heard, fitted, strict=True)]
    return [prompt.phones for prompt in sharpened(theirs, onto_landmarks=False)]


def human(
    sounds: Path, texts: Path, limit: int, aligner: Path | None, pool: ProcessPoolExecutor
) -> tuple[list[Spoken], dict[str, Any]]:
    """The prompts on whose times two aligners agree, and how far they do."""
    heard = sharpened(prompts(sounds, texts, limit, pool))
    usable = aligner is not None and aligner.is_file() and find_spec("torch") is not None
    others: Sequence[list[Phone] | None] = [None] * len(heard)
    if usable and aligner is not None:
        others = _aligner_times(heard, aligner)
    kept, moved, dropped = [], [], []
    for prompt, other in zip(heard, others, strict=True):
        apart: list[float] = []
        if other is not None:
            ours, theirs = _spoken(prompt.phones), _spoken(other)
            apart = [1000 * (theirs[j].start_s - ours[i].start_s) for i, j in paired(ours, theirs)]
            other = retimed(prompt.phones, other, len(prompt.samples) / 16_000)
            if np.median(np.abs(apart)) > _APART_MS:
                dropped.append(prompt.name)
                continue
        moved += apart
        kept.append(Spoken(prompt.samples.astype(np.float32) / np.float32(32768), prompt.phones, "prompts", other))
    told: dict[str, Any] = {"prompts": len(heard), "left_out": dropped, "second_aligner": usable}
    if moved:
        told |= {
            "border_difference_median_ms": round(float(np.median(moved)), 1),
            "border_distance_median_ms": round(float(np.median(np.abs(moved))), 1),
            "borders_within_20_ms": round(float(np.mean(np.abs(moved) <= 20)), 3),
        }
    return kept, told


def _spoken(phones: Sequence[Phone]) -> list[Phone]:
    return [phone for phone in phones if phone.symbol != SILENCE]


def realtime_factor() -> float:
    """Seconds of one core for a second of voice, one session: the median of twenty seconds after the first."""
    listener = MouthListener()
    silent = np.zeros(PLAYBACK_SAMPLES, np.int16)
    voice = (0.1 * np.random.default_rng(0).standard_normal((21, 25, CHUNK_SAMPLES))).astype(np.float32)
    taken = []
    for second, chunks in enumerate(voice):
        began = time.process_time()
        for i, samples in enumerate(chunks):
            listener.push(Chunk(25 * second + i, samples, silent))
        taken.append(time.process_time() - began)
    return float(np.median(taken[1:]))


def first_phones(spoken: Sequence[Spoken]) -> dict[str, float]:
    """The first vowel after 2 s of silence: how far the lips part, of how far they should; median and worst tenth."""
    lead = int(_FIRST_PHONE_SILENCE_S * 16_000)
    later = []
    for item in spoken[:40]:
        start_s = next((p.start_s for p in item.phones if p.symbol != SILENCE), 0.0)
        cut = max(0, int(start_s * 16_000) - 1600)
        shift = (lead - cut) / 16_000
        phones = [Phone(p.symbol, p.start_s + shift, p.end_s + shift) for p in item.phones if p.end_s * 16_000 > cut]
        phones[0] = Phone(phones[0].symbol, 0.0 if phones[0].symbol == SILENCE else phones[0].start_s, phones[0].end_s)
        if phones[0].start_s > 0:
            phones.insert(0, Phone(SILENCE, 0.0, phones[0].start_s))
        wave = np.concatenate([np.zeros(lead, np.float32), item.samples[cut:]])
        later.append(Spoken(wave, phones, item.speaker))
    shares = first_vowel_share(later, _mouths(listened([item.samples for item in later])))
    return {"median": float(np.median(shares)), "p10": float(np.percentile(shares, 10)), "count": float(len(shares))}


def _mouths(heard: Sequence[Heard]) -> list[Shown]:
    return [shown_of(each.face, each.visemes) for each in heard]


def _line(label: str, row: Figures) -> None:
    cells = ["-" if row[key] is None else f"{row[key]:.3f}" for key in KEYS]
    print(f"{label:28}" + "".join(f"{cell:>19}" for cell in cells), flush=True)


def _verbose(spoken: Sequence[Spoken], shown: Sequence[Shown]) -> None:
    table = confusion(spoken, shown)
    f1 = f1_of(table)
    print(f"  {'true':5}{'frames':>8}{'F1':>7}  shown as, in % of frames")
    for i, viseme in enumerate(VISEMES):
        if table[i].sum():
            share = 100 * table[i] / table[i].sum()
            top = [f"{VISEMES[j]} {share[j]:.0f}" for j in np.argsort(-share)[:5] if share[j] >= 1]
            known = f"{f1[viseme]:7.3f}" if viseme in f1 else f"{'-':>7}"
            print(f"  {viseme:5}{table[i].sum():8d}{known}  {'  '.join(top)}")


def measured(name: str, spoken: list[Spoken], before: Path | None, verbose: bool) -> dict[str, Any]:
    """All rows of one set, printed as they come."""
    heard = listened([item.samples for item in spoken])
    shown = _mouths(heard)
    seed = SETS.index(name)
    rest = rests(spoken, seed)
    rows: dict[str, Any] = {"now": figures(spoken, shown) | {"moving_in_silence": rest["after_speech"]}}
    _line(f"{name} ({len(spoken)})", rows["now"])
    if before is not None:
        their = partial(listened_by, before)
        rows["before"] = figures(spoken, _mouths(their([item.samples for item in spoken])))
        rows["before"]["moving_in_silence"] = rests(spoken, seed, their)["after_speech"]
        _line("  before", rows["before"])
    if name == "human":
        narrow = [CHANGES["telephone_8_khz"](item.samples) for item in spoken]
        rows["telephone"] = figures(spoken, _mouths(listened(narrow)))
        _line("  telephone", rows["telephone"])
    rows["energy"] = figures(spoken, [energy_mouth(item) for item in spoken])
    rows["target"] = figures(spoken, [target_of(item) for item in spoken])
    both = [item for item in spoken if item.other is not None]
    rows["ceiling"] = figures(both, [target_of(item, item.other) for item in both]) if both else None
    for row in ("energy", "target", "ceiling"):
        if rows[row] is not None:
            _line(f"  {row}" + (f" ({len(both)})" if row == "ceiling" else ""), rows[row])
    voices = sorted({item.speaker for item in spoken})
    if len(voices) > 1:
        rows["voices"] = {}
        for voice in voices:
            own = [i for i, item in enumerate(spoken) if item.speaker == voice]
            rows["voices"][voice] = figures([spoken[i] for i in own], [shown[i] for i in own])
            _line(f"  {voice} ({len(own)})", rows["voices"][voice])
    rows["rest"] = rest
    print("  moving at rest:       " + "  ".join(f"{kind} {share:.4f}" for kind, share in rest.items()))
    rows["first_phone"] = first_phones(spoken)
    first = rows["first_phone"]
    print(f"  first vowel reached:  median {first['median']:.2f}, worst tenth {first['p10']:.2f}")
    if verbose:
        _verbose(spoken, shown)
    return rows


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--aligned", type=Path, help="instead of CORPUS/aligned.jsonl; its aligner lies beside it")
    parser.add_argument("--sounds", type=Path, default=Path("/usr/share/asterisk/sounds/en_US_f_Allison"))
    texts = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
    parser.add_argument("--texts", type=Path, default=texts)
    parser.add_argument("--limit", type=int, default=120, help="utterances of each set")
    parser.add_argument("--before", type=Path, help="a checkout whose listener is measured too")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--verbose", action="store_true", help="F1 and confusion of every viseme")
    parser.add_argument("--keep", action="store_true", help="write a dated record under benchmarks/results")
    args = parser.parse_args()
    began = time.monotonic()
    sets: dict[str, list[Spoken]] = {}
    told: dict[str, Any] = {}
    listing = args.aligned or (args.corpus / "aligned.jsonl" if args.corpus else None)
    with ProcessPoolExecutor(args.processes) as pool:
        for language in ("en", "zh"):
            sets[f"synthetic_{language}"] = (
                held_out(args.corpus, listing, language, args.limit, pool)
                if args.corpus
                else sample_sentences(language)
            )
        try:
            aligner = listing.with_name("aligner.safetensors") if listing else None
            sets["human"], told = human(args.sounds, args.texts, args.limit, aligner, pool)
        except (ImportError, OSError) as error:
            print(f"no human set: {error}")
    print(f"{'set':28}" + "".join(f"{key:>19}" for key in KEYS))
    result: dict[str, Any] = {}
    beside: dict[str, dict[str, Any]] = {}
    for name in SETS:
        rows = measured(name, sets[name], args.before, args.verbose) if sets.get(name) else {"now": None}
        result[name] = rows.pop("now")
        for row, value in rows.items():
            beside.setdefault(row, {})[name] = value
    result["lookahead_ms"] = MouthListener.lookahead_ms
    result["realtime_factor"] = round(realtime_factor(), 4)
    everything = [item for name in ("synthetic_en", "synthetic_zh") for item in sets[name][:6]]
    beside["robustness"] = robustness(everything)
    print(f"\n{'change of lip gap (open vowel: about 0.5)':44}{'p95':>8}{'max':>8}")
    for name, values in beside["robustness"].items():
        print(f"  {name:42}{values['p95']:8.3f}{values['max']:8.3f}")
    print(f"human set: {json.dumps(told)}")
    record = _rounded({**result, **beside, "human_alignment": told, "seconds": time.monotonic() - began})
    record = {"benchmark": "lips", **record, "machine": machine()}
    if args.keep:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-lips.json"
        path.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    print(json.dumps(record), flush=True)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
