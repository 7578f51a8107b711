from __future__ import annotations

import base64
import json
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from visavis_models.errors import BadInput, BadRequest, NotFound, StorageError
from visavis_server.access.grants import Grant, read_scopes
from visavis_server.access.keys import KeyStore, keys_file, signing_secret
from visavis_server.access.tokens import grant_of_token, sign

pytestmark = pytest.mark.unit

NOW_S = 1_795_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


def store(folder: Path, operator: str = "", clock: Clock | None = None) -> KeyStore:
    return KeyStore(keys_file(folder), operator, clock or Clock())


def test_a_key_works_until_it_is_revoked_and_is_kept_nowhere(tmp_path: Path) -> None:
    keys = store(tmp_path)
    assert keys.empty and not keys.all() and keys.find("vv_x") is None
    text, made = keys.create("  Ada   Lovelace ", read_scopes(["call", "view"]), avatar="zoe", max_sessions=2)
    assert (made.name, made.avatar, made.max_sessions) == ("Ada Lovelace", "zoe", 2)
    found = store(tmp_path).find(text)
    assert found == made and found.grant == Grant(frozenset({"call", "view"}), made.id, "zoe", max_sessions=2)
    kept = keys_file(tmp_path).read_text()
    assert text not in kept and text.split("_")[2] not in kept
    assert stat.S_IMODE(keys_file(tmp_path).stat().st_mode) == 0o600
    assert stat.S_IMODE(keys_file(tmp_path).parent.stat().st_mode) == 0o700
    others = (text.replace(made.id, "aaaaaaaaaa"), "", "vv__", made.verifier)
    for wrong in (text[:-1], text + "x", text.swapcase(), *others):
        assert keys.find(wrong) is None, wrong
    assert text not in repr(made) and made.signer not in repr(made)
    assert keys.revoke("Ada Lovelace").id == made.id
    assert keys.find(text) is None and keys.all() == ()


def test_keys_end_in_time(tmp_path: Path) -> None:
    clock = Clock()
    keys = store(tmp_path, clock=clock)
    text, _ = keys.create("guest", read_scopes(["call"]), lasts_s=60)
    clock.now_s += 59
    assert keys.find(text) is not None
    clock.now_s += 1
    assert keys.find(text) is None and keys.empty and len(keys.all()) == 1


def test_a_running_server_notices_what_the_command_line_does(tmp_path: Path) -> None:
    server, command = store(tmp_path), store(tmp_path)
    assert server.find("vv_abcdefghij_" + "a" * 43) is None
    text, made = command.create("late", read_scopes(["call"]))
    deadline_s = time.monotonic() + 5
    while server.find(text) is None and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert server.find(text) == made
    command.revoke(made.id)
    while server.find(text) is not None and time.monotonic() < deadline_s + 5:
        time.sleep(0.05)
    assert server.find(text) is None


def test_programs_that_make_keys_at_once_lose_none(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=lambda n=n: store(tmp_path).create(f"k{n}", read_scopes(["call"]))) for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in store(tmp_path).all()} == {f"k{n}" for n in range(12)}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 2, "keys": []}', '{"version": 1, "keys": [{"id": 1}]}', "\ud800"]
)
def test_a_damaged_file_lets_nobody_in_and_is_named(tmp_path: Path, content: str) -> None:
    path = keys_file(tmp_path)
    path.parent.mkdir()
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(StorageError) as refused:
        store(tmp_path).all()
    assert refused.value.code == "keys_unusable" and str(path) in refused.value.message


