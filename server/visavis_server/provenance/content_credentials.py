"""Writes content credentials (C2PA) into finished MP4 files, and reads those of any file.

They say who made a file, with what, that it shows a made picture, and whether it was changed since. Nothing is asked
of the network: neither what a file's credentials point to, nor a clock, nor whether a certificate was revoked. Knows
nothing of watermarks.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from visavis_models.errors import StorageError
from visavis_server import __version__
from visavis_server.provenance.certificate import SigningCertificate

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's word for a picture that was taken and what a trained network made of it."""
_OFFLINE = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}
_ROOM_BYTES = 64 * 1024 * 1024
"""Left free beside the copy that signing makes."""
_UNTRUSTED = "signingCredential.untrusted"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a file's content credentials say."""

    intact: bool
    """The file is as it was signed."""
    trusted: bool
    """Somebody on C2PA's list vouches for the signer."""
    made_with: str
    """The program that signed, as it names itself."""
    signed_by: str
    """The certificate's name."""
    source_type: str
    """What kind of picture it is, as IPTC calls it; empty: not said."""
    problems: tuple[str, ...]
    """C2PA's codes of what is wrong."""

    @property
    def by_visavis(self) -> bool:
        """It says that visavis made it; who can be believed is another question."""
        return self.made_with.startswith("visavis ")


def sign_mp4(path: Path, certificate: SigningCertificate, watermarked: bool) -> None:
    """Write credentials into a finished MP4, whole or fragmented; it is replaced when the signed one is whole.

    Args:
        path: the file.
        certificate: see `signing_certificate`.
        watermarked: its pictures carry the watermark.

    Raises:
        StorageError: `not_signed`; the file is as it was.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.signing")
    try:
        import c2pa

        size = path.stat().st_size
        if shutil.disk_usage(path.parent).free < size + _ROOM_BYTES:
            raise OSError("there is no room for the signed copy")
        mode = path.stat().st_mode & 0o777
        info = c2pa.C2paSignerInfo(certificate.algorithm.encode(), certificate.chain, certificate.key, None)
        with (
            closing(c2pa.Context.from_dict(_OFFLINE)) as context,
            closing(c2pa.Signer.from_info(info)) as signer,
            closing(c2pa.Builder(_manifest(path.name, watermarked), context=context)) as builder,
        ):
            with path.open("rb") as source, part.open("w+b") as signed:
                builder.sign(signer, "video/mp4", source, signed)
                signed.flush()
                os.fsync(signed.fileno())
        part.chmod(mode)
        os.replace(part, path)
    except Exception as error:  # C2PA's library has errors of many kinds
        why = " ".join(str(getattr(error, "strerror", None) or error).split())[:200].rstrip(".")
        remedy = "Make room, check provenance.certificate and that c2pa-python is installed."
        raise StorageError("not_signed", f"{path.name} has no content credentials: {why}.", remedy) from error
    finally:
        part.unlink(missing_ok=True)


def credentials_of(path: Path) -> Credentials | None:
    """What a file's credentials say; None: it has none that can be read.

    Raises:
        ImportError: c2pa-python does not run here.
    """
    import c2pa

    try:
        with (
            closing(c2pa.Context.from_dict(_OFFLINE)) as context,
            closing(c2pa.Reader(path, context=context)) as reader,
        ):
            return _said(json.loads(reader.json()))
    except c2pa.C2paError:
        return None


def _manifest(title: str, watermarked: bool) -> dict[str, Any]:
    when = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    made = {"action": "c2pa.created", "when": when, "digitalSourceType": SOURCE_TYPE}
    actions = [made, {"action": "c2pa.watermarked.unbound"}] if watermarked else [made]
    return {
        "claim_generator_info": [{"name": "visavis", "version": __version__}],
        "title": title,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }


def _said(store: dict[str, Any]) -> Credentials:
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    generators = manifest.get("claim_generator_info") or [{}]
    signature = manifest.get("signature_info") or {}
    problems = tuple(str(status.get("code")) for status in store.get("validation_status") or ())
    types = [
        str(action["digitalSourceType"])
        for assertion in manifest.get("assertions", ())
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in assertion.get("data", {}).get("actions", ())
        if "digitalSourceType" in action
    ]
    return Credentials(
        intact=all(problem == _UNTRUSTED for problem in problems),
        trusted=_UNTRUSTED not in problems,
        made_with=f"{generators[0].get('name', '')} {generators[0].get('version', '')}".strip(),
        signed_by=str(signature.get("common_name") or signature.get("issuer") or ""),
        source_type=types[0] if types else "",
        problems=problems,
    )
