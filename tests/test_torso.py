"""The torso of a presence: it breathes, stresses, shifts its weight and follows the head; loose things trail behind."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from visavis_models.behaviour import Presence, Situation
from visavis_models.behaviour.manner import NEUTRAL
from visavis_models.behaviour.states import States
from visavis_models.behaviour.torso import Torso
from visavis_models.behaviour.trailing import Trailing
from visavis_models.motion import BODY_COUNT, BODY_NAMES

pytestmark = pytest.mark.unit

FPS = 25
DEGREE = np.pi / 180
TRAIL = [BODY_NAMES.index("trail_x"), BODY_NAMES.index("trail_y")]


def of(body: NDArray[np.floating], name: str) -> NDArray[np.floating]:
    return body[:, BODY_NAMES.index(name)]


@cache
def perform(seconds: float, speaking: bool, seed: int = 1) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Head (T, 6) and body (T, 9), in a voice of stressed syllables, or in none."""
    presence, rows = Presence(seed), []
    for k in range(int(seconds * FPS)):
        phrase = speaking and k % 150 < 110
        energy = 0.25 + 0.6 * (k % 17 < 5) if phrase else 0.0
        pitch = 160.0 if k % 17 < 5 else 110.0
        rows.append(presence.step(Situation(phrase, False, energy, pitch if phrase else 0.0))[1:])
    head, body = (np.stack(part) for part in zip(*rows, strict=True))
    return head, body


def swung(head: NDArray[np.float64]) -> NDArray[np.float64]:
    """The pendulum's way behind heads (T, 6): float64 (T, 2)."""
    trailing = Trailing()
    return np.array([trailing.step(row, 0.0) for row in head])


def test_a_body_keeps_to_its_range_and_never_jerks() -> None:
    for seconds, speaking in ((150, False), (90, True)):
        _, body = perform(seconds, speaking)
        assert body.shape[1] == BODY_COUNT == 9 and np.isfinite(body).all()
        assert of(body, "breath").min() >= 0 and np.abs(body).max() <= 1
        steps = np.abs(np.diff(body, axis=0))
        assert steps.max() < 0.2
        assert np.abs(np.diff(body[:, 3:7], n=2, axis=0)).max() < 0.05


def test_people_breathe_twelve_to_eighteen_times_a_minute() -> None:
    _, body = perform(150, False)
    breath = of(body, "breath")
    middle = breath.mean()
    breaths = np.sum((breath[1:] > middle) & (breath[:-1] <= middle)) / 2.5
    assert 11 <= breaths <= 19 and breath.std() > 0.15


def test_weight_goes_from_leg_to_leg_and_rests_there() -> None:
    _, body = perform(150, False)
    weight = of(body, "weight")
    assert weight.min() < -0.4 and weight.max() > 0.4
    sides = np.sign(weight[np.abs(weight) > 0.3])
    changes = int(np.sum(sides[1:] != sides[:-1]))
    assert 2 <= changes <= 25, "every six seconds to every minute or so"
    assert np.abs(np.diff(weight)).max() < 0.06


def test_a_torso_follows_its_head_late_and_by_a_part() -> None:
    """Two torsos of one seed, one of them below a head that turns and one below a head that does not."""
    still, turning, states = Torso(np.random.default_rng(5)), Torso(np.random.default_rng(5)), States()
    found = []
    for k in range(100):
        now = states.step(Situation(False, False, 0.0), NEUTRAL)
        head = np.zeros(6)
        rest = still.step(now, 0.0, np.zeros(8), False, head.copy())
        head[1] = 10 * DEGREE * float(k >= 10)
        found.append(turning.step(now, 0.0, np.zeros(8), False, head) - rest)
    turned_deg = of(np.array(found), "turn") * 8.0
    assert np.all(turned_deg[:10] == 0) and 0 < turned_deg[13] < 1.0, "late"
    assert 2.0 < turned_deg[-1] < 4.5, "and by a part"
    assert np.all(np.diff(turned_deg) >= -1e-9)


def test_stresses_move_the_torso() -> None:
    _, silent = perform(150, False)
    _, spoken = perform(90, True)

    def quick(body: NDArray[np.floating]) -> float:
        """What `lean` does faster than once in two seconds."""
        lean = of(body, "lean")
        return float((lean - np.convolve(lean, np.ones(51) / 51, "same"))[50:-50].std())

    assert quick(spoken) > 2.0 * quick(silent) and quick(spoken) > 0.03
    assert of(spoken, "shoulder_left").std() > 1.2 * of(silent, "shoulder_left").std()


def test_one_seed_gives_one_body() -> None:
    first, again, other = (perform.__wrapped__(12, True, seed)[1] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_a_still_head_leaves_hair_alone() -> None:
    head = np.zeros((50, 6))
    head[:, :2] = 0.1
    assert np.abs(swung(head)).max() == 0


def test_hair_stays_back_swings_over_and_comes_to_rest() -> None:
    head = np.zeros((100, 6))
    way = np.clip((np.arange(100) - 10) / 8, 0, 1)
    head[:, 1] = 10 * DEGREE * (3 * way**2 - 2 * way**3)
    trail = swung(head)[:, 0]
    assert trail[11:16].min() < -0.1, "left behind as the head goes"
    assert trail[16:30].max() > 0.1, "and carried on as it stops"
    assert np.abs(trail[10 + 8 + 2 * FPS :]).max() < 0.02
    assert np.abs(swung(head)[:, 1]).max() == 0


def test_hair_of_a_tilted_head_hangs_down() -> None:
    head = np.zeros((120, 6))
    head[:, 2] = 8 * DEGREE * np.clip(np.arange(120) / 40, 0, 1)
    assert 0.3 < swung(head)[-1, 0] < 0.8


def test_a_turn_of_any_size_keeps_hair_on_the_head() -> None:
    head = np.zeros((60, 6))
    head[20:, :2] = 0.35
    head[20:, 3] = 0.2
    trail = swung(head)
    assert np.isfinite(trail).all() and np.abs(trail).max() <= 1
    assert np.abs(trail[-1]).max() < 0.05
