"""The diffusion renderer: what a photo cannot show is generated and laid over what `warp` draws of it.

Mouths of all sessions go through the networks together, and so do eyes. Every window is judged before it is shown; a
picture is never worse than `warp` for long. One thread renders; another one may open.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from visavis_models.avatar import Avatar, is_of
from visavis_models.diffusion.batch_sizes import BatchSizes
from visavis_models.diffusion.compositing import Patch
from visavis_models.diffusion.crops import MOUTH, REGIONS, to_crops
from visavis_models.diffusion.guard import REASONS, GuardLimits, begin_refusal, window_refusal
from visavis_models.diffusion.likeness import Likeness, likeness_of
from visavis_models.diffusion.memory import MotionMemory, RegionMemory
from visavis_models.diffusion.recovery import (
    Shown,
    begin_anew,
    keep_going,
    may_try,
    note_failure,
    show_on,
    stand_in,
    stays_still,
)
from visavis_models.diffusion.settings import FEWEST_NEW_FRAMES, RenderingSettings, cheaper_ways
from visavis_models.diffusion.sizes import LATENT_FACTOR
from visavis_models.diffusion.window_networks import WindowNetworks
from visavis_models.diffusion.windows import Draft, RegionWindow, WindowMaker, lids_move, region_window
from visavis_models.errors import EngineError
from visavis_models.motion import MotionWindow
from visavis_models.rendering import GuardCounts
from visavis_models.warp.renderer import (
    KEPT_STILLS,
    Posed,
    Still,
    WarpRenderer,
    draw_matte,
    draw_person,
    paint_openings,
    pose,
)

_log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
_REGION = {region.name: region for region in REGIONS}


@dataclass(slots=True)
class DiffusionState:
    """One session's hold on an avatar, and what it has shown."""

    likeness: Likeness
    motion: MotionMemory = field(default_factory=MotionMemory)
    regions: dict[str, RegionMemory] = field(default_factory=lambda: {r.name: RegionMemory() for r in REGIONS})
    settings: RenderingSettings | None = None
    """What this session is drawn by; None: what all are."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames in px."""
        avatar = self.likeness.still.avatar
        return avatar.width_px, avatar.height_px

    def forget(self) -> None:
        """Nothing was shown."""
        self.motion.forget()
        for memory in self.regions.values():
            memory.forget()


@dataclass(slots=True)
class Job:
    """A window of one session on its way."""

    state: DiffusionState
    window: MotionWindow
    posed: Posed
    frames: NDArray[np.uint8]
    """uint8 (N, H, W, 3): what `warp` draws, then what is shown."""
    windows: dict[str, RegionWindow] = field(default_factory=dict)
    """Those that the networks are asked for, by region."""
    shown: dict[str, Shown] = field(default_factory=dict)
    """What is laid over, by region."""

    def patches(self, t: int, mouth_px: tuple[int, int]) -> Iterator[tuple[Patch, float]]:
        """What is laid over frame `t`, and how much of it."""
        still = self.state.likeness.still
        rig = still.rig
        for name, shown in self.shown.items():
            [to_crop] = to_crops(
                _REGION[name], rig.neutral_points, self.posed.skull[t : t + 1], rig.face_width_px, mouth_px
            )
            patch = Patch.of(shown.made[t], shown.maps[t], to_crop, still.avatar.plate.shape[:2])
            if patch is not None:
                yield patch, float(shown.share[t])


