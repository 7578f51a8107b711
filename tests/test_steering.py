"""Who is given what of a device that is shared."""

from __future__ import annotations

import pytest

from visavis_models.errors import Busy
from visavis_server.batching import Due, gathered, quiet_start
from visavis_server.load import StepCost
from visavis_server.quality import Quality, ladder, load_of
from visavis_server.steering import Steering, SteeringPolicy

pytestmark = pytest.mark.unit

CARD = {"2 steps": StepCost(12, 0.5), "1 step": StepCost(8, 0.3), "warp": StepCost(1, 0.1)}
LAPTOP = {"1 step": StepCost(3, 20), "lids by warp": StepCost(3, 14), "warp": StepCost(0, 6)}


def steering(costs: dict[str, StepCost], **policy: object) -> Steering[str]:
    return Steering(costs, (2, 4, 8), SteeringPolicy(**policy))  # type: ignore[arg-type]


def second(it: Steering[str], load: float, at_s: float) -> bool:
    """A second passes in which the device works so much."""
    it.note_work(load)
    return it.steer(at_s)


def test_steps_grow_first_then_ways_then_pictures() -> None:
    rungs = ladder(CARD, (2, 4, 8), 8.0)
    assert [q.frames_per_step for q in rungs[:3]] == [2, 4, 8] and {q.way for q in rungs[:3]} == {"2 steps"}
    assert [(q.way, q.frames_per_step) for q in rungs[3:7]] == [("1 step", 8), ("warp", 2), ("warp", 4), ("warp", 8)]
    assert [round(q.fps, 1) for q in rungs[7:]] == [16.7, 12.5, 8.3]
    assert [round(q.fps, 1) for q in ladder(CARD, (2, 4, 8), 12.0)[7:]] == [16.7, 12.5]
    only_frames_cost = {"": StepCost(0, 9)}
    assert [q.frames_per_step for q in ladder(only_frames_cost, (1, 2, 4, 8), 25.0)] == [1], "longer would save nothing"


