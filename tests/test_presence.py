from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT, ARKIT_NAMES
from visavis_models.behaviour import Presence, Situation
from visavis_models.behaviour.manner import NEUTRAL, Manner
from visavis_models.behaviour.other_side import OtherVoice
from visavis_models.behaviour.prosody import Prosody

pytestmark = pytest.mark.unit
FPS = 25
DEGREE = np.pi / 180


def perform(
    seconds: float,
    speaking: bool = False,
    listening: bool = False,
    seed: int = 1,
    manner: Manner = NEUTRAL,
    heard: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    presence, rng, other = Presence(seed), np.random.default_rng(seed), Prosody()
    presence.manner = manner
    rows = []
    for k in range(int(seconds * FPS)):
        loud = speaking and (k // 70) % 4 != 3
        energy = float(abs(np.sin(k * 0.55)) * 0.7 + 0.1 * rng.random()) if loud else 0.0
        theirs = OtherVoice(heard, other.step(0.6 if heard and k % 75 < 50 else 0.0))
        rows.append(presence.step(Situation(loud, listening, energy, other=theirs)))
    face, head, body = (np.stack(part) for part in zip(*rows, strict=True))
    return face, head, body


def blinks_per_minute(face: NDArray[np.float32]) -> float:
    shut = face[:, ARKIT["eyeBlinkLeft"]] > 0.6
    return float(np.sum(shut[1:] & ~shut[:-1]) / (len(face) / FPS / 60))


@pytest.mark.parametrize("speaking", [False, True])
def test_people_blink_ten_to_thirty_times_a_minute(speaking: bool) -> None:
    face, _, _ = perform(150, speaking)
    assert 10 <= blinks_per_minute(face) <= 30


def test_a_blink_closes_fast_and_opens_slowly_and_fully() -> None:
    face, _, _ = perform(60)
    lids = face[:, ARKIT["eyeBlinkRight"]]
    peak = int(np.argmax(lids))
    assert lids[peak] > 0.9
    closing = peak - np.flatnonzero(lids[:peak] < 0.1)[-1]
    opening = np.flatnonzero(lids[peak:] < 0.1)[0]
    assert 1 <= closing <= 3 < opening <= 9


@pytest.mark.parametrize("seed", range(4))
def test_lids_never_shut_within_one_frame(seed: int) -> None:
    """40 ms are half of the quickest closing: no frame covers more than 70 % of the way."""
    presence = Presence(seed)
    lids = [presence.step(Situation(k % 100 < 60, False, 0.5))[0][ARKIT["eyeBlinkLeft"]] for k in range(60 * FPS)]
    assert max(lids) > 0.9 and np.abs(np.diff(lids)).max() < 0.7


def test_a_talker_moves_like_one_and_never_jerks() -> None:
    _, head, _ = perform(120, speaking=True)
    spread = head[:, :3].std(0) / DEGREE
    assert np.all(spread >= 0.7) and np.all(spread <= 5)
    assert np.abs(head[:, :3]).max() < 12 * DEGREE
    steps = np.abs(np.diff(head[:, :3], axis=0)) / DEGREE
    assert steps.max() < 1.6
    smooth = np.apply_along_axis(lambda s: np.convolve(s, np.ones(5) / 5, "valid"), 0, head[:, :3])
    assert np.sqrt(np.mean((head[2:-2, :3] - smooth) ** 2)) < 0.25 * DEGREE


def test_shoulders_do_not_tremble_with_the_voice() -> None:
    _, _, body = perform(60, speaking=True)
    smooth = np.apply_along_axis(lambda s: np.convolve(s, np.ones(5) / 5, "valid"), 0, body[:, 1:3])
    assert np.sqrt(np.mean((body[2:-2, 1:3] - smooth) ** 2)) < 0.005
    assert body[:, 1].max() - body[:, 1].min() > 0.1


def test_nobody_is_ever_frozen() -> None:
    for speaking, listening in ((False, False), (True, False), (False, True)):
        _, head, body = perform(30, speaking, listening)
        pose = np.concatenate([head * 50, body], axis=1)
        still = np.abs(np.diff(pose, axis=0)).max(1) < 1e-4
        assert not still.any()


def test_a_listener_nods_and_keeps_looking() -> None:
    _, quiet, _ = perform(120, listening=False)
    _, attending, _ = perform(120, listening=True)
    pitch = [np.abs(np.diff(h[:, 0])).mean() for h in (quiet, attending)]
    assert pitch[1] > pitch[0] * 1.2


def test_breath_is_twelve_to_twenty_a_minute() -> None:
    _, _, body = perform(120)
    breath = body[:, 0] - body[:, 0].mean()
    rises = np.sum((breath[1:] > 0) & (breath[:-1] <= 0)) / 2
    assert 11 <= rises <= 20
    assert body[:, 0].min() >= 0 and body[:, 0].max() <= 1


def test_presence_leaves_the_lips_shut() -> None:
    face, _, _ = perform(60, speaking=True)
    mouth = [i for i, name in enumerate(ARKIT_NAMES) if name.startswith(("jaw", "mouth", "tongue"))]
    smile = {ARKIT["mouthSmileLeft"], ARKIT["mouthSmileRight"]}
    assert not face[:, [i for i in mouth if i not in smile]].any()
    assert face[:, list(smile)].max() <= 0.35


def test_a_listener_nods_where_phrases_end_and_smiles_but_never_moves_lips() -> None:
    face, head, _ = perform(90, heard=True)
    pitch = np.degrees(head[:, 0])
    rise = pitch[8:] - pitch[:-8]  # down within a third of a second
    after = np.array([(k % 75) in range(54, 74) for k in range(len(rise))])
    nods = rise > 1.5
    assert nods[after].mean() > 3 * nods[~after].mean()
    smile = face[:, ARKIT["mouthSmileLeft"]]
    assert 0.2 < smile.max() < 0.4 and np.median(smile) < 0.15
    mouth = [i for i, name in enumerate(ARKIT_NAMES) if name.startswith(("jaw", "mouth", "tongue"))]
    assert not face[:, [i for i in mouth if "Smile" not in ARKIT_NAMES[i]]].any()


def test_heads_beat_with_stresses_and_brows_rise_on_some() -> None:
    speaking = [np.abs(np.diff(perform(60, speaking=on)[1][:, 0])).mean() for on in (True, False)]
    assert speaking[0] > 3 * speaking[1]
    brows = perform(60, speaking=True)[0][:, ARKIT["browInnerUp"]]
    raises = np.sum((brows[1:] > 0.18) & (brows[:-1] <= 0.18))
    assert 5 <= raises <= 25
    assert brows.max() < 0.6


def looks_deg(face: NDArray[np.float32], head: NDArray[np.float32]) -> NDArray[np.float64]:
    """Where the eyes look, to the right and up, of the viewer."""
    side = (face[:, ARKIT["eyeLookOutLeft"]] - face[:, ARKIT["eyeLookInLeft"]]).astype(np.float64)
    rise = face[:, ARKIT["eyeLookUpLeft"]] / 3.68 - face[:, ARKIT["eyeLookDownLeft"]] / 2.50
    right = np.degrees(np.arcsin(np.clip(side / 1.81, -1, 1)) + head[:, 1])
    return np.stack([right, np.degrees(np.arcsin(np.clip(rise, -1, 1)) - head[:, 0])], 1)


@pytest.mark.parametrize("wanted", [0.5, 0.72, 0.9])
def test_eyes_are_with_the_viewer_as_long_as_the_manner_says(wanted: float) -> None:
    face, head, _ = perform(160, speaking=True, manner=Manner(gaze_on_viewer=wanted))
    share = float((np.hypot(*looks_deg(face, head).T) < 4.5).mean())
    assert abs(share - wanted) < 0.12


def test_eyes_stay_where_they_look_while_the_head_nods() -> None:
    face, head, _ = perform(60, speaking=True, manner=Manner(gaze_on_viewer=1.0))
    on_viewer = np.hypot(*looks_deg(face, head).T)
    assert np.percentile(on_viewer, 95) < 4.0
    assert head[:, 0].std() > 1.0 * DEGREE


def test_manners_change_what_they_say_and_a_new_one_is_eased() -> None:
    usual = perform(80, speaking=True)
    still = perform(80, speaking=True, manner=Manner(head_scale=0.3, nod_scale=0.2, blink_rate_scale=0.3, smile=0.5))
    assert still[1][:, :3].std() < 0.5 * usual[1][:, :3].std()
    assert blinks_per_minute(still[0]) < 0.7 * blinks_per_minute(usual[0])
    assert np.median(still[0][:, ARKIT["mouthSmileLeft"]]) > np.median(usual[0][:, ARKIT["mouthSmileLeft"]]) + 0.15
    presence = Presence(1)
    rows = []
    for k in range(300):
        presence.manner = Manner(head_scale=2.0, nod_scale=2.0, tempo=2.0, smile=1.0) if k % 100 > 50 else NEUTRAL
        rows.append(presence.step(Situation(False, False, 0.0)))
    smiles, heads, bodies = (np.stack(part) for part in zip(*rows, strict=True))
    assert np.abs(np.diff(smiles[:, ARKIT["mouthSmileLeft"]])).max() < 0.06
    assert np.abs(np.diff(heads[:, :3], axis=0)).max() < 0.8 * DEGREE
    assert np.abs(np.diff(bodies, axis=0)).max() < 0.15


def test_changes_of_state_are_eased() -> None:
    presence = Presence(2)
    rows = [presence.step(Situation(k % 60 < 20, 20 <= k % 60 < 40, 0.0)) for k in range(900)]
    _, head, body = (np.stack(part) for part in zip(*rows, strict=True))
    turn = np.array([k % 20 < 4 for k in range(1, 900)])
    steps = np.abs(np.diff(head[:, :3], axis=0)).max(1)
    assert steps[turn].max() < 1.0 * DEGREE
    assert np.abs(np.diff(body, axis=0)).max() < 0.12


def test_nothing_repeats_within_minutes() -> None:
    _, head, _ = perform(300)
    for axis in range(3):
        curve = head[:, axis].astype(np.float64) - head[:, axis].mean()
        power = np.abs(np.fft.rfft(curve, 2 * len(curve))) ** 2
        auto = np.fft.irfft(power)[: len(curve)]
        assert (auto / auto[0])[10 * FPS :].max() < 0.3


def test_both_eyes_look_the_same_way() -> None:
    face, _, _ = perform(60)
    left = face[:, ARKIT["eyeLookOutLeft"]] - face[:, ARKIT["eyeLookInLeft"]]
    right = face[:, ARKIT["eyeLookInRight"]] - face[:, ARKIT["eyeLookOutRight"]]
    assert np.allclose(left, right)
    assert np.abs(left).max() > 0.1


def test_one_seed_gives_one_behaviour_and_two_give_two() -> None:
    first, again, other = (perform(20, seed=s)[1] for s in (4, 4, 5))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
