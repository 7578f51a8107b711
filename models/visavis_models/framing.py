"""Cuts an avatar's canvas to a format, such as 16:9, round the people in it. Pure functions of an avatar.

Nothing is stretched and nothing is made larger: of the whole picture the largest part of that shape is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar, other_id
from visavis_models.errors import BadInput

FORMATS: Mapping[str, float] = MappingProxyType(
    {"1:1": 1.0, "16:9": 16 / 9, "9:16": 9 / 16, "4:3": 4 / 3, "3:4": 3 / 4}
)
"""Width for height, by name."""
_ABOVE, _BELOW, _BESIDE = 1.05, 0.9, 0.75
"""What belongs to a head, in widths of the face from its centre: hair, chin and collar, ears."""
_EYES_AT = 0.42
"""Where heads stand in the height of a cut picture."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A part of the canvas, px; all even."""

    left: int
    top: int
    width: int
    height: int


def check_format(format: str) -> None:
    """Refuse what is no format; empty is the photo's own.

    Raises:
        BadInput: `bad_format`.
    """
    if format and format not in FORMATS:
        raise BadInput(
            "bad_format", f"There is no format {format[:20]!r}.", f"Give one of {', '.join(FORMATS)}, or none."
        )


def framed(avatar: Avatar, format: str, person: int = 0) -> tuple[Avatar, int]:
    """The avatar with its canvas cut to a format, and the number that the chosen person has then.

    Args:
        avatar: who; everybody in the picture stays if they fit.
        format: one of `FORMATS`; empty: the avatar as it is.
        person: who stays in any case. Whoever does not fit beside them is not in the picture.

    Raises:
        BadInput: `bad_format`; `bad_speaker`: there is no such person.
    """
    check_format(format)
    check_person(person, len(avatar.people))
    if not format:
        return avatar, person
    frame = frame_of(avatar, FORMATS[format], person)
    if (frame.width, frame.height) == (avatar.width_px, avatar.height_px):
        return avatar, person
    chosen = avatar.people[person]
    kept = [one for one in avatar.people if one is chosen or _within(one, frame)]
    people = [
        replace(_cut(one, frame), others=(), id=avatar.id if number == 0 else other_id(avatar.id, number))
        for number, one in enumerate(kept)
    ]
    number = next(number for number, one in enumerate(kept) if one is chosen)
    return replace(people[0], notes=avatar.notes, others=tuple(people[1:])), number


def check_person(person: int, people: int) -> None:
    """Refuse the number of somebody who is not in the picture.

    Raises:
        BadInput: `bad_speaker`.
    """
    if not 0 <= person < people:
        there = (
            "There is one person, number 0" if people == 1 else f"There are {people} people, numbers 0 to {people - 1}"
        )
        raise BadInput("bad_speaker", f"There is no person {person} in this picture.", f"{there}.")


def frame_of(avatar: Avatar, ratio: float, person: int = 0) -> Frame:
    """The largest part of the canvas of this shape that holds the heads, or as many as fit round one person's."""
    width, height = avatar.width_px, avatar.height_px
    wide, high = min(float(width), height * ratio), min(float(height), width / ratio)
    wide_px, high_px = max(2, int(wide) // 2 * 2), max(2, int(high) // 2 * 2)
    boxes = np.array([_head(one) for one in avatar.people])
    chosen = [person]
    by_nearness = np.argsort(np.abs(boxes[:, [0, 2]].mean(1) - boxes[person, [0, 2]].mean()))
    for number in by_nearness:
        more = boxes[[*chosen, int(number)]]
        fits = np.ptp(more[:, [0, 2]]) <= wide_px and np.ptp(more[:, [1, 3]]) <= high_px
        if int(number) not in chosen and fits:
            chosen.append(int(number))
    heads = boxes[chosen]
    middle = (heads[:, 0].min() + heads[:, 2].max()) / 2
    eyes = float(np.mean([avatar.people[number].head_pose[4] for number in chosen]))
    top = np.clip(
        eyes - _EYES_AT * high_px, heads[:, 3].max() - high_px, max(heads[:, 1].min(), heads[:, 3].max() - high_px)
    )
    left_px = int(np.clip(middle - wide_px / 2, 0, width - wide_px))
    top_px = int(np.clip(top, 0, height - high_px))
    return Frame(left_px, top_px, wide_px, high_px)


def shares_of_faces(avatar: Avatar) -> list[tuple[float, float, float]]:
    """Everybody's face by number: its centre and width, x and width in widths of the picture, y in heights."""
    return [(x / avatar.width_px, y / avatar.height_px, wide / avatar.width_px) for x, y, wide in avatar.faces]


def _head(person: Avatar) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a head."""
    x, y, wide = (float(value) for value in person.head_pose[3:6])
    return x - _BESIDE * wide, y - _ABOVE * wide, x + _BESIDE * wide, y + _BELOW * wide


def _within(person: Avatar, frame: Frame) -> bool:
    x, y, wide = (float(value) for value in person.head_pose[3:6])
    inside_x = frame.left + 0.5 * wide <= x <= frame.left + frame.width - 0.5 * wide
    return inside_x and frame.top + 0.5 * wide <= y <= frame.top + frame.height - 0.6 * wide


def _cut(person: Avatar, frame: Frame) -> Avatar:
    rows, columns = slice(frame.top, frame.top + frame.height), slice(frame.left, frame.left + frame.width)

    def part(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.ascontiguousarray(picture[rows, columns])

    shift = np.array([frame.left, frame.top], np.float32)
    landmarks, body, head = person.landmarks.copy(), person.body_points.copy(), person.head_pose.copy()
    landmarks[:, :2] -= shift
    body[:, :2] -= shift
    head[3:5] -= shift
    return replace(
        person,
        photo=part(person.photo),
        matte=part(person.matte),
        foreground=part(person.foreground),
        plate=part(person.plate),
        landmarks=landmarks,
        body_points=body,
        head_pose=head,
    )
