"""The diffusion renderer whose pictures are made on a card: what networks make never passes through the host.

The processor poses people, draws what lies within the face's window and tells the networks of it; the card fills the
rest, runs the networks, judges and lays over what they make, marks it, and converts it for video. One batch is begun
while the one before is computed: windows are taken to be good, and the few that the guard refuses are made again when
their figures have come. Pictures are those of `DiffusionRenderer`, within one grey level.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from visavis_models.avatar import Avatar, is_of
from visavis_models.device.batch import DeviceBatch
from visavis_models.device.canvas import DeviceFinish, Drawing, composed
from visavis_models.device.face_window import Sheets, draw_window, face_box, window_of
from visavis_models.device.judging import fact_sums
from visavis_models.device.lane import Lane
from visavis_models.device.networks import TensorNetworks
from visavis_models.device.patches import DevicePatch
from visavis_models.device.person import PersonOnDevice, outline_of
from visavis_models.device.transfer import Shipment, shipped
from visavis_models.device.windows import DeviceMemory, DeviceWindowMaker, likeness_on_device
from visavis_models.device.work import DeviceState, DeviceWork, KeptAvatar
from visavis_models.diffusion.batch_sizes import BatchSizes
from visavis_models.diffusion.crops import REGIONS, to_crops
from visavis_models.diffusion.guard import GuardLimits, facts_of, window_refused
from visavis_models.diffusion.memory import RegionMemory, ShownCrop
from visavis_models.diffusion.renderer import DiffusionRenderer, DiffusionState, Job
from visavis_models.diffusion.settings import RenderingSettings
from visavis_models.diffusion.windows import Draft, RegionWindow
from visavis_models.motion import MotionWindow
from visavis_models.rendering import Drawn
from visavis_models.warp.renderer import KEPT_STILLS, Posed, Still

_log = logging.getLogger(__name__)


class DeviceRenderer(DiffusionRenderer):
    """See `visavis_models.rendering.Renderer` and `PipelinedRenderer`.

    Args:
        networks: of one size, on tensors.
        settings: choices at run time.
        limits: beyond what the guard refuses crops.
        batches: how many windows go through the networks at once; None: any number.
        finish: what `begin` does to pictures before anybody sees them.
        threads: processor threads that pose and draw several sessions at once.
    """

    def __init__(
        self,
        networks: TensorNetworks,
        settings: RenderingSettings | None = None,
        limits: GuardLimits | None = None,
        batches: BatchSizes | None = None,
        finish: DeviceFinish | None = None,
        threads: int = 1,
    ) -> None:
        anything: Any = networks
        super().__init__(anything, settings, limits, batches)
        self.device = networks.device
        self.finish = finish
        self._maker = DeviceWindowMaker(networks, self._settings.steps, self._settings.seed, batches)
        self._lane = Lane("visavis card")
        self._drawers = ThreadPoolExecutor(threads, "visavis drawing") if threads > 1 else None
        self._sheets, self._local = Sheets(), threading.local()
        self._counting = threading.Lock()
        self._on_device: list[KeptAvatar] = []

    @property
    def busy_s(self) -> float:
        """How long the device had something to do, in all."""
        return self._lane.busy_s

    @property
    def fewest_frames(self) -> int:
        """See `AdjustableRenderer.fewest_frames`: one, where somebody alone on a card need not wait for a second."""
        return 1

    def open(self, avatar: Avatar, long_side_px: int | None = None) -> DeviceState:
        """See `DiffusionRenderer.open`; the avatar is brought to the device once."""
        likeness = super().open(avatar, long_side_px).likeness
        kept = next((each for each in self._on_device if each.likeness is likeness), None)
        if kept is None:
            person = PersonOnDevice.of(likeness.still, self.device)
            kept = KeptAvatar(likeness, likeness_on_device(likeness, self.device), person)
            self._on_device = [kept, *self._on_device][:KEPT_STILLS]
        regions: dict[str, RegionMemory] = {region.name: DeviceMemory() for region in REGIONS}
        return DeviceState(likeness, regions=regions, kept=kept)

    def forget(self, avatar_id: str) -> None:
        """See `ForgetfulRenderer`."""
        super().forget(avatar_id)
        self._on_device = [kept for kept in self._on_device if not is_of(kept.likeness.still.avatar.id, avatar_id)]

    def close(self) -> None:
        """End its threads; whoever draws again begins them anew."""
        self._lane.close()
        if self._drawers is not None:
            self._drawers.shutdown()
            self._drawers = None

    def begin(
        self, states: Sequence[Any], windows: Sequence[MotionWindow], mattes: Sequence[bool]
    ) -> Future[list[Drawn]]:
        """See `PipelinedRenderer`."""
        return self._begin(states, windows, mattes, self.finish, video=True)

    def render_with_mattes(
        self,
        states: Sequence[DiffusionState],
        windows: Sequence[MotionWindow],
        mattes: Sequence[NDArray[np.uint8] | None],
    ) -> list[NDArray[np.uint8]]:
        """See `MattingRenderer.render_with_mattes`; nothing is done to the pictures."""
        if len(states) != len(windows):
            raise ValueError(f"{len(states)} states for {len(windows)} windows")
        drawn = self._begin(states, windows, [matte is not None for matte in mattes], None, video=False).result()
        for each, matte in zip(drawn, mattes, strict=True):
            if matte is not None and each.covers is not None:
                matte[:] = each.covers
        return [each.pictures for each in drawn]

    def _begin(
        self,
        states: Sequence[Any],
        windows: Sequence[MotionWindow],
        mattes: Sequence[bool],
        finish: DeviceFinish | None,
        video: bool,
    ) -> Future[list[Drawn]]:
        most = self._settings.new_frames
        longest = max((len(window) for window in windows), default=0)
        parts: list[list[Drawn | None]] = []
        for start in range(0, longest, most):
            due = [k for k, window in enumerate(windows) if len(window) > start]
            given = [(states[k], windows[k].rows(start, min(start + most, len(windows[k]))), mattes[k]) for k in due]
            prepare = (
                partial(map, self._prepared) if self._drawers is None else partial(self._drawers.map, self._prepared)
            )
            works = list(prepare(given))
            begun = self._lane.submit(partial(DeviceBatch.start, self, works, finish, video))
            if longest <= most:
                return begun
            # A window follows from the one before it: only the last could be begun ahead, and long runs are no calls.
            made = dict(zip(due, begun.result(), strict=True))
            parts.append([made.get(k) for k in range(len(windows))])
        done: Future[list[Drawn]] = Future()
        done.set_result([_joined([part[k] for part in parts if part[k] is not None]) for k in range(len(windows))])
        return done

    def _prepared(self, given: tuple[DeviceState, MotionWindow, bool]) -> DeviceWork:
        """All that the processor does for one window."""
        state, window, matte = given
        assert state.kept is not None
        height, width = state.likeness.still.avatar.plate.shape[:2]
        drawing = self._local.drawing = Drawing(state.kept.person, (height, width), matte=matte)
        frames, _ = self._sheets.of(len(window), height, width)
        job = self._job(state, window, frames, None)
        return DeviceWork(job, state.kept, drawing, job.posed)

    def _draw(self, still: Still, posed: Posed, frames: NDArray[np.uint8], mattes: NDArray[np.uint8] | None) -> None:
        """What lies within the face's window; the rest is told to the device."""
        _, number = self._sheets.of(len(frames), *frames.shape[1:3])
        drawing: Drawing = self._local.drawing
        for t, frame in enumerate(frames):
            box = face_box(still, posed, t, self.networks.size.mouth_px)
            draw_window(still, posed, t, box, frame, number)
            drawing.outlines.append(outline_of(still, posed.mesh[t]))
            drawing.faces.append(window_of(frame, box))

    def _leave_to_warp(self, job: Job, name: str, reason: str | None) -> None:
        with self._counting:
            super()._leave_to_warp(job, name, reason)

    def _begin_refusal(self, window: RegionWindow, led: RegionWindow, draft: Draft, memory: RegionMemory) -> str | None:
        newest = memory.newest if len(led) > len(window) else None
        [beside, alone] = [self.facts([(led, draft, before)]) for before in (newest, None)]
        reason = window_refused([facts_of(row) for row in _numbers(alone)], led.motion, self.limits)
        if reason is None and newest is not None and facts_of(_numbers(beside)[0]).jump > self.limits.most_apart:
            return "jump"
        return reason

    def facts(self, of: Sequence[tuple[RegionWindow, Draft, ShownCrop | None]]) -> torch.Tensor:
        """Sums over the crops of windows of one size, one after another: see `fact_sums`.

        Args:
            of: windows, their drafts, and the crop of the frame before each.
        """
        made: Any = torch.cat([draft.made for _, draft, _ in of])
        maps: Any = torch.cat([window.maps for window, _, _ in of])
        before: list[Any] = []
        before_maps: list[Any] = []
        follows: list[bool] = []
        for window, draft, newest in of:
            crops: Any = draft.made
            maps_of: Any = window.maps
            first = (crops[:1], maps_of[:1]) if newest is None else (newest.drafted[None], newest.maps[None])
            before += [first[0], crops[:-1]]
            before_maps += [first[1], maps_of[:-1]]
            follows += [newest is not None] + [True] * (len(window) - 1)
        told = torch.tensor(follows, device=made.device)
        return fact_sums(made, maps, torch.cat(before), torch.cat(before_maps), told)

    def newest_before(self, window: RegionWindow, memory: RegionMemory) -> ShownCrop | None:
        """The crop that a window follows."""
        newest = memory.newest
        follows = newest is not None and newest.frame == window.first_frame - 1 and window.overlap.known.any()
        return newest if follows else None

    def layers(self, work: DeviceWork) -> list[list[DevicePatch]]:
        """What is laid over a window, by region."""
        rig, found = work.still.rig, []
        for region in REGIONS:
            shown = work.job.shown.get(region.name)
            if shown is None:
                found.append(list[DevicePatch]())
                continue
            mouth_px = self.networks.size.mouth_px
            crops = to_crops(region, rig.neutral_points, work.posed.skull, rig.face_width_px, mouth_px)
            given: Any = zip(shown.made, shown.maps, crops, shown.share, strict=True)
            found.append(
                [DevicePatch(t, made, maps, crop, float(share)) for t, (made, maps, crop, share) in enumerate(given)]
            )
        return found

    def compose(
        self, works: Sequence[DeviceWork], finish: DeviceFinish | None, video: bool, also: Sequence[torch.Tensor] = ()
    ) -> Shipment:
        """Put windows together and send them, and something else behind them."""
        for work in works:
            work.drawing.layers = self.layers(work)
        made = composed([work.drawing for work in works], self.device, finish, video)
        return shipped([*(tensor for each in made for tensor in each.tensors), *also])

    def take_drafts(self, asked: Sequence[tuple[Job, RegionWindow]]) -> list[Draft | None]:
        """See `DiffusionRenderer._drafts`."""
        return self._drafts(asked)

    def recover(self, refused: Sequence[tuple[Job, str, str]]) -> None:
        """See `DiffusionRenderer._recover`."""
        self._recover(refused)

    def count_windows(self, count: int) -> None:
        """So many were judged."""
        with self._counting:
            self.counts.windows += count


def _joined(parts: Sequence[Drawn | None]) -> Drawn:
    """Windows of one state, one after another."""
    known = [part for part in parts if part is not None]
    if len(known) == 1:
        return known[0]

    def rows(arrays: Sequence[NDArray[np.uint8] | None]) -> NDArray[np.uint8] | None:
        there = [array for array in arrays if array is not None]
        return np.concatenate(there) if len(there) == len(known) else None

    pictures = np.concatenate([part.pictures for part in known])
    planes, covers = rows([part.planes for part in known]), rows([part.covers for part in known])
    return Drawn(pictures, planes, covers, all(part.finished for part in known))


def _numbers(sums: torch.Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = sums.cpu().numpy()
    return found
