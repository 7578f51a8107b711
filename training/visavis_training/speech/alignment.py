"""Sharpens the phone times of a corpus: a network learns the rough times, then every utterance is fitted anew.

The predicted durations of a voice say what it meant to do, some 25 ms off what it did. A recogniser of 10 ms frames
trained on them (on the training part only) averages that error out; the best path through its answers puts each border
where the sound changes. Several of different seeds are heard together, for what one of them errs another does not. What
bias is left, engine by engine, is read off the wave itself (`landmarks`) and taken away, and borders that can be seen
there go halfway to where they are seen; pocketsphinx, where it is installed, gives a second opinion on some English
utterances (`cross_check`).

    python -m visavis_training.speech.alignment --corpus FOLDER [--device cuda] [--processes 16]

writes FOLDER/aligned.jsonl, the figures (alignment.json) and the networks (aligner.safetensors). With
`--aligner FILE [FILE ...]` those learnt before are used again and nothing is learnt, for any corpus. Where numpy's
matrix library has threads of its own, set OPENBLAS_NUM_THREADS=1: the processes would fight over the cores.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from visavis_models.voice.features import features_of
from visavis_training.speech.agreement import agreement
from visavis_training.speech.aligner import Aligner, Crops, load, mean_scores, save, scores_of, train
from visavis_training.speech.border_fitting import FRAME_S, fit, frame_labels, silenced
from visavis_training.speech.cross_check import Difference, differences, summary
from visavis_training.speech.landmarks import deviations, unbiased
from visavis_training.speech.phones import PHONES, SILENCE, Phone
from visavis_training.speech.shards import read

Row = dict[str, Any]
Member = tuple[Aligner, NDArray[np.float64]]
"""An aligner and how often each phone was among its labels."""
_ENOUGH_LANDMARKS = 40
_POOR_MADS = 5.0
"""An utterance whose path fits this much worse than its group's median, in median absolute deviations, is dropped."""
_FARTHEST_APART_MS = 40.0
_COMPARED = 1000
"""Utterances, at most, on which aligners are compared with one another."""

_corpus: list[tuple[Row, NDArray[np.int16]]] = []
"""Shared with the worker processes, which are forked."""


@dataclass(slots=True)
class Fitted:
    """What is known of one utterance's borders."""

    phones: list[Phone]
    score: float
    """Mean log-probability of its spoken frames."""
    kept: bool = True
    difference_ms: float | None = None
    """Median distance of its borders from pocketsphinx's, where that was asked."""


def _group(row: Row) -> tuple[str, str]:
    return str(row.get("engine", "kokoro")), str(row["language"])


def _features(numbers: range) -> list[NDArray[np.float16]]:
    return [features_of(_corpus[i][1].astype(np.float32) / np.float32(32768)).astype(np.float16) for i in numbers]


def _fit(work: list[tuple[NDArray[np.float16], list[Phone]]]) -> list[tuple[list[Phone], float]]:
    return [fit(scores, phones) for scores, phones in work]


def _finish(work: list[tuple[int, list[Phone]]]) -> list[tuple[list[Phone], list[tuple[str, int, float]]]]:
    done = []
    for i, phones in work:
        cut = silenced(phones, _corpus[i][1])
        done.append((cut, deviations(cut, _corpus[i][1])))
    return done


def _ranges(count: int, size: int) -> list[range]:
    return [range(i, min(i + size, count)) for i in range(0, count, size)]


def _checked(row: Row) -> list[Phone]:
    phones = [Phone(str(symbol), float(start), float(end)) for symbol, start, end in row["phones"]]
    unknown = {phone.symbol for phone in phones} - set(PHONES)
    if unknown:
        raise ValueError(f"utterance {row['id']}: {sorted(unknown)} are not phones; see visavis_models.voice.phones")
    return phones


