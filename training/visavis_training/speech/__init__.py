"""The speech factory: text, phones, voices, coarticulation and the network that learns from them."""
