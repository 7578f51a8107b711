"""Whether emotions keep lips from shutting: closure recall with and without each, at full strength; a line of JSON.

    python benchmarks/emotion_closures.py [--corpus CORPUS] [--sounds FOLDER --texts FILE] [--limit 40] [--keep]

The sets are those of `benchmarks/lips.py`: voices and texts that training never had, and a human speaker of telephone
prompts where pocketsphinx is there to place her sounds. `fall` is the recall without any emotion less the one with it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from lip_listening import Heard, listened
from lip_measures import Spoken, closures, shown_of
from lips import held_out, human, sample_sentences
from numpy.typing import NDArray
from record import report

from visavis_models.behaviour.emotional_face import EmotionalFace, coloured_face
from visavis_models.mood import EMOTIONS, Emotion, Feeling

_LEAD_FRAMES = 75
SOUNDS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
TEXTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")


def felt_faces(face: NDArray[np.float32], emotion: Emotion, seed: int) -> NDArray[np.float32]:
    """A voice's mouth (F, 52), said by somebody who has felt so for three seconds."""
    state, rest = EmotionalFace(seed), np.zeros(face.shape[1], np.float32)
    for _ in range(_LEAD_FRAMES):
        state.step(Feeling(emotion))
    return np.stack([coloured_face(rest, mouth, state.step(Feeling(emotion))) for mouth in face])


def recall(spoken: Sequence[Spoken], heard: Sequence[Heard], emotion: Emotion) -> tuple[float, float]:
    """Of p, b and m how many are shut, and of open vowels how many are too."""
    shown = [
        shown_of(felt_faces(each.face, emotion, seed) if emotion != "neutral" else each.face, each.visemes)
        for seed, each in enumerate(heard)
    ]
    shut, falsely = closures(spoken, shown)
    return float(np.mean(shut)), float(np.mean(falsely))


def closure_figures(sets: dict[str, list[Spoken]]) -> dict[str, Any]:
    """By set and emotion: recall, fall and false closures; and the largest fall."""
    found: dict[str, Any] = {}
    for name, spoken in sets.items():
        heard = listened([item.samples for item in spoken])
        rows = {emotion: recall(spoken, heard, emotion) for emotion in EMOTIONS}
        found[name] = {
            "recordings": len(spoken),
            "closures": sum(phone.symbol in "pbm" for item in spoken for phone in item.phones),
            "recall": {emotion: round(row[0], 4) for emotion, row in rows.items()},
            "false_closures": {emotion: round(row[1], 4) for emotion, row in rows.items()},
        }
        for emotion, row in rows.items():
            print(f"{name:14}{emotion:11}recall {row[0]:.3f}  fall {rows['neutral'][0] - row[0]:+.3f}", flush=True)
    falls = [row["recall"]["neutral"] - min(row["recall"].values()) for row in found.values()]
    return {"closure_recall_fall": round(max(falls), 4), "sets": found}


def spoken_sets(corpus: Path | None, sounds: Path, texts: Path, limit: int) -> dict[str, list[Spoken]]:
    """What of the sets is there on this machine."""
    sets: dict[str, list[Spoken]] = {}
    with ProcessPoolExecutor(1) as pool:
        for language in ("en", "zh"):
            sets[f"synthetic_{language}"] = (
                held_out(corpus, None, language, limit, pool) if corpus else sample_sentences(language)
            )
        try:
            sets["human"] = human(sounds, texts, limit, None, pool)[0]
        except (ImportError, OSError) as error:
            print(f"no human set: {error}")
    return sets


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--sounds", type=Path, default=SOUNDS)
    parser.add_argument("--texts", type=Path, default=TEXTS)
    parser.add_argument("--limit", type=int, default=40, help="utterances of each set")
    parser.add_argument("--keep", action="store_true", help="write the figures under results/")
    asked = parser.parse_args()
    figures = closure_figures(spoken_sets(asked.corpus, asked.sounds, asked.texts, asked.limit))
    report("emotion_closures", figures, keep=asked.keep)


if __name__ == "__main__":
    main()
