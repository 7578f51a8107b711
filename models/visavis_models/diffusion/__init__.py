"""The diffusion renderer: what a photo cannot show is generated in latent windows and laid over the driven photo."""
