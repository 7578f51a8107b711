"""The networks that ship, on the portraits that ship: nothing is refused, and nothing else of the picture changes."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from diffusion_fakes import GALLERY, motions
from visavis_models.diffusion.engine_networks import EngineNetworks, networks_ship, shipped_files
from visavis_models.diffusion.renderer import DiffusionRenderer
from visavis_models.diffusion.sizes import COMPACT
from visavis_models.face import topology as topo
from visavis_models.motion import MotionWindow
from visavis_models.portrait.storage import load_avatar
from visavis_models.warp import WarpRenderer
from visavis_models.warp.renderer import pose

pytestmark = [pytest.mark.weights, pytest.mark.skipif(not networks_ship(COMPACT), reason="they do not ship yet")]

NAMES = ("astronaut", "elena", "jun", "maya", "samuel")


def talk() -> MotionWindow:
    """A second: a word, a blink, a turning head."""
    rows = []
    for k in range(24):
        wave = float(np.sin(0.5 * k))
        rows.append(
            {
                "jawOpen": max(0.5 * wave, 0.0), "mouthPucker": max(-0.4 * wave, 0.0), "mouthSmile": 0.2,
                "eyeBlink": float(np.exp(-(((k - 12) / 2) ** 2))), "yaw": 0.12 * wave, "pitch": 0.05 * wave,
            }
        )  # fmt: skip
    return motions(*rows)


@cache
def networks() -> EngineNetworks:
    return EngineNetworks(COMPACT, shipped_files(COMPACT))


@pytest.mark.parametrize("name", NAMES)
def test_a_word_and_a_blink_are_good_enough(name: str) -> None:
    avatar, renderer, warp = load_avatar(GALLERY / name), DiffusionRenderer(networks()), WarpRenderer()
    state, window = renderer.open(avatar, 512), talk()
    made = np.concatenate([renderer.render([state], [window.rows(k, k + 4)])[0] for k in range(0, 24, 4)])
    assert sum(renderer.counts.fallback.values()) + sum(renderer.counts.reanchored.values()) == 0, renderer.counts
    shown = warp.render([warp.open(avatar, 512)], [window])[0]
    changed = np.abs(made.astype(int) - shown).max(-1) > 0
    points = pose(state.likeness.still, window).driven.points[:, :, :2]
    reach = int(0.14 * state.likeness.still.rig.face_width_px)
    for k in range(24):
        near = np.zeros(changed.shape[1:], np.uint8)
        for rows in ((*topo.UPPER_LIP[3], *topo.LOWER_LIP[3]), topo.LEFT_LID_SKIN, topo.RIGHT_LID_SKIN):
            cv2.fillConvexPoly(near, cv2.convexHull(np.rint(points[k, list(rows)]).astype(np.int32)), 1)
        near = cv2.dilate(near, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
        assert not changed[k][near == 0].any(), "hair, neck and background are warp's to the bit"
        if window.face[k].max() > 0 and k < 6:  # lids are up
            for rows in (topo.LEFT_IRIS, topo.RIGHT_IRIS):
                x, y = np.rint(points[k, rows[0]]).astype(int)
                assert not changed[k, y - 1 : y + 2, x - 1 : x + 2].any(), "the iris is the photo's own"
    assert changed[:, points[0, 13, 1].astype(int) - 20 :].any()
