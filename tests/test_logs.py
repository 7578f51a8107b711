from __future__ import annotations

import json
import logging
import sys

import pytest

from visavis_server.logs import FieldFormatter, JsonFormatter, start_logging

pytestmark = pytest.mark.unit


def record(message: str, **fields: object) -> logging.LogRecord:
    return logging.makeLogRecord(
        {
            "name": "visavis_server.registry",
            "levelno": 20,
            "levelname": "INFO",
            "msg": message,
            "created": 1e9,
            **fields,
        }
    )


def test_a_json_line_is_one_object_with_its_fields() -> None:
    line = JsonFormatter().format(record("session opened", session="k3", active=2, msecs=250.0))
    assert json.loads(line) == {
        "time": "2001-09-09T01:46:40.250Z",
        "level": "info",
        "logger": "visavis_server.registry",
        "message": "session opened",
        "session": "k3",
        "active": 2,
    }


def test_fields_cannot_forge_what_the_logger_says_or_break_the_line() -> None:
    line = JsonFormatter().format(record("x", level="fatal", time="never", name_of="a\nb", odd={1, 2}))
    assert "\n" not in line
    told = json.loads(line)
    assert (told["level"], told["name_of"], told["odd"]) == ("info", "a\nb", "{1, 2}") and told["time"] != "never"
    assert "\n" not in FieldFormatter().format(record("x", name_of="a\nb"))


def test_a_traceback_is_a_field_of_the_line() -> None:
    try:
        raise ValueError("no")
    except ValueError:
        told = json.loads(JsonFormatter().format(record("failed", exc_info=sys.exc_info())))
    assert told["message"] == "failed" and "ValueError: no" in told["traceback"]


def test_the_format_is_chosen_at_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        for format, begins in (("json", "{"), ("text", "1")):
            start_logging("info", format)
            logging.getLogger("visavis_server").info("hello", extra={"n": 1})
            said = capsys.readouterr().err
            assert "hello" in said and (said[0] == begins or (begins != "{" and said[0].isdigit()))
    finally:
        root.handlers[:] = before
        root.setLevel(level)