class DiffusionRenderer:
    """See `visavis_models.rendering.Renderer`.

    Args:
        networks: of one size.
        settings: choices at run time.
        limits: beyond what the guard refuses crops.
        batches: how many windows go through the networks at once; None: any number.
    """

    def __init__(
        self,
        networks: WindowNetworks,
        settings: RenderingSettings | None = None,
        limits: GuardLimits | None = None,
        batches: BatchSizes | None = None,
    ) -> None:
        self.networks, self.limits = networks, limits or GuardLimits()
        self.counts = GuardCounts(reanchored=dict.fromkeys(REASONS, 0), fallback=dict.fromkeys(REASONS, 0))
        self._warp = WarpRenderer()
        self._likenesses: list[Likeness] = []
        self._engine_failed = False
        settings = settings or RenderingSettings()
        self._ways = cheaper_ways(settings)
        self._maker = WindowMaker(networks, settings.steps, settings.seed, batches)
        self.take(next(iter(self._ways)))

    @property
    def name(self) -> str:
        """`diffusion`."""
        return "diffusion"

    @property
    def settings(self) -> RenderingSettings:
        """What it works by."""
        return self._settings

    @property
    def ways(self) -> tuple[str, ...]:
        """See `AdjustableRenderer.ways`."""
        return tuple(self._ways)

    @property
    def way(self) -> str:
        """See `AdjustableRenderer.way`."""
        return self._settings.way

    @property
    def fewest_frames(self) -> int:
        """See `AdjustableRenderer.fewest_frames`."""
        return FEWEST_NEW_FRAMES if self._settings.mouth or self._settings.eyes else 1

    def take(self, way: str, state: DiffusionState | None = None) -> None:
        """See `AdjustableRenderer.take`."""
        if way not in self._ways:
            raise ValueError(f"there is no way {way!r}: choose one of {', '.join(self._ways)}")
        if state is None:
            self._settings = self._ways[way]
        else:
            state.settings = self._ways[way]

    def open(self, avatar: Avatar, long_side_px: int | None = None) -> DiffusionState:
        """Prepare an avatar for one session; a second session with it opens at once. See `Renderer.open`."""
        still = self._warp.open(avatar, long_side_px).still
        known = next((k for k in self._likenesses if k.still is still), None)
        if known is None:
            known = likeness_of(avatar, still, self.networks)
            for name, reason in known.left_to_warp.items():
                _log.info("left to warp", extra={"avatar": avatar.id, "region": name, "reason": reason})
            self._likenesses = [known, *self._likenesses][:KEPT_STILLS]
        return DiffusionState(known)

    def forget(self, avatar_id: str) -> None:
        """See `ForgetfulRenderer`; sessions that show the avatar keep their own hold."""
        self._warp.forget(avatar_id)
        self._likenesses = [known for known in self._likenesses if not is_of(known.still.avatar.id, avatar_id)]

    def render(self, states: Sequence[DiffusionState], windows: Sequence[MotionWindow]) -> list[NDArray[np.uint8]]:
        """Draw the frames of one window for each state, in one batch. See `Renderer.render`."""
        return self.render_with_mattes(states, windows, [None] * len(states))

    def plate(self, state: DiffusionState) -> NDArray[np.uint8]:
        """See `MattingRenderer.plate`."""
        return state.likeness.still.avatar.plate

    def render_with_mattes(
        self,
        states: Sequence[DiffusionState],
        windows: Sequence[MotionWindow],
        mattes: Sequence[NDArray[np.uint8] | None],
    ) -> list[NDArray[np.uint8]]:
        """Draw, and tell the person from the background. See `MattingRenderer.render_with_mattes`."""
        if len(states) != len(windows):
            raise ValueError(f"{len(states)} states for {len(windows)} windows")
        frames = [
            np.empty((len(window), *state.likeness.still.avatar.plate.shape), np.uint8)
            for state, window in zip(states, windows, strict=True)
        ]
        most = self._settings.new_frames
        for start in range(0, max((len(window) for window in windows), default=0), most):
            due = [k for k, window in enumerate(windows) if len(window) > start]
            jobs = []
            for k in due:
                matte, part = mattes[k], np.s_[start : start + most]
                window = windows[k].rows(start, min(start + most, len(windows[k])))
                jobs.append(self._job(states[k], window, frames[k][part], None if matte is None else matte[part]))
            self._generate(jobs)
            for job in jobs:
                self._lay(job)
        return frames

    def _job(
        self,
        state: DiffusionState,
        window: MotionWindow,
        frames: NDArray[np.uint8],
        mattes: NDArray[np.uint8] | None,
    ) -> Job:
        """Draw as `warp` does, and the maps of every region that is to be generated."""
        face, head = (np.nan_to_num(x, posinf=0.0, neginf=0.0) for x in (window.face, window.head))
        window = replace(window, face=np.clip(face, 0, 1), head=head)
        likeness, first, settings = state.likeness, window.first_frame, state.settings or self._settings
        if state.motion.last_frame is not None and first <= state.motion.last_frame:
            state.forget()
        posed = pose(likeness.still, window)
        self._draw(likeness.still, posed, frames, mattes)
        job = Job(state, window, posed, frames)
        shown_face = likeness.still.rig.shown_expression(window.face)
        motion = state.motion.histories(first, np.concatenate([shown_face, window.head], 1).astype(np.float32))
        for region in REGIONS:
            memory = state.regions[region.name]
            if region.name not in likeness.tokens:
                continue
            if not lids_move(posed, region):
                memory.forget()
                memory.presence = 1.0 if not memory.failures else memory.presence
            elif not (settings.mouth if region is MOUTH else settings.eyes):
                self._stand_in(job, region.name)
            elif not may_try(memory, first):
                self._leave_to_warp(job, region.name, None)
            elif region is MOUTH and stays_still(memory, first, motion, settings.still_below):
                job.shown[region.name] = show_on(first, len(window), memory)
            else:
                size = self.networks.size
                height, width = region.size_px(size.mouth_px)
                like = size.stem[2], height // LATENT_FACTOR, width // LATENT_FACTOR
                overlap = memory.overlap(first, settings.overlap_frames, like)
                job.windows[region.name] = region_window(
                    region, likeness, posed, frames, first, motion, overlap, size.mouth_px
                )  # fmt: skip
        return job

    def _draw(self, still: Still, posed: Posed, frames: NDArray[np.uint8], mattes: NDArray[np.uint8] | None) -> None:
        """All that `warp` draws of posed frames."""
        for t, frame in enumerate(frames):
            scene = draw_person(still, posed, t, frame)
            if mattes is not None:
                draw_matte(still, scene, mattes[t])
            paint_openings(still, posed, t, scene)

    def _generate(self, jobs: Sequence[Job]) -> None:
        """Make, judge and, where that fails, make again or leave to `warp`."""
        asked = [(job, name, window) for job in jobs for name, window in job.windows.items()]
        refused: list[tuple[Job, str, str]] = []
        over = self._settings.cross_fade_frames
        for (job, name, window), draft in zip(asked, self._drafts([(j, w) for j, _, w in asked]), strict=True):
            memory = job.state.regions[name]
            self.counts.windows += 1
            reason = self._refusal(window, draft, memory)
            if reason is None and draft is not None:
                job.shown[name] = keep_going(window, draft, memory, over)
            elif reason is not None:
                refused.append((job, name, reason))
        self._recover(refused)

    def _recover(self, refused: Sequence[tuple[Job, str, str]]) -> None:
        """Make again from the portrait what was refused, for a reason each, or leave it to `warp`."""
        over, anew = self._settings.cross_fade_frames, []
        for job, name, reason in refused:
            window, memory = job.windows[name], job.state.regions[name]
            if reason == "engine" or not window.overlap.known.any():
                self._leave_to_warp(job, name, reason)
            else:
                anew.append((job, name, reason, window.from_the_portrait(memory.newest)))
        for (job, name, reason, led), draft in zip(anew, self._drafts([(a[0], a[3]) for a in anew]), strict=True):
            memory, window = job.state.regions[name], job.windows[name]
            again = "engine" if draft is None else self._begin_refusal(window, led, draft, memory)
            if draft is None or again is not None:
                self._leave_to_warp(job, name, again or reason)
                continue
            self.counts.reanchored[reason] += 1
            _log.info("begun anew from the portrait", extra={"region": name, "reason": reason})
            job.shown[name] = begin_anew(window, led, draft, memory, over)

    def _drafts(self, asked: Sequence[tuple[Job, RegionWindow]]) -> list[Draft | None]:
        """What the networks make; None for all if no engine could run them."""
        windows = [window for _, window in asked]
        if not windows:
            return []
        steps = [(job.state.settings or self._settings).steps for job, _ in asked]
        try:
            drafts: list[Draft | None] = [*self._maker.make(windows, steps)]
        except EngineError as error:
            if not self._engine_failed:
                _log.error("networks fail; warp draws", extra={"error": error.message})
            self._engine_failed = True
            return [None] * len(windows)
        self._engine_failed = False
        return drafts

    def _refusal(self, window: RegionWindow, draft: Draft | None, memory: RegionMemory) -> str | None:
        if draft is None:
            return "engine"
        newest = memory.newest
        follows = newest is not None and newest.frame == window.first_frame - 1 and window.overlap.known.any()
        before = (newest.drafted, newest.maps) if newest is not None and follows else None
        return window_refusal(draft.made, window.maps, window.motion, before, self.limits)

    def _begin_refusal(self, window: RegionWindow, led: RegionWindow, draft: Draft, memory: RegionMemory) -> str | None:
        newest = memory.newest if len(led) > len(window) else None
        shown = None if newest is None else (newest.drafted, newest.maps)
        return begin_refusal(draft.made, led.maps, led.motion, shown, self.limits)

    def _leave_to_warp(self, job: Job, name: str, reason: str | None) -> None:
        """`warp` stands in; `reason` is None while the networks rest."""
        memory = job.state.regions[name]
        if reason is not None:
            note_failure(memory, job.window.first_frame + len(job.window), reason)
            if memory.failures == 1:  # not for every window of a long failure
                _log.warning("left to warp", extra={"region": name, "reason": reason})
        self.counts.fallback[memory.failed_by] += 1
        self._stand_in(job, name)

    def _stand_in(self, job: Job, name: str) -> None:
        shown = stand_in(len(job.window), job.state.regions[name], self._settings.cross_fade_frames)
        if shown is not None:
            job.shown[name] = shown

    def _lay(self, job: Job) -> None:
        for t, frame in enumerate(job.frames):
            for patch, share in job.patches(t, self.networks.size.mouth_px):
                patch.lay(frame, share)
