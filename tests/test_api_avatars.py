from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import pytest

from running_server import client_of, house, running
from visavis_server.api.avatars import avatar_name

pytestmark = pytest.mark.unit

JPEG = b"\xff\xd8" + b"x" * 1000
FORM = {"name": "Grace", "consent": "true"}


async def upload(client: httpx.AsyncClient, photo: bytes = JPEG, **form: str) -> httpx.Response:
    return await client.post("/v1/avatars", files={"photo": ("p.jpg", photo, "image/jpeg")}, data={**FORM, **form})


def code_of(answer: httpx.Response) -> str:
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "remedy"} and error["message"] and error["remedy"]
    return str(error["code"])


async def test_built_in_avatars_come_first() -> None:
    async with client_of(house()) as client:
        avatars = (await client.get("/v1/avatars")).json()["avatars"]
    assert [avatar["name"] for avatar in avatars] == ["Astronaut", "Zoe", "Ada"]
    assert avatars[0] == {
        "id": "astronaut",
        "name": "Astronaut",
        "width": 16,
        "height": 24,
        "builtin": True,
        "notes": [],
        "faces": [{"x": round(1 / 16, 4), "y": round(1 / 24, 4), "width": round(1 / 16, 4)}],
        "image_url": "/v1/avatars/astronaut/image",
        "thumbnail_url": "/v1/avatars/astronaut/thumbnail",
    }


async def test_an_upload_becomes_an_avatar_that_can_be_looked_at_and_removed() -> None:
    async with client_of(house()) as client:
        made = await upload(client)
        assert made.status_code == 201, made.text
        url = made.headers["Location"]
        assert made.json()["name"] == "Grace"
        assert made.json()["notes"] == ["1 more face is too small, turned away or cut off, and will not move."]
        assert (await client.get(url)).json() == made.json()
        picture = await client.get(made.json()["image_url"])
        assert picture.headers["content-type"] == "image/jpeg" and picture.content.startswith(b"\xff\xd8")
        again = await client.get(made.json()["image_url"], headers={"If-None-Match": picture.headers["ETag"]})
        assert again.status_code == 304 and again.content == b""
        assert (await client.delete(url)).status_code == 204
        assert (await client.get(url)).status_code == 404
        assert (await client.delete(url)).status_code == 404


async def test_a_built_in_avatar_cannot_be_removed() -> None:
    async with client_of(house()) as client:
        answer = await client.delete("/v1/avatars/astronaut")
    assert (answer.status_code, code_of(answer)) == (403, "builtin_avatar")


@pytest.mark.parametrize("consent", ["", "false", "True", "1"])
async def test_without_consent_nothing_is_looked_at(consent: str) -> None:
    home = house()
    async with client_of(home) as client:
        answer = await upload(client, consent=consent)
    assert (answer.status_code, code_of(answer)) == (422, "consent_required")
    assert home.library.added == []


@pytest.mark.parametrize("photo", [b"", b"GIF89a", b"<svg/>", b"\x00" * 100])
async def test_what_is_no_photo_is_refused_with_the_librarys_reason(photo: bytes) -> None:
    async with client_of(house()) as client:
        answer = await upload(client, photo)
    assert (answer.status_code, code_of(answer)) == (422, "not_an_image")


