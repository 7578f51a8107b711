"""Fifty kinds of requests that nobody means well with, and what each may be answered at most.

Part of `hostile.py`. Each kind is a function from a target and a number to one request; knows nothing of the server's
inside.
"""

from __future__ import annotations

import base64
import json
import random
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt

from visavis_server.access.keys import signing_secret


@dataclass(frozen=True, slots=True)
class Target:
    """What a stranger may have found out, and what others hold."""

    host: str
    legit_session: str
    manager: str
    """A key that may do everything: for requests that are bad whoever sends them."""
    caller: str
    """A token for calls with another avatar only."""
    viewer: str
    """A token that may only watch."""
    key_id: str
    """Of the key that signed these tokens."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One request."""

    method: str = "GET"
    path: str = "/"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    sent: tuple[str | bytes, ...] = ()
    """WebSocket: what is said after it was opened."""
    raw: bytes | None = None
    """Bytes for a plain connection instead."""
    may: tuple[int, ...] = (401,)
    """Statuses, or close codes of a WebSocket, that are right. 429, and no answer to what is not HTTP, always are."""


Kind = Callable[[Target, random.Random], Attack]
REFUSED = (400, 401, 403, 404, 405, 408, 409, 412, 413, 414, 415, 421, 422, 428, 431)
_NO_HTTP = (0, *REFUSED)
_FORM = {"Content-Type": "multipart/form-data; boundary=x"}
_BEGINNINGS = (b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF\x00\x00\x00\x00WEBP", b"II*\x00\x08", b"BM")
_RUBBISH = (b"\x16\x03\x01\x02\x00\x01\x00", b"", b"\x00" * 64)


def bearer(token: str) -> dict[str, str]:
    """The header that carries a key or a token."""
    return {"Authorization": f"Bearer {token}"}


def as_json(body: Any, **headers: str) -> dict[str, Any]:
    """A body of JSON with its header."""
    return {"body": json.dumps(body).encode(), "headers": {"Content-Type": "application/json", **headers}}


def _typed(target: Target) -> dict[str, str]:
    return {**bearer(target.manager), "Content-Type": "application/json"}


def _forged(target: Target, algorithm: str, key: str, **claims: Any) -> str:
    now_s = int(time.time())
    usual = {"iss": "visavis", "iat": now_s, "exp": now_s + 600, "scope": "manage"}
    secret = "" if algorithm == "none" else signing_secret(key).encode()
    return jwt.encode({**usual, **claims}, secret, algorithm, headers={"kid": target.key_id})


def _raised(token: str) -> str:
    """A token whose claims were changed after it was signed."""
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    claims["scope"] = "manage"
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"{head}.{changed}.{signature}"


def _png(width: int, height: int, body: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def _form(photo: bytes, boundary: str = "x") -> bytes:
    part = f'--{boundary}\r\nContent-Disposition: form-data; name="consent"\r\n\r\ntrue\r\n--{boundary}\r\n'
    part += 'Content-Disposition: form-data; name="photo"; filename="../../a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    return part.encode() + photo + f"\r\n--{boundary}--\r\n".encode()


def _upload(target: Target, photo: bytes, may: tuple[int, ...] = (422,)) -> Attack:
    headers = {**bearer(target.manager), **_FORM}
    return Attack("POST", "/v1/avatars", headers, _form(photo), may=may)


def _managed(target: Target, method: str, path: str, body: Any = None, may: tuple[int, ...] = REFUSED) -> Attack:
    extra = as_json(body, **bearer(target.manager)) if body is not None else {"headers": bearer(target.manager)}
    return Attack(method, path, may=may, **extra)


def _raw(text: str, target: Target, may: tuple[int, ...] = _NO_HTTP) -> Attack:
    return Attack(raw=text.replace("\n", "\r\n").replace("HOST", target.host).encode("latin-1"), may=may)


def _jump(random: random.Random) -> str:
    return random.choice(
        ["../../etc/passwd", "..%2f..%2fkeys.json", "%2e%2e/%2e%2e/access/keys.json", "....//x", "%00", "~"]
    )


_INSIDE = (
    "http://127.0.0.1:1/x", "http://169.254.169.254/latest/meta-data", "rtmp://10.0.0.1/app/key", "http://[::1]/x",
    "http://0/x", "http://2130706433/x", "http://[::ffff:10.0.0.1]/x", "http://localhost:22/x",
    "rtmp://192.168.0.1/a/b",
)  # fmt: skip


def _kinds() -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}

    def kind(name: str, make: Kind) -> None:
        assert name not in kinds
        kinds[name] = make

    def plain(name: str, method: str, path: str, may: tuple[int, ...] = (401,), body: Any = None) -> None:
        kind(
            name,
            lambda t, r: Attack(method, path.format(s=t.legit_session), may=may, **(as_json(body) if body else {})),
        )

    # Strangers with nothing.
    plain("list sessions", "GET", "/v1/sessions")
    plain("open a session", "POST", "/v1/sessions", body={"avatar_id": "astronaut"})
    plain("end a session", "DELETE", "/v1/sessions/{s}")
    plain("interrupt a session", "POST", "/v1/sessions/{s}/interrupt")
    plain("change a mood", "PATCH", "/v1/sessions/{s}/mood", body={"emotion": "angry"})
    plain("delete an avatar", "DELETE", "/v1/avatars/astronaut")
    plain("read figures", "GET", "/metrics")
    plain("read TURN passwords", "GET", "/v1/config")
    plain("record a session", "POST", "/v1/sessions/{s}/outputs", body={"record": True})
    plain("make a token", "POST", "/v1/tokens", body={"scopes": ["manage"]})
    kind("upload a photo", lambda t, r: Attack("POST", "/v1/avatars", _FORM,
                                               _form(b"\xff\xd8\xff" + r.randbytes(3000))))  # fmt: skip
    kind("speak over WHIP", lambda t, r: Attack("POST", f"/whip/{t.legit_session}", {"Content-Type": "application/sdp"},
                                                b"v=0\r\n"))  # fmt: skip
    kind("watch over WHEP", lambda t, r: Attack("POST", f"/whep/{t.legit_session}", {"Content-Type": "application/sdp"},
                                                b"v=0\r\n"))  # fmt: skip
    kind("join the signalling", lambda t, r: Attack("WEBSOCKET", f"/v1/sessions/{t.legit_session}/signal",
                                                    sent=('{"type": "bye"}',), may=(4401,)))  # fmt: skip
    kind("speak as agent", lambda t, r: Attack("WEBSOCKET", f"/v1/sessions/{t.legit_session}/agent",
                                               sent=(b"\x00" * 1000,), may=(4401,)))  # fmt: skip
    kind("odd spellings", lambda t, r: Attack("GET", r.choice(
        ["/metrics%0A", "/v1/sessions%0A", "//v1/sessions", "/v1/sessions/", "/v1/./sessions", "/%76%31/sessions"]),
        may=(401, 404, 307)))  # fmt: skip
    # Strangers with something that is worth nothing.
    kind(
        "guessed key", lambda t, r: Attack("GET", "/v1/sessions", bearer(f"vv_{t.key_id}_{r.randbytes(32).hex()[:43]}"))
    )
    kind("unsigned token", lambda t, r: Attack("GET", "/v1/sessions", bearer(_forged(t, "none", ""))))
    kind(
        "token of another key",
        lambda t, r: Attack("GET", "/v1/sessions", bearer(_forged(t, "HS256", r.randbytes(8).hex()))),
    )
    kind("altered token", lambda t, r: Attack("GET", "/v1/sessions", bearer(_raised(t.viewer))))
    kind("token in the query", lambda t, r: Attack("GET", f"/v1/sessions?token={_raised(t.viewer)}"))
    kind("key in the query", lambda t, r: Attack("GET", f"/v1/sessions?token={t.manager}"))
    kind("forged cookie", lambda t, r: Attack("GET", "/v1/sessions", {"Cookie": f"visavis={_raised(t.viewer)}"}))
    kind(
        "odd Authorization",
        lambda t, r: Attack(
            "GET",
            "/v1/sessions",
            {
                "Authorization": r.choice(
                    [
                        "Bearer",
                        "Bearer  ",
                        "Basic YWRtaW46YWRtaW4=",
                        "bearer\t" + "x" * 3000,
                        "Bearer a.b.c",
                        "Bearer null",
                    ]
                )
            },
        ),
    )
    kind(
        "pretended to be local",
        lambda t, r: Attack(
            "GET",
            "/v1/sessions",
            {
                r.choice(
                    ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Original-URL", "X-HTTP-Method-Override"]
                ): "127.0.0.1"
            },
        ),
    )
    # Guests who want more than they were given.
    for name, method, path, body in (
        ("viewer deletes", "DELETE", "/v1/avatars/astronaut", None),
        ("viewer opens", "POST", "/v1/sessions", {"avatar_id": "astronaut"}),
        ("viewer ends", "DELETE", "/v1/sessions/{s}", None),
        ("viewer streams", "POST", "/v1/sessions/{s}/outputs", {"url": "rtmp://198.51.100.7/a/b"}),
    ):
        extra = {} if body is None else {"body": json.dumps(body).encode()}
        kind(name, lambda t, r, method=method, path=path, extra=extra: Attack(  # type: ignore[misc]
            method, path.format(s=t.legit_session), {**bearer(t.viewer), "Content-Type": "application/json"},
            may=(403,), **extra))  # fmt: skip
    kind("viewer makes tokens", lambda t, r: Attack("POST", "/v1/tokens", may=(401, 403), **as_json(
        {"scopes": ["manage"]}, **bearer(t.viewer))))  # fmt: skip
    kind("caller takes another avatar", lambda t, r: Attack("POST", "/v1/sessions", may=(403,), **as_json(
        {"avatar_id": "astronaut"}, **bearer(t.caller))))  # fmt: skip
    kind("caller steers others", lambda t, r: Attack("POST", f"/v1/sessions/{t.legit_session}/interrupt",
                                                     bearer(t.caller), may=(403,)))  # fmt: skip
    kind("caller joins others", lambda t, r: Attack("WEBSOCKET", f"/v1/sessions/{t.legit_session}/signal",
                                                    bearer(t.caller), may=(4403,)))  # fmt: skip
    # Bad whoever sends it: all rights, so that what stands behind the gate is tried too.
    kind("page of another site", lambda t, r: Attack("POST", "/v1/sessions", may=(403,), **as_json(
        {"avatar_id": "astronaut"}, Origin="https://evil.example", **bearer(t.manager))))  # fmt: skip
    kind(
        "rebound name",
        lambda t, r: Attack("GET", "/v1/sessions", {"Host": "evil.example", **bearer(t.manager)}, may=(421,)),
    )
    kind("nested JSON", lambda t, r: Attack("POST", "/v1/sessions", _typed(t),
                                            r.choice([b"[", b'{"a":']) * 9000, may=(400, 422)))  # fmt: skip
    kind("odd JSON", lambda t, r: Attack("POST", "/v1/sessions", _typed(t),
        r.choice([b"\xff\xfe{}", b'{"avatar_id": "\\ud800"}', b'{"avatar_id": 1e999}', b"nul",
                  b'{"avatar_id": "a\\u0000"}', b'{"avatar_id": {"$ne": 1}}',
                  b'{"__proto__": 1}']), may=(400, 404, 422)))  # fmt: skip
    kind("too large", lambda t, r: Attack("POST", "/v1/sessions", _typed(t),
                                          b" " * 200_000, may=(413,)))  # fmt: skip
    kind(
        "paths upwards",
        lambda t, r: _managed(t, r.choice(["GET", "DELETE"]), f"/v1/avatars/{_jump(r)}", may=(404, 405)),
    )
    kind(
        "files upwards", lambda t, r: _managed(t, "POST", "/v1/shows", {"avatar_id": "astronaut", "files": [_jump(r)]})
    )
    kind("streams inwards", lambda t, r: _managed(t, "POST", f"/v1/sessions/{t.legit_session}/outputs",
                                                  {"url": r.choice(_INSIDE)}, may=(400, 422)))  # fmt: skip
    kind("picture bomb", lambda t, r: _upload(t, _png(60_000, 60_000, b"\x00" * 10_000)))
    kind("broken picture", lambda t, r: _upload(t, r.choice(_BEGINNINGS) + r.randbytes(2000)))  # fmt: skip
    kind("no multipart", lambda t, r: Attack("POST", "/v1/avatars", {**bearer(t.manager), "Content-Type": r.choice(
        ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\xe9", "text/plain"])},
        r.randbytes(500), may=(400, 422)))  # fmt: skip
    kind("broken SDP", lambda t, r: Attack("POST", r.choice(["/whip/astronaut", f"/whep/{t.legit_session}"]),
        {**bearer(t.manager), "Content-Type": "application/sdp"},
        b"v=0\r\n" + r.choice([b"m=audio 9 X 0\r\n" * 2000, r.randbytes(1000), b"a=" * 20_000, b"o=- 0 0 IN IP4"]),
        may=(400, 422)))  # fmt: skip
    kind("bad WebSocket", lambda t, r: Attack("WEBSOCKET", f"/v1/agents?avatar_id={_jump(r)}", bearer(t.manager),
                                              sent=("[" * 9000, b"\xff" * 9000), may=(4400, 4404)))  # fmt: skip
    # Not even HTTP.
    kind("smuggled request", lambda t, r: _raw(
        "POST /v1/access HTTP/1.1\nHost: HOST\nContent-Length: 4\nTransfer-Encoding: chunked\n\n0\n\n"
        "GET /v1/sessions HTTP/1.1\nHost: HOST\n\n", t))  # fmt: skip
    kind("rubbish", lambda t, r: Attack(raw=r.choice(_RUBBISH) + r.randbytes(200),
                                        may=_NO_HTTP))  # fmt: skip
    kind(
        "endless headers",
        lambda t, r: _raw(
            "GET /v1/sessions HTTP/1.1\nHost: HOST\n" + "".join(f"X-{n}: {'y' * 90}\n" for n in range(900)) + "\n", t
        ),
    )
    kind("half a request", lambda t, r: _raw("POST /v1/access HTTP/1.1\nHost: HOST\nContent-Length: 500\n\n{", t))
    return kinds


KINDS = _kinds()
