"""Builds the settings once: defaults, then a TOML file, then VISAVIS_* in the environment, then flags; later ones win.

An unknown key or a value of the wrong kind stops the start and is named, with the source it came from.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from visavis_server.settings import BadSetting, IceServer, Settings, StreamTarget

ENV_PREFIX = "VISAVIS_"
CONFIG_VARIABLE = "VISAVIS_CONFIG"
"""Names the TOML file when the flag --config does not."""


@dataclass(frozen=True, slots=True)
class _Given:
    value: Any
    source: str
    """For messages: the file's path, the variable, the flag."""
    text: bool
    """The value is a string that stands for another type."""


def load_settings(
    config: Path | None = None, environ: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None
) -> Settings:
    """The settings of this start.

    Args:
        config: a TOML file; None takes the one that VISAVIS_CONFIG names, if any.
        environ: VISAVIS_<SECTION>_<KEY>, such as VISAVIS_SERVER_PORT, and VISAVIS_DATA_DIR.
        flags: values by dotted key, `{"server.port": 9000}`; None means not given.

    Raises:
        BadSetting: a key is unknown, or its value cannot be used.
    """
    environ = environ or {}
    if config is None and environ.get(CONFIG_VARIABLE):
        config = Path(environ[CONFIG_VARIABLE])
    given: dict[str, _Given] = {}
    if config is not None:
        given.update(_from_file(config))
    given.update(_from_environment(environ))
    for key, value in (flags or {}).items():
        if value is not None and value != ():
            given[key] = _Given(value, f"--{key.rpartition('.')[2].replace('_', '-')}", False)
    return _build(given)


def setting_keys() -> dict[str, Any]:
    """Every dotted key with its type."""
    keys: dict[str, Any] = {}
    for name, hint in get_type_hints(Settings).items():
        if is_dataclass(hint):
            keys.update({f"{name}.{key}": kind for key, kind in get_type_hints(hint).items()})
        else:
            keys[name] = hint
    return keys


def _secret_keys() -> frozenset[str]:
    """The settings whose values no message may show."""
    sections = {name: hint for name, hint in get_type_hints(Settings).items() if is_dataclass(hint)}
    return frozenset(
        f"{name}.{spec.name}" for name, hint in sections.items() for spec in fields(hint) if spec.metadata.get("secret")
    )


