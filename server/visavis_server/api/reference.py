"""/docs: the HTTP API as one plain page, drawn from the same OpenAPI description that /openapi.json gives.

It needs no script and no network. Knows nothing of what the routes do.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--accent:#2563eb}
@media(prefers-color-scheme:dark){:root{--accent:#7aa2ff}}
body{font:16px/1.55 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{margin:0 0 .25rem}h2{margin:2.5rem 0 .5rem;border-bottom:1px solid var(--line)}
details{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0}
summary{cursor:pointer;padding:.55rem .8rem;display:flex;gap:.8rem;flex-wrap:wrap;align-items:baseline}
details>div{padding:0 .8rem .8rem}
code,pre{font:14px/1.5 ui-monospace,monospace}
pre{background:var(--soft);padding:.7rem;border-radius:.4rem;overflow:auto}
.verb{font-weight:700;color:var(--accent);min-width:4.2rem}table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line)}
a{color:var(--accent)}.wide{overflow-x:auto}
"""
_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)
_INTRODUCTION = """<p>One photo and a live voice become a live talking video. A call takes three steps: open a session
(<code>POST /v1/sessions</code>), open its signalling WebSocket, and send a WebRTC offer through it.
The same description for programs: <a href="/openapi.json">openapi.json</a>.</p>
<p>Every error, over HTTP or over the WebSocket, has one shape:</p>
<pre>{"error": {"code": "no_face", "message": "No face was found in this picture.", "remedy": "..."}}</pre>"""
_CLIENT_MESSAGES = (
    ('{"type": "offer", "sdp": "..."}', "Once a session. Audio sendrecv, video recvonly."),
    (
        '{"type": "candidate", "candidate": {"candidate", "sdpMid", "sdpMLineIndex"} | null}',
        "Trickle ICE; null: the end.",
    ),
    ('{"type": "interrupt"}', "The avatar stops speaking at once."),
    ('{"type": "attend", "on": true}', "Somebody else speaks to the avatar: it listens."),
    (
        '{"type": "mood", "emotion", "strength", "from_voice", "preset"}',
        "How the avatar is to be; all optional.",
    ),
    ('{"type": "ping", "id": 7}', "Answered with pong."),
    ('{"type": "bye"}', "Ends the session."),
)
_SERVER_MESSAGES = (
    ('{"type": "answer", "sdp": "..."}', "With all candidates of the server inside."),
    (
        '{"type": "state", "state": "idle" | "listening" | "speaking", "epoch": 0}',
        "On every change, and after the answer.",
    ),
    (
        '{"type": "stats", "fps", "latency_ms": {"p50", "p95"}, "frames": {"sent", "repeated", "dropped"}, '
        '"bitrate_kbps", "rtt_ms", "loss"}',
        "Once a second; null until known.",
    ),
    (
        '{"type": "mood", "emotion", "strength", "from_voice", "preset"}',
        "Somebody has changed the avatar's mood.",
    ),
    ('{"type": "pong", "id": 7}', "The answer to a ping."),
    ('{"type": "error", "error": {"code", "message", "remedy"}}', "The session goes on unless bye follows."),
    (
        '{"type": "bye", "reason": "client" | "expired" | "shutdown" | "failed" | "deleted"}',
        "Then the WebSocket closes.",
    ),
)
_AGENT_MESSAGES = (
    (
        '{"type": "segment.start", "rate_hz": 24000, "id": "a1", "emotion", "strength"}',
        "An utterance begins; 8000 to 48000 Hz, id and emotion optional.",
    ),
    ("binary", "Its speech: 16-bit little-endian mono samples, at most 512 KiB."),
    ('{"type": "audio", "data": "..."}', "The same in base64."),
    ('{"type": "segment.end"}', "The utterance is complete."),
    ('{"type": "interrupt"}', "The avatar falls silent at once; what waits is forgotten."),
    ('{"type": "clear"}', "What has not begun is forgotten."),
    ('{"type": "attend", "on": true}', "The user speaks: the avatar listens."),
    (
        '{"type": "mood", "emotion", "strength", "from_voice", "preset"}',
        "How the avatar is to be; all optional.",
    ),
    ('{"type": "keep_alive"}', "Still there."),
    ('{"type": "bye"}', "Leave."),
)
_AGENT_EVENTS = (
    ('{"type": "ready", "session", "whep_url", "buffer_s", ...}', "Once, first."),
    ('{"type": "started", "segment": "a1", "epoch": 0}', "Its first frame has left."),
    ('{"type": "progress", "segment", "seconds", "waiting_s"}', "Twice a second while it is spoken."),
    ('{"type": "ended", "segment", "seconds"}', "All of it was spoken."),
    ('{"type": "interrupted", "segment" | null, "seconds", "epoch"}', "Once for each segment that had not ended."),
    ('{"type": "state", "state", "epoch"}', "On every change."),
    ('{"type": "error", "error": {...}, "segment" | null}', "It goes on unless bye follows."),
    ('{"type": "bye", "reason"}', "Then the WebSocket closes."),
)


