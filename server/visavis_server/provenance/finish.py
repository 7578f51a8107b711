"""What every drawn picture gets before anybody sees it: the badge, where it is wanted, and the watermark.

Knows nothing of how pictures are drawn or where they go.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from visavis_server.provenance.badge import with_badge
from visavis_server.provenance.watermark import marked

Finish = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Takes and gives uint8 (T, H, W, 3) RGB; what it is given is not changed."""


def finish_of(watermark: bool, badge: str) -> Finish | None:
    """What pictures are to get; None: nothing.

    Args:
        watermark: see `marked`.
        badge: the words of the badge; empty: none.
    """
    if not badge:
        return marked if watermark else None
    written = partial(with_badge, text=badge)
    return (lambda pictures: marked(written(pictures))) if watermark else written
