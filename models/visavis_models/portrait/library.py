"""The gallery: avatars that ship, and those that users add, by id. Safe from any thread.

It finds, makes, keeps, mends and removes; how a photo is analysed and how a folder looks is the business of others.
"""

from __future__ import annotations

import logging
import re
import shutil
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from visavis_models.avatar import ANALYSIS_VERSION, Avatar
from visavis_models.errors import BadInput, BadPhoto, NotFound, StorageError, WeightsError
from visavis_models.portrait.analysis import analyse, analyse_canvas, content_hash, make_avatar_id
from visavis_models.portrait.consent import Consent, add_consent, read_consents
from visavis_models.portrait.photo import STANDARD
from visavis_models.portrait.storage import (
    RETIRED_PREFIX,
    TEMPORARY_PREFIX,
    AvatarEntry,
    DamagedAvatar,
    encode_jpeg,
    forget_replaced,
    load_avatar,
    make_thumbnail,
    read_canvas,
    read_entry,
    restore_replaced,
    save_avatar,
)
from visavis_models.weights import weights_folder

_log = logging.getLogger(__name__)
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")
_KEPT_READY = 4
_MAX_NAME = 60
_ABANDONED_S = 3600.0


class BuiltinAvatar(BadInput):
    """What ships with visavis cannot be changed."""

    http_status = 403


