"""What `render` can be told about the people in a picture and its shape: options, and a listener that heeds them.

Knows nothing of how people are drawn. Heavy modules are imported when they are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from visavis_models.errors import BadInput
from visavis_server.cli_mood import Cue, CuedListener, read_time, unread
from visavis_server.settings import FORMATS

if TYPE_CHECKING:
    from visavis_models.avatar import Avatar
    from visavis_models.listening import Listener

Speakers = Annotated[
    list[str] | None,
    typer.Option(
        "--speaker",
        help="Who in the picture speaks: 0 (the largest face) unless told; with a time from which on it holds, 12.5=1. "
        "May be repeated. The others idle.",
        metavar="[SECONDS=]NUMBER",
    ),
]
Format = Annotated[
    str | None,
    typer.Option("--format", help=f"Cut the picture to {', '.join(FORMATS)}; default: the photo's.", metavar="SHAPE"),
]
_REMEDY = "Give a number, such as 1, or 12.5=1."


def read_speakers(texts: Sequence[str] | None) -> list[Cue]:
    """What `--speaker` says, in order; the first holds from the beginning.

    Raises:
        BadInput: `bad_usage`.
    """
    cues = []
    for text in texts or ():
        frame, number = read_time(text, "--speaker", _REMEDY)
        if not (number.isascii() and number.isdecimal() and int(number) < 100):
            raise unread(text, "--speaker", _REMEDY)
        cues.append(Cue(frame, speaker=int(number)))
    cues.sort(key=lambda cue: cue.frame)
    return cues if cues and cues[0].frame == 0 else [Cue(0, speaker=0), *cues]


def renumbered(cues: Sequence[Cue], avatar: Avatar, first: int, people: int) -> list[Cue]:
    """The cues for a picture after it was cut, where the first speaker has the number `first`.

    Args:
        cues: of `read_speakers`.
        avatar: after the cut.
        first: see `framed`.
        people: how many there were before.

    Raises:
        BadInput: `bad_speaker`, somebody is to speak who is not in the picture.
    """
    from visavis_models.framing import check_person

    wanted = {cue.speaker or 0 for cue in cues}
    for person in wanted:
        check_person(person, people)
    if len(avatar.people) == people:
        return list(cues)
    if len(wanted) > 1:
        raise BadInput(
            "bad_speaker", "Not everybody who is to speak fits into this format.", "Choose a wider --format."
        )
    return [replace(cue, speaker=first) for cue in cues]


def with_speakers(listener: Listener, cues: Sequence[Cue]) -> Listener:
    """A listener whose voice is said by these, each from their frame on."""
    return listener if all(not cue.speaker for cue in cues) else CuedListener(listener, cues)
