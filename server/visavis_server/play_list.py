"""What a show plays: files, folders and playlists (M3U, M3U8) become items in order.

Names that an operator gives may lead anywhere on this machine; a stranger's lead to files inside one folder and nowhere
else. Opens nothing but playlists: whether a file can be played is found out when its turn comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from visavis_models.errors import BadInput, NotFound, VisavisError
from visavis_models.mood import Feeling, read_feeling

MAX_ITEMS = 10_000
"""In one show."""
MAX_NAME_LENGTH = 1000
_MAX_PLAYLIST_BYTES = 4 * 1024 * 1024
PLAYLIST_SUFFIXES = (".m3u", ".m3u8")
SOUND_SUFFIXES = frozenset(
    ".aac .aif .aiff .amr .avi .caf .flac .flv .m4a .m4b .m4v .mka .mkv .mov .mp3 .mp4 .mpg .oga .ogg .ogv .opus "
    ".ts .wav .webm .wma .wmv".split()
)
"""Which files of a folder are played; a file that is named itself may be called anything."""
_OURS = "#EXTVISAVIS:"
_REMEDY = "Name files, folders or M3U playlists."


@dataclass(frozen=True, slots=True)
class Delivery:
    """How something is said."""

    feeling: Feeling | None = None
    """None: as the session's mood has it."""
    speaker: int | None = None
    """Who in the picture says it, by number; None: whom the session has chosen."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a playlist."""

    path: str
    """As it stands there."""
    title: str = ""
    delivery: Delivery | None = None


@dataclass(frozen=True, slots=True)
class PlayItem:
    """One thing to be played."""

    name: str
    """As its owner would name it; of a stranger's never more than the path within the folder."""
    path: Path
    title: str = ""
    """As the playlist calls it; may be empty."""
    problem: VisavisError | None = None
    """Why it cannot be played, if that is known already: it is told when its turn comes."""
    delivery: Delivery = Delivery()


def items_of(paths: Sequence[Path]) -> list[PlayItem]:
    """What an operator's paths hold, in order: a folder its files, a playlist its entries.

    Raises:
        NotFound: `no_such_file`.
        BadInput: `bad_playlist`, `too_many_items`, `nothing_to_play`.
    """
    return _collected(paths, None)


def items_inside(folder: Path, names: Sequence[str]) -> list[PlayItem]:
    """The same for a stranger's names: relative to this folder, and never out of it, not even by a symbolic link.

    Raises:
        BadInput: `bad_file_name`, or see `items_of`.
        NotFound: `no_such_file`; also where a name leads out of the folder by a link: what lies there is not told.
    """
    root = folder.resolve()
    return _collected([root / _checked(name) for name in names], root)


def _checked(name: str) -> str:
    parts = PurePosixPath(name).parts
    plain = name and len(name) <= MAX_NAME_LENGTH and name.isprintable() and "\\" not in name and "://" not in name
    if not plain or PurePosixPath(name).is_absolute() or any(part.startswith(".") for part in parts):
        raise BadInput(
            "bad_file_name",
            "This is no name of a file inside the folder of shows.",
            "Give a path relative to it, with slashes; no addresses, no '..', no hidden files.",
        )
    return name


def _collected(paths: Sequence[Path], root: Path | None) -> list[PlayItem]:
    items: list[PlayItem] = []
    for path in paths:
        for item in _expanded(path, root):
            items.append(item)
            if len(items) > MAX_ITEMS:
                raise BadInput("too_many_items", f"That is more than {MAX_ITEMS} files.", "Play them in several shows.")
    if not items:
        raise BadInput("nothing_to_play", "There is no file to play.", _REMEDY)
    return items


def _expanded(path: Path, root: Path | None) -> Iterator[PlayItem]:
    found = _found(path, root)
    if found.is_dir():
        try:
            inside = sorted(found.iterdir(), key=lambda file: _natural(file.name))
        except OSError as error:
            raise _missing(path, root) from error
        for file in inside:
            if file.suffix.lower() in SOUND_SUFFIXES and not file.name.startswith(".") and file.is_file():
                with suppress(NotFound):  # a link out of a stranger's folder
                    yield _item(file, root, "")
    elif found.suffix.lower() in PLAYLIST_SUFFIXES:
        for entry in read_playlist(found):
            yield _entry(found, entry, root)
    else:
        yield _item(path, root, "")


