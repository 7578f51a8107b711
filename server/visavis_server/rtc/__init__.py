"""One browser over WebRTC: its offer, its microphone, and the voice and pictures that go to it.

Knows nothing of sessions, avatars or HTTP: `Peer` takes SDP and ticks of the media clock, and hands out voice.
"""

from visavis_server.rtc.bitrate import BitrateLimits
from visavis_server.rtc.peer import Peer
from visavis_server.rtc.sdp import IceServer
from visavis_server.rtc.stats import PeerStats

__all__ = ["BitrateLimits", "IceServer", "Peer", "PeerStats"]
