"""FFmpeg's whip muxer as a WHIP client; a process of its own, because PyAV holds the interpreter while it connects.

Usage: ffmpeg_whip_client.py URL FOLDER SECONDS TOKEN.
"""

from __future__ import annotations

import datetime
import sys
import time
from pathlib import Path

import av
import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate on the curve P-256 and its key, as files: FFmpeg's own may be on one that DTLS peers refuse."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whip test")])
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    (folder / "cert.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (folder / "key.pem").write_bytes(plain)
    return folder / "cert.pem", folder / "key.pem"


def speak(url: str, folder: Path, seconds: float, token: str) -> None:
    """FFmpeg's whip muxer, in real time: a stereo tone, and video that nobody wants."""
    cert, key = _certificate(folder)
    options = {"cert_file": str(cert), "key_file": str(key), "authorization": token}
    with av.open(url, "w", format="whip", options=options) as out:
        sound = out.add_stream("libopus", 48_000)
        sound.layout = "stereo"
        picture = out.add_stream("libx264", 25)
        picture.width, picture.height, picture.pix_fmt = 160, 128, "yuv420p"
        picture.options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}
        begun_s = time.monotonic()
        wave = (12_000 * np.sin(2 * np.pi * 300 * np.arange(960) / 48_000)).astype(np.int16)
        for k in range(int(seconds * 50)):
            time.sleep(max(0.0, begun_s + k / 50 - time.monotonic()))
            frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None], format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 48_000, 960 * k
            out.mux(sound.encode(frame))
            if k % 2 == 0:
                shown = av.VideoFrame.from_ndarray(np.full((192, 160), k % 256, np.uint8), format="yuv420p")
                shown.pts = k // 2
                out.mux(picture.encode(shown))


if __name__ == "__main__":
    speak(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
