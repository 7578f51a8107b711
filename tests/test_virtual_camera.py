"""The virtual camera against a fake of pyvirtualcam's public API; against pyvirtualcam itself where it is installed.

No machine of ours has a camera device: what is tested with the real package is everything above its backend.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from collections.abc import Iterator
from enum import Enum
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from fakes import fake_avatar, painted_facts
from rtc_loopback import until
from running_server import House, client_of, house
from visavis_models.errors import EngineError
from visavis_server.camera_feed import CameraFeed
from visavis_server.media import Published
from visavis_server.serving import check_camera
from visavis_server.settings import BadSetting
from visavis_server.settings_sources import load_settings
from visavis_server.virtual_camera import VirtualCamera, fit_into

pytestmark = [pytest.mark.unit, pytest.mark.timeout(30)]


class Device:
    """A backend as `pyvirtualcam.Backend` describes it; what was sent stays to be looked at."""

    made: ClassVar[list[Device]] = []
    there: ClassVar[bool] = True
    taken: ClassVar[int] = 0

    def __init__(self, *, width: int, height: int, fps: float, fourcc: int, device: str | None, **_: Any) -> None:
        if not Device.there or device == "/dev/video99":
            raise RuntimeError("No v4l2 loopback device found.\nDid you run 'modprobe v4l2loopback'?")
        self.width, self.height, self.fps = width, height, fps
        self.name = device or "/dev/video10"
        self.frames: list[NDArray[np.uint8]] = []
        self.broken = self.closed = False
        self.gate = threading.Event()
        self.gate.set()
        Device.made.append(self)

    def device(self) -> str:
        return self.name

    def native_fourcc(self) -> int | None:
        return None

    def send(self, frame: NDArray[np.uint8]) -> None:
        self.gate.wait(10)
        if self.broken:
            raise RuntimeError("write failed: No such device")
        assert frame.dtype == np.uint8 and frame.flags.c_contiguous and frame.size == self.width * self.height * 3
        self.frames.append(frame.reshape(self.height, self.width, 3).copy())

    def close(self) -> None:
        assert not self.closed, "it is promised to be called exactly once"
        self.closed = True


class PixelFormat(Enum):
    RGB = "raw "


class FakeCamera:
    """`pyvirtualcam.Camera` as far as its documentation goes."""

    def __init__(
        self, width: int, height: int, fps: float, *, fmt: PixelFormat = PixelFormat.RGB, device: str | None = None
    ) -> None:
        assert fmt is PixelFormat.RGB
        self._backend: Device | None = Device(width=width, height=height, fps=fps, fourcc=0, device=device)
        self._shape = (height, width, 3)

    @property
    def device(self) -> str:
        assert self._backend is not None
        return self._backend.device()

    def send(self, frame: NDArray[np.uint8]) -> None:
        if frame.dtype != np.uint8:
            raise TypeError("unexpected frame dtype")
        if frame.shape != self._shape:
            raise ValueError("unexpected frame shape")
        assert self._backend is not None
        self._backend.send(np.asarray(frame.reshape(-1), order="C"))

    def close(self) -> None:
        if self._backend is not None:
            self._backend.close()
            self._backend = None


@pytest.fixture(params=["fake", "pyvirtualcam"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Device]]:
    """A machine with a virtual camera."""
    Device.made, Device.there = [], True
    if request.param == "fake":
        fake = ModuleType("pyvirtualcam")
        fake.Camera, fake.PixelFormat = FakeCamera, PixelFormat  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "pyvirtualcam", fake)
    else:
        if importlib.util.find_spec("pyvirtualcam") is None:
            pytest.skip("pyvirtualcam is not installed (pip install 'visavis[camera]')")
        real = importlib.import_module("pyvirtualcam.camera")
        monkeypatch.setattr(real, "BACKENDS", {"test": Device})
    yield Device


def colour(red: int, green: int, blue: int, width: int = 64, height: int = 64) -> NDArray[np.uint8]:
    return np.full((height, width, 3), (red, green, blue), np.uint8)


def wait(condition: Any, seconds: float = 5.0) -> None:
    give_up_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_s
        time.sleep(0.005)


def test_the_camera_shows_the_newest_picture_whole_in_its_own_size(machine: type[Device]) -> None:
    camera = VirtualCamera("auto", 320, 180)
    try:
        [device] = machine.made
        assert (device.width, device.height, device.fps, camera.device) == (320, 180, 25, "/dev/video10")
        camera.publish(Published(0, colour(200, 10, 30), np.zeros(1920, np.int16), False, 0))
        wait(lambda: device.frames and device.frames[-1].any())
        frame = device.frames[-1]
        assert tuple(frame[90, 160]) == (200, 10, 30)
        assert not frame[:, :69].any() and not frame[:, 251:].any() and frame[:, 71:249].all(axis=2).all()
    finally:
        camera.close()
    assert device.closed


def test_a_program_that_reads_gets_pictures_even_if_nobody_is_there(machine: type[Device]) -> None:
    camera = VirtualCamera("/dev/video7", 320, 240)
    [device] = machine.made
    wait(lambda: len(device.frames) >= 2)
    assert not device.frames[0].any()
    camera.show(colour(9, 9, 9))
    wait(lambda: device.frames[-1].any())
    count = len(device.frames)
    wait(lambda: len(device.frames) >= count + 2)
    assert device.frames[-1].any(), "the last picture stays"
    camera.clear()
    wait(lambda: not device.frames[-1].any())
    camera.close()
    camera.close()


def test_a_slow_camera_drops_pictures_and_never_holds_up_the_clock(machine: type[Device]) -> None:
    camera = VirtualCamera("auto", 320, 240)
    [device] = machine.made
    device.gate.clear()
    begun_s = time.monotonic()
    for n in range(100):
        camera.show(colour(n, 0, 0))
    assert time.monotonic() - begun_s < 1.0
    device.gate.set()
    wait(lambda: device.frames and device.frames[-1][120, 160, 0] == 99)
    assert camera.dropped >= 97
    camera.close()


def test_a_camera_that_vanishes_is_opened_again(machine: type[Device], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visavis_server.virtual_camera._REOPEN_S", 0.05)
    camera = VirtualCamera("auto", 320, 240)
    [device] = machine.made
    machine.there = False
    device.broken = True
    camera.show(colour(1, 1, 1))
    wait(lambda: device.closed)
    time.sleep(0.2)
    machine.there = True
    wait(lambda: len(machine.made) == 2)
    camera.show(colour(50, 60, 70))
    wait(lambda: machine.made[1].frames and machine.made[1].frames[-1].any())
    assert camera.broken == 1
    camera.close()
    assert machine.made[1].closed


def test_a_camera_that_is_away_can_be_closed_at_once(machine: type[Device]) -> None:
    camera = VirtualCamera("auto", 320, 240)
    [device] = machine.made
    machine.there, device.broken = False, True
    wait(lambda: device.closed)
    begun_s = time.monotonic()
    camera.close()
    assert time.monotonic() - begun_s < 2


def test_a_machine_without_a_camera_is_told_how_to_get_one(machine: type[Device]) -> None:
    machine.there = False
    with pytest.raises(EngineError) as caught:
        VirtualCamera("auto", 320, 240)
    assert caught.value.code == "no_camera" and "modprobe v4l2loopback" in caught.value.remedy
    assert "\n" not in caught.value.message
    machine.there = True
    with pytest.raises(EngineError, match="/dev/video99"):
        VirtualCamera("/dev/video99", 320, 240)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(EngineError) as caught:
        VirtualCamera("auto", 320, 240)
    assert caught.value.code == "camera_not_installed" and "pip install 'visavis[camera]'" in caught.value.remedy


@pytest.mark.parametrize(("width", "height"), [(64, 64), (48, 200), (1024, 100), (1, 1), (640, 360), (641, 361)])
def test_pictures_of_every_shape_fit(width: int, height: int) -> None:
    canvas = np.full((360, 640, 3), 77, np.uint8)
    fit_into(canvas, colour(255, 255, 255, width, height))
    lit = np.argwhere(canvas[..., 0] > 127)
    (top, left), (bottom, right) = lit.min(axis=0), lit.max(axis=0)
    high, wide = bottom - top + 1, right - left + 1
    assert high == 360 or wide == 640
    assert abs(wide / high - width / height) < 0.02 * width / height + 1 / high
    assert abs((top + bottom) / 2 - 179.5) <= 1 and abs((left + right) / 2 - 319.5) <= 1
    assert (canvas != 77).all(), "nothing is left of the picture before"


class Screen:
    """A camera that keeps what it is given."""

    def __init__(self) -> None:
        self.shown: list[Published] = []
        self.cleared = 0

    def publish(self, item: Published) -> None:
        self.shown.append(item)

    def clear(self) -> None:
        self.cleared += 1

    def who(self) -> int:
        return int(self.shown[-1].picture[0, 0, 2])


async def ticks(home: House) -> None:
    for session in home.studio.sessions:
        session.tick()


async def test_the_camera_follows_the_newest_session_and_the_operators_own_show_first() -> None:
    home, screen = house(sessions__capacity=4), Screen()
    async with client_of(home):
        feed = CameraFeed(home.calls, screen, screen.clear, strangers=True)
        first = await home.calls.open(fake_avatar())
        second = await home.calls.open(fake_avatar())
        await ticks(home)
        assert screen.who() == 2 and len(screen.shown) == 1
        own = await home.calls.open(fake_avatar(), lasting=True)
        await home.calls.open(fake_avatar())
        await ticks(home)
        assert screen.who() == 3
        await home.calls.end(own.id, "deleted")
        await ticks(home)
        assert screen.who() == 4
        for call in home.calls.calls():
            await home.calls.end(call.id, "deleted")
        assert screen.cleared == 1 and first.id != second.id
        feed.close()
        await home.calls.open(fake_avatar())
        before = len(screen.shown)
        await ticks(home)
        assert len(screen.shown) == before


async def test_on_a_public_server_nobody_but_the_operators_show_is_on_the_camera() -> None:
    home, screen = house(sessions__capacity=4), Screen()
    async with client_of(home):
        feed = CameraFeed(home.calls, screen, screen.clear, strangers=False)
        await home.calls.open(fake_avatar())
        await ticks(home)
        assert not screen.shown
        await home.calls.open(fake_avatar(), lasting=True)
        await ticks(home)
        assert screen.who() == 2
        feed.close()
    public = {"camera.device": "auto", "server.host": "0.0.0.0"}
    with pytest.raises(BadSetting, match="whoever reaches this server"):
        check_camera(load_settings(flags=public))
    check_camera(load_settings(flags={**public, "shows.play": ("talk.mp3",)}))
    check_camera(load_settings(flags={"camera.device": "auto"}))
    with pytest.raises(BadSetting, match="odd"):
        load_settings(flags={"camera.width": 641})


async def test_the_real_clock_drives_the_camera(machine: type[Device]) -> None:
    home = house()
    async with client_of(home):
        camera = VirtualCamera("auto", 320, 240)
        feed = CameraFeed(home.calls, camera, camera.clear, strangers=True)
        await home.calls.open(fake_avatar())
        home.studio.sessions[0].tick()
        [device] = machine.made
        await until(lambda: bool(device.frames) and bool(device.frames[-1].any()), 5)
        assert tuple(device.frames[-1][120, 160]) == tuple(painted_facts(0, 0, 1)[0, 0])
        feed.close()
        camera.close()
