"""What WHIP and WHEP refuse: others' transmissions, offers that cannot be served, too many, no token, other sites."""

from __future__ import annotations

import pytest

from visavis_server.transmissions import watch_id
from whip_clients import SDP, Client, bare_offer, venue

pytestmark = pytest.mark.e2e


async def test_one_microphone_a_session_and_so_many_viewers() -> None:
    async with venue(rtc__max_viewers=1) as it:
        session = await it.session()
        clients = [
            Client.microphone(it.http),
            Client.microphone(it.http),
            Client.viewer(it.http),
            Client.viewer(it.http),
        ]
        answers = [
            await client.start(session[url])
            for client, url in zip(clients, ["whip_url"] * 2 + ["whep_url"] * 2, strict=True)
        ]
        assert [answer.status_code for answer in answers] == [201, 409, 201, 503]
        assert answers[1].json()["error"]["code"] == "already_speaking"
        assert answers[3].json()["error"]["code"] == "viewers_full" and int(answers[3].headers["Retry-After"]) > 0
        await clients[0].leave()
        assert (await clients[1].start(session["whip_url"])).status_code == 201
        for client in clients:
            await client.close()


async def test_nobody_ends_what_is_not_theirs() -> None:
    async with venue() as it:
        mine, yours = await it.session(), await it.session()
        first, second = Client.viewer(it.http), Client.viewer(it.http)
        await first.start(mine["whep_url"])
        await second.start(yours["whep_url"])
        name, key = first.address.split("/")[2:]
        other = second.address.split("/")[3]
        for address in (f"/whep/{name}/{other}", f"/whip/{name}/{key}", f"/whep/{mine['id']}/{key}", f"/whep/{name}/x"):
            assert (await it.http.delete(address)).status_code == 404
        assert mine["id"] not in first.address and mine["id"] not in mine["whep_url"]
        assert (await it.http.delete(f"/v1/sessions/{watch_id(mine['id'])}")).status_code == 404
        assert (
            await it.http.post(f"/whip/{watch_id(mine['id'])}", content=await bare_offer(it.http), headers=SDP)
        ).status_code == 404
        assert len(it.transmissions._by_key) == 2
        await first.close()
        await second.close()


@pytest.mark.parametrize(
    ("sdp", "status"),
    [("", 400), ("hello", 400), ("v=0\r\n", 400), ("v=0\r\nm=audio\r\n", 400), ("v=0\r\n" + "a=x\r\n" * 14_000, 413)],
)
async def test_what_is_no_offer_is_refused_and_opens_no_session(sdp: str, status: int) -> None:
    async with venue() as it:
        for path in ("/whip/astronaut", "/whep/astronaut"):
            answer = await it.http.post(path, content=sdp, headers=SDP)
            assert answer.status_code == status and set(answer.json()["error"]) == {"code", "message", "remedy"}
        assert it.registry.active == 0 and it.transmissions._by_key == {}


async def test_an_offer_of_what_cannot_be_served_is_refused_whole() -> None:
    async with venue() as it:
        offer = await bare_offer(it.http)
        session = await it.session()
        for broken in (
            offer.replace("opus/48000", "speex/16000"),
            offer.replace("a=sendonly", "a=recvonly"),
            offer.replace("a=rtcp-mux\r\n", ""),
            "\r\n".join(line for line in offer.splitlines() if "fingerprint" not in line),
            "\r\n".join(line for line in offer.splitlines() if "ice-pwd" not in line),
        ):
            answer = await it.http.post("/whip/astronaut", content=broken, headers=SDP)
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "sdp_refused")
        assert (await it.http.post(session["whep_url"], content=offer, headers=SDP)).status_code == 422
        assert (await it.http.post("/whip/nobody", content=offer, headers=SDP)).status_code == 404
        assert (await it.http.post("/whip/astronaut?show=No+Name", content=offer, headers=SDP)).status_code == 422
        assert (await it.http.post("/whip/astronaut", content=offer)).status_code == 415
        assert it.registry.active == 1


async def test_tokens_are_asked_for_and_options_tell_what_to_send() -> None:
    servers = ({"urls": ["turn:turn.example:3478?transport=udp"], "username": 'u"1', "credential": "c"},)
    async with venue(rtc__publish_token="speak", rtc__watch_token="look", rtc__ice_servers=servers) as it:
        told = await it.http.options("/whip/astronaut")
        assert told.status_code == 204 and told.headers["Accept-Post"] == "application/sdp"
        assert "Link" not in told.headers  # the password of a TURN server is not for everybody
        told = await it.http.options("/whip/astronaut", headers={"Authorization": "Bearer speak"})
        assert told.headers["Link"] == (
            '<turn:turn.example:3478?transport=udp>; rel="ice-server"; username="u\\"1"; credential="c"; '
            'credential-type="password"'
        )
        for headers in ({}, {"Authorization": "Bearer look"}, {"Authorization": "Basic speak"}):
            refused = await it.http.post("/whip/astronaut", content="v=0", headers={**SDP, **headers})
            assert refused.status_code == 401 and refused.headers["WWW-Authenticate"] == "Bearer"
        refused = await it.http.post("/whep/astronaut", content="v=0", headers={**SDP, "Authorization": "Bearer talk"})
        assert refused.status_code == 401
        for token in ("look", "speak"):  # whoever may speak for an avatar may watch it
            heard = await it.http.post(
                "/whep/astronaut", content="v=0", headers={**SDP, "Authorization": f"Bearer {token}"}
            )
            assert heard.status_code == 400
        assert (await it.http.delete("/whep/a/b")).status_code == 401


async def test_a_page_of_an_allowed_site_may_watch_and_others_may_not() -> None:
    async with venue(server__allowed_origins=("https://show.example",)) as it:
        session = await it.session()
        asks = {"Origin": "https://show.example", "Access-Control-Request-Method": "PATCH"}
        asks["Access-Control-Request-Headers"] = "authorization,content-type,if-match"
        told = await it.http.options(session["whep_url"] + "/key", headers=asks)
        assert told.status_code == 200 and "PATCH" in told.headers["Access-Control-Allow-Methods"]
        for origin, status in (("https://show.example", 400), ("https://evil.example", 403)):
            answer = await it.http.post(session["whep_url"], content="x", headers={**SDP, "Origin": origin})
            assert answer.status_code == status
        answer = await it.http.post(session["whep_url"], content="x", headers={**SDP, "Origin": "https://show.example"})
        assert {"ETag", "Link", "Location"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
