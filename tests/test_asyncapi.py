"""docs/asyncapi.yaml says what the server really takes and sends."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from jsonschema import Draft202012Validator
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from agent_speech import Place, pcm, place, speech
from visavis_models.errors import BadRequest
from visavis_models.mood import EMOTIONS
from visavis_server.agent_voice import MAX_SEGMENTS
from visavis_server.api import agent_messages
from visavis_server.call import EndReason
from visavis_server.segment import RATES_HZ

pytestmark = pytest.mark.e2e

DOCUMENT: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "docs" / "asyncapi.yaml").read_text("utf-8"))
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]


def named(operation: str) -> list[str]:
    """The messages of an operation, by their names among the components."""
    return [message["$ref"].rpartition("/")[2] for message in DOCUMENT["operations"][operation]["messages"]]


@cache
def validator(name: str) -> Draft202012Validator:
    schema = {**MESSAGES[name]["payload"], "components": DOCUMENT["components"]}
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def check(message: dict[str, Any]) -> str:
    """A message of the server is as documented; its type."""
    assert message["type"] in named("tell"), message
    validator(message["type"]).validate(message)
    return str(message["type"])


async def heard(socket: Any, last: str) -> list[str]:
    """The types of what the server sends, up to this one; each was checked."""
    types: list[str] = []
    while last not in types:
        types.append(check(json.loads(await asyncio.wait_for(socket.recv(), 10))))
    return types


async def to_the_end(socket: Any) -> list[str]:
    types = []
    with pytest.raises(ConnectionClosed):
        while True:
            types.append(check(json.loads(await asyncio.wait_for(socket.recv(), 10))))
    return types


async def test_everything_that_the_server_sends_is_documented() -> None:
    said = pcm(speech(16000)[:24000])
    async with place() as it:
        async with connect(f"{it.url}/v1/agents?avatar_id=astronaut") as socket:
            seen = await heard(socket, "ready")
            await socket.send('{"type": "mood", "emotion": "happy", "strength": 0.8}')
            seen += await heard(socket, "mood")
            [call] = it.registry.calls()
            call.session.motion.people = 2  # as if somebody else were in the picture
            await socket.send('{"type": "speaker", "person": 1}')
            seen += await heard(socket, "speaker")
            await socket.send('{"type": "segment.start", "rate_hz": 16000}')
            await socket.send(said)
            await socket.send('{"type": "segment.end"}')
            seen += await heard(socket, "ended")
            await socket.send('{"type": "segment.start", "rate_hz": 16000, "id": "second"}')
            await socket.send(said)
            seen += await heard(socket, "started")
            await socket.send('{"type": "interrupt"}')
            seen += await heard(socket, "interrupted")
            await socket.send('{"type": "segment.end"}{"type": "interrupt"}')
            seen += await heard(socket, "error")
            await socket.send('{"type": "interrupt"}')
            seen += await heard(socket, "interrupted")
            await socket.send('{"type": "segment.start", "rate_hz": 16001}')
            seen += await heard(socket, "error")
            await socket.send('{"type": "bye"}')
            seen += await to_the_end(socket)
        assert set(seen) == set(named("tell"))
        await refusals(it)


async def refusals(it: Place) -> None:
    for path in ("/v1/agents", "/v1/agents?avatar_id=nobody", "/v1/sessions/nobody/agent"):
        async with connect(it.url + path) as socket:
            assert await to_the_end(socket) == ["error"]


def example(schema: dict[str, Any], field: str) -> Any:
    """A value that a property's schema allows."""
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][-1]
    return {"string": "AAAA", "boolean": True, "integer": 1, "number": 1}[schema["type"]]


def test_everything_that_is_documented_for_agents_is_understood_and_nothing_else() -> None:
    documented = set()
    for name in named("listen"):
        if name == "speech":
            continue
        payload = MESSAGES[name]["payload"]
        whole = {field: example(schema, field) for field, schema in payload["properties"].items()}
        validator(name).validate(whole)
        assert agent_messages.read_agent_message(json.dumps(whole)).type == whole["type"]
        for field in payload["properties"]:
            less = {key: value for key, value in whole.items() if key != field}
            if field in payload["required"]:
                with pytest.raises(BadRequest):
                    agent_messages.read_agent_message(json.dumps(less))
            else:
                agent_messages.read_agent_message(json.dumps(less))
        documented.add(whole["type"])
    kinds = {get_args(kind.model_fields["type"].annotation)[0] for kind in get_args(agent_messages.AgentMessage)}
    assert documented == kinds


def test_the_documents_figures_are_the_servers() -> None:
    assert tuple(MESSAGES["segment.start"]["payload"]["properties"]["rate_hz"]["enum"]) == RATES_HZ
    assert f"At most {MAX_SEGMENTS} may wait" in MESSAGES["segment.start"]["description"]
    assert f"at most {agent_messages.MAX_AUDIO_BYTES // 1024} KiB" in MESSAGES["speech"]["description"]
    assert tuple(DOCUMENT["components"]["schemas"]["emotion"]["enum"]) == EMOTIONS
    assert tuple(MESSAGES["bye"]["payload"]["properties"]["reason"]["enum"]) == get_args(EndReason)


def test_both_channels_carry_the_same_messages_and_every_message_is_used() -> None:
    agents, session = (DOCUMENT["channels"][name]["messages"] for name in ("agents", "sessionAgent"))
    assert agents == session and set(agents) == set(MESSAGES) == {*named("listen"), *named("tell")}
