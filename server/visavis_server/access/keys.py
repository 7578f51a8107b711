"""API keys: made, kept, revoked. Of a key only hashes are kept, in one file that only its owner can read.

A file is replaced as a whole, so that a running server and the command line can share it. Knows nothing of requests.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from visavis_models.errors import BadInput, NotFound, StorageError
from visavis_server.access.grants import ALL_SCOPES, Grant, Scope, check_binding, read_scopes

PREFIX = "vv_"
_KEY = re.compile(r"vv_([a-z0-9]{10})_([A-Za-z0-9_-]{43})")
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_LOOK_AGAIN_S = 1.0
_MAX_KEYS = 10_000
_MAX_NAME_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One key as it is kept."""

    id: str
    name: str
    scopes: frozenset[Scope]
    created_s: float
    verifier: str = field(repr=False)
    signer: str = field(repr=False)
    """Signs tokens; made from the key one way, so whoever holds the key can sign without asking the server."""
    avatar: str | None = None
    expires_s: float | None = None
    max_sessions: int = 0
    minutes_per_day: int = 0

    @property
    def grant(self) -> Grant:
        """What its holder may do."""
        return Grant(
            self.scopes, self.id, self.avatar, None, self.expires_s, self.max_sessions, self.minutes_per_day
        )  # fmt: skip

    def expired(self, now_s: float) -> bool:
        """Whether it is over with it at that moment, seconds since 1970."""
        return self.expires_s is not None and now_s >= self.expires_s


def signing_secret(key: str) -> str:
    """What tokens of a key are signed with (HMAC-SHA256), as hexadecimal digits."""
    return _digest("visavis token signing v1", key)


def _verifier(key: str) -> str:
    return _digest("visavis key v1", key)


def _digest(purpose: str, key: str) -> str:
    # Keys have 256 random bits: nothing would be gained by a slow hash.
    return hashlib.sha256(f"{purpose}\0{key}".encode()).hexdigest()


def operators_key(text: str) -> AccessKey:
    """The key of the setting `access.key`."""
    return AccessKey("settings", "access.key", ALL_SCOPES, 0.0, _verifier(text), signing_secret(text))


def keys_file(data_dir: Path) -> Path:
    """Where the keys of a server are kept."""
    return data_dir / "access" / "keys.json"


