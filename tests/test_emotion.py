from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from speech_samples import sentence
from visavis_models.arkit import ARKIT
from visavis_models.behaviour.emotion import LOOKS, coefficients, felt_manner
from visavis_models.behaviour.emotional_face import EmotionalFace, coloured_face
from visavis_models.behaviour.manner import NEUTRAL
from visavis_models.behaviour.presets import conduct, preset_of, presets, read_preset
from visavis_models.chunk import Chunk, silent_chunk
from visavis_models.errors import BadInput
from visavis_models.face.rig import FaceRig
from visavis_models.mood import EMOTIONS, Emotion, Feeling, Mood
from visavis_models.motion import MotionWindow, join_windows
from visavis_models.performer import Performer
from visavis_models.portrait.storage import load_avatar
from visavis_models.voice.mouth import LIP_PARTING, MOUTH_CHANNELS, lip_gap, mouth_of_face
from visavis_models.weights import weights_folder

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from lip_measures import Shown, Spoken, closures  # noqa: E402

pytestmark = pytest.mark.weights
FPS = 25
LEAD = 40
REST = np.zeros(52, np.float32)
FELT = tuple(name for name in EMOTIONS if name != "neutral")


def settled(emotion: Emotion, strength: float = 1.0, seconds: float = 6.0) -> NDArray[np.float32]:
    """What a silent face shows after a while, float32 (52,)."""
    state = EmotionalFace(1)
    for _ in range(int(seconds * FPS)):
        colour = state.step(Feeling(emotion, strength))
    return coloured_face(REST, REST, colour)


