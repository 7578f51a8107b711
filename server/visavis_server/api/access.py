"""REST for access: what a visitor may do, logging a browser in and out, and tokens with less than a key has.

A browser that is logged in carries a token in a cookie that no script can read: pictures and WebSockets cannot send
headers. Knows nothing of how keys are kept.
"""

from __future__ import annotations

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from visavis_models.errors import BadRequest
from visavis_server.access.gate import Gate
from visavis_server.access.grants import SCOPES, Grant, Scope, read_scopes, unauthorized
from visavis_server.access.keys import AccessKey, KeyStore
from visavis_server.access.tokens import grant_of_token, sign
from visavis_server.access.visitors import COOKIE, visitor_of
from visavis_server.access_settings import AccessSettings
from visavis_server.api.errors import documented

_Name = Annotated[str, Field(min_length=1, max_length=100)]


class AccessBody(BaseModel):
    """What whoever asks may do."""

    required: bool
    """Something must be shown here."""
    scopes: list[Scope]
    avatar: str | None
    session: str | None
    expires_ms: float | None
    """Since 1970; null: not by itself."""


class Login(BaseModel):
    """A key or a token."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    key: Annotated[SecretStr, Field(max_length=4096, description="A key or a token")]


class TokenRequest(BaseModel):
    """What a token is to allow: some of what the key does that asks for it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    scopes: Annotated[list[Literal["call", "publish", "view", "manage", "metrics"]], Field(min_length=1, max_length=8)]
    avatar: Annotated[_Name | None, Field(description="Only this avatar")] = None
    session: Annotated[_Name | None, Field(description="Only the session of this id, watch id or show's name")] = None
    lasts_s: Annotated[int | None, Field(ge=10, le=604800, description="At most access.max_token_s")] = None


class TokenBody(BaseModel):
    """A token."""

    token: str
    expires_ms: float


def access_routes(gate: Gate, keys: KeyStore, settings: AccessSettings) -> APIRouter:
    """The routes /v1/access and /v1/tokens."""
    routes = APIRouter(tags=["Access"])

    def body(request: Request, grant: Grant | None) -> AccessBody:
        required = gate.needs_key(visitor_of(request.scope, gate.trusted))
        if grant is None:
            return AccessBody(required=required, scopes=[], avatar=None, session=None, expires_ms=None)
        scopes = [scope for scope in SCOPES if grant.may((scope,))]
        until_ms = None if grant.expires_s is None else grant.expires_s * 1000
        return AccessBody(
            required=required, scopes=scopes, avatar=grant.avatar, session=grant.session, expires_ms=until_ms
        )

    @routes.get("/v1/access", summary="What I may do here", responses=documented(401, 429))
    async def look(request: Request, response: Response) -> AccessBody:
        response.headers["Cache-Control"] = "no-store"
        return body(request, gate.known(visitor_of(request.scope, gate.trusted)))

    @routes.post("/v1/access", summary="Log a browser in", responses=documented(400, 401, 422, 429))
    async def log_in(request: Request, response: Response, given: Login) -> AccessBody:
        visitor = visitor_of(request.scope, gate.trusted)
        text, now_s = given.key.get_secret_value().strip(), time.time()
        grant = gate.tried(visitor, text)
        key = keys.find(text)
        if key is None:
            token, until_s = text, grant.expires_s or now_s
        else:
            until_s = now_s + min(settings.login_s, settings.max_token_s)
            token = sign(key, key.scopes, until_s - now_s, now_s)
        response.set_cookie(
            COOKIE, token, max_age=max(0, int(until_s - now_s)), path="/", secure=visitor.https, httponly=True,
            samesite="strict",
        )  # fmt: skip
        response.headers["Cache-Control"] = "no-store"
        return body(request, grant)

    @routes.delete("/v1/access", status_code=204, summary="Log a browser out")
    async def log_out(request: Request) -> Response:
        response = Response(status_code=204)
        secure = visitor_of(request.scope, gate.trusted).https
        response.delete_cookie(COOKIE, path="/", secure=secure, httponly=True, samesite="strict")
        return response

    @routes.post(
        "/v1/tokens",
        status_code=201,
        summary="A token with some of a key's rights",
        responses=documented(400, 401, 403, 422),
    )
    async def make_token(request: Request, response: Response, wanted: TokenRequest) -> TokenBody:
        visitor, now_s = visitor_of(request.scope, gate.trusted), time.time()
        key: AccessKey | None = keys.find(visitor.credential) if visitor.place == "header" else None
        if key is None:  # a token that could make tokens would never end
            raise unauthorized("Only a key can make tokens.")
        lasts_s = settings.token_s if wanted.lasts_s is None else wanted.lasts_s
        if lasts_s > settings.max_token_s:
            problem = f"Tokens last {settings.max_token_s} s here at most."
            raise BadRequest("bad_token_request", problem, "Ask for less; the operator can raise access.max_token_s.")
        scopes = read_scopes(wanted.scopes)
        token = sign(key, scopes, lasts_s, now_s, avatar=wanted.avatar, session=wanted.session)
        grant = grant_of_token(token, keys, now_s, settings.max_token_s)
        response.headers["Cache-Control"] = "no-store"
        return TokenBody(token=token, expires_ms=(grant.expires_s or 0.0) * 1000)

    return routes
