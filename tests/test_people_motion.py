"""Motion of people who do not exist: plausible mixtures, expressions in time, windows, parts that resume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")

from speech_samples import sentence  # noqa: E402
from visavis_models.arkit import ARKIT, ARKIT_NAMES  # noqa: E402
from visavis_models.errors import StorageError  # noqa: E402
from visavis_models.voice.mouth import face_of_mouth, lip_gap, mouth_of_face  # noqa: E402
from visavis_models.weights import manifest  # noqa: E402
from visavis_training.people import expressions, heard_speech, poses, sequences  # noqa: E402
from visavis_training.people.chance import Chance  # noqa: E402
from visavis_training.people.clip_motion import MOUTHS, clip_motion  # noqa: E402
from visavis_training.people.motion_tracks import Tracks  # noqa: E402
from visavis_training.people.plausibility import face_of, over_speech, parting, plausible  # noqa: E402
from visavis_training.speech import shards  # noqa: E402

pytestmark = pytest.mark.unit

MANY = Chance(torch.arange(6000))


@pytest.fixture(scope="module")
def faces() -> Any:
    return poses.faces(MANY)


@pytest.fixture(scope="module")
def tracks() -> Tracks:
    return sequences.small_tracks()


def column(faces: Any, name: str) -> Any:
    return faces[..., ARKIT[name]]


def test_opposed_muscles_do_not_pull_together(faces: Any) -> None:
    wild = torch.rand(2000, 52, generator=torch.Generator().manual_seed(1))
    for one, other in (
        ("eyeLookInLeft", "eyeLookOutLeft"), ("jawLeft", "jawRight"), ("eyeWideRight", "eyeBlinkRight"),
        ("mouthPucker", "mouthStretchLeft"), ("mouthSmileLeft", "mouthFrownLeft"), ("browDownLeft", "browOuterUpLeft"),
    ):  # fmt: skip
        before = float((column(wild, one) * column(wild, other)).max())
        for made in (plausible(wild), faces):
            assert float((column(made, one) * column(made, other)).max()) < min(0.3, before / 2), (one, other)


def test_pressed_lips_puffed_cheeks_and_tongues_fit_the_opening(faces: Any) -> None:
    wild = plausible(torch.rand(2000, 52, generator=torch.Generator().manual_seed(2)))
    for made in (wild, faces):
        apart = parting(made)
        assert float(column(made, "cheekPuff")[apart > 0.3].max()) == 0
        assert float(column(made, "mouthPressLeft")[apart > 0.7].max()) == 0
        assert (column(made, "mouthClose") <= column(made, "jawOpen")).all()
        out = column(made, "tongueOut") > 0.05
        assert float((column(made, "jawOpen") - column(made, "mouthClose"))[out].min()) > 0.02


def test_a_plain_face_and_what_the_listener_says_stay_as_they_are() -> None:
    for values in ({}, {"jawOpen": 0.6}, {"mouthSmile": 0.8, "cheekSquint": 0.5}, {"jawOpen": 0.4, "mouthClose": 0.4}):
        face = face_of(values)
        torch.testing.assert_close(plausible(face), face)
    for heard in heard_speech.small_set():
        said = torch.from_numpy(face_of_mouth(heard.mouth))
        change = (plausible(said) - said).abs()
        assert float(change.mean()) < 0.002 and float(change.max()) < 0.15


def test_random_faces_cover_every_unit_at_every_strength(faces: Any) -> None:
    assert faces.min() >= 0 and faces.max() <= 1
    for name in ARKIT_NAMES:
        counts = torch.histc(column(faces, name), 4, 0.05, 1.0)
        assert int(counts.min()) >= 5, (name, counts)
    smiles = torch.stack([column(faces, "mouthSmileLeft"), column(faces, "mouthSmileRight")])
    assert 0.6 < float(torch.corrcoef(smiles)[0, 1]) < 0.99
    left, right = (column(faces, f"eyeLookUp{side}") for side in ("Left", "Right"))
    assert float((left - right).abs().quantile(0.9)) < 0.1  # eyes look at one place
    head = poses.heads(MANY)[:, :3].rad2deg()
    assert (head.abs().amax(0) <= torch.tensor(poses.HEAD_LIMITS_DEG) + 1e-3).all() and 6 < float(head[:, 1].std()) < 15


def test_an_expression_sets_in_holds_and_fades_without_corners() -> None:
    curve = expressions.envelope(60, 0.4, 0.8, 0.6)
    assert curve[9] > 0.99 and curve[25] > 0.99 and curve[0] < 0.01 and (curve[46:] == 0).all()
    assert np.abs(np.diff(curve, 2)).max() < 0.08
    acted = expressions.act(4000, np.random.default_rng(3), 1.5)
    assert len(set(acted.names)) > 15
    step = (acted.face[1:] - acted.face[:-1]).abs()
    slow = [i for i, n in enumerate(ARKIT_NAMES) if not n.startswith(("eye", "cheek", "brow"))]
    assert float(step[:, slow].max()) < 0.45
    assert float(acted.face.amax(0).max()) > 0.7


def test_one_sided_expressions_have_a_weak_side() -> None:
    smile = face_of({"mouthSmile": 0.8, "jawOpen": 0.3})
    half = expressions.half_of(smile, "Left")
    assert column(half, "mouthSmileLeft") == pytest.approx(0.8) and column(half, "mouthSmileRight") < 0.15
    assert column(half, "jawOpen") == pytest.approx(0.3)
    assert torch.equal(expressions.mirrored(expressions.mirrored(half)), half)


def test_lips_that_a_sound_has_shut_stay_shut_under_any_expression() -> None:
    speech = torch.from_numpy(face_of_mouth(heard_speech.small_set()[0].mouth))
    laugh = face_of(next(e.face for e in expressions.EXPRESSIONS if e.name == "laugh")).expand(len(speech), -1)
    mixed = over_speech(speech, laugh, torch.ones(len(speech)))
    shut = parting(speech) < 1e-4
    assert int(shut.sum()) > 10
    assert float(parting(mixed)[shut].max()) < 1e-4
    assert float(column(mixed, "mouthSmileLeft").min()) > 0.2  # but one sees the laugh
    silent = over_speech(torch.zeros(1, 52), laugh[:1], torch.zeros(1))
    assert float(parting(silent)) > 0.4


def test_scenes_close_their_lips_where_the_voice_does_and_move_all_of_the_person(tracks: Tracks) -> None:
    face, head = tracks.face.float(), tracks.head.float()
    assert len(tracks) > 4000 and len(tracks.starts) == sequences.SMALL_TAKES + 1
    gap = lip_gap(mouth_of_face(face.numpy()))
    speaking = tracks.speaking.bool().numpy()
    assert 0.4 < speaking.mean() < 0.8
    assert 0.1 < (gap[speaking] < 0.02).mean() < 0.7 and gap[speaking].max() > 0.4
    turn = head[:, :3].rad2deg().abs()
    assert (turn.amax(0) < torch.tensor([22.0, 38.0, 22.0])).all() and turn[:, 1].amax() > 12
    inside = torch.ones(len(tracks) - 1, dtype=torch.bool)
    inside[tracks.starts[1:-1] - 1] = False
    jumps = (head[1:] - head[:-1]).abs().rad2deg()[inside, :3]
    assert float(jumps.max()) < 3.0  # degrees in 40 ms: a lively head, not a thrown one
    blinks = column(face, "eyeBlinkLeft") > 0.8
    assert 0.01 < float(blinks.float().mean()) < 0.15
    assert float((plausible(face) - face).abs().mean()) < 0.003


def test_a_seed_is_a_scene() -> None:
    heard = heard_speech.small_set()
    one, same, other = (sequences.perform(heard, seed) for seed in (5, 5, 6))
    assert np.array_equal(one.face, same.face) and np.array_equal(one.head, same.head)
    assert len(one) != len(other) or not np.array_equal(one.face, other.face)


def test_windows_lie_within_scenes_and_reach_all_of_them(tracks: Tracks) -> None:
    rows = tracks.windows(torch.linspace(0, 1, 4001), 25)
    scene = torch.searchsorted(tracks.starts, rows, right=True)
    assert (scene == scene[:, :1]).all() and len(scene.unique()) == sequences.SMALL_TAKES
    assert int(rows.min()) == 0 and int(rows.max()) == len(tracks) - 1
    assert (rows.diff(dim=1) == 1).all()
    with pytest.raises(ValueError, match="no scene"):
        tracks.windows(torch.zeros(1), 100_000)


def test_references_look_like_portraits_and_driven_frames_move_from_there(tracks: Tracks) -> None:
    motion = clip_motion(Chance(torch.arange(3000)), tracks, 6, 0.75, (0.5, 0.35, 0.15))
    shares = torch.bincount(motion.mouth, minlength=3) / 3000
    assert torch.allclose(shares, torch.tensor([0.5, 0.35, 0.15]), atol=0.03)
    assert float(motion.in_order.float().mean()) == pytest.approx(0.75, abs=0.03)
    reference = motion.face[:, 0]
    assert float(parting(reference)[motion.mouth == MOUTHS.index("shut")].max()) < 0.01
    assert float(parting(reference)[motion.mouth == MOUTHS.index("teeth")].min()) > 0.08
    assert float(column(reference, "eyeBlinkLeft").max()) < 0.45
    moved = (motion.head[:, 1:, :3] - motion.head[:, :1, :3]).norm(dim=-1)
    assert 0.02 < float(moved[motion.in_order].median()) < 0.2 < float(moved[~motion.in_order].quantile(0.8))
    again = clip_motion(Chance(torch.arange(2990, 3000)), tracks, 6, 0.75, (0.5, 0.35, 0.15))
    torch.testing.assert_close(again.face, motion.face[-10:])


def tiny_corpus(folder: Path) -> Path:
    """Two shards, of each of which one utterance is for training."""
    for number, language in enumerate(("en", "zh")):
        samples, phones = sentence(language)
        spans = [[p.symbol, p.start_s, p.end_s] for p in phones]
        rows = [
            ({"id": number * 2 + i, "part": part, "language": language, "engine": "kokoro", "voice": "af_heart",
              "speed": 1.0, "text": language, "phones": spans}, samples)
            for i, part in enumerate(("train", "test"))
        ]  # fmt: skip
        shards.write(folder, f"{number:04d}", rows, {"plan": language, "rows": 2, "dropped": []})
    return folder


def test_tracks_of_a_corpus_go_on_where_a_killed_run_stopped(tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    (tmp_path / "corpus" / shards.FOLDER).mkdir(parents=True)
    corpus = tiny_corpus(tmp_path / "corpus")
    small = heard_speech.small_set()
    calls: list[int] = []

    def hear(voices: Any) -> list[heard_speech.Heard]:
        calls.append(len(voices))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return [small[0] for _ in voices]

    out = tmp_path / "motion.safetensors"
    with pytest.raises(KeyboardInterrupt):
        sequences.make(corpus, out, hear=hear, report=lambda line: None)
    assert not out.exists()
    whole = sequences.make(corpus, out, hear=hear, report=lambda line: None)
    assert calls == [1, 1, 1]  # the first shard was not heard again
    other = sequences.make(corpus, tmp_path / "other", hear=hear, report=lambda line: None)
    assert torch.equal(whole.face, other.face) and torch.equal(whole.starts, other.starts)
    read, note = Tracks.load(out)
    assert torch.equal(read.face, whole.face) and note["shards"] == ["0000", "0001"]
    assert not out.with_name("motion.safetensors.parts").exists()
    (tmp_path / "broken").write_bytes(b"nothing")
    with pytest.raises(StorageError, match="does not hold motion tracks"):
        Tracks.load(tmp_path / "broken")
    with pytest.raises(StorageError, match="no finished shard"):
        sequences.make(tmp_path, tmp_path / "none", hear=hear)


def test_the_small_set_is_what_the_shipped_listener_hears() -> None:
    heard, note = heard_speech.load(Path(heard_speech.__file__).with_name("heard_speech.safetensors"))
    assert json.dumps(note["voices"]) == '["speech_en", "speech_zh"]'
    fresh = heard_speech.listen([sentence("en")[0], sentence("zh")[0]])
    for old, new in zip(heard, fresh, strict=True):
        assert len(old) == len(new)
        assert float(np.abs(old.mouth - new.mouth).mean()) < 0.02, (
            f"made with listener {note['listener']}, shipped is {manifest()['listener'].sha256}: make it again"
        )


def test_voices_are_heard_alike_alone_and_together() -> None:
    voices = [sentence("en")[0][:20_000], sentence("zh")[0][:12_000]]
    together = heard_speech.listen(voices)
    alone = heard_speech.listen(voices[1:])
    np.testing.assert_allclose(together[1].mouth, alone[0].mouth, atol=0.03)
    assert (together[1].mouth[-3:] == 0).all()  # the mouth has shut after the voice