def _entry(playlist: Path, entry: Entry, root: Path | None) -> PlayItem:
    """One line of a playlist; what is wrong with it is told when its turn comes, for the others can be played."""
    try:
        path = playlist.parent / _local(entry.path)
        if Path(_local(entry.path)).suffix.lower() in PLAYLIST_SUFFIXES:
            raise BadInput("bad_playlist", "A playlist is not looked for inside another.", "Name both playlists.")
        item = _item(path, root, entry.title)
    except VisavisError as error:
        return PlayItem(entry.path[:MAX_NAME_LENGTH], playlist, entry.title, error)
    return item if entry.delivery is None else replace(item, delivery=entry.delivery)


def _item(path: Path, root: Path | None, title: str) -> PlayItem:
    found = _found(path, root)
    if not found.is_file():
        raise _missing(path, root)
    return PlayItem(path.name if root is None else found.relative_to(root).as_posix(), found, title)


def _found(path: Path, root: Path | None) -> Path:
    try:
        found = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links that go round in circles
        raise _missing(path, root) from error
    if root is not None and not found.is_relative_to(root):
        raise _missing(path, root)
    return found


def _missing(path: Path, root: Path | None) -> NotFound:
    if root is None:
        return NotFound("no_such_file", f"There is no file {path}.", "Check the path.")
    try:
        name = path.relative_to(root).as_posix()
    except ValueError:
        name = path.name
    return NotFound("no_such_file", f"There is no file {name!r} in the folder of shows.", "Check the name.")


def read_playlist(path: Path) -> list[Entry]:
    """The entries of an M3U or M3U8 file, plain or extended.

    A line `#EXTVISAVIS:emotion=sad,strength=0.5,speaker=1` says how the next entry is said.

    Raises:
        BadInput: `bad_playlist`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_PLAYLIST_BYTES + 1)
    except OSError as error:
        raise BadInput("bad_playlist", f"{path.name} cannot be read: {error.strerror}.", _REMEDY) from error
    if len(content) > _MAX_PLAYLIST_BYTES:
        raise BadInput("bad_playlist", f"{path.name} is too large for a playlist.", _REMEDY)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # what M3U was before M3U8
    entries: list[Entry] = []
    title, delivery = "", None
    for line in (raw.strip() for raw in text.splitlines()):
        if line.startswith("#EXT-X-"):
            remedy = "Give the file that it was made of, or a list of files."
            raise BadInput("bad_playlist", f"{path.name} is the index of a stream (HLS), not a list of files.", remedy)
        if line.startswith("#EXTINF:"):
            title = line.partition(",")[2].strip()[:MAX_NAME_LENGTH]
        elif line.startswith(_OURS):
            delivery = _delivery(line[len(_OURS) :], path.name)
        elif line and not line.startswith("#"):
            if "\0" in line:
                raise BadInput("bad_playlist", f"{path.name} is not a playlist.", _REMEDY)
            entries.append(Entry(line, title, delivery))
            title, delivery = "", None
    return entries


def _delivery(text: str, playlist: str) -> Delivery:
    """What our own line of a playlist says."""
    fields = dict(part.strip().partition("=")[::2] for part in text.split(",") if part.strip())
    emotion, strength, speaker = fields.pop("emotion", ""), fields.pop("strength", "1"), fields.pop("speaker", "")
    try:
        if fields or (speaker and not speaker.isdecimal()):
            raise ValueError(text)
        feeling = read_feeling(emotion, float(strength)) if emotion else None
        return Delivery(feeling, int(speaker) if speaker else None)
    except ValueError as error:
        remedy = f"Write it like {_OURS}emotion=sad,strength=0.5,speaker=1."
        raise BadInput("bad_playlist", f"{playlist} has {_OURS}{text[:60]}, which cannot be read.", remedy) from error


def _local(entry: str) -> str:
    """The path that an entry means: players on Windows write backslashes and file: addresses."""
    parts = urlsplit(entry) if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", entry) else None  # one letter is a drive
    if parts is None:
        return entry if "/" in entry else entry.replace("\\", "/")
    if parts.scheme.lower() == "file" and parts.netloc in ("", "localhost"):
        return unquote(parts.path)
    raise BadInput("bad_playlist", f"{entry[:80]!r} is an address, not a file.", "Shows play files; download it first.")


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts 2 before 10."""
    parts = re.split(r"(\d+)", name.lower())
    return [(0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part) for part in parts]
