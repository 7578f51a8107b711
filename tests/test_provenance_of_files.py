"""What rendered files and recordings say of themselves, and what `visavis inspect` makes of it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from PIL import Image

from output_measures import ticking, until_true, watch
from portrait_photos import astronaut
from stage_fakes import LoudnessListener
from visavis_models.errors import BadInput, StorageError
from visavis_models.portrait.library import AvatarLibrary
from visavis_server import __version__
from visavis_server.outputs.program import Program
from visavis_server.outputs.recording import Recording
from visavis_server.provenance.certificate import signing_certificate
from visavis_server.provenance.content_credentials import Credentials, credentials_of, sign_mp4
from visavis_server.provenance.inspection import inspect_file
from visavis_server.provenance.signing import clear_forgotten, file_signer, recording_signer
from visavis_server.provenance.watermark import marked
from visavis_server.provenance_settings import ProvenanceSettings
from visavis_server.render_file import render_file
from visavis_server.setting_fields import BadSetting
from visavis_server.settings import Settings
from visavis_server.settings_sources import load_settings
from visavis_server.video_file import VideoFile
from visavis_server.wiring import default_renderer, finish_for

pytestmark = pytest.mark.e2e


def settings_in(folder: Path, **flags: object) -> Settings:
    return load_settings(flags={"data_dir": folder, **{k.replace("__", "."): v for k, v in flags.items()}})


def small_video(path: Path) -> Path:
    picture = np.ascontiguousarray(astronaut()[100:356, 100:356])
    with VideoFile(path, 256, 256) as video:
        for _ in range(10):
            video.write(picture, np.zeros(1920, np.int16))
    return path


def credentials(path: Path) -> Credentials:
    found = credentials_of(path)
    assert found is not None
    return found


def test_a_rendered_file_tells_what_it_is_and_whether_it_was_changed(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    signer, finish = file_signer(settings), finish_for(settings.provenance)
    assert signer is not None and finish is not None
    out = tmp_path / "talk.mp4"
    avatar = AvatarLibrary(tmp_path / "avatars").get("samuel")
    report = render_file(
        avatar, None, out, renderer=default_renderer(), listener=LoudnessListener(), long_side_px=384,
        least_frames=30, finish=finish, sign=signer.sign,
    )  # fmt: skip
    assert report.notes == () and [p.name for p in tmp_path.glob("*.mp4")] == ["talk.mp4"]
    assert not list(tmp_path.glob(".*"))
    found = inspect_file(out)
    assert found.made_by_visavis and found.pictures is not None and found.pictures.marked_places == 1
    said = credentials(out)
    assert said.intact and not said.trusted and said.made_with == f"visavis {__version__}"
    assert said.source_type.endswith("compositeWithTrainedAlgorithmicMedia")
    text = "\n".join(found.lines())
    assert "unchanged since it was signed" in text and "nobody vouches" in text and "made by visavis" in text
    assert json.loads(json.dumps(found.as_json()))["watermark"]["places"][0]["found"] is True
    content = bytearray(out.read_bytes())
    content[-1000] ^= 1
    out.write_bytes(content)
    assert not credentials(out).intact
    assert "CHANGED" in "\n".join(inspect_file(out).lines())


async def test_a_recording_is_signed_and_plays_as_before(tmp_path: Path) -> None:
    sign = recording_signer(settings_in(tmp_path / "data", outputs__record_dir=str(tmp_path)))
    assert sign is not None
    program, path = Program(320, 320, 2500), tmp_path / "a.mp4"
    async with ticking() as ticker:
        ticker.sinks.append(program)
        recorded = Recording(program, path, 0, lambda: None, sign)
        await until_true(lambda: recorded.report().seconds >= 3, "3 s recorded")
        ticker.sinks.clear()
        last = ticker.next - 1
        await recorded.close()
        await program.close()
    await recorded.settle(30)
    assert credentials(path).intact
    seen = watch(path)
    assert seen.indices == list(range(seen.indices[0], last + 1)) and seen.onsets_s
    assert all(abs(offset) < 15 for offset in seen.offsets_ms)
    whole = path.read_bytes()
    within = whole.rindex(b"mdat") + 60  # a stranger's pictures; what tells of the boxes stays
    path.write_bytes(whole[:within] + b"x" * 50 + whole[within + 50 :])
    assert not credentials(path).intact


async def test_a_recording_that_cannot_be_signed_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "data").write_text("a file where a folder is wanted")
    with caplog.at_level(logging.WARNING):
        signer = file_signer(settings_in(tmp_path / "data"))
    assert signer is not None and "files will not be signed" in caplog.text
    path = small_video(tmp_path / "a.mp4")
    before = path.read_bytes()
    said = await asyncio.to_thread(signer.sign, path)
    assert said is not None and "certificate" in said and path.read_bytes() == before


def test_what_is_no_video_is_not_signed_and_left_alone(tmp_path: Path) -> None:
    certificate = signing_certificate(ProvenanceSettings(), tmp_path)
    path = tmp_path / "a.mp4"
    path.write_bytes(b"rubbish" * 100)
    with pytest.raises(StorageError) as refused:
        sign_mp4(path, certificate, True)
    assert refused.value.code == "not_signed" and path.read_bytes() == b"rubbish" * 100
    with pytest.raises(StorageError):
        sign_mp4(tmp_path / "nowhere.mp4", certificate, True)
    assert not list(tmp_path.glob(".*"))


def test_one_certificate_is_made_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first, second = (signing_certificate(ProvenanceSettings(), tmp_path) for _ in range(2))
    assert first == second and "PRIVATE" not in repr(first)
    (path,) = (tmp_path / "provenance").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    certificate = x509.load_pem_x509_certificates(first.chain)[0]
    assert certificate.not_valid_after_utc.timestamp() > time.time() + 9 * 365 * 86_400
    path.write_text("rubbish")
    with pytest.raises(StorageError):
        signing_certificate(ProvenanceSettings(), tmp_path)


def test_the_operators_certificate_is_used_or_refused_by_name(tmp_path: Path) -> None:
    made = signing_certificate(ProvenanceSettings(), tmp_path)
    chain, key, other = tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "other.pem"
    chain.write_bytes(made.chain)
    key.write_bytes(made.key)
    stranger = ec.generate_private_key(ec.SECP256R1())
    other.write_bytes(stranger.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert signing_certificate(ProvenanceSettings(certificate=chain, certificate_key=key), tmp_path) == made
    for bad in (other, chain):
        with pytest.raises(BadSetting) as refused:
            signing_certificate(ProvenanceSettings(certificate=chain, certificate_key=bad), tmp_path)
        assert refused.value.key == "provenance.certificate" and "PRIVATE" not in str(refused.value)


def test_marks_are_off_only_for_a_reason(tmp_path: Path) -> None:
    for key in ("watermark", "credentials"):
        with pytest.raises(BadSetting) as refused:
            load_settings(flags={f"provenance.{key}": False})
        assert refused.value.key == f"provenance.{key}" and "off_because" in refused.value.remedy
    because = {"provenance.off_because": "A film; the credits say so."}
    off = load_settings(flags={"provenance.watermark": False, "provenance.credentials": False, **because})
    assert finish_for(off.provenance) is None and file_signer(off) is None and recording_signer(off) is None
    with pytest.raises(BadSetting):
        load_settings(flags={"provenance.badge": "x" * 41})
    with pytest.raises(BadSetting):
        load_settings(flags={"provenance.certificate": str(tmp_path / "nowhere.pem")})


def test_half_signed_copies_of_a_killed_process_go_after_an_hour(tmp_path: Path) -> None:
    old, new = tmp_path / ".a.mp4.1.signing", tmp_path / ".b.mp4.2.signing"
    for path in (old, new):
        path.write_text("half")
    os.utime(old, (1, 1))
    clear_forgotten(tmp_path)
    assert not old.exists() and new.exists()


def test_pictures_and_motion_files_are_inspected_too(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    Image.fromarray(marked(astronaut()[None])[0]).save(picture)
    assert inspect_file(picture).made_by_visavis
    Image.fromarray(astronaut()).save(picture)
    plain = inspect_file(picture)
    assert not plain.made_by_visavis and "proves nothing" in plain.lines()[-1]
    motion = tmp_path / "a.json"
    motion.write_text('{"metadata": {"format": "visavis-motion", "visavis": "0.1", "audio": {"name": "v.wav"}}}')
    assert inspect_file(motion).made_by_visavis and "of v.wav" in "\n".join(inspect_file(motion).lines())
    motion.write_text('[{"jawOpen": 1}]')
    assert not inspect_file(motion).made_by_visavis


@pytest.mark.parametrize(("name", "content"), [("a.mp4", b""), ("a.json", b"{"), ("a.parquet", b"PAR1"), ("a", b"x")])
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadInput) as refused:
        inspect_file(path)
    assert refused.value.code == "file_unreadable" and refused.value.remedy
    with pytest.raises(BadInput):
        inspect_file(tmp_path / "nowhere.mp4")


def test_the_command_tells_people_and_programs(tmp_path: Path) -> None:
    path = small_video(tmp_path / "a.mp4")
    run = [sys.executable, "-m", "visavis_server", "inspect", str(path)]
    told = subprocess.run(run, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "watermark    not found" in told and "credentials  none" in told
    data = subprocess.run([*run, "--json"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert json.loads(data)["made_by_visavis"] is False
