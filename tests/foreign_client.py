"""Runs a client program of somebody else's library, which tells what it met as one line of JSON at its end."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

_LONGEST_S = 60


async def told_by(program: str, *arguments: str) -> dict[str, Any]:
    """The last line that it prints; it is killed if the test ends before it does."""
    process = await asyncio.create_subprocess_exec(program, *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        out, _ = await asyncio.wait_for(process.communicate(), _LONGEST_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert out, f"{program} {arguments[0]} said nothing and left with {process.returncode}"
    told: dict[str, Any] = json.loads(out.splitlines()[-1])
    print(told, file=sys.stderr)
    return told