@pytest.mark.parametrize("share", [(1, 1), (2, 3), (1, 2), (1, 3)])
def test_pictures_that_are_left_out_are_spread_evenly(share: tuple[int, int]) -> None:
    quality = Quality(2, "", share)
    drawn = [k for k in range(600) if quality.draws(k)]
    assert len(drawn) / 600 == pytest.approx(quality.fps / 25)
    assert max(b - a for a, b in zip(drawn, drawn[1:], strict=False)) <= -(-share[1] // share[0])


def test_load_grows_with_sessions_and_shrinks_down_the_ladder() -> None:
    for costs in (CARD, LAPTOP):
        rungs = ladder(costs, (2, 4, 8), 8.0)
        loads = [load_of([quality] * 3, costs) for quality in rungs]
        assert loads == sorted(loads, reverse=True) and loads[0] > loads[-1]
        assert load_of([rungs[0]] * 4, costs) > loads[0]
    assert load_of([Quality(2, "1 step")], LAPTOP) == pytest.approx((25 * 20 + 12.5 * 3) / 1000)


def test_one_who_comes_is_given_what_all_could_have_and_nobody_is_late() -> None:
    it = steering(LAPTOP)
    first = it.admit("a")
    assert (first.way, first.frames_per_step) == ("1 step", 2)
    it.admit("b")
    assert {q.way for q in it.qualities().values()} == {"lids by warp"} and it.planned_load <= 0.8
    for name in "cdefgh":
        it.check_room()
        it.admit(name)
        assert it.planned_load <= 0.95
    assert {round(q.fps, 1) for q in it.qualities().values()} == {16.7}
    assert it.steered.lowered["way"] >= 3 and it.steered.lowered["fps"] >= 1


def test_who_would_make_all_late_is_refused_but_never_the_first() -> None:
    slow = {"": StepCost(0, 300)}
    it = steering(slow)
    it.check_room()
    it.admit("a")
    with pytest.raises(Busy) as refused:
        it.check_room()
    assert refused.value.code == "device_full" and it.steered.refused == 1
    it = steering(LAPTOP, least_fps=25.0)
    for count in range(9):
        try:
            it.check_room()
        except Busy:
            break
        it.admit(str(count))
    assert it.sessions == 6, "6 ms a frame: six have 25 frames a second"


def test_a_trial_on_a_busy_day_is_outweighed_by_what_is_measured() -> None:
    it = steering({"": StepCost(0, 300)})
    it.admit("a")
    it.steer(0.0)
    for at in (1, 2, 3):
        with pytest.raises(Busy):
            it.check_room()
        second(it, 0.2, float(at))
    it.check_room()
    it.admit("b")
    with pytest.raises(Busy):  # what that one costs is not known yet
        it.check_room()
    for at in (4, 5, 6):
        second(it, 0.9, float(at))
    with pytest.raises(Busy):
        it.check_room()


def test_an_operator_may_want_nobody_to_have_less() -> None:
    it = steering(LAPTOP, when_busy="refuse")
    best = it.admit("a")
    with pytest.raises(Busy):
        it.check_room()
    it = steering(CARD, when_busy="refuse")
    for count in range(9):
        it.check_room()
        it.admit(str(count))
    assert it.quality("0") == it.quality("8") and best.way == "1 step"


def test_a_late_device_gives_less_within_two_seconds_and_more_only_after_a_calm() -> None:
    it = steering(CARD)
    for name in "abcd":
        it.admit(name)
    best = it.qualities()
    assert not it.steer(0.0)
    assert not second(it, 0.99, 1.0) and it.qualities() == best, "a moment is no trouble"
    assert second(it, 0.99, 2.0)
    eased = it.qualities()
    assert eased != best and it.planned_load <= 0.85 * load_of(list(best.values()), CARD)
    assert max(q.frames_per_step for q in eased.values()) > min(q.frames_per_step for q in best.values())
    changes = [at for at in range(3, 12) if second(it, 0.4, float(at))]
    assert changes == [], "not yet"
    raised = [at for at in range(12, 120) if second(it, 0.3, float(at))]
    assert raised and min(b - a for a, b in zip(raised, raised[1:], strict=False)) >= 10
    assert it.qualities() == best and it.steered.raised == len(raised)


def test_what_was_too_much_once_is_tried_again_later_and_later() -> None:
    it = steering(CARD)
    it.admit("a")
    it.steer(0.0)
    at, tries = 0.0, []
    for _ in range(4):
        for _ in range(2):
            at += 1
            second(it, 0.99, at)
        begun = at
        while not second(it, 0.2, at := at + 1.0):
            assert at < begun + 400
        tries.append(at - begun)
    assert tries[0] < tries[1] < tries[2] < tries[3], tries


def test_nobody_is_given_more_while_the_device_is_half_busy() -> None:
    it = steering(CARD)
    it.admit("a")
    it.steer(0.0)
    second(it, 0.99, 1.0)
    assert second(it, 0.99, 2.0)
    assert not any(second(it, 0.7, float(at)) for at in range(3, 200))


def test_a_batch_takes_whose_frames_are_shown_soonest_and_is_done_in_time() -> None:
    quality = Quality(2, "1 step")
    due = [Due(f"s{k}", quality, ticks_left, 2) for k, ticks_left in enumerate((3, 1, 2, 1, 0))]
    assert [d.key for d in gathered(due, LAPTOP)] == ["s4"], "40 ms of one session fill a batch"
    assert [d.key for d in gathered(due, CARD)] == ["s4", "s1", "s3", "s2", "s0"]
    many = [Due(str(k), Quality(8, "2 steps"), k, 8) for k in range(64)]
    assert [d.key for d in gathered(many, CARD)] == ["0", "1", "2", "3"], "12 + 4 * 8 * 0.5 ms"
    assert len(gathered(many, CARD, slowness=2.0)) == 1
    assert gathered([], CARD) == []


def test_windows_keep_their_length_until_there_is_a_backlog() -> None:
    quality = Quality(4, "1 step")
    assert [Due("s", quality, 0, waiting).taken for waiting in (4, 5, 7, 8, 11)] == [4, 4, 4, 8, 11]


def test_new_sessions_fill_a_batch_and_then_begin_another_one() -> None:
    quality = Quality(4, "2 steps")
    assert quiet_start([], quality, CARD) in (1, 2, 3, 4)
    assert quiet_start([(2, quality)], quality, CARD) == 2, "joins those who are there: one call for both"
    crowded = [(2, quality)] * 9  # 18 ms and a call of 12 are 30
    assert quiet_start(crowded, quality, CARD) != 2
    spread = [(k % 4, quality) for k in range(36)]
    assert quiet_start(spread, quality, CARD) in (1, 2, 3, 4)
    assert quiet_start([(0, quality)], Quality(1, "warp"), CARD) == 1


def test_people_of_one_picture_cost_as_much_as_sessions_of_their_own() -> None:
    costs, held = {"1 step": StepCost(2, 3)}, []
    for people in (1, 3):
        it = steering(costs)
        for number in range(200):
            try:
                it.check_room(people)
            except Busy:
                break
            assert it.admit(str(number), people).people == people
        held.append(it.people)
        assert it.people == people * it.sessions and it.planned_load == pytest.approx(1.0, abs=0.1)
        it.leave("0")
        assert it.people == people * it.sessions and it.planned_load < 1.0
    assert abs(held[0] - held[1]) <= 6, "a crowd fills a device as single people do"
    crowd = [Due(name, Quality(2, "1 step", people=people), 0, 2) for name, people in (("a", 4), ("b", 1), ("c", 1))]
    assert [due.key for due in gathered(crowd, costs)] == ["a"], "24 of 30 ms are one picture's"
