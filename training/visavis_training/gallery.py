"""Makes the avatars that ship: analyses photos and writes their folders under weights/gallery/.

    python -m visavis_training.gallery                          the astronaut
    python -m visavis_training.gallery anna=Anna=anna.png ...   id=name=photo

NASA's portrait of Eileen Collins is in the public domain; scikit-image carries it.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from visavis_models.portrait.analysis import analyse, content_hash
from visavis_models.portrait.storage import save_avatar

GALLERY = Path(__file__).resolve().parents[2] / "weights" / "gallery"
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def astronaut_photo() -> bytes:
    """The whole 512 x 512 picture as PNG."""
    out = io.BytesIO()
    Image.fromarray(np.asarray(skimage.data.astronaut(), np.uint8)).save(out, "PNG")  # type: ignore[no-untyped-call]
    return out.getvalue()


def add_to_gallery(avatar_id: str, name: str, photo: bytes) -> int:
    """Analyse a photo and write its folder.

    Returns:
        Bytes that the folder takes.

    Raises:
        BadPhoto: it cannot become an avatar.
        ValueError: the id is not lower-case letters, digits and '-'.
    """
    if not _ID.fullmatch(avatar_id):
        raise ValueError(f"{avatar_id!r} is no id")
    folder = GALLERY / avatar_id
    save_avatar(analyse(photo, name, avatar_id), folder, content_hash(photo))
    return sum(file.stat().st_size for file in folder.iterdir())


def main() -> None:
    """Make the avatars named on the command line, or the astronaut."""
    wanted = [argument.split("=", 2) for argument in sys.argv[1:]]
    photos = [(avatar_id, name, Path(path).read_bytes()) for avatar_id, name, path in wanted]
    for avatar_id, name, photo in photos or [("astronaut", "Astronaut", astronaut_photo())]:
        print(f"{avatar_id}: {add_to_gallery(avatar_id, name, photo) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
