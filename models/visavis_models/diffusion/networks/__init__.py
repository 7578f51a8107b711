"""The diffusion renderer's networks in torch: for training, for export, for NVIDIA cards."""