class KeyStore:
    """The keys of this server.

    Args:
        path: the file; need not be there.
        operator: the key of the settings, empty if there is none.
        now_s: seconds since 1970.
    """

    def __init__(self, path: Path, operator: str = "", now_s: Callable[[], float] = time.time) -> None:
        self._path = path
        self._operator = operators_key(operator) if operator else None
        self._now_s = now_s
        self._keys: dict[str, AccessKey] = {}
        self._seen: tuple[int, int, int] | None = None
        self._looked_s = float("-inf")

    def all(self) -> tuple[AccessKey, ...]:
        """Every key, oldest first; that of the settings is not among them.

        Raises:
            StorageError: the file cannot be read or is damaged.
        """
        self._refresh(now=True)
        return tuple(self._keys.values())

    @property
    def empty(self) -> bool:
        """There is no key that works."""
        return self._operator is None and all(key.expired(self._now_s()) for key in self.all())

    def get(self, id: str) -> AccessKey | None:
        """The key of this id, if it still works."""
        if self._operator is not None and id == self._operator.id:
            return self._operator
        self._refresh(now=id not in self._keys)
        key = self._keys.get(id)
        return None if key is None or key.expired(self._now_s()) else key

    def find(self, text: str) -> AccessKey | None:
        """The key that this is, if it still works."""
        verifier = _verifier(text)
        if self._operator is not None and hmac.compare_digest(self._operator.verifier, verifier):
            return self._operator
        shape = _KEY.fullmatch(text)
        key = self.get(shape[1]) if shape else None
        return key if key is not None and hmac.compare_digest(key.verifier, verifier) else None

    def create(
        self,
        name: str,
        scopes: frozenset[Scope],
        *,
        avatar: str | None = None,
        lasts_s: float | None = None,
        max_sessions: int = 0,
        minutes_per_day: int = 0,
    ) -> tuple[str, AccessKey]:
        """Make a key and keep it.

        Returns:
            The key itself, which is kept nowhere, and what is kept.

        Raises:
            BadInput: `bad_key_name`, `bad_scope`, `too_many_keys`.
            StorageError: it cannot be kept.
        """
        shown = " ".join(name.split())
        if not shown or len(shown) > _MAX_NAME_CHARACTERS or not shown.isprintable():
            raise BadInput("bad_key_name", "A key needs a name.", f"Give up to {_MAX_NAME_CHARACTERS} characters.")
        check_binding(scopes, avatar, None)
        id = "".join(secrets.choice(_ID_LETTERS) for _ in range(10))
        text = f"{PREFIX}{id}_{secrets.token_urlsafe(32)}"
        now_s = self._now_s()
        expires_s = None if lasts_s is None else now_s + lasts_s
        key = AccessKey(
            id, shown, scopes, now_s, _verifier(text), signing_secret(text), avatar, expires_s, max_sessions,
            minutes_per_day,
        )  # fmt: skip
        with self._changing() as keys:
            if len(keys) >= _MAX_KEYS:
                raise BadInput("too_many_keys", f"There are {_MAX_KEYS} keys.", "Revoke those that nobody needs.")
            keys[id] = key
        return text, key

    def revoke(self, id_or_name: str) -> AccessKey:
        """Forget a key: nothing that it signed works any more.

        Raises:
            NotFound: there is none of this id, or not exactly one of this name.
            StorageError: that cannot be kept.
        """
        with self._changing() as keys:
            key = _one_of(keys, id_or_name)
            del keys[key.id]
        return key

    def named(self, id_or_name: str) -> AccessKey:
        """The key of this id or, if there is only one, of this name.

        Raises:
            NotFound: see `revoke`.
        """
        self._refresh(now=True)
        if self._operator is not None and id_or_name == self._operator.id:
            return self._operator
        return _one_of(self._keys, id_or_name)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, AccessKey]]:
        """The keys as they are in the file now; what they become is written."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _locked(self._path.with_suffix(".lock")):
                self._refresh(now=True)
                keys = dict(self._keys)
                yield keys
                self._write(keys)
        except OSError as error:
            raise _unusable(self._path, error.strerror or "not writable") from error
        self._refresh(now=True)

    def _write(self, keys: dict[str, AccessKey]) -> None:
        rows = [{**asdict(key), "scopes": sorted(key.scopes)} for key in keys.values()]
        text = json.dumps({"version": 1, "keys": rows}, indent=1)
        half = self._path.with_suffix(".half")
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        half.replace(self._path)

    def _refresh(self, now: bool = False) -> None:
        """Read the file again if it has changed; looked at once a second."""
        clock_s = time.monotonic()
        if not now and clock_s - self._looked_s < _LOOK_AGAIN_S:
            return
        self._looked_s = clock_s
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                self._keys = _read(self._path.read_text("utf-8"))
                self._seen = seen
        except FileNotFoundError:
            self._keys, self._seen = {}, None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, BadInput) as error:
            raise _unusable(self._path, "not readable" if isinstance(error, OSError) else "damaged") from error


def _read(text: str) -> dict[str, AccessKey]:
    tree = json.loads(text)
    if tree["version"] != 1:
        raise ValueError("of a later version")
    rows: list[dict[str, Any]] = tree["keys"]
    return {row["id"]: AccessKey(**{**row, "scopes": read_scopes(row["scopes"])}) for row in rows}


def _one_of(keys: dict[str, AccessKey], id_or_name: str) -> AccessKey:
    found = [key for key in keys.values() if id_or_name in (key.id, key.name)]
    by_id = [key for key in found if key.id == id_or_name]
    if len(by_id or found) != 1:
        problem = f"There are {len(found)} keys named" if found else "There is no key"
        raise NotFound("no_such_key", f"{problem} {id_or_name}.", "See `visavis key list`, and give the id.")
    return (by_id or found)[0]


def _unusable(path: Path, why: str) -> StorageError:
    return StorageError("keys_unusable", f"The file of keys {path} is {why}.", "Mend or remove it, and make new keys.")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one program at a time; where the platform has no such locks, whoever writes last wins."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
