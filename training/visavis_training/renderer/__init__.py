"""Makes the weights of the diffusion renderer: from people who do not exist, in stages that each can be resumed."""
