"""Speaks a plan into the shards of a corpus, in many processes, from where a killed run stopped; and reads them back.

A corpus holds `plan.jsonl`, `shards/` and, once finished, `manifest.json` and `aligned.jsonl`. Which row
lies where follows from the plan alone, so that neither the number of processes nor their order changes a shard.

    python -m visavis_training.speech.corpus speak --plan plan.jsonl --tools TOOLS --out CORPUS --processes 16
    python -m visavis_training.speech.corpus pack --corpus CORPUS --out SMALL     (Ogg/Opus, to carry elsewhere)
    python -m visavis_training.speech.corpus unpack --corpus SMALL --out CORPUS
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visavis_models.errors import VisavisError
from visavis_training.speech import shards, transport
from visavis_training.speech.phones import Phone
from visavis_training.speech.shards import Row
from visavis_training.speech.shards import read as read
from visavis_training.speech.speakers import speak_many
from visavis_training.speech.spoken_text import SAMPLE_RATE_HZ, at_16_khz, fault_of
from visavis_training.speech.text_speakers import UNSPEAKABLE, TextSpeaker, open_text_speaker

_FEW = 8
"""Dropped rows of a shard that never stop a run."""
Report = Callable[[str], None]


@dataclass(slots=True)
class Speech:
    """What one call of `speak` did."""

    made: list[str] = field(default_factory=list)
    """Names of the shards spoken now."""
    present: list[str] = field(default_factory=list)
    """Names of those that were there already."""
    speech_s: float = 0.0
    """Seconds of speech made now."""
    wall_s: float = 0.0
    dropped: int = 0


class _Shard:
    """Gathers the utterances of one shard as they come, in any order."""

    def __init__(self, name: str, rows: Sequence[Row], device: str) -> None:
        self.name, self.rows, self.device = name, rows, device
        self._began = time.monotonic()
        self._kept: dict[int, tuple[Row, NDArray[np.int16]]] = {}
        self._dropped: dict[int, str] = {}

    def add(self, row: Row, samples: NDArray[np.int16], phones: Sequence[Phone]) -> None:
        """Take what was spoken of a row, unless it is broken."""
        fault = fault_of(samples, phones)
        if fault is not None:
            self.drop(row, fault)
            return
        spans = [[p.symbol, round(p.start_s, 4), round(p.end_s, 4)] for p in phones]
        spans[-1][2] = round(len(samples) / SAMPLE_RATE_HZ, 4)
        self._kept[row["id"]] = ({**row, "phones": spans}, samples)

    def drop(self, row: Row, reason: str) -> None:
        """Do without a row."""
        self._dropped[row["id"]] = reason

    @property
    def complete(self) -> bool:
        """Whether every row has been spoken or dropped."""
        return len(self._kept) + len(self._dropped) == len(self.rows)

    def write(self, corpus: Path) -> tuple[str, float, int]:
        """Write the shard; its name, the seconds of speech in it, and how many rows were dropped.

        Raises:
            VisavisError: so many were dropped that the fault is not theirs.
        """
        if len(self._dropped) > max(_FEW, len(self.rows) // 4):
            raise VisavisError(
                "speaking_fails",
                f"{len(self._dropped)} of the {len(self.rows)} utterances of shard {self.name} cannot be spoken: "
                f"{next(iter(self._dropped.values()))}.",
                "Look at the voices in the tools folder and at the plan's rows, then run it again.",
            )
        kept = [self._kept[row["id"]] for row in self.rows if row["id"] in self._kept]
        record = {
            "plan": shards.hash_of(self.rows),
            "rows": len(self.rows),
            "dropped": [{"id": number, "reason": reason} for number, reason in sorted(self._dropped.items())],
            "wall_s": round(time.monotonic() - self._began, 2),
            "device": self.device,
        }
        shards.write(corpus, self.name, kept, record)
        return self.name, sum(len(samples) for _, samples in kept) / SAMPLE_RATE_HZ, len(self._dropped)


_opened: dict[str, TextSpeaker] = {}


def _speak_text(corpus: Path, tools: Path, name: str, rows: Sequence[Row]) -> tuple[str, float, int]:
    """What a worker process does: a whole shard."""
    shard = _Shard(name, rows, "cpu")
    for row in rows:
        if row["engine"] not in _opened:
            _opened[row["engine"]] = open_text_speaker(row["engine"], tools)
        try:
            spoken = _opened[row["engine"]].speak(row)
            shard.add(row, at_16_khz(spoken), spoken.phones)
        except UNSPEAKABLE as error:
            shard.drop(row, str(error) if isinstance(error, ValueError) else "the program failed")
    return shard.write(corpus)


def _from_text(named: dict[str, list[Row]], tools: Path, out: Path, processes: int) -> Iterator[tuple[str, float, int]]:
    for engine in sorted({rows[0]["engine"] for rows in named.values()}):
        open_text_speaker(engine, tools)  # what is missing is said once, here, before any process starts
    if processes <= 1:
        for name, rows in named.items():
            yield _speak_text(out, tools, name, rows)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        futures = [pool.submit(_speak_text, out, tools, name, rows) for name, rows in named.items()]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _from_tokens(
    named: dict[str, list[Row]], tools: Path, out: Path, device: str, processes: int
) -> Iterator[tuple[str, float, int]]:
    """Kokoro: rows are handed out one by one, so that all processes end together; shards close as they fill."""
    shard_of = {row["id"]: name for name, rows in named.items() for row in rows}
    open_shards: dict[str, _Shard] = {}
    asked_of: dict[int, Row] = {}

    def in_order() -> Iterator[Row]:
        for name, rows in named.items():
            open_shards[name] = _Shard(name, rows, device)
            for row in rows:
                asked_of[row["id"]] = row
                yield row

    writing: set[Future[tuple[str, float, int]]] = set()
    with ThreadPoolExecutor(2) as pool:

        def close_full() -> None:
            for name in [name for name, shard in open_shards.items() if shard.complete]:
                writing.add(pool.submit(open_shards.pop(name).write, out))

        def drop(row: Row, reason: str) -> None:
            open_shards[shard_of[row["id"]]].drop(row, reason)

        for spoken in speak_many(in_order(), tools / "kokoro", device, processes, drop):
            planned = asked_of.pop(spoken.row["id"])
            open_shards[shard_of[planned["id"]]].add(planned, spoken.samples, spoken.phones)
            close_full()
            for future in [future for future in writing if future.done()]:
                writing.remove(future)
                yield future.result()
        close_full()
        for future in as_completed(writing):
            yield future.result()


def speak(
    rows: Sequence[Row],
    tools: Path,
    out: Path,
    device: str = "cpu",
    processes: int = 1,
    report: Report = print,
    engines: Collection[str] = ("kokoro", "piper", "flite"),
) -> Speech:
    """Speak a plan; shards that are there already stay.

    Args:
        rows: of the plan, all of them, in its order.
        tools: what `fetch` wrote.
        out: the corpus' folder.
        device: where Kokoro runs, "cpu" or a torch device; the other engines run on the CPU always.
        processes: how many work at a time.
        report: told of every shard in one line.
        engines: rows of other ones wait for a later call, maybe on another machine.

    Raises:
        StorageError: the folder holds shards of another plan.
        VisavisError: a program or an engine is missing, or most rows of a shard cannot be spoken.
        RuntimeError: every process that speaks with Kokoro has ended.
    """
    named = {name: share for name, share in shards.shards_of(rows).items() if share[0]["engine"] in engines}
    done = Speech(present=[name for name, share in named.items() if shards.is_made(out, name, share)])
    waiting = {name: share for name, share in named.items() if name not in set(done.present)}
    total = sum(map(len, waiting.values()))
    began, spoken_rows = time.monotonic(), 0
    report(f"{len(done.present)} of {len(named)} shards are there; {total} utterances to speak")
    tokens = {name: share for name, share in waiting.items() if share[0]["engine"] == "kokoro"}
    texts = {name: share for name, share in waiting.items() if name not in tokens}
    parts = [_from_text(texts, tools, out, processes)] if texts else []
    parts += [_from_tokens(tokens, tools, out, device, processes)] if tokens else []
    for name, speech_s, dropped in chain.from_iterable(parts):
        done.made.append(name)
        done.speech_s, done.dropped = done.speech_s + speech_s, done.dropped + dropped
        done.wall_s = time.monotonic() - began
        spoken_rows += len(waiting[name])
        left_s = done.wall_s * (total - spoken_rows) / spoken_rows
        report(
            f"shard {name}: {len(waiting[name]) - dropped} utterances, {dropped} dropped; "
            f"{done.speech_s / 3600:.2f} h of speech in {done.wall_s:.0f} s, about {left_s:.0f} s left"
        )
    return done


def read_rows(path: Path) -> list[Row]:
    """The rows of `plan.jsonl`, or of any file of one JSON object a line."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("speak", "pack", "unpack"))
    parser.add_argument("--plan", type=Path)
    parser.add_argument("--tools", type=Path)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--engines", default="kokoro,piper,flite", help="those to speak with now")
    args = parser.parse_args()
    if args.step == "speak":
        if args.plan is None or args.tools is None:
            parser.error("speak needs --plan and --tools")
        speak(read_rows(args.plan), args.tools, args.out, args.device, args.processes, engines=args.engines.split(","))
    elif args.corpus is None:
        parser.error(f"{args.step} needs --corpus")
    elif args.step == "pack":
        transport.pack(args.corpus, args.out)
    else:
        print(f"{len(transport.unpack(args.corpus, args.out))} shards unpacked")


if __name__ == "__main__":
    main()