def spoken_with(mood: Mood, language: str = "en") -> MotionWindow:
    """A sentence, after a while in which the mood has come about; frame 0 is the first of the voice."""
    samples, _ = sentence(language)
    voice = samples[: len(samples) // 640 * 640].reshape(-1, 640).astype(np.float32) / np.float32(32768)
    performer = Performer(2, mood=mood)
    windows = [performer.push(silent_chunk(i)) for i in range(LEAD)]
    silence = silent_chunk(0).playback
    windows += [performer.push(Chunk(LEAD + i, chunk, silence)) for i, chunk in enumerate(voice)]
    windows += [performer.push(silent_chunk(LEAD + len(voice) + i)) for i in range(performer.lookahead_ms // 40)]
    return join_windows([window for window in windows if window is not None]).rows(LEAD, LEAD + len(voice))


def closure_recall(motion: MotionWindow, language: str) -> float:
    samples, phones = sentence(language)
    shown = Shown(lip_gap(mouth_of_face(motion.face)))
    shut, _ = closures([Spoken(samples.astype(np.float32) / np.float32(32768), phones, "one")], [shown])
    assert len(shut) >= 3
    return float(np.mean(shut))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_emotion_costs_a_closure(language: str) -> None:
    without = closure_recall(spoken_with(Mood(), language), language)
    assert without > 0.8
    for emotion in FELT:
        assert closure_recall(spoken_with(Mood(Feeling(emotion)), language), language) >= without - 0.02


@pytest.mark.parametrize("emotion", FELT)
def test_lips_of_the_silent_and_of_closures_stay_shut_in_the_driven_face(emotion: Emotion) -> None:
    rig = FaceRig.fit(load_avatar(weights_folder() / "gallery" / "maya"))
    state = EmotionalFace(3)
    shut = REST.copy()
    shut[[ARKIT["jawOpen"], ARKIT["mouthClose"]]] = 0.35
    shut[[ARKIT["mouthRollLower"], ARKIT["mouthRollUpper"]]] = 0.3
    for k in range(100):
        colour = state.step(Feeling(emotion))
        if k % 7 == 0:
            for mouth in (REST, shut):
                face = coloured_face(REST, mouth, colour)
                gap = float(rig.drive(face, np.zeros(6, np.float32)).lip_gap_px)
                assert gap < 0.004 * rig.face_width_px
                assert lip_gap(mouth_of_face(face)) < 0.01


def test_what_looks_add_to_a_face_never_parts_its_lips() -> None:
    for look in LOOKS.values():
        assert lip_gap(mouth_of_face(np.clip(coefficients(look.face), 0, 1).astype(np.float32))) == 0
        for name in look.parting:
            channel = name.removesuffix("Left").removesuffix("Right")
            assert LIP_PARTING[MOUTH_CHANNELS.index(channel)] > 0


def test_emotions_show_what_they_are_known_by() -> None:
    def of(emotion: Emotion, name: str) -> float:
        return float(settled(emotion)[ARKIT[name]])

    assert of("happy", "mouthSmileLeft") > 0.7 < of("happy", "cheekSquintLeft")
    assert of("sad", "mouthFrownLeft") > 0.7 < of("sad", "browInnerUp")
    assert of("angry", "browDownLeft") > 0.7 > of("angry", "browInnerUp")
    assert of("surprised", "browOuterUpLeft") > 0.7 < of("surprised", "eyeWideLeft")
    assert of("afraid", "mouthStretchLeft") > 0.7 < of("afraid", "browInnerUp")
    assert of("disgusted", "noseSneerLeft") > 0.7
    assert 0.2 < of("calm", "mouthSmileLeft") < 0.5
    assert not settled("neutral").any()


def test_strength_is_in_proportion() -> None:
    half, full = settled("angry", 0.5), settled("angry")
    strong = full > 0.2
    assert np.allclose(half[strong] / full[strong], 0.5, atol=0.12)


@pytest.mark.parametrize("emotion", FELT)
def test_an_emotion_comes_and_goes_smoothly_at_its_own_pace(emotion: Emotion) -> None:
    state, amounts = EmotionalFace(5), []
    for k in range(350):
        colour = state.step(Feeling(emotion if k < 150 else "neutral"))
        amounts.append(np.concatenate([colour.face, colour.head]))
    track = np.linalg.norm(amounts, axis=1)
    height = track[100:150].mean()
    onset_s = float(np.argmax(track > 0.8 * height)) / FPS
    offset_s = float(np.argmax(track[150:] < 0.2 * height)) / FPS
    assert 0.15 < onset_s < 1.6
    assert onset_s < offset_s < 3.0
    assert np.abs(np.diff(amounts, axis=0)).max() < 0.25
    assert track[-1] < 0.02 * height


def test_a_held_emotion_is_no_mask_and_neither_half_is_like_the_other() -> None:
    state = EmotionalFace(6)
    faces = np.array([state.step(Feeling("sad")).face for _ in range(1500)])[100:]
    left, right = faces[:, ARKIT["mouthFrownLeft"]], faces[:, ARKIT["mouthFrownRight"]]
    assert 0.01 < (left - right).std() < 0.1
    inner = faces[:, ARKIT["eyeBlinkLeft"]]
    assert 0.02 < inner.std() / inner.mean() < 0.2
    assert np.abs(np.diff(faces, axis=0)).max() < 0.03


def test_the_same_seed_feels_the_same() -> None:
    one, other, third = EmotionalFace(7), EmotionalFace(7), EmotionalFace(8)
    rows = [[state.step(Feeling("afraid")).face for _ in range(50)] for state in (one, other, third)]
    assert np.array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])


def test_lids_that_blink_are_not_held_open_by_fear() -> None:
    state = EmotionalFace(1)
    for _ in range(50):
        colour = state.step(Feeling("afraid"))
    blinking = REST.copy()
    blinking[[ARKIT["eyeBlinkLeft"], ARKIT["eyeBlinkRight"]]] = 1.0
    face = coloured_face(blinking, REST, colour)
    assert face[ARKIT["eyeBlinkLeft"]] == 1.0
    assert face[ARKIT["eyeWideLeft"]] == 0.0


def test_a_bowed_head_keeps_its_eyes_with_the_viewer() -> None:
    def looks(emotion: Emotion) -> tuple[float, float]:
        performer = Performer(9, mood=Mood(Feeling(emotion)))
        windows = [performer.push(silent_chunk(i)) for i in range(400)]
        motion = join_windows([window for window in windows if window is not None]).rows(100, 390)
        up = motion.face[:, ARKIT["eyeLookUpLeft"]] - motion.face[:, ARKIT["eyeLookDownLeft"]]
        return float(np.median(motion.head[:, 0])), float(np.median(up))

    (calm_pitch, calm_up), (sad_pitch, sad_up) = looks("neutral"), looks("sad")
    assert sad_pitch > calm_pitch + 0.03
    assert sad_up > calm_up + 0.03


def test_nobody_smiles_out_of_habit_while_they_are_sad() -> None:
    state, smiling = EmotionalFace(1), REST.copy()
    smiling[[ARKIT["mouthSmileLeft"], ARKIT["mouthSmileRight"]]] = 0.2
    for _ in range(100):
        colour = state.step(Feeling("sad"))
    assert coloured_face(smiling, REST, colour)[ARKIT["mouthSmileLeft"]] < 0.05
    assert felt_manner(preset_of("friend").manner, Feeling("sad")).smile == 0.0
    assert felt_manner(preset_of("friend").manner, Feeling("happy")).smile > 0.0


def test_manners_follow_feelings_in_proportion() -> None:
    assert felt_manner(NEUTRAL, Feeling("neutral")) == NEUTRAL
    sad = felt_manner(NEUTRAL, Feeling("sad"))
    half = felt_manner(NEUTRAL, Feeling("sad", 0.5))
    assert sad.tempo < half.tempo < 1.0
    assert sad.gaze_on_viewer < half.gaze_on_viewer < NEUTRAL.gaze_on_viewer


def test_presets_ship_and_differ() -> None:
    assert {"newsreader", "friend", "teacher"} <= set(presets())
    reads, friend = preset_of("newsreader"), preset_of("friend")
    assert reads.manner.head_scale < friend.manner.head_scale
    assert reads.emotion_scale < 1.0
    assert all(preset.title and preset.about for preset in presets().values())


def test_what_is_felt_is_asked_for_by_segment_then_voice_then_mood_then_preset() -> None:
    friend = Mood(preset="friend")
    assert conduct(friend)[0] == preset_of("friend").feeling
    assert conduct(friend, spoken=Feeling("sad", 0.5))[0] == Feeling("sad", 0.5)
    assert conduct(friend, spoken=Feeling("neutral"))[0].emotion == "neutral"
    assert conduct(friend, heard=Feeling("angry", 0.5))[0] == preset_of("friend").feeling
    listens = Mood(Feeling("calm"), from_voice=True)
    assert conduct(listens, heard=Feeling("angry", 0.5))[0] == Feeling("angry", 0.5)
    assert conduct(listens)[0] == Feeling("calm")
    news = preset_of("newsreader").emotion_scale
    assert conduct(Mood(Feeling("happy", 0.5), preset="newsreader"))[0] == Feeling("happy", 0.5 * news)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[manner]\nspeed = 1", "[manner] may have"),
        ("[manner]\ntempo = -1", "manner.tempo"),
        ("[manner]\ntempo = true", "manner.tempo"),
        ("emotion_scale = 2", "emotion_scale"),
        ("colour = 1", "colour is unknown"),
        ("feeling = 3", "[feeling]"),
        ("= 3", "cannot be used"),
        ('[feeling]\nemotion = "jolly"', "jolly"),
    ],
)
def test_a_preset_that_is_wrong_is_refused_with_the_reason(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(BadInput, match=".") as refused:
        read_preset(path)
    assert what in refused.value.message


def test_what_is_no_emotion_and_no_preset_is_refused() -> None:
    with pytest.raises(BadInput, match="happy"):
        Feeling("bored")  # type: ignore[arg-type]
    for strength in (-0.1, 1.1, float("nan")):
        with pytest.raises(BadInput, match="0 to 1"):
            Feeling("happy", strength)
    with pytest.raises(BadInput, match="friend"):
        Performer(0).set_mood(Mood(preset="pirate"))


def test_a_segment_is_spoken_with_its_own_feeling() -> None:
    performer = Performer(4)
    faces = []
    for i in range(100):
        chunk = silent_chunk(i)
        chunk = Chunk(i, chunk.samples, chunk.playback, feeling=Feeling("happy") if 20 <= i < 60 else None)
        window = performer.push(chunk)
        if window is not None:
            faces.append(window.face[0, ARKIT["mouthSmileLeft"]])
    assert max(faces[:15]) < 0.15
    assert faces[55] > 0.6
    assert faces[-1] < 0.2