def reference_routes(app: FastAPI) -> APIRouter:
    """The route /docs."""
    routes = APIRouter()
    drawn: list[str] = []

    @routes.get("/docs", include_in_schema=False)
    async def reference() -> HTMLResponse:
        if not drawn:
            drawn.append(reference_page(app.openapi()))
        return HTMLResponse(drawn[0], headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"})

    return routes


def reference_page(api: Mapping[str, Any]) -> str:
    """An OpenAPI description as an HTML page."""
    title = f"{escape(api['info']['title'])} {escape(api['info']['version'])}"
    by_tag: dict[str, list[str]] = {}
    for path, verbs in api["paths"].items():
        for verb, call in verbs.items():
            by_tag.setdefault(call.get("tags", ["Other"])[0], []).append(_call(path, verb, call, api))
    sections = "".join(f"<h2>{escape(tag)}</h2>{''.join(calls)}" for tag, calls in by_tag.items())
    signalling = (
        "<h2>Signalling WebSocket</h2><p><code>/v1/sessions/{id}/signal</code>: JSON text messages. One WebSocket a "
        "session; when it closes, the session ends at once.</p><h3>Client to server</h3>"
        + _table(_CLIENT_MESSAGES)
        + "<h3>Server to client</h3>"
        + _table(_SERVER_MESSAGES)
        + "<h2>Voice agents</h2><p><code>/v1/agents?avatar_id=...</code> opens a session; "
        "<code>/v1/sessions/{id}/agent</code> speaks for one that is open. A WebSocket: push speech, faster than it is "
        "spoken if you like, and learn what was heard.</p><h3>Agent to server</h3>"
        + _table(_AGENT_MESSAGES)
        + "<h3>Server to agent</h3>"
        + _table(_AGENT_EVENTS)
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1>{title}</h1>{_INTRODUCTION}{sections}{signalling}</body></html>"
    )


def _table(rows: tuple[tuple[str, str], ...]) -> str:
    cells = "".join(f"<tr><td><code>{escape(left)}</code></td><td>{escape(right)}</td></tr>" for left, right in rows)
    return f'<div class="wide"><table>{cells}</table></div>'


def _call(path: str, verb: str, call: Mapping[str, Any], api: Mapping[str, Any]) -> str:
    parts = []
    asked = call.get("requestBody", {}).get("content", {})
    for kind, content in asked.items():
        parts.append(f"<p>Body, <code>{escape(kind)}</code>:</p>{_fields(content.get('schema', {}), api)}")
    rows = []
    for status, answer in call["responses"].items():
        if status == "422" and "HTTPValidationError" in str(answer):
            continue  # ours have another shape
        kinds = answer.get("content", {})
        schema: dict[str, Any] = next((content.get("schema", {}) for content in kinds.values()), {})
        shape = escape(_shape(schema, api)) if schema else ", ".join(escape(kind) for kind in kinds)
        rows.append(
            f"<tr><td>{escape(status)}</td><td>{escape(answer['description'])}</td><td><code>{shape}</code></td></tr>"
        )
    parts.append(f'<p>Answers:</p><div class="wide"><table>{"".join(rows)}</table></div>')
    head = f'<span class="verb">{verb.upper()}</span><code>{escape(path)}</code><span>{escape(call["summary"])}</span>'
    return f"<details><summary>{head}</summary><div>{''.join(parts)}</div></details>"


def _resolved(schema: Mapping[str, Any], api: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in schema:
        found: Mapping[str, Any] = api["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema


def _fields(schema: Mapping[str, Any], api: Mapping[str, Any]) -> str:
    whole = _resolved(schema, api)
    rows = []
    for name, field in whole.get("properties", {}).items():
        needed = "required" if name in whole.get("required", ()) else "optional"
        about = escape(field.get("description", ""))
        kind = escape("file" if "contentMediaType" in field else _shape(field, api))
        rows.append(f"<tr><td><code>{escape(name)}</code></td><td>{kind}, {needed}</td><td>{about}</td></tr>")
    return f'<div class="wide"><table>{"".join(rows)}</table></div>'


def _shape(schema: Mapping[str, Any], api: Mapping[str, Any]) -> str:
    whole = _resolved(schema, api)
    if "properties" in whole:
        return "{" + ", ".join(_members(whole, api)) + "}"
    if whole.get("type") == "array":
        return f"[{_shape(whole['items'], api)}, ...]"
    if "anyOf" in whole:
        return " | ".join(_shape(choice, api) for choice in whole["anyOf"])
    return str(whole.get("type", "any"))


def _members(schema: Mapping[str, Any], api: Mapping[str, Any]) -> Iterator[str]:
    for name, field in schema["properties"].items():
        inner = _shape(field, api)
        yield f'"{name}": {inner}' if inner[0] in "{[" else f'"{name}"'
