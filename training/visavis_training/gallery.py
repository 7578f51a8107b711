"""Makes the avatars that ship: analyses photos and writes their folders under weights/gallery/.

    python -m visavis_training.gallery                          the astronaut
    python -m visavis_training.gallery anna=Anna=anna.png ...   id=name=photo
    python -m visavis_training.gallery --renew                  finds the person behind each one's landmarks anew

NASA's portrait of Eileen Collins is in the public domain; scikit-image carries it.
"""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image
from safetensors.numpy import load, save

from visavis_models.avatar import ANALYSIS_VERSION
from visavis_models.face.basis import face_basis
from visavis_models.face.own_face import own_depth
from visavis_models.face.person_fitting import find_person
from visavis_models.portrait.analysis import analyse, content_hash
from visavis_models.portrait.face_detection import find_faces
from visavis_models.portrait.face_mesh import fit_mesh
from visavis_models.portrait.storage import read_canvas, save_avatar

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


def renew(folder: Path) -> float:
    """Find the person anew from a stored canvas; its pictures stay as they are, to the byte.

    Returns:
        How far the person lies off the landmarks, in shares of the face's width.

    Raises:
        ValueError: nobody is found.
    """
    canvas = read_canvas(folder)
    height, width = canvas.shape[:2]
    boxes = find_faces(canvas)
    mesh = max((fit_mesh(canvas, box.crop(), rounds=3) for box in boxes), key=lambda found: np.ptp(found.points[:, 0]))
    person = find_person(mesh.points, (width, height), canvas)
    if person is None:
        raise ValueError(f"nobody in {folder.name}")
    file, facts_file = folder / "points.safetensors", folder / "avatar.json"
    arrays = load(file.read_bytes())
    arrays["landmarks"] = own_depth(face_basis(), person, mesh.points)
    facts = json.loads(facts_file.read_text("utf-8")) | {"version": ANALYSIS_VERSION}
    file.write_bytes(save({**arrays, **person.arrays()}))
    facts_file.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return person.residual


def main() -> None:
    """Make the avatars named on the command line, or the astronaut."""
    if sys.argv[1:] == ["--renew"]:
        for folder in sorted(GALLERY.iterdir()):
            print(f"{folder.name}: {100 * renew(folder):.2f} % of the face's width off")
        return
    wanted = [argument.split("=", 2) for argument in sys.argv[1:]]
    photos = [(avatar_id, name, Path(path).read_bytes()) for avatar_id, name, path in wanted]
    for avatar_id, name, photo in photos or [("astronaut", "Astronaut", astronaut_photo())]:
        print(f"{avatar_id}: {add_to_gallery(avatar_id, name, photo) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
