"""The networks as they are exported: four modules whose inputs and outputs are the arrays of `graph_shapes`.

They compute what training's modules compute, some of it in another order: what is linear without anything between is
one step here. Made from trained networks and never trained. Know no files and no engines.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from visavis_models.diffusion.maps import MAPS
from visavis_models.diffusion.networks.autoencoder import LatentDecoder, Stem, mended
from visavis_models.diffusion.networks.denoiser_graph import DenoiserGraph
from visavis_models.diffusion.networks.renderer_networks import RendererNetworks
from visavis_models.diffusion.networks.synthesis_region import covered
from visavis_models.diffusion.sizes import RendererSize

_SEEN = 4
"""Channels of what is known of a picture, and of where it is known."""


class StemGraph(nn.Module):
    """Maps to features."""

    def __init__(self, stem: Stem) -> None:
        super().__init__()
        self.stem = stem

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(F, MAP_CHANNELS, H, W) to features at a half, a quarter and an eighth of that size."""
        found = self.stem(maps)
        return found.half, found.quarter, found.eighth


class DecoderGraph(nn.Module):
    """Latents to colours and to how much of them is shown.

    Args:
        decoder: trained.
        size: of the networks.
    """

    def __init__(self, decoder: LatentDecoder, size: RendererSize) -> None:
        super().__init__()
        self.decoder, self.size = decoder, size
        grow, join = decoder.to_half.mix, decoder.at_half.join
        with torch.no_grad():
            # A join of 1 x 1 sums over what is joined: each part goes straight to the sum, and nothing is copied.
            parts = [grow.out_channels, size.stem[0], 4 * _SEEN]
            grown, told, seen = join.weight[:, :, 0, 0].split(parts, 1)
            self.grow = nn.ConvTranspose2d(grow.in_channels, len(grown), 2, stride=2)
            self.grow.weight.copy_(torch.einsum("oc,icyx->ioyx", grown, grow.weight))
            self.grow.bias.copy_(grown @ grow.bias + join.bias)
            self.tell = nn.Conv2d(told.shape[1], len(told), 1, bias=False)
            self.tell.weight.copy_(told[:, :, None, None])
            self.see = nn.Conv2d(_SEEN, len(seen), 2, stride=2, bias=False)
            self.see.weight.copy_(seen.unflatten(1, (_SEEN, 2, 2)))

    def forward(self, latents: Tensor, half: Tensor, quarter: Tensor, eighth: Tensor, maps: Tensor) -> Tensor:
        """See `LatentDecoder.forward`; (F, 4, H, W): RGB -1..1 and cover 0..1, limited to the synthesis region."""
        net = self.decoder
        known = maps[:, MAPS["warped"]]
        x = net.at_eighth(torch.cat([latents, eighth], 1))
        x = net.at_quarter(torch.cat([net.to_quarter(x), quarter], 1))
        seen = torch.cat([known, maps[:, MAPS["shown"]]], 1)
        x = self.grow(x) + self.tell(half) + self.see(seen)
        made = functional.pixel_shuffle(net.out(functional.silu(net.at_half.blocks(x))), 2)
        return torch.cat(covered(mended(made, maps), maps, self.size.mouth_px[1], self.size.eye_px[1]), 1)


def graph_modules(networks: RendererNetworks) -> dict[str, nn.Module]:
    """The modules to export, by the names of `graph_shapes.graphs_of`; they share the networks' weights."""
    return {
        "appearance": networks.appearance,
        "stem": StemGraph(networks.stem),
        "denoiser": DenoiserGraph(networks.denoiser),
        "decoder": DecoderGraph(networks.decoder, networks.size),
    }
