"""Listening in processes of its own, for servers whose device draws more sessions than one Python can listen to."""
