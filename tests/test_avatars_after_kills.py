"""A process is killed at any instant while it writes, replaces and removes avatars: nothing that was kept is lost."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from visavis_models.portrait import storage
from visavis_models.portrait.library import AvatarLibrary
from visavis_models.weights import weights_folder

pytestmark = pytest.mark.unit
ROUNDS = 25

WRITER = """
import os, random, sys
from dataclasses import replace
from pathlib import Path
from visavis_models.portrait.library import AvatarLibrary
from visavis_models.portrait.storage import load_avatar, save_avatar
root, gallery = Path(sys.argv[1]), Path(sys.argv[2])
people = [replace(load_avatar(gallery / name), builtin=False) for name in ("astronaut", "elena")]
save_avatar(replace(people[0], id="kept"), root / "kept")
for seed in sys.stdin:  # what it takes long to import is there for every child
    child = os.fork()
    if child:
        print(child, flush=True)
        os.waitpid(child, 0)
        continue
    dice, library = random.Random(int(seed)), AvatarLibrary(root)
    while True:
        save_avatar(replace(dice.choice(people), id="kept"), root / "kept")
        save_avatar(replace(people[0], id="comes"), root / "comes")
        library.remove("comes")
"""


def names_of(library: AvatarLibrary) -> set[str]:
    return {entry.id for entry in library.list() if not entry.builtin}


def test_a_kill_at_any_instant_loses_no_avatar(tmp_path: Path) -> None:
    gallery, root, dice = weights_folder() / "gallery", tmp_path / "avatars", random.Random(3)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    kept = {
        avatar.name: avatar.photo for avatar in (storage.load_avatar(gallery / name) for name in ("astronaut", "elena"))
    }
    command = [sys.executable, "-c", WRITER, str(root), str(gallery)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ, text=True) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        for seed in range(ROUNDS):
            parent.stdin.write(f"{seed}\n")
            parent.stdin.flush()
            child = int(parent.stdout.readline())
            time.sleep(dice.uniform(0.0, 0.7))
            os.kill(child, signal.SIGKILL)
            library = AvatarLibrary(root)
            assert names_of(library) >= {"kept"}, f"lost in round {seed}"
            found = library.get("kept")
            assert np.abs(found.photo.astype(int) - kept[found.name]).mean() < 4, f"mixed up in round {seed}"
            for name in names_of(library):
                storage.load_avatar(root / name)
        parent.stdin.close()


def test_one_killed_between_the_two_steps_of_a_replacement_is_there_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "avatars"
    avatar = storage.load_avatar(weights_folder() / "gallery" / "elena")
    storage.save_avatar(avatar, root / "kept")
    steps = iter((True, False))
    plain = os.rename

    def dies(source: Path, target: Path) -> None:
        if not next(steps, False):
            raise KeyboardInterrupt
        plain(source, target)

    monkeypatch.setattr(os, "rename", dies)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        storage.save_avatar(avatar, root / "kept")
    monkeypatch.undo()
    assert not (root / "kept").exists(), "the test no longer stops between the steps"
    library = AvatarLibrary(root)
    assert names_of(library) == {"kept"} and library.get("kept").photo.shape == avatar.photo.shape


def test_what_was_removed_does_not_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "avatars"
    avatar = storage.load_avatar(weights_folder() / "gallery" / "elena")
    storage.save_avatar(avatar, root / "kept")
    library = AvatarLibrary(root)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # killed before it tidied up
        storage.save_avatar(avatar, root / "kept")
    library.remove("kept")
    assert names_of(AvatarLibrary(root)) == set() and not any(root.iterdir())
