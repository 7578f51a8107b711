"""Every route of a server that really runs, asked what its own OpenAPI description allows and what it does not.

schemathesis draws the requests, the same each time; each answer must be one that the description tells of, and none a
defect. Sessions, shows and avatars are there to be found, so that requests get further than "there is no such session".
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode, Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fuzz_seeds import motion_files, offers, sound
from whip_clients import venue

pytestmark = pytest.mark.e2e

EXAMPLES = 5
"""Of each route and kind: what is allowed, and what is not."""
LIMITS = (503, 507)
"""The only ones above 500 that may be answered, by a server that is full."""
CHECKS = [
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]


PLAIN = ("application/sdp", "application/trickle-ice-sdpfrag", "application/vnd.apache.parquet", "text/csv")


@schemathesis.serializer(*PLAIN)
def as_it_is(context: Any, value: Any) -> bytes:
    """Bodies that are neither JSON nor forms."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@dataclass
class Stranger:
    """Who asks."""

    base: str
    bodies: dict[str, list[bytes]]
    http: requests.Session = field(default_factory=requests.Session)
    problems: Counter[str] = field(default_factory=Counter)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)

    def alive(self, kind: str) -> str:
        """The id of a session, show or avatar that is there now; made if need be."""
        if kind == "avatars":
            return "astronaut"
        if kind == "shows":
            given: Any = {"avatar_id": "astronaut", "files": ["tone.wav"], "loop": True}
            return str(self.http.post(f"{self.base}/v1/shows", json=given, timeout=20).json()["id"])
        known = [found["id"] for found in self.http.get(f"{self.base}/v1/sessions", timeout=20).json()["sessions"]]
        if known:
            return str(known[0])
        made = self.http.post(f"{self.base}/v1/sessions", json={"avatar_id": "astronaut"}, timeout=20)
        return str(made.json()["id"])

    def ask(self, case: Case[Any], real: bool, body: int) -> None:
        """One request; with `real` it is for something that is there, and with a body that somebody would send."""
        path, checks = case.operation.path, CHECKS
        if real:
            kind = "shows" if "/shows/" in path else "avatars" if "/avatars/" in path else "sessions"
            for name in case.path_parameters:
                case.path_parameters[name] = self.alive(kind)
            if isinstance(case.body, dict) and "avatar_id" in case.body:
                case.body["avatar_id"] = "astronaut"
            whole = self.bodies.get(str(case.media_type))
            if whole:
                case.body = whole[body % len(whole)]
                checks = [check for check in CHECKS if check is not negative_data_rejection]  # it is right now
        response = case.call(base_url=self.base, session=self.http, timeout=30)
        self.answers[case.operation.label, response.status_code] += 1
        try:
            self._check(case, response, checks)
        except BaseException as failure:  # a group of all that is wrong with one answer
            wrong = getattr(failure, "exceptions", (failure,))
            self.problems.update(f"{case.operation.label}: {response.status_code} {_first_line(one)}" for one in wrong)

    def _check(self, case: Case[Any], response: Response, checks: list[Any]) -> None:
        if response.status_code >= 500:
            assert response.status_code in LIMITS, f"a defect: {response.text[:200]}"
        case.validate_response(response, checks=checks)


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _ask_all(stranger: Stranger) -> None:
    schema = schemathesis.openapi.from_url(f"{stranger.base}/openapi.json")
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        asks_more = bool(operation.body or operation.query)  # any text is an id that nothing has
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)[: 1 + asks_more]:
            cases = operation.as_strategy(generation_mode=mode)
            with suppress(NotImplementedError, Unsatisfiable):
                _ask_some(stranger, cases)


def _ask_some(stranger: Stranger, cases: st.SearchStrategy[Case[Any]]) -> None:
    @seed(20261123)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases, st.booleans(), st.integers(0, 9))
    def ask(case: Case[Any], real: bool, body: int) -> None:
        stranger.ask(case, real and not case.operation.path.endswith("/events"), body)

    ask()


async def test_every_route_answers_as_it_is_described(tmp_path: Path) -> None:
    (tmp_path / "tone.wav").write_bytes(sound("wav", "pcm_s16le"))
    bodies: dict[str, Any] = {"application/sdp": [offer.encode() for offer in await asyncio.to_thread(offers)]}
    motions = motion_files()
    bodies |= {"text/csv": [motions["csv"]], "application/vnd.apache.parquet": [motions["parquet"]]}
    async with venue(sessions__capacity=200, shows__folder=tmp_path, outputs__record_dir=tmp_path) as place:
        stranger = Stranger(f"http://127.0.0.1:{place.port}", bodies)
        await asyncio.to_thread(_ask_all, stranger)
        for id in [call.id for call in place.registry.calls()]:
            await place.http.delete(f"/v1/sessions/{id}")
    asked = {label for label, _ in stranger.answers}
    assert len(asked) >= 48 and sum(stranger.answers.values()) > 48 * EXAMPLES
    assert not stranger.problems, "\n".join(f"{count} x {what}" for what, count in stranger.problems.most_common())
