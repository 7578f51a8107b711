"""What README and docs/ tell people to type: commands, options, files, settings and links must be there today."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from visavis_server.cli import app
from visavis_server.settings_sources import load_settings

pytestmark = pytest.mark.unit
ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "training" / "README.md", *(ROOT / "docs").glob("*.md")])
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
GENERATED = {"http_api_reference.html", "openapi.json"}
_PLACEHOLDERS = re.compile(r"^(…|\.\.\.|[A-Z_]{2,}|\$.*|<.*>)$")


def told_commands(text: str) -> Iterator[list[str]]:
    """Words of every command in an indented or fenced block, or between backticks."""
    blocks = re.findall(r"^(?: {4}|\t)(?!\s)(.*)$", text, re.MULTILINE)
    blocks += [
        line for block in re.findall(r"```(?:bash|sh)?\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
    ]
    for line in [*blocks, *re.findall(r"`([^`\n]+)`", text)]:
        line = re.sub(r"\s#.*$", "", line).strip()
        for part in re.split(r"&&|\||;", line):
            words = [word.strip("'\"") for word in part.split()]
            while words and (re.fullmatch(r"[A-Z_]+=\S*", words[0]) or words[0] in ("nice", "sudo", "ip", "exec")):
                words.pop(0)
            if words:
                yield words


def visavis_command(words: list[str]) -> Any:
    """The subcommand that `visavis …` means.

    Raises:
        AssertionError: there is none.
    """
    command: Any = typer.main.get_command(app)
    for word in words:
        if not hasattr(command, "commands") or word.startswith("-"):
            break
        names: list[str] = [name for name in word.split("|") if not _PLACEHOLDERS.match(name)]
        for name in names:
            assert name in command.commands, f"visavis has no {name}"
        if len(names) != 1:
            return command
        command = command.commands[names[0]]
    return command


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_of_visavis_have_these_options(page: Path) -> None:
    for words in told_commands(page.read_text("utf-8")):
        if words[0].rsplit("/", 1)[-1] != "visavis":
            continue
        command = visavis_command(words[1:])
        if hasattr(command, "commands") and not any(word.startswith("--") for word in words):
            continue
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        for word in words[1:]:
            name = word.split("=")[0]
            if name.startswith("--") and not _PLACEHOLDERS.match(name):
                assert name in known | {"--help"}, " ".join(words)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_programs_are_there_and_take_these_options(page: Path) -> None:
    for words in told_commands(page.read_text("utf-8")):
        if not re.fullmatch(r"(\S*/)?(python3?|\$PY)", words[0]) or len(words) < 2:
            continue
        if words[1] == "-m" and len(words) > 2 and words[2].startswith("visavis_"):
            folder = {"visavis_training": "training", "visavis_server": "server", "visavis_models": "models"}
            program = ROOT / folder[words[2].split(".")[0]] / (words[2].replace(".", "/") + ".py")
            program = program if program.is_file() else program.with_suffix("") / "__main__.py"
        elif words[1].endswith(".py"):
            program = next(
                (at / words[1] for at in (ROOT, ROOT / "docs") if (at / words[1]).is_file()), ROOT / words[1]
            )
        else:
            continue
        assert program.is_file(), " ".join(words)
        source = program.read_text("utf-8")
        for sibling in re.findall(r"^(?:from|import) (\w+)", source, re.MULTILINE):
            near = program.with_name(f"{sibling}.py")
            source += near.read_text("utf-8") if near.is_file() else ""
        if re.search(r"from visavis_training\.\S+ import .*(arguments|options|parser)", source) is None:
            for name in (word.split("=")[0] for word in words if re.fullmatch(r"--[a-z][a-z-]*(=.*)?", word)):
                said = f'"{name}"' in source or name.removeprefix("--").replace("-", "_") in source
                assert said, f"{program.name} takes no {name}: {' '.join(words)}"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_make_has_these_targets(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for words in told_commands(page.read_text("utf-8")):
        if words[0] == "make":
            for word in words[1:]:
                assert word.startswith("-") or "=" in word or word in targets, " ".join(words)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        if file in GENERATED:
            continue
        there = page.parent / file if file else page
        assert there.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", there.read_text("utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}
            assert anchor in anchors, target


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_settings_in_the_environment_are_settings(page: Path) -> None:
    known = set(re.findall(r"VISAVIS_[A-Z_]+", _refusal()))
    for name in re.findall(r"VISAVIS_[A-Z_]*[A-Z]\b(?!_)", page.read_text("utf-8")):
        assert name in known | {"VISAVIS_CONFIG"}, name


def _refusal() -> str:
    try:
        load_settings(environ={"VISAVIS_NO_SUCH_SETTING": "1"})
    except Exception as error:
        return f"{error} {getattr(error, 'remedy', '')}"
    raise AssertionError("a setting that is none was taken")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_python_blocks_are_python_that_imports(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        wrapped = f"async def _():\n{re.sub(r'^', '    ', block, flags=re.MULTILINE)}"
        tree = ast.parse(wrapped)
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        for node in imports:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                ("visavis_server", "visavis_models")
            ):
                exec(compile(ast.Module([node], []), str(page), "exec"), {})
