"""In which order a show plays its items: as they stand or shuffled, once or round and round, with more to come.

Pure decisions. Knows nothing of files or time.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from itertools import islice

from visavis_models.errors import BadInput
from visavis_server.play_list import MAX_ITEMS, PlayItem


class PlayOrder:
    """The order of one show.

    Args:
        items: at least one.
        loop: after the last comes the first again.
        shuffle: each round in an order of its own; nothing is played again before everything else was.
        seed: the same seed gives the same rounds.
    """

    def __init__(self, items: Sequence[PlayItem], *, loop: bool = False, shuffle: bool = False, seed: int = 0) -> None:
        self._items: list[PlayItem] = []
        self._waiting: deque[int] = deque()
        self._last: int | None = None
        self.loop = loop
        self.shuffle = shuffle
        self.seed = seed
        self._random = random.Random(seed)
        self.append(items)

    def __len__(self) -> int:
        """How many items there are."""
        return len(self._items)

    def append(self, items: Sequence[PlayItem]) -> None:
        """More to play: at the end of this round; shuffled, anywhere in what is left of it.

        Raises:
            BadInput: `too_many_items`; nothing is appended then.
        """
        if len(self._items) + len(items) > MAX_ITEMS:
            raise BadInput("too_many_items", f"A show plays at most {MAX_ITEMS} files.", "Open another show.")
        places = list(range(len(self._items), len(self._items) + len(items)))
        self._items.extend(items)
        if self.shuffle:
            self._random.shuffle(places)
        if not self.shuffle or not self._waiting:
            self._waiting.extend(places)
            return
        waiting = list(self._waiting)
        for place in places:
            waiting.insert(self._random.randint(0, len(waiting)), place)
        self._waiting = deque(waiting)

    def next(self) -> tuple[int, PlayItem] | None:
        """What to play now, and its number from 0; None: everything was played."""
        if not self._waiting and self.loop:
            self._waiting = deque(self._round())
        if not self._waiting:
            return None
        self._last = self._waiting.popleft()
        return self._last, self._items[self._last]

    def upcoming(self, most: int) -> list[tuple[int, PlayItem]]:
        """What is still to be played in this round, the next first."""
        return [(place, self._items[place]) for place in islice(self._waiting, most)]

    def _round(self) -> list[int]:
        places = list(range(len(self._items)))
        if self.shuffle:
            self._random.shuffle(places)
            if len(places) > 1 and places[0] == self._last:  # twice in a row sounds like a defect
                places.append(places.pop(0))
        return places
