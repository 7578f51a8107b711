"""Answers that are about all workers together: health, settings, sessions, figures. Knows what these look like."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, Response

from visavis_server.workers.crew import Crew, Worker
from visavis_server.workers.local_http import Headers, WorkerGone, ask
from visavis_server.workers.worker import asked_again


async def merged_answer(path: str, crew: Crew, target: bytes, headers: Headers) -> Response:
    """What all workers together say.

    Whatever one of them refuses is refused: they all judge alike.

    Args:
        path: `/healthz`, `/readyz`, `/metrics`, `/v1/config` or `/v1/sessions`.
        crew: the workers.
        target: path and query.
        headers: of the request.
    """
    workers = crew.roomiest()
    again = asked_again(headers)
    asked = (_asked(worker, target, again if k else headers) for k, worker in enumerate(workers))
    answers = await asyncio.gather(*asked)
    given = [(worker, *answer) for worker, answer in zip(workers, answers, strict=True) if answer is not None]
    refused = next(((status, said, kind) for _, status, said, kind in given if status != 200), None)
    if not given:
        body = {"status": "starting", "workers": 0}
        return JSONResponse(body, 503, headers={"Retry-After": "1"})
    if path == "/readyz":
        _, status, said, _ = min(given, key=lambda one: one[1])  # 200 if anybody takes new sessions
        sessions = sum(json.loads(text)["sessions"] for _, _, text, _ in given)
        return JSONResponse({**json.loads(said), "sessions": sessions}, status)
    if refused is not None:
        return Response(refused[1], refused[0], media_type=refused[2])
    if path == "/metrics":
        texts = {worker.number: said.decode() for worker, _, said, _ in given}
        return Response(joined_figures(texts, crew), media_type=CONTENT_TYPE_LATEST)
    bodies = [json.loads(said) for _, _, said, _ in given]
    no_store = {"Cache-Control": "no-store"}
    return JSONResponse(joined_bodies(path, bodies, len(crew.workers)), headers=no_store)


def joined_bodies(path: str, bodies: Sequence[dict[str, Any]], workers: int) -> dict[str, Any]:
    """One body of several; `workers` is how many there should be."""
    first = dict(bodies[0])
    if path == "/v1/sessions":
        return {**first, "sessions": [session for body in bodies for session in body["sessions"]]}
    capacity = sum(int(body["capacity"]) for body in bodies)
    if path == "/v1/config":
        return {**first, "capacity": capacity}
    sessions = sum(int(body["sessions"]) for body in bodies)
    return {**first, "sessions": sessions, "capacity": capacity, "workers": len(bodies), "workers_wanted": workers}


def joined_figures(texts: dict[int, str], crew: Crew) -> str:
    """Figures of all workers, each with the label `worker`; every name is described once."""
    families: dict[str, list[str]] = {}
    name = ""
    for number, text in sorted(texts.items()):
        for line in text.splitlines():
            if line.startswith("# "):
                name = line.split(" ")[2]
                told = families.setdefault(name, [])
                if line not in told:
                    told.append(line)
            elif line:
                families.setdefault(name, []).append(_labelled(line, number))
    own = [
        "# HELP visavis_workers Worker processes that answer.",
        "# TYPE visavis_workers gauge",
        f"visavis_workers {len(crew.roomiest())}",
        "# HELP visavis_worker_restarts_total How often a worker was started again.",
        "# TYPE visavis_worker_restarts_total counter",
        *(f'visavis_worker_restarts_total{{worker="{w.number}"}} {w.starts - 1}' for w in crew.workers),
    ]
    return "\n".join([*(line for lines in families.values() for line in _described_first(lines)), *own]) + "\n"


def _described_first(lines: list[str]) -> list[str]:
    return [line for line in lines if line[0] == "#"] + [line for line in lines if line[0] != "#"]


def _labelled(line: str, worker: int) -> str:
    name, brace, rest = line.partition("{")
    if brace and " " not in name:
        return f'{name}{{worker="{worker}",{rest}'
    name, _, value = line.partition(" ")
    return f'{name}{{worker="{worker}"}} {value}'


async def _asked(worker: Worker, target: bytes, headers: Headers) -> tuple[int, bytes, str] | None:
    try:
        async with asyncio.timeout(5.0):
            answer = await ask(worker.plan.address, "GET", target, headers)
            try:
                kind = dict(answer.headers).get(b"content-type", b"application/json").decode("latin-1")
                return answer.status, await answer.whole(), kind
            finally:
                await answer.close()
    except (TimeoutError, WorkerGone):
        return None
