"""Turns a photo into an avatar: from the bytes of a file to all that a renderer needs, in one function."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar, other_id
from visavis_models.errors import BadPhoto
from visavis_models.face.basis import face_basis
from visavis_models.face.own_face import own_depth
from visavis_models.face.person_fitting import find_person
from visavis_models.portrait.body import Body, find_body
from visavis_models.portrait.face_detection import FaceBox, find_faces
from visavis_models.portrait.face_mesh import FACE_OVAL, FaceMesh, fit_mesh
from visavis_models.portrait.head_pose import head_pose
from visavis_models.portrait.layers import split_layers
from visavis_models.portrait.matting import person_matte
from visavis_models.portrait.people import layers_of_people, owners
from visavis_models.portrait.photo import STANDARD, decode_photo

MIN_FACE_PX = 64
"""On the original picture."""
MIN_FACE_CANVAS_PX = 40
"""On the canvas: below this a mouth has too few pixels to move."""
MAX_YAW = np.radians(31.0)
"""As `head_pose` measures it, which is about 35° in truth: the mesh shows seven eighths of a large turn."""
_MAX_ROLL = np.radians(55.0)
"""A head tilted further is taken for a photo that lies on its side."""
_MIN_MESH_SCORE = 0.5
_MAX_CUT = 0.06
_DRAWN_SHARE = 0.4
MAX_PEOPLE = 4
"""More of them stay still: each costs as much as an avatar of their own."""
_LEAST_SHARE = 0.4
"""Of the largest face's width: smaller ones are passers-by."""


def analyse(photo: bytes, name: str, avatar_id: str | None = None, canvas: str = STANDARD) -> Avatar:
    """Make an avatar of a photo.

    Args:
        photo: the bytes of a JPEG, PNG, WebP, TIFF, BMP or GIF file.
        name: what people call the avatar.
        avatar_id: its id; None makes one of the name and the photo's content.
        canvas: how large its picture may be, one of `CANVASES`.

    Raises:
        BadPhoto: `not_an_image`, `image_too_large`, `image_too_small`, `no_face`, `face_too_small`, `face_profile`,
            `face_cut_off`, `face_unclear`.
    """
    decoded = decode_photo(photo, canvas)
    return analyse_canvas(decoded.canvas, name, avatar_id or make_avatar_id(name, photo), decoded.scale)


def analyse_canvas(canvas: NDArray[np.uint8], name: str, avatar_id: str, scale: float = 1.0) -> Avatar:
    """Make an avatar of a decoded picture.

    Args:
        canvas: uint8 (H, W, 3) RGB, both sides even.
        name: what people call the avatar.
        avatar_id: its id.
        scale: canvas pixels per pixel of the original picture.

    Raises:
        BadPhoto: as `analyse`, for what shows only once the picture is decoded.
    """
    canvas, meshes, turned = _find_people(canvas)
    heads = [head_pose(mesh.points) for mesh in meshes]
    _refuse_unusable(meshes[0], heads[0], scale, canvas)
    found = [(meshes[0], heads[0])]
    found += [
        (mesh, head)
        for mesh, head in zip(meshes[1:], heads[1:], strict=True)
        if float(head[5]) >= _LEAST_SHARE * float(heads[0][5]) and _usable(mesh, head, scale, canvas)
    ][: MAX_PEOPLE - 1]
    bodies = [find_body(canvas, head) for _, head in found]
    mattes = _mattes(canvas, [head for _, head in found], bodies)
    drawn = [i for i, matte in enumerate(mattes) if i == 0 or _covers_face(matte, found[i][1])]
    if len(drawn) < len(found):  # a face on a poster has no body: nobody's pixels are to be given to it
        found, bodies = [found[i] for i in drawn], [bodies[i] for i in drawn]
        mattes = _mattes(canvas, [head for _, head in found], bodies)
    notes = _notes(len(meshes), len(found), turned)
    if _looks_drawn(canvas, heads[0]):
        notes.append("This looks like a drawing: it may not move as naturally as a photo.")
    if len(found) > 1:
        mattes, foregrounds, plate = layers_of_people(canvas, mattes, [float(head[5]) for _, head in found])
    else:
        foreground, plate = split_layers(canvas, mattes[0])
        foregrounds = [foreground]
    people = []
    for i, (mesh, head) in enumerate(found):
        person = find_person(mesh.points, (canvas.shape[1], canvas.shape[0]), canvas)
        people.append(
            Avatar(
                id=avatar_id if i == 0 else other_id(avatar_id, i),
                name=name,
                photo=canvas,
                matte=mattes[i],
                foreground=foregrounds[i],
                plate=plate,
                landmarks=mesh.points if person is None else own_depth(face_basis(), person, mesh.points),
                head_pose=head,
                body_points=bodies[i].points,
                notes=tuple(notes) if i == 0 else (),
                person=person,
            )
        )
    return replace(people[0], others=tuple(people[1:]))


def _mattes(canvas: NDArray[np.uint8], heads: list[NDArray[np.float32]], bodies: list[Body]) -> list[NDArray[np.uint8]]:
    if len(heads) == 1:
        return [person_matte(canvas, heads[0], bodies[0].mask)]
    own = owners(heads, [body.points for body in bodies], [body.mask for body in bodies])
    return [person_matte(canvas, head, body.mask, mine) for head, body, mine in zip(heads, bodies, own, strict=True)]


