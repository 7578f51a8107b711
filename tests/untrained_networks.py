"""Every network that engines are built of: the listener that ships, the renderer with weights that nobody trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from visavis_models.diffusion.sizes import SIZES
from visavis_models.weights import weight_file


def untrained_networks(folder: Path) -> dict[str, Path]:
    """Files by the networks' names; no part of them is silent. Skips the test where torch or onnx are missing."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from visavis_models.diffusion.networks.renderer_networks import RendererNetworks
    from visavis_training.renderer.export import export

    dice = torch.Generator().manual_seed(3)
    for size in SIZES.values():
        networks = RendererNetworks(size)
        with torch.no_grad():
            for weight in networks.parameters():
                scale = 0.3 if weight.dim() < 2 else weight[0].numel() ** -0.5
                weight.copy_(torch.randn(weight.shape, generator=dice) * scale)
        export(networks.eval(), folder)
    return {"listener": weight_file("listener"), **{path.stem: path for path in folder.glob("renderer_*.onnx")}}
