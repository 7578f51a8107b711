"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) over HTTP: the same verbs for a microphone and for viewers.

Speaks HTTP only: what a transmission is, and which session it belongs to, is `Transmissions`' to know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from visavis_models.errors import BadRequest
from visavis_server.api.errors import documented
from visavis_server.ice_servers import IceServers
from visavis_server.settings import IceServer
from visavis_server.transmissions import Protocol, Transmissions, Wish

SDP_TYPE = "application/sdp"
FRAGMENT_TYPE = "application/trickle-ice-sdpfrag"
_SHOW = Query(max_length=63, description="The name under which viewers find it: /whep/{show}")
Alpha = Literal["side-by-side"]
_ALPHA = Query(description="Transparency: the person on the left of the video, their matte as luma on the right")
_SDP_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {SDP_TYPE: {"schema": {"type": "string", "description": "SDP offer"}}}}
}
_FRAGMENT_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {FRAGMENT_TYPE: {"schema": {"type": "string"}}}}
}


def check_type(request: Request, wanted: str) -> None:
    """Make sure of a body's media type.

    Raises:
        BadRequest: `media_type_refused`.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != wanted:
        raise BadRequest("media_type_refused", f"The body must be {wanted}.", f"Send Content-Type: {wanted}.")


def check_etag(request: Request, etag: str) -> None:
    """Make sure that a change is meant for the current ICE generation.

    Raises:
        BadRequest: `etag_missing`, `etag_mismatch`.
    """
    given = request.headers.get("if-match")
    if given is None:
        remedy = 'Send the ETag of the answer, or "*" to restart ICE.'
        raise BadRequest("etag_missing", "A PATCH needs an If-Match header.", remedy)
    tags = [tag.strip() for tag in given.split(",")]
    if "*" not in tags and etag not in tags:
        raise BadRequest("etag_mismatch", "This is of before the last ICE restart.", "Use the ETag of its answer.")


async def body_text(request: Request) -> str:
    """The body as text.

    Raises:
        BadRequest: `not_text`.
    """
    try:
        return (await request.body()).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest("not_text", "The body is not text in UTF-8.", "Send SDP.") from error


def ice_links(servers: tuple[IceServer, ...]) -> Iterator[str]:
    """STUN and TURN servers as values of Link headers."""
    for server in servers:
        for url in server.urls:
            link = f'<{url}>; rel="ice-server"'
            if server.username is not None and server.credential is not None:
                name, secret = (_quoted(text) for text in (server.username, server.credential))
                link += f'; username="{name}"; credential="{secret}"; credential-type="password"'
            yield link


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def transmission_routes(
    transmissions: Transmissions, ice: IceServers, may: Callable[[Request, str], bool]
) -> APIRouter:
    """The routes below /whip and /whep.

    Args:
        transmissions: microphones and viewers.
        ice: STUN and TURN servers.
        may: whether a request would be let in with another method.
    """
    routes = APIRouter(tags=["WHIP and WHEP"])

    def options(request: Request, protocol: Protocol) -> Response:
        response = Response(status_code=204, headers={"Accept-Post": SDP_TYPE, "Accept-Patch": FRAGMENT_TYPE})
        response.headers["Allow"] = "OPTIONS, POST"
        _add_links(response, ice.issue() if may(request, "POST") else ())
        return response

    async def start(request: Request, protocol: Protocol, target: str, show: str = "", alpha: bool = False) -> Response:
        check_type(request, SDP_TYPE)
        wish = Wish(protocol, target, await body_text(request), show, alpha)
        transmission, answer = await transmissions.start(wish)
        headers = {"Location": transmission.address, "ETag": transmission.etag, "Accept-Patch": FRAGMENT_TYPE}
        response = Response(answer, 201, {**headers, "AI-Generated": "true"}, SDP_TYPE)
        _add_links(response, ice.issue(transmission.call.id))
        return response

    async def patch(request: Request, protocol: Protocol, name: str, key: str) -> Response:
        transmission = transmissions.get(protocol, name, key)
        check_type(request, FRAGMENT_TYPE)
        check_etag(request, transmission.etag)
        restarted = await transmission.patch(await body_text(request))
        if restarted is None:
            return Response(status_code=204)
        response = Response(restarted.fragment, 200, {"ETag": restarted.etag}, FRAGMENT_TYPE)
        _add_links(response, ice.issue(transmission.call.id))
        return response

    async def end(request: Request, protocol: Protocol, name: str, key: str) -> Response:
        await transmissions.end(transmissions.get(protocol, name, key))
        return Response(status_code=200)

    started: dict[int | str, dict[str, Any]] = {
        201: {"description": "The answer; Location is the transmission's address", "content": {SDP_TYPE: {}}},
        **documented(400, 401, 404, 409, 415, 422, 503),
    }
    patched: dict[int | str, dict[str, Any]] = {
        200: {"description": "ICE is restarted", "content": {FRAGMENT_TYPE: {}}},
        204: {"description": "The candidates were taken"},
        **documented(400, 401, 404, 409, 412, 415, 428, 429),
    }

    @routes.post(
        "/whip/{target}",
        status_code=201,
        summary="A microphone speaks for a session, or for a new one of an avatar",
        responses=started,
        openapi_extra=_SDP_BODY,
    )
    async def publish(request: Request, target: str, show: Annotated[str, _SHOW] = "") -> Response:
        return await start(request, "whip", target, show)

    @routes.post(
        "/whep/{target}", status_code=201, summary="Watch a session", responses=started, openapi_extra=_SDP_BODY
    )
    async def watch(request: Request, target: str, alpha: Annotated[Alpha | None, _ALPHA] = None) -> Response:
        return await start(request, "whep", target, alpha=alpha is not None)

    @routes.options("/whip/{target}", include_in_schema=False)
    async def whip_options(request: Request, target: str) -> Response:
        return options(request, "whip")

    @routes.options("/whep/{target}", include_in_schema=False)
    async def whep_options(request: Request, target: str) -> Response:
        return options(request, "whep")

    @routes.patch(
        "/whip/{name}/{key}",
        summary="Trickle candidates, or restart ICE",
        responses=patched,
        openapi_extra=_FRAGMENT_BODY,
    )
    async def patch_whip(request: Request, name: str, key: str) -> Response:
        return await patch(request, "whip", name, key)

    @routes.patch(
        "/whep/{name}/{key}",
        summary="Trickle candidates, or restart ICE",
        responses=patched,
        openapi_extra=_FRAGMENT_BODY,
    )
    async def patch_whep(request: Request, name: str, key: str) -> Response:
        return await patch(request, "whep", name, key)

    @routes.delete("/whip/{name}/{key}", summary="Stop speaking", responses=documented(401, 404))
    async def end_whip(request: Request, name: str, key: str) -> Response:
        return await end(request, "whip", name, key)

    @routes.delete("/whep/{name}/{key}", summary="Stop watching", responses=documented(401, 404))
    async def end_whep(request: Request, name: str, key: str) -> Response:
        return await end(request, "whep", name, key)

    return routes


def _add_links(response: Response, servers: tuple[IceServer, ...]) -> None:
    for link in ice_links(servers):
        response.headers.append("Link", link)