def test_a_crash_while_writing_leaves_the_keys_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = store(tmp_path)
    text, _ = keys.create("first", read_scopes(["call"]))

    def crash(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(StorageError):
        keys.create("second", read_scopes(["call"]))
    assert [key.name for key in store(tmp_path).all()] == ["first"] and store(tmp_path).find(text)


def test_names_and_scopes_are_checked(tmp_path: Path) -> None:
    keys = store(tmp_path)
    for name in ("", " ", "x" * 61, "a\x00b"):
        with pytest.raises(BadInput, match="needs a name"):
            keys.create(name, read_scopes(["call"]))
    with pytest.raises(BadInput, match="no scope admin"):
        read_scopes(["call", "admin"])
    with pytest.raises(BadInput, match="no scope none"):
        read_scopes([])
    with pytest.raises(BadInput, match="cannot be for one avatar"):
        keys.create("x", read_scopes(["manage"]), avatar="zoe")
    for name in ("twin", "twin"):
        keys.create(name, read_scopes(["call"]))
    with pytest.raises(NotFound, match="2 keys named twin"):
        keys.revoke("twin")
    with pytest.raises(NotFound):
        keys.revoke("nobody")


def test_the_key_of_the_settings_can_do_everything(tmp_path: Path) -> None:
    keys = store(tmp_path, operator="a-long-enough-secret")
    found = keys.find("a-long-enough-secret")
    assert found is not None and "manage" in found.scopes and not keys.empty
    assert keys.find("a-long-enough-secreT") is None
    token = sign(found, read_scopes(["view"]), 60, NOW_S)
    assert grant_of_token(token, keys, NOW_S, 3600).scopes == {"view"}


def made_by_hand(key_text: str, kid: str, algorithm: str = "HS256", **claims: Any) -> str:
    """A token as docs/security.md says that others may make it."""
    usual = {"iss": "visavis", "iat": int(NOW_S), "exp": int(NOW_S) + 60, "scope": "call"}
    return jwt.encode({**usual, **claims}, bytes.fromhex(signing_secret(key_text)), algorithm, headers={"kid": kid})


def test_whoever_has_a_key_can_make_tokens_without_the_server(tmp_path: Path) -> None:
    keys = store(tmp_path)
    text, key = keys.create("app", read_scopes(["call", "view"]))
    token = made_by_hand(text, key.id, session="stage")
    grant = grant_of_token(token, keys, NOW_S, 3600)
    assert (grant.scopes, grant.session, grant.owner) == (frozenset({"call"}), "stage", key.id)
    keys.revoke(key.id)
    with pytest.raises(BadRequest, match="does not exist"):
        grant_of_token(token, keys, NOW_S, 3600)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW_S - 1},
        {"exp": NOW_S + 3600 * 24 * 365},
        {"iat": NOW_S + 600, "exp": NOW_S + 660},
        {"exp": "soon"},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": None},
        {"iat": None},
        {"iat": 10**400},
        {"iss": "other"},
        {"scope": "manage"},
        {"scope": "publish"},
        {"scope": ""},
        {"scope": ["call"]},
        {"scope": "call call admin"},
        {"avatar": "other"},
        {"avatar": None},
        {"avatar": ["zoe"]},
        {"session": ""},
        {"session": "x" * 101},
        {"session": 7},
        {"nbf": NOW_S * 10},
    ],
)
def test_a_token_claims_no_more_than_its_key_has(tmp_path: Path, claims: dict[str, Any]) -> None:
    keys = store(tmp_path)
    text, key = keys.create("app", read_scopes(["call"]), avatar="zoe")
    assert grant_of_token(made_by_hand(text, key.id, avatar="zoe"), keys, NOW_S, 3600).avatar == "zoe"
    with pytest.raises(BadRequest) as refused:
        grant_of_token(made_by_hand(text, key.id, **{"avatar": "zoe", **claims}), keys, NOW_S, 3600)
    assert refused.value.code == "unauthorized"


def test_tokens_that_are_forged_or_altered_are_none(tmp_path: Path) -> None:
    keys = store(tmp_path)
    text, key = keys.create("app", read_scopes(["manage"]))
    _, other = keys.create("other", read_scopes(["call"]))
    good = made_by_hand(text, key.id, scope="manage")
    assert grant_of_token(good, keys, NOW_S, 3600).scopes == {"manage"}
    head, body, signature = good.split(".")
    claims = {"iss": "visavis", "exp": NOW_S + 60, "iat": NOW_S, "scope": "manage"}
    unsigned = jwt.encode(claims, "", "none", headers={"kid": key.id})
    list_as_kid = base64.urlsafe_b64encode(b'{"alg": "HS256", "kid": ["list"]}').decode().rstrip("=")
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        longer = made_by_hand(text, key.id, "HS512")
    other_body = made_by_hand(text, key.id, scope="view").split(".")[1]
    other_first = "a" if signature[0] != "a" else "b"
    forged = [
        made_by_hand(text + "x", key.id), made_by_hand(text, other.id), made_by_hand(text, "../../x"), longer,
        unsigned, f"{head}.{body}.", f"{head}.{body}.{other_first}{signature[1:]}", f"{head}.{other_body}.{signature}",
        "..", "a.b.c", f"{good}.{good}", "e30.e30.e30", f"{list_as_kid}.{body}.{signature}", "x" * 5000,
        "\ud800.b.c", "é.é.é",
    ]  # fmt: skip
    for token in forged:
        with pytest.raises(BadRequest) as refused:
            grant_of_token(token, keys, NOW_S, 3600)
        assert refused.value.code == "unauthorized", token[:80]


def test_a_key_signs_no_more_than_it_has(tmp_path: Path) -> None:
    keys = store(tmp_path)
    _, small = keys.create("small", read_scopes(["call"]), avatar="zoe", lasts_s=30)
    for scopes, avatar in ((["publish"], None), (["call"], "other"), (["manage"], None)):
        with pytest.raises(BadRequest):
            sign(small, read_scopes(scopes), 60, NOW_S, avatar=avatar)
    grant = grant_of_token(sign(small, read_scopes(["call"]), 600, NOW_S), keys, NOW_S, 3600)
    assert (grant.avatar, grant.expires_s) == ("zoe", NOW_S + 30)
    _, large = keys.create("large", read_scopes(["manage"]))
    assert grant_of_token(sign(large, read_scopes(["call"]), 60, NOW_S), keys, NOW_S, 3600).scopes == {"call"}
    with pytest.raises(BadInput, match="cannot be for one"):
        sign(large, read_scopes(["manage"]), 60, NOW_S, session="stage")


def test_the_file_can_be_read_by_people(tmp_path: Path) -> None:
    keys = store(tmp_path)
    keys.create("app", read_scopes(["call"]))
    [row] = json.loads(keys_file(tmp_path).read_text())["keys"]
    assert row["name"] == "app" and row["scopes"] == ["call"]
