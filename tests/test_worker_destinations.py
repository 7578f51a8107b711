"""Which worker a request is for, and what all of them say together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from visavis_server.settings_sources import load_settings
from visavis_server.transmissions import watch_id
from visavis_server.workers.crew import Crew, Worker
from visavis_server.workers.destinations import ANY, Destination, destination, id_prefix, ranked, worker_of
from visavis_server.workers.merged import joined_bodies, joined_figures
from visavis_server.workers.plan import WorkerPlan, plans

pytestmark = pytest.mark.unit

ONE = Destination("one", 2)
OPENS = Destination("any", opens=True)


@pytest.mark.parametrize(
    ("method", "address", "body", "goes"),
    [
        ("GET", "/v1/sessions/2.abc-_", "", ONE),
        ("WEBSOCKET", "/v1/sessions/2.abc/signal", "", ONE),
        ("DELETE", "/v1/sessions/2.abc/outputs/x", "", ONE),
        ("GET", "/v1/shows/2.abc/events", "", ONE),
        ("POST", "/whip/2.abc", "v=0", ONE),
        ("PATCH", "/whip/2.abc/key", "", ONE),
        ("POST", "/whep/2.abcdef", "v=0", ONE),
        ("DELETE", "/whep/evening/key", "", Destination("name", name="evening")),
        ("POST", "/whep/evening", "v=0", Destination("name", name="evening")),
        ("GET", "/v1/watch/evening", "", Destination("name", name="evening")),
        ("POST", "/whip/astronaut", "v=0", OPENS),
        ("POST", "/whip/astronaut?show=evening", "v=0", Destination("name", name="evening", opens=True)),
        ("WEBSOCKET", "/v1/agents?avatar_id=zoe", "", OPENS),
        ("WEBSOCKET", "/v1/agents?show=evening", "", Destination("name", name="evening", opens=True)),
        ("POST", "/v1/sessions", '{"avatar_id": "zoe"}', OPENS),
        ("POST", "/v1/sessions", '{"avatar_id": "zoe", "show": "evening"}', Destination("name", 0, "evening", True)),
        ("POST", "/v1/shows", '{"name": "evening"}', Destination("name", 0, "evening", True)),
        ("POST", "/v1/sessions", '{"show": 3}', OPENS),
        ("POST", "/v1/sessions", "[1]", OPENS),
        ("POST", "/v1/sessions", "no json", OPENS),
        ("GET", "/v1/sessions", "", Destination("all")),
        ("GET", "/metrics", "", Destination("all")),
        ("GET", "/readyz", "", Destination("all")),
        ("GET", "/", "", ANY),
        ("POST", "/v1/avatars", "", ANY),
        ("GET", "/v1/sessions/abc", "", Destination("name", name="abc")),
    ],
)
def test_addresses_tell_who_answers(method: str, address: str, body: str, goes: Destination) -> None:
    path, _, query = address.partition("?")
    assert destination(method, path, query, body.encode()) == goes


def test_ids_name_their_worker_and_so_do_the_names_to_watch_them_by() -> None:
    id = id_prefix(12) + "Ab-_9"
    assert worker_of(id) == 12 and worker_of("astronaut") is None and worker_of("1000.x") is None
    assert worker_of(watch_id(id)) == 12 and watch_id(id) != watch_id(id_prefix(1) + "Ab-_9")
    assert "." not in watch_id("Ab-_9") and "Ab" not in watch_id(id)


def test_names_stay_where_they_are_when_workers_come() -> None:
    names = [f"show-{k}" for k in range(300)]
    first = {name: ranked(name, [1, 2, 3])[0] for name in names}
    assert all(70 <= list(first.values()).count(worker) <= 130 for worker in (1, 2, 3))
    moved = [name for name in names if ranked(name, [1, 2, 3, 4])[0] != first[name]]
    assert 45 <= len(moved) <= 110 and all(ranked(name, [1, 2, 3, 4])[0] == 4 for name in moved)


def test_places_are_shared_out_and_only_the_first_plays_the_servers_own_show(tmp_path: Path) -> None:
    show = tmp_path / "a.wav"
    show.touch()
    flags = {"sessions.capacity": 7, "shows.play": (str(show),), "shows.token": "secret", "server.port": 4000}
    made = plans(load_settings(flags=flags), 3, tmp_path, ["0", "5"])
    assert [plan.settings.capacity for plan in made] == [3, 3, 3] and [plan.card for plan in made] == ["0", "5", "0"]
    assert [bool(plan.settings.shows.play) for plan in made] == [True, False, False]
    assert made[2].settings.shows.token == "secret" and made[2].settings.server.port == 4000
    assert WorkerPlan.unpacked(made[1].packed()) == made[1]


def test_all_say_together_what_there_is() -> None:
    health = [{"status": "ok", "version": "1", "sessions": k, "capacity": 4} for k in (1, 3)]
    assert joined_bodies("/healthz", health, 3) == {
        "status": "ok", "version": "1", "sessions": 4, "capacity": 8, "workers": 2, "workers_wanted": 3,
    }  # fmt: skip
    assert joined_bodies("/v1/config", [{"capacity": 4, "badge": True}] * 2, 2) == {"capacity": 8, "badge": True}
    listed = [{"sessions": [{"id": "1.a"}]}, {"sessions": [{"id": "2.b"}]}]
    assert json.dumps(joined_bodies("/v1/sessions", listed, 2)) == '{"sessions": [{"id": "1.a"}, {"id": "2.b"}]}'


def test_figures_are_told_apart_and_described_once(tmp_path: Path) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    text = "# HELP a_total Of {these}.\n# TYPE a_total counter\na_total 3.0\n"
    text += '# HELP b B.\n# TYPE b gauge\nb{how="x y",le="1"} 4.0\nb{how="z"} 5.0\n'
    crew = Crew(plans(load_settings(), 2, tmp_path, []), ["nothing"])
    crew.workers = [Worker(plan, ready=True, starts=plan.number) for plan in crew.plans]
    joined = joined_figures({1: text, 2: text.replace("3.0", "7.0")}, crew)
    families = {family.name: family for family in text_string_to_metric_families(joined)}
    assert {(s.labels["worker"], s.value) for s in families["a"].samples} == {("1", 3.0), ("2", 7.0)}
    assert {"worker": "2", "how": "x y", "le": "1"} in [s.labels for s in families["b"].samples]
    assert joined.count("# HELP b") == 1 and families["visavis_workers"].samples[0].value == 2
    assert [s.value for s in families["visavis_worker_restarts"].samples] == [0, 1]