class AvatarLibrary:
    """Avatars by id.

    Args:
        root: where users' avatars are kept; made when the first is added.
        gallery: where the avatars that ship lie; None takes those of the weights.
        canvas: how large pictures of avatars that are added may be, one of `CANVASES`.
    """

    def __init__(self, root: Path, gallery: Path | None = None, canvas: str = STANDARD) -> None:
        self._root = root
        self._gallery = gallery if gallery is not None else weights_folder() / "gallery"
        self._canvas = canvas
        self._ready: OrderedDict[str, Avatar] = OrderedDict()
        self._lock = threading.Lock()
        self._analysing = threading.Lock()
        restore_replaced(root)

    def list(self) -> list[AvatarEntry]:
        """All avatars: those that ship first, then users' own, each by name. Damaged ones are left out."""
        entries: list[AvatarEntry] = []
        for parent, builtin in ((self._gallery, True), (self._root, False)):
            found = []
            for folder in parent.iterdir() if parent.is_dir() else ():
                if _ID.match(folder.name) and folder.is_dir():
                    try:
                        found.append(read_entry(folder, builtin))
                    except DamagedAvatar as error:
                        _log.warning("avatar left out of the list", extra={"reason": str(error)})
            entries += sorted(found, key=lambda entry: (entry.name.lower(), entry.id))
        return entries

    def get(self, id: str) -> Avatar:
        """One avatar, ready to be rendered. A damaged or outdated one is made anew from its stored photo.

        Raises:
            NotFound: there is none of this id, or nothing of it can be saved.
        """
        folder, builtin = self._folder(id)  # also asked for one that is ready: another process may have removed it
        with self._lock:
            if id in self._ready:
                self._ready.move_to_end(id)
                return self._ready[id]
        try:
            avatar = load_avatar(folder, builtin)
        except DamagedAvatar as error:
            avatar = self._mend(folder, builtin, error)
        self._keep_ready(avatar)
        return avatar

    def add(self, photo: bytes, name: str, consent: Consent | None = None) -> Avatar:
        """Make an avatar of a photo; the same photo again gives the avatar that it gave before, at once.

        Args:
            photo: the bytes of a picture file.
            name: for people; blank becomes "Avatar".
            consent: of the person shown; kept with the avatar.

        Raises:
            BadPhoto: see `analyse`.
            StorageError: the avatar cannot be kept.
        """
        name = " ".join(name.split())[:_MAX_NAME].strip() or "Avatar"
        digest = content_hash(photo)
        with self._analysing:  # also keeps two uploads of one photo from being analysed twice
            known = next((entry for entry in self.list() if entry.content_hash == digest), None)
            as_wanted = known is not None and (known.builtin or known.canvas == self._canvas)
            if known is not None and as_wanted and known.version == ANALYSIS_VERSION:
                if not known.builtin:
                    self._record(known.id, consent)
                return self.get(known.id)
            avatar = analyse(photo, name, known.id if known else make_avatar_id(name, photo), self._canvas)
            if known is not None and known.builtin:
                return replace(avatar, builtin=True)
            fresh = not (self._root / avatar.id).exists()
            self._record(avatar.id, consent)  # first: no avatar is ever without it
            try:
                save_avatar(avatar, self._root / avatar.id, digest, self._canvas)
            except OSError as error:
                if fresh:
                    shutil.rmtree(self._root / avatar.id, ignore_errors=True)
                raise _not_writable("kept", error) from error
        self._keep_ready(avatar)
        return avatar

    def consents(self, id: str) -> tuple[Consent, ...]:
        """Who said that the person shown agrees, oldest first; none for avatars that ship.

        Raises:
            NotFound: there is none of this id.
        """
        return read_consents(self._folder(id)[0])

    def _record(self, id: str, consent: Consent | None) -> None:
        if consent is None:
            return
        try:
            add_consent(self._root / id, consent)
        except OSError as error:
            raise _not_writable("kept", error) from error

    def remove(self, id: str) -> None:
        """Forget an avatar of a user's.

        Raises:
            NotFound: there is none of this id.
            BuiltinAvatar: `builtin_avatar`, it ships with visavis.
            StorageError: it cannot be removed.
        """
        folder, builtin = self._folder(id)
        if builtin:
            raise BuiltinAvatar(
                "builtin_avatar", "This avatar ships with visavis.", "Remove only avatars that you added."
            )
        gone = self._root / f"{RETIRED_PREFIX}{uuid.uuid4().hex}"
        try:
            folder.rename(gone)
        except FileNotFoundError as error:
            raise _not_found(id) from error
        except OSError as error:
            raise _not_writable("removed", error) from error
        with self._lock:
            self._ready.pop(id, None)
        forget_replaced(folder)
        shutil.rmtree(gone, ignore_errors=True)
        self.sweep()

    def has(self, id: str) -> bool:
        """Whether there is one of this id."""
        try:
            self._folder(id)
        except NotFound:
            return False
        return True

    def sweep(self) -> None:
        """Remove what a killed process left half removed or half made."""
        for gone in self._root.glob(f"{RETIRED_PREFIX}*"):
            shutil.rmtree(gone, ignore_errors=True)
        for part in self._root.glob(f"{TEMPORARY_PREFIX}*"):
            with suppress(OSError):
                if time.time() - part.stat().st_mtime > _ABANDONED_S:
                    shutil.rmtree(part, ignore_errors=True)

    def image(self, id: str) -> bytes:
        """The canvas as JPEG.

        Raises:
            NotFound: there is none of this id.
        """
        return self._file(id, "photo.jpg", lambda avatar: encode_jpeg(avatar.photo, 95))

    def thumbnail(self, id: str) -> bytes:
        """A square of 256 px round the face as JPEG.

        Raises:
            NotFound: there is none of this id.
        """
        return self._file(
            id, "thumbnail.jpg", lambda avatar: encode_jpeg(make_thumbnail(avatar.photo, avatar.head_pose))
        )

    def _file(self, id: str, name: str, make: Callable[[Avatar], bytes]) -> bytes:
        folder, _ = self._folder(id)
        try:
            content = (folder / name).read_bytes()
        except OSError:
            content = b""
        return content if content.startswith(b"\xff\xd8") else make(self.get(id))

    def _folder(self, id: str) -> tuple[Path, bool]:
        """Where an avatar lies and whether it ships. Only ids of harmless letters reach the file system."""
        if _ID.match(id):
            for parent, builtin in ((self._gallery, True), (self._root, False)):
                if (parent / id).is_dir():
                    return parent / id, builtin
        raise _not_found(id)

    def _mend(self, folder: Path, builtin: bool, reason: DamagedAvatar) -> Avatar:
        """Analyse a stored photo again."""
        _log.warning("avatar analysed anew", extra={"avatar": folder.name, "reason": str(reason)})
        with self._analysing:
            try:
                return load_avatar(folder, builtin)  # another thread may have mended it while this one waited
            except DamagedAvatar:
                pass
            try:
                entry = read_entry(folder, builtin)
                name, digest, canvas = entry.name, entry.content_hash, entry.canvas
            except DamagedAvatar:
                name, digest, canvas = folder.name.rsplit("-", 1)[0].replace("-", " ").title(), "", STANDARD
            try:
                avatar = replace(analyse_canvas(read_canvas(folder), name, folder.name), builtin=builtin)
            except (DamagedAvatar, BadPhoto) as error:
                if builtin:
                    raise WeightsError(
                        "avatar_damaged", f"The avatar {folder.name} that ships is damaged.", "Reinstall visavis."
                    ) from error
                raise NotFound(
                    "avatar_damaged", "This avatar's files are damaged.", "Remove it and add its photo again."
                ) from error
            if not builtin:
                try:
                    save_avatar(avatar, folder, digest, canvas)
                except OSError as error:  # it is ready to be used all the same, until this process ends
                    _log.warning("avatar cannot be kept", extra={"avatar": folder.name, "reason": str(error)})
            return avatar

    def _keep_ready(self, avatar: Avatar) -> None:
        with self._lock:
            self._ready[avatar.id] = avatar
            self._ready.move_to_end(avatar.id)
            while len(self._ready) > _KEPT_READY:
                self._ready.popitem(last=False)


def _not_writable(what: str, error: OSError) -> StorageError:
    return StorageError(
        "storage",
        f"The avatar cannot be {what}: {error.strerror or 'the disk refuses'}.",
        "Make room or allow writing where avatars are kept, or choose another folder with --data-dir.",
    )


def _not_found(id: str) -> NotFound:
    shown = id if _ID.match(id) else "of this name"
    return NotFound("no_such_avatar", f"There is no avatar {shown}.", "Choose one of those in the list.")
