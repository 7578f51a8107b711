from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT, ARKIT_NAMES
from visavis_models.behaviour import Presence, Situation

pytestmark = pytest.mark.unit
FPS = 25
DEGREE = np.pi / 180


def perform(
    seconds: float, speaking: bool = False, listening: bool = False, seed: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    presence, rng = Presence(seed), np.random.default_rng(seed)
    rows = []
    for k in range(int(seconds * FPS)):
        loud = speaking and (k // 70) % 4 != 3
        energy = float(abs(np.sin(k * 0.55)) * 0.7 + 0.1 * rng.random()) if loud else 0.0
        rows.append(presence.step(Situation(loud, listening, energy)))
    face, head, body = (np.stack(part) for part in zip(*rows, strict=True))
    return face, head, body


def blinks_per_minute(face: NDArray[np.float32]) -> float:
    shut = face[:, ARKIT["eyeBlinkLeft"]] > 0.6
    return float(np.sum(shut[1:] & ~shut[:-1]) / (len(face) / FPS / 60))


@pytest.mark.parametrize("speaking", [False, True])
def test_people_blink_ten_to_thirty_times_a_minute(speaking: bool) -> None:
    face, _, _ = perform(240, speaking)
    assert 10 <= blinks_per_minute(face) <= 30


def test_a_blink_closes_fast_and_opens_slowly_and_fully() -> None:
    face, _, _ = perform(60)
    lids = face[:, ARKIT["eyeBlinkRight"]]
    peak = int(np.argmax(lids))
    assert lids[peak] > 0.9
    closing = peak - np.flatnonzero(lids[:peak] < 0.1)[-1]
    opening = np.flatnonzero(lids[peak:] < 0.1)[0]
    assert 1 <= closing <= 3 < opening <= 9


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
    assert face[:, list(smile)].max() <= 0.2


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