def learnt(
    pool: ProcessPoolExecutor,
    device: torch.device,
    inputs: list[NDArray[np.float16]],
    count: int,
    rounds: int,
    steps: int,
    batch: int,
    limit_s: float,
    seed: int,
) -> tuple[list[Member], list[list[float]]]:
    """`count` aligners that learn from the training part only, each from its own fits; the loss of each round.

    Raises:
        ValueError: there is nothing to learn from.
    """
    began = time.monotonic()
    phones = [_checked(row) for row, _ in _corpus]
    learning = [i for i, (row, _) in enumerate(_corpus) if row["part"] == "train" and len(inputs[i]) > 20]
    if not learning:
        raise ValueError("the corpus has no training part; give --aligner")
    crops = Crops([inputs[i] for i in learning], [_group(_corpus[i][0]) for i in learning], device, seed)
    members: list[Member] = []
    losses: list[list[float]] = []
    for which in range(count):
        torch.manual_seed(seed + 1000 * which)
        model = Aligner().to(device)
        fits = [phones[i] for i in learning]
        losses.append([])
        for number in range(rounds):
            prior = crops.label([frame_labels(fits[k], len(inputs[i])) for k, i in enumerate(learning)])
            part = 1 / (2 if number == 0 else 2 * (rounds - 1)) if rounds > 1 else 1.0
            rate = 2e-3 if number == 0 else 1e-3
            losses[-1].append(round(train(model, crops, int(steps * part), batch, rate, limit_s * part / count), 4))
            print(
                f"{time.monotonic() - began:.0f} s: aligner {which + 1}, round {number + 1}: {losses[-1]}", flush=True
            )
            if number + 1 < rounds:
                scores = scores_of(model, [inputs[i] for i in learning], prior)
                fits = [each for each, _ in _fitted(pool, list(zip(scores, fits, strict=True)))]
        members.append((model, prior))
    return members, losses


def _fitted(
    pool: ProcessPoolExecutor, work: list[tuple[NDArray[np.float16], list[Phone]]]
) -> list[tuple[list[Phone], float]]:
    parts = pool.map(_fit, [[work[i] for i in numbers] for numbers in _ranges(len(work), 64)])
    return [each for part in parts for each in part]


def align(
    pool: ProcessPoolExecutor, members: list[Member], inputs: list[NDArray[np.float16]], seed: int
) -> tuple[list[Fitted], dict[str, Any]]:
    """Every utterance of `_corpus` fitted by the mean of the aligners; and how far any two of them are apart."""
    phones = [_checked(row) for row, _ in _corpus]
    scores = mean_scores(members, inputs)
    fits = _fitted(pool, list(zip(scores, phones, strict=True)))
    moved = [
        abs(a.start_s - b.start_s)
        for old, (new, _) in zip(phones, fits, strict=True)
        for a, b in zip(_spoken(old), _spoken(new), strict=True)
    ]
    figures: dict[str, Any] = {"moved_from_engine_ms": round(1e3 * float(np.median(moved)), 1)}
    if len(members) > 1:
        some = random.Random(seed).sample(range(len(inputs)), min(_COMPARED, len(inputs)))
        own = []
        for model, prior in members:
            alone = scores_of(model, [inputs[i] for i in some], prior)
            own.append([p for p, _ in _fitted(pool, [(s, phones[i]) for s, i in zip(alone, some, strict=True)])])
        figures["agreement"] = agreement(pair for a, b in combinations(own, 2) for pair in zip(a, b, strict=True))
    return [Fitted(p, s) for p, s in fits], figures


def _spoken(phones: Sequence[Phone]) -> list[Phone]:
    return [phone for phone in phones if phone.symbol != SILENCE]


def straighten(pool: ProcessPoolExecutor, fitted: list[Fitted]) -> dict[str, Any]:
    """Silence what is silent, then take each group's bias against its landmarks away, in place; returns the biases."""
    ranges = _ranges(len(_corpus), 64)
    work = [[(i, fitted[i].phones) for i in numbers] for numbers in ranges]
    done = [each for part in pool.map(_finish, work) for each in part]
    by_group: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (row, _), (_, found) in zip(_corpus, done, strict=True):
        for kind, _, late_s in found:
            by_group[_group(row)][kind].append(late_s)
    report: dict[str, Any] = {}
    late: dict[tuple[str, str], dict[str, float]] = {}
    for group, kinds in sorted(by_group.items()):
        late[group] = {k: float(np.median(v)) for k, v in kinds.items() if len(v) >= _ENOUGH_LANDMARKS}
        report["/".join(group)] = {
            kind: {
                "count": len(values),
                "late_ms": round(1e3 * float(np.median(values)), 1),
                "spread_ms": round(1e3 * float(np.median(np.abs(np.array(values) - np.median(values)))), 1),
            }
            for kind, values in sorted(kinds.items())
        }
    for each, (row, samples), (phones, found) in zip(fitted, _corpus, done, strict=True):
        each.phones = unbiased(phones, found, late.get(_group(row), {}), len(samples) / 16_000)
    return report


