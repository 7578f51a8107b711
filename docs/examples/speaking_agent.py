"""A voice agent in a few lines: text goes through any speech synthesiser, and a visavis avatar speaks it.

    visavis serve
    python speaking_agent.py "Hello, nice to meet you." "How can I help?"

It takes espeak-ng or flite if one is installed; `--voice speech.wav` speaks a file instead. Put your own synthesiser in
the place of `espeak`: a function from text to 16-bit mono samples and their rate, whole or piece by piece.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable
from pathlib import Path

from visavis_server.agent_client import AgentError, AgentSession

Synthesiser = Callable[[str], tuple[bytes, int]]
"""Text to s16le mono samples and their rate in Hz."""


def read_wav(path: Path) -> tuple[bytes, int]:
    """The samples of a 16-bit mono wav file."""
    with wave.open(str(path), "rb") as file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            raise SystemExit(f"{path} is not 16-bit mono: ffmpeg -i {path} -ac 1 -sample_fmt s16 mono.wav")
        return file.readframes(file.getnframes()), file.getframerate()


def spoken_by(*command: str) -> Synthesiser:
    """A synthesiser from a program that writes a wav file; `{text}` and `{wav}` stand for the two."""

    def synthesise(text: str) -> tuple[bytes, int]:
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder) / "speech.wav"
            subprocess.run([part.format(text=text, wav=wav) for part in command], check=True, stdout=subprocess.DEVNULL)
            return read_wav(wav)

    return synthesise


def found_synthesiser() -> Synthesiser | None:
    """What is installed here."""
    if shutil.which("espeak-ng"):
        return spoken_by("espeak-ng", "-w", "{wav}", "--", "{text}")
    if shutil.which("flite"):
        return spoken_by("flite", "-t", "{text}", "-o", "{wav}")
    return None


async def main() -> None:
    """Say every text in turn, and tell how much of each was heard."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", default=["Hello, nice to meet you.", "How can I help?"])
    parser.add_argument("--url", default="ws://localhost:8765")
    parser.add_argument("--avatar", default="astronaut", help="one of GET /v1/avatars")
    parser.add_argument("--session", help="speak for a session that is open already, such as that of the page")
    parser.add_argument("--token", help="where the server asks for one")
    parser.add_argument("--voice", type=Path, help="a 16-bit mono wav file, instead of a synthesiser")
    given = parser.parse_args()
    synthesise = found_synthesiser()
    if given.voice is None and synthesise is None:
        raise SystemExit("No synthesiser is installed: apt install espeak-ng, or give --voice speech.wav.")

    def speech_of(text: str) -> tuple[bytes, int]:
        if given.voice is not None or synthesise is None:
            return read_wav(given.voice)
        return synthesise(text)

    who = {"session": given.session} if given.session else {"avatar": given.avatar}
    try:
        async with AgentSession(given.url, token=given.token, **who) as agent:
            print(f"session {agent.id}; watch it over WHEP at {agent.ready['whep_url']}")
            queued = []
            for text in given.texts:
                # In a thread: a synthesiser takes its time, and the connection must stay alive meanwhile.
                pcm, rate_hz = await asyncio.to_thread(speech_of, text)
                queued.append((text, await agent.send(pcm, rate_hz)))  # spoken one after another
            for text, utterance in queued:
                spoken = await utterance.done()
                print(f"{spoken.seconds:.2f} s {'(interrupted) ' if spoken.interrupted else ''}{text}")
    except AgentError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    asyncio.run(main())
