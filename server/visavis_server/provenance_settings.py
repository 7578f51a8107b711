"""What an operator may choose about how made pictures are marked as such, and what is asked of who brings a photo.

Part of the tree in `settings.py`. Knows nothing of watermarks or certificates.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from visavis_server.setting_fields import BadSetting, value

_REASON_CHARACTERS = 10


@dataclass(frozen=True, slots=True)
class ProvenanceSettings:
    """How pictures say that they are made, and who vouches for a photo."""

    watermark: bool = value(True, "Mark every picture so that `visavis inspect` knows it; people do not see it.")
    credentials: bool = value(True, "Sign rendered files and finished recordings (C2PA).")
    off_because: str = value(
        "", "Why watermark or credentials are off, in words, for the log: without a reason they stay on."
    )
    badge: str = value("", "Words drawn into every picture, files and streams too, such as AI avatar; empty: none.")
    certificate: Path | None = value(None, "PEM file with the certificates to sign with; not given: one is made.")
    certificate_key: Path | None = value(None, "PEM file with the certificate's private key.")
    consent_name: bool = value(False, "Who uploads a photo must say who they are.")

    def __post_init__(self) -> None:
        self._check_off()
        if not (self.badge.isprintable() and len(self.badge) <= 40):
            raise BadSetting("provenance.badge", "is too long or cannot be drawn", "Give at most 40 letters.")
        for key in ("certificate", "certificate_key"):
            path = getattr(self, key)
            if path is not None and not path.is_file():
                remedy = "Give the path of a PEM file."
                raise BadSetting(f"provenance.{key}", f"names {path}, which is not there", remedy)
        if (self.certificate is None) != (self.certificate_key is None):
            lacking = "certificate" if self.certificate is None else "certificate_key"
            raise BadSetting(f"provenance.{lacking}", "is missing", "Signing needs both.")

    def _check_off(self) -> None:
        for key in ("watermark", "credentials"):
            if not getattr(self, key) and len(self.off_because.strip()) < _REASON_CHARACTERS:
                raise BadSetting(
                    f"provenance.{key}",
                    "cannot be off without a reason: the law of many places wants made pictures marked",
                    "Say in provenance.off_because how viewers and programs are told otherwise, or leave it on.",
                )
