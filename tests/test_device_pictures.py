"""Pictures that a card puts together, on a processor in its place: the same as those of the renderer without it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from diffusion_fakes import GALLERY, FakeNetworks, the_driven_photo  # noqa: E402
from visavis_models.arkit import ARKIT  # noqa: E402
from visavis_models.avatar import Avatar  # noqa: E402
from visavis_models.device.colours import i420  # noqa: E402
from visavis_models.device.face_window import Sheets, draw_window, face_box  # noqa: E402
from visavis_models.device.lane import Lane  # noqa: E402
from visavis_models.device.person import PersonOnDevice, fill, outline_of  # noqa: E402
from visavis_models.device.renderer import DeviceRenderer  # noqa: E402
from visavis_models.diffusion.guard import UNLIMITED  # noqa: E402
from visavis_models.diffusion.renderer import DiffusionRenderer  # noqa: E402
from visavis_models.diffusion.settings import RenderingSettings  # noqa: E402
from visavis_models.diffusion.sizes import SIZES  # noqa: E402
from visavis_models.diffusion.window_networks import Features, Told  # noqa: E402
from visavis_models.errors import EngineError  # noqa: E402
from visavis_models.motion import MotionWindow, rest_motion  # noqa: E402
from visavis_models.portrait.storage import load_avatar  # noqa: E402
from visavis_models.warp import WarpRenderer  # noqa: E402
from visavis_models.warp.renderer import draw_frames, draw_matte, draw_person, pose  # noqa: E402
from visavis_server.provenance.device_finish import device_finish_of  # noqa: E402
from visavis_server.provenance.finish import finish_of  # noqa: E402

pytestmark = pytest.mark.weights
Bytes = NDArray[np.uint8]
PEOPLE = ("elena", "maya", "astronaut", "samuel")


@cache
def portrait(name: str) -> Avatar:
    return load_avatar(GALLERY / name)


def wild(frames: int, seed: int, first_frame: int = 0) -> MotionWindow:
    """Faces, heads and bodies that do anything."""
    dice, window = np.random.default_rng(seed), rest_motion(frames, first_frame)
    window.face[:] = dice.random((frames, 52)) * dice.random((frames, 1))
    window.head[:, :3] = dice.normal(0, 0.2, (frames, 3))
    window.head[:, 3:] = dice.normal(0, 0.1, (frames, 3))
    window.body[:] = dice.normal(0, 0.5, window.body.shape)
    return window


@pytest.fixture
def opened() -> Iterator[Callable[..., DeviceRenderer]]:
    """Makes renderers, and closes them."""
    made: list[DeviceRenderer] = []

    def open_one(networks: Any, *given: Any, **named: Any) -> DeviceRenderer:
        made.append(DeviceRenderer(OnTensors(networks), *given, **named))
        return made[-1]

    yield open_one
    for renderer in made:
        renderer.close()


Opened = Callable[..., DeviceRenderer]


class OnTensors:
    """Networks of arrays as networks of tensors."""

    device = torch.device("cpu")

    def __init__(self, inner: Any) -> None:
        self.inner, self.size, self.name, self.appearance = inner, inner.size, inner.name, inner.appearance

    def stem(self, maps: Any) -> Any:
        return _each(torch.from_numpy, self.inner.stem(maps.numpy()), Features)

    def velocity(self, latents: Any, time: Any, told: Any) -> Any:
        arrays = _each(lambda tensor: tensor.numpy(), told, Told)
        return torch.from_numpy(np.ascontiguousarray(self.inner.velocity(latents.numpy(), time.numpy(), arrays)))

    def decode(self, latents: Any, features: Any, maps: Any) -> Any:
        arrays = _each(lambda tensor: tensor.numpy(), features, Features)
        return torch.from_numpy(np.ascontiguousarray(self.inner.decode(latents.numpy(), arrays, maps.numpy())))


def _each(call: Any, given: Any, kind: Any) -> Any:
    return kind(*(call(getattr(given, field.name)) for field in dataclasses.fields(kind)))


@cache
def untrained(size: str) -> Any:
    """Networks whose pictures hang on everything that goes in."""
    from visavis_models.diffusion.networks.renderer_networks import RendererNetworks
    from visavis_models.diffusion.networks.torch_networks import TorchNetworks

    made, dice = RendererNetworks(SIZES[size]), torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in made.parameters():
            scale = 0.3 if weight.dim() < 2 else weight[0].numel() ** -0.5
            weight.copy_(torch.randn(weight.shape, generator=dice) * scale)
        made.decoder.at_eighth.join.weight[:, :16] *= 8
    return TorchNetworks(made.eval())


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("long_side", [512, 333])
def test_a_filled_person_is_the_one_that_warp_draws_bit_by_bit(name: str, long_side: int) -> None:
    still = WarpRenderer().open(portrait(name), long_side).still
    posed = pose(still, wild(2, 5))
    height, width = still.avatar.plate.shape[:2]
    person = PersonOnDevice.of(still, torch.device("cpu"))
    pictures = torch.empty(2, height * width, 3, dtype=torch.uint8)
    covers = torch.empty(2, height * width, dtype=torch.uint8)
    fill(person, [outline_of(still, points) for points in posed.mesh], pictures, covers)
    for t in range(2):
        drawn, cover = np.empty((height, width, 3), np.uint8), np.empty((height, width), np.uint8)
        draw_matte(still, draw_person(still, posed, t, drawn), cover)
        assert 0.05 < (cover > 0).mean() and (drawn != still.avatar.plate).any()
        assert np.array_equal(pictures[t].view(height, width, 3).numpy(), drawn)
        assert np.array_equal(covers[t].view(height, width).numpy(), cover)


@pytest.mark.parametrize("name", PEOPLE)
def test_a_face_window_holds_all_that_is_painted_upon_the_person(name: str) -> None:
    still, sheets = WarpRenderer().open(portrait(name), 400).still, Sheets()
    posed = pose(still, wild(6, 7))
    whole = draw_frames(still, posed)
    frames, number = sheets.of(6, *whole.shape[1:3])
    for t, frame in enumerate(frames):
        left, top, right, bottom = box = face_box(still, posed, t, SIZES["base"].mouth_px)
        draw_window(still, posed, t, box, frame, number)
        shown = np.empty_like(frame)
        draw_person(still, posed, t, shown)
        shown[top:bottom, left:right] = frame[top:bottom, left:right]
        assert (shown != whole[t]).sum() == 0
        assert (right - left) * (bottom - top) < 0.3 * whole[t].size / 3, "a window that is the picture spares nothing"


@pytest.mark.parametrize("size", ["compact", "base"])
def test_pictures_are_those_of_the_host_within_one_level(size: str, opened: Opened) -> None:
    names = ("elena", "maya", "astronaut") if size == "compact" else ("maya",)
    host = DiffusionRenderer(untrained(size), limits=UNLIMITED)
    card = opened(untrained(size), limits=UNLIMITED, threads=2)
    mine, its = ([each.open(portrait(name), 360) for name in names] for each in (host, card))
    first = 0
    for length in (1, 4, 2) if size == "compact" else (2, 1):
        windows = [wild(length, first + k, first) for k in range(len(names))]
        shapes = [(length, *state.likeness.still.avatar.plate.shape[:2]) for state in mine]
        mattes = [(np.zeros(shape, np.uint8), np.ones(shape, np.uint8)) for shape in shapes]
        wanted = host.render_with_mattes(mine, windows, [pair[0] for pair in mattes])
        got = card.render_with_mattes(its, windows, [pair[1] for pair in mattes])
        plain = WarpRenderer()
        for name, window, one, other, pair in zip(names, windows, wanted, got, mattes, strict=True):
            assert np.abs(one.astype(int) - other).max() <= 1
            assert np.array_equal(*pair)
            warped = plain.render([plain.open(portrait(name), 360)], [window])[0]
            assert np.abs(one.astype(int) - warped).max() > 30, "where nothing is generated nothing is proven"
        first += length


def once_white(times: int) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """What spoils so many batches."""
    left = iter(range(times))
    return lambda made: made if next(left, None) is None else made * 0 + 1


def test_what_the_guard_refuses_is_made_again_as_on_the_host(opened: Opened) -> None:
    """Every kind of failure: one window that is white, then some, then networks that cannot run."""
    shown: list[list[Bytes]] = []
    counts = []
    for make in (DiffusionRenderer, opened):
        fake = FakeNetworks(the_driven_photo)
        renderer: Any = make(fake)
        state, pictures = renderer.open(portrait("elena"), 320), []
        for step in range(17):
            fake.raises = EngineError("engine_run", "no", "no") if step == 14 else None
            fake.spoil = once_white(1 if step == 2 else 100 if 4 <= step < 7 else 0)
            window = rest_motion(2, 2 * step)
            window.face[:, ARKIT["jawOpen"]] = 0.2 + 0.05 * (step % 3)
            pictures.append(renderer.render([state], [window])[0])
        shown.append(pictures)
        counts.append(renderer.counts)
    assert sum(counts[0].reanchored.values()) == 1 and sum(counts[0].fallback.values()) > 3
    assert counts[0].fallback["engine"] > 0
    assert counts[0] == counts[1]
    for one, other in zip(*shown, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1


def test_batches_overlap_and_each_is_what_it_would_be_alone(opened: Opened) -> None:
    card = opened(untrained("compact"), limits=UNLIMITED, finish=device_finish_of(True, "AI"))
    host, finish = DiffusionRenderer(untrained("compact"), limits=UNLIMITED), finish_of(True, "AI")
    assert finish is not None
    states = [card.open(portrait(name), 300) for name in ("elena", "maya")]
    windows = [wild(2, 1), wild(3, 2)]
    begun = [card.begin([state], [window], [True]) for state, window in zip(states, windows, strict=True)]
    for name, window, future in zip(("elena", "maya"), windows, begun, strict=True):
        [drawn] = future.result(timeout=120)
        [wanted] = host.render([host.open(portrait(name), 300)], [window])
        assert drawn.finished and drawn.planes is not None and drawn.covers is not None
        # A level more or less before the mark is one after it: its strength is told by neighbours that hardly change.
        assert np.abs(finish(wanted).astype(int) - drawn.pictures).max() <= 2
        for picture, planes in zip(drawn.pictures, drawn.planes, strict=True):
            even = np.ascontiguousarray(picture[: picture.shape[0] & ~1, : picture.shape[1] & ~1])
            assert np.array_equal(cv2.cvtColor(even, cv2.COLOR_RGB2YUV_I420), planes)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (66, 50), (35, 47)])
def test_colours_are_those_of_the_encoders(height: int, width: int) -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    for picture, planes in zip(pictures, i420(torch.from_numpy(pictures)).numpy(), strict=True):
        even = np.ascontiguousarray(picture[: height & ~1, : width & ~1])
        assert np.array_equal(cv2.cvtColor(even, cv2.COLOR_RGB2YUV_I420), planes)


@pytest.mark.parametrize(("watermark", "badge"), [(True, ""), (True, "made by AI"), (False, "AI")])
def test_marks_are_those_of_the_host_bit_by_bit(watermark: bool, badge: str) -> None:
    dice = np.random.default_rng(2)
    for height, width in ((256, 256), (333, 250)):
        soft = cv2.GaussianBlur(dice.integers(0, 256, (height, width, 3), dtype=np.uint8), (0, 0), 3)
        pictures = np.stack([np.roll(soft, 5 * k, 1) // (1 + k % 3) for k in range(11)]).astype(np.uint8)
        host, card = finish_of(watermark, badge), device_finish_of(watermark, badge)
        assert host is not None and card is not None
        wanted = np.concatenate([host(pictures[:9]), host(pictures[9:])])
        assert (wanted != pictures).any()
        assert np.array_equal(card(torch.from_numpy(pictures.copy()), [9, 2]).numpy(), wanted)


def test_a_lane_begins_the_next_while_one_is_under_way_and_ships_in_order() -> None:
    told: list[str] = []
    gate, begun_both = threading.Event(), threading.Event()

    class Work:
        def __init__(self, name: str) -> None:
            self.name = name
            told.append(f"begin {name}")
            if name == "b":
                begun_both.set()

        @property
        def ready(self) -> bool:
            return gate.is_set()

        def finish(self) -> str:
            told.append(f"ship {self.name}")
            return self.name

    lane = Lane("a lane")
    futures = [lane.submit(lambda name=name: Work(name)) for name in "abc"]  # type: ignore[misc]
    assert begun_both.wait(30) and told == ["begin a", "begin b"], "two are under way, the third waits"
    gate.set()
    assert [future.result(timeout=30) for future in futures] == ["a", "b", "c"]
    assert told.index("ship a") < told.index("ship b") < told.index("ship c")

    def fail() -> Work:
        raise ZeroDivisionError

    failing = lane.submit(fail)
    with pytest.raises(ZeroDivisionError):
        failing.result(timeout=30)
    lane.close()


def test_what_a_session_holds_is_bounded_and_forgotten_with_its_avatar(opened: Opened) -> None:
    card = opened(FakeNetworks(), RenderingSettings(still_below=0))
    state = card.open(portrait("elena"), 300)
    for step in range(20):
        card.render([state], [wild(2, step, 2 * step)])
    memory = state.regions["mouth"]
    assert len(memory.latents) == 16
    held = sum(latent.untyped_storage().nbytes() for _, latent, _ in memory.latents)  # type: ignore[attr-defined]
    assert held == sum(latent.nbytes for _, latent, _ in memory.latents), "no frame keeps a whole batch alive"
    card.forget(portrait("elena").id)
    again = card.open(portrait("elena"), 300)
    assert again.likeness is not state.likeness and again.kept is not state.kept
