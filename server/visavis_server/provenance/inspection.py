"""What can be told of where a file comes from: watermark, content credentials, what a motion file says of itself.

Says what it found in plain words and as data, and no more than that: a file without marks is not thereby genuine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visavis_models.errors import BadInput
from visavis_server.motion_file import SUFFIXES, metadata_path
from visavis_server.provenance.content_credentials import Credentials, credentials_of
from visavis_server.provenance.watermark_detection import THRESHOLD
from visavis_server.provenance.watermark_places import Pictures, look_at

_MOST_METADATA_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found in one file."""

    name: str
    pictures: Pictures | None
    """None: there are none."""
    credentials: Credentials | None
    """None: there are none that can be read."""
    credentials_read: bool
    """Whether this installation can read credentials at all."""
    motion: dict[str, Any] | None
    """What a motion file says of itself."""

    @property
    def made_by_visavis(self) -> bool:
        """Something says so that holds: the watermark, intact credentials, or a motion file's own words."""
        marked = self.pictures is not None and self.pictures.marked_places > 0
        signed = self.credentials is not None and self.credentials.intact and self.credentials.by_visavis
        return marked or signed or _from_visavis(self.motion)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "file": self.name,
            "made_by_visavis": self.made_by_visavis,
            "watermark": None if self.pictures is None else _watermark_json(self.pictures),
            "credentials": None if self.credentials is None else _credentials_json(self.credentials),
            "motion": self.motion,
        }

    def lines(self) -> list[str]:
        """For people."""
        lines = [self.name]
        if self.pictures is not None:
            lines.append(f"  pictures     {_size(self.pictures)}")
            lines.append(f"  watermark    {_watermark_words(self.pictures)}")
        if self.motion is None:
            lines += [f"  credentials  {words}" for words in self._credentials_words()]
        else:
            lines.append(f"  motion       {_motion_words(self.motion)}")
        return [*lines, self._verdict()]

    def _credentials_words(self) -> list[str]:
        found = self.credentials
        if not self.credentials_read:
            return ["cannot be read here: c2pa-python is not installed, or does not run"]
        if found is None:
            return ["none"]
        vouched = "somebody on C2PA's list vouches for the signer" if found.trusted else "nobody vouches for the signer"
        state = "unchanged since it was signed" if found.intact else "CHANGED since it was signed"
        lines = [f"made with {found.made_with or 'no program that it names'}; {state}"]
        lines.append(f"signed by {found.signed_by or 'somebody without a name'}; {vouched}")
        if found.source_type:
            lines.append(f"it says of itself: {found.source_type.rsplit('/', 1)[-1]}")
        return lines

    def _verdict(self) -> str:
        if self.made_by_visavis:
            what = "This motion was" if self.motion is not None else "These pictures were"
            return f"{what} made by visavis: it is no recording of a person."
        return "Nothing says that visavis made it. That proves nothing: marks can be removed, and there are others."


def inspect_file(path: Path) -> Inspection:
    """Look at a file.

    Raises:
        BadInput: `file_unreadable`, there is nothing in it that can be looked at.
    """
    if not path.is_file():
        raise BadInput("file_unreadable", f"There is no file {path}.", "Check the path.")
    if path.suffix.lower() in SUFFIXES:
        return Inspection(path.name, None, None, False, _motion_metadata(path))
    credentials, can_read = None, True
    try:
        credentials = credentials_of(path)
    except (ImportError, OSError):
        can_read = False
    try:
        pictures = look_at(path)
    except BadInput as error:
        if credentials is None:
            raise BadInput("file_unreadable", error.message, error.remedy) from error
        pictures = None
    return Inspection(path.name, pictures, credentials, can_read, None)


def _motion_metadata(path: Path) -> dict[str, Any]:
    """What the file says of itself; empty if that is nothing."""
    suffix = path.suffix.lower()
    beside = metadata_path(path) if suffix == ".csv" else path
    try:
        if suffix == ".parquet":
            import pyarrow.parquet as pq

            said = (pq.read_schema(path).metadata or {}).get(b"visavis_motion", b"{}")
        elif not beside.is_file():
            said = b"{}"
        elif beside.stat().st_size > _MOST_METADATA_BYTES:
            raise ValueError("it is too large")
        else:
            said = beside.read_bytes()
        found = json.loads(said)
    except (OSError, ValueError, RecursionError) as error:  # pyarrow's errors are ValueErrors
        raise BadInput("file_unreadable", f"{path.name} cannot be read: {error}.", "Is the file whole?") from error
    if suffix == ".json" and isinstance(found, dict):
        found = found.get("metadata", {})
    return found if isinstance(found, dict) else {}


def _from_visavis(motion: dict[str, Any] | None) -> bool:
    return motion is not None and motion.get("format") == "visavis-motion"


def _size(pictures: Pictures) -> str:
    size = f"{pictures.width_px}×{pictures.height_px}"
    return size if pictures.seconds is None else f"{size}, {pictures.seconds:.1f} s"


def _watermark_words(pictures: Pictures) -> str:
    best = max(place.finding.score for place in pictures.places)
    places = len(pictures.places)
    where = "" if places == 1 else f" in {pictures.marked_places} of {places} places"
    if pictures.marked_places:
        return f"found{where}: {best:.1f} where {THRESHOLD} is needed"
    return f"not found: {best:.1f} where {THRESHOLD} is needed"


def _motion_words(motion: dict[str, Any]) -> str:
    if not _from_visavis(motion):
        return "does not say where it comes from"
    audio = motion.get("audio")
    name = audio.get("name") if isinstance(audio, dict) else None
    return f"made with visavis {motion.get('visavis', '')}" + (f" of {name}" if name else "")


def _watermark_json(pictures: Pictures) -> dict[str, Any]:
    return {
        "found": pictures.marked_places > 0,
        "threshold": THRESHOLD,
        "width": pictures.width_px,
        "height": pictures.height_px,
        "seconds": pictures.seconds,
        "places": [
            {
                "at_s": round(place.at_s, 2),
                "frames": place.frames,
                "score": round(place.finding.score, 2),
                "scale": round(place.finding.scale, 3),
                "found": place.finding.found,
            }
            for place in pictures.places
        ],
    }


def _credentials_json(found: Credentials) -> dict[str, Any]:
    return {
        "intact": found.intact,
        "trusted": found.trusted,
        "made_with": found.made_with,
        "signed_by": found.signed_by,
        "source_type": found.source_type,
        "problems": list(found.problems),
    }
