"""Windows of a portrait that ships, speaking and blinking: what engines are compared on. Needs no torch.

The same windows whichever networks draw them, later ones listening to what the same networks made before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visavis_models.arkit import ARKIT
from visavis_models.diffusion.crops import LEFT_EYE, MOUTH
from visavis_models.diffusion.likeness import likeness_of
from visavis_models.diffusion.maps import MAPS
from visavis_models.diffusion.memory import MotionMemory, RegionMemory
from visavis_models.diffusion.sizes import LATENT_FACTOR
from visavis_models.diffusion.window_networks import WindowNetworks
from visavis_models.diffusion.windows import WindowMaker, region_window
from visavis_models.motion import MotionWindow, rest_motion
from visavis_models.portrait.storage import load_avatar
from visavis_models.warp.renderer import WarpRenderer, draw_frames, pose
from visavis_models.weights import weights_folder

Floats = NDArray[np.float32]
SHOWN_FRAMES = 2
_LEAST_COVER = 0.02


def spoken_motion(first_frame: int, frames: int) -> MotionWindow:
    """A mouth that opens, rounds and smiles, lids that close, a head that turns a little."""
    window = rest_motion(frames, first_frame)
    t = np.arange(first_frame, first_frame + frames, dtype=np.float32)
    for name, height, period in (
        ("jawOpen", 0.5, 6), ("mouthPucker", 0.6, 11), ("mouthSmileLeft", 0.5, 9), ("mouthSmileRight", 0.5, 9),
        ("mouthUpperUpLeft", 0.4, 5), ("mouthUpperUpRight", 0.4, 5), ("eyeBlinkLeft", 1.0, 8),
    ):  # fmt: skip
        window.face[:, ARKIT[name]] = height * (0.5 - 0.5 * np.cos(2 * np.pi * (t + 1) / period))
    window.head[:, 1] = 0.15 * np.sin(t / 5)
    return window


def sample_crops(
    networks: WindowNetworks, steps: int = 1, new_frames: int = 4, windows: int = 2, avatar: str = "maya"
) -> dict[str, tuple[Floats, Floats]]:
    """What networks show of a portrait, cold start first.

    Args:
        networks: which.
        steps: of the flow.
        new_frames: of each window.
        windows: one after another.
        avatar: of the gallery that ships.

    Returns:
        by region, crops float32 (T, 3, H, W), -1..1: the driven photo with what is generated over it; and cover float32
        (T, 1, H, W).
    """
    portrait = load_avatar(weights_folder() / "gallery" / avatar, builtin=True)
    still = WarpRenderer().open(portrait).still
    likeness, size = likeness_of(portrait, still, networks), networks.size
    maker, motions = WindowMaker(networks, steps, seed=0), MotionMemory()
    regions = [region for region in (MOUTH, LEFT_EYE) if region.name in likeness.tokens]
    memory = {region.name: RegionMemory() for region in regions}
    found: dict[str, list[tuple[Floats, Floats]]] = {region.name: [] for region in regions}
    for first in range(0, windows * new_frames, new_frames):
        window = spoken_motion(first, new_frames)
        told = motions.histories(first, np.concatenate([window.face, window.head], 1))
        posed = pose(still, window)
        frames = draw_frames(still, posed)
        asked = []
        for region in regions:
            height, width = region.size_px(size.mouth_px)
            like = (size.stem[2], height // LATENT_FACTOR, width // LATENT_FACTOR)
            overlap = memory[region.name].overlap(first, SHOWN_FRAMES, like)
            asked.append(region_window(region, likeness, posed, frames, first, told, overlap, size.mouth_px))
        for drawn, draft in zip(asked, maker.make(asked), strict=True):
            name, warped, cover = drawn.region.name, drawn.maps[:, MAPS["warped"]], draft.made[:, 3:]
            found[name].append((warped + cover * (draft.made[:, :3] - warped), cover))
            for t in range(new_frames):
                memory[name].latents.append((first + t, draft.latents[t], draft.eighth[t]))
    return {
        name: (np.concatenate([crops for crops, _ in rows]), np.concatenate([cover for _, cover in rows]))
        for name, rows in found.items()
    }


def likeness_db(made: dict[str, tuple[Floats, Floats]], truth: dict[str, tuple[Floats, Floats]]) -> dict[str, float]:
    """PSNR of crops, by region, where anything is generated: the rest is the photo's own."""
    found = {}
    for name, (crops, cover) in truth.items():
        there = np.broadcast_to(cover > _LEAST_COVER, crops.shape)
        error = np.square(made[name][0] - crops, dtype=np.float64)[there].mean() if there.any() else 0.0
        found[name] = float(10 * np.log10(4 / max(error, 1e-12)))
    return found
