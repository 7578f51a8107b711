"""Several people in one picture: one says the voice, all move each in their own way, and all are drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agent_speech import speech
from two_people import two_people
from visavis_models.arkit import ARKIT
from visavis_models.avatar import Avatar
from visavis_models.chunk import CHUNK_SAMPLES, Chunk, silent_chunk
from visavis_models.ensemble import Ensemble, listener_of_people
from visavis_models.mood import Feeling, Mood
from visavis_models.motion import MotionWindow, join_windows, rest_motion
from visavis_models.people_rendering import GroupState, for_people
from visavis_models.performer import Performer
from visavis_models.portrait.analysis import analyse_canvas
from visavis_models.warp.renderer import WarpRenderer

pytestmark = pytest.mark.weights


def chunks(seconds: float = 4.0) -> list[Chunk]:
    said = speech(16_000).astype(np.float32) / 32768
    voice = np.resize(said, int(seconds * 16_000)).astype(np.float32)
    return [
        replace(silent_chunk(i), samples=voice[i * CHUNK_SAMPLES : (i + 1) * CHUNK_SAMPLES])
        for i in range(len(voice) // CHUNK_SAMPLES)
    ]


def heard(listener: Ensemble, given: list[Chunk]) -> MotionWindow:
    windows = [window for chunk in given if (window := listener.push(chunk)) is not None]
    return join_windows(windows)


def ensemble(seed: int = 3) -> Ensemble:
    made = listener_of_people(Performer, seed, 2)
    assert isinstance(made, Ensemble)
    return made


def test_who_speaks_moves_the_lips_and_the_other_only_blinks_and_breathes() -> None:
    motion = heard(ensemble(), chunks())
    speaker, other = motion.people
    jaw = ARKIT["jawOpen"]
    assert speaker.face[:, jaw].max() > 0.1 and speaker.speaking.mean() > 0.5
    assert other.face[:, jaw].max() == 0.0 and not other.speaking.any()
    assert motion.anyone_speaks.mean() > 0.5
    assert np.ptp(other.head, axis=0).max() > 0.005 and np.ptp(other.body[:, 0]) > 0.2


def test_two_people_never_move_alike() -> None:
    motion = heard(ensemble(), [silent_chunk(i) for i in range(500)])
    one, two = motion.people
    alike = np.corrcoef(one.head[:, 1], two.head[:, 1])[0, 1]
    assert abs(alike) < 0.8
    blinks = [person.face[:, ARKIT["eyeBlinkLeft"]] > 0.5 for person in (one, two)]
    assert all(blink.any() for blink in blinks) and not np.array_equal(blinks[0], blinks[1])


def test_the_voice_goes_over_to_another_speaker_in_the_middle_of_it() -> None:
    given = [replace(chunk, speaker=chunk.index // 50 % 2) for chunk in chunks()]
    motion = heard(ensemble(), given)
    jaw = ARKIT["jawOpen"]
    first, second = (person.face[:, jaw] for person in motion.people)
    assert first[:48].max() > 0.1 and second[:48].max() == 0.0
    assert second[52:98].max() > 0.1
    assert first[60:98].max() < 0.01, "whoever gave the voice away shuts their mouth"
    steps = np.abs(np.diff(first))
    assert steps[45:60].max() <= max(2 * steps[:45].max(), 0.1), "and not with a jump"


def test_a_number_that_nobody_has_is_the_first() -> None:
    motion = heard(ensemble(), [replace(chunk, speaker=7) for chunk in chunks(2.0)])
    assert motion.speaking.any() and not motion.others[0].speaking.any()


def test_an_interruption_changes_everybodys_frames_together() -> None:
    people, given = ensemble(), chunks(2.0)
    shown = heard(people, given)
    last = shown.first_frame + len(shown) - 1
    again = people.interrupt(last - 5, last - 4)
    assert again is not None and again.first_frame == last - 4 and len(again) == 5
    np.testing.assert_array_equal(again.others[0].head, shown.others[0].head[-5:])
    on = people.push(silent_chunk(len(given), 1))
    assert on is not None and on.first_frame == last + 1


def test_feelings_are_the_speakers_and_moods_are_everybodys() -> None:
    sad = [replace(chunk, feeling=Feeling("sad")) for chunk in chunks(3.0)]
    one, two = heard(ensemble(), sad).people
    brow = ARKIT["browInnerUp"]
    assert one.face[-20:, brow].mean() > 0.2 > two.face[-20:, brow].mean() + 0.1
    both = ensemble()
    both.set_mood(Mood(Feeling("sad")))
    assert all(person.face[-20:, brow].mean() > 0.2 for person in heard(both, chunks(3.0)).people)


@pytest.fixture(scope="module")
def couple() -> Avatar:
    return analyse_canvas(two_people(), "x", "couple")


def test_the_picture_at_rest_is_the_photo(couple: Avatar) -> None:
    renderer = for_people(WarpRenderer())
    state = renderer.open(couple)
    assert isinstance(state, GroupState)
    [frames] = renderer.render([state], [rest_motion(1)])
    error = np.abs(frames[0].astype(int) - couple.photo)
    assert error.mean() < 0.6 and np.quantile(error, 0.999) < 45
    still = sum(person.matte.astype(int) for person in couple.people) == 0
    assert 10 * np.log10(255**2 / np.square(error[still]).mean()) > 45


def test_only_who_moves_is_drawn_anew(couple: Avatar) -> None:
    renderer = for_people(WarpRenderer())
    state = renderer.open(couple)
    rest, moved = rest_motion(1), rest_motion(1)
    moved.face[0, ARKIT["jawOpen"]] = 0.5
    plain, first, second = (
        renderer.render([state], [replace(window, others=(other,))])[0][0].astype(int)
        for window, other in ((rest, rest), (moved, rest), (rest, moved))
    )
    for picture, person in ((first, 0), (second, 1)):
        columns = np.flatnonzero(np.abs(picture - plain).max(-1).max(0) > 8)
        x, _, width = couple.faces[person]
        assert columns.size and x - 0.9 * width < columns.min() < columns.max() < x + 0.9 * width


def test_the_matte_is_everybodys_and_people_of_several_sessions_are_one_batch(couple: Avatar) -> None:
    renderer = for_people(WarpRenderer())
    alone = replace(couple, others=())
    states = [renderer.open(couple, 512), renderer.open(alone, 512)]
    windows = [rest_motion(2), rest_motion(2)]
    mattes = [np.empty((2, 288, 512), np.uint8) for _ in states]
    pictures = renderer.render_with_mattes(states, windows, mattes)  # type: ignore[attr-defined]
    assert [picture.shape for picture in pictures] == [(2, 288, 512, 3)] * 2
    x, y, _ = (int(value / 2) for value in couple.faces[1])
    assert mattes[0][0, y, x] == 255 and mattes[1][0, y, x] == 0
    assert mattes[0][0][:20].max() == 0
    np.testing.assert_array_equal(pictures[1], renderer.render([states[1]], [windows[1]])[0])
