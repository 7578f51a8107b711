"""Coverage-guided fuzzing (atheris, libFuzzer) of everything that strangers can send.

    pip install 'visavis[fuzz]'
    python benchmarks/fuzz.py [TARGET ...] [--seconds 60] [--keep]

Each target of tests/fuzz_targets.py runs in a process of its own: it begins with what the parser is usually sent and
with the corpus in tests/data/fuzz; --keep makes the corpus anew, of the least that reaches as much. What broke a parser
is left there as find-… and named at the end; mended, it stays as mended-…. Coverage is that of Python's bytecode: what
libraries decode in C is run with all inputs, but does not guide. JSON keys: targets (for each: runs, per_s, edges,
corpus, finds), finds.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from record import report

TESTS = Path(__file__).parents[1] / "tests"
CORPORA = TESTS / "data" / "fuzz"
_INSTRUMENTED = ("visavis_models", "visavis_server", "aiortc", "jwt", "PIL", "fuzz_targets")
_MOST_INPUT_BYTES = {"picture": 20_000, "voice": 6000, "video": 6000, "inspection": 16_000, "motion": 18_000}
_MOST_CORPUS_BYTES = 24_000
"""Of one target, in the repository; files that reach the most for their size stay."""
_ONE_S = 25
_MEMORY_MB = 2048
_FIND_CODES = (70, 71, 77)


def fuzz(target: str, arguments: list[str]) -> None:
    """Run libFuzzer in this process until it ends it; the first argument is a program that does the same again."""
    import atheris

    sys.path.insert(0, str(TESTS))
    with atheris.instrument_imports(include=list(_INSTRUMENTED), exclude=_compiled()):
        targets = importlib.import_module("fuzz_targets").TARGETS
    if target == "inspection":
        _spare_detection()
    atheris.Setup(arguments, targets[target])
    atheris.Fuzz()


def _compiled() -> list[str]:
    """Modules with functions that numba compiles, which must stay as they are written."""
    found = []
    for name in ("visavis_models", "visavis_server"):
        root = Path(str(importlib.util.find_spec(name).origin)).parent  # type: ignore[union-attr]
        paths = (path for path in root.rglob("*.py") if "njit" in path.read_text("utf-8"))
        found += [".".join((name, *path.relative_to(root).with_suffix("").parts)) for path in paths]
    return found


def _spare_detection() -> None:
    """Looking for the watermark takes a fifth of a second and does not depend on how a file is written."""
    from visavis_server.provenance.watermark_detection import Evidence, Finding

    nothing = Finding(0.0, 1.0)
    Evidence.finding = lambda self: nothing  # type: ignore[method-assign]


def run(target: str, seconds: float, keep: bool) -> dict[str, Any]:
    """Fuzz one target in a process of its own."""
    sys.path.insert(0, str(TESTS))
    kept = CORPORA / target
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        seeds, found = Path(folder) / "seeds", Path(folder) / "found"
        seeds.mkdir()
        found.mkdir()
        for number, content in enumerate(importlib.import_module("fuzz_seeds").SEEDS[target]()):
            (seeds / str(number)).write_bytes(content)
        most = _MOST_INPUT_BYTES.get(target, 4096)
        limits = [f"-max_len={most}", f"-timeout={_ONE_S}", f"-rss_limit_mb={_MEMORY_MB}"]
        said = _child(target, [*limits, f"-max_total_time={seconds:.0f}", f"-artifact_prefix={kept}/find-",
                               "-print_final_stats=1", str(found), str(seeds), str(kept)])  # fmt: skip
        if keep:
            least = Path(folder) / "least"
            least.mkdir()
            _child(target, ["-merge=1", *limits, str(least), str(seeds), str(kept), str(found)])
            _keep(least, kept)
    finds = sorted(path.name for path in kept.glob("find-*"))
    runs = _last(r"stat::number_of_executed_units:\s+(\d+)", said)
    return {
        "runs": runs,
        "per_s": round(runs / max(1.0, seconds)),
        "edges": _last(r"cov: (\d+)", said),
        "corpus": len(list(kept.iterdir())) - len(finds),
        "finds": finds,
    }


def _child(target: str, arguments: list[str]) -> str:
    memory = Path("/dev/shm")  # where there is a disk in memory
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        again = Path(folder) / target  # merging, libFuzzer runs itself, by its name
        call = shlex.join([sys.executable, str(Path(__file__).resolve()), "--child", target])
        again.write_text(f'#!/bin/sh\nexec {call} "$0" "$@"\n')
        again.chmod(0o700)
        command = [str(again), *arguments]
        place = {**os.environ, "TMPDIR": folder}
        done = subprocess.run(
            command,
            cwd=folder,
            env=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    if done.returncode:
        print("\n".join(line for line in done.stdout.splitlines() if "Instrumenting" not in line)[-4000:])
        if done.returncode not in _FIND_CODES:
            print(f"{target}: ended with {done.returncode}")
    return done.stdout


def _keep(least: Path, kept: Path) -> None:
    """Replace the corpus by what reaches as much with less, smallest first, as far as there is room."""
    room = _MOST_CORPUS_BYTES
    for path in kept.iterdir():
        if not path.name.startswith(("find-", "mended-")):
            path.unlink()
    for path in sorted(least.iterdir(), key=lambda path: path.stat().st_size):
        room -= path.stat().st_size
        if room < 0:
            return
        shutil.copyfile(path, kept / path.name[:16])


def _last(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def main() -> None:
    """Run it."""
    if sys.argv[1:2] == ["--child"]:
        fuzz(sys.argv[2], sys.argv[3:])
        return
    sys.path.insert(0, str(TESTS))
    names = list(importlib.import_module("fuzz_seeds").SEEDS)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("targets", nargs="*", choices=[[], *names], default=[], metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--keep", action="store_true", help="make the corpora in the repository of what was found")
    parser.add_argument("--record", action="store_true", help="keep the figures under benchmarks/results")
    given = parser.parse_args()
    figures = {}
    for target in given.targets or names:
        figures[target] = found = run(target, given.seconds, given.keep)
        said = f"{target:15} {found['runs']:9} runs {found['per_s']:6}/s {found['edges']:6} edges"
        print(said, *found["finds"], flush=True)
    finds = sum(len(found["finds"]) for found in figures.values())
    report("fuzz", {"targets": figures, "finds": finds}, keep=given.record)


if __name__ == "__main__":
    main()