def _covers_face(matte: NDArray[np.uint8], head: NDArray[np.float32]) -> bool:
    """Whether a matte holds the face that it was made of."""
    x, y, half = int(head[3]), int(head[4]), max(2, int(head[5] * 0.3))
    part = matte[max(0, y - half) : y + half, max(0, x - half) : x + half]
    return part.size > 0 and float(part.mean()) > 200


def _notes(seen: int, moving: int, turned: bool) -> list[str]:
    notes = ["The photo was not upright and was turned."] if turned else []
    if moving > 1:
        notes.append(f"{moving} people found: choose who speaks, the others idle.")
    if seen > moving:
        still = "1 more face is" if seen - moving == 1 else f"{seen - moving} more faces are"
        notes.append(f"{still} too small, turned away or cut off, and will not move.")
    return notes


def content_hash(photo: bytes) -> str:
    """sha256 of a photo's bytes, in hexadecimal."""
    return hashlib.sha256(photo).hexdigest()


def make_avatar_id(name: str, photo: bytes) -> str:
    """An id from the name, for people, and the photo's content, so that it is its own: `anna-3f2a91c07b1d`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:32].strip("-")
    return f"{words or 'avatar'}-{content_hash(photo)[:12]}"


def _find_people(canvas: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], list[FaceMesh], bool]:
    """The canvas, turned by quarters if the largest face is not upright; all faces, largest first; was it turned."""
    half_seen = False
    for quarters in (0, 1, 3, 2):  # anticlockwise
        view = np.ascontiguousarray(np.rot90(canvas, quarters))
        faces = find_faces(view)
        found = _proven_faces(view, faces)
        half_seen = half_seen or bool(faces)
        if not found:
            continue
        roll = float(head_pose(found[0].points)[2])
        more = round(roll / (np.pi / 2)) if abs(roll) > _MAX_ROLL else 0
        if more % 4:
            view = np.ascontiguousarray(np.rot90(view, more))
            quarters += more
            found = _proven_faces(view, find_faces(view))
            if not found:
                continue
        return view, found, quarters % 4 != 0
    if half_seen:
        raise BadPhoto(
            "face_unclear",
            "There seems to be a face, but too little of it can be seen.",
            "Send a photo in which the face is sharp, well lit and not covered by hands, hair, a mask or dark glasses.",
        )
    raise BadPhoto(
        "no_face",
        "No face was found in the picture.",
        "Send a photo of one person who faces the camera, well lit and not covered.",
    )


def _proven_faces(canvas: NDArray[np.uint8], faces: list[FaceBox]) -> list[FaceMesh]:
    """The meshes of all faces that prove to be one, largest first."""
    proven = [box for box in faces if fit_mesh(canvas, box.crop(), rounds=1).score >= _MIN_MESH_SCORE]
    meshes = [fit_mesh(canvas, box.crop(), rounds=3) for box in proven]
    return [mesh for mesh in meshes if mesh.score >= _MIN_MESH_SCORE]


def _usable(mesh: FaceMesh, head: NDArray[np.float32], scale: float, canvas: NDArray[np.uint8]) -> bool:
    try:
        _refuse_unusable(mesh, head, scale, canvas)
    except BadPhoto:
        return False
    return abs(float(head[2])) <= float(_MAX_ROLL)


def _looks_drawn(canvas: NDArray[np.uint8], head: NDArray[np.float32]) -> bool:
    """Is most of the face of one flat colour? Skin in a photo never is."""
    x, y, half = int(head[3]), int(head[4]), max(8, int(head[5] * 0.4))
    face = canvas[max(0, y - half) : y + half, max(0, x - half) : x + half]
    square = np.ones((3, 3), np.uint8)
    contrast = (cv2.dilate(face, square) - cv2.erode(face, square)).max(axis=-1)
    return float((contrast <= 1).mean()) > _DRAWN_SHARE


def _refuse_unusable(mesh: FaceMesh, head: NDArray[np.float32], scale: float, canvas: NDArray[np.uint8]) -> None:
    height, width = canvas.shape[:2]
    original_px = float(head[5]) / scale
    if original_px < MIN_FACE_PX:
        raise BadPhoto(
            "face_too_small",
            f"The face is only {original_px:.0f} pixels wide; at least {MIN_FACE_PX} are needed.",
            "Send a larger photo, or one taken closer.",
        )
    if head[5] < MIN_FACE_CANVAS_PX:
        raise BadPhoto(
            "face_too_small",
            "The face fills too little of the picture.",
            "Cut the photo closer round the person and send it again.",
        )
    if abs(float(head[1])) > MAX_YAW:
        raise BadPhoto(
            "face_profile",
            "The face is seen from the side.",
            "Send a photo in which the person looks towards the camera.",
        )
    oval = mesh.points[list(FACE_OVAL), :2]
    beyond = max(float(-oval.min()), float(oval[:, 0].max()) - width, float(oval[:, 1].max()) - height)
    if beyond > _MAX_CUT * float(head[5]):
        raise BadPhoto(
            "face_cut_off",
            "A part of the face lies outside the picture.",
            "Send a photo that shows the whole face with some room round it.",
        )