def _from_file(path: Path) -> dict[str, _Given]:
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BadSetting("--config", f"names {path}, which is not there", "Give the path of a TOML file.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSetting("--config", f"names {path}, which cannot be read: {error}", "Correct the file.") from error
    given: dict[str, _Given] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            given.update({f"{name}.{key}": _Given(inner, str(path), False) for key, inner in value.items()})
        else:
            given[name] = _Given(value, str(path), False)
    return given


def _from_environment(environ: Mapping[str, str]) -> dict[str, _Given]:
    by_variable = {ENV_PREFIX + key.replace(".", "_").upper(): key for key in setting_keys()}
    given: dict[str, _Given] = {}
    for variable, text in environ.items():
        if not variable.startswith(ENV_PREFIX) or variable == CONFIG_VARIABLE:
            continue
        if variable not in by_variable:
            raise BadSetting(variable, "is not a setting", f"Known are {', '.join(sorted(by_variable))}.")
        given[by_variable[variable]] = _Given(text, variable, True)
    return given


def _build(given: Mapping[str, _Given]) -> Settings:
    kinds = setting_keys()
    for key, item in given.items():
        if key not in kinds:
            raise BadSetting(key, f"is not a setting (from {item.source})", f"Known are {', '.join(kinds)}.")
    values = {key: _converted(key, kinds[key], item) for key, item in given.items()}
    sections: dict[str, Any] = {}
    for name, hint in get_type_hints(Settings).items():
        if isinstance(hint, type) and is_dataclass(hint):
            inner = {key: values[f"{name}.{key}"] for key in get_type_hints(hint) if f"{name}.{key}" in values}
            _check_ranges(name, hint, inner, given)
            sections[name] = hint(**inner)
        elif name in values:
            sections[name] = values[name]
    return Settings(**sections)


def _check_ranges(section: str, hint: Any, values: Mapping[str, Any], given: Mapping[str, _Given]) -> None:
    for spec in fields(hint):
        if spec.name not in values or "low" not in spec.metadata:
            continue
        low, high, value = spec.metadata["low"], spec.metadata["high"], values[spec.name]
        if not low <= value <= high:
            key = f"{section}.{spec.name}"
            source = given[key].source
            raise BadSetting(key, f"is {value} (from {source})", f"Choose a number from {low:g} to {high:g}.")


def _converted(key: str, kind: Any, item: _Given) -> Any:
    def refuse(wanted: str) -> BadSetting:
        shown = "cannot be used" if key in _SECRETS or kind in _WITH_SECRETS else f"is {item.value!r}"
        return BadSetting(key, f"{shown} (from {item.source})", f"Give {wanted}.")

    value = item.value
    if isinstance(kind, UnionType):  # only `Path | None` occurs
        kind = next(part for part in get_args(kind) if part is not type(None))
    if kind is bool:
        if item.text:
            value = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(value.lower())
        if not isinstance(value, bool):
            raise refuse("true or false")
        return value
    if kind in (int, float):
        try:
            value = kind(value) if item.text else value
        except ValueError:
            raise refuse("a number") from None
        if isinstance(value, bool) or not isinstance(value, (int,) if kind is int else (int, float)) or value != value:
            raise refuse("a whole number" if kind is int else "a number")
        return kind(value)
    if kind is Path:
        if not isinstance(value, str | Path) or not str(value):
            raise refuse("a path")
        return Path(value).expanduser()
    if kind is str:
        if not isinstance(value, str):
            raise refuse("a text")
        return value
    assert get_origin(kind) is tuple
    return _sequence(value, get_args(kind)[0], item.text, refuse)


def _sequence(value: Any, kind: Any, text: bool, refuse: Any) -> tuple[Any, ...]:
    if kind is str:
        value = [part.strip() for part in value.split(",") if part.strip()] if text else value
        if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
            raise refuse("a list of texts")
        return tuple(value)
    if text:
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise refuse(f"JSON, such as {_EXAMPLES[kind]}") from None
    if not isinstance(value, list | tuple):
        raise refuse("a list")
    read = _stream_target if kind is StreamTarget else _ice_server
    return tuple(entry if isinstance(entry, kind) else read(entry, refuse) for entry in value)


def _ice_server(entry: Any, refuse: Any) -> IceServer:
    if not isinstance(entry, dict) or set(entry) - {"urls", "username", "credential"}:
        raise refuse("entries with urls, username and credential")
    urls = entry.get("urls", [])
    urls = [urls] if isinstance(urls, str) else urls
    names = (entry.get("username"), entry.get("credential"))
    if not isinstance(urls, list) or not all(isinstance(part, str) for part in (*urls, *(n for n in names if n))):
        raise refuse("entries with urls, username and credential")
    return IceServer(tuple(urls), *names)


def _stream_target(entry: Any, refuse: Any) -> StreamTarget:
    wanted = "entries with name, url and, if needed, key, token and automatic"
    texts = ("name", "url", "key", "token")
    if not isinstance(entry, dict) or set(entry) - {*texts, "automatic"} or not {"name", "url"} <= set(entry):
        raise refuse(wanted)
    if not all(isinstance(entry[key], str) for key in texts if key in entry):
        raise refuse(wanted)
    if not isinstance(entry.get("automatic", False), bool):
        raise refuse(wanted)
    return StreamTarget(**entry)


_SECRETS = _secret_keys()
_WITH_SECRETS = (tuple[IceServer, ...], tuple[StreamTarget, ...])
_EXAMPLES = {
    IceServer: '[{"urls": ["stun:host:3478"]}]',
    StreamTarget: '[{"name": "youtube", "url": "rtmps://host/app", "key": "..."}]',
}