def drop_poor(fitted: list[Fitted]) -> dict[str, Any]:
    """Mark utterances that fit far worse than others of their engine, language and part; returns how many, and where.

    Parts are apart because the aligners learnt one of them: measured by it, a third of the other would be dropped, and
    the easier utterances left.
    """
    groups: dict[tuple[str, ...], list[Fitted]] = defaultdict(list)
    for each, (row, _) in zip(fitted, _corpus, strict=True):
        groups[*_group(row), str(row["part"])].append(each)
    report = {}
    for group, members in sorted(groups.items()):
        scores = np.array([member.score for member in members])
        middle = float(np.median(scores))
        limit = middle - _POOR_MADS * max(float(np.median(np.abs(scores - middle))), 0.02)
        for member in members:
            member.kept = member.kept and member.score >= limit
        dropped = sum(not member.kept for member in members)
        report["/".join(group)] = {"count": len(members), "dropped": dropped, "score": round(middle, 3)}
    return report


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="instead of CORPUS/aligned.jsonl; the figures lie beside it")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 2)))
    parser.add_argument("--aligner", type=Path, nargs="+", help="files of aligners learnt before: learn none, only fit")
    parser.add_argument("--aligners", type=int, default=3, help="how many learn, one after another")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=1500, help="of all rounds of one aligner, 128 crops of 2 s each")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--minutes", type=float, default=2.0, help="learning of all never takes longer than this")
    parser.add_argument("--cross-check", type=int, default=300, help="English utterances shown to pocketsphinx")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    out = args.out or args.corpus / "aligned.jsonl"
    out.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    _corpus[:] = read(args.corpus)
    print(f"{time.monotonic() - began:.0f} s: {len(_corpus)} utterances read", flush=True)
    fit(np.zeros((4, len(PHONES)), np.float32), [Phone("a", 0.0, 0.04)])  # compiled once, before the fork
    with ProcessPoolExecutor(args.processes, mp_context=get_context("fork")) as pool:
        list(pool.map(_ranges, [1] * args.processes, [1] * args.processes))
        inputs = [x for part in pool.map(_features, _ranges(len(_corpus), 64)) for x in part]
        hours = sum(map(len, inputs)) * FRAME_S / 3600
        print(f"{time.monotonic() - began:.0f} s: features of {hours:.2f} h", flush=True)
        device = torch.device(args.device)
        losses: list[list[float]] = []
        if args.aligner:
            members = [(model.to(device), prior) for path in args.aligner for model, prior in load(path)]
        else:
            limit_s = 60 * args.minutes
            members, losses = learnt(
                pool, device, inputs, args.aligners, args.rounds, args.steps, args.batch, limit_s, args.seed
            )
        fitted, figures = align(pool, members, inputs, args.seed)
        figures |= {"aligners": len(members), "loss": losses, "learnt_before": bool(args.aligner)}
        figures["landmarks"] = straighten(pool, fitted)
        print(f"{time.monotonic() - began:.0f} s: silences and biases", flush=True)
        phones_of = [each.phones for each in fitted]
        asked: list[Difference] = differences(pool, _corpus, phones_of, args.cross_check, args.seed)
    for difference in asked:
        fitted[difference.number].difference_ms = round(difference.median_ms, 1)
        fitted[difference.number].kept = difference.median_ms <= _FARTHEST_APART_MS
    figures["pocketsphinx"] = summary(asked)
    figures["fit"] = drop_poor(fitted)
    save(members, out.with_name("aligner.safetensors"))
    figures["seconds"] = round(time.monotonic() - began, 1)
    with out.open("w", encoding="utf-8") as file:
        for (row, _), each in zip(_corpus, fitted, strict=True):
            spans = [[p.symbol, round(p.start_s, 4), round(p.end_s, 4)] for p in each.phones]
            line = {"id": row["id"], "phones": spans, "kept": each.kept, "difference_ms": each.difference_ms}
            file.write(json.dumps(line | {"score": round(each.score, 3)}, ensure_ascii=False) + "\n")
    out.with_name("alignment.json").write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
