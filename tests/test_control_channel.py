"""Texts over the data channel of a real connection."""

from __future__ import annotations

import asyncio

import pytest

from rtc_loopback import Browser, connect, quiet_peer, until

pytestmark = pytest.mark.e2e


async def test_texts_are_heard_and_answered_beside_the_media() -> None:
    came: list[str | bytes] = []

    def hear(text: str | bytes) -> str | None:
        came.append(text)
        return f"heard {text!r}" if text == "say" else None

    peer, browser = quiet_peer(), Browser.open()
    peer.on_text = hear
    control, other = browser.pc.createDataChannel("control"), browser.pc.createDataChannel("other")
    answers: list[str] = []
    control.on("message", answers.append)
    try:
        await connect(peer, browser)
        await until(lambda: control.readyState == "open", 10)
        await until(lambda: other.readyState == "closed", 10)
        control.send("say")
        control.send(b"bytes")
        await until(lambda: len(came) == 2 and len(answers) == 1, 10)
        assert came == ["say", b"bytes"]
        assert answers == ["heard 'say'"]
        second = browser.pc.createDataChannel("control")
        await until(lambda: second.readyState == "closed", 10)
        assert control.readyState == "open"
    finally:
        await browser.close()
        await asyncio.wait_for(peer.close(), 5)


async def test_a_call_without_anybody_to_hear_texts_works_all_the_same() -> None:
    peer, browser = quiet_peer(), Browser.open()
    browser.pc.createDataChannel("control").on("message", lambda _: None)
    try:
        await connect(peer, browser)
    finally:
        await browser.close()
        await asyncio.wait_for(peer.close(), 5)
