"""Writes down how a corpus came about, so that it can be made again, and checks a corpus against what was written.

python -m visavis_training.speech.manifest --check CORPUS
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from visavis_training.speech import fetch, shards
from visavis_training.speech.spoken_text import SAMPLE_RATE_HZ

NAME = "manifest.json"
_PACKAGES = (
    "numpy", "scipy", "onnx", "onnxruntime", "torch", "soundfile", "misaki", "jieba", "pypinyin", "cn2an",
    "pocketsphinx", "numba",
)  # fmt: skip
_PROGRAMS = ("espeak-ng", "flite", "npm")


def versions() -> dict[str, str | None]:
    """Versions of Python and of every package and program that the factory may use here; None for what is not here."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    for name in _PROGRAMS:
        found[name] = None
        if shutil.which(name):
            told = subprocess.run([name, "--version"], capture_output=True, text=True, check=False).stdout
            number = re.search(r"\d+\.\d+(\.\d+)*", told)
            found[name] = number and number[0]
    return found


def device_name(device: str) -> str:
    """The processor or the GPU behind a torch device, by its maker's name."""
    if device != "cpu":
        import torch

        return str(torch.cuda.get_device_name(device)) if device.startswith("cuda") else device
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()


def read(corpus: Path) -> dict[str, Any]:
    """What the manifest says; empty where there is none."""
    path = corpus / NAME
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found


def note(corpus: Path, step: str, told: dict[str, Any]) -> None:
    """Add what a step tells of itself to the manifest: `steps` holds each step's latest telling and versions."""
    manifest = read(corpus)
    steps = manifest.setdefault("steps", {})
    command = [Path(sys.argv[0]).stem, *sys.argv[1:]]
    steps[step] = {**told, "command": " ".join(command), "versions": versions()}
    _write(corpus, manifest)


def summarise(corpus: Path, plan: Sequence[shards.Row], tools: Path) -> dict[str, Any]:
    """Write into the manifest what the corpus holds: plan, models, shards, hours, drops. Returns the manifest."""
    manifest = read(corpus)
    samples: dict[str, Counter[str]] = defaultdict(Counter)
    counts: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    held: dict[str, Any] = {}
    for name in shards.names(corpus):
        record = shards.record_of(corpus, name)
        assert record is not None
        held[name] = {key: record[key] for key in ("plan", "rows", "kept", "samples", "sha256_of_samples", "wall_s")}
        held[name] |= {"device": record["device"], "carried_as": record.get("carried_as")}
        dropped.update(drop["reason"] for drop in record["dropped"])
        for row in shards.rows_of(corpus, name):
            counts[row["part"]] += 1
            for key in ("part", "language", "engine", "voice"):
                samples[key][row[key]] += row["samples"]
    manifest["plan"] = {"rows": len(plan), "sha256": shards.hash_of(plan)}
    record_of_tools = tools / fetch.RECORD
    manifest["tools"] = json.loads(record_of_tools.read_text("utf-8")) if record_of_tools.is_file() else None
    manifest["utterances"] = dict(sorted(counts.items()))
    manifest["hours"] = {
        key: {name: round(count / SAMPLE_RATE_HZ / 3600, 4) for name, count in sorted(found.items())}
        for key, found in samples.items()
    }
    manifest["dropped"] = dict(sorted(dropped.items()))
    manifest["shards"] = held
    _write(corpus, manifest)
    return manifest


def problems(corpus: Path, processes: int = 4) -> list[str]:
    """What is wrong with a corpus, one line each: its shards against its manifest, and its rows in themselves."""
    manifest = read(corpus)
    if not manifest.get("shards"):
        return [f"{corpus / NAME} does not list any shards"]
    names = shards.names(corpus)
    wrong = [f"shard {name} is not in the manifest" for name in names if name not in manifest["shards"]]
    wrong += [f"shard {name} is lost" for name in manifest["shards"] if name not in names]
    plan = corpus / "plan.jsonl"
    if plan.is_file():
        rows = [json.loads(line) for line in plan.read_text("utf-8").splitlines() if line]
        if shards.hash_of(rows) != manifest["plan"]["sha256"]:
            wrong.append("plan.jsonl is another plan")
    with ThreadPoolExecutor(processes) as pool:
        known = [name for name in names if name in manifest["shards"]]
        for found in pool.map(lambda name: _problems_of(corpus, name, manifest["shards"][name]), known):
            wrong += found
    return wrong


def _problems_of(corpus: Path, name: str, expected: dict[str, Any]) -> list[str]:
    try:
        rows, samples = shards.rows_of(corpus, name), shards.samples_of(corpus, name)
    except (OSError, ValueError, RuntimeError) as error:
        return [f"shard {name} cannot be read: {error}"]
    wrong = []
    if shards.hash_of_samples(samples) != expected["sha256_of_samples"]:
        wrong.append(f"shard {name} has other samples")
    if len(rows) != expected["kept"]:
        wrong.append(f"shard {name} has {len(rows)} rows instead of {expected['kept']}")
    at = 0
    for row in rows:
        clock = 0.0
        for _, start_s, end_s in row["phones"]:
            if abs(start_s - clock) > 2e-4 or end_s < start_s:
                wrong.append(f"utterance {row['id']} has a gap in its phones at {clock:.3f} s")
                break
            clock = end_s
        else:
            if abs(clock - row["samples"] / SAMPLE_RATE_HZ) > 2e-4:
                wrong.append(f"utterance {row['id']} has phones until {clock:.3f} s only")
        if row["offset"] != at:
            wrong.append(f"utterance {row['id']} does not follow the one before")
        at = row["offset"] + row["samples"]
    if at != len(samples):
        wrong.append(f"shard {name} has {len(samples)} samples instead of {at}")
    return wrong


def _write(corpus: Path, manifest: dict[str, Any]) -> None:
    shards.write_text(corpus / NAME, json.dumps(manifest, ensure_ascii=False, indent=1) + "\n")


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", type=Path, required=True, metavar="CORPUS")
    args = parser.parse_args()
    found = problems(args.check)
    for line in found:
        print(line)
    if not found:
        print(f"{len(read(args.check)['shards'])} shards are as the manifest says")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
