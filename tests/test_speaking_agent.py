"""The example of the documentation, run as a user would."""

from __future__ import annotations

import asyncio
import shutil
import sys
import wave
from pathlib import Path

import pytest

from agent_speech import pcm, place, speech

pytestmark = pytest.mark.e2e

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "speaking_agent.py"


async def run(*arguments: str) -> tuple[int, str]:
    """Exit status and all output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLE), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_a_file_is_spoken(tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22050)
        file.writeframes(pcm(speech(22050)[:22050]))
    async with place() as it:
        status, output = await run("--url", it.url, "--voice", str(path), "one", "two")
        assert status == 0 and "1.00 s one" in output and "1.00 s two" in output
        await it.empty()


@pytest.mark.skipif(not (shutil.which("espeak-ng") or shutil.which("flite")), reason="no synthesiser is installed")
async def test_a_text_is_spoken() -> None:
    async with place() as it:
        status, output = await run("--url", it.url, "Hello there.")
        assert status == 0
        seconds = float(output.splitlines()[-1].split()[0])
        assert 0.3 < seconds < 3.0
        await it.empty()


async def test_what_is_wrong_is_said_in_a_sentence() -> None:
    async with place() as it:
        status, output = await run("--url", it.url, "--avatar", "nobody", "Hello.")
        assert status == 1 and "no avatar" in output and "Traceback" not in output
    status, output = await run("--url", "ws://127.0.0.1:1", "Hello.")
    assert status == 1 and "cannot be reached" in output and "Traceback" not in output
