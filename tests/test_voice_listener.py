"""The mouth listener on two real sentences, and on everything that is not speech."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from heard_voices import DELAY, chunk, faces, gaps, listened, sentence
from visavis_models.chunk import CHUNK_SAMPLES
from visavis_models.errors import BadVoice
from visavis_models.performer import Performer
from visavis_models.voice.encoder import STATE_SIZE
from visavis_models.voice.features import features_of
from visavis_models.voice.listener import MouthListener, push_all
from visavis_models.voice.mouth import MOUTH_COEFFICIENTS, lip_gap, mouth_of_face

pytestmark = pytest.mark.weights


@pytest.mark.parametrize("language", ["en", "zh"])
def test_lips_meet_on_p_b_m_and_part_on_open_vowels(language: str) -> None:
    voice, phones = sentence(language)
    gap = gaps(listened(voice))
    middles = (np.arange(len(gap)) + 0.5) / 25
    near = {
        kind: [
            gap[(middles >= start - 0.02) & (middles <= end + 0.02)]
            for symbol, start, end in phones
            if symbol in symbols and end - start > shortest
        ]
        for kind, symbols, shortest in (("closure", "pbm", 0.0), ("open", "aɑæ", 0.06))
    }
    opened = float(np.median([part.max() for part in near["open"]]))
    assert opened > 0.2
    assert len(near["closure"]) >= 10
    assert np.mean([part.min() < 0.1 * opened for part in near["closure"]]) >= {"en": 0.9, "zh": 0.7}[language]
    assert np.mean([part.max() < 0.1 * opened for part in near["open"]]) <= 0.1


def test_frame_k_comes_with_chunk_k_plus_the_lookahead() -> None:
    listener = MouthListener()
    silence = np.zeros(CHUNK_SAMPLES, np.float32)
    for index in range(7, 12):
        motion = listener.push(chunk(index, silence))
        assert (motion is None) if index < 7 + DELAY else (motion is not None and motion.index == index - DELAY)


@pytest.mark.parametrize("kind", ["silence", "white noise", "hum", "dc"])
def test_the_mouth_is_shut_without_speech(kind: str) -> None:
    source = np.random.default_rng(3)
    t = np.arange(4 * 16_000) / 16_000
    voice = {
        "silence": np.zeros(len(t)),
        "white noise": 0.05 * source.standard_normal(len(t)),
        "hum": 0.1 * np.sin(2 * np.pi * 50 * t) + 0.03 * np.sin(2 * np.pi * 150 * t),
        "dc": np.full(len(t), 0.3),
    }[kind].astype(np.float32)
    motions = listened(voice)
    assert np.all(faces(motions) == 0.0)
    assert not any(motion.speaking for motion in motions)


def test_the_mouth_shuts_in_the_pause_and_the_states_follow_speech() -> None:
    voice, phones = sentence("en")
    pause = max((p for p in phones[1:-1] if p[0] == "sil"), key=lambda p: p[2] - p[1])
    motions = listened(voice)
    inside = [m for m in motions if pause[1] + 0.36 < m.index / 25 < pause[2] - 0.12]
    assert len(inside) >= 8 and np.all(faces(inside) == 0.0)
    assert sum(m.speaking for m in motions) > 0.4 * len(motions)
    assert not inside[-1].speaking and max(m.energy for m in motions) > 0.8 and inside[-1].energy == 0.0


def test_only_the_lower_face_ever_moves() -> None:
    moved = np.flatnonzero(faces(listened(sentence("zh")[0])).max(axis=0))
    assert set(moved) <= set(MOUTH_COEFFICIENTS) and len(moved) > 10


@pytest.mark.parametrize("gain_db", [-40.0, -20.0])
def test_a_quiet_voice_moves_the_mouth_as_a_loud_one(gain_db: float) -> None:
    voice, _ = sentence("en")
    loud, quiet = (gaps(listened(voice * np.float32(10 ** (db / 20)))) for db in (0.0, gain_db))
    assert np.abs(loud - quiet).mean() < 0.02 and np.corrcoef(loud, quiet)[0, 1] > 0.97


def test_features_are_the_same_streamed_and_whole() -> None:
    from visavis_models.voice.features import FeatureStream

    voice = sentence("en")[0][: 20 * CHUNK_SAMPLES]
    stream = FeatureStream()
    parts = [stream.push(part) for part in voice.reshape(-1, CHUNK_SAMPLES)]
    np.testing.assert_allclose(np.concatenate(parts), features_of(voice), atol=1e-4)


def test_the_network_is_the_same_streamed_and_whole_on_both_engines() -> None:
    from visavis_models.engines import open_engine
    from visavis_models.weights import weight_file

    heard = features_of(sentence("zh")[0][: 40 * CHUNK_SAMPLES])[None]
    scores = {}
    for kind in ("openvino", "onnxruntime"):
        engine = open_engine(weight_file("listener"), kind)
        state = np.zeros((1, STATE_SIZE), np.float32)
        whole = engine.run({"features": heard, "state": state})["scores"]
        pieces = []
        for t in range(40):
            values = engine.run({"features": np.ascontiguousarray(heard[:, 4 * t : 4 * t + 4]), "state": state})
            state = values["next_state"]
            pieces.append(values["scores"])
        scores[kind] = np.concatenate(pieces, axis=1)
        mouth = slice(0, 15)
        np.testing.assert_allclose(scores[kind][..., mouth], whole[..., mouth], atol=1e-3)
    np.testing.assert_allclose(scores["openvino"][..., :15], scores["onnxruntime"][..., :15], atol=1e-3)


def test_broken_samples_are_heard_as_silence_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    voice = sentence("en")[0].copy()
    voice[8000:8100] = np.nan
    voice[30_000:30_010] = np.inf
    with caplog.at_level(logging.WARNING):
        motions = listened(voice)
    assert np.isfinite(faces(motions)).all() and faces(motions).max() <= 1.0 and gaps(motions).max() > 0.2
    assert len(caplog.records) == 1


def test_a_chunk_of_another_size_is_refused() -> None:
    with pytest.raises(BadVoice):
        MouthListener().push(chunk(0, np.zeros(320, np.float32)))


def test_an_interrupt_shuts_the_mouth_softly_within_200_ms_and_numbering_goes_on() -> None:
    voice, _ = sentence("en")
    parts = voice[: len(voice) // CHUNK_SAMPLES * CHUNK_SAMPLES].reshape(-1, CHUNK_SAMPLES)
    opened = next(i for i, m in enumerate(listened(voice)) if i > 20 and gaps([m])[0] > 0.2)
    listener = MouthListener()
    shown = [m for i in range(opened + DELAY + 1) if (m := listener.push(chunk(i, parts[i]))) is not None]
    listener.interrupt()
    after = [listener.push(chunk(opened + DELAY + 1 + i, np.zeros(CHUNK_SAMPLES, np.float32))) for i in range(8)]
    motions = [m for m in after if m is not None]
    assert [m.index for m in (*shown, *motions)] == list(range(opened + 9))
    gap = gaps([shown[-1], *motions])
    assert gap[0] > 0.2 and gap[1] > 0.4 * gap[0]  # eased, not cut
    assert np.all(np.diff(gap) <= 1e-6) and np.all(faces(motions)[4:] == 0.0)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_interrupted_mouth_closes_from_the_frame_that_was_shown_last(language: str) -> None:
    voice, _ = sentence(language)
    parts = voice[: len(voice) // CHUNK_SAMPLES * CHUNK_SAMPLES].reshape(-1, CHUNK_SAMPLES)
    gap = gaps(listened(voice))[: len(parts) - DELAY]
    ahead = 4  # frames that were heard, and are never shown
    cuts = [k for k in range(len(gap) - ahead) if abs(gap[k] - gap[k + ahead]) > 0.2]
    assert any(gap[k] > 0.2 for k in cuts) and any(gap[k] < 0.1 for k in cuts)
    for cut in cuts[::4]:
        listener = MouthListener()
        for i in range(cut + ahead + DELAY + 1):
            listener.push(chunk(i, parts[i]))
        listener.interrupt(last_shown=cut)
        silence = np.zeros(CHUNK_SAMPLES, np.float32)
        after = [listener.push(chunk(cut + ahead + DELAY + 1 + i, silence)) for i in range(5)]
        closing = gaps([motion for motion in after if motion is not None])
        assert len(closing) == 5 and closing[0] == pytest.approx(0.54 * gap[cut], abs=0.08), (cut, gap[cut], closing)
        assert np.all(np.diff(closing) <= 1e-6) and closing[-1] == 0.0


def test_frames_that_were_told_and_can_still_be_drawn_close_too() -> None:
    voice, _ = sentence("en")
    parts = voice[: len(voice) // CHUNK_SAMPLES * CHUNK_SAMPLES].reshape(-1, CHUNK_SAMPLES)
    cut = next(k for k, value in enumerate(gaps(listened(voice))) if k > 20 and value > 0.3)
    listener, ahead, silence = MouthListener(), 5, np.zeros(CHUNK_SAMPLES, np.float32)
    for i in range(cut + ahead + DELAY + 1):
        listener.push(chunk(i, parts[i]))
    again = listener.interrupt(cut, cut + 2)
    assert [index for index, _ in again] == list(range(cut + 2, cut + ahead + 1))
    following = listener.push(chunk(cut + ahead + DELAY + 1, silence))
    assert following is not None and following.index == cut + ahead + 1
    gap = lip_gap(mouth_of_face(np.stack([face for _, face in again])))
    assert gap[0] == pytest.approx(0.54 * gaps(listened(voice))[cut], abs=0.08) and gap[2] == gap[3] == 0.0
    assert np.all(np.diff(gap) <= 1e-6) and not following.face.any()
    assert listener.interrupt(cut + 1, cut + 100) == [], "nothing can be drawn in time"


def test_a_performer_goes_on_looking_about_while_its_mouth_closes() -> None:
    voice, _ = sentence("en")
    parts = voice[: len(voice) // CHUNK_SAMPLES * CHUNK_SAMPLES].reshape(-1, CHUNK_SAMPLES)
    performer = Performer(seed=3)
    told = [window for i in range(60) if (window := performer.push(chunk(i, parts[i]))) is not None]
    again = performer.interrupt(50, 53)
    assert again is not None and again.first_frame == 53 and len(again) == len(told) - 53
    np.testing.assert_array_equal(again.head, np.concatenate([window.head for window in told[53:]]))
    np.testing.assert_array_equal(again.body, np.concatenate([window.body for window in told[53:]]))
    assert not again.speaking.any()
    assert performer.interrupt(None) is None


def test_an_interrupt_before_anything_was_shown_is_none() -> None:
    listener = MouthListener()
    listener.interrupt(last_shown=-1)
    assert np.all(faces(listened(np.zeros(20 * CHUNK_SAMPLES, np.float32), listener)) == 0.0)


def test_speech_right_after_an_interrupt_is_heard_afresh() -> None:
    voice = sentence("zh")[0]
    listener = MouthListener()
    listened(sentence("en")[0][:32_000], listener)
    listener.interrupt()
    again = listened(voice, listener, first=52)
    fresh = listened(voice)
    np.testing.assert_allclose(gaps(again)[-len(fresh) + 6 :], gaps(fresh)[6:], atol=1e-3)


def test_two_sessions_do_not_mix_alone_or_in_one_batch() -> None:
    voices = [sentence(language)[0][: 60 * CHUNK_SAMPLES].reshape(-1, CHUNK_SAMPLES) for language in ("en", "zh")]
    alone = [[m for m in map(MouthListener().push, map(chunk, range(60), v)) if m is not None] for v in voices]
    taking_turns = [MouthListener(), MouthListener()]
    batched = [MouthListener(), MouthListener()]
    for i in range(60):
        pair = [chunk(i, voice[i]) for voice in voices]
        turns = [listener.push(c) for listener, c in zip(taking_turns, pair, strict=True)]
        both = push_all(batched, pair)
        for session in range(2):
            if i >= DELAY:
                expected = alone[session][i - DELAY].face
                one, other = turns[session], both[session]
                assert one is not None and other is not None
                np.testing.assert_allclose(one.face, expected, atol=1e-6)
                np.testing.assert_allclose(other.face, expected, atol=1e-3)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pitch_voicing_and_energy_are_those_of_the_voice(language: str) -> None:
    from visavis_training.speech.pitch import pitch_of

    voice = sentence(language)[0]
    voice = voice[: len(voice) // CHUNK_SAMPLES * CHUNK_SAMPLES]
    motions = listened(voice)
    true_hz, voiced = pitch_of(voice)
    middles = np.minimum((np.arange(len(motions)) * 4 + 2), len(true_hz) - 1)
    true_hz, voiced = true_hz[middles], voiced[middles].astype(bool)
    said = np.array([m.pitch_hz for m in motions])
    both = voiced & (said > 0)
    assert np.mean((said > 0) == voiced) > 0.85
    assert both.sum() > 30 and np.median(np.abs(np.log2(said[both] / true_hz[both]))) < 1 / 12  # a semitone
    frames = voice.reshape(len(motions), -1)
    level_db = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-9)
    energy = np.array([m.energy for m in motions])
    assert np.corrcoef(energy, np.clip(level_db, -50, 0))[0, 1] > 0.85
    assert energy.max() > 0.7 and energy.min() == 0.0


def test_phones_are_probabilities_and_visemes_their_sums() -> None:
    from visavis_models.voice.phones import PHONES, VISEME_OF_PHONE

    for motion in listened(sentence("en")[0][: 50 * CHUNK_SAMPLES]):
        assert motion.phones.shape == (len(PHONES),)
        np.testing.assert_allclose(motion.phones.sum(), 1.0, atol=1e-4)
        np.testing.assert_allclose(motion.phones @ VISEME_OF_PHONE, motion.visemes, atol=1e-5)
