"""The one shape in which every error leaves the server, whoever raised it: this package, FastAPI, or a defect.

Knows nothing of what the errors are about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from visavis_models.errors import BadRequest, Busy, EngineError, VisavisError
from visavis_server.metrics import Metrics

_STATUS_BY_CODE = {
    "already_joined": 409,
    "already_negotiated": 409,
    "already_recording": 409,
    "already_speaking": 409,
    "etag_mismatch": 412,
    "etag_missing": 428,
    "media_type_refused": 415,
    "name_taken": 409,
    "restart_too_early": 409,
    "shows_off": 403,
    "stale_fragment": 409,
    "too_many_restarts": 429,
    "too_many_attempts": 429,
    "too_many_connections": 429,
    "too_many_photos": 429,
    "too_many_requests": 429,
    "too_many_sessions": 429,
    "quota_used": 429,
    "turn_unavailable": 503,
    "gpu_memory": 503,
    "unauthorized": 401,
    "builtin_avatar": 403,
    "consent_required": 422,
    "forbidden": 403,
    "host_refused": 421,
    "local_only": 403,
    "origin_refused": 403,
    "photo_too_large": 413,
    "body_too_large": 413,
    "body_too_slow": 408,
}
"""Where the class of an error says too little."""
_RETRY_AFTER_S = {
    "server_full": 10,
    "device_full": 30,
    "worker_lost": 1,
    "shutting_down": 5,
    "analysis_busy": 5,
    "checks_busy": 20,
    "viewers_full": 30,
    "ports_exhausted": 30,
    "quota_used": 3600,
    "too_many_attempts": 60,
    "too_many_photos": 600,
    "too_many_requests": 2,
    "too_many_sessions": 30,
}
_REMEDIES = {
    404: "See /docs for what this server offers.",
    405: "See /docs for the methods of this address.",
}


class ErrorFields(BaseModel):
    """What is wrong and what to do about it."""

    code: str
    message: str
    remedy: str


class ErrorBody(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorFields


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a route: these statuses carry an `ErrorBody`."""
    return {status: {"model": ErrorBody, "description": HTTPStatus(status).phrase} for status in statuses}


def internal_error() -> VisavisError:
    """What a user is told of a defect: nothing of its inside."""
    return EngineError("internal_error", "Something went wrong on this server.", "Try again; its log says more.")


def error_status(error: VisavisError) -> int:
    """The HTTP status that goes with an error."""
    return _STATUS_BY_CODE.get(error.code, error.http_status)


def error_response(error: VisavisError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error as an HTTP answer."""
    headers = dict(headers or {})
    if error_status(error) == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Busy):
        headers["Retry-After"] = str(_RETRY_AFTER_S.get(error.code, 10))
    return JSONResponse({"error": error.as_dict()}, status_code=error_status(error), headers=headers)


def bad_fields(errors: Sequence[Any]) -> VisavisError:
    """Several complaints of pydantic as one error that names the first few fields."""
    parts = []
    for entry in errors[:3]:
        place = ".".join(str(part) for part in entry["loc"] if part != "body")
        parts.append(f"{place}: {entry['msg']}" if place else str(entry["msg"]))
    return BadRequest(
        "invalid_request", f"This request cannot be understood ({'; '.join(parts)}).", "See /docs for its fields."
    )


def install_error_handlers(app: FastAPI, metrics: Metrics) -> None:
    """Make every error of this app leave in the one shape, and count it; defects are the guard's to answer."""

    async def on_visavis(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, VisavisError)
        metrics.error(error.code)
        return error_response(error)

    async def on_fields(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        refusal = bad_fields(error.errors())
        metrics.error(refusal.code)
        response = error_response(refusal)
        response.status_code = 422
        return response

    async def on_http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        try:
            phrase = HTTPStatus(error.status_code).phrase
        except ValueError:
            phrase = "HTTP error"
        code = phrase.lower().replace(" ", "_").replace("-", "_")
        metrics.error(code)
        detail = str(error.detail)
        message = f"{phrase}." if detail == phrase else f"{phrase}: {detail.rstrip('.')}."
        remedy = _REMEDIES.get(error.status_code, "See /docs for what this server expects.")
        body = {"error": {"code": code, "message": message, "remedy": remedy}}
        return JSONResponse(body, status_code=error.status_code, headers=error.headers)

    app.add_exception_handler(VisavisError, on_visavis)
    app.add_exception_handler(RequestValidationError, on_fields)
    app.add_exception_handler(HTTPException, on_http)
