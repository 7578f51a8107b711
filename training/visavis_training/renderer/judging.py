"""How good pictures of held-out people are: figures by region, and sheets for eyes. Knows nothing of learning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from visavis_models.diffusion.maps import MAPS
from visavis_models.diffusion.networks.synthesis_region import composed, synthesis_region
from visavis_training.renderer.crop_stream import CropBatch


def psnr_db(shown: Tensor, target: Tensor, region: Tensor) -> Tensor:
    """Peak signal to noise ratio (Q,) of pictures (Q, ..., 3, H, W), -1..1, in a region (Q, ..., 1, H, W)."""
    error = ((shown - target).square() * region).flatten(1).sum(1) / (3 * region.flatten(1).sum(1)).clamp(min=1.0)
    return 10 * torch.log10(4.0 / error.clamp(min=1e-7))


def laid_over(made: Tensor, batch: CropBatch) -> Tensor:
    """The decoder's answers (B, W, 4, H, W') over the driven photo, (B, W, 3, H, W')."""
    maps = batch.maps[:, -made.shape[1] :]
    shown, _ = composed(made.float().flatten(0, 1), maps.flatten(0, 1))
    return shown.unflatten(0, maps.shape[:2])


def figures(batch: CropBatch, made: dict[str, Tensor]) -> dict[str, float]:
    """Median PSNR in the region of every way of making the pictures, and of the driven photo alone."""
    region = (synthesis_region(batch.maps.flatten(0, 1)) > 0.5).float().unflatten(0, batch.maps.shape[:2])
    found = {"warped": float(psnr_db(batch.maps[:, :, MAPS["warped"]], batch.target, region).median())}
    for name, answer in made.items():
        found[name] = float(psnr_db(laid_over(answer, batch), batch.target, region).median())
    return {name: round(value, 2) for name, value in found.items()}


def sheet(batch: CropBatch, made: dict[str, Tensor], frames: Sequence[int], file: Path) -> None:
    """A picture: a row of each window's reference, then for each frame driven photo, every way of making, truth."""
    rows = []
    shown = {name: laid_over(answer, batch) for name, answer in made.items()}
    for q in range(len(batch.shade)):
        tiles = [batch.reference[q, :3]]
        for n in frames:
            tiles += [batch.maps[q, n, MAPS["warped"]], *(x[q, n] for x in shown.values()), batch.target[q, n]]
        rows.append(torch.cat(list(tiles), 2))
    picture = torch.cat(rows, 1).float().clamp(-1, 1).permute(1, 2, 0).cpu().numpy()
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(picture * 127.5 + 127.5).astype(np.uint8)).save(file)
