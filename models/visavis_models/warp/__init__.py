"""The geometry-only renderer: fallback, preview, and the picture that the diffusion renderer starts from."""

from visavis_models.warp.renderer import WarpRenderer, WarpState

__all__ = ["WarpRenderer", "WarpState"]
