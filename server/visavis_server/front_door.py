"""What is made sure of before others can reach this server: that it asks them for a key, and that it speaks HTTPS.

Knows nothing of requests.
"""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from visavis_models.errors import BadInput
from visavis_server.settings import Settings, default_data_dir

if TYPE_CHECKING:
    from visavis_server.own_certificate import OwnCertificate


def check_access(settings: Settings) -> None:
    """Make sure that no server that needs keys is started without one.

    Raises:
        BadInput: `no_key`.
        StorageError: the keys cannot be read.
    """
    mode = settings.access.mode
    if mode == "open" or (mode == "auto" and not settings.public):
        return
    from visavis_server.access.keys import KeyStore, keys_file

    if not KeyStore(keys_file(settings.data_dir), settings.access.key).empty:
        return
    kept_elsewhere = settings.data_dir != default_data_dir(os.environ, sys.platform, Path.home())
    folder = f" --data-dir {shlex.quote(str(settings.data_dir))}" if kept_elsewhere else ""
    where = "access.mode is required" if mode == "required" else f"others can reach {_place(settings)}"
    raise BadInput(
        "no_key",
        f"This server would have to ask for a key ({where}), and there is none.",
        f"Make one and start again: `visavis key create me{folder}`; or serve this machine only (--host 127.0.0.1), "
        "or let everybody do everything, knowingly (--access open).",
    )


def _place(settings: Settings) -> str:
    server = settings.server
    return f"{', '.join(server.allowed_hosts) or 'it'} through a proxy" if server.loopback else server.host


def with_certificate(settings: Settings) -> tuple[Settings, OwnCertificate | None]:
    """The settings with the files of the certificate to serve with, and the certificate if it is our own.

    Raises:
        StorageError: a certificate of our own cannot be kept.
    """
    server = settings.server
    if server.tls == "off":
        return replace(settings, server=replace(server, tls_cert=None, tls_key=None)), None
    if not server.self_signed:
        return settings, None
    from visavis_server.own_certificate import names_of_this_machine, own_certificate

    own = own_certificate(settings.data_dir / "tls", names_of_this_machine(server.host, server.allowed_hosts))
    return replace(settings, server=replace(server, tls_cert=own.certificate, tls_key=own.key)), own


def about_certificate(own: OwnCertificate) -> str:
    """What the operator is told of a certificate of our own."""
    made = "has made itself a certificate" if own.made else "uses the certificate that it made itself"
    return (
        f"HTTPS: this server {made}; browsers warn of it once. What they should show (SHA-256):\n"
        f"  {own.fingerprint}\n"
        "With a certificate of your own: --tls-cert and --tls-key. Behind an HTTPS proxy: --tls off."
    )
