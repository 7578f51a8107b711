"""Where a session goes besides its viewers: recordings, RTMP servers and WHIP servers.

Knows nothing of avatars or of who asks: it takes ticks of the media clock and says how each output does.
"""
