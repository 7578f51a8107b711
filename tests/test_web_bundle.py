"""The committed web page: complete, self-contained, and in step with the protocol's fixture and documents."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[1]
WEB = ROOT / "web_client"
DIST = WEB / "dist"
NAMESPACES = {"http://www.w3.org/2000/svg"}
"""Names that look like addresses; nothing is ever loaded from them."""


class Elements(HTMLParser):
    """Every element of a page as (name, attributes)."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def elements() -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed((DIST / "index.html").read_text(encoding="utf-8"))
    return parser.found


def test_the_bundle_is_complete() -> None:
    names = {path.name for path in DIST.iterdir()}
    page = {"index.html", "app.js", "app.css", "icon.svg", "avatar-client.js", "avatar-client.d.ts"}
    assert names == page | {"obs.html", "obs.js", "obs.css"}


def test_the_obs_page_is_bare_and_loads_only_files_that_lie_beside_it() -> None:
    parser = Elements()
    parser.feed((DIST / "obs.html").read_text(encoding="utf-8"))
    loaded = {value for _, held in parser.found for name in ("src", "href") if (value := held.get(name)) is not None}
    assert loaded == {"./icon.svg", "./obs.css", "./obs.js"} and all((DIST / address).is_file() for address in loaded)
    seen = [(tag, held) for tag, held in parser.found if tag in ("video", "p", "pre", "button", "input", "canvas")]
    assert [tag for tag, held in seen if "hidden" not in held] == ["video"], "no controls, and the video is only read"
    style = (DIST / "obs.css").read_text(encoding="utf-8")
    assert "background-color:transparent" in style and "url(" not in style


def test_the_page_loads_only_files_that_lie_beside_it(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    loaded = [
        value
        for tag, attributes in elements
        for name in ("src", "href")
        if (value := attributes.get(name)) is not None and not (tag == "use" and value.startswith("#"))
    ]
    assert {"./app.js", "./app.css"} <= set(loaded)
    for address in loaded:
        assert (DIST / address).is_file(), address


def test_nothing_in_the_bundle_names_another_host() -> None:
    for path in DIST.iterdir():
        text = path.read_text(encoding="utf-8")
        hosts = set(re.findall(r"(?:https?|wss?)://[\w.-]+\.[a-z]{2,}[^\s\"'`)]*", text)) - NAMESPACES
        assert not hosts, (path.name, hosts)
        assert "@import" not in text or path.suffix == ".js"


def test_styles_load_no_pictures_or_fonts() -> None:
    assert not re.findall(r"url\((?!#)[^)]*\)", (DIST / "app.css").read_text(encoding="utf-8"))


def test_the_page_needs_no_inline_script_or_style(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    assert all("src" in attributes for tag, attributes in elements if tag == "script")
    assert not [tag for tag, attributes in elements if tag == "style" or "style" in attributes]
    assert not [tag for tag, attributes in elements if any(name.startswith("on") for name in attributes)]


def test_the_buttons_that_programs_press_are_there(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    buttons = {attributes.get("id") for tag, attributes in elements if tag == "button"}
    assert {"start", "stop", "mute", "interrupt", "attend", "speaker", "stats", "add", "remove"} <= buttons
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_icon_that_is_used_is_drawn(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    drawn = {f"#{attributes['id']}" for tag, attributes in elements if tag == "symbol"}
    used = {attributes["href"] for tag, attributes in elements if tag == "use"}
    assert used == drawn


def test_every_field_has_a_label(elements: list[tuple[str, dict[str, str | None]]]) -> None:
    page = (DIST / "index.html").read_text(encoding="utf-8")
    labelled = {attributes.get("for") for tag, attributes in elements if tag == "label"}
    for tag, attributes in elements:
        if tag in ("input", "select"):
            around = re.search(rf'<label[^>]*>(?:(?!</label>).)*id="{attributes["id"]}"', page, re.S)
            assert attributes["id"] in labelled or around, attributes


def test_the_page_says_that_it_shows_an_ai_avatar() -> None:
    assert "AI avatar" in (DIST / "index.html").read_text(encoding="utf-8")


def test_the_fixture_has_every_message_of_the_documents() -> None:
    fixture = json.loads((WEB / "protocol.fixture.json").read_text(encoding="utf-8"))
    documents = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    client, server = documents.split("| client → server | |")[1].split("| server → client | |")
    server = server.split("\n## ")[0]  # what follows is others' protocol
    for side, table in (("client", client), ("server", server)):
        documented = set(re.findall(r'^\| `\{"type": "(\w+)"', table, re.M))
        assert {message["type"] for message in fixture[side]} == documented


def test_the_page_knows_every_message_of_the_fixture() -> None:
    fixture = json.loads((WEB / "protocol.fixture.json").read_text(encoding="utf-8"))
    for bundle in ("app.js", "avatar-client.js"):
        text = (DIST / bundle).read_text(encoding="utf-8")
        for message in fixture["server"]:
            assert re.search(rf'case\s?"{message["type"]}"', text), (bundle, message["type"])
        for message in fixture["client"]:
            assert re.search(rf'type:\s?"{message["type"]}"', text), (bundle, message["type"])


def test_the_lock_file_pins_versions_and_names_no_registry() -> None:
    lock = (WEB / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock and "://" not in lock
    wanted = json.loads((WEB / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