@pytest.mark.parametrize(
    ("request_of", "status"),
    [
        ({"data": {"consent": "true"}}, 422),
        ({"data": {"consent": "true", "photo": "text"}}, 422),
        ({"content": b"{}", "headers": {"content-type": "application/json"}}, 422),
        ({"content": b"rubbish", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400),
        ({"content": b"rubbish", "headers": {"content-type": "multipart/form-data"}}, 400),
        ({"content": b""}, 422),
    ],
)
async def test_a_form_that_is_none_is_refused(request_of: dict[str, Any], status: int) -> None:
    async with client_of(house()) as client:
        answer = await client.post("/v1/avatars", **request_of)
    assert answer.status_code == status and code_of(answer)


async def test_a_photo_over_the_limit_is_refused_before_it_is_read() -> None:
    home = house(photos__max_photo_bytes=10_000)
    async with client_of(home) as client:
        slightly = await upload(client, JPEG + b"x" * 10_000)
        far = await upload(client, JPEG + b"x" * 200_000)
    assert [(a.status_code, code_of(a)) for a in (slightly, far)] == [(413, "photo_too_large")] * 2
    assert home.library.added == []


@pytest.mark.e2e
async def test_a_browser_that_sends_too_large_a_photo_reads_the_reason() -> None:
    """Over a real socket, where hanging up early would reset the connection; with and without a declared length."""

    async def endless() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="photo"; filename="p.jpg"\r\n\r\n'
        for _ in range(400):
            yield b"x" * 10_000

    async with running(house(photos__max_photo_bytes=100_000)) as server:
        declared = await upload(server.http, b"\xff\xd8" + b"x" * 5_000_000)
        assert (declared.status_code, code_of(declared)) == (413, "photo_too_large")
        streamed = await server.http.post(
            "/v1/avatars", content=endless(), headers={"content-type": "multipart/form-data; boundary=x"}
        )
        assert (streamed.status_code, code_of(streamed)) == (413, "photo_too_large")
        assert (await server.http.get("/healthz")).status_code == 200


@pytest.mark.e2e
async def test_a_body_that_stops_half_way_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visavis_server.api.guard._BODY_PAUSE_S", 0.2)
    async with running(house()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head = "POST /v1/avatars HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        writer.write(f"{head}Content-Length: 1000\r\n\r\n--x".encode())
        answer = await asyncio.wait_for(reader.read(2000), 5)
        assert answer.startswith(b"HTTP/1.1 408 ") and b"body_too_slow" in answer
        writer.close()


async def test_one_analysis_at_a_time_and_few_in_line() -> None:
    home = house(photos__max_waiting=2)
    go, running_now, most = threading.Event(), [0], [0]

    def block() -> None:
        running_now[0] += 1
        most[0] = max(most[0], running_now[0])
        go.wait(5)
        running_now[0] -= 1

    home.library.add_blocks = block
    async with client_of(home) as client:
        uploads = [asyncio.create_task(upload(client)) for _ in range(3)]
        for _ in range(200):
            if running_now[0]:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        refused = await upload(client)
        assert (refused.status_code, code_of(refused)) == (503, "analysis_busy")
        assert int(refused.headers["Retry-After"]) > 0
        assert (await client.get("/healthz")).status_code == 200  # the event loop is free meanwhile
        go.set()
        assert [answer.status_code for answer in await asyncio.gather(*uploads)] == [201] * 3
    assert most[0] == 1
    assert home.figures()["visavis_analysis_seconds_count"] == 3


async def test_a_shutdown_does_not_wait_for_an_analysis() -> None:
    home = house()
    go, begun = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        go.wait(20)

    home.library.add_blocks = block
    async with running(home) as server:
        waiting = asyncio.create_task(upload(server.http))
        await asyncio.to_thread(begun.wait, 5)
        server.server.should_exit = True
        answer = await asyncio.wait_for(waiting, 4)
        assert (answer.status_code, code_of(answer)) == (503, "shutting_down")
        await asyncio.wait_for(server.serving, 4)
        go.set()


async def test_a_photo_of_fifteen_megabytes_is_taken() -> None:
    home = house()
    async with client_of(home) as client:
        assert (await upload(client, b"\xff\xd8" + b"x" * 15_000_000)).status_code == 201
    assert home.library.added == [(15_000_002, "Grace")]


async def test_a_defect_in_the_analysis_tells_nothing_of_its_inside(caplog: pytest.LogCaptureFixture) -> None:
    async with client_of(house()) as client:
        answer = await upload(client, b"!boom")
        assert (answer.status_code, code_of(answer)) == (500, "internal_error")
        assert "secret" not in answer.text and "Traceback" not in answer.text
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert (await upload(client)).status_code == 201
    assert len([record for record in caplog.records if record.exc_info]) == 1


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("Ada", "Ada"),
        ("  Ada \n Lovelace\t", "Ada Lovelace"),
        ("", "My avatar"),
        ("\u202e\x00", "My avatar"),
        ("x" * 200, "x" * 60),
        ("<b>Ada</b>", "<b>Ada</b>"),
    ],
)
def test_names_are_made_fit_to_be_shown(typed: str, shown: str) -> None:
    assert avatar_name(typed) == shown
