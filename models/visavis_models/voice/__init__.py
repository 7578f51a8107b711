"""Voice to mouth: features, the speech encoder network, and the listener of the mouth. Knows nothing of pictures."""
