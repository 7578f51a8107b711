"""Signs finished files for `visavis render` and for recordings; a file that cannot be signed is said, and kept.

Knows nothing of what is in the files.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from visavis_models.errors import StorageError
from visavis_server.provenance.certificate import SigningCertificate, signing_certificate
from visavis_server.provenance.content_credentials import sign_mp4
from visavis_server.settings import Settings

_log = logging.getLogger(__name__)

_FORGOTTEN_S = 3600.0


class FileSigner:
    """Signs MP4 files with one certificate. Safe from any thread.

    Args:
        certificate: None: it could not be had; every file gets `problem` then.
        watermarked: the files' pictures carry the watermark.
        problem: why there is no certificate.
    """

    def __init__(self, certificate: SigningCertificate | None, watermarked: bool, problem: str = "") -> None:
        self._certificate = certificate
        self._watermarked = watermarked
        self._problem = problem

    def sign(self, path: Path) -> str | None:
        """Sign a finished file; it may take seconds. What is wrong if it could not be signed."""
        if self._certificate is None:
            return self._problem
        try:
            sign_mp4(path, self._certificate, self._watermarked)
        except StorageError as error:
            _log.warning("a file was not signed", extra={"file": path.name, "reason": error.message})
            return error.message
        return None


def file_signer(settings: Settings) -> FileSigner | None:
    """What signs files as the operator wants it; None: they want none.

    Raises:
        BadSetting: their certificate cannot be used.
    """
    chosen = settings.provenance
    if not chosen.credentials:
        return None
    try:
        return FileSigner(signing_certificate(chosen, settings.data_dir), chosen.watermark)
    except StorageError as error:  # pictures are marked all the same, and work goes on
        _log.warning("files will not be signed", extra={"reason": error.message})
        return FileSigner(None, chosen.watermark, error.message)


def recording_signer(settings: Settings) -> Callable[[Path], object] | None:
    """What a server does with every recording that is finished; None: nothing.

    Raises:
        BadSetting: see `file_signer`.
    """
    signer, folder = file_signer(settings), settings.outputs.record_dir
    if signer is None or folder is None:
        return None
    clear_forgotten(folder)
    return signer.sign


def clear_forgotten(folder: Path) -> None:
    """Remove half signed copies that a killed process left behind; the files themselves are whole."""
    with suppress(OSError):
        for part in folder.glob(".*.signing"):
            if time.time() - part.stat().st_mtime > _FORGOTTEN_S:
                part.unlink(missing_ok=True)
